//! IAM's policy simulator, and the roles that somebody might assume: whoever is in a group that has full access to EC2 may
//! launch, and each has the rights that a test gives to them.

use std::collections::{BTreeMap, BTreeSet};

use super::account::Account;
use super::identities::{Group, REGION, Right, missing, truncated};
use super::wire::{Call, Refusal, list, page, tag};

/// The policy that lets a group's members launch.
pub const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";

/// A document as IAM gives it.
pub(super) fn quoted(document: &str) -> String {
    url::form_urlencoded::byte_serialize(document.as_bytes()).collect::<String>().replace('+', "%20")
}

pub(super) fn list_roles(account: &Account, call: &Call) -> String {
    let roles: Vec<(String, String)> = account.trust.clone().into_iter().collect();
    let (roles, next) = page(roles, call.get("Marker"), account.page);
    let role = |(name, trust): (String, String)| {
        let arn = tag("Arn", &format!("arn:aws:iam::123456789012:role/{name}"));
        let rest = "<Path>/</Path><RoleId>AROA</RoleId><CreateDate>2026-01-01T00:00:00Z</CreateDate>";
        format!("{}{arn}{rest}{}", tag("RoleName", &name), tag("AssumeRolePolicyDocument", &quoted(&trust)))
    };
    format!("{}{}", list("Roles", "member", roles.into_iter().map(role)), truncated(next))
}

/// One result for each call on each resource, page by page; of those who have a boundary one for each call, with each resource
/// in it.
pub(super) fn simulate(account: &Account, call: &Call) -> Result<String, Refusal> {
    let source = call.require("PolicySourceArn")?;
    if account.gone.contains(source) {
        return Err(missing(format!("The entity {source} cannot be found.")));
    }
    let (actions, resources) = (call.list("ActionNames.member"), call.list("ResourceArns.member"));
    let mut rights: Vec<Right> = account.rights.get(source).cloned().unwrap_or_default();
    let without = excluded(call)?;
    let launches = |group: &Group| {
        let gives = |policy: &String| policy == FULL && !without.contains(FULL);
        group.members.iter().any(|member| member == source) && group.attached.iter().any(gives)
    };
    if account.groups.values().any(launches) {
        rights.extend(["ec2:", "autoscaling:"].map(|service| Right::to(service, "AmazonEC2FullAccess")));
    }
    let request = request(call);
    let is_forbidden = account.limits.region.is_some() && account.limits.region.as_deref() != request.get(REGION).copied();
    let boundary = account.limits.boundaries.get(source).map(String::as_str);
    let by_statement = account.limits.by_statement;
    let simulation = Simulation { rights, request, is_forbidden, by_statement, boundary };
    let of = |action: &&str| match boundary {
        Some(_) => vec![simulation.all(action, &resources)],
        None => resources.iter().map(|resource| simulation.one(action, resource)).collect(),
    };
    let (results, next) = page(actions.iter().flat_map(of).collect::<Vec<_>>(), call.get("Marker"), account.page);
    Ok(format!("{}{}", list("EvaluationResults", "member", results), truncated(next)))
}

/// The most identifiers of policies that IAM takes.
const MOST_EXCLUDED: usize = 256;

/// The ARNs of the policies that count as attached to nobody. Of IAM's three kinds of identifiers only this one is known here. IAM's
/// model says that an invalid one is refused, and that one of no attached policy is ignored.
fn excluded(call: &Call) -> Result<BTreeSet<&str>, Refusal> {
    let is_valid = |(name, arn): &(&str, &str)| {
        let is_of_kind = name.split_once('.').is_some_and(|(index, kind)| index.parse::<usize>().is_ok() && kind == "PolicyArn");
        is_of_kind && arn.starts_with("arn:aws:iam::") && arn.contains(":policy/")
    };
    let given = call.under("PolicyExclusionList.member.");
    if let Some((name, value)) = given.iter().find(|one| !is_valid(one)) {
        let message = format!("PolicyExclusionList.member.{name}={value} does not identify a policy.");
        return Err(Refusal(400, "InvalidInput", message));
    }
    if given.len() > MOST_EXCLUDED {
        let message = format!("PolicyExclusionList: Member must have length less than or equal to {MOST_EXCLUDED}");
        return Err(Refusal(400, "ValidationError", message));
    }
    Ok(given.into_iter().map(|(_, arn)| arn).collect())
}

