//! The one judgement. Pure, and in words with the numbers.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::bound::{Size, bound_of, explained_by_running, is_reversible, size, times_the_budget};
use super::{Belief, Evidence, Points, Shown, is_above};
use crate::alert::{AlertType, BudgetAlert};
use crate::config::{Guardrail, Period};
use crate::spend::{Spend, Standing};

/// How many days of a period an alert may still be of the old one.
const EARLY_DAYS: i8 = 3;
/// A figure of more than so many times the last one of the old period was not spent in that one.
const JUMPED: i64 = 2;

/// Weighs a figure. The table of docs/belief.md, from top to bottom.
#[must_use]
pub fn weigh(evidence: &Evidence<'_>) -> Belief {
    if let Some(why) = old_period(evidence).or_else(|| other_limit(evidence)) {
        return Belief::Report(why);
    }
    let (mut doubts, mut remarks) = (Vec::new(), Vec::new());
    match evidence.shown {
        Shown::NoBudget => doubts.push("AWS Budgets has no budget of this name".to_owned()),
        Shown::Unreachable(_) => unconfirmed(evidence, &mut doubts, &mut remarks),
        Shown::Standing(standing) => {
            doubts.extend(contradiction(evidence, standing));
            remarks.extend(changed_limit(evidence, standing));
        }
    }
    too_large(evidence, &mut doubts, &mut remarks);
    if doubts.is_empty() { Belief::Enforce(remarks) } else { Belief::Ask(doubts) }
}

/// Is the figure of a new period though the days are early, since the old one cannot have grown so much?
#[must_use]
pub fn jumped(shown: Decimal, last: &Spend, guardrail: &Guardrail) -> bool {
    let half = guardrail.budget.amount.dollars() / Decimal::TWO;
    shown > last.actual.saturating_mul(Decimal::from(JUMPED)).max(half)
}

/// Why the alert is of a period that is over.
fn old_period(evidence: &Evidence<'_>) -> Option<String> {
    let alert = evidence.alert?;
    if evidence.guardrail.budget.period != Period::Monthly {
        // The shown figure of a daily budget may be of another day than the alert: it contradicts nothing.
        return None;
    }
    let today = today(evidence);
    let present = Period::Monthly.of_alert(today);
    if evidence.period < present.as_str() {
        return Some(format!("it speaks of {}, and that period is over", evidence.period));
    }
    let Shown::Standing(standing) = evidence.shown else { return None };
    if alert.alert_type != AlertType::Actual {
        return None;
    }
    if (today.day() <= EARLY_DAYS || alert.date.day() <= EARLY_DAYS) && is_above(alert.amount, standing.actual) {
        return Some(format!(
            "in the first {EARLY_DAYS} days of a period, an amount above the one that AWS Budgets shows belongs to the old \
             period: the alert says ${}, and AWS Budgets shows ${}",
            alert.amount, standing.actual
        ));
    }
    let last = evidence.last.filter(|last| last.period.as_str() < evidence.period)?;
    let may_be_old = today.day() <= EARLY_DAYS
        && standing.actual.saturating_mul(Decimal::TWO) >= last.actual
        && !jumped(standing.actual, last, evidence.guardrail)
        && explained_by_running(standing.actual, AlertType::Actual, evidence).is_none();
    may_be_old.then(|| {
        format!(
            "AWS Budgets may show {} yet: it shows ${}, and the last figure of that period was ${}",
            last.period, standing.actual, last.actual
        )
    })
}

/// AWS Budgets cannot be asked: an alert counts alone after a time, where the last figure was believed.
fn unconfirmed(evidence: &Evidence<'_>, doubts: &mut Vec<String>, remarks: &mut Vec<String>) {
    let Shown::Unreachable(waited) = evidence.shown else { return };
    let rule = evidence.guardrail.plausibility.when_unreachable;
    let Some(after) = rule.after() else {
        doubts.push("AWS Budgets cannot be asked, and `when-unreachable` is `never`".to_owned());
        return;
    };
    if !last_was_believed(evidence) {
        doubts.push("AWS Budgets cannot be asked, and its last figure was not believed, or there was none".to_owned());
    } else if waited.as_secs() < after.seconds() {
        doubts.push(format!("AWS Budgets cannot be asked: the alert counts alone {after} after it arrived"));
    } else {
        remarks.push(format!("AWS Budgets cannot be asked since the alert arrived, {after} ago or more: the alert counts alone"));
    }
}

fn last_was_believed(evidence: &Evidence<'_>) -> bool {
    let latest = evidence.points.iter().filter_map(Points::last).max_by_key(|point| point.at);
    match (evidence.last, latest) {
        (_, Some(point)) if point.doubted => false,
        (last, _) => last.is_some(),
    }
}

/// The alert speaks of a limit that neither the file nor AWS Budgets has.
fn other_limit(evidence: &Evidence<'_>) -> Option<String> {
    let Shown::Standing(standing) = evidence.shown else { return None };
    let budgeted = evidence.alert?.budgeted;
    let ours = evidence.guardrail.budget.amount.dollars();
    let is = |limit: Decimal| budgeted.saturating_sub(limit).abs() <= Decimal::new(5, 3);
    (!is(standing.limit) && !is(ours))
        .then(|| format!("it speaks of a budget of ${budgeted}, AWS Budgets of ${}, and the file of ${ours}", standing.limit))
}

