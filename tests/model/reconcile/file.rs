//! The keys of guardrails.yaml for it, and the template that follows.

use guardrails_model::config::file::FileError;
use guardrails_model::config::{Config, Release};
use guardrails_template as template;
use serde_json::{Value as Json, json};

const EXAMPLE: &str = include_str!("../../../examples/guardrails.yaml");

fn parse(text: &str) -> Result<Config, FileError> {
    guardrails_aws::actions::CATALOG.parse("guardrails.yaml", text)
}

fn with(line: &str) -> String {
    EXAMPLE.replace("\nguardrails:", &format!("\n{line}\nguardrails:"))
}

#[test]
fn how_often_and_what_a_period_s_end_does_are_read_and_checked() {
    let usual = parse(EXAMPLE).unwrap();
    assert_eq!(usual.reconcile.every.to_string(), "1h");
    assert!(usual.guardrails.values().all(|guardrail| guardrail.release == Release::NewPeriod));
    let manual = EXAMPLE.replace("    stages:", "    release: manual\n    stages:");
    assert!(parse(&manual).unwrap().guardrails.values().all(|guardrail| guardrail.release == Release::Manual));
    assert_eq!(parse(&with("reconcile: { every: 15m }")).unwrap().reconcile.every.seconds(), 900);
    for bad in ["30s", "90s", "1m", "2d"] {
        let error = parse(&with(&format!("reconcile: {{ every: {bad} }}"))).unwrap_err().to_string();
        assert!(error.contains("whole minutes, from `5m` to `1d`"), "{error}");
    }
}

#[test]
fn schedule_and_alarm_follow_file_and_only_its_budgets_are_read() {
    let config = parse(&with("reconcile: { every: 15m }")).unwrap();
    let template = template::render(&config, "functions.zip").unwrap();
    let resource = |name: &str| &template["Resources"][name]["Properties"];
    assert_eq!(resource("ReconcileSchedule")["ScheduleExpression"], "rate(15 minutes)");
    let alarm = resource("ReconcileMissingAlarm");
    assert_eq!((&alarm["Period"], &alarm["EvaluationPeriods"]), (&json!(900), &json!(3)));
    let statements = resource("ReconcileRole")["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let budgets: Vec<&Json> = statements.iter().filter(|one| one["Sid"] == "ReadBudgets").collect();
    let project_beta = json!([{"Fn::Sub": "arn:${AWS::Partition}:budgets::${AWS::AccountId}:budget/project-beta"}]);
    assert_eq!(budgets[0]["Resource"], project_beta);
}
