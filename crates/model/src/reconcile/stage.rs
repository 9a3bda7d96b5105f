//! A round's work on one stage: its alert may be lost, or its run waits because a figure was not believed.

use jiff::SignedDuration;
use rust_decimal::Decimal;

use super::books::{Books, Measure, Shown, StageNow};
use crate::alert::{AlertType, BudgetAlert};
use crate::belief::{self, Belief, Evidence, is_same_figure, weigh};
use crate::config::StageAt;
use crate::record::RunState;
use crate::runs::Grounds;
use crate::spend::Standing;

/// People are not asked about figures that are not believed before so long.
const ASKED_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// A figure that grew to more than so many times the one that was refused is asked about at once.
const GROWN: Decimal = Decimal::from_parts(125, 0, 0, false, 2);

/// Begins the run that a lost alert or a figure over the threshold asks for.
pub(super) fn lost_alerts(books: &Books<'_>, shown: &Shown<'_>, measures: &mut Vec<Measure>) {
    for (stage, slot) in unseen_to(books, shown.standing) {
        measures.extend(one(books, shown, stage, slot));
    }
    unanswered(books, measures);
}

/// The stages that are passed or in alarm, and that no run sees to.
fn unseen_to<'a>(books: &'a Books<'_>, standing: &'a Standing) -> impl Iterator<Item = (StageAt, Option<&'a StageNow>)> {
    let is_over = |at: StageAt| at.alert_type == AlertType::Actual && standing.actual > at.threshold(standing.limit);
    let stages = books.guardrail.stages.iter().map(|stage| stage.at);
    let passed = stages.filter(move |at| standing.alarms.contains(at) || is_over(*at));
    let slots = passed.map(|stage| (stage, books.stages.iter().find(|slot| slot.stage == stage)));
    slots.filter(|(_, slot)| !slot.is_some_and(is_seen_to))
}

/// Does a stage wait for evidence: is its figure so large that nothing which is known could have cost so much?
pub(super) fn lacks_evidence(books: &Books<'_>) -> bool {
    let present = books.present();
    let lacks = |stage: StageAt, alert: Option<&BudgetAlert>, shown: belief::Shown<'_>| {
        let evidence = books.evidence(stage, &present, alert, shown);
        let spent = match shown {
            belief::Shown::Standing(standing) => Some((standing.actual, AlertType::Actual)),
            belief::Shown::NoBudget | belief::Shown::Unreachable(_) => None,
        };
        let figures = evidence.figure().map(|figure| (figure, stage.alert_type)).into_iter().chain(spent);
        figures.into_iter().any(|(amount, of)| belief::absurd(amount, of, &evidence).is_some())
    };
    match books.standing {
        Some(standing) => unseen_to(books, standing).any(|(stage, _)| lacks(stage, None, belief::Shown::Standing(standing))),
        None => books.waiting.iter().any(|waiting| {
            let waited = books.now.duration_since(waiting.since);
            lacks(waiting.stage, Some(&waiting.alert), belief::Shown::Unreachable(waited))
        }),
    }
}

fn one(books: &Books<'_>, shown: &Shown<'_>, stage: StageAt, slot: Option<&StageNow>) -> Option<Measure> {
    let standing = shown.standing;
    let say = |why: String| Some(Measure::Say(format!("{stage} is passed or in alarm, and no run was begun: {why}")));
    let present = books.present();
    if shown.period != present {
        return say(format!("what Budgets shows may be of {} yet", shown.period));
    }
    if is_below(stage, standing.limit, standing.actual, standing.forecast) {
        return say("what Budgets shows of its spend is below the threshold".to_owned());
    }
    let evidence = books.evidence(stage, &present, None, belief::Shown::Standing(standing));
    let figure = evidence.figure();
    let asked = slot.filter(|slot| slot.doubted);
    let same = |discarded: &&Decimal| figure.is_some_and(|figure| is_same_figure(**discarded, figure));
    if let Some(discarded) = slot.and_then(|slot| slot.discarded.iter().find(same)) {
        return say(format!("a person said no to the figure of ${discarded}"));
    }
    match weigh(&evidence) {
        Belief::Enforce(remarks) => Some(Measure::Begin { stage, grounds: Grounds { doubts: Vec::new(), remarks, figure } }),
        Belief::Report(why) => say(why),
        // It is asked about already.
        Belief::Ask(_) if asked.is_some() => None,
        Belief::Ask(why) => match slot.and_then(|slot| slot.asked).map(|asked| (asked, asked + ASKED_AGAIN)) {
            Some((asked, again)) if books.now < again && !has_grown(slot, figure) => {
                say(format!("{}; people were asked at {asked}, and are asked again from {again} on", why.join("; ")))
            }
            _ => {
                let mut doubts = why;
                if let Some(times) = slot.map(|slot| slot.unanswered).filter(|times| *times > 0) {
                    doubts.insert(0, format!("ASKED AGAIN: nobody answered {times} times"));
                }
                Some(Measure::Begin { stage, grounds: Grounds::doubted(doubts, figure) })
            }
        },
    }
}

