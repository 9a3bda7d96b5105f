//! Managed policies of groups, users and roles: reading, attaching and detaching them. Each attachment is a facet, whichever
//! action turns it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use guardrails_model::action::{ActionError, Change, ChangeOutcome, Seen};
use guardrails_model::direction::Direction;
use guardrails_model::ids::{BadName, FacetId, Value};
use guardrails_model::principal::Principal;

use super::identities::Found;
use crate::calls;
use crate::error::Failure;

/// As many managed policies as IAM lets a group have; not adjustable. Of users and roles the account has a figure of its own.
pub const PER_GROUP: usize = 10;
/// The most that AWS raises the figure for roles to.
pub const MOST: usize = 25;

/// That a policy shall be attached to a principal, or shall not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The principal of the policy.
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

/// The principals whose policies `changes` turn.
#[must_use]
pub fn principals_of(changes: &[Change]) -> BTreeSet<Principal> {
    changes.iter().filter_map(|change| Principal::of_policy(&change.facet)).collect()
}

/// Looks at attachments, and turns them.
pub struct Attachments {
    pub(super) iam: Client,
    iam_changes: Client,
    /// How the ARNs of policies begin that a deployment is about to make.
    pub(super) to_come: Option<String>,
}

/// The principal of an attachment: its name, and the identity that the plan wrote down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Whose {
    principal: Principal,
    identity: Option<String>,
}

impl Whose {
    fn of(facet: &FacetId, identity: Option<&String>) -> Option<Self> {
        Some(Self { principal: Principal::of_policy(facet)?, identity: identity.cloned() })
    }
}

/// How the principal of an attachment stands.
enum Standing {
    /// It has these policies.
    Has(BTreeSet<String>),
    /// It was deleted.
    Gone(String),
    /// Whether it has a policy cannot be told, for this reason.
    OutOfReach(String),
}

impl Attachments {
    /// With these clients' configurations: to read, and to change without retries.
    #[must_use]
    pub fn new(sdk: &SdkConfig, for_changes: &SdkConfig) -> Self {
        Self { iam: Client::new(sdk), iam_changes: Client::new(for_changes), to_come: None }
    }

    /// The same, where a deployment is about to make the policies whose ARNs begin so.
    #[must_use]
    pub fn expecting(self, to_come: Option<String>) -> Self {
        Self { to_come, ..self }
    }

