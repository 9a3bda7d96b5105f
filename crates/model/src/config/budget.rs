//! The budget that AWS watches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::services;
use super::{Amount, Period, Tags};
use crate::ids::BudgetName;
use crate::omit;

/// The budget that AWS watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The amount a period, such as `100 USD`.
    pub amount: Amount,
    /// The budget's period. A project's budget never begins anew. Only a monthly budget takes `forecasted` stages.
    pub period: Period,
    /// AWS services that count: a name, or a list of them. The names are those of `aws ce get-dimension-values --dimension SERVICE`, such
    /// as `Amazon Elastic Compute Cloud - Compute`, and not those that the console shows. All services when left out.
    #[serde(default, deserialize_with = "services::read", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "services::OneOrMany")]
    pub service: Vec<String>,
    /// The cost allocation tag that counts: one key, and one value or several. It must be activated in the billing
    /// console; untagged cost is not watched.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tag: Tags,
    /// The costs that count.
    #[serde(default, skip_serializing_if = "omit::is_default")]
    pub counts: Counts,
    /// The name of a budget that is there already, and is used instead of a new one. It must be as the file says. It is never deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub adopt: Option<BudgetName>,
}

impl Budget {
    /// One of everything that the account spends.
    #[must_use]
    pub fn new(amount: Amount, period: Period) -> Self {
        Self { amount, period, service: Vec::new(), tag: Tags::default(), counts: Counts::default(), adopt: None }
    }
}

/// The costs that count. A change of it has AWS Budgets compute the spend anew, from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "AWS Budgets has a switch for each")]
pub struct Counts {
    /// `unblended` counts a fee on the day it is paid. `amortized` spreads the fees of reservations and Savings Plans over
    /// their term.
    pub costs: Costs,
    /// Fees that are paid in advance for reservations.
    pub upfront: bool,
    /// Other subscriptions, such as domains.
    pub subscriptions: bool,
    /// AWS Support.
    pub support: bool,
    /// Taxes.
    pub tax: bool,
    /// Credits, which lower the spend. Without them the spend shows while credits last.
    pub credits: bool,
    /// Refunds, which lower the spend.
    pub refunds: bool,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            costs: Costs::Unblended,
            upfront: true,
            subscriptions: true,
            support: true,
            tax: true,
            credits: false,
            refunds: false,
        }
    }
}

/// The day on which a fee counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Costs {
    /// The day it is paid.
    #[default]
    Unblended,
    /// Each day of its term.
    Amortized,
}
