//! Alarms, as far as they follow from the functions and from `guardrails.yaml`.

use serde_json::{Value as Json, json};

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
