//! The operators of a file, held against the account: one who is nobody there protects nobody.

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use guardrails_aws::error::{Failure, with_right};
use guardrails_model::principal::Principal;

use crate::deployment::Caller;

/// The roles that Identity Center makes of permission sets are named so, and stand under this path.
const IDENTITY_CENTER: &str = "AWSReservedSSO_";
const IDENTITY_CENTER_PATH: &str = "aws-reserved/sso.amazonaws.com/";

/// The findings about the operators.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Their faults, for people.
    pub(crate) warnings: Vec<String>,
    /// Those that could not be looked at.
    pub(crate) unread: Vec<String>,
}

/// The user or role behind somebody's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Own {
    /// Its ARN as IAM has it, and a note for people.
    Named(String, Option<String>),
    /// There is none that could be an operator, for this reason.
    Nobody(String),
}

/// A user or role as IAM has it.
enum There {
    /// Under this ARN.
    As(String),
    Gone,
    Unread(String),
}

/// Looks whether the operators are of the caller's account.
pub(crate) async fn look(sdk: &SdkConfig, caller: &Caller, operators: &[String]) -> Looked {
    let mut looked = Looked::default();
    let ours: Vec<&String> = operators.iter().filter(|arn| account(arn) == caller.account).collect();
    if operators.is_empty() {
        looked.warnings.push("`operators` is empty: a guardrail may restrict whoever would roll it back".to_owned());
    } else if ours.is_empty() {
        let words = format!(
            "none of the operators is of account {}: they protect nobody here ({})",
            caller.account,
            operators.join(", ")
        );
        looked.warnings.push(words);
    }
    let iam = Client::new(sdk);
    for arn in ours {
        let Some(principal) = Principal::of_arn(arn) else { continue };
        match there(&iam, &principal).await {
            There::As(found) if found == *arn => {}
            There::As(found) => {
                looked.warnings.push(format!("the operator {arn} is {found} to IAM: write that, since policies name it so"));
            }
            There::Gone => looked.warnings.push(format!(
                "the operator {arn} is nobody: account {} has no {} `{}`",
                caller.account,
                principal.kind(),
                principal.name()
            )),
            There::Unread(why) => looked.unread.push(format!("the operator {arn}: {why}")),
        }
    }
    looked
}

/// The user or role behind the caller's credentials.
pub(crate) async fn own(sdk: &SdkConfig, caller: &Caller) -> Own {
    match Principal::of_arn(&caller.arn) {
        Some(principal @ Principal::Role(_)) => {
            let found = there(&Client::new(sdk), &principal).await;
            of_role(principal.name(), caller, found)
        }
        Some(_) => Own::Named(caller.arn.clone(), None),
        None if caller.arn.ends_with(":root") => Own::Nobody(
            "these are the credentials of the account's root user, and IAM never restricts it; work as a user or a role, as AWS advises, \
             and name that one"
                .to_owned(),
        ),
        None => Own::Nobody(format!("{} is neither a user nor a role: name one", caller.arn)),
    }
}

fn of_role(name: &str, caller: &Caller, found: There) -> Own {
    let is_identity_center = name.starts_with(IDENTITY_CENTER);
    let who = if is_identity_center {
        "you are signed in by Identity Center: this is the role of your permission set in this account"
    } else {
        "you work in a session of this role"
    };
    match found {
        There::As(arn) => Own::Named(arn, Some(who.to_owned())),
        There::Gone => {
            Own::Nobody(format!("the role `{name}` of these credentials is not in the account: name a user or a role"))
        }
        There::Unread(why) => {
            let path = if is_identity_center { IDENTITY_CENTER_PATH } else { "" };
            let arn = format!("arn:{}:iam::{}:role/{path}{name}", caller.account().partition, caller.account);
            let compare = format!("its path is not known, so compare it with `aws iam get-role --role-name {name}` ({why})");
            Own::Named(arn, Some(format!("{who}; {compare}")))
        }
    }
}

async fn there(iam: &Client, principal: &Principal) -> There {
    let name = principal.name();
    let found = if matches!(principal, Principal::User(_)) {
        let answer = iam.get_user().user_name(name).send().await;
        answer.map(|answer| answer.user.map(|user| user.arn)).map_err(|error| ("iam:GetUser", Failure::of(&error)))
    } else {
        let answer = iam.get_role().role_name(name).send().await;
        answer.map(|answer| answer.role.map(|role| role.arn)).map_err(|error| ("iam:GetRole", Failure::of(&error)))
    };
    match found {
        Ok(Some(arn)) => There::As(arn),
        Ok(None) => There::Gone,
        Err((_, failure)) if failure.is("NoSuchEntity") => There::Gone,
        Err((call, failure)) => There::Unread(format!("{call}: {}", with_right(&failure.message))),
    }
}

fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(resource: &str) -> Caller {
        Caller { arn: format!("arn:aws:sts::123456789012:{resource}"), account: "123456789012".to_owned() }
    }

    #[test]
    fn role_behind_a_session_is_named_with_its_path() {
        let arn = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_abc";
        let session = caller("assumed-role/AWSReservedSSO_Admin_abc/ann@example.com");
        let Own::Named(named, Some(note)) = of_role("AWSReservedSSO_Admin_abc", &session, There::As(arn.to_owned())) else {
            panic!("a role is behind it")
        };
        assert_eq!(named, arn);
        assert!(note.starts_with("you are signed in by Identity Center"), "{note}");
    }

    #[test]
    fn role_that_may_not_be_read_is_named_with_a_caution() {
        let unread = There::Unread("iam:GetRole: AccessDenied: no".to_owned());
        let Own::Named(named, Some(note)) = of_role("Deploy", &caller("assumed-role/Deploy/build"), unread) else {
            panic!("a role is behind it")
        };
        assert_eq!(named, "arn:aws:iam::123456789012:role/Deploy");
        assert!(note.contains("its path is not known") && note.contains("iam:GetRole"), "{note}");
    }
}
