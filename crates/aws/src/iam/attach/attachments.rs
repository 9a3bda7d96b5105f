//! Managed policies of groups, users and roles: what is attached, and attaching and detaching it. Each attachment is a facet,
//! whichever action turns it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::SummaryKeyType;
use guardrails_model::action::{ActionError, Change, ChangeOutcome, Planned, Seen};
use guardrails_model::ids::{BadName, FacetId, Value};
use guardrails_model::principal::Principal;

use crate::calls;
use crate::error::Failure;

/// As many managed policies as IAM lets a group have; not adjustable. Of users and roles the account has a figure of its own.
pub const PER_GROUP: usize = 10;
/// The most that AWS raises the figure for roles to.
pub const MOST: usize = 25;

/// That a policy shall be attached to a principal, or shall not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Whose.
    pub principal: Principal,
    /// The policy's ARN.
    pub policy: String,
    /// [`attached`] or [`detached`].
    pub wanted: Value,
}

impl Desired {
    /// Its facet.
    ///
    /// # Errors
    /// When its names are longer than the ledger takes.
    pub fn facet(&self) -> Result<FacetId, BadName> {
        FacetId::new(&format!("{}-policy", self.principal.kind()), self.principal.name(), &self.policy)
    }
}

/// Whose policies `changes` turn.
#[must_use]
pub fn principals_of(changes: &[Change]) -> BTreeSet<Principal> {
    changes.iter().filter_map(|change| Principal::of_policy(&change.facet)).collect()
}

/// Looks at attachments, and turns them.
pub struct Attachments {
    iam: Client,
    iam_changes: Client,
}

impl Attachments {
    /// With these clients' configurations: to read, and to change without retries.
    #[must_use]
    pub fn new(sdk: &SdkConfig, for_changes: &SdkConfig) -> Self {
        Self { iam: Client::new(sdk), iam_changes: Client::new(for_changes) }
    }

    /// Each wish as a facet, with its present value. A principal that has no room for all of its policies is refused, and gets none of
    /// them; the others are planned.
    ///
    /// # Errors
    /// When IAM does not say, or when nothing can be planned: a principal or a policy is not there, or no principal has room.
    pub async fn plan(&self, desired: &[Desired]) -> Result<Vec<Planned>, ActionError> {
        let mut planned = Vec::with_capacity(desired.len());
        let mut known: BTreeMap<&Principal, BTreeSet<String>> = BTreeMap::new();
        let mut exists: BTreeMap<&str, bool> = BTreeMap::new();
        for Desired { principal, policy, wanted } in desired {
            if !known.contains_key(principal) {
                let attached = self.attached(principal).await?;
                let missing = || ActionError::Refused(format!("there is no IAM {} `{}`", principal.kind(), principal.name()));
                known.insert(principal, attached.ok_or_else(missing)?);
            }
            let present = if known[principal].contains(policy) { attached() } else { detached() };
            if present == detached() {
                if !exists.contains_key(policy.as_str()) {
                    exists.insert(policy, self.policy_exists(policy).await?);
                }
                if !exists[policy.as_str()] {
                    return Err(ActionError::Refused(format!("there is no policy `{policy}`: nothing is attached or detached")));
                }
            }
            let name = policy.rsplit('/').next().unwrap_or(policy);
            let desire = Desired { principal: principal.clone(), policy: policy.clone(), wanted: wanted.clone() };
            let facet = desire.facet().map_err(|error| ActionError::Refused(error.to_string()))?;
            planned.push(Planned::new(facet, format!("{name} of {principal}"), present, wanted.clone()));
        }
        self.refuse_too_many(&known, &mut planned).await?;
        Ok(planned)
    }

