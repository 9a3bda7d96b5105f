//! Every failure is told to people: each function, queue, topic and state machine of the rendered template has its alarms.

use guardrails_aws::actions::CATALOG;
use guardrails_lambdas::metrics::{Metric, NAMESPACE};
use guardrails_model::wire::{RoundOrder, Which};
use guardrails_template as template;
use serde_json::{Value as Json, json};

pub fn rendered() -> Json {
    rendered_of(include_str!("../../examples/guardrails.yaml"))
}

fn rendered_of(text: &str) -> Json {
    let config = CATALOG.parse("guardrails.yaml", text).unwrap();
    template::render(&config, "functions.zip").unwrap()
}

fn resources(template: &Json) -> impl Iterator<Item = (&String, &Json)> {
    template["Resources"].as_object().unwrap().iter()
}

/// The alarms that a resource must have: namespace, metric, and the dimension that says which.
fn wanted(logical: &str, resource: &Json) -> Vec<(&'static str, &'static str, Json)> {
    let by = |name: &str, value: Json| json!([{"Name": name, "Value": value}]);
    let properties = &resource["Properties"];
    match resource["Type"].as_str().unwrap() {
        "AWS::Lambda::Function" => vec![("AWS/Lambda", "Errors", by("FunctionName", json!({"Ref": logical})))],
        "AWS::SQS::Queue" => {
            let queue = by("QueueName", json!({"Fn::GetAtt": [logical, "QueueName"]}));
            vec![("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue)]
        }
        "AWS::SNS::Topic" => {
            let topic = by("TopicName", json!({"Fn::GetAtt": [logical, "TopicName"]}));
            vec![("AWS/SNS", "NumberOfNotificationsFailed", topic)]
        }
        // Messages that should be kept in the dead letters, and could not be.
        "AWS::SNS::Subscription" if properties.get("RedrivePolicy").is_some() => {
            let topic = json!({"Fn::GetAtt": [properties["TopicArn"]["Ref"], "TopicName"]});
            vec![("AWS/SNS", "NumberOfNotificationsFailedToRedriveToDlq", by("TopicName", topic))]
        }
        "AWS::Lambda::EventInvokeConfig" if properties.get("DestinationConfig").is_some() => {
            vec![("AWS/Lambda", "DestinationDeliveryFailures", by("FunctionName", properties["FunctionName"].clone()))]
        }
        // A throttled call of it would wait, for hours.
        "AWS::Lambda::Permission" if properties["Principal"] == "sns.amazonaws.com" => {
            vec![("AWS/Lambda", "Throttles", by("FunctionName", properties["FunctionName"].clone()))]
        }
        "AWS::StepFunctions::StateMachine" => ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"]
            .map(|metric| ("AWS/States", metric, by("StateMachineArn", json!({"Ref": logical}))))
            .to_vec(),
        _ => Vec::new(),
    }
}

/// The metrics that fail without anybody being told.
fn unwatched(template: &Json) -> Vec<String> {
    let is_told = |(namespace, metric, dimensions): &(&str, &str, Json)| {
        resources(template).any(|(_, resource)| {
            let alarm = &resource["Properties"];
            resource["Type"] == "AWS::CloudWatch::Alarm"
                && alarm["Namespace"] == *namespace
                && alarm["MetricName"] == *metric
                && alarm["Dimensions"] == *dimensions
                && alarm["ActionsEnabled"] != false
                && alarm["AlarmActions"] == json!([{"Ref": "NotifyTopic"}])
                && alarm["Threshold"] == 1
                && alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
                && alarm["EvaluationPeriods"] == 1
        })
    };
    let all = resources(template).flat_map(|(logical, resource)| {
        let alarms = wanted(logical, resource).into_iter();
        alarms.filter(|alarm| !is_told(alarm)).map(move |(_, metric, _)| format!("{logical}: {metric}"))
    });
    all.collect()
}

#[test]
fn every_failure_is_told_to_people() {
    let template = rendered();
    assert_eq!(unwatched(&template), Vec::<String>::new());
    let functions = resources(&template).filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function").count();
    assert_eq!(functions, template::parts(&template).len(), "each function is looked at");
}

#[test]
fn every_alarm_goes_to_the_notify_topic() {
    for (logical, alarm) in resources(&rendered()).filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm") {
        assert_eq!(alarm["Properties"]["AlarmActions"], json!([{"Ref": "NotifyTopic"}]), "{logical}");
    }
}

#[test]
fn control_a_function_without_an_alarm_is_found() {
    let mut template = rendered();
    let another = json!({"Type": "AWS::Lambda::Function", "Properties": {}});
    template["Resources"]["PaintInstancesFunction"] = another;
    assert_eq!(unwatched(&template), ["PaintInstancesFunction: Errors"]);
}

#[test]
fn control_missing_or_silent_alarm_is_found() {
    let template = rendered();
    for (logical, alarm) in [
        ("DeadLetters", "DeadLetterAlarm"),
        ("Machine", "RunFailedAlarm"),
        ("MasterFunction", "MasterErrorAlarm"),
        ("StopInstancesFunction", "StopInstancesErrorAlarm"),
        ("NotifyTopic", "PeopleNotToldAlarm"),
        ("AlertSubscription", "AlertNotRedrivenAlarm"),
        ("MasterInvokeConfig", "AlertLostAlarm"),
        ("AlertPermission", "MasterThrottledAlarm"),
        ("ReconcileFunction", "ReconcileErrorAlarm"),
    ] {
        let mut without = template.clone();
        without["Resources"].as_object_mut().unwrap().remove(alarm).unwrap();
        assert!(unwatched(&without)[0].starts_with(logical), "{alarm}");
        let mut silent = template.clone();
        silent["Resources"][alarm]["Properties"]["AlarmActions"] = json!([]);
        assert!(unwatched(&silent)[0].starts_with(logical), "{alarm}");
    }
}

/// The namespace and metrics that the functions themselves emit, as an alarm watches them.
fn of_the_functions(alarm: &Json) -> (&Json, &Json, &Json) {
    (&alarm["Namespace"], &alarm["MetricName"], &alarm["Dimensions"])
}

#[test]
fn missing_good_round_is_told_after_three_intervals() {
    for (every, seconds) in [("5m", 300), ("1h", 3600), ("1d", 86_400)] {
        let file = format!("{}\nreconcile: {{ every: {every} }}\n", include_str!("../../examples/walkthrough.yaml"));
        let template = rendered_of(&file);
        let alarm = &template["Resources"]["ReconcileMissingAlarm"]["Properties"];
        let stack = json!([{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]);
        assert_eq!(of_the_functions(alarm), (&json!(NAMESPACE), &json!(Metric::Reconciled.name()), &stack));
        // The alarm looks for no datum.
        assert_eq!(alarm["TreatMissingData"], "breaching");
        assert_eq!((&alarm["ComparisonOperator"], &alarm["Threshold"]), (&json!("LessThanThreshold"), &json!(1)));
        assert_eq!((&alarm["Statistic"], &alarm["EvaluationPeriods"]), (&json!("Sum"), &json!(3)));
        assert!(alarm.get("DatapointsToAlarm").is_none(), "all three, not one of them");
        assert_eq!(alarm["Period"], seconds);
        let schedule = &template["Resources"]["ReconcileSchedule"]["Properties"];
        assert_eq!(schedule["ScheduleExpression"], format!("rate({} minutes)", seconds / 60));
        assert_eq!(schedule["Target"]["Arn"], json!({"Fn::GetAtt": ["ReconcileFunction", "Arn"]}));
    }
}

#[test]
fn an_alert_that_is_not_understood_is_told() {
    let template = rendered();
    let alarm = &template["Resources"]["UnknownAlertAlarm"]["Properties"];
    let stack = json!([{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]);
    assert_eq!(of_the_functions(alarm), (&json!(NAMESPACE), &json!(Metric::AlertsUnknown.name()), &stack));
    assert_eq!((&alarm["ComparisonOperator"], &alarm["Threshold"]), (&json!("GreaterThanOrEqualToThreshold"), &json!(1)));
}

#[test]
fn rehearsal_with_troubles_sounds_an_alarm_that_stays() {
    let template = rendered();
    let alarm = &template["Resources"]["RehearsalAlarm"]["Properties"];
    let stack = json!([{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]);
    assert_eq!(of_the_functions(alarm), (&json!(NAMESPACE), &json!(Metric::RehearsalTroubles.name()), &stack));
    assert_eq!((&alarm["TreatMissingData"], &alarm["Threshold"]), (&json!("ignore"), &json!(1)));
    let schedule = &template["Resources"]["ReconcileSchedule"]["Properties"];
    let order: RoundOrder = serde_json::from_str(schedule["Target"]["Input"].as_str().unwrap()).unwrap();
    assert_eq!(order.rehearse, Some(Which::Due));
}

#[test]
fn alert_that_the_topic_cannot_deliver_is_kept() {
    let template = rendered();
    let subscriptions = resources(&template).filter(|(_, resource)| resource["Type"] == "AWS::SNS::Subscription");
    let of_functions: Vec<&Json> =
        subscriptions.map(|(_, resource)| &resource["Properties"]).filter(|one| one["Protocol"] == "lambda").collect();
    assert!(!of_functions.is_empty());
    for subscription in of_functions {
        assert_eq!(subscription["RedrivePolicy"]["deadLetterTargetArn"], json!({"Fn::GetAtt": ["DeadLetters", "Arn"]}));
    }
}
