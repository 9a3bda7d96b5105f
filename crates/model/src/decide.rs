//! What an alert asks for: the run to begin, or the reason why nothing is done. Pure, so that `guardrails explain` and the
//! master function cannot differ.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use crate::alert::{self, BudgetAlert, Reading};
use crate::config::{Guardrail, StageAt};
use crate::envelope::Message;
use crate::ids::GuardrailName;

/// The message attribute that names the guardrail which the mock text means.
pub const GUARDRAIL_ATTRIBUTE: &str = "guardrail";
/// The message attribute, with the value `true`, that marks what `guardrails simulate` publishes.
pub const SIMULATED_ATTRIBUTE: &str = "simulated";

/// What is to be done about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Enforce a stage.
    Enforce(Target),
    /// Tell people, change nothing.
    Report {
        /// Why nothing is changed.
        why: String,
    },
}

/// One stage of one guardrail in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The guardrail.
    pub guardrail: GuardrailName,
    /// The stage.
    pub stage: StageAt,
    /// The budget's period, such as `2026-11`.
    pub period: String,
    /// Not a real alert: marked so everywhere.
    pub simulated: bool,
}

/// Decides what `message` asks of `guardrails` in `account`; `today` dates the mock text, which has no date.
#[must_use]
pub fn decide(message: &Message, guardrails: &BTreeMap<GuardrailName, Guardrail>, account: &str, today: Date) -> Decision {
    let decided = match alert::read(&message.text) {
        Reading::Budget(alert) => budget(&alert, is_simulated(message), guardrails, account),
        Reading::Mock => mock(message, guardrails, today),
        Reading::Unknown { why } => Err(why),
    };
    decided.map_or_else(|why| Decision::Report { why }, Decision::Enforce)
}

/// Does the message say of itself that it is a simulation?
#[must_use]
pub fn is_simulated(message: &Message) -> bool {
    message.attributes.get(SIMULATED_ATTRIBUTE).is_some_and(|value| value == "true")
}

fn budget(
    alert: &BudgetAlert,
    simulated: bool,
    guardrails: &BTreeMap<GuardrailName, Guardrail>,
    account: &str,
) -> Result<Target, String> {
    if alert.account.as_deref() != Some(account) {
        let named = alert.account.as_deref().unwrap_or("no account");
        return Err(format!("it speaks of account {named}, and this is account {account}"));
    }
    let guardrail = guardrails.values().find(|guardrail| guardrail.name.as_str() == alert.budget);
    let guardrail = guardrail.ok_or_else(|| format!("no guardrail is called `{}`", alert.budget))?;
    if alert.amount < alert.threshold {
        return Err(format!("its amount of ${} is below its threshold of ${}", alert.amount, alert.threshold));
    }
    let stage = stage_of(alert, guardrail)?;
    let period = guardrail.budget.period.of_alert(alert.date);
    Ok(Target { guardrail: guardrail.name.clone(), stage, period, simulated })
}

/// The stage by its threshold. Where somebody changed the budget's limit, the percentage of that limit counts.
fn stage_of(alert: &BudgetAlert, guardrail: &Guardrail) -> Result<StageAt, String> {
    let configured = guardrail.budget.amount.dollars();
    let limit = if same_cents(alert.budgeted, configured) { configured } else { alert.budgeted };
    // The alert gives the limit in cents, so the threshold is off by that much of the percentage.
    let rounded = |at: StageAt| if limit == configured { Decimal::ZERO } else { at.threshold(Decimal::new(5, 3)) };
    let distance = |at: StageAt| (alert.threshold - at.threshold(limit)).abs();
    let of_type = guardrail.stages.iter().map(|stage| stage.at).filter(|at| at.alert_type == alert.alert_type);
    let mut near: Vec<StageAt> = of_type.filter(|at| distance(*at) <= Decimal::new(5, 3) + rounded(*at)).collect();
    near.sort_by_key(|at| distance(*at));
    match near.as_slice() {
        [] => Err(format!("`{}` has no stage at ${} {}", guardrail.name, alert.threshold, alert.alert_type.as_str())),
        [one, other, ..] if distance(*one) == distance(*other) => Err(format!(
            "its budget is of ${limit}, where `{one}` and `{other}` of `{}` cannot be told apart by the threshold of ${}",
            guardrail.name, alert.threshold
        )),
        [one, ..] => Ok(*one),
    }
}

