//! The rights to attach and detach: those policies, on those principals, and to read the facts on which the way back hangs.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_model::principal::Principal;
use serde_json::json;

use super::attachments::Desired;
use crate::grants::{Grant, Reasons, Use, sid};
use crate::iam::lockout::administrators;

const ALWAYS: &[Use] = &[Use::Plan, Use::Apply, Use::Rollback];

/// The calls that read a kind of principal, and those that turn its attachments.
struct Kind {
    word: &'static str,
    reads: &'static [&'static str],
    turns: &'static [&'static str],
}

const KINDS: [Kind; 3] = [
    Kind {
        word: "group",
        reads: &["iam:GetGroup", "iam:ListAttachedGroupPolicies"],
        turns: &["iam:AttachGroupPolicy", "iam:DetachGroupPolicy"],
    },
    Kind {
        word: "user",
        reads: &["iam:GetUser", "iam:ListAttachedUserPolicies"],
        turns: &["iam:AttachUserPolicy", "iam:DetachUserPolicy"],
    },
    Kind {
        word: "role",
        reads: &["iam:GetRole", "iam:ListAttachedRolePolicies"],
        turns: &["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
    },
];

/// The rights that `desired` take, where `denies` are Deny policies besides the stack's own.
#[must_use]
pub fn of(desired: &[Desired], denies: BTreeSet<String>) -> Vec<Grant> {
    if desired.is_empty() {
        return Vec::new();
    }
    let mut grants: Vec<Grant> = KINDS.iter().filter_map(|kind| reading(kind, desired)).collect();
    let policies: BTreeSet<&String> = desired.iter().map(|desire| &desire.policy).collect();
    grants.push(Grant {
        sid: "ReadPolicies".to_owned(),
        uses: ALWAYS,
        actions: &["iam:GetPolicy"],
        resources: policies.into_iter().cloned().collect(),
        ..Grant::default()
    });
    if has(desired, "user") || has(desired, "role") {
        grants.push(quotas());
    }
    if has(desired, "group") {
        grants.push(finding("FindGroups", &["iam:ListGroups"], &[("iam:ListGroups", ONLY_RENAMED)]));
    }
    if has(desired, "user") {
        grants.push(find_users());
    }
    grants.extend(administrators::grants(denies));
    grants.extend(KINDS.iter().flat_map(|kind| turning(kind, desired)));
    grants
}

fn reading(kind: &Kind, desired: &[Desired]) -> Option<Grant> {
    let names: BTreeSet<&str> = named(kind, desired).map(|desire| desire.principal.name()).collect();
    (!names.is_empty()).then(|| Grant {
        sid: sid(&["read", &format!("{}s", kind.word)]),
        uses: ALWAYS,
        actions: kind.reads,
        resources: names.iter().flat_map(|name| arns(kind, name)).collect(),
        ..Grant::default()
    })
}

/// The rights to restrict the other members of groups one by one, where an operator is in them. Any user may be a member. Only these
/// policies are attached to them and detached.
#[must_use]
pub fn members(desired: &[Desired]) -> Vec<Grant> {
    let of_groups: BTreeSet<&String> =
        desired.iter().filter(|desire| matches!(desire.principal, Principal::Group(_))).map(|desire| &desire.policy).collect();
    if of_groups.is_empty() {
        return Vec::new();
    }
    let users = vec!["arn:${AWS::Partition}:iam::${AWS::AccountId}:user/*".to_owned()];
    // The rest stands with the rights of the users and roles that are named.
    let mut grants = Vec::new();
    if !has(desired, "user") {
        grants.push(find_users());
        grants.extend((!has(desired, "role")).then(quotas));
    }
    grants.extend([
        Grant {
            sid: "ReadMembers".to_owned(),
            uses: ALWAYS,
            actions: &["iam:GetUser", "iam:ListAttachedUserPolicies"],
            resources: users.clone(),
            unused: &[("iam:GetUser", ONLY_MEMBERS), ("iam:ListAttachedUserPolicies", ONLY_MEMBERS)],
            wide: &[("iam:GetUser", ANY_MEMBER), ("iam:ListAttachedUserPolicies", ANY_MEMBER)],
            ..Grant::default()
        },
        Grant {
            sid: "AttachToMembers".to_owned(),
            uses: &[Use::Apply, Use::Rollback],
            actions: &["iam:AttachUserPolicy", "iam:DetachUserPolicy"],
            resources: users,
            condition: json!({"ArnEquals": {"iam:PolicyARN": of_groups}}),
            unused: &[("iam:AttachUserPolicy", ONLY_MEMBERS), ("iam:DetachUserPolicy", ONLY_MEMBERS)],
            wide: &[("iam:AttachUserPolicy", ANY_MEMBER), ("iam:DetachUserPolicy", ANY_MEMBER)],
            ..Grant::default()
        },
    ]);
    grants
}

const ONLY_MEMBERS: &str = "only where an operator is in the group: tests/actions/restrictions/members.rs";
const ANY_MEMBER: &str = "anybody can be in a group; only the stage's own policies are attached and detached";

/// The rights to find a renamed principal in a list, by its identity. Roles cannot be renamed.
fn finding(sid: &str, actions: &'static [&'static str], unused: Reasons) -> Grant {
    Grant {
        sid: sid.to_owned(),
        uses: &[Use::Apply, Use::Rollback],
        actions,
        resources: vec!["*".to_owned()],
        why_any: Some("AWS has no resource for listing groups and users"),
        unused,
        ..Grant::default()
    }
}