/// Somebody changed the limit: people meant the percentage.
fn changed_limit(evidence: &Evidence<'_>, standing: &Standing) -> Option<String> {
    let ours = evidence.guardrail.budget.amount.dollars();
    (standing.limit != ours).then(|| {
        format!("the limit is ${} in AWS Budgets and ${ours} in the file: the percentage is taken of ${0}", standing.limit)
    })
}

/// The figure that AWS Budgets shows may be newer than the alert, and higher; spending does not shrink.
fn contradiction(evidence: &Evidence<'_>, standing: &Standing) -> Option<String> {
    let alert = evidence.alert?;
    if evidence.guardrail.budget.period != Period::Monthly {
        return None;
    }
    let threshold = evidence.stage.threshold(standing.limit);
    let what = match alert.alert_type {
        AlertType::Actual => "spent",
        AlertType::Forecasted => "forecast",
    };
    let Some(shown) = standing.of(alert.alert_type) else {
        return Some("it is a forecast, and AWS Budgets shows none".to_owned());
    };
    if shown.is_zero() && was_known(evidence, alert, threshold) {
        return None;
    }
    let updated = standing
        .updated
        .filter(|_| shown.is_zero())
        .map_or_else(String::new, |at| format!(" (an update of the budget zeroes the figure for hours; the last one was {at})"));
    if is_above(threshold, shown) {
        return Some(format!("AWS Budgets shows ${shown} {what}, which is below the threshold of ${threshold}{updated}"));
    }
    is_above(alert.amount, shown)
        .then(|| format!("its amount of ${} is more than the ${shown} that AWS Budgets shows {what}", alert.amount))
}

/// Was the threshold passed by a figure that was known before an update zeroed it?
fn was_known(evidence: &Evidence<'_>, alert: &BudgetAlert, threshold: Decimal) -> bool {
    let last = evidence.last.filter(|last| last.period == evidence.period);
    let known = last.and_then(|last| match alert.alert_type {
        AlertType::Actual => Some(last.actual),
        AlertType::Forecasted => last.forecast,
    });
    known.is_some_and(|known| !known.is_zero() && !is_above(threshold, known))
}

/// The figure itself against the bound, and the one beside it: of figures that are computed together one may be mad.
fn too_large(evidence: &Evidence<'_>, doubts: &mut Vec<String>, remarks: &mut Vec<String>) {
    let Some(figure) = evidence.figure() else {
        if evidence.alert.is_none() && matches!(evidence.shown, Shown::Standing(_)) {
            doubts.push("its notification is in alarm, and AWS Budgets shows no forecast".to_owned());
        }
        return;
    };
    let bound = bound_of(evidence);
    let mut beyond = false;
    match size(figure, evidence.stage.alert_type, bound, evidence) {
        Size::Within => {}
        Size::Passes(why) => remarks.push(format!("its amount of {why}")),
        Size::Beyond(why) => {
            beyond = true;
            doubts.insert(0, format!("its amount of {why}"));
        }
    }
    if let Shown::Standing(standing) = evidence.shown {
        let beside = evidence.alert.is_some() || evidence.stage.alert_type == AlertType::Forecasted;
        if let (true, false, Size::Beyond(why)) = (beside, beyond, size(standing.actual, AlertType::Actual, bound, evidence)) {
            doubts.insert(0, format!("AWS Budgets shows a spend of which {why}"));
        }
    }
    match unusual(figure, evidence) {
        Some(why) if is_reversible(evidence) => remarks.push(why),
        Some(why) if !beyond => doubts.push(format!("{why}, and an action of the stage cannot be undone in full")),
        _ => {}
    }
}

/// Early in a period any rise is a large one: a spend below that part of the budget is no measure.
fn unusual(figure: Decimal, evidence: &Evidence<'_>) -> Option<String> {
    let (guardrail, factor) = (evidence.guardrail, Decimal::from(evidence.guardrail.plausibility.factor));
    let budget = guardrail.budget.amount.dollars();
    if figure > times_the_budget(guardrail) {
        return Some(format!("its amount of ${figure} is more than {factor} times the budget of ${budget}"));
    }
    let last = evidence.last.filter(|last| last.period == evidence.period)?;
    let (known, what) = match evidence.stage.alert_type {
        AlertType::Actual => (last.actual, "spend"),
        AlertType::Forecasted => (last.forecast?, "forecast"),
    };
    let most = known.saturating_mul(factor);
    (most >= budget && figure > most).then(|| {
        format!(
            "its amount of ${figure} is more than {factor} times the last known {what} of this period, ${known} (seen {})",
            last.seen
        )
    })
}

fn today(evidence: &Evidence<'_>) -> Date {
    evidence.now.to_zoned(TimeZone::UTC).date()
}
