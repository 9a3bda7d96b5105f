//! The findings of a round for one guardrail, and the measures to take. Pure: [`super`] carries them out.
//!
//! AWS Budgets does not say of which period its figures are. In a period's first days they are the old one's, and after an update
//! of the budget they are zero. So a figure is believed only as far as it is certain: one that fell is of a new period, or was
//! updated away; one that only rises is of the same.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rust_decimal::Decimal;

use super::books::{Books, Judgement, Measure, Shown};
use super::stage::{is_below, lost_alerts, unreachable};
use crate::alert::AlertType;
use crate::belief;
use crate::config::{Period, Release, StageAt, day};
use crate::record::{FORMAT, Run, RunState};
use crate::spend::{Spend, Standing};

/// After so long Budgets shows the new period of a monthly budget, and a smaller figure is no update's doing.
const SETTLED_MONTHLY: SignedDuration = SignedDuration::from_hours(72);
/// The same of a daily budget.
const SETTLED_DAILY: SignedDuration = SignedDuration::from_hours(12);
/// A figure that fell below this share of the last known one is a new period's: corrections of the spend are smaller.
const FALLEN: i64 = 2;
/// A custom period that is over. AWS deletes its budget.
const ENDED: &str = "its period is over, and a custom period has none after it";
/// So long after an update the zero that it left may stand.
const COMPUTED: SignedDuration = SignedDuration::from_hours(24);
/// So often a run whose execution dies is taken up at once; after that once a day, like a failed run.
const QUICK_TRIES: u32 = 3;
const SLOWLY: SignedDuration = SignedDuration::from_hours(24);

/// Judges one guardrail.
#[must_use]
pub fn judge(books: &Books<'_>) -> Judgement {
    let shown = books.standing.map(|standing| known(books, standing));
    let mut measures = Vec::new();
    let kind = books.guardrail.budget.period;
    if kind.has_ended(day(books.now)) {
        measures.push(Measure::Say(format!("{ENDED} ({kind}): give it new dates, or take the guardrail out of the file")));
    } else if let Some(shown) = &shown {
        let keep = |why: &String| Measure::Say(format!("{why}: not believed, and what was known stays"));
        measures.extend(shown.absurd.as_ref().map(keep));
        if let Some(changed) = changed_limit(books, shown.standing) {
            measures.push(Measure::Trouble(changed));
        }
        measures.extend(shown.standing.differences.iter().cloned().map(Measure::Trouble));
        lost_alerts(books, shown, &mut measures);
    } else {
        unreachable(books, &mut measures);
    }
    for run in books.open {
        if is_left_to_people(books, run) {
            measures.push(Measure::Say(format!("run {} is held over the end of {}: `release: manual`", run.id, run.period)));
        } else if kind.has_ended(day(books.now)) && !run.simulated {
            measures.push(Measure::Say(format!("run {} is held over the end of {}: guardrails rollback", run.id, run.period)));
        }
        if shown.is_none() && !is_left_to_people(books, run) && kind.is_before(&run.period, &books.present()) && !run.simulated {
            measures.push(Measure::Say(format!(
                "run {} is held over the end of {}: AWS Budgets shows no figure by which it could go. It goes once a budget shows a new \
                 period's, or by guardrails rollback {} --run {}",
                run.id, run.period, run.guardrail, run.id
            )));
        }
        let released = shown.as_ref().and_then(|shown| release(books, run, shown));
        measures.extend(released.or_else(|| look_after(run, books.now)));
    }
    let figures = shown.as_ref().map(|shown| (shown.period.clone(), shown.absurd.is_some()));
    Judgement { spend: shown.and_then(|shown| shown.spend), figures, measures }
}

/// A limit that somebody changed is taken by its percentage, and people are told until the file agrees.
fn changed_limit(books: &Books<'_>, standing: &Standing) -> Option<String> {
    let ours = books.guardrail.budget.amount.dollars();
    (standing.limit != ours).then(|| {
        format!(
            "its limit is ${} in AWS Budgets and ${ours} in the file: stages count by their percentage of ${0}; change the file, or \
             deploy again",
            standing.limit
        )
    })
}