fn find_users() -> Grant {
    finding("FindUsers", &["iam:ListUsers"], &[("iam:ListUsers", ONLY_RENAMED)])
}

fn quotas() -> Grant {
    Grant {
        sid: "ReadQuotas".to_owned(),
        uses: ALWAYS,
        actions: &["iam:GetAccountSummary"],
        resources: vec!["*".to_owned()],
        why_any: Some("AWS has no resource for the account's summary"),
        unused: &[("iam:GetAccountSummary", "the quota is asked for only near it: tests/actions/restrictions.rs")],
        ..Grant::default()
    }
}

fn has(desired: &[Desired], kind: &str) -> bool {
    desired.iter().any(|desire| desire.principal.kind() == kind)
}

const ONLY_RENAMED: &str = "only where a name is gone or another's: tests/actions/restrictions/identities.rs";

/// One right for all that have the same policies attached and detached.
fn turning(kind: &Kind, desired: &[Desired]) -> Vec<Grant> {
    let mut policies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for desire in named(kind, desired) {
        policies.entry(desire.principal.name()).or_default().insert(&desire.policy);
    }
    let mut alike: BTreeMap<BTreeSet<&str>, Vec<&str>> = BTreeMap::new();
    for (name, policies) in policies {
        alike.entry(policies).or_default().push(name);
    }
    let grant = |(number, (policies, names)): (usize, (BTreeSet<&str>, Vec<&str>))| Grant {
        sid: sid(&["attach", kind.word, &number.to_string()]),
        uses: &[Use::Apply, Use::Rollback],
        actions: kind.turns,
        resources: names.iter().flat_map(|name| arns(kind, name)).collect(),
        condition: json!({"ArnEquals": {"iam:PolicyARN": policies}}),
        ..Grant::default()
    };
    (1..).zip(alike).map(grant).collect()
}

fn named<'a>(kind: &Kind, desired: &'a [Desired]) -> impl Iterator<Item = &'a Desired> {
    let word = kind.word;
    desired.iter().filter(move |desire| desire.principal.kind() == word)
}

/// By its name, under any path: IAM's calls name principals without it, and its ARNs have it.
fn arns(kind: &Kind, name: &str) -> [String; 2] {
    ["", "*/"].map(|path| format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:{}/{path}{name}", kind.word))
}
