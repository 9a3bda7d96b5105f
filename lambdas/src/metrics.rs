//! Metrics in CloudWatch's embedded metric format: one line of JSON on stdout, out of which CloudWatch makes metrics.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "BudgetGuardrails";

/// A metric and its unit in CloudWatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Messages that arrived on the topic.
    AlertsReceived,
    /// Messages that were not enforced because they were not understood, or fit no guardrail.
    AlertsUnknown,
    /// Runs that were begun, or tried again.
    RunsStarted,
    /// Steps that reached their wanted value.
    StepsApplied,
    /// Steps that were put back.
    StepsRolledBack,
    /// Steps that failed, either way.
    StepsFailed,
    /// From the alert's reception to the run's being enforced.
    SecondsToEnforce,
    /// Rounds of the reconciler in which nothing went wrong.
    Reconciled,
    /// Stages of which a rehearsal says that something would be refused, or that all would be left alone.
    RehearsalTroubles,
}

impl Metric {
    /// In CloudWatch.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AlertsReceived => "AlertsReceived",
            Self::AlertsUnknown => "AlertsUnknown",
            Self::RunsStarted => "RunsStarted",
            Self::StepsApplied => "StepsApplied",
            Self::StepsRolledBack => "StepsRolledBack",
            Self::StepsFailed => "StepsFailed",
            Self::SecondsToEnforce => "SecondsToEnforce",
            Self::Reconciled => "Reconciled",
            Self::RehearsalTroubles => "RehearsalTroubles",
        }
    }

    fn unit(self) -> &'static str {
        if self == Self::SecondsToEnforce { "Seconds" } else { "Count" }
    }
}

/// Counts `values` now, for the stack; `properties` are for those who read the logs.
pub fn emit(now: Timestamp, values: &[(Metric, f64)], properties: &[(&str, &str)]) {
    let line = line(now, &std::env::var("STACK_NAME").unwrap_or_default(), values, properties);
    // CloudWatch parses each line of stdout by itself. A log that cannot be written must not stop an enforcement.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

#[allow(clippy::cast_possible_truncation, reason = "whole counts and seconds, far from the limits")]
fn line(now: Timestamp, stack: &str, values: &[(Metric, f64)], properties: &[(&str, &str)]) -> Value {
    let metrics: Vec<Value> = values.iter().map(|(metric, _)| json!({"Name": metric.name(), "Unit": metric.unit()})).collect();
    let mut line = Map::new();
    let directive = json!([{"Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": metrics}]);
    line.insert("_aws".to_owned(), json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": directive}));
    line.insert("Stack".to_owned(), json!(stack));
    line.extend(properties.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(values.iter().map(|(metric, value)| (metric.name().to_owned(), json!(value))));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_makes_metrics_of() {
        let now = "2026-11-23T01:02:03Z".parse().unwrap();
        let line = line(now, "s", &[(Metric::AlertsReceived, 1.0), (Metric::SecondsToEnforce, 2.5)], &[("run", "r-1")]);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "BudgetGuardrails");
        assert_eq!(line["_aws"]["Timestamp"], 1_795_395_723_000_i64);
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        assert_eq!((line["SecondsToEnforce"].as_f64(), line["run"].as_str()), (Some(2.5), Some("r-1")));
    }
}
