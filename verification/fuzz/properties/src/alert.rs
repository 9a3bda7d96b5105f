//! The messages on the topic: of all possible ones, only a full match is enforced.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use guardrails_model::alert::{self, AlertType, MOCK_TEXT, Reading};
use guardrails_model::config::{Guardrail, Period, file};
use guardrails_model::decide::{Decision, GUARDRAIL_ATTRIBUTE, Target, decide, explain, is_simulated};
use guardrails_model::envelope::{self, Message};
use guardrails_model::ids::GuardrailName;
use jiff::civil::Date;

use crate::FakeCatalog;

/// The account that the alerts are to speak of.
pub const ACCOUNT: &str = "123456789012";

const FILE: &str = "
version: 1
guardrails:
  project-beta:
    budget: { amount: 2 USD, period: monthly, tag: { Project: Beta } }
    stages:
      - { at: 80% forecasted, do: [notify] }
      - { at: 80% actual, do: [stop-instances: { tag: { Project: Beta } }] }
      - { at: 100% actual, do: [swap-group-policy: { group: Beta, detach: [Full], attach: [ReadOnly] }] }
  daily:
    budget: { amount: 1070.10 USD, period: daily }
    stages:
      - { at: 33.333% actual, do: [stop-instances: { tag: { Project: Beta } }] }
      - { at: 100% actual, do: [notify] }
";

/// A stage that a message reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforced {
    /// The stage and period.
    pub target: Target,
    /// The message.
    pub message: Message,
}

/// Reads `body` as the master does. Answers with the stages that it would enforce.
///
/// # Panics
/// When something would be enforced that is no full match.
#[must_use]
pub fn check(body: &str) -> Vec<Enforced> {
    let mut all = Vec::new();
    for message in envelope::unwrap(body) {
        let words = serde_json::to_string(&explain(&message)).expect("an explanation is JSON");
        assert!(!words.is_empty());
        for guardrails in deployments() {
            let Decision::Enforce { target, .. } = decided(&message, guardrails) else { continue };
            full_match(&message, &target, guardrails);
            all.push(Enforced { target, message: message.clone() });
        }
    }
    all
}

/// Two guardrails, and one alone, which a mock text need not name.
fn deployments() -> &'static [BTreeMap<GuardrailName, Guardrail>; 2] {
    static DEPLOYMENTS: OnceLock<[BTreeMap<GuardrailName, Guardrail>; 2]> = OnceLock::new();
    DEPLOYMENTS.get_or_init(|| {
        let two = file::parse::<FakeCatalog>("guardrails.yaml", FILE).expect("the file is sound").guardrails;
        let one = two.iter().filter(|(name, _)| name.as_str() == "project-beta").map(|(k, v)| (k.clone(), v.clone())).collect();
        [two, one]
    })
}

fn today() -> Date {
    Date::constant(2026, 11, 23)
}

fn decided(message: &Message, guardrails: &BTreeMap<GuardrailName, Guardrail>) -> Decision {
    decide(message, guardrails, ACCOUNT, today())
}

