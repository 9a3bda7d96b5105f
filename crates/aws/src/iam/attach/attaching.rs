//! The common part of the actions that attach policies and detach them. They differ in their wishes, and in their parameters.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Change, ChangeOutcome, DriftPolicy, Patience, Planned, Seen};
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::principal::Principal;
use guardrails_model::verdict::Verdict;
use jiff::Timestamp;

use super::attachments::{Attachments, Desired, PER_GROUP, detached, principals_of};
use super::drift::Drift;
use crate::context::Context;
use crate::iam::lockout::protected::Protected;
use crate::iam::lockout::shut_out;

/// An action that attaches and detaches.
pub struct Attaching {
    /// The attachments that it wishes, or why these are not known here.
    desired: Result<Vec<Desired>, String>,
    pub(super) attachments: Attachments,
    pub(super) protected: Protected,
    /// Does it deny to assume roles?
    keeps_from_assuming: Verdict,
    /// A group with an operator in it is left alone, and its other members are restricted one by one.
    pub(super) one_by_one: bool,
    /// The policy that closes the guardrails, which alone restricts nobody's spending.
    closing: Option<String>,
    drift: Drift,
}

impl Attaching {
    /// The action that has these wishes in the account of `context`, where `denies` are Deny policies besides the stack's own.
    #[must_use]
    pub fn new(desired: Result<Vec<Desired>, String>, denies: BTreeSet<String>, context: &Context<'_>) -> Self {
        let region = context.region();
        let own = context.home(&region).filter(|_| context.to_come).map(|home| home.denies());
        Self {
            desired,
            attachments: Attachments::new(&context.sdk, &context.sdk_for_changes()).expecting(own),
            protected: Protected::of(context, denies),
            keeps_from_assuming: Verdict::No,
            one_by_one: false,
            closing: None,
            drift: Drift::default(),
        }
    }

    /// One of whose policies this one only closes the guardrails.
    #[must_use]
    pub fn closed_by(self, closing: Option<String>) -> Self {
        Self { closing, ..self }
    }

    /// One that restricts the other members of a group one by one where an operator is in it. The rights of [`super::grants::members`]
    /// go with it.
    #[must_use]
    pub fn one_by_one(self) -> Self {
        Self { one_by_one: true, ..self }
    }

    /// One that denies to assume roles, or may do so.
    #[must_use]
    pub fn keeping_from_assuming(self, keeps_from_assuming: Verdict) -> Self {
        Self { keeps_from_assuming, ..self }
    }

    /// One that answers so to somebody who takes back its changes.
    #[must_use]
    pub fn on_drift(self, drift: Drift) -> Self {
        Self { drift, ..self }
    }

    /// The principals whose policies must not be changed now, each with the reason: a Deny that has no room for all of its
    /// policies is attached not at all.
    async fn refusals(&self, changes: &[Change]) -> Result<BTreeMap<Principal, String>, ActionError> {
        let mut refused = self.protected.refusals(&principals_of(changes)).await?;
        let detaches = self.desired.iter().flatten().any(|desire| desire.wanted == detached());
        if !detaches {
            for (principal, why) in self.attachments.without_room(changes).await? {
                refused.entry(principal).or_insert(why);
            }
        }
        Ok(refused)
    }

    /// Those of `principals` without whom somebody could still become an operator, each with the reason to leave them alone; and a
    /// note on the others.
    async fn way_back(
        &self,
        principals: &BTreeSet<Principal>,
    ) -> Result<(BTreeMap<Principal, String>, Option<String>), ActionError> {
        let mut note = None;
        let mut left = BTreeMap::new();
        match self.is_open(principals).await? {
            Verdict::Yes => {}
            Verdict::Unknown(why) => note = Some(shut_out::warning(&why)),
            Verdict::No => {
                let mut denied = BTreeSet::new();
                for principal in principals {
                    let mut more = denied.clone();
                    more.insert(principal.clone());
                    match self.is_open(&more).await? {
                        Verdict::No => {
                            left.insert(principal.clone(), shut_out::refusal(self.protected.operators()));
                            continue;
                        }
                        Verdict::Unknown(why) => note = Some(shut_out::warning(&why)),
                        Verdict::Yes => {}
                    }
                    denied = more;
                }
            }
        }
        Ok((left, note))
    }

