//! The answer of a resource policy to an AWS service that asks for something: the part of IAM's evaluation that topics, queues,
//! keys and functions need. Where it hangs on something that cannot be known from here, the answer is that it does.

use guardrails_model::condition::{Known, holds};
use guardrails_model::glob::glob;
use guardrails_model::verdict::Verdict;
use serde_json::Value as Json;

/// The request of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// The service, such as `budgets.amazonaws.com`.
    pub(super) service: &'a str,
    /// The action that it wants, such as `sns:Publish`.
    pub(super) action: &'a str,
    /// The resource: an ARN.
    pub(super) resource: &'a str,
    /// The account for which it asks.
    pub(super) account: &'a str,
    /// The thing of that account for which it asks: an ARN.
    pub(super) source: &'a str,
}

/// The answer of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may.
    Allowed,
    /// A statement forbids it, whatever the others say.
    Denied(String),
    /// No statement lets it.
    NotAllowed,
    /// It hangs on the condition of this statement, which cannot be judged from here.
    Unsure(String),
}

/// Keys that speak of a person or a role, which a service that calls for itself is not.
const ABSENT: &[&str] = &[
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principaltype",
    "aws:userid",
    "aws:username",
    "aws:sourcevpc",
    "aws:sourcevpce",
];

/// The answer of the policy `document` to `ask`.
///
/// # Errors
/// When it is no policy document; in words.
pub(super) fn answer(document: &str, ask: &Ask) -> Result<Answer, String> {
    let policy: Json = serde_json::from_str(document).map_err(|error| format!("the policy is not JSON: {error}"))?;
    if policy["Statement"].is_null() {
        return Err("the policy has no statements".to_owned());
    }
    let statements = many(&policy["Statement"]);
    let (mut allowed, mut unsure) = (false, None);
    for (index, statement) in statements.iter().enumerate().filter(|(_, statement)| is_about(statement, ask)) {
        let name = statement["Sid"].as_str().map_or_else(|| format!("statement {}", index + 1), |sid| format!("`{sid}`"));
        let denies = statement["Effect"] == "Deny";
        match holds(statement.get("Condition").filter(|condition| !condition.is_null()), &|key| known(key, ask)) {
            Verdict::Yes if denies => return Ok(Answer::Denied(name)),
            Verdict::Yes => allowed = true,
            Verdict::Unknown(_) => unsure = unsure.or(Some((denies, name))),
            Verdict::No => {}
        }
    }
    Ok(match (allowed, unsure) {
        (true, Some((true, name))) | (false, Some((_, name))) => Answer::Unsure(name),
        (true, _) => Answer::Allowed,
        (false, None) => Answer::NotAllowed,
    })
}

/// Is the statement about this service, action and resource?
fn is_about(statement: &Json, ask: &Ask) -> bool {
    let among =
        |field: &str, name: &str| many(&statement[field]).iter().filter_map(|one| one.as_str()).any(|one| like(one, name));
    let listed = |field: &str, name: &str| {
        let not = format!("Not{field}");
        if statement[&not].is_null() { among(field, name) } else { !among(&not, name) }
    };
    let principal = if statement["NotPrincipal"].is_null() {
        is_service(&statement["Principal"], ask.service)
    } else {
        !is_service(&statement["NotPrincipal"], ask.service)
    };
    principal && listed("Action", ask.action) && listed("Resource", ask.resource)
}

fn is_service(principal: &Json, service: &str) -> bool {
    let has = |field: &str, name: &str| many(&principal[field]).iter().any(|one| *one == name);
    principal == "*" || has("AWS", "*") || has("Service", service) || has("Service", "*")
}

/// The knowledge about a key of a service's request.
fn known(key: &str, ask: &Ask) -> Known {
    let is = |value: &str| Known::Is(value.to_owned());
    match key {
        "aws:sourceaccount" => is(ask.account),
        "aws:sourcearn" => is(ask.source),
        // AWS's own policy of a new topic asks for it; it is known of alarms only.
        "aws:sourceowner" if ask.service == "cloudwatch.amazonaws.com" => is(ask.account),
        "aws:principalisawsservice" | "aws:securetransport" => is("true"),
        "aws:principalservicename" => is(ask.service),
        absent if ABSENT.contains(&absent) || absent.starts_with("aws:principaltag/") => Known::Absent,
        _ => Known::Unknown,
    }
}