fn known<'a>(books: &Books<'a>, standing: &'a Standing) -> Shown<'a> {
    let at = StageAt { percent: Decimal::ONE_HUNDRED, alert_type: AlertType::Actual };
    let present_period = books.present();
    let evidence = books.evidence(at, &present_period, None, belief::Shown::Standing(standing));
    if let Some(absurd) = belief::absurd(standing.actual, AlertType::Actual, &evidence) {
        let absurd = format!("its amount of {absurd}");
        let (kind, now) = (books.guardrail.budget.period, books.now);
        let earlier = || books.last.map_or_else(|| before(kind, now), |last| last.period.clone());
        let period = if is_settled(kind, now) { kind.present(now) } else { earlier() };
        return Shown { standing, period, spend: books.last.cloned(), absurd: Some(absurd) };
    }
    let spend = with_standing(books, standing);
    Shown { standing, period: spend.period.clone(), spend: Some(spend), absurd: None }
}

/// The last known spend with what Budgets says now: of which period is it?
fn with_standing(books: &Books<'_>, standing: &Standing) -> Spend {
    let (kind, now) = (books.guardrail.budget.period, books.now);
    let present = kind.present(now);
    let fresh = |period: String| Spend {
        format: FORMAT,
        guardrail: books.guardrail.name.clone(),
        forecast: believed_forecast(books, standing, &period),
        period,
        actual: standing.actual,
        limit: standing.limit,
        updated: standing.updated,
        seen: now,
        below_since: None,
    };
    let Some(last) = books.last else {
        return fresh(if is_settled(kind, now) { present } else { before(kind, now) });
    };
    let jumped = || belief::jumped(standing.actual, last, books.guardrail);
    let turned = || is_settled(kind, now) || turned_over(last, standing) || jumped();
    if last.period != present && !is_zeroed(standing, now) && turned() {
        return fresh(present);
    }
    let of_last = fresh(last.period.clone());
    if standing.actual >= last.actual {
        return of_last;
    }
    // Less than was known: after an update of the budget, until it is computed anew. For ever, where the update changed the costs
    // that count.
    let since = last.below_since.unwrap_or(now);
    if now.duration_since(since) >= SETTLED_MONTHLY {
        return of_last;
    }
    Spend { actual: last.actual, forecast: last.forecast, below_since: Some(since), ..of_last }
}

/// The forecast for the end of `period`. A forecast that is not believed is not kept either.
fn believed_forecast(books: &Books<'_>, standing: &Standing, period: &str) -> Option<Decimal> {
    let forecast = standing.forecast?;
    let at = StageAt { percent: Decimal::ONE_HUNDRED, alert_type: AlertType::Forecasted };
    let evidence = books.evidence(at, period, None, belief::Shown::Standing(standing));
    if belief::absurd(forecast, AlertType::Forecasted, &evidence).is_none() {
        return Some(forecast);
    }
    books.last.filter(|last| last.period == period)?.forecast
}

/// Does Budgets show nothing because of an update? It computes the spend up to three times a day.
fn is_zeroed(standing: &Standing, now: Timestamp) -> bool {
    standing.actual.is_zero() && standing.updated.is_some_and(|at| now.duration_since(at) < COMPUTED)
}

/// Is the figure of a later period than the last known one?
fn turned_over(last: &Spend, standing: &Standing) -> bool {
    let two = Decimal::from(FALLEN);
    if standing.actual.is_zero() {
        // Or the budget was updated.
        return !last.actual.is_zero() && standing.updated == last.updated && standing.limit == last.limit;
    }
    standing.actual * two < last.actual
}

fn is_left_to_people(books: &Books<'_>, run: &Run) -> bool {
    let kind = books.guardrail.budget.period;
    let is_over = kind.is_before(&run.period, &books.present());
    books.guardrail.release == Release::Manual && is_over && !run.simulated
}

