//! `swap-group-policy`: detaches managed policies from an IAM group and attaches others, such as full access against
//! read-only. Each attachment is a facet. What it does not close: members' inline policies, other groups, and role sessions.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_iam::Client;
use guardrails_model::action::{Action, ActionError, Answer, Change, Patience, Planned, Seen};
use guardrails_model::ids::{BadName, FacetId, Value};
use guardrails_model::principal::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ActionType, Context};
use crate::calls;
use crate::error::Failure;
use crate::grants::{Grant, Use, sid};

const FACET: &str = "group-policy";
/// As many managed policies as IAM lets a group have; not adjustable.
const QUOTA: usize = 10;

/// Swaps the managed policies of an IAM group.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "Raw")]
#[schemars(with = "Raw")]
pub struct Params {
    group: String,
    detach: Vec<String>,
    attach: Vec<String>,
}

/// Swaps the managed policies of an IAM group.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SwapGroupPolicy")]
struct Raw {
    /// The group's name.
    group: String,
    /// Policies to detach: names of AWS managed policies, or ARNs.
    #[serde(default)]
    detach: Vec<String>,
    /// Policies to attach: names of AWS managed policies, or ARNs.
    #[serde(default)]
    attach: Vec<String>,
}

impl TryFrom<Raw> for Params {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let named = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if raw.group.is_empty() || raw.group.len() > 128 || !raw.group.chars().all(named) {
            return Err(format!(
                "`{}` is not the name of an IAM group: 1 to 128 letters, digits and +=,.@_- without a path",
                raw.group
            ));
        }
        let arns = |policies: &[String]| policies.iter().map(|policy| arn(policy)).collect::<Result<Vec<_>, _>>();
        let (detach, attach) = (arns(&raw.detach)?, arns(&raw.attach)?);
        if detach.is_empty() && attach.is_empty() {
            return Err("it detaches nothing and attaches nothing: name policies under `detach`, `attach` or both".to_owned());
        }
        if attach.len() > QUOTA || detach.len() > QUOTA {
            return Err(format!("a group has at most {QUOTA} managed policies"));
        }
        let mut seen = BTreeSet::new();
        match detach.iter().chain(&attach).find(|policy| !seen.insert(*policy)) {
            Some(twice) => Err(format!("`{twice}` stands there twice: a policy is detached or attached, once")),
            None => Ok(Self { group: raw.group, detach, attach }),
        }
    }
}

/// The ARN of a policy that is given by it, or by the name of an AWS managed policy.
fn arn(policy: &str) -> Result<String, String> {
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c));
    let parts: Vec<&str> = policy.splitn(6, ':').collect();
    match parts.as_slice() {
        [name] if plain(name) => Ok(format!("arn:aws:iam::aws:policy/{name}")),
        ["arn", _, "iam", "", account, name]
            if (*account == "aws" || (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())))
                && name.strip_prefix("policy/").is_some_and(plain) =>
        {
            Ok(policy.to_owned())
        }
        _ => Err(format!(
            "`{policy}` is not a managed policy: expected the name of an AWS managed policy such as \
            `AmazonEC2ReadOnlyAccess`, or an ARN such as `arn:aws:iam::123456789012:policy/MyReadOnly`"
        )),
    }
}

/// The action.
pub struct SwapGroupPolicy {
    params: Params,
    iam: Client,
    iam_changes: Client,
    operators: Vec<String>,
}

impl ActionType for SwapGroupPolicy {
    const NAME: &'static str = "swap-group-policy";
    const CHANGES: &'static str = "detaches managed policies from an IAM group and attaches others";
    const PUTS_BACK: &'static str = "each attachment as it was";
    type Params = Params;

    fn wishes(params: &Params) -> Vec<(FacetId, Value)> {
        params.facets().filter_map(|(facet, wanted, _)| Some((facet.ok()?, wanted))).collect()
    }

    fn restricts(params: &Params) -> Vec<Principal> {
        vec![Principal::Group(params.group.clone())]
    }