fn mock(message: &Message, guardrails: &BTreeMap<GuardrailName, Guardrail>, today: Date) -> Result<Target, String> {
    let guardrail = match message.attributes.get(GUARDRAIL_ATTRIBUTE) {
        Some(name) => guardrails
            .values()
            .find(|guardrail| guardrail.name.as_str() == name)
            .ok_or_else(|| format!("the mock text names the guardrail `{name}`, which does not exist"))?,
        None if guardrails.len() == 1 => guardrails.values().next().ok_or("there is no guardrail")?,
        None => {
            return Err(format!(
                "there are {} guardrails and the mock text names none: set the message attribute \
            `{GUARDRAIL_ATTRIBUTE}`",
                guardrails.len()
            ));
        }
    };
    let stage = guardrail.stages.iter().find(|stage| stage.changes_something());
    let stage = stage.ok_or_else(|| format!("no stage of `{}` changes anything", guardrail.name))?;
    let period = guardrail.budget.period.of_alert(today);
    Ok(Target { guardrail: guardrail.name.clone(), stage: stage.at, period, simulated: true })
}

/// Is `shown`, rounded to cents by Budgets in whichever way it rounds halves, the amount `exact`?
fn same_cents(shown: Decimal, exact: Decimal) -> bool {
    (shown - exact).abs() <= Decimal::new(5, 3)
}

/// One line of `guardrails explain`: what a message is, without regard to any configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Explained {
    /// A Budgets alert.
    Budget {
        /// The budget's name.
        budget: String,
        /// The account as the alert writes it.
        account: Option<String>,
        /// `ACTUAL` or `FORECASTED`.
        #[serde(rename = "type")]
        alert_type: alert::AlertType,
        /// ISO 4217.
        currency: String,
        /// Decimals without separators, as the alert gives them.
        budgeted: String,
        /// The threshold in money.
        threshold: String,
        /// What was spent or is expected to be.
        amount: String,
        /// Marked as a simulation.
        simulated: bool,
    },
    /// The mock text.
    Simulated {},
    /// Anything else.
    Unknown {
        /// Why it is not understood.
        why: String,
    },
}

/// Says what `message` is.
#[must_use]
pub fn explain(message: &Message) -> Explained {
    match alert::read(&message.text) {
        Reading::Budget(alert) => Explained::Budget {
            budget: alert.budget,
            account: alert.account,
            alert_type: alert.alert_type,
            currency: alert.currency,
            budgeted: alert.budgeted.to_string(),
            threshold: alert.threshold.to_string(),
            amount: alert.amount.to_string(),
            simulated: is_simulated(message),
        },
        Reading::Mock => Explained::Simulated {},
        Reading::Unknown { why } => Explained::Unknown { why },
    }
}

/// A message in Budgets' format, as `guardrails simulate` publishes it for `guardrail` at `stage`.
#[must_use]
pub fn simulated_text(guardrail: &Guardrail, stage: StageAt, account: &str, today: Date) -> String {
    let kind = stage.alert_type.as_str();
    let budgeted = guardrail.budget.amount.dollars();
    let threshold = stage.threshold(budgeted).round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    let amount = threshold + Decimal::new(1, 2);
    let name = &guardrail.name;
    format!(
        "AWS Budget Notification {}\nAWS Account {account}\n\nDear AWS Customer,\n\nThis is a simulation by Budget \
         Guardrails: the {kind} Cost associated with your {name} budget is greater than ${threshold:.2}.\n\nBudget Name: \
         {name}\nBudget Type: Cost\nBudgeted Amount: ${budgeted:.2}\nAlert Type: {kind}\nAlert Threshold: > \
         ${threshold:.2}\n{kind} Amount: ${amount:.2}\n",
        today.strftime("%B %d, %Y")
    )
}
