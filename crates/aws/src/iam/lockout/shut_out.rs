//! A Deny to assume roles may hit the people who become an operator that is a role: then nobody could roll back. The roles' trust
//! policies say who does, as far as they can be read.

use std::collections::BTreeSet;

use aws_sdk_iam::Client;
use guardrails_model::action::ActionError;
use guardrails_model::principal::Principal;
use guardrails_model::verdict::Verdict;
use guardrails_model::verify::lets_others_in;
use percent_encoding::percent_decode_str;

use super::administrators::Groups;
use crate::error::Failure;
use crate::grants::{Grant, Use};

/// The call by which a role is assumed.
pub const ASSUME: &str = "sts:AssumeRole";
/// Roles of people who sign in by IAM Identity Center: their trust is AWS's, and asks for no right of the account's.
const SIGNED_IN: &str = "AWSReservedSSO_";

/// Can anybody become one of `operators`, given by their ARNs, of those who are not `denied` to assume roles? Where nobody is an
/// operator nothing is known, and nothing refused for it.
pub(super) async fn is_open(
    iam: &Client,
    operators: &[String],
    denied: &BTreeSet<Principal>,
    groups: &mut Groups,
) -> Result<Verdict, ActionError> {
    let mut roles = Vec::new();
    for operator in operators {
        match Principal::of_arn(operator) {
            Some(Principal::Role(name)) if !name.starts_with(SIGNED_IN) => roles.push((operator, name)),
            // A user who is an operator is restricted by no guardrail.
            _ => return Ok(Verdict::Yes),
        }
    }
    if denied.is_empty() || roles.is_empty() {
        return Ok(Verdict::Yes);
    }
    let mut denied = denied.clone();
    let in_groups: Vec<String> = denied.iter().filter(|one| one.kind() == "group").map(|one| one.name().to_owned()).collect();
    for group in in_groups {
        denied.extend(groups.members(&group).await?.iter().filter_map(|arn| Principal::of_arn(arn)));
    }
    let denied: BTreeSet<Principal> = denied.iter().map(Principal::folded).collect();
    let mut open = Verdict::No;
    for (arn, name) in roles {
        let account = arn.split(':').nth(4).unwrap_or_default();
        let said = match trust(iam, &name).await? {
            Ok(Some(document)) => lets_others_in(&document, account, |principal| denied.contains(&principal.folded())),
            Ok(None) => Verdict::No,
            Err(why) => Verdict::Unknown(why),
        };
        open = open.or(if let Verdict::Unknown(why) = said { Verdict::Unknown(format!("role `{name}`: {why}")) } else { said });
    }
    Ok(open)
}

/// A role's trust policy, if there is the role; or why it cannot be read.
async fn trust(iam: &Client, name: &str) -> Result<Result<Option<String>, String>, ActionError> {
    match iam.get_role().role_name(name).send().await {
        Ok(answer) => {
            let document = answer.role.and_then(|role| role.assume_role_policy_document).unwrap_or_default();
            Ok(Ok(Some(percent_decode_str(&document).decode_utf8_lossy().into_owned())))
        }
        Err(error) => {
            let failure = Failure::of(&error);
            if failure.is("NoSuchEntity") {
                return Ok(Ok(None));
            }
            match failure.reading(&format!("looking whom the role {name} trusts")) {
                error @ ActionError::Retryable(_) => Err(error),
                error => Ok(Err(error.to_string())),
            }
        }
    }
}

/// Why nobody could roll back any more.
#[must_use]
pub fn refusal(operators: &[String]) -> String {
    format!(
        "whoever could become an operator would be denied {ASSUME}, and nobody could roll back: the operators are roles ({}), and their \
         trust policies let in nobody else; leave one of those out, or name a user as an operator",
        operators.join(", ")
    )
}

/// The warning for people where it cannot be told.
#[must_use]
pub fn warning(why: &str) -> String {
    format!(
        "it denies {ASSUME}, and whether anybody could become an operator then cannot be told ({why}): be sure that somebody could"
    )
}

/// The rights to look at the operators' roles.
#[must_use]
pub fn grants() -> Vec<Grant> {
    vec![Grant {
        sid: "WhoBecomesAnOperator".to_owned(),
        uses: &[Use::Plan],
        actions: &["iam:GetRole"],
        // The principal that deploys becomes an operator, too, and is known only then.
        resources: vec!["arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*".to_owned()],
        wide: &[(
            "iam:GetRole",
            "where it denies to assume roles, who could become an operator must be known: who deploys is one, too",
        )],
        ..Grant::default()
    }]
}
