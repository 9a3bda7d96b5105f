//! Says where a guardrail's budget differs from the one that `ensure` would make. Changes nothing.

use aws_sdk_budgets::types::HealthStatusValue;
use guardrails_model::config::{Guardrail, StageAt};
use jiff::Timestamp;

use super::notifications::Misdirected;
use super::wanted::{budget, differences, notification, same};
use super::{BudgetError, Budgets, Owner};

/// How a guardrail's budget stands in AWS Budgets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Its name in AWS Budgets.
    pub name: String,
    /// Does it carry this stack's tag?
    pub ours: bool,
    /// The properties that are not as the guardrail says: each with its value and the wanted one.
    pub differences: Vec<String>,
    /// The stages that have no notification.
    pub unannounced: Vec<StageAt>,
    /// The stages whose notification does not go to the stack's topic.
    pub misdirected: Vec<Misdirected>,
    /// Why Budgets itself says that it cannot compute it.
    pub unhealthy: Option<String>,
    /// Has anything been spent in this period, as far as Budgets knows?
    pub spent: bool,
    /// When it was last updated.
    pub updated: Option<Timestamp>,
}

impl Budgets {
    /// How the guardrail's budget stands; none when there is no budget of that name.
    ///
    /// # Errors
    /// When Budgets refuses, or does not answer.
    pub async fn inspect(&self, guardrail: &Guardrail) -> Result<Option<Inspected>, BudgetError> {
        let name = guardrail.budget_name();
        let Some(present) = self.present(name).await? else { return Ok(None) };
        let health = present.health_status().filter(|health| health.status() == Some(&HealthStatusValue::Unhealthy));
        let mut inspected = Inspected {
            name: name.to_owned(),
            ours: matches!(self.owner(name).await?, Owner::Stack | Owner::Adopted),
            differences: differences(&present, &budget(guardrail)?),
            unhealthy: health.map(|health| health.status_reason().map_or("no reason given", |why| why.as_str()).to_owned()),
            spent: present
                .calculated_spend()
                .and_then(|spend| spend.actual_spend())
                .is_some_and(|spend| spend.amount().chars().any(|digit| ('1'..='9').contains(&digit))),
            updated: present.last_updated_time().and_then(|at| Timestamp::from_millisecond(at.to_millis().ok()?).ok()),
            ..Inspected::default()
        };
        let reader = self.reader(name);
        let there = reader.notifications().await?;
        for at in guardrail.stages.iter().map(|stage| stage.at) {
            let wanted = notification(at)?;
            match there.iter().find(|there| same(&wanted, there)) {
                None => inspected.unannounced.push(at),
                Some(there) => inspected.misdirected.extend(reader.misdirected(at, there, &self.topic).await?),
            }
        }
        Ok(Some(inspected))
    }
}
