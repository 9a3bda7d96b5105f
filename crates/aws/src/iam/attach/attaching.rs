//! What actions have in common that attach policies and detach them. They differ in what they wish, and in their parameters.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Change, ChangeOutcome, DriftPolicy, Patience, Planned, Seen};
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::principal::Principal;
use guardrails_model::verdict::Verdict;

use super::attachments::{Attachments, Desired, PER_GROUP, detached, principals_of};
use super::drift::Drift;
use crate::context::Context;
use crate::iam::lockout::protected::Protected;
use crate::iam::lockout::shut_out;

/// An action that attaches and detaches.
pub struct Attaching {
    /// What it wishes, or why that is not known here.
    desired: Result<Vec<Desired>, String>,
    attachments: Attachments,
    protected: Protected,
    /// Does it deny to assume roles?
    keeps_from_assuming: Verdict,
    drift: Drift,
}

impl Attaching {
    /// The action that has these wishes in the account of `context`, where `denies` are Deny policies besides the stack's own.
    #[must_use]
    pub fn new(desired: Result<Vec<Desired>, String>, denies: BTreeSet<String>, context: &Context<'_>) -> Self {
        Self {
            desired,
            attachments: Attachments::new(&context.sdk, &context.sdk_for_changes()),
            protected: Protected::of(context, denies),
            keeps_from_assuming: Verdict::No,
            drift: Drift::default(),
        }
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

    /// Whose policies must not be changed now, each with the reason: a Deny that has no room for all of its policies is attached not at
    /// all.
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

    /// What people should know of those who could become an operator when `principals` are restricted; refused, when nobody could.
    async fn way_back(&self, principals: &BTreeSet<Principal>) -> Result<Option<String>, ActionError> {
        let nobody = BTreeSet::new();
        let open = match &self.keeps_from_assuming {
            Verdict::No => return Ok(None),
            Verdict::Yes => self.protected.is_open(principals, &nobody).await?,
            Verdict::Unknown(_) => self.protected.is_open(&nobody, principals).await?,
        };
        match open {
            Verdict::Yes => Ok(None),
            Verdict::No => Err(ActionError::Refused(shut_out::refusal(self.protected.operators()))),
            Verdict::Unknown(why) => Ok(Some(shut_out::warning(&why))),
        }
    }
}

/// The facets of `desired`, and what is wanted of each.
pub fn wanted(desired: impl IntoIterator<Item = Desired>) -> Vec<(FacetId, Value)> {
    desired.into_iter().filter_map(|desire| Some((desire.facet().ok()?, desire.wanted))).collect()
}

#[async_trait]
impl Action for Attaching {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let desired = self.desired.as_ref().map_err(|why| ActionError::Refused(why.clone()))?;
        let principals: BTreeSet<Principal> = desired.iter().map(|desire| desire.principal.clone()).collect();
        let refused = self.protected.refusals(&principals).await?;
        if !refused.is_empty() {
            let reasons: Vec<String> = refused.into_values().collect();
            return Err(ActionError::Refused(reasons.join("; ")));
        }
        let note = self.way_back(&principals).await?;
        let mut planned = self.attachments.plan(desired).await?;
        if let Some(first) = planned.iter_mut().find(|planned| planned.present != planned.wanted) {
            first.note = note;
        }
        Ok(planned)
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.attachments.observe(facets).await
    }

    /// Who is a member of what may have changed since the plan. One principal that is refused costs the others nothing.
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
        let mut answers = self.attachments.change(&allowed).await.into_iter();
        let answer = |change: &Change| match why(change) {
            Some(why) => ChangeOutcome::Refused(why),
            None => answers.next().unwrap_or_else(|| ChangeOutcome::Retry("it was not asked for".to_owned())),
        };
        changes.iter().map(answer).collect()
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.attachments.change(changes).await
    }

    fn drift_policy(&self, _: &FacetId) -> DriftPolicy {
        self.drift.into()
    }

    fn batch(&self) -> usize {
        2 * PER_GROUP
    }

    fn patience(&self) -> Patience {
        Patience { poll: 2, limit: 300, give_up: 3600 }
    }
}
