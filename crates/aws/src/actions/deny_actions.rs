//! `deny-actions`: attaches an explicit Deny to groups, users and roles. A Deny wins over every Allow: members' own policies and
//! their other groups too. Two ways stay open: sessions of roles that are not named, and resources that run already.

use std::collections::BTreeSet;

use guardrails_model::action::Action;
use guardrails_model::config::Meanwhile;
use guardrails_model::glob::glob;
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::principal::Principal;
use guardrails_model::verdict::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::context::Context;
use crate::declared::{About, ActionType, Declared, alike};
use crate::grants::Grant;
use crate::iam::attaching::{Attaching, wanted};
use crate::iam::attachments::{Desired, attached};
use crate::iam::drift::Drift;
use crate::iam::own_policy::{OwnPolicy, TEMPLATE, formerly, spending, usage};
use crate::iam::{grants, names, shut_out};

/// Attaches an explicit Deny to groups, users and roles: of launching and enlarging, unless `actions` or `policy` says otherwise. At least
/// one of `group`, `user` and `role` is needed. A `policy` excludes `actions`, `usage` and `also`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyActions {
    /// Groups: a name, or a list of them.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    group: Names,
    /// Users: a name, or a list of them.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    user: Names,
    /// Roles: a name, or a list of them. A Deny on a role holds for sessions that were assumed before, too.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    role: Names,
    /// Actions that are denied instead of the list in policies/deny-spending.json, such as `ec2:RunInstances` or `rds:Create*`.
    // Checked, it is the whole list: a run knows its policy by its own copy, whatever a later version denies by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<String>>,
    /// `true` denies besides the calls of policies/deny-usage.json, which cost by the call, such as `bedrock:InvokeModel`. Programs that
    /// run by the rights of the restricted stop working.
    // Checked, it is part of the list.
    #[serde(default, skip_serializing_if = "is_false")]
    usage: bool,
    /// Actions that are denied besides, such as `sts:AssumeRole` and `iam:PassRole`.
    // Checked, it is part of the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also: Vec<String>,
    /// A policy of your own that is attached instead: its ARN, or the name of an AWS managed policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// The answer when somebody undoes the change while it is held: `report` tells people, `enforce` makes it again at the next round.
    #[serde(default, skip_serializing_if = "Drift::is_report")]
    drift: Drift,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A name, or several.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "OneOrMany", into = "Vec<String>")]
#[schemars(with = "OneOrMany")]
pub(super) struct Names(Vec<String>);

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Names {
    fn from(names: OneOrMany) -> Self {
        match names {
            OneOrMany::One(name) => Self(vec![name]),
            OneOrMany::Many(names) => Self(names),
        }
    }
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        names.0
    }
}

impl Names {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each as a principal of one kind.
    pub(super) fn of(&self, kind: fn(String) -> Principal) -> Vec<Principal> {
        self.0.iter().cloned().map(kind).collect()
    }
}

impl ActionType for DenyActions {
    const ABOUT: About = About::new(
        "deny-actions",
        "attaches an explicit Deny of launching and enlarging what costs money to IAM groups, users and roles",
        "detaches it from those who did not have it before",
    );

    fn checked(self) -> Result<Self, String> {
        let policy = self.policy.as_deref().map(names::policy).transpose()?;
        if policy.is_some() && (self.actions.is_some() || self.usage || !self.also.is_empty()) {
            let why = "a policy of your own has its own list of actions: leave out `actions`, `usage` and `also`, or leave out `policy`";
            return Err(why.to_owned());
        }
        let mut actions = None;
        if policy.is_none() {
            let used = self.usage.then(usage).into_iter().flatten();
            let listed = self.actions.unwrap_or_else(spending).into_iter().chain(used).chain(self.also);
            let mut list = listed.map(|action| names::action(&action)).collect::<Result<Vec<_>, _>>()?;
            list.sort();
            list.dedup();
            if list.is_empty() {
                return Err("it denies nothing: name actions under `actions`, or leave it out".to_owned());
            }
            OwnPolicy::denying(&list)?;
            actions = Some(list);
        }
        let params = Self { actions, usage: false, also: Vec::new(), policy, ..self };
        let mut principals = params.principals();
        for principal in &principals {
            let of = match principal {
                Principal::Group(_) => Principal::Group,
                Principal::User(_) => Principal::User,
                Principal::Role(_) => Principal::Role,
            };
            names::principal(of, principal.name())?;
        }
        if principals.is_empty() {
            return Err("it denies nobody anything: name some under `group`, `user` or `role`".to_owned());
        }
        principals.sort();
        match principals.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(format!("the {} stands there twice", twice[0])),
            None => Ok(params),
        }
    }
}

