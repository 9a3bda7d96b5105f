//! How large a figure may be before evidence is asked for, and the evidence that lets a larger one pass.

use rust_decimal::Decimal;

use super::{Evidence, Points};
use crate::alert::AlertType;
use crate::config::Guardrail;

/// A figure passes when the resources that ran in scope could have cost one part in so many of it.
const PART: i64 = 3;
/// A figure passes when it is at most so many times an earlier bill.
const TIMES_A_BILL: i64 = 2;

/// Up to this amount, in dollars a period, a figure that AWS Budgets confirms is enforced without more evidence.
#[must_use]
pub fn bound(guardrail: &Guardrail) -> Decimal {
    times_the_budget(guardrail).max(guardrail.plausibility.enforce_up_to.dollars())
}

/// The bound for a stage: one with an action that cannot be undone in full has no sum, only the factor.
pub(super) fn bound_of(evidence: &Evidence<'_>) -> Decimal {
    if is_reversible(evidence) { bound(evidence.guardrail) } else { times_the_budget(evidence.guardrail) }
}

pub(super) fn is_reversible(evidence: &Evidence<'_>) -> bool {
    evidence.guardrail.stage(evidence.stage).is_none_or(|stage| !stage.lossy)
}

pub(super) fn times_the_budget(guardrail: &Guardrail) -> Decimal {
    Decimal::from(guardrail.plausibility.factor).saturating_mul(guardrail.budget.amount.dollars())
}

/// How a figure stands to the bound.
pub(super) enum Size {
    /// It is within the bound.
    Within,
    /// It is beyond the bound, and evidence lets it pass: in words.
    Passes(String),
    /// It is beyond the bound, and nothing known could have cost so much: in words.
    Beyond(String),
}

/// Holds `amount` against `bound` and the evidence.
pub(super) fn size(amount: Decimal, alert_type: AlertType, bound: Decimal, evidence: &Evidence<'_>) -> Size {
    if amount <= bound {
        return Size::Within;
    }
    let beyond = format!("${amount} is more than ${bound}");
    if let Some(ran) = explained_by_running(amount, alert_type, evidence) {
        return Size::Passes(format!("{beyond}, and the resources that ran in scope could have cost ${}", ran.round_dp(2)));
    }
    let bill = evidence.points.iter().filter(|points| points.period.as_str() < evidence.period).filter_map(Points::bill).max();
    if let Some(bill) = bill.filter(|bill| amount <= bill.saturating_mul(Decimal::from(TIMES_A_BILL))) {
        return Size::Passes(format!("{beyond}, and an earlier bill was ${}", bill.round_dp(2)));
    }
    let ran = ran(alert_type, evidence)
        .map_or_else(String::new, |ran| format!(" (the resources that ran in scope could have cost ${})", ran.round_dp(2)));
    let budget = evidence.guardrail.budget.amount.dollars();
    Size::Beyond(format!("{beyond}, the most that is enforced of a budget of ${budget} without evidence{ran}"))
}

/// The most that the resources which ran could have cost, where that is a large enough part of `amount`.
pub(super) fn explained_by_running(amount: Decimal, alert_type: AlertType, evidence: &Evidence<'_>) -> Option<Decimal> {
    ran(alert_type, evidence).filter(|ran| amount <= ran.saturating_mul(Decimal::from(PART)))
}

/// The most that the resources in scope could have cost in the period; for a forecast, by its end. Nothing where no price is
/// known.
fn ran(alert_type: AlertType, evidence: &Evidence<'_>) -> Option<Decimal> {
    let none = || Points::none(evidence.guardrail.name.clone(), evidence.period.to_owned());
    let mut points = evidence.points.iter().find(|points| points.period == evidence.period).cloned().unwrap_or_else(none);
    points.see(evidence.hourly, evidence.now);
    let so_far = points.ran(evidence.now)?;
    Some(match alert_type {
        AlertType::Actual => so_far,
        AlertType::Forecasted => so_far.saturating_add(points.rest(evidence.guardrail.budget.period, evidence.now)),
    })
}

/// Why a figure that AWS Budgets shows is not kept as known; nothing when it may be.
#[must_use]
pub fn absurd(amount: Decimal, alert_type: AlertType, evidence: &Evidence<'_>) -> Option<String> {
    match size(amount, alert_type, bound(evidence.guardrail), evidence) {
        Size::Within | Size::Passes(_) => None,
        Size::Beyond(why) => Some(why),
    }
}
