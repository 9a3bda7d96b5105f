//! The Deny that closes the guardrails themselves. A principal that may do everything with its own functions, state machines and tables
//! would otherwise lift a Deny through ours, or feed them a forged alert.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::ledger;

/// The calls that would open the bucket with the functions' code to others, or let it lose the code. Without versioning S3 has one version
/// of each object, and a rule of the bucket's lifecycle could end that one.
pub const OPENING_BUCKET: [&str; 8] = [
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
];
/// The namespace of the functions' metrics.
const NAMESPACE: &str = "BudgetGuardrails";

/// The statements of the closing policy on the stack's parts.
pub(super) fn statements() -> Vec<Json> {
    vec![parts(), bucket(), signs()]
}

/// A Deny of everything, looking included, on the stack's own parts: that is the shortest way to say it. Names stand for parts where
/// the stack named them, in any Region, since a stack of that name there is ours too. An ARN names its resource type: AWS takes no
/// wildcard there. The topics have policies of their own, which hold for everybody.
fn parts() -> Json {
    of(&[
        "states:*:*:stateMachine:${AWS::StackName}",
        "states:*:*:execution:${AWS::StackName}:*",
        "states:*:*:stateMachine:${AWS::StackName}:*",
        "events:*:*:rule/${AWS::StackName}-*",
        // Without its alarms nobody hears of a failure, and without its logs no metric has a value.
        "cloudwatch:*:*:alarm:${AWS::StackName}-*",
        "logs:*:*:log-group:/aws/lambda/${AWS::StackName}-*",
        "logs:*:*:log-group:/aws/vendedlogs/states/${AWS::StackName}",
        "logs:*:*:log-group:/aws/vendedlogs/states/${AWS::StackName}:*",
    ])
}

/// A Deny of no more than the calls that would open the bucket: it may hold other things too.
fn bucket() -> Json {
    json!({
        "Sid": "TheBucket",
        "Effect": "Deny",
        "Action": OPENING_BUCKET,
        "Resource": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${ArtifactBucket}"},
    })
}

/// A Deny of forged figures: a reconciler that is dead would look alive.
fn signs() -> Json {
    json!({
        "Sid": "TheSigns",
        "Effect": "Deny",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
    })
}

/// The statement as the version before had it, which fits into the room of its policies.
pub(super) fn former() -> Json {
    of(&["states:*:*:*:${AWS::StackName}", "states:*:*:*:${AWS::StackName}:*"])
}

/// A Deny of everything on the functions of the user's that actions call: a new version, another alias or a call by hand would undo
/// changes, and the way back would be another. Nothing, where no action calls one.
pub(super) fn of_functions(names: &BTreeSet<String>) -> Option<Json> {
    let function = |end: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:lambda:*:*:function:{end}")});
    let resources: Vec<Json> = names.iter().flat_map(|name| [function(name), function(&format!("{name}:*"))]).collect();
    (!resources.is_empty())
        .then(|| json!({"Sid": "TheirFunctions", "Effect": "Deny", "Action": "lambda:*", "Resource": resources}))
}

/// On the state machine as `machine` names it, and on all other parts.
fn of(others: &[&str]) -> Json {
    let named = |what: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:{what}")});
    let mut resources = vec![named("lambda:*:*:function:${AWS::StackName}-*")];
    resources.extend(others.iter().map(|arn| named(arn)));
    resources.extend([
        ledger::pattern(),
        named("scheduler:*:*:schedule/default/${AWS::StackName}-*"),
        named("sqs:*:*:${AWS::StackName}-*"),
        named("cloudformation:*:*:stack/${AWS::StackName}/*"),
        // The functions' code, and templates.
        named("s3:::${ArtifactBucket}/guardrails/*"),
        // Roles could be passed to a function of one's own.
        named("iam::*:role/${AWS::StackName}-*"),
        named("iam::*:policy/${AWS::StackName}-*"),
        json!({"Fn::If": ["EncryptsTopics", {"Fn::GetAtt": ["TopicKey", "Arn"]}, {"Ref": "AWS::NoValue"}]}),
    ]);
    json!({"Sid": "TheGuardrails", "Effect": "Deny", "Action": "*", "Resource": resources})
}

#[cfg(test)]
mod tests {
    use guardrails_aws::iam::own_policy::{FORMER_ROOM_FOR_THE_STACK, ROOM_FOR_THE_STACK};

    use super::*;
    use crate::lengths;

    /// Of all partitions' names.
    const LONGEST_PARTITION: &str = "aws-us-gov";

    /// Letters of a statement with the longest names, and the comma before it.
    fn longest(statement: &Json) -> usize {
        let template = json!({"Resources": {"TopicKey": {"Type": "AWS::KMS::Key"}}});
        let arns = statement["Resource"].as_array().map_or(1, Vec::len);
        lengths::letters(statement, &template) + arns * (LONGEST_PARTITION.len() - "aws".len()) + 1
    }

    #[test]
    fn the_stack_s_parts_fit_with_the_longest_names() {
        for (statements, room) in [(statements(), ROOM_FOR_THE_STACK), (vec![former()], FORMER_ROOM_FOR_THE_STACK)] {
            let letters: usize = statements.iter().map(longest).sum();
            assert!(letters <= room, "{letters} of {room}");
        }
    }

    #[test]
    fn every_arn_of_the_closing_statement_names_a_type() {
        for arn in parts()["Resource"].as_array().unwrap() {
            let Some(arn) = arn["Fn::Sub"].as_str() else { continue };
            let resource = arn.replace("${AWS::Partition}", "aws").replace("${AWS::StackName}", "stack");
            let resource = resource.splitn(6, ':').nth(5).unwrap().to_owned();
            assert!(!resource.starts_with('*'), "{arn}");
        }
    }
}