    /// The present state of each of `facets`. Where `identities` says whose it is, a principal is looked for by that, under
    /// whichever name it has. One that cannot be looked at costs the others nothing.
    ///
    /// # Errors
    /// When IAM asks to come back later, or a facet is no attachment.
    pub async fn observe(
        &self,
        facets: &[FacetId],
        identities: &HashMap<FacetId, String>,
    ) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let mut known: BTreeMap<Whose, Standing> = BTreeMap::new();
        let mut seen = HashMap::new();
        for facet in facets {
            let Some(whose) = Whose::of(facet, identities.get(facet)) else {
                return Err(ActionError::Refused(format!("`{facet}` is no attachment of a policy")));
            };
            if !known.contains_key(&whose) {
                let standing = self.standing(&whose).await?;
                known.insert(whose.clone(), standing);
            }
            let policy = facet.parts().2;
            let what = match &known[&whose] {
                Standing::Gone(why) => Seen::Gone(why.clone()),
                Standing::OutOfReach(why) => Seen::OutOfReach(why.clone()),
                Standing::Has(policies) if policies.contains(policy) => Seen::Is(attached()),
                Standing::Has(_) => match self.policy_exists(policy).await {
                    Ok(true) => Seen::Is(detached()),
                    Ok(false) => Seen::Gone(format!("the policy {policy} was deleted")),
                    Err(ActionError::Refused(why)) => Seen::OutOfReach(why),
                    Err(error) => return Err(error),
                },
            };
            seen.insert(facet.clone(), what);
        }
        Ok(seen)
    }

    /// Whether the principal of an attachment is there, and its policies.
    async fn standing(&self, whose: &Whose) -> Result<Standing, ActionError> {
        let named = &whose.principal;
        let principal = match self.find(named, whose.identity.as_deref()).await? {
            Found::Here(principal) => principal,
            Found::Gone(why) => return Ok(Standing::Gone(why)),
            Found::Unclear(why) => return Ok(Standing::OutOfReach(why)),
        };
        match self.attached(&principal).await {
            Ok(Some(policies)) => Ok(Standing::Has(policies)),
            Ok(None) => Ok(Standing::Gone(format!("the {principal} was deleted"))),
            Err(ActionError::Refused(why)) if principal != *named => Ok(Standing::OutOfReach(renamed(named, &principal, &why))),
            Err(ActionError::Refused(why)) => Ok(Standing::OutOfReach(why)),
            Err(error) => Err(error),
        }
    }

    /// Turns each of `changes` forward. A principal of another name than in guardrails.yaml is not touched: nobody
    /// looked whom that would restrict.
    pub async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.change(changes, Direction::Apply).await
    }

    /// Turns each of `changes` back, under whichever name its principal has.
    pub async fn put_back(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.change(changes, Direction::Rollback).await
    }

    /// Turns each of `changes`: one answer for each. On the way back attach and detach are exchanged.
    async fn change(&self, changes: &[Change], direction: Direction) -> Vec<ChangeOutcome> {
        let unknown = |change: &Change| ChangeOutcome::Refused(format!("`{}` to {} is no attachment", change.facet, change.to));
        let mut answers: Vec<ChangeOutcome> = changes.iter().map(unknown).collect();
        let whose = |change: &Change| Whose::of(&change.facet, change.identity.as_ref());
        for one in changes.iter().filter_map(whose).collect::<BTreeSet<_>>() {
            let mine = |wanted: Value| {
                let is_mine = |change: &Change| change.to == wanted && whose(change).as_ref() == Some(&one);
                changes.iter().enumerate().filter(move |(_, change)| is_mine(change)).map(|(at, _)| at).collect::<Vec<_>>()
            };
            let (attach, detach) = (mine(attached()), mine(detached()));
            let principal = match self.reach(&one, direction).await {
                Ok(principal) => principal,
                Err(answer) => {
                    attach.into_iter().chain(detach).for_each(|at| answers[at] = answer.clone());
                    continue;
                }
            };
            for (at, answer) in self.change_of(&principal, changes, attach, detach).await {
                answers[at] = match answer {
                    ChangeOutcome::Refused(why) if principal != one.principal => {
                        ChangeOutcome::Refused(renamed(&one.principal, &principal, &why))
                    }
                    answer => answer,
                };
            }
        }
        answers
    }

    /// The principal whose policies may be turned, or the answer where there is none: a name may be another's by now.
    async fn reach(&self, whose: &Whose, direction: Direction) -> Result<Principal, ChangeOutcome> {
        match self.find(&whose.principal, whose.identity.as_deref()).await {
            Ok(Found::Here(principal)) if direction == Direction::Apply && principal != whose.principal => {
                Err(ChangeOutcome::Refused(format!(
                    "the {} is called `{}` by now: name it so in guardrails.yaml",
                    whose.principal,
                    principal.name()
                )))
            }
            Ok(Found::Here(principal)) => Ok(principal),
            Ok(Found::Gone(why) | Found::Unclear(why)) => Err(ChangeOutcome::Refused(why)),
            Err(error) => Err(error.into()),
        }
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
            // A policy that is not attached needs no detaching.
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
}

/// That a call for a principal of a new name was refused.
fn renamed(named: &Principal, now: &Principal, why: &str) -> String {
    format!(
        "the {named} is called `{}` now, and the function may not change it there ({why}): give it its old name back and roll back again, or \
         put it back by hand and abandon the step",
        now.name()
    )
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