/// Whether the holds of a real run are put back now.
fn release(books: &Books<'_>, run: &Run, shown: &Shown<'_>) -> Option<Measure> {
    let (standing, present) = (shown.standing, books.present());
    let is_over = books.guardrail.budget.period.is_before(&run.period, &present);
    let waits = is_over && run.state == RunState::Waiting;
    let holds = matches!(run.state, RunState::Enforced | RunState::ApplyFailed)
        || run.state == RunState::RollbackFailed && is_due(run, books.now);
    if run.simulated || !(holds || waits) || shown.period != present {
        return None;
    }
    let stage = run.stage;
    // The known spend of this period counts where Budgets shows less, right after an update.
    let spend = shown.spend.as_ref().filter(|spend| spend.period == present);
    let (actual, forecast) = match spend {
        Some(spend) => (spend.actual.max(standing.actual), spend.forecast.max(standing.forecast)),
        None => (standing.actual, standing.forecast),
    };
    let in_alarm = standing.alarms.contains(&stage) || !is_below(stage, standing.limit, actual, forecast);
    let id = run.id.clone();
    if is_over {
        if books.guardrail.release == Release::Manual {
            return None;
        }
        // A facet that the new period holds too passes over to its run, without a gap.
        let slot = books.stages.iter().find(|slot| slot.stage == stage);
        let passed = slot.is_some_and(|slot| slot.released || matches!(slot.run, RunState::Enforced | RunState::Notified));
        let why = format!("{} is over, and ${actual} are spent of {}", run.period, present);
        // A run without holds leaves no gap.
        let holds_nothing = waits && run.approval.as_ref().is_some_and(|approval| approval.settled.is_empty());
        return (!in_alarm || passed || holds_nothing).then_some(Measure::Release { run: id, why, armed: false });
    }
    let (was, is) = (run.budget.amount.dollars(), books.guardrail.budget.amount.dollars());
    let raised = is > was && standing.limit == is;
    let fresh = spend.is_some_and(|spend| spend.below_since.is_none()) && !actual.is_zero();
    let why = format!("the budget was raised from ${was} to ${is}, and ${actual} are spent");
    (raised && fresh && !in_alarm && run.state != RunState::RollbackFailed).then_some(Measure::Release {
        run: id,
        why,
        armed: true,
    })
}

/// The measure for an open run that is not put back.
fn look_after(run: &Run, now: Timestamp) -> Option<Measure> {
    match run.state {
        RunState::Opening | RunState::Waiting | RunState::Applying | RunState::RollingBack => {
            is_due(run, now).then(|| Measure::TakeUp(run.id.clone()))
        }
        RunState::Enforced if !run.simulated => Some(Measure::LookAgain(run.id.clone())),
        RunState::ApplyFailed if !run.simulated && is_slowly_due(run, now) => Some(Measure::LookAgain(run.id.clone())),
        RunState::Enforced
        | RunState::ApplyFailed
        | RunState::RollbackFailed
        | RunState::RolledBack
        | RunState::Notified
        | RunState::Rejected
        | RunState::Abandoned => None,
    }
}

fn is_due(run: &Run, now: Timestamp) -> bool {
    run.try_number() <= QUICK_TRIES || is_slowly_due(run, now)
}

fn is_slowly_due(run: &Run, now: Timestamp) -> bool {
    now.duration_since(run.asked_at()) >= SLOWLY
}

/// Has the present period been on for so long that Budgets' figures are of it?
fn is_settled(period: Period, now: Timestamp) -> bool {
    let now = now.to_zoned(TimeZone::UTC).datetime();
    let (since, settled) = match period {
        Period::Daily => (now.date(), SETTLED_DAILY),
        Period::Monthly => (now.date().first_of_month(), SETTLED_MONTHLY),
        // It has no other period, so its figures are of this one.
        Period::Custom { .. } => return true,
    };
    now.duration_since(since.at(0, 0, 0, 0)) >= settled
}

/// The period before the present one.
fn before(period: Period, now: Timestamp) -> String {
    let today = day(now);
    let last = match period {
        Period::Daily => today,
        Period::Monthly => today.first_of_month(),
        Period::Custom { first, .. } => first,
    };
    period.of_alert(last.checked_sub(1.day()).unwrap_or(last))
}