impl DenyActions {
    fn principals(&self) -> Vec<Principal> {
        [self.group.of(Principal::Group), self.user.of(Principal::User), self.role.of(Principal::Role)].concat()
    }

    /// The stack's policies that it attaches, unless it attaches one of people's own.
    fn listed_policies(&self) -> Result<Vec<OwnPolicy>, String> {
        self.actions.as_deref().map_or_else(|| Ok(Vec::new()), OwnPolicy::denying)
    }

    /// All of `policies` for each principal, one principal after the other.
    fn desired_of(&self, policies: &[String]) -> Vec<Desired> {
        let desire = |principal: &Principal, policy: &String| Desired {
            principal: principal.clone(),
            policy: policy.clone(),
            wanted: attached(),
        };
        self.principals().iter().flat_map(|principal| policies.iter().map(|policy| desire(principal, policy))).collect()
    }

    /// The attachments that it wishes where it works.
    fn wishes_at(&self, context: &Context<'_>) -> Result<Vec<Desired>, String> {
        if let Some(policy) = &self.policy {
            return Ok(self.desired_of(std::slice::from_ref(policy)));
        }
        let region = context.region();
        let home = context.home(&region).ok_or("it is not known here which account and which stack's policies to attach")?;
        let policies: Vec<String> = self.listed_policies()?.iter().map(|own| own.arn(&home)).collect();
        Ok(self.desired_of(&policies))
    }
}

impl Declared for DenyActions {
    fn make(&self, context: &Context<'_>) -> Box<dyn Action> {
        let denies: BTreeSet<String> = self.policy.iter().cloned().collect();
        let region = context.region();
        let closing = context.home(&region).filter(|_| self.policy.is_none()).map(|home| OwnPolicy::closing().arn(&home));
        let action = Attaching::new(self.wishes_at(context), denies, context);
        let action = action.one_by_one().closed_by(closing).on_drift(self.drift);
        Box::new(action.keeping_from_assuming(self.denies(shut_out::ASSUME)))
    }

    fn grants(&self, all: &[&dyn Declared]) -> Vec<Grant> {
        let all = alike::<Self>(all);
        // Any of the stack's own: a run that an earlier version began holds one that this version does not attach any more.
        let desired =
            all.iter().flat_map(|params| params.desired_of(&[params.policy.clone().unwrap_or_else(|| TEMPLATE.any_deny())]));
        let denies = all.iter().filter_map(|params| params.policy.clone()).collect();
        let desired: Vec<Desired> = desired.collect();
        let mut grants = grants::of(&desired, denies);
        grants.extend(grants::members(&desired));
        if all.iter().any(|params| params.denies(shut_out::ASSUME) != Verdict::No) {
            grants.extend(shut_out::grants());
        }
        grants
    }

    /// The stack's own policies have their ARNs only in an account.
    fn desired(&self) -> Vec<(FacetId, Value)> {
        wanted(self.policy.iter().flat_map(|policy| self.desired_of(std::slice::from_ref(policy))))
    }

    fn restricts(&self) -> Vec<Principal> {
        self.principals()
    }

    fn meanwhile(&self) -> Option<Meanwhile> {
        Some(Meanwhile::Deny)
    }

    fn denies(&self, call: &str) -> Verdict {
        if let Some(policy) = &self.policy {
            return Verdict::Unknown(format!("what {policy} denies is not known here"));
        }
        let call = call.to_ascii_lowercase();
        let mut patterns = self.actions.iter().flatten();
        Verdict::from(patterns.any(|pattern| glob(&pattern.to_ascii_lowercase(), &call)))
    }

    fn own_policies(&self) -> Vec<OwnPolicy> {
        let before = self.actions.as_deref().and_then(formerly);
        let former = [self.actions.as_deref(), before.as_deref()].into_iter().flatten().filter_map(OwnPolicy::former);
        self.listed_policies().unwrap_or_default().into_iter().chain(former).collect()
    }

    fn formerly(&self) -> Option<Json> {
        let before = self.actions.as_deref().and_then(formerly)?;
        serde_json::to_value(Self { actions: Some(before), ..self.clone() }).ok()
    }
}
