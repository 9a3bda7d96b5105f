//! Names of principals and of policies, as guardrails.yaml has them.

use guardrails_model::partition;
use guardrails_model::principal::Principal;

/// A principal of a name that IAM could have given it.
///
/// # Errors
/// When IAM gives no such names.
pub fn principal(of: fn(String) -> Principal, name: &str) -> Result<Principal, String> {
    let principal = of(name.to_owned());
    let longest = if matches!(principal, Principal::Group(_)) { 128 } else { 64 };
    let named = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > longest || !name.chars().all(named) {
        let kind = principal.kind();
        return Err(format!(
            "`{name}` is not the name of an IAM {kind}: 1 to {longest} letters, digits and +=,.@_- without a path"
        ));
    }
    Ok(principal)
}

/// The ARN of a policy that is given by it, or by the name of an AWS managed policy.
///
/// # Errors
/// When it is neither.
pub fn policy(policy: &str) -> Result<String, String> {
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c));
    let parts: Vec<&str> = policy.splitn(6, ':').collect();
    match parts.as_slice() {
        [name] if plain(name) => Ok(format!("arn:{}:iam::aws:policy/{name}", partition::SUPPORTED)),
        ["arn", partition, "iam", "", account, name]
            if (*account == "aws" || (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())))
                && name.strip_prefix("policy/").is_some_and(plain) =>
        {
            partition::check(partition).map(|()| policy.to_owned()).map_err(|why| format!("`{policy}`: {why}"))
        }
        _ => Err(format!(
            "`{policy}` is not a managed policy: expected the name of an AWS managed policy such as \
            `AmazonEC2ReadOnlyAccess`, or an ARN such as `arn:aws:iam::123456789012:policy/MyReadOnly`"
        )),
    }
}

/// An action of IAM's, or all that begin so: `ec2:RunInstances`, `rds:Create*`.
///
/// # Errors
/// When no service has such actions.
pub fn action(action: &str) -> Result<String, String> {
    let service = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = |c: char| c.is_ascii_alphanumeric() || c == '*' || c == '?';
    match action.split_once(':') {
        Some((of, what)) if !of.is_empty() && of.chars().all(service) && !what.is_empty() && what.chars().all(name) => {
            Ok(action.to_owned())
        }
        _ => Err(format!(
            "`{action}` is not an action of IAM's: expected a service and an action such as `ec2:RunInstances`, or `rds:Create*`"
        )),
    }
}
