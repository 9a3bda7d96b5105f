//! IAM: groups, their members and their managed policies.

use super::account::Account;
use super::simulator;
use super::wire::{Call, Refusal, list, page, tag};

/// A group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// ARNs of users.
    pub members: Vec<String>,
    /// ARNs of policies, in the order in which they were attached.
    pub attached: Vec<String>,
}

const MOST_ATTACHED: usize = 10;
const CREATED: &str = "2026-01-01T00:00:00Z";

/// Answers a call.
pub fn answer(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "GetGroup" => get_group(account, call),
        "ListAttachedGroupPolicies" => list_attached(account, call),
        "GetPolicy" => get_policy(account, call),
        "GetUser" => simulator::get_user(account, call),
        "ListRoles" => Ok(simulator::list_roles(account, call)),
        "SimulatePrincipalPolicy" => simulator::simulate(account, call),
        "GetInstanceProfile" => get_profile(account, call),
        "AttachGroupPolicy" => attach(account, call),
        "DetachGroupPolicy" => detach(account, call),
        other => panic!("the double of IAM has no {other}"),
    }
}

fn get_group(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let name = call.require("GroupName")?;
    let members = group(account, name)?.members.clone();
    let (members, next) = page(members, call.get("Marker"), account.page);
    let user = |arn: String| {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let id = tag("UserId", &format!("AIDA{name}"));
        format!("<Path>/</Path>{}{id}{}{}", tag("UserName", name), tag("Arn", &arn), tag("CreateDate", CREATED))
    };
    let arn = tag("Arn", &format!("arn:aws:iam::123456789012:group/{name}"));
    let about = format!("<Path>/</Path>{}<GroupId>AGPA</GroupId>{arn}{}", tag("GroupName", name), tag("CreateDate", CREATED));
    Ok(format!("<Group>{about}</Group>{}{}", list("Users", "member", members.into_iter().map(user)), truncated(next)))
}

fn list_attached(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let attached = group(account, call.require("GroupName")?)?.attached.clone();
    let (attached, next) = page(attached, call.get("Marker"), account.page);
    let policy = |arn: String| format!("{}{}", tag("PolicyName", policy_name(&arn)), tag("PolicyArn", &arn));
    Ok(format!("{}{}", list("AttachedPolicies", "member", attached.into_iter().map(policy)), truncated(next)))
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
    let about = |kind: &str, name: &str| {
        let arn = tag("Arn", &format!("arn:aws:iam::123456789012:{kind}/{name}"));
        format!("<Path>/</Path>{arn}{}", tag("CreateDate", CREATED))
    };
    let role_fields = format!("{}{}<RoleId>AROA</RoleId>", tag("RoleName", role), about("role", role));
    let ids = format!("{}<InstanceProfileId>AIPA</InstanceProfileId>", tag("InstanceProfileName", name));
    let profile = format!("{ids}{}{}", about("instance-profile", name), list("Roles", "member", [role_fields]));
    Ok(format!("<InstanceProfile>{profile}</InstanceProfile>"))
}

fn attach(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let name = call.require("GroupName")?;
    group(account, name)?;
    let policy = known_policy(account, call)?;
    let group = group(account, name)?;
    if group.attached.contains(&policy) {
        return Ok(String::new());
    }
    if group.attached.len() >= MOST_ATTACHED {
        let message = format!("Cannot exceed quota for PoliciesPerGroup: {MOST_ATTACHED}");
        return Err(Refusal(409, "LimitExceeded", message));
    }
    group.attached.push(policy);
    account.touched.insert(name.to_owned());
    Ok(String::new())
}

fn detach(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let (name, policy) = (call.require("GroupName")?, call.require("PolicyArn")?);
    let group = group(account, name)?;
    let Some(place) = group.attached.iter().position(|attached| attached == policy) else {
        return Err(missing(format!("Policy {policy} was not found.")));
    };
    group.attached.remove(place);
    account.touched.insert(name.to_owned());
    Ok(String::new())
}

fn group<'a>(account: &'a mut Account, name: &str) -> Result<&'a mut Group, Refusal> {
    account.groups.get_mut(name).ok_or_else(|| missing(format!("The group with name {name} cannot be found.")))
}

fn known_policy(account: &Account, call: &Call) -> Result<String, Refusal> {
    let arn = call.require("PolicyArn")?;
    if account.policies.contains(arn) {
        return Ok(arn.to_owned());
    }
    Err(missing(format!("Policy {arn} does not exist or is not attachable.")))
}

pub(super) fn missing(message: String) -> Refusal {
    Refusal(404, "NoSuchEntity", message)
}

fn policy_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

pub(super) fn truncated(next: Option<String>) -> String {
    match next {
        Some(marker) => format!("<IsTruncated>true</IsTruncated>{}", tag("Marker", &marker)),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    }
}