/// One, or a list of them.
fn many(value: &Json) -> Vec<&Json> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

fn like(pattern: &str, name: &str) -> bool {
    glob(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";

    fn budgets() -> Ask<'static> {
        Ask {
            service: "budgets.amazonaws.com",
            action: "SNS:Publish",
            resource: TOPIC,
            account: "123456789012",
            source: "arn:aws:budgets::123456789012:budget/beta",
        }
    }

    fn said(statements: &Json) -> Answer {
        answer(&json!({"Version": "2012-10-17", "Statement": statements}).to_string(), &budgets()).unwrap()
    }

    fn allow(condition: &Json) -> Json {
        json!({"Effect": "Allow", "Principal": {"Service": "budgets.amazonaws.com"}, "Action": "sns:Publish",
            "Resource": TOPIC, "Condition": condition})
    }

    fn deny(condition: &Json) -> Json {
        json!({"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "sns:*", "Resource": "*", "Condition": condition})
    }

    #[test]
    fn a_service_may_what_a_statement_lets_it() {
        let ours = json!({"StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": "arn:aws:budgets::123456789012:*"}});
        let others = json!({"StringEquals": {"AWS:SourceAccount": ["210987654321"]}});
        let owner = json!({"StringEquals": {"AWS:SourceOwner": "123456789012"}});
        let table = [
            (json!([]), Answer::NotAllowed),
            (json!([allow(&json!(null))]), Answer::Allowed),
            (json!(allow(&ours)), Answer::Allowed),
            (json!([allow(&others)]), Answer::NotAllowed),
            (json!([allow(&owner)]), Answer::Unsure("statement 1".to_owned())),
            (json!([allow(&owner), allow(&ours)]), Answer::Allowed),
            (
                json!([{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "SNS:Pub*", "Resource": "arn:aws:sns:*:alert?"}]),
                Answer::Allowed,
            ),
            (
                json!([{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish",
                "Resource": TOPIC}]),
                Answer::NotAllowed,
            ),
            (
                json!([{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sns:*",
                "Resource": "*"}]),
                Answer::NotAllowed,
            ),
            (json!([{"Effect": "Allow", "Principal": "*", "NotAction": "sns:Publish", "Resource": "*"}]), Answer::NotAllowed),
            (
                json!([{"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": format!("{TOPIC}-other")}]),
                Answer::NotAllowed,
            ),
        ];
        for (statements, expected) in table {
            assert_eq!(said(&statements), expected, "{statements}");
        }
    }

    #[test]
    fn a_deny_is_stronger_unless_its_condition_spares_services() {
        let open = allow(&json!(null));
        let table = [
            (json!({}), Answer::Denied("`No`".to_owned())),
            (json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}), Answer::Denied("`No`".to_owned())),
            (
                json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}, "Bool": {"aws:PrincipalIsAWSService": "false"}}),
                Answer::Allowed,
            ),
            (json!({"BoolIfExists": {"aws:SecureTransport": false}}), Answer::Allowed),
            (json!({"Null": {"aws:PrincipalArn": "true"}}), Answer::Denied("`No`".to_owned())),
            (json!({"StringNotEquals": {"aws:SourceAccount": "123456789012"}}), Answer::Allowed),
            (json!({"StringNotEquals": {"aws:SourceOrgID": "o-1"}}), Answer::Unsure("`No`".to_owned())),
            (json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), Answer::Unsure("`No`".to_owned())),
        ];
        for (condition, expected) in table {
            assert_eq!(said(&json!([open, deny(&condition)])), expected, "{condition}");
        }
    }

    #[test]
    fn document_that_is_no_policy_is_no_answer() {
        for document in ["", "[]", "{}"] {
            assert!(answer(document, &budgets()).is_err(), "{document}");
        }
    }
}
