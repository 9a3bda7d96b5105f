//! Alarms, as far as they follow from the functions and from `guardrails.yaml`.

use anyhow::{Result, anyhow};
use serde_json::{Map, Value as Json, json};

/// Tells people that a function failed. `logical` begins its names in the template.
pub(super) fn error_alarm(function: &str, logical: &str) -> Json {
    json!({
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": format!("The function {function} failed. See its log, and guardrails doctor."),
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": format!("{logical}Function")}}],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "NotifyTopic"}],
        },
    })
}

/// Lets the stack's own alarms publish to people, by their exact ARNs. A name that begins like theirs is anybody's to take.
pub(super) fn publish(resources: &mut Map<String, Json>) -> Result<()> {
    let alarms: Vec<Json> = resources
        .iter()
        .filter(|(_, one)| one["Type"] == "AWS::CloudWatch::Alarm")
        .map(|(name, _)| json!({"Fn::GetAtt": [name, "Arn"]}))
        .collect();
    let statements = resources["NotifyTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"].as_array_mut();
    let statement = statements.and_then(|statements| statements.iter_mut().find(|one| one["Sid"] == "AlarmsPublish"));
    let statement = statement.ok_or_else(|| anyhow!("the policy of the notify topic lets no alarms publish"))?;
    statement["Condition"]["ArnEquals"] = json!({"aws:SourceArn": alarms});
    Ok(())
}
