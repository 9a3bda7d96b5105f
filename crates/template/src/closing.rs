//! What a Deny of the stack's own closes besides what costs money: the guardrails themselves. Whoever may do everything with their
//! own functions, state machines and tables would lift the Deny through ours otherwise, or feed them a forged alert.

use serde_json::{Value as Json, json};

use super::ledger;

/// A Deny of everything, looking included, on what is the stack's: that is the shortest way to say it. Names stand for parts where
/// the stack named them, in any Region, since a stack of that name there is ours too. The topics have policies of their own, which
/// hold for everybody.
pub(super) fn statement() -> Json {
    let named = |what: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:{what}")});
    json!({
        "Sid": "TheGuardrails",
        "Effect": "Deny",
        "Action": "*",
        "Resource": [
            named("lambda:*:*:function:${AWS::StackName}-*"),
            // The machine and its executions.
            named("states:*:*:*:${AWS::StackName}"),
            named("states:*:*:*:${AWS::StackName}:*"),
            ledger::pattern(),
            named("scheduler:*:*:schedule/default/${AWS::StackName}-*"),
            named("sqs:*:*:${AWS::StackName}-*"),
            named("cloudformation:*:*:stack/${AWS::StackName}/*"),
            // The functions' code, and templates.
            named("s3:::${ArtifactBucket}/guardrails/*"),
            // Roles could be passed to a function of one's own.
            named("iam::*:role/${AWS::StackName}-*"),
            named("iam::*:policy/${AWS::StackName}-*"),
            {"Fn::If": ["EncryptsTopics", {"Fn::GetAtt": ["TopicKey", "Arn"]}, {"Ref": "AWS::NoValue"}]},
        ],
    })
}

#[cfg(test)]
mod tests {
    use guardrails_aws::iam::own_policy::ROOM_FOR_THE_STACK;

    use super::*;
    use crate::lengths;

    /// Of all partitions' names.
    const LONGEST_PARTITION: &str = "aws-us-gov";

    #[test]
    fn what_protects_the_guardrails_has_room_with_the_longest_names() {
        let template = json!({"Resources": {"TopicKey": {"Type": "AWS::KMS::Key"}}});
        let statement = statement();
        let arns = statement["Resource"].as_array().unwrap().len();
        let longer = arns * (LONGEST_PARTITION.len() - "aws".len());
        // With the comma before it.
        let letters = lengths::letters(&statement, &template) + longer + 1;
        assert!(letters <= ROOM_FOR_THE_STACK, "{letters}");
        assert!(letters + 100 > ROOM_FOR_THE_STACK, "{letters}: more room is kept than is needed");
    }
}