/// The keys of the simulated request, with their values.
fn request(call: &Call) -> BTreeMap<&str, &str> {
    let entry = |index: usize| {
        let of = |name: &str| call.get(&format!("ContextEntries.member.{index}.{name}"));
        Some((of("ContextKeyName")?, of("ContextKeyValues.member.1")?))
    };
    (1..).map_while(entry).collect()
}

struct Simulation<'a> {
    rights: Vec<Right>,
    request: BTreeMap<&'a str, &'a str>,
    is_forbidden: bool,
    by_statement: bool,
    boundary: Option<&'a str>,
}

impl Simulation<'_> {
    fn one(&self, action: &str, resource: &str) -> String {
        let names = format!("{}{}", tag("EvalActionName", action), tag("EvalResourceName", resource));
        format!("{names}{}{}", self.decided("EvalDecision", action, resource), self.organization())
    }

    /// The whole is allowed only where each resource is.
    fn all(&self, action: &str, resources: &[&str]) -> String {
        let each = resources.iter().map(|resource| {
            let name = tag("EvalResourceName", resource);
            format!("{name}{}{}", self.decided("EvalResourceDecision", action, resource), within(self.is_within(resource)))
        });
        let worst = resources.iter().find(|resource| !self.is_within(resource)).or(resources.first()).copied().unwrap_or("*");
        let names = format!("{}{}", tag("EvalActionName", action), tag("EvalResourceName", worst));
        let whole = format!("{}{}", self.decided("EvalDecision", action, worst), within(self.is_within(worst)));
        format!("{names}{whole}{}{}", self.organization(), list("ResourceSpecificResults", "member", each))
    }

    fn is_within(&self, resource: &str) -> bool {
        self.boundary.is_none_or(|on| on == resource)
    }

    fn organization(&self) -> String {
        let allowed = tag("AllowedByOrganizations", &(!self.is_forbidden).to_string());
        format!("<OrganizationsDecisionDetail>{allowed}</OrganizationsDecisionDetail>")
    }

    fn decided(&self, decision_tag: &str, action: &str, resource: &str) -> String {
        let holds =
            |right: &&Right| right.key.as_ref().is_none_or(|(key, is)| self.request.get(key.as_str()) == Some(&is.as_str()));
        let matching: Vec<&Right> = self
            .rights
            .iter()
            .filter(|right| action.starts_with(&right.action) && right.resource.as_ref().is_none_or(|on| on == resource))
            .filter(holds)
            .collect();
        let of = |denies: bool| matching.iter().filter(move |right| right.denies == denies);
        let (decision, by): (_, Vec<&&Right>) = if of(true).next().is_some() {
            ("explicitDeny", of(true).collect())
        } else if self.is_forbidden && self.by_statement {
            // The simulator names no service control policy.
            ("explicitDeny", Vec::new())
        } else if of(false).next().is_some() && !self.is_forbidden && self.is_within(resource) {
            ("allowed", of(false).collect())
        } else {
            ("implicitDeny", Vec::new())
        };
        let statement =
            |right: &&Right| format!("{}{}", tag("SourcePolicyId", &right.policy), tag("SourcePolicyType", "IAM Policy"));
        // IAM names the keys of all statements, also of those that say nothing of the call.
        let keys = self.rights.iter().filter_map(|right| right.key.as_ref()).map(|(key, _)| key);
        let missing = keys.filter(|key| !self.request.contains_key(key.as_str())).cloned();
        format!(
            "{}{}{}",
            tag(decision_tag, decision),
            list("MatchedStatements", "member", by.into_iter().map(statement)),
            list("MissingContextValues", "member", missing)
        )
    }
}

fn within(is_within: bool) -> String {
    let allowed = tag("AllowedByPermissionsBoundary", &is_within.to_string());
    format!("<PermissionsBoundaryDecisionDetail>{allowed}</PermissionsBoundaryDecisionDetail>")
}
