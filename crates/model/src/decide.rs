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
use crate::plausible::{self, Against, Belief};
pub use crate::record::Target;

/// The message attribute that names the guardrail which the mock text means.
pub const GUARDRAIL_ATTRIBUTE: &str = "guardrail";
/// The message attribute, with the value `true`, that marks what `guardrails simulate` publishes.
pub const SIMULATED_ATTRIBUTE: &str = "simulated";

/// What is to be done about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Enforce a stage.
    Enforce {
        /// Which.
        target: Target,
        /// The alert as it was read; nothing for the mock text, which says no figures.
        alert: Option<BudgetAlert>,
    },
    /// Tell people, change nothing.
    Report {
        /// Why nothing is changed.
        why: String,
        /// The alert as it was read, if the text is one.
        alert: Option<BudgetAlert>,
    },
}

impl Decision {
    /// The guardrail whose budget AWS Budgets is to be asked about before this counts. None when nothing is enforced, when the alert
    /// is simulated, or when it says no figures.
    #[must_use]
    pub fn needs_standing<'a>(&self, guardrails: &'a BTreeMap<GuardrailName, Guardrail>) -> Option<&'a Guardrail> {
        match self {
            Self::Enforce { target, alert: Some(_) } if !target.simulated => guardrails.get(&target.guardrail),
            Self::Enforce { .. } | Self::Report { .. } => None,
        }
    }

    /// The decision once its figures are held against the facts, and why a person has to be asked first. `guardrail` is the one
    /// that [`Self::needs_standing`] names.
    #[must_use]
    pub fn held_against(self, guardrail: &Guardrail, against: Against<'_>) -> (Self, Vec<String>) {
        let Self::Enforce { target, alert: Some(alert) } = self else { return (self, Vec::new()) };
        match plausible::judge(&alert, &target, guardrail, against) {
            Belief::Plausible => (Self::Enforce { target, alert: Some(alert) }, Vec::new()),
            Belief::Doubted(doubts) => (Self::Enforce { target, alert: Some(alert) }, doubts),
            Belief::OldPeriod(why) => (Self::Report { why, alert: Some(alert) }, Vec::new()),
        }
    }
}

/// Decides what `message` asks of `guardrails` in `account`; `today` dates the mock text, which has no date.
#[must_use]
pub fn decide(message: &Message, guardrails: &BTreeMap<GuardrailName, Guardrail>, account: &str, today: Date) -> Decision {
    let (decided, alert) = match alert::read(&message.text) {
        Reading::Budget(alert) => (budget(&alert, is_simulated(message), guardrails, account), Some(alert)),
        Reading::Mock => (mock(message, guardrails, today), None),
        Reading::Unknown { why } => (Err(why), None),
    };
    match decided {
        Ok(target) => Decision::Enforce { target, alert },
        Err(why) => Decision::Report { why, alert },
    }
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
    let configured = guardrail.budget.amount.dollars();
    if !same_cents(alert.budgeted, configured) {
        return Err(format!("its budget is of ${}, and the guardrail's of ${configured}", alert.budgeted));
    }
    if alert.amount < alert.threshold {
        return Err(format!("its amount of ${} is below its threshold of ${}", alert.amount, alert.threshold));
    }
    let stage = guardrail
        .stages
        .iter()
        .map(|stage| stage.at)
        .find(|at| at.alert_type == alert.alert_type && same_cents(alert.threshold, at.threshold(configured)));
    let stage = stage
        .ok_or_else(|| format!("`{}` has no stage at ${} {}", guardrail.name, alert.threshold, alert.alert_type.as_str()))?;
    let period = guardrail.budget.period.of_alert(alert.date);
    Ok(Target { guardrail: guardrail.name.clone(), stage, period, simulated })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::MOCK_TEXT;
    use crate::config::{ActionSpec, Budget, Period, Stage, Tags};
    use crate::spend::Standing;

    const ACCOUNT: &str = "123456789012";
    const TODAY: Date = Date::constant(2026, 11, 23);

    fn guardrails() -> BTreeMap<GuardrailName, Guardrail> {
        let name: GuardrailName = "beta".parse().unwrap();
        let budget =
            Budget { amount: "100 USD".parse().unwrap(), period: Period::Monthly, service: Vec::new(), tag: Tags::default() };
        let action = ActionSpec { name: "stop-instances".parse().unwrap(), params: serde_json::Value::Null };
        let stage = Stage::new("80% actual".parse().unwrap(), vec![vec![action]]);
        BTreeMap::from([(name.clone(), Guardrail::new(name, budget, vec![stage]))])
    }

    fn alert(simulated: bool) -> Message {
        let guardrails = guardrails();
        let guardrail = guardrails.values().next().unwrap();
        let text = simulated_text(guardrail, guardrail.stages[0].at, ACCOUNT, TODAY);
        let attributes = simulated.then(|| (SIMULATED_ATTRIBUTE.to_owned(), "true".to_owned()));
        Message { text, attributes: attributes.into_iter().collect() }
    }

    fn decided(message: &Message) -> Decision {
        decide(message, &guardrails(), ACCOUNT, TODAY)
    }

    #[test]
    fn only_a_real_alert_that_enforces_needs_a_standing() {
        let needs = |message: &Message| decided(message).needs_standing(&guardrails()).is_some();
        assert!(needs(&alert(false)));
        assert!(!needs(&alert(true)), "nothing is spent in a simulation");
        let mock = Message { text: MOCK_TEXT.to_owned(), ..Message::default() };
        assert!(matches!(decided(&mock), Decision::Enforce { alert: None, .. }));
        assert!(!needs(&mock), "it says no figures");
        let other = Message { text: alert(false).text.replace("beta", "gamma"), ..Message::default() };
        assert!(matches!(decided(&other), Decision::Report { alert: Some(_), .. }));
        assert!(!needs(&other), "nothing is enforced");
    }

    #[test]
    fn facts_leave_an_alert_believed_doubted_or_reported() {
        let known = guardrails();
        let judged = |shown: Option<i64>, today: Date| {
            let standing = shown.map(|actual| Standing {
                limit: Decimal::ONE_HUNDRED,
                actual: actual.into(),
                forecast: None,
                updated: None,
                alarms: Vec::new(),
            });
            let against = Against { last: None, standing: standing.as_ref(), today };
            let (decision, doubts) = decided(&alert(false)).held_against(&known[&"beta".parse().unwrap()], against);
            (matches!(decision, Decision::Enforce { alert: Some(_), .. }), doubts.len())
        };
        assert_eq!(judged(Some(81), TODAY), (true, 0), "believed");
        assert_eq!(judged(Some(12), TODAY), (true, 1), "doubted: AWS Budgets shows less");
        assert_eq!(judged(None, TODAY), (true, 1), "doubted: AWS Budgets knows no such budget");
        assert_eq!(judged(Some(12), Date::constant(2026, 12, 1)), (false, 0), "reported: it is the old period's");
    }
}
