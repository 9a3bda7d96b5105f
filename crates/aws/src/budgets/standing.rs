//! How a budget stands: what was spent, what is expected, and which of its notifications are in alarm.

use std::str::FromStr;

use async_trait::async_trait;
use aws_sdk_budgets::Client;
use aws_sdk_budgets::error::ProvideErrorMetadata;
use aws_sdk_budgets::types::{Budget, NotificationState, Spend};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use guardrails_model::config::{Guardrail, StageAt};
use guardrails_model::spend::{SpendError, Spending, Standing};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{notification, same};
use crate::error::{Failure, FailureKind};

/// Reads how budgets stand. Changes nothing.
pub struct Standings {
    /// The client.
    pub client: Client,
    /// The account's number.
    pub account: String,
}

#[async_trait]
impl Spending for Standings {
    async fn standing(&self, guardrail: &Guardrail) -> Result<Option<Standing>, SpendError> {
        let name = guardrail.name.as_str();
        let budget = match self.client.describe_budget().account_id(&self.account).budget_name(name).send().await {
            Ok(answer) => answer.budget,
            Err(error) if error.code() == Some("NotFoundException") => None,
            Err(error) => return Err(failed("reading the budget", &error)),
        };
        let Some(budget) = budget else { return Ok(None) };
        let alarms = self.alarms(guardrail).await?;
        Ok(Some(standing(&budget, alarms)?))
    }
}

impl Standings {
    /// The stages whose notification is in alarm. Notifications that are no stage's are somebody else's.
    async fn alarms(&self, guardrail: &Guardrail) -> Result<Vec<StageAt>, SpendError> {
        let call = self.client.describe_notifications_for_budget().account_id(&self.account);
        let mut pages = call.budget_name(guardrail.name.as_str()).into_paginator().send();
        let mut alarms = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("listing the budget's notifications", &error))?;
            for there in page.notifications.unwrap_or_default() {
                if there.notification_state() != Some(&NotificationState::Alarm) {
                    continue;
                }
                let stages = guardrail.stages.iter().map(|stage| stage.at);
                alarms.extend(stages.filter(|at| notification(*at).is_ok_and(|wanted| same(&wanted, &there))));
            }
        }
        Ok(alarms)
    }
}

fn standing(budget: &Budget, alarms: Vec<StageAt>) -> Result<Standing, SpendError> {
    let limit = budget.budget_limit().ok_or_else(|| unexpected("it has no limit: expected a fixed amount a period"))?;
    let spend = budget.calculated_spend();
    // Without a figure it is as after an update: nothing is computed yet.
    let actual = spend.and_then(|spend| spend.actual_spend()).map(dollars).transpose()?.unwrap_or_default();
    let forecast = spend.and_then(|spend| spend.forecasted_spend()).map(dollars).transpose()?;
    let updated = budget.last_updated_time().and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok());
    Ok(Standing { limit: dollars(limit)?, actual, forecast, updated, alarms })
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

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(doing: &str, error: &SdkError<E, HttpResponse>) -> SpendError {
    let failure = Failure::of(error);
    SpendError { doing: doing.to_owned(), retryable: failure.kind != FailureKind::Refused, message: failure.message }
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
