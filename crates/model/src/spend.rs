//! The figures of AWS Budgets for a budget, beside its alerts: an alert may be lost, late or wrong.

use async_trait::async_trait;
use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::alert::AlertType;
use crate::config::{Guardrail, StageAt};
pub use crate::record::Spend;

/// The state of a budget in AWS Budgets now. Which period its figures speak of, it does not say: in a period's first days they
/// may be the old one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The budget, in dollars a period.
    pub limit: Decimal,
    /// Spent, in dollars. After an update of the budget it is 0 until AWS has computed it anew.
    pub actual: Decimal,
    /// Expected by the period's end, in dollars. There is none without some weeks of usage.
    pub forecast: Option<Decimal>,
    /// When somebody last updated the budget. AWS does not say when it last computed the spend.
    pub updated: Option<Timestamp>,
    /// The stages of the guardrail whose notification is in alarm: their threshold is passed, whether or not an alert arrived.
    pub alarms: Vec<StageAt>,
    /// How the budget differs from the deployed one, but for its limit: filters, notifications, subscribers. In words.
    pub differences: Vec<String>,
}

impl Standing {
    /// The figure of that type, in dollars.
    #[must_use]
    pub fn of(&self, alert_type: AlertType) -> Option<Decimal> {
        match alert_type {
            AlertType::Actual => Some(self.actual),
            AlertType::Forecasted => self.forecast,
        }
    }
}

/// Reads the state of budgets.
#[async_trait]
pub trait Spending: Send + Sync {
    /// How the budget of `guardrail` stands; nothing when there is no such budget. Reads only.
    async fn standing(&self, guardrail: &Guardrail) -> Result<Option<Standing>, SpendError>;
}

/// Budgets did not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {message}")]
pub struct SpendError {
    /// The task that failed.
    pub doing: String,
    /// AWS's words, or the unexpected part of its answer.
    pub message: String,
    /// Is it worth trying again as it is?
    pub retryable: bool,
}
