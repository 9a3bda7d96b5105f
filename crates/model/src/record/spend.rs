//! The last known spend of a guardrail.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::ids::GuardrailName;

/// The last known spend of a guardrail, by which a new figure is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// [`super::FORMAT`].
    pub format: u32,
    /// Its guardrail.
    pub guardrail: GuardrailName,
    /// The period that the figures speak of, such as `2026-11`.
    pub period: String,
    /// The most that was known to be spent in it, in dollars: spending does not shrink, but an update zeroes the shown figure.
    pub actual: Decimal,
    /// Expected by the period's end, in dollars, as it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Decimal>,
    /// The budget, in dollars a period, as it was last seen.
    pub limit: Decimal,
    /// When somebody last updated the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    /// When it was last seen.
    pub seen: Timestamp,
    /// Since when Budgets has shown less than `actual`, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below_since: Option<Timestamp>,
}