    /// Counts the free slots of each principal, and refuses those that have too few.
    async fn refuse_too_many(
        &self,
        known: &BTreeMap<&Principal, BTreeSet<String>>,
        planned: &mut [Planned],
    ) -> Result<(), ActionError> {
        let mut refused: BTreeMap<&Principal, String> = BTreeMap::new();
        for (principal, now) in known {
            if let Some(why) = self.too_many(principal, now.len(), planned).await? {
                refused.insert(principal, why);
            }
        }
        if refused.len() == known.len() && !refused.is_empty() {
            return Err(ActionError::Refused(refused.into_values().collect::<Vec<_>>().join("; ")));
        }
        for one in planned.iter_mut().filter(|one| one.present != one.wanted) {
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
            let Some(now) = self.attached(&principal).await? else { continue };
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

    /// What each of `facets` is now.
    ///
    /// # Errors
    /// When IAM does not say.
    pub async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let mut known: BTreeMap<Principal, Option<BTreeSet<String>>> = BTreeMap::new();
        let mut seen = HashMap::new();
        for facet in facets {
            let Some(principal) = Principal::of_policy(facet) else {
                return Err(ActionError::Refused(format!("`{facet}` is no attachment of a policy")));
            };
            if !known.contains_key(&principal) {
                known.insert(principal.clone(), self.attached(&principal).await?);
            }
            let policy = facet.parts().2;
            let what = match &known[&principal] {
                None => Seen::Gone(format!("the {principal} was deleted")),
                Some(policies) if policies.contains(policy) => Seen::Is(attached()),
                Some(_) if self.policy_exists(policy).await? => Seen::Is(detached()),
                Some(_) => Seen::Gone(format!("the policy {policy} was deleted")),
            };
            seen.insert(facet.clone(), what);
        }
        Ok(seen)
    }

    /// Turns each of `changes`: one answer for each. Serves both ways: on the way back attach and detach are exchanged.
    pub async fn change(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let unknown = |change: &Change| ChangeOutcome::Refused(format!("`{}` to {} is no attachment", change.facet, change.to));
        let mut answers: Vec<ChangeOutcome> = changes.iter().map(unknown).collect();
        for principal in principals_of(changes) {
            let mine = |wanted: Value| {
                let is_mine =
                    |change: &Change| change.to == wanted && Principal::of_policy(&change.facet).as_ref() == Some(&principal);
                changes.iter().enumerate().filter(move |(_, change)| is_mine(change)).map(|(at, _)| at).collect::<Vec<_>>()
            };
            let (attach, detach) = (mine(attached()), mine(detached()));
            for (at, answer) in self.change_of(&principal, changes, attach, detach).await {
                answers[at] = answer;
            }
        }
        answers
    }

    /// Attaches first while a slot is free, so that the principal is never without both; at the quota one goes first.
    async fn change_of(
        &self,
        principal: &Principal,
        changes: &[Change],
        attach: Vec<usize>,
        detach: Vec<usize>,
    ) -> Vec<(usize, ChangeOutcome)> {
        // Where only one of both is done, no order is better than another.
        let mut free = if attach.is_empty() || detach.is_empty() {
            attach.len()
        } else {
            match self.free(principal).await {
                Ok(free) => free,
                Err(error) => return attach.into_iter().chain(detach).map(|at| (at, error.clone().into())).collect(),
            }
        };
        let mut answers = Vec::with_capacity(attach.len() + detach.len());
        let mut detach = detach.into_iter();
        for at in attach {
            while free == 0
                && let Some(first) = detach.next()
            {
                let answer = self.turn(principal, &changes[first]).await;
                free += usize::from(answer == ChangeOutcome::Accepted);
                answers.push((first, answer));
            }
            answers.push((at, self.turn(principal, &changes[at]).await));
            free = free.saturating_sub(1);
        }
        for at in detach {
            answers.push((at, self.turn(principal, &changes[at]).await));
        }
        answers
    }

    async fn free(&self, principal: &Principal) -> Result<usize, ActionError> {
        let attached = self.attached(principal).await?.map_or(0, |policies| policies.len());
        Ok(self.quota(principal).await?.saturating_sub(attached))
    }

    async fn turn(&self, principal: &Principal, change: &Change) -> ChangeOutcome {
        let policy = change.facet.parts().2;
        let failure = if change.to == attached() {
            // The principal is full for now: a policy that leaves it makes room.
            match self.attach(principal, policy, change).await {
                Err(full) if full.is("LimitExceeded") => return ChangeOutcome::Retry(full.message),
                answer => answer.err(),
            }
        } else {
            // What is not attached needs no detaching.
            self.detach(principal, policy, change).await.err().filter(|failure| !failure.is("NoSuchEntity"))
        };
        failure.map_or(ChangeOutcome::Accepted, Failure::answer)
    }

    async fn attach(&self, principal: &Principal, policy: &str, change: &Change) -> Result<(), Failure> {
        let iam = &self.iam_changes;
        match principal {
            Principal::Group(name) => {
                let call = iam.attach_group_policy().group_name(name).policy_arn(policy).send();
                calls::make("iam:AttachGroupPolicy", [change], call).await.map(|_| ())
            }
            Principal::User(name) => {
                let call = iam.attach_user_policy().user_name(name).policy_arn(policy).send();
                calls::make("iam:AttachUserPolicy", [change], call).await.map(|_| ())
            }
            Principal::Role(name) => {
                let call = iam.attach_role_policy().role_name(name).policy_arn(policy).send();
                calls::make("iam:AttachRolePolicy", [change], call).await.map(|_| ())
            }
        }
    }

    async fn detach(&self, principal: &Principal, policy: &str, change: &Change) -> Result<(), Failure> {
        let iam = &self.iam_changes;
        match principal {
            Principal::Group(name) => {
                let call = iam.detach_group_policy().group_name(name).policy_arn(policy).send();
                calls::make("iam:DetachGroupPolicy", [change], call).await.map(|_| ())
            }
            Principal::User(name) => {
                let call = iam.detach_user_policy().user_name(name).policy_arn(policy).send();
                calls::make("iam:DetachUserPolicy", [change], call).await.map(|_| ())
            }
            Principal::Role(name) => {
                let call = iam.detach_role_policy().role_name(name).policy_arn(policy).send();
                calls::make("iam:DetachRolePolicy", [change], call).await.map(|_| ())
            }
        }
    }

    /// The ARNs of the policies attached to `principal`, if there is such a one.
    async fn attached(&self, principal: &Principal) -> Result<Option<BTreeSet<String>>, ActionError> {
        let mut policies = BTreeSet::new();
        let mut marker = None;
        loop {
            match self.page(principal, marker).await {
                Ok((page, next)) => {
                    policies.extend(page);
                    marker = next;
                    if marker.is_none() {
                        return Ok(Some(policies));
                    }
                }
                Err(failure) if failure.is("NoSuchEntity") => return Ok(None),
                Err(failure) => return Err(failure.reading(&format!("listing the policies of {principal}"))),
            }
        }
    }

    /// A page of them, and where the next begins.
    async fn page(&self, principal: &Principal, marker: Option<String>) -> Result<(Vec<String>, Option<String>), Failure> {
        let iam = &self.iam;
        let (policies, marker) = match principal {
            Principal::Group(name) => {
                let page = iam.list_attached_group_policies().group_name(name).set_marker(marker).send().await;
                let page = page.map_err(|error| Failure::of(&error))?;
                (page.attached_policies, page.marker)
            }
            Principal::User(name) => {
                let page = iam.list_attached_user_policies().user_name(name).set_marker(marker).send().await;
                let page = page.map_err(|error| Failure::of(&error))?;
                (page.attached_policies, page.marker)
            }
            Principal::Role(name) => {
                let page = iam.list_attached_role_policies().role_name(name).set_marker(marker).send().await;
                let page = page.map_err(|error| Failure::of(&error))?;
                (page.attached_policies, page.marker)
            }
        };
        let arns = policies.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn).collect();
        Ok((arns, marker.filter(|marker| !marker.is_empty())))
    }

