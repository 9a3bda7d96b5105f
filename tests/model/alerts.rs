//! Alert bodies seen in public, and how each is read: by the command, in each envelope that AWS wraps them in.

use std::io::Write;
use std::process::{Command, Stdio};

use guardrails_aws::actions::CATALOG;
use guardrails_model::decide::{Decision, decide};
use guardrails_model::envelope::Message;
use serde_json::{Value as Json, json};

use crate::deployed::guardrails;

/// The kind of each body in `alerts/`. The real ones are alerts; texts that people wrote for tests, JSON that AWS never sent, and
/// other services' messages are not.
const KINDS: &[(&str, &str)] = &[
    ("01", "budget"),
    ("02", "budget"),
    ("03", "budget"),
    ("04", "budget"),
    ("07", "budget"),
    ("08", "budget"),
    ("09", "unknown"),
    ("15", "unknown"),
    ("21", "unknown"),
    ("23", "unknown"),
    ("25", "unknown"),
    ("28", "unknown"),
    ("29", "unknown"),
    ("30", "unknown"),
    ("32", "unknown"),
    ("33", "unknown"),
    ("35", "unknown"),
    ("37", "unknown"),
    ("40", "unknown"),
    ("41", "unknown"),
    ("43", "unknown"),
];

fn body(name: &str) -> String {
    let path = format!("{}/model/alerts/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `guardrails explain -`: its lines, and its exit code.
fn explain(body: &str) -> (Vec<Json>, Option<i32>) {
    let mut command = Command::new(guardrails());
    let mut child = command.args(["explain", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    (lines.map(|line| serde_json::from_slice(line).unwrap()).collect(), output.status.code())
}

#[test]
fn each_body_seen_in_public_is_read_as_it_should_be() {
    let mut files: Vec<String> = std::fs::read_dir(format!("{}/model/alerts", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".txt").to_owned())
        .collect();
    files.sort();
    assert_eq!(files, KINDS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "every body is listed");
    for (name, kind) in KINDS {
        let (lines, code) = explain(&body(name));
        assert_eq!(lines.len(), 1, "{name}");
        assert_eq!((lines[0]["kind"].as_str(), code), (Some(*kind), Some(if *kind == "unknown" { 3 } else { 0 })), "{name}");
    }
}

#[test]
fn explain_prints_an_alert_in_one_line_and_its_fields_win() {
    assert_eq!(
        explain(&body("08")).0,
        [json!({"kind": "budget", "budget": "billingThree", "account": "<aws-account-id>", "type": "ACTUAL", "currency": "USD",
            "budgeted": "30.00", "threshold": "24.00", "amount": "36.69", "simulated": false})]
    );
    // The sentence says $1.03, the field $0.5.
    assert_eq!(explain(&body("02")).0[0]["amount"], "0.5");
    assert_eq!(explain(&body("01")).0[0]["budget"], "Development EC2 Monthly Budget");
}

#[test]
fn the_same_alert_is_found_in_each_envelope() {
    let alert = body("07");
    let plain = explain(&alert).0;
    let sns = json!({"Type": "Notification", "Message": alert, "Subject": "AWS Budgets: Test Budget has exceeded your alert threshold"});
    let lower = json!({"type": "Notification", "message": alert});
    for envelope in [
        sns.clone(),
        lower,
        json!({"Records": [{"EventSource": "aws:sns", "Sns": sns}]}),
        json!({"Records": [{"eventSource": "aws:sqs", "body": sns.to_string()}]}),
        json!({"Records": [{"eventSource": "aws:sqs", "body": alert}]}),
    ] {
        assert_eq!(explain(&envelope.to_string()), (plain.clone(), Some(0)), "{envelope}");
    }
    let two = json!({"Records": [{"Sns": sns}, {"Sns": {"Message": "nonsense"}}]});
    let (lines, code) = explain(&two.to_string());
    assert_eq!((lines.len(), lines[1]["kind"].as_str(), code), (2, Some("unknown"), Some(3)));
}

#[test]
fn simulated_ones_say_so() {
    assert_eq!(explain("This is a mock notification"), (vec![json!({"kind": "simulated"})], Some(0)));
    let mark = json!({"simulated": {"Type": "String", "Value": "true"}});
    let marked = json!({"Type": "Notification", "Message": body("07"), "MessageAttributes": mark});
    assert_eq!(explain(&marked.to_string()).0[0]["simulated"], true);
}

#[test]
fn body_that_is_not_even_text_is_unknown() {
    let (lines, code) = explain("\u{0}\u{1}");
    assert_eq!((lines[0]["kind"].as_str(), code), (Some("unknown"), Some(3)));
    assert_eq!(explain("").1, Some(3));
}

/// Somebody made the limit so small that two thresholds are as near to the one in the alert.
#[test]
fn stages_that_a_changed_limit_blurs_are_reported() {
    let stages = "[{ at: 77.5% actual, do: [notify] }, { at: 82.5% actual, do: [notify] }]";
    let file =
        format!("version: 1\nguardrails:\n  beta:\n    budget: {{ amount: 100 USD, period: monthly }}\n    stages: {stages}\n");
    let guardrails = CATALOG.parse("test", &file).unwrap().guardrails;
    let decided = |limit: &str, threshold: &str| {
        let text = crate::deployed::alert("beta", "123456789012", limit, threshold, "$90.00");
        decide(&Message { text, ..Message::default() }, &guardrails, "123456789012", "2026-11-23".parse().unwrap())
    };
    let Decision::Report { why, .. } = decided("$0.20", "$0.16") else { panic!("one of the two is taken") };
    assert!(why.contains("cannot be told apart by the threshold of $0.16"), "{why}");
    assert!(
        matches!(decided("$20.00", "$15.50"), Decision::Enforce { target, .. } if target.stage.to_string() == "77.5% actual")
    );
}
