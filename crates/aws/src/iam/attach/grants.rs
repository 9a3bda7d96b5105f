//! What attaching and detaching takes: those policies, on those principals, and to read what the way back hangs on.

use std::collections::{BTreeMap, BTreeSet};

use guardrails_model::principal::Principal;
use serde_json::json;

use super::attachments::Desired;
use crate::grants::{Grant, Use, sid};
use crate::iam::lockout::administrators;

const ALWAYS: &[Use] = &[Use::Plan, Use::Apply, Use::Rollback];

/// What a kind of principal is asked, and turned by.
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
    Kind { word: "user", reads: &["iam:ListAttachedUserPolicies"], turns: &["iam:AttachUserPolicy", "iam:DetachUserPolicy"] },
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
    if desired.iter().any(|desire| !matches!(desire.principal, Principal::Group(_))) {
        grants.push(Grant {
            sid: "ReadQuotas".to_owned(),
            uses: ALWAYS,
            actions: &["iam:GetAccountSummary"],
            resources: vec!["*".to_owned()],
            why_any: Some("AWS has no resource for the account's summary"),
            unused: &[("iam:GetAccountSummary", "the quota is asked for only near it: tests/actions/restrictions.rs")],
            ..Grant::default()
        });
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