    /// How many managed policies IAM lets `principal` have.
    async fn quota(&self, principal: &Principal) -> Result<usize, ActionError> {
        let key = match principal {
            Principal::Group(_) => return Ok(PER_GROUP),
            Principal::User(_) => SummaryKeyType::AttachedPoliciesPerUserQuota,
            Principal::Role(_) => SummaryKeyType::AttachedPoliciesPerRoleQuota,
        };
        let summary = self.iam.get_account_summary().send().await;
        let summary = summary.map_err(|error| Failure::of(&error).reading("asking for IAM's quotas of the account"))?;
        let quota = summary.summary_map().and_then(|map| map.get(&key)).copied();
        quota.and_then(|quota| usize::try_from(quota).ok()).ok_or_else(|| {
            ActionError::Refused(format!("IAM does not say how many managed policies a {} may have", principal.kind()))
        })
    }

    async fn policy_exists(&self, policy: &str) -> Result<bool, ActionError> {
        match self.iam.get_policy().policy_arn(policy).send().await {
            Ok(_) => Ok(true),
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("NoSuchEntity") { Ok(false) } else { Err(failure.reading(&format!("looking for {policy}"))) }
            }
        }
    }
}

fn no_room(principal: &Principal, present: usize, then: usize, quota: usize) -> String {
    let (kind, name) = (principal.kind(), principal.name());
    format!("{kind} `{name}` has {present} managed policies and would have {then}: IAM lets a {kind} have {quota}")
}

/// That a policy is attached.
#[must_use]
pub fn attached() -> Value {
    Value::new("attached")
}

/// That a policy is not attached.
#[must_use]
pub fn detached() -> Value {
    Value::new("detached")
}
