//! The plan of wishes: each becomes a facet with its present value. One principal or policy that is missing or must not be changed costs
//! the others nothing.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_model::action::{ActionError, Planned};
use guardrails_model::principal::Principal;

use super::attachments::{Attachments, Desired, attached, detached};

/// A principal as IAM has it.
struct Known {
    policies: BTreeSet<String>,
    identity: Option<String>,
}

/// Something, or why there is none.
type Or<T> = Result<T, String>;

impl Attachments {
    /// Each wish as a facet, where `left` are principals that must not be changed, each with the reason. A missing or protected principal
    /// is no part of the plan, and has its reason. A principal that has no room for all of its policies gets none of them.
    ///
    /// # Errors
    /// When IAM asks to come back later.
    pub async fn plan(&self, desired: &[Desired], left: &BTreeMap<Principal, String>) -> Result<Vec<Planned>, ActionError> {
        let mut planned = Vec::with_capacity(desired.len());
        let mut known: BTreeMap<&Principal, Or<Known>> = BTreeMap::new();
        let mut exists: BTreeMap<&str, Or<()>> = BTreeMap::new();
        for desire in desired {
            let Desired { principal, policy, wanted } = desire;
            if !known.contains_key(principal) {
                known.insert(principal, self.look(principal).await?);
            }
            let facet = desire.facet().map_err(|error| ActionError::Refused(error.to_string()))?;
            let label = format!("{} of {principal}", policy.rsplit('/').next().unwrap_or(policy));
            let found = match &known[principal] {
                Ok(found) => found,
                Err(why) => {
                    let present = if *wanted == attached() { detached() } else { attached() };
                    let why = left.get(principal).unwrap_or(why).clone();
                    planned.push(Planned::new(facet, label, present, wanted.clone()).without_plan(why));
                    continue;
                }
            };
            let present = if found.policies.contains(policy) { attached() } else { detached() };
            if present == detached() && !exists.contains_key(policy.as_str()) {
                exists.insert(policy, self.look_for_policy(policy).await?);
            }
            let missing = exists.get(policy.as_str()).filter(|_| present == detached()).and_then(|exists| exists.as_ref().err());
            let why = if present == *wanted { None } else { left.get(principal) }.or(missing);
            let one = Planned { identity: found.identity.clone(), ..Planned::new(facet, label, present, wanted.clone()) };
            planned.push(match why {
                Some(why) => one.without_plan(why.clone()),
                None => one,
            });
        }
        let policies = known.into_iter().filter_map(|(principal, known)| Some((principal, known.ok()?.policies)));
        self.refuse_too_many(&policies.collect(), &mut planned).await?;
        Ok(planned)
    }

    /// Does one of these wishes, which are of one principal, want a change?
    ///
    /// # Errors
    /// When IAM does not say.
    pub async fn would_change(&self, principal: &Principal, desired: &[Desired]) -> Result<bool, ActionError> {
        let Some(policies) = self.attached(principal).await? else { return Ok(false) };
        let is_so = |desire: &Desired| policies.contains(&desire.policy) == (desire.wanted == attached());
        Ok(!desired.iter().filter(|desire| desire.principal == *principal).all(is_so))
    }

    async fn look(&self, principal: &Principal) -> Result<Or<Known>, ActionError> {
        let (kind, name) = (principal.kind(), principal.name());
        match self.attached(principal).await {
            Ok(Some(policies)) => {
                // Without an identity the name decides later, as in records of earlier versions.
                let identity = self.identity(principal).await;
                let identity = identity.or_else(|failure| match failure.reading(&format!("looking at {principal}")) {
                    error @ ActionError::Retryable(_) => Err(error),
                    _ => Ok(None),
                })?;
                Ok(Ok(Known { policies, identity }))
            }
            Ok(None) => Ok(Err(format!("there is no IAM {kind} `{name}`: it was deleted or renamed, or never was"))),
            Err(ActionError::Refused(why)) => Ok(Err(why)),
            Err(error) => Err(error),
        }
    }

    async fn look_for_policy(&self, policy: &str) -> Result<Or<()>, ActionError> {
        match self.policy_exists(policy).await {
            Ok(true) => Ok(Ok(())),
            Ok(false) => Ok(Err(format!("there is no policy `{policy}`: it is neither attached nor detached"))),
            Err(ActionError::Refused(why)) => Ok(Err(why)),
            Err(error) => Err(error),
        }
    }
}