/// Is it a full match, judged by other means than the product's own?
fn full_match(message: &Message, target: &Target, guardrails: &BTreeMap<GuardrailName, Guardrail>) {
    let guardrail = guardrails.get(&target.guardrail).expect("a guardrail that is deployed");
    let stage = guardrail.stage(target.stage).expect("a stage that the guardrail has");
    if message.text.trim() == MOCK_TEXT {
        assert!(target.simulated, "a mock text is simulated: {message:?}");
        assert!(stage.changes_something(), "a mock text shows what a guardrail does: {message:?}");
        let named = message.attributes.get(GUARDRAIL_ATTRIBUTE).map(String::as_str);
        assert!(named == Some(target.guardrail.as_str()) || (named.is_none() && guardrails.len() == 1), "{message:?}");
        return;
    }
    assert_eq!(target.simulated, is_simulated(message), "simulated is what says so: {message:?}");
    assert!(matches!(alert::read(&message.text), Reading::Budget(_)), "{message:?}");

    let lines: Vec<&str> = message.text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let kind = target.stage.alert_type.as_str();
    let other = if target.stage.alert_type == AlertType::Actual { "FORECASTED Amount" } else { "ACTUAL Amount" };
    let amount_line = format!("{kind} Amount");
    let budgeted = mills(&guardrail.budget.amount.to_string().replace(" USD", ""));
    let percent = mills(target.stage.to_string().split('%').next().expect("a percentage"));
    // In millionths of a dollar: mills by mills of a percent by hundredths.
    let threshold_exact = budgeted * percent / 100;
    let shown_threshold = mills(&dollars(only(&lines, "Alert Threshold").strip_prefix('>').expect("a `>`").trim()));

    assert_eq!(only(&lines, "Budget Name"), guardrail.budget_name(), "the budget: {message:?}");
    assert_eq!(only(&lines, "Budget Type"), "Cost", "the kind of budget: {message:?}");
    assert!(only(&lines, "Alert Type").eq_ignore_ascii_case(kind), "the alert's type: {message:?}");
    assert!((mills(&dollars(only(&lines, "Budgeted Amount"))) - budgeted).abs() <= 5, "the budget's amount: {message:?}");
    assert!((shown_threshold * 1000 - threshold_exact).abs() <= 5000, "the threshold: {message:?}");
    assert!(mills(&dollars(only(&lines, &amount_line))) >= shown_threshold, "the amount: {message:?}");
    assert!(found(&lines, other).is_empty(), "the other type's amount: {message:?}");
    let accounts: Vec<&str> = lines[1..].iter().filter_map(|line| line.strip_prefix("AWS Account ")).map(str::trim).collect();
    assert_eq!(accounts, [ACCOUNT], "the account: {message:?}");
    dated(lines[0], target, guardrail.budget.period);
    missing_a_line(message, &lines, guardrails);
}

/// The first line gives the date, and the date the period.
fn dated(first: &str, target: &Target, period: Period) {
    let date = first.strip_prefix("AWS Budget Notification ").expect("the first line").trim().to_ascii_lowercase();
    let (begins, days) = match period {
        Period::Monthly => (format!("{}-01", target.period), 0),
        Period::Daily => (target.period.clone(), 1),
        Period::Custom { .. } => panic!("an alert of a custom period is enforced: {target:?}"),
    };
    let begins: Date = begins.parse().expect("a period is a date's beginning");
    let date_of_alert = begins.saturating_add(jiff::Span::new().days(days));
    let month = date_of_alert.strftime("%B").to_string().to_ascii_lowercase();
    let year = date_of_alert.strftime("%Y").to_string();
    assert!(date.starts_with(&month[..3]) && date.contains(year.trim_start_matches('0')), "{date} is not of {}", target.period);
}

/// Less than the whole is not enforced.
fn missing_a_line(message: &Message, lines: &[&str], guardrails: &BTreeMap<GuardrailName, Guardrail>) {
    let needed = |line: &&str| {
        let field = line.split_once(':').is_some_and(|(name, _)| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name)));
        field || line.starts_with("AWS Account ") || line.starts_with("AWS Budget Notification ")
    };
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| needed(line)) {
        for double in [false, true] {
            let mut others = lines.to_vec();
            if double {
                others.insert(at, lines[at]);
            } else {
                others.remove(at);
            }
            let text = others.join("\n");
            let decision = decided(&Message { text, ..message.clone() }, guardrails);
            let words = if double { "twice" } else { "missing" };
            assert!(matches!(decision, Decision::Report { .. }), "{:?} {words}: {message:?}", lines[at]);
        }
    }
}

const FIELDS: [&str; 7] =
    ["Budget Name", "Budget Type", "Budgeted Amount", "Alert Type", "Alert Threshold", "ACTUAL Amount", "FORECASTED Amount"];

fn found<'a>(lines: &[&'a str], name: &str) -> Vec<&'a str> {
    let values = lines[1..].iter().filter_map(|line| line.split_once(':'));
    values.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

fn only<'a>(lines: &[&'a str], name: &str) -> &'a str {
    let values = found(lines, name);
    assert_eq!(values.len(), 1, "{name} stands there once");
    values[0]
}

fn dollars(text: &str) -> String {
    text.strip_prefix('$').expect("dollars").replace(',', "")
}

/// A decimal in thousandths, the rest cut off.
fn mills(number: &str) -> i128 {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    format!("{whole}{part}").parse().expect("digits")
}