    fn grants(all: &[Params]) -> Vec<Grant> {
        // By its name, under any path: IAM's calls name groups without it, and its ARNs have it.
        let group =
            |name: &str| ["", "*/"].map(|path| format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:group/{path}{name}"));
        let mut groups: Vec<&str> = all.iter().map(|params| params.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        let policies_of = |name: &str| -> BTreeSet<&String> {
            all.iter()
                .filter(|params| params.group == name)
                .flat_map(|params| params.detach.iter().chain(&params.attach))
                .collect()
        };
        let policies: BTreeSet<&String> = groups.iter().flat_map(|name| policies_of(name)).collect();
        if groups.is_empty() {
            return Vec::new();
        }
        let mut grants = vec![
            Grant {
                sid: "ReadGroups".to_owned(),
                uses: &[Use::Plan, Use::Apply, Use::Rollback],
                actions: &["iam:GetGroup", "iam:ListAttachedGroupPolicies"],
                resources: groups.iter().flat_map(|name| group(name)).collect(),
                condition: json!(null),
                why_any: None,
            },
            Grant {
                sid: "ReadPolicies".to_owned(),
                uses: &[Use::Plan, Use::Apply, Use::Rollback],
                actions: &["iam:GetPolicy"],
                resources: policies.into_iter().cloned().collect(),
                condition: json!(null),
                why_any: None,
            },
        ];
        grants.extend(groups.iter().map(|name| Grant {
            sid: sid(&["Swap", name]),
            uses: &[Use::Apply, Use::Rollback],
            actions: &["iam:AttachGroupPolicy", "iam:DetachGroupPolicy"],
            resources: group(name).into(),
            condition: json!({"ArnEquals": {"iam:PolicyARN": policies_of(name)}}),
            why_any: None,
        }));
        grants
    }

    fn new(params: Params, context: &Context<'_>) -> Self {
        Self {
            params,
            iam: Client::new(&context.sdk),
            iam_changes: Client::new(&context.sdk_for_changes()),
            operators: context.operators.to_vec(),
        }
    }
}

impl Params {
    /// Each facet with what is wanted of it and its policy.
    fn facets(&self) -> impl Iterator<Item = (Result<FacetId, BadName>, Value, &str)> {
        let detached = self.detach.iter().map(|policy| (policy, detached()));
        let attached = self.attach.iter().map(|policy| (policy, attached()));
        detached.chain(attached).map(|(policy, wanted)| (FacetId::new(FACET, &self.group, policy), wanted, policy.as_str()))
    }
}

#[async_trait]
impl Action for SwapGroupPolicy {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        self.refuse_operators().await?;
        let attached_now = self.attached(&self.params.group).await?;
        let attached_now =
            attached_now.ok_or_else(|| ActionError::Refused(format!("there is no IAM group `{}`", self.params.group)))?;
        let mut planned = Vec::new();
        for (facet, wanted, policy) in self.params.facets() {
            let facet = facet.map_err(|error| ActionError::Refused(error.to_string()))?;
            let present = if attached_now.contains(policy) { attached() } else { detached() };
            if present == detached() && !self.policy_exists(policy).await? {
                return Err(ActionError::Refused(format!("there is no policy `{policy}`: nothing of the swap is done")));
            }
            let name = policy.rsplit('/').next().unwrap_or(policy);
            planned.push(Planned::new(facet, format!("{name} of group {}", self.params.group), present, wanted));
        }
        let more = planned.iter().filter(|p| p.wanted == attached() && p.present == detached()).count();
        let fewer = planned.iter().filter(|p| p.wanted == detached() && p.present == attached()).count();
        if attached_now.len() + more - fewer > QUOTA {
            return Err(ActionError::Refused(format!(
                "group `{}` has {} managed policies and would have {}: IAM lets a group have {QUOTA}",
                self.params.group,
                attached_now.len(),
                attached_now.len() + more - fewer
            )));
        }
        Ok(planned)
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let mut groups: HashMap<&str, Option<BTreeSet<String>>> = HashMap::new();
        let mut seen = HashMap::new();
        for facet in facets {
            let (_, group, policy) = facet.parts();
            if !groups.contains_key(group) {
                groups.insert(group, self.attached(group).await?);
            }
            let what = match &groups[group] {
                None => Seen::Gone(format!("the group {group} was deleted")),
                Some(policies) if policies.contains(policy) => Seen::Is(attached()),
                Some(_) if self.policy_exists(policy).await? => Seen::Is(detached()),
                Some(_) => Seen::Gone(format!("the policy {policy} was deleted")),
            };
            seen.insert(facet.clone(), what);
        }
        Ok(seen)
    }

    async fn apply(&self, changes: &[Change]) -> Vec<Answer> {
        // Membership may have changed since the plan.
        match self.refuse_operators().await {
            Ok(()) => self.change(changes).await,
            Err(error) => vec![error.into(); changes.len()],
        }
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<Answer> {
        self.change(changes).await
    }

    fn batch(&self) -> usize {
        2 * QUOTA
    }

    fn patience(&self) -> Patience {
        Patience { poll: 2, limit: 300, give_up: 3600 }
    }
}

impl SwapGroupPolicy {
    /// Attaches first while a slot is free, so that the group is never without both; at the quota one goes first. Serves both
    /// ways: on the way back the roles are exchanged.
    async fn change(&self, changes: &[Change]) -> Vec<Answer> {
        let mut free = match self.attached(&self.params.group).await {
            Ok(policies) => QUOTA.saturating_sub(policies.map_or(0, |policies| policies.len())),
            Err(error) => return vec![error.into(); changes.len()],
        };
        let of =
            |wanted: Value| changes.iter().enumerate().filter(move |(_, change)| change.to == wanted).map(|(index, _)| index);
        let mut detach = of(detached()).collect::<Vec<_>>().into_iter();
        let mut answers: Vec<Option<Answer>> = vec![None; changes.len()];
        for index in of(attached()) {
            while free == 0
                && let Some(first) = detach.next()
            {
                let answer = self.turn(&changes[first]).await;
                free += usize::from(answer == Answer::Accepted);
                answers[first] = Some(answer);
            }
            answers[index] = Some(self.turn(&changes[index]).await);
            free = free.saturating_sub(1);
        }
        for index in detach {
            answers[index] = Some(self.turn(&changes[index]).await);
        }
        let unknown = |change: &Change| Answer::Refused(format!("`{}` is neither attached nor detached", change.to));
        answers.into_iter().zip(changes).map(|(answer, change)| answer.unwrap_or_else(|| unknown(change))).collect()
    }

    async fn turn(&self, change: &Change) -> Answer {
        let (_, group, policy) = change.facet.parts();
        let failure = if change.to == attached() {
            let call = self.iam_changes.attach_group_policy().group_name(group).policy_arn(policy).send();
            let failure = calls::make("iam:AttachGroupPolicy", [change], call).await.err();
            // The group is full for now: a policy that leaves it makes room.
            if let Some(full) = failure.as_ref().filter(|failure| failure.is("LimitExceeded")) {
                return Answer::Later(full.message.clone());
            }
            failure
        } else {
            let call = self.iam_changes.detach_group_policy().group_name(group).policy_arn(policy).send();
            let failure = calls::make("iam:DetachGroupPolicy", [change], call).await.err();
            // What is not attached needs no detaching.
            failure.filter(|failure| !failure.is("NoSuchEntity"))
        };
        failure.map_or(Answer::Accepted, Failure::answer)
    }

    /// A group with an operator in it is never restricted: the way back would be gone.
    async fn refuse_operators(&self) -> Result<(), ActionError> {
        let group = &self.params.group;
        let mut pages = self.iam.get_group().group_name(group).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::of(&error).reading(&format!("looking at the members of group {group}")))?;
            if let Some(user) = page.users().iter().find(|user| self.operators.iter().any(|operator| operator == user.arn())) {
                let why = format!("group `{group}` has the operator {} in it, who could then not roll back", user.arn());
                return Err(ActionError::Refused(why));
            }
        }
        Ok(())
    }

    /// The policies attached to `group`, if there is such a group.
    async fn attached(&self, group: &str) -> Result<Option<BTreeSet<String>>, ActionError> {
        let mut pages = self.iam.list_attached_group_policies().group_name(group).into_paginator().send();
        let mut policies = BTreeSet::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    policies
                        .extend(page.attached_policies.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn));
                }
                Err(error) => {
                    let failure = Failure::of(&error);
                    if failure.is("NoSuchEntity") {
                        return Ok(None);
                    }
                    return Err(failure.reading(&format!("listing the policies of group {group}")));
                }
            }
        }
        Ok(Some(policies))
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

fn attached() -> Value {
    Value::new("attached")
}

fn detached() -> Value {
    Value::new("detached")
}
