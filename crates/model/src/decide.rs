//! The decision about an alert: the run to begin, or the reason why nothing is done. Pure, so that `guardrails explain` and the
//! master function cannot differ.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use schemars::JsonSchema;
use serde::Serialize;

use crate::alert::{self, BudgetAlert, Reading};
use crate::belief::Belief;
use crate::config::{Guardrail, Period, StageAt};
use crate::envelope::Message;
use crate::ids::GuardrailName;
pub use crate::record::Target;
use crate::runs::Grounds;

/// The message attribute that names the guardrail which the mock text means.
pub const GUARDRAIL_ATTRIBUTE: &str = "guardrail";
/// The message attribute, with the value `true`, that marks the messages of `guardrails simulate`.
pub const SIMULATED_ATTRIBUTE: &str = "simulated";

/// The decision about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Enforce a stage.
    Enforce {
        /// The stage and period.
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

    /// The decision once its figures were weighed, and the grounds on which its run is begun.
    #[must_use]
    pub fn weighed(self, belief: Belief) -> (Self, Grounds) {
        let Self::Enforce { target, alert: Some(alert) } = self else { return (self, Grounds::default()) };
        let figure = Some(alert.amount);
        match belief {
            Belief::Enforce(remarks) => {
                (Self::Enforce { target, alert: Some(alert) }, Grounds { doubts: Vec::new(), remarks, figure })
            }
            Belief::Ask(doubts) => (Self::Enforce { target, alert: Some(alert) }, Grounds::doubted(doubts, figure)),
            Belief::Report(why) => (Self::Report { why, alert: Some(alert) }, Grounds::default()),
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
    let guardrail = guardrails.values().find(|guardrail| guardrail.budget_name() == alert.budget);
    let guardrail = guardrail.ok_or_else(|| format!("no guardrail has the budget `{}`", alert.budget))?;
    if alert.amount < alert.threshold {
        return Err(format!("its amount of ${} is below its threshold of ${}", alert.amount, alert.threshold));
    }
    let stage = stage_of(alert, guardrail)?;
    if matches!(guardrail.budget.period, Period::Custom { .. }) && !simulated {
        return Err(format!(
            "the budget of `{}` has a custom period, and the text of such alerts is not known for certain: the next round enforces {stage} by \
             the figure that AWS Budgets shows",
            guardrail.name
        ));
    }
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

/// One line of `guardrails explain`: the kind of a message, without regard to any configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
        /// The amount that was spent, or is expected to be.
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
    let name = guardrail.budget_name();
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
    use crate::config::{ActionSpec, Budget, Stage};

    const ACCOUNT: &str = "123456789012";
    const TODAY: Date = Date::constant(2026, 11, 23);

    fn guardrails() -> BTreeMap<GuardrailName, Guardrail> {
        let name: GuardrailName = "beta".parse().unwrap();
        let budget = Budget::new("100 USD".parse().unwrap(), Period::Monthly);
        let action = ActionSpec { name: "stop-instances".parse().unwrap(), params: serde_json::Value::Null };
        let stage = Stage::new("80% actual".parse().unwrap(), vec![vec![action]]);
        BTreeMap::from([(name.clone(), Guardrail::new(name, budget, vec![stage]))])
    }

    fn alert(simulated: bool) -> Message {
        let guardrails = guardrails();
        let guardrail = guardrails.values().next().unwrap();
        let text = simulated_text(guardrail, guardrail.stages[0].at, ACCOUNT, TODAY);
        let attributes = simulated.then(|| (SIMULATED_ATTRIBUTE.to_owned(), "true".to_owned()));
        Message { text, attributes: attributes.into_iter().collect(), id: None }
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
    fn alert_names_the_adopted_budget_and_not_the_guardrail() {
        let mut all = guardrails();
        let beta = all.values_mut().next().unwrap();
        beta.budget.adopt = Some("My Monthly Budget".parse().unwrap());
        let (stage, name) = (beta.stages[0].at, beta.name.clone());
        let text = simulated_text(beta, stage, ACCOUNT, TODAY);
        assert!(text.contains("Budget Name: My Monthly Budget\n"), "{text}");
        let read = |text: &str| decide(&Message { text: text.to_owned(), ..Message::default() }, &all, ACCOUNT, TODAY);
        assert!(matches!(read(&text), Decision::Enforce { target, .. } if target.guardrail == name));
        assert!(matches!(read(&text.replace("My Monthly Budget", name.as_str())), Decision::Report { .. }));
    }

    #[test]
    fn real_alert_of_a_custom_period_is_left_to_the_rounds() {
        let mut all = guardrails();
        all.values_mut().next().unwrap().budget.period = "2026-11-01..2027-02-28".parse().unwrap();
        let decided = |simulated: bool| decide(&alert(simulated), &all, ACCOUNT, TODAY);
        assert!(matches!(decided(false), Decision::Report { why, .. } if why.contains("the next round enforces")));
        assert!(matches!(decided(true), Decision::Enforce { target, .. } if target.period == "2026-11-01..2027-02-28"));
    }

    #[test]
    fn changed_limits_are_taken_by_percentage() {
        let reads = |budgeted: &str, threshold: &str, amount: &str| {
            let text = alert(false).text;
            let fields = text.replace("Amount: $100.00", &format!("Amount: ${budgeted}"));
            let fields =
                fields.replace("> $80.00", &format!("> ${threshold}")).replace("Amount: $80.01", &format!("Amount: ${amount}"));
            let message = Message { text: fields, ..Message::default() };
            match decided(&message) {
                Decision::Enforce { target, .. } => Ok(target.stage.to_string()),
                Decision::Report { why, .. } => Err(why),
            }
        };
        assert_eq!(reads("100.00", "80.00", "81.00").as_deref(), Ok("80% actual"));
        assert_eq!(reads("120.00", "96.00", "97.00").as_deref(), Ok("80% actual"));
        assert_eq!(reads("123.46", "98.76", "99.10").as_deref(), Ok("80% actual"), "rounded");
        assert!(
            reads("120.00", "108.00", "110.00").unwrap_err().contains("no stage at $108.00"),
            "a notification of somebody else"
        );
        assert!(reads("100.00", "80.10", "81.00").unwrap_err().contains("no stage at $80.10"));
        let most = "79228162514264337593543950335";
        assert!(reads(most, most, most).unwrap_err().contains("no stage"), "of any size");
    }

    #[test]
    fn belief_leaves_an_alert_enforced_asked_or_reported() {
        let weighed = |belief: Belief| {
            let (decision, grounds) = decided(&alert(false)).weighed(belief);
            (matches!(decision, Decision::Enforce { alert: Some(_), .. }), grounds.doubts.len(), grounds.remarks.len())
        };
        assert_eq!(weighed(Belief::Enforce(vec!["unusual".to_owned()])), (true, 0, 1));
        assert_eq!(weighed(Belief::Ask(vec!["less is shown".to_owned()])), (true, 1, 0));
        assert_eq!(weighed(Belief::Report("it is over".to_owned())), (false, 0, 0));
    }
}
