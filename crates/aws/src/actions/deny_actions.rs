//! `deny-actions`: attaches an explicit Deny to groups, users and roles. A Deny wins over whatever else allows: members' own
//! policies and their other groups too. What it does not close: sessions of roles that are not named, and what runs already.

use std::collections::BTreeSet;

use guardrails_model::glob::glob;
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::principal::Principal;
use guardrails_model::tri::Tri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ActionType, Context};
use crate::grants::Grant;
use crate::iam::attaching::{Attaching, wanted};
use crate::iam::attachments::{Wish, attached};
use crate::iam::own_policy::{OwnPolicy, TEMPLATE, spending};
use crate::iam::{grants, names, shut_out};

/// Attaches an explicit Deny to groups, users and roles.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "Raw")]
#[schemars(with = "Raw")]
pub struct Params {
    #[serde(skip_serializing_if = "Names::is_empty")]
    group: Names,
    #[serde(skip_serializing_if = "Names::is_empty")]
    user: Names,
    #[serde(skip_serializing_if = "Names::is_empty")]
    role: Names,
    // Whole, so that a run knows its policy by its own copy, whatever a later version denies by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
}

/// Attaches an explicit Deny to groups, users and roles: of launching and enlarging what costs money, when nothing else is said.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DenyActions")]
struct Raw {
    /// Groups: a name, or a list of them.
    #[serde(default)]
    group: Names,
    /// Users: a name, or a list of them.
    #[serde(default)]
    user: Names,
    /// Roles: a name, or a list of them. A Deny on a role holds for sessions that were assumed before, too.
    #[serde(default)]
    role: Names,
    /// What is denied instead of what policies/deny-spending.json has, such as `ec2:RunInstances` or `rds:Create*`.
    actions: Option<Vec<String>>,
    /// What is denied besides, such as `sts:AssumeRole` and `iam:PassRole`.
    #[serde(default)]
    also: Vec<String>,
    /// A policy of your own that is attached instead: its ARN, or the name of an AWS managed policy.
    policy: Option<String>,
}

/// A name, or several.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "OneOrMany", into = "Vec<String>")]
#[schemars(with = "OneOrMany")]
struct Names(Vec<String>);

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
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Raw> for Params {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let policy = raw.policy.as_deref().map(names::policy).transpose()?;
        if policy.is_some() && (raw.actions.is_some() || !raw.also.is_empty()) {
            return Err("a policy of your own says itself what it denies: leave out `actions` and `also`, or `policy`".to_owned());
        }
        let mut actions = Vec::new();
        if policy.is_none() {
            let listed = raw.actions.unwrap_or_else(spending).into_iter().chain(raw.also);
            actions = listed.map(|action| names::action(&action)).collect::<Result<_, _>>()?;
            actions.sort();
            actions.dedup();
            if actions.is_empty() {
                return Err("it denies nothing: name actions under `actions`, or leave it out".to_owned());
            }
            OwnPolicy::denying(&actions)?;
        }
        let params = Self { group: raw.group, user: raw.user, role: raw.role, actions, policy };
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

impl Params {
    fn principals(&self) -> Vec<Principal> {
        let of = |names: &Names, of: fn(String) -> Principal| names.0.iter().cloned().map(of).collect::<Vec<_>>();
        [of(&self.group, Principal::Group), of(&self.user, Principal::User), of(&self.role, Principal::Role)].concat()
    }

    /// The stack's policies that it attaches, unless it attaches one of people's own.
    fn own_policies(&self) -> Result<Vec<OwnPolicy>, String> {
        if self.policy.is_some() { Ok(Vec::new()) } else { OwnPolicy::denying(&self.actions) }
    }

    /// All of `policies` for each principal, one principal after the other.
    fn wishes_of(&self, policies: &[String]) -> Vec<Wish> {
        let wish = |principal: &Principal, policy: &String| Wish {
            principal: principal.clone(),
            policy: policy.clone(),
            wanted: attached(),
        };
        self.principals().iter().flat_map(|principal| policies.iter().map(|policy| wish(principal, policy))).collect()
    }

    /// What it wishes where it works.
    fn wishes(&self, context: &Context<'_>) -> Result<Vec<Wish>, String> {
        if let Some(policy) = &self.policy {
            return Ok(self.wishes_of(std::slice::from_ref(policy)));
        }
        let region = context.region();
        let home = context.home(&region).ok_or("it is not known here which account and which stack's policies to attach")?;
        let policies: Vec<String> = self.own_policies()?.iter().map(|own| own.arn(&home)).collect();
        Ok(self.wishes_of(&policies))
    }
}

/// The action.
pub type DenyActions = Attaching<Params>;

impl ActionType for DenyActions {
    const NAME: &'static str = "deny-actions";
    const CHANGES: &'static str =
        "attaches an explicit Deny of launching and enlarging what costs money to IAM groups, users and roles";
    const PUTS_BACK: &'static str = "detaches it from those who did not have it before";
    type Params = Params;

    /// The stack's own policies have their ARNs only in an account.
    fn wishes(params: &Params) -> Vec<(FacetId, Value)> {
        wanted(params.policy.iter().flat_map(|policy| params.wishes_of(std::slice::from_ref(policy))))
    }

    fn restricts(params: &Params) -> Vec<Principal> {
        params.principals()
    }

    fn denies(params: &Params, call: &str) -> Tri {
        if let Some(policy) = &params.policy {
            return Tri::Unknown(format!("what {policy} denies is not known here"));
        }
        let call = call.to_ascii_lowercase();
        Tri::from(params.actions.iter().any(|pattern| glob(&pattern.to_ascii_lowercase(), &call)))
    }

    fn own_policies(params: &Params) -> Vec<OwnPolicy> {
        let former = if params.policy.is_some() { None } else { OwnPolicy::former(&params.actions) };
        params.own_policies().unwrap_or_default().into_iter().chain(former).collect()
    }

    fn grants(all: &[Params]) -> Vec<Grant> {
        // Any of the stack's own: a run that an earlier version began holds one that this version does not attach any more.
        let wishes =
            all.iter().flat_map(|params| params.wishes_of(&[params.policy.clone().unwrap_or_else(|| TEMPLATE.any_deny())]));
        let denies = all.iter().filter_map(|params| params.policy.clone()).collect();
        let mut grants = grants::of(&wishes.collect::<Vec<_>>(), denies);
        if all.iter().any(|params| Self::denies(params, shut_out::ASSUME) != Tri::No) {
            grants.extend(shut_out::grants());
        }
        grants
    }

    fn new(params: Params, context: &Context<'_>) -> Self {
        let denies: BTreeSet<String> = params.policy.iter().cloned().collect();
        Attaching::new(params.wishes(context), denies, context).keeping_from_assuming(Self::denies(&params, shut_out::ASSUME))
    }
}
