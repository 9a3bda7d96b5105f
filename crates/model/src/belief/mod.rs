//! Is a figure to be believed? AWS Budgets is late, and in July 2026 it was wrong by billions. A kill switch that waits for a
//! person at every large figure kills nothing, since a runaway is a large figure. So a figure is weighed by evidence, and not
//! by its distance from the budget. docs/belief.md holds every outcome in one table; `table` holds that table against
//! [`weigh`].

mod ask;
mod bound;
mod points;
mod running;
mod weigh;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod table;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

pub use ask::believe;
pub use bound::{absurd, bound};
pub use points::{MOST_POINTS, Point, Points};
pub use running::{Running, Sight};
pub use weigh::{jumped, weigh};

use crate::alert::BudgetAlert;
use crate::config::{Guardrail, StageAt};
use crate::spend::{Spend, Standing};

/// All that is known when a figure is weighed.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The guardrail, as it is deployed.
    pub guardrail: &'a Guardrail,
    /// The stage that would be enforced.
    pub stage: StageAt,
    /// The period that it would be enforced for, such as `2026-11`.
    pub period: &'a str,
    /// The alert; nothing where AWS Budgets was only asked.
    pub alert: Option<&'a BudgetAlert>,
    /// The answer of AWS Budgets.
    pub shown: Shown<'a>,
    /// The last known spend, of any period.
    pub last: Option<&'a Spend>,
    /// Points of spend of this period and of earlier ones, in any order.
    pub points: &'a [Points],
    /// Dollars an hour of the resources that run in scope now, where they were asked for.
    pub hourly: Option<Decimal>,
    /// The present moment.
    pub now: Timestamp,
}

/// The answer of AWS Budgets.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// The budget stands so.
    Standing(&'a Standing),
    /// There is no budget of this name.
    NoBudget,
    /// It cannot be asked, and so much time has passed since the alert arrived.
    Unreachable(SignedDuration),
}

/// The conclusion from the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belief {
    /// The stage is enforced. People are told these remarks first, with the way back.
    Enforce(Vec<String>),
    /// A person is asked, for these reasons.
    Ask(Vec<String>),
    /// The figure is of a period that is over, or of a limit that nobody set: people are told, and nothing is begun.
    Report(String),
}

impl Evidence<'_> {
    /// The figure that is weighed, in dollars: that of the alert, or the one that AWS Budgets shows for the stage's type.
    #[must_use]
    pub fn figure(&self) -> Option<Decimal> {
        match (self.alert, self.shown) {
            (Some(alert), _) => Some(alert.amount),
            (None, Shown::Standing(standing)) => standing.of(self.stage.alert_type),
            (None, Shown::NoBudget | Shown::Unreachable(_)) => None,
        }
    }
}

/// Are two figures the same but for rounding and small corrections: a cent, or a hundredth?
#[must_use]
pub fn is_same_figure(one: Decimal, other: Decimal) -> bool {
    !is_above(one, other) && !is_above(other, one)
}

/// Is `amount` above `other` by more than rounding: a cent, and a hundredth of it?
fn is_above(amount: Decimal, other: Decimal) -> bool {
    amount.saturating_sub(other) > Decimal::new(1, 2).max(other / Decimal::ONE_HUNDRED)
}
