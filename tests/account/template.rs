//! Rules for the rendered template as a whole.

use guardrails_template::artifacts;
use serde_json::{Value as Json, json};

use super::rendered::{of_type, rendered};

#[test]
fn every_log_is_kept_for_as_long_as_was_asked_and_no_longer() {
    let template = rendered();
    let logs: Vec<_> = of_type(&template, "AWS::Logs::LogGroup").collect();
    assert_eq!(logs.len(), artifacts::functions().len() + 1, "each function's, and the state machine's");
    for (log, properties) in logs {
        assert_eq!(properties["RetentionInDays"], json!({"Ref": "LogRetentionDays"}), "{log}");
    }
    for (function, properties) in of_type(&template, "AWS::Lambda::Function") {
        let log = properties["LoggingConfig"]["LogGroup"]["Ref"].as_str();
        assert!(log.is_some_and(|log| template["Resources"][log]["Type"] == "AWS::Logs::LogGroup"), "{function} logs elsewhere");
    }
}

#[test]
fn cloudformation_finds_no_null_in_the_template() {
    assert_eq!(nulls(&rendered(), ""), Vec::<String>::new());
}

/// Where nothing stands though a name does.
fn nulls(value: &Json, at: &str) -> Vec<String> {
    match value {
        Json::Null => vec![at.to_owned()],
        Json::Array(all) => all.iter().enumerate().flat_map(|(index, one)| nulls(one, &format!("{at}/{index}"))).collect(),
        Json::Object(all) => all.iter().flat_map(|(name, one)| nulls(one, &format!("{at}/{name}"))).collect(),
        _ => Vec::new(),
    }
}
