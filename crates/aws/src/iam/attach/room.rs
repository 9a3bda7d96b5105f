//! IAM lets a principal have so many managed policies: whether there is room for more.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_model::action::{ActionError, Change, Planned};
use guardrails_model::ids::Value;
use guardrails_model::principal::Principal;

use super::attachments::{Attachments, PER_GROUP, attached, detached, principals_of};

impl Attachments {
    /// Counts the free slots of each principal, whose present policies are `known`, and refuses those that have too few.
    pub(super) async fn refuse_too_many(
        &self,
        known: &BTreeMap<&Principal, BTreeSet<String>>,
        planned: &mut [Planned],
    ) -> Result<(), ActionError> {
        let mut refused: BTreeMap<&Principal, String> = BTreeMap::new();
        for (principal, now) in known {
            match self.too_many(principal, now.len(), planned).await {
                Ok(why) => refused.extend(why.map(|why| (*principal, why))),
                Err(error @ ActionError::Retryable(_)) => return Err(error),
                Err(error) => {
                    refused.insert(principal, error.to_string());
                }
            }
        }
        for one in planned.iter_mut().filter(|one| one.present != one.wanted && one.skip.is_none()) {
            one.refused = Principal::of_policy(&one.facet).and_then(|principal| refused.get(&principal).cloned());
        }
        Ok(())
    }

    /// Why `principal`, which has so many policies at `present`, has no room for all that is planned, if so.
    async fn too_many(&self, principal: &Principal, present: usize, planned: &[Planned]) -> Result<Option<String>, ActionError> {
        let turned = |wanted: Value| {
            let is_so = |planned: &&Planned| {
                planned.wanted == wanted
                    && planned.present != wanted
                    && planned.skip.is_none()
                    && Principal::of_policy(&planned.facet).as_ref() == Some(principal)
            };
            planned.iter().filter(is_so).count()
        };
        let (more, fewer) = (turned(attached()), turned(detached()));
        if more <= fewer {
            return Ok(None);
        }
        let (quota, then) = (self.quota(principal).await?, present + more - fewer);
        Ok((then > quota).then(|| no_room(principal, present, then, quota)))
    }

    /// The principals that have no room any more for all that `changes` attach to them, and detach nothing from; each with the reason.
    ///
    /// # Errors
    /// When IAM does not say.
    pub async fn without_room(&self, changes: &[Change]) -> Result<BTreeMap<Principal, String>, ActionError> {
        let mut refused = BTreeMap::new();
        for principal in principals_of(changes) {
            let mine: Vec<&Change> =
                changes.iter().filter(|change| Principal::of_policy(&change.facet).as_ref() == Some(&principal)).collect();
            if mine.iter().any(|change| change.to == detached()) {
                continue;
            }
            let now = match self.attached(&principal).await {
                Ok(Some(now)) => now,
                Ok(None) => continue,
                Err(ActionError::Refused(why)) => {
                    refused.insert(principal, why);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let more = mine.iter().filter(|change| !now.contains(change.facet.parts().2)).count();
            // Most principals are far from any figure, and asking for it is a call more.
            if more == 0 || now.len() + more <= PER_GROUP {
                continue;
            }
            let (quota, then) = (self.quota(&principal).await?, now.len() + more);
            if then > quota {
                refused.insert(principal.clone(), no_room(&principal, now.len(), then, quota));
            }
        }
        Ok(refused)
    }
}

fn no_room(principal: &Principal, present: usize, then: usize, quota: usize) -> String {
    let (kind, name) = (principal.kind(), principal.name());
    format!("{kind} `{name}` has {present} managed policies and would have {then}: IAM lets a {kind} have {quota}")
}
