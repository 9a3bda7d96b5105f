//! IAM's policy simulator, and the roles that somebody might assume: whoever is in a group that has full access to EC2 may
//! launch, and each has the rights that a test gives to them.

use super::account::Account;
use super::iam::{missing, truncated};
use super::wire::{Call, Refusal, list, page, tag};

/// The policy that lets a group's members launch.
pub const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";

/// What a policy lets somebody do, or forbids.
#[derive(Debug, Clone)]
pub struct Right {
    /// The simulator's name of the policy.
    pub policy: String,
    pub denies: bool,
    /// Calls that begin so.
    pub action: String,
    /// On this, or on anything.
    pub resource: Option<String>,
    /// Only under a condition on this key, of which the simulator knows nothing.
    pub key: Option<String>,
}

impl Right {
    /// To call what begins with `action`.
    pub fn to(action: &str, policy: &str) -> Self {
        Self { policy: policy.to_owned(), denies: false, action: action.to_owned(), resource: None, key: None }
    }

    /// On this only.
    pub fn on(self, resource: &str) -> Self {
        Self { resource: Some(resource.to_owned()), ..self }
    }

    /// Only under a condition on `key`.
    pub fn under(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    pub fn denied(self) -> Self {
        Self { denies: true, ..self }
    }
}

pub(super) fn get_user(account: &Account, call: &Call) -> Result<String, Refusal> {
    let name = call.require("UserName")?;
    let arn = account.rights.keys().find(|arn| arn.contains(":user/") && arn.ends_with(&format!("/{name}")));
    let arn = arn.ok_or_else(|| missing(format!("The user with name {name} cannot be found.")))?;
    let rest = "<Path>/</Path><UserId>AIDA</UserId><CreateDate>2026-01-01T00:00:00Z</CreateDate>";
    Ok(format!("<User>{}{}{rest}</User>", tag("UserName", name), tag("Arn", arn)))
}

pub(super) fn list_roles(account: &Account, call: &Call) -> String {
    let roles: Vec<(String, String)> = account.trust.clone().into_iter().collect();
    let (roles, next) = page(roles, call.get("Marker"), account.page);
    let role = |(name, trust): (String, String)| {
        let arn = tag("Arn", &format!("arn:aws:iam::123456789012:role/{name}"));
        let trust: String = url::form_urlencoded::byte_serialize(trust.as_bytes()).collect::<String>().replace('+', "%20");
        let rest = "<Path>/</Path><RoleId>AROA</RoleId><CreateDate>2026-01-01T00:00:00Z</CreateDate>";
        format!("{}{arn}{rest}{}", tag("RoleName", &name), tag("AssumeRolePolicyDocument", &trust))
    };
    format!("{}{}", list("Roles", "member", roles.into_iter().map(role)), truncated(next))
}

/// One result for each call on each resource, page by page.
pub(super) fn simulate(account: &Account, call: &Call) -> Result<String, Refusal> {
    let source = call.require("PolicySourceArn")?;
    if account.gone.contains(source) {
        return Err(missing(format!("The entity {source} cannot be found.")));
    }
    let (actions, resources) = (call.list("ActionNames.member"), call.list("ResourceArns.member"));
    let mut rights: Vec<Right> = account.rights.get(source).cloned().unwrap_or_default();
    let launches = |group: &super::iam::Group| {
        group.members.iter().any(|member| member == source) && group.attached.iter().any(|policy| policy == FULL)
    };
    if account.groups.values().any(launches) {
        rights.extend(["ec2:", "autoscaling:"].map(|service| Right::to(service, "AmazonEC2FullAccess")));
    }
    let results: Vec<String> =
        actions.iter().flat_map(|action| resources.iter().map(|resource| result(&rights, action, resource))).collect();
    let (results, next) = page(results, call.get("Marker"), account.page);
    Ok(format!("{}{}", list("EvaluationResults", "member", results), truncated(next)))
}

fn result(rights: &[Right], action: &str, resource: &str) -> String {
    let matching: Vec<&Right> = rights
        .iter()
        .filter(|right| action.starts_with(&right.action) && right.resource.as_ref().is_none_or(|on| on == resource))
        .collect();
    let missing = matching.iter().filter_map(|right| right.key.clone());
    let of = |denies: bool| matching.iter().filter(move |right| right.denies == denies && right.key.is_none());
    let (decision, by): (_, Vec<&&Right>) = if of(true).next().is_some() {
        ("explicitDeny", of(true).collect())
    } else if of(false).next().is_some() {
        ("allowed", of(false).collect())
    } else {
        ("implicitDeny", Vec::new())
    };
    let statement = |right: &&Right| format!("{}{}", tag("SourcePolicyId", &right.policy), tag("SourcePolicyType", "IAM Policy"));
    let names = format!("{}{}", tag("EvalActionName", action), tag("EvalResourceName", resource));
    format!(
        "{names}{}{}{}",
        tag("EvalDecision", decision),
        list("MatchedStatements", "member", by.into_iter().map(statement)),
        list("MissingContextValues", "member", missing)
    )
}
