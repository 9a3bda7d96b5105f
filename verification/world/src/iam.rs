//! IAM: groups with their members, users and roles, and the managed policies of all of them.

use std::collections::BTreeSet;

use super::account::Account;
use super::identities::{missing, truncated};
use super::simulator;
use super::wire::{Call, Refusal, list, page, tag};

const PER_GROUP: usize = 10;
const CREATED: &str = "2026-01-01T00:00:00Z";

/// Answers a call.
pub fn answer(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "GetGroup" => get_group(account, call),
        "GetRole" => get_role(account, call),
        "GetPolicy" => get_policy(account, call),
        "GetUser" => get_user(account, call),
        "ListGroups" => Ok(list_groups(account, call)),
        "ListUsers" => Ok(list_users(account, call)),
        "ListRoles" => Ok(simulator::list_roles(account, call)),
        "SimulatePrincipalPolicy" => simulator::simulate(account, call),
        "GetInstanceProfile" => get_profile(account, call),
        "GetAccountSummary" => Ok(summary(account)),
        "ListPolicies" => Ok(list_policies(account, call)),
        "ListEntitiesForPolicy" => list_entities(account, call),
        "ListAttachedGroupPolicies" | "ListAttachedUserPolicies" | "ListAttachedRolePolicies" => list_attached(account, call),
        "AttachGroupPolicy" | "AttachUserPolicy" | "AttachRolePolicy" => attach(account, call),
        "DetachGroupPolicy" | "DetachUserPolicy" | "DetachRolePolicy" => detach(account, call),
        other => panic!("the double of IAM has no {other}"),
    }
}

fn get_group(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let name = call.require("GroupName")?;
    let members = account.groups.get(name).ok_or_else(|| no_such("group", name))?.members.clone();
    let (members, next) = page(members, call.get("Marker"), account.page);
    let user = |arn: String| {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let id = tag("UserId", &format!("AIDA{name}"));
        format!("<Path>/</Path>{}{id}{}{}", tag("UserName", name), tag("Arn", &arn), tag("CreateDate", CREATED))
    };
    let group = group(account, name);
    Ok(format!("<Group>{group}</Group>{}{}", list("Users", "member", members.into_iter().map(user)), truncated(next)))
}

fn group(account: &Account, name: &str) -> String {
    let id = tag("GroupId", &account.identity("group", name));
    format!("{}{id}{}", tag("GroupName", name), about("group", "/", name))
}

/// Someone with rights of their own has a path there; everybody else has none.
fn get_user(account: &Account, call: &Call) -> Result<String, Refusal> {
    let name = call.require("UserName")?;
    let arn = account.rights.keys().find(|arn| arn.contains(":user/") && arn.ends_with(&format!("/{name}")));
    if arn.is_none() && !account.users.contains_key(name) {
        return Err(no_such("user", name));
    }
    let known = arn.map(|arn| tag("Arn", arn)).map(|arn| format!("<Path>/</Path>{arn}{}", tag("CreateDate", CREATED)));
    let id = tag("UserId", &account.identity("user", name));
    Ok(format!("<User>{}{id}{}</User>", tag("UserName", name), known.unwrap_or_else(|| about("user", "/", name))))
}

fn list_groups(account: &Account, call: &Call) -> String {
    let (names, next) = page(account.groups.keys().collect(), call.get("Marker"), account.page);
    format!("{}{}", list("Groups", "member", names.into_iter().map(|name| group(account, name))), truncated(next))
}

fn list_users(account: &Account, call: &Call) -> String {
    let (names, next) = page(account.users.keys().collect(), call.get("Marker"), account.page);
    let user = |name: &String| {
        let id = tag("UserId", &account.identity("user", name));
        format!("{}{id}{}", tag("UserName", name), about("user", "/", name))
    };
    format!("{}{}", list("Users", "member", names.into_iter().map(user)), truncated(next))
}

fn get_role(account: &Account, call: &Call) -> Result<String, Refusal> {
    let name = call.require("RoleName")?;
    let role = account.roles.get(name).ok_or_else(|| no_such("role", name))?;
    let stack = role.stack.iter().map(|stack| format!("<Key>aws:cloudformation:stack-name</Key>{}", tag("Value", stack)));
    let trust =
        account.trust.get(name).map(|trust| tag("AssumeRolePolicyDocument", &simulator::quoted(trust))).unwrap_or_default();
    let id = tag("RoleId", &account.identity("role", name));
    let about = format!("{}{id}{}{trust}", tag("RoleName", name), about("role", &role.path, name));
    Ok(format!("<Role>{about}{}</Role>", list("Tags", "member", stack)))
}

fn get_policy(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let arn = known_policy(account, call)?;
    let (name, path) = (tag("PolicyName", policy_name(&arn)), "<Path>/</Path>");
    let dates = format!("{}{}", tag("CreateDate", CREATED), tag("UpdateDate", CREATED));
    let rest = "<PolicyId>ANPA</PolicyId><DefaultVersionId>v1</DefaultVersionId><IsAttachable>true</IsAttachable>";
    Ok(format!("<Policy>{name}{path}{}{rest}{dates}</Policy>", tag("Arn", &arn)))
}

fn get_profile(account: &Account, call: &Call) -> Result<String, Refusal> {
    let name = call.require("InstanceProfileName")?;
    let role = account.profiles.get(name).ok_or_else(|| missing(format!("Instance Profile {name} cannot be found.")))?;
    let role_fields = format!("{}{}<RoleId>AROA</RoleId>", tag("RoleName", role), about("role", "/", role));
    let ids = format!("{}<InstanceProfileId>AIPA</InstanceProfileId>", tag("InstanceProfileName", name));
    let profile = format!("{ids}{}{}", about("instance-profile", "/", name), list("Roles", "member", [role_fields]));
    Ok(format!("<InstanceProfile>{profile}</InstanceProfile>"))
}