    /// Could anybody become an operator when `principals` are restricted?
    async fn is_open(&self, principals: &BTreeSet<Principal>) -> Result<Verdict, ActionError> {
        let nobody = BTreeSet::new();
        match &self.keeps_from_assuming {
            Verdict::No => Ok(Verdict::Yes),
            Verdict::Yes => self.protected.is_open(principals, &nobody).await,
            Verdict::Unknown(_) => self.protected.is_open(&nobody, principals).await,
        }
    }
}

/// Refuses a plan of which nothing can be done, with the reasons. The policy `closing` alone counts for nothing.
fn refuse_empty(planned: &[Planned], closing: Option<&str>) -> Result<(), ActionError> {
    let is_doable = |one: &Planned| one.skip.is_none() && one.refused.is_none() && Some(one.facet.parts().2) != closing;
    if planned.is_empty() || planned.iter().any(is_doable) {
        return Ok(());
    }
    let mut reasons: Vec<&str> = Vec::new();
    for why in planned.iter().filter_map(|one| one.skip.as_deref().or(one.refused.as_deref())) {
        if !reasons.contains(&why) {
            reasons.push(why);
        }
    }
    Err(ActionError::Refused(reasons.join("; ")))
}

/// The facets of `desired`, each with its wanted value.
pub fn wanted(desired: impl IntoIterator<Item = Desired>) -> Vec<(FacetId, Value)> {
    desired.into_iter().filter_map(|desire| Some((desire.facet().ok()?, desire.wanted))).collect()
}

#[async_trait]
impl Action for Attaching {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let desired = self.desired.as_ref().map_err(|why| ActionError::Refused(why.clone()))?;
        let spread = self.spread(desired).await?;
        let mut principals: BTreeSet<Principal> = spread.desired.iter().map(|desire| desire.principal.clone()).collect();
        let mut left = self.protected.refusals(&principals).await?;
        principals.retain(|principal| !left.contains_key(principal));
        let (shut, note) = self.way_back(&principals).await?;
        left.extend(shut);
        spread.explain(&mut left);
        let mut planned = self.attachments.plan(&spread.desired, &left).await?;
        spread.are_seen_to(&mut planned);
        refuse_empty(&planned, self.closing.as_deref())?;
        if let Some(first) = planned.iter_mut().find(|one| one.skip.is_none() && one.present != one.wanted) {
            first.note = note;
        }
        Ok(planned)
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.attachments.observe(facets, &HashMap::new()).await
    }

    async fn observe_known(
        &self,
        facets: &[FacetId],
        identities: &HashMap<FacetId, String>,
    ) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.attachments.observe(facets, identities).await
    }

    /// A member that comes to a group whose members are restricted one by one is restricted too. A named principal has its steps from the
    /// plan on.
    fn drift_policy(&self, facet: &FacetId) -> DriftPolicy {
        let principal = Principal::of_policy(facet);
        let is_named = self.desired.iter().flatten().any(|desire| Some(&desire.principal) == principal.as_ref());
        if self.one_by_one && !is_named { DriftPolicy::Reapply } else { self.drift.into() }
    }

    /// A person's change of an attachment stays, unless the stage says otherwise.
    fn drifted(&self, _: &FacetId, _: Timestamp, _: Option<Timestamp>) -> DriftPolicy {
        self.drift.into()
    }

    /// Group memberships may have changed since the plan. One principal that is refused costs the others nothing.
    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let refused = match self.refusals(changes).await {
            Ok(refused) => refused,
            Err(error) => return vec![error.into(); changes.len()],
        };
        let why = |change: &Change| {
            let whose = principals_of(std::slice::from_ref(change));
            whose.iter().find_map(|principal| refused.get(principal)).cloned()
        };
        let allowed: Vec<Change> = changes.iter().filter(|change| why(change).is_none()).cloned().collect();
        let mut answers = self.attachments.apply(&allowed).await.into_iter();
        let answer = |change: &Change| match why(change) {
            Some(why) => ChangeOutcome::Refused(why),
            None => answers.next().unwrap_or_else(|| ChangeOutcome::Retry("it was not asked for".to_owned())),
        };
        changes.iter().map(answer).collect()
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.attachments.put_back(changes).await
    }

    fn batch(&self) -> usize {
        2 * PER_GROUP
    }

    fn patience(&self) -> Patience {
        Patience { poll: 2, limit: 300, give_up: 3600 }
    }
}
