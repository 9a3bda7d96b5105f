//! Rules by which an event of AWS begins a round at once. `EventBridge` sends an event to its own Region only, so they reach the stack's
//! Region. In the others the next round comes as the schedule says. An event that is not delivered costs nothing else.

use anyhow::{Context, Result};
use serde_json::{Map, Value as Json, json};

/// `EventBridge` gives up after so many seconds: by then a round has come, or one is near.
const MAXIMUM_AGE: u32 = 300;

/// Adds the rule of an action.
pub(super) fn add(resources: &mut Map<String, Json>, action: &str, logical: &str, pattern: &str) -> Result<()> {
    let pattern: Json = serde_json::from_str(pattern).with_context(|| format!("the events of `{action}` are no pattern"))?;
    let rule = format!("{logical}Wake");
    let permission = json!({
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": {"Ref": "ReconcileFunction"},
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": [rule, "Arn"]},
        },
    });
    resources.insert(format!("{logical}WakePermission"), permission);
    let properties = json!({
        "Name": {"Fn::Sub": format!("${{AWS::StackName}}-wake-{action}")},
        "Description": "Begins a round at once.",
        "EventPattern": pattern,
        "State": "ENABLED",
        "Targets": [{
            "Id": "reconcile",
            "Arn": {"Fn::GetAtt": ["ReconcileFunction", "Arn"]},
            // A round and no rehearsal.
            "Input": "{}",
            "RetryPolicy": {"MaximumEventAgeInSeconds": MAXIMUM_AGE, "MaximumRetryAttempts": 10},
        }],
    });
    resources.insert(rule, json!({"Type": "AWS::Events::Rule", "Properties": properties}));
    Ok(())
}
