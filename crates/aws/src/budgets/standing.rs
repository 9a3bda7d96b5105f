//! The state of a budget: its spend, its forecast, and which of its notifications are in alarm.

use std::str::FromStr;

use async_trait::async_trait;
use aws_sdk_budgets::Client;
use aws_sdk_budgets::error::ProvideErrorMetadata;
use aws_sdk_budgets::types::{Budget, Notification, NotificationState, Spend};
use guardrails_model::config::{Guardrail, StageAt};
use guardrails_model::spend::{SpendError, Spending, Standing};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::notifications::Reader;
use super::wanted::{self, budget, notification, same};
use super::{BudgetError, failed};

/// Reads how budgets stand. Changes nothing.
pub struct Standings {
    /// The client.
    pub client: Client,
    /// The account's number.
    pub account: String,
    /// The topic that each stage's notification goes to, where that is to be compared.
    pub topic: Option<String>,
}

#[async_trait]
impl Spending for Standings {
    async fn standing(&self, guardrail: &Guardrail) -> Result<Option<Standing>, SpendError> {
        let name = guardrail.budget_name();
        let budget = match self.client.describe_budget().account_id(&self.account).budget_name(name).send().await {
            Ok(answer) => answer.budget,
            Err(error) if error.code() == Some("NotFoundException") => None,
            Err(error) => return Err(failed("reading the budget", &error).into()),
        };
        let Some(budget) = budget else { return Ok(None) };
        let notifications = self.reader(name).notifications().await?;
        let mut differences = differences(&budget, guardrail)?;
        differences.extend(self.undelivered(guardrail, &notifications).await?);
        Ok(Some(standing(&budget, alarms(guardrail, &notifications), differences)?))
    }
}

impl Standings {
    fn reader<'a>(&'a self, budget: &'a str) -> Reader<'a> {
        Reader { client: &self.client, account: &self.account, budget }
    }

    /// The stages whose notification is missing, or does not go to the stack's topic: their alerts are lost.
    async fn undelivered(&self, guardrail: &Guardrail, there: &[Notification]) -> Result<Vec<String>, SpendError> {
        let reader = self.reader(guardrail.budget_name());
        let mut lost = Vec::new();
        for at in guardrail.stages.iter().map(|stage| stage.at) {
            let wanted = notification(at)?;
            match (there.iter().find(|there| same(&wanted, there)), &self.topic) {
                (None, _) => lost.push(format!("its budget has no notification at {at}: deploy again")),
                (Some(there), Some(topic)) => {
                    let misdirected = reader.misdirected(at, there, topic).await?;
                    lost.extend(misdirected.map(|found| format!("{}, {topic}: deploy again", found.words())));
                }
                (Some(_), None) => {}
            }
        }
        Ok(lost)
    }
}

impl From<BudgetError> for SpendError {
    fn from(error: BudgetError) -> Self {
        match error {
            BudgetError::Failed { doing, message, retryable } => Self { doing, message, retryable },
            other => unexpected(&other.to_string()),
        }
    }
}

/// The stages whose notification is in alarm. Notifications that are no stage's are somebody else's.
fn alarms(guardrail: &Guardrail, there: &[Notification]) -> Vec<StageAt> {
    let in_alarm = |there: &&Notification| there.notification_state() == Some(&NotificationState::Alarm);
    let stages = || guardrail.stages.iter().map(|stage| stage.at);
    let of = |there: &Notification| stages().filter(|at| notification(*at).is_ok_and(|wanted| same(&wanted, there))).collect();
    there.iter().filter(in_alarm).flat_map(|there| -> Vec<StageAt> { of(there) }).collect()
}

/// How the budget differs from the deployed one. Its limit is compared by the one who judges the figures.
fn differences(present: &Budget, guardrail: &Guardrail) -> Result<Vec<String>, SpendError> {
    let mut wanted = budget(guardrail)?;
    wanted.budget_limit.clone_from(&present.budget_limit);
    let differences = wanted::differences(present, &wanted);
    Ok(differences.into_iter().map(|what| format!("its budget is not as it was deployed ({what}): deploy again")).collect())
}

fn standing(budget: &Budget, alarms: Vec<StageAt>, differences: Vec<String>) -> Result<Standing, SpendError> {
    let limit = budget.budget_limit().ok_or_else(|| unexpected("it has no limit: expected a fixed amount a period"))?;
    let spend = budget.calculated_spend();
    // Without a figure it is as after an update: nothing is computed yet.
    let actual = spend.and_then(|spend| spend.actual_spend()).map(dollars).transpose()?.unwrap_or_default();
    let forecast = spend.and_then(|spend| spend.forecasted_spend()).map(dollars).transpose()?;
    let updated = budget.last_updated_time().and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok());
    Ok(Standing { limit: dollars(limit)?, actual, forecast, updated, alarms, differences })
}

/// Budgets gives amounts with dozens of decimals, at times in scientific notation.
fn dollars(spend: &Spend) -> Result<Decimal, SpendError> {
    if spend.unit() != "USD" {
        return Err(unexpected(&format!("an amount is in {}: expected USD", spend.unit())));
    }
    let amount = spend.amount();
    let read = Decimal::from_str(amount).or_else(|_| Decimal::from_scientific(amount));
    read.map_err(|error| unexpected(&format!("the amount `{amount}` is no number: {error}")))
}

fn unexpected(message: &str) -> SpendError {
    SpendError { doing: "reading the budget".to_owned(), message: message.to_owned(), retryable: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(amount: &str, unit: &str) -> Spend {
        Spend::builder().amount(amount).unit(unit).build().unwrap()
    }

    #[test]
    fn amounts_are_read_as_budgets_writes_them() {
        for (text, amount) in [
            ("2641.54800000000022919266484677791595458984375", "2641.5480"),
            ("0", "0"),
            ("0.0", "0"),
            ("1.5E-7", "0.00000015"),
            ("183965812157.54", "183965812157.54"),
        ] {
            assert_eq!(
                dollars(&spend(text, "USD")).unwrap().round_dp(8),
                amount.parse::<Decimal>().unwrap().round_dp(8),
                "{text}"
            );
        }
        assert!(dollars(&spend("2", "EUR")).unwrap_err().to_string().contains("expected USD"));
        assert!(dollars(&spend("much", "USD")).unwrap_err().to_string().contains("`much`"));
    }
}