/// Is the figure above all that people said no to, by so much that they are asked before the day is over?
fn has_grown(slot: Option<&StageNow>, figure: Option<Decimal>) -> bool {
    let most = slot.and_then(|slot| slot.discarded.iter().max());
    most.zip(figure).is_some_and(|(most, figure)| figure > most.saturating_mul(GROWN))
}

/// Silence is told louder: an alarm rings until somebody answers.
fn unanswered(books: &Books<'_>, measures: &mut Vec<Measure>) {
    for slot in books.stages.iter().filter(|slot| slot.unanswered > 0 && !slot.released) {
        if slot.doubted || slot.run == RunState::Rejected {
            let (stage, times) = (slot.stage, slot.unanswered);
            measures.push(Measure::Trouble(format!(
                "nobody answered {times} times whether the figure of {stage} is to be believed, and nothing is enforced: guardrails \
                 approve, or guardrails reject"
            )));
        }
    }
}

/// AWS Budgets cannot be asked: alerts that wait may count alone by now.
pub(super) fn unreachable(books: &Books<'_>, measures: &mut Vec<Measure>) {
    let present = books.present();
    for waiting in books.waiting {
        let waited = books.now.duration_since(waiting.since);
        let shown = belief::Shown::Unreachable(waited);
        let evidence = books.evidence(waiting.stage, &present, Some(&waiting.alert), shown);
        if let Belief::Enforce(remarks) = weigh(&evidence) {
            let grounds = Grounds { doubts: Vec::new(), remarks, figure: evidence.figure() };
            measures.push(Measure::Begin { stage: waiting.stage, grounds });
        }
    }
}

/// Does a run of the stage do what an alert asks for, or did a person say that none is to?
fn is_seen_to(slot: &StageNow) -> bool {
    slot.released
        || match slot.run {
            RunState::Opening | RunState::Waiting => !slot.doubted,
            RunState::Applying
            | RunState::Enforced
            | RunState::ApplyFailed
            | RunState::RollingBack
            | RunState::RollbackFailed
            | RunState::Notified => true,
            RunState::RolledBack | RunState::Rejected | RunState::Abandoned => false,
        }
}

/// Is the stage's figure at or below its threshold? A forecast that there is none of is.
pub(super) fn is_below(stage: StageAt, limit: Decimal, actual: Decimal, forecast: Option<Decimal>) -> bool {
    let threshold = stage.threshold(limit);
    match stage.alert_type {
        AlertType::Actual => actual <= threshold,
        AlertType::Forecasted => forecast.is_none_or(|forecast| forecast <= threshold),
    }
}

impl<'a> Books<'a> {
    /// The evidence for a figure of `stage`.
    pub(super) fn evidence(
        &self,
        stage: StageAt,
        period: &'a str,
        alert: Option<&'a BudgetAlert>,
        shown: belief::Shown<'a>,
    ) -> Evidence<'a> {
        let Books { guardrail, last, points, hourly, now, .. } = *self;
        Evidence { guardrail, stage, period, alert, shown, last, points, hourly, now }
    }
}
