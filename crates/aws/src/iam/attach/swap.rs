//! A swap of managed policies, whoever they are attached to.

use std::collections::BTreeSet;

use guardrails_model::principal::Principal;

use super::attachments::{Desired, MOST, PER_GROUP, attached, detached};
use crate::iam::names;

/// The ARNs of the policies to detach and of those to attach.
///
/// # Errors
/// When one of them is no policy, when there is none, too many of them, or one twice.
pub fn checked(of: &Principal, detach: &[String], attach: &[String]) -> Result<(Vec<String>, Vec<String>), String> {
    let arns = |policies: &[String]| policies.iter().map(|policy| names::policy(policy)).collect::<Result<Vec<_>, _>>();
    let (detach, attach) = (arns(detach)?, arns(attach)?);
    if detach.is_empty() && attach.is_empty() {
        return Err("it detaches nothing and attaches nothing: name policies under `detach`, `attach` or both".to_owned());
    }
    let most = if matches!(of, Principal::Group(_)) { PER_GROUP } else { MOST };
    if attach.len() > most || detach.len() > most {
        return Err(format!("a {} has at most {most} managed policies", of.kind()));
    }
    let mut seen = BTreeSet::new();
    match detach.iter().chain(&attach).find(|policy| !seen.insert(*policy)) {
        Some(twice) => Err(format!("`{twice}` stands there twice: a policy is detached or attached, once")),
        None => Ok((detach, attach)),
    }
}

/// The attachments that a swap wishes.
#[must_use]
pub fn desired(of: &Principal, detach: &[String], attach: &[String]) -> Vec<Desired> {
    let detached = detach.iter().map(|policy| (policy, detached()));
    let attached = attach.iter().map(|policy| (policy, attached()));
    let desire = |(policy, wanted): (&String, _)| Desired { principal: of.clone(), policy: policy.clone(), wanted };
    detached.chain(attached).map(desire).collect()
}