fn summary(account: &Account) -> String {
    let quotas = [("User", account.per_user), ("Role", account.per_role), ("Group", PER_GROUP)];
    let entry = |(kind, quota): (&str, usize)| {
        let key = tag("key", &format!("AttachedPoliciesPer{kind}Quota"));
        format!("<entry>{key}{}</entry>", tag("value", &quota.to_string()))
    };
    format!("<SummaryMap>{}</SummaryMap>", quotas.map(entry).concat())
}

/// Those of the account itself that somebody has: nothing else is asked for.
fn list_policies(account: &Account, call: &Call) -> String {
    assert_eq!((call.get("Scope"), call.get("OnlyAttached")), (Some("Local"), Some("true")));
    let groups = account.groups.values().map(|group| &group.attached);
    let roles = account.roles.values().map(|role| &role.attached);
    let attached: BTreeSet<&String> = groups.chain(account.users.values()).chain(roles).flatten().collect();
    let local = attached.into_iter().filter(|arn| !arn.contains("::aws:")).cloned().collect();
    let (page, next) = page(local, call.get("Marker"), account.page);
    let policy = |arn: String| format!("{}{}", tag("PolicyName", policy_name(&arn)), tag("Arn", &arn));
    format!("{}{}", list("Policies", "member", page.into_iter().map(policy)), truncated(next))
}

fn list_entities(account: &Account, call: &Call) -> Result<String, Refusal> {
    let arn = call.require("PolicyArn")?.to_owned();
    let has = |attached: &[String]| attached.contains(&arn);
    let groups = account.groups.iter().filter(|(_, group)| has(&group.attached)).map(|(name, _)| ("Group", name));
    let users = account.users.iter().filter(|(_, attached)| has(attached)).map(|(name, _)| ("User", name));
    let roles = account.roles.iter().filter(|(_, role)| has(&role.attached)).map(|(name, _)| ("Role", name));
    let (page, next) = page(groups.chain(users).chain(roles).collect(), call.get("Marker"), account.page);
    let of = |kind: &str| {
        let mine = page.iter().filter(|(of, _)| *of == kind).map(|(_, name)| tag(&format!("{kind}Name"), name));
        list(&format!("Policy{kind}s"), "member", mine)
    };
    Ok(format!("{}{}{}{}", of("Group"), of("User"), of("Role"), truncated(next)))
}

fn list_attached(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let attached = holder(account, call)?.attached.clone();
    let (attached, next) = page(attached, call.get("Marker"), account.page);
    let policy = |arn: String| format!("{}{}", tag("PolicyName", policy_name(&arn)), tag("PolicyArn", &arn));
    Ok(format!("{}{}", list("AttachedPolicies", "member", attached.into_iter().map(policy)), truncated(next)))
}

fn attach(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    holder(account, call)?;
    let policy = known_policy(account, call)?;
    let Holder { attached, name, kind, quota } = holder(account, call)?;
    if attached.contains(&policy) {
        return Ok(String::new());
    }
    if attached.len() >= quota {
        let message = format!("Cannot exceed quota for PoliciesPer{kind}: {quota}");
        return Err(Refusal(409, "LimitExceeded", message));
    }
    attached.push(policy);
    account.touched.insert(name);
    Ok(String::new())
}

fn detach(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let policy = call.require("PolicyArn")?;
    let Holder { attached, name, .. } = holder(account, call)?;
    let Some(place) = attached.iter().position(|attached| attached == policy) else {
        return Err(missing(format!("Policy {policy} was not found.")));
    };
    attached.remove(place);
    account.touched.insert(name);
    Ok(String::new())
}

/// The principal whose policies a call is about.
struct Holder<'a> {
    attached: &'a mut Vec<String>,
    name: String,
    kind: &'static str,
    quota: usize,
}

fn holder<'a>(account: &'a mut Account, call: &Call) -> Result<Holder<'a>, Refusal> {
    let (kind, found) = if call.operation.contains("Group") {
        ("Group", (PER_GROUP, call.require("GroupName")?))
    } else if call.operation.contains("User") {
        ("User", (account.per_user, call.require("UserName")?))
    } else {
        ("Role", (account.per_role, call.require("RoleName")?))
    };
    let (quota, name) = found;
    let attached = match kind {
        "Group" => account.groups.get_mut(name).map(|group| &mut group.attached),
        "User" => account.users.get_mut(name),
        _ => account.roles.get_mut(name).map(|role| &mut role.attached),
    };
    let attached = attached.ok_or_else(|| no_such(&kind.to_lowercase(), name))?;
    Ok(Holder { attached, name: name.to_owned(), kind, quota })
}

fn known_policy(account: &Account, call: &Call) -> Result<String, Refusal> {
    let arn = call.require("PolicyArn")?;
    if account.policies.contains(arn) {
        return Ok(arn.to_owned());
    }
    Err(missing(format!("Policy {arn} does not exist or is not attachable.")))
}

/// The common properties of IAM's things: a path, an ARN, a birthday.
fn about(kind: &str, path: &str, name: &str) -> String {
    let arn = tag("Arn", &format!("arn:aws:iam::123456789012:{kind}{path}{name}"));
    format!("{}{arn}{}", tag("Path", path), tag("CreateDate", CREATED))
}

fn no_such(kind: &str, name: &str) -> Refusal {
    missing(format!("The {kind} with name {name} cannot be found."))
}

fn policy_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}
