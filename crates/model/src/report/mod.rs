//! A run as people are told of it: the same for the message that is sent, for `guardrails status` and for the demo. A run may
//! have ten thousand steps: a report counts all of them, and keeps only those that it shows.

mod again;
mod alike;
mod approval;
pub mod history;
mod holds;
mod remedy;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::decide::Target;
use crate::ids::{FacetId, Place};
use crate::ledger::{Ledger, LedgerError};
use crate::phase::Phase;
use crate::prices::Hourly;
use crate::record::{Direction, Part, PartPlan, Run, RunState, Step};
use crate::verify::Verification;

pub use alike::{Alike, Kind};
pub use holds::{HeldBy, HeldUntil, Hold, holds};
pub use remedy::remedy;
pub use words::line;

/// A run, how its steps stand, and those of them that are shown.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The run.
    pub run: Run,
    /// How all of its steps stand.
    pub counts: Counts,
    /// The same for each of its parts.
    pub parts: Vec<PartReport>,
    /// Why steps were left alone.
    pub left_alone: Alike,
    /// Of those that are left alone and not as the stage wants them, how many there are of each kind, such as an instance's type.
    pub still_on: BTreeMap<String, usize>,
    /// The cost of all that still runs, left alone, failed or late, where a price list is deployed and somebody asked for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<Hourly>,
    /// The notes for people about the changes.
    pub notes: Alike,
    /// Events of targets that fell due while their changes were held, and did not happen.
    pub missed: Alike,
    /// Why steps were let go without a change back: somebody else holds them, or made them so, or they are gone.
    pub let_go: Alike,
    /// The steps that are shown, in order: all of them, or the most telling.
    pub steps: Vec<Step>,
    /// How many more are as telling.
    pub more: usize,
    /// The holders of the facets of the steps that are shown, where somebody asked for them.
    #[serde(serialize_with = "values")]
    #[schemars(with = "Vec<Hold>")]
    pub holds: BTreeMap<FacetId, Hold>,
    /// The people who can still launch, as far as IAM said.
    #[serde(rename = "who_can_launch", skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verification>,
    /// How many still run of each kind, by place.
    #[serde(skip)]
    runs_on: BTreeMap<(Option<Place>, String), usize>,
    /// When the holders were asked for.
    #[serde(skip)]
    looked_at: Timestamp,
    /// Whether a person let the run's stage go for its period. Not known before it was looked up.
    #[serde(skip)]
    released: Option<bool>,
    #[serde(skip)]
    whole: bool,
}

/// How the steps of a part stand.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PartReport {
    /// [`Part::title`].
    pub title: String,
    /// [`Part::place`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// How they stand.
    pub counts: Counts,
}

/// How many steps stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// As wanted.
    pub applied: usize,
    /// Left alone.
    pub skipped: usize,
    /// Of those that were left alone, how many are not as the stage wants them, and nobody said that they are to be.
    pub still_on: usize,
    /// Left alone because it could not be planned.
    pub unplanned: usize,
    /// Under way, either way, or not begun.
    pub pending: usize,
    /// Of those, how many wait for the service to have room for them.
    pub waiting: usize,
    /// Failed, either way.
    pub failed: usize,
    /// Put back.
    pub rolled_back: usize,
    /// Settled by hand.
    pub abandoned: usize,
    /// Of all, how many came after the plan.
    pub late: usize,
    /// Of all, how many the run has yet to work on, the way that it goes and as far as it was asked to.
    pub to_go: usize,
}

/// How many steps a report keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// All of a run that has no more than so many.
    pub whole: usize,
    /// Of a larger one at most so many: those that failed first, then those that wait, then those that came late.
    pub most: usize,
}

impl Keep {
    /// Every step.
    pub const ALL: Self = Self { whole: usize::MAX, most: usize::MAX };
    /// No step: counts only.
    pub const NONE: Self = Self { whole: 0, most: 0 };
}

impl Counts {
    /// All steps.
    #[must_use]
    pub fn all(&self) -> usize {
        self.applied + self.skipped + self.unplanned + self.pending + self.failed + self.rolled_back + self.abandoned
    }

    fn add(&mut self, run: &Run, step: &Step) {
        let count = match step.phase {
            Phase::Applied => &mut self.applied,
            Phase::Skipped if step.unplanned => &mut self.unplanned,
            Phase::Skipped => &mut self.skipped,
            Phase::Planned | Phase::Applying | Phase::RollingBack => &mut self.pending,
            Phase::ApplyFailed | Phase::RollbackFailed => &mut self.failed,
            Phase::RolledBack => &mut self.rolled_back,
            Phase::Abandoned => &mut self.abandoned,
        };
        *count += 1;
        self.still_on += usize::from(step.is_still_on());
        self.waiting += usize::from(waits(step));
        self.late += usize::from(step.late);
        self.to_go += usize::from(is_to_go(run, step));
    }
}

impl Report {
    /// Reads a run's steps page by page.
    ///
    /// # Errors
    /// When the ledger cannot be read, or a part's steps are not as its plan says.
    pub async fn of(ledger: &Ledger, run: Run, keep: Keep) -> Result<Self, LedgerError> {
        Self::with(ledger, run, keep, |_| ()).await
    }

    /// The same, and shows each step to `visit` too.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn with(ledger: &Ledger, run: Run, keep: Keep, mut visit: impl FnMut(&Step) + Send) -> Result<Self, LedgerError> {
        let mut writer = Writer::new(&run, keep);
        ledger
            .visit(&run, |step| {
                visit(&step);
                writer.add(&run, step);
            })
            .await?;
        let verified = if run.verify.is_some() { ledger.verification(&run.id).await? } else { None };
        let mut report = Self { verified: verified.map(|verified| verified.value), ..writer.report(run) };
        report.look_up_release(ledger).await?;
        Ok(report)
    }

    /// Looks up whether the stage of a run that is over is released in its period, by this run or by another.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn look_up_release(&mut self, ledger: &Ledger) -> Result<(), LedgerError> {
        if matches!(self.run.state, RunState::RolledBack | RunState::Abandoned | RunState::Rejected) {
            let stage = Target { simulated: false, ..self.run.target() };
            let found = ledger.stage_state(&stage).await?;
            self.released = Some(found.is_some_and(|found| found.value.released.is_some()));
        }
        Ok(())
    }

    /// Looks up the holders of the facets of the steps that are shown, and the reasons why these wait.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn look_up_holds(&mut self, ledger: &Ledger, now: Timestamp) -> Result<(), LedgerError> {
        let facets: Vec<FacetId> = self.steps.iter().map(|step| step.facet.clone()).collect();
        self.holds = holds(ledger, &facets).await?;
        self.looked_at = now;
        Ok(())
    }

    /// Looks up the cost of all that still runs, by the deployed price list.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn look_up_prices(&mut self, ledger: &Ledger) -> Result<(), LedgerError> {
        if self.runs_on.is_empty() || self.run.direction == Direction::Rollback {
            return Ok(());
        }
        let Some(prices) = ledger.prices().await? else { return Ok(()) };
        let mut hourly = Hourly::default();
        for ((place, kind), count) in &self.runs_on {
            hourly.add(&prices, place.as_ref(), kind, *count);
        }
        self.hourly = Some(hourly);
        Ok(())
    }

    /// Of a run whose steps nobody asked for: it says what the run itself says.
    #[must_use]
    pub fn unread(run: Run) -> Self {
        let mut report = Writer::new(&run, Keep::NONE).report(run);
        report.parts.clear();
        report
    }
}

/// Takes in steps in any order, and forgets those that will not be shown.
struct Writer {
    keep: Keep,
    parts: Vec<PartReport>,
    counts: Counts,
    left_alone: Alike,
    still_on: BTreeMap<String, usize>,
    runs_on: BTreeMap<(Option<Place>, String), usize>,
    notes: Alike,
    missed: Alike,
    let_go: Alike,
    /// The most telling first; last those that are shown of a small run only.
    kept: [Vec<Step>; 4],
    telling: usize,
}

impl Writer {
    fn new(run: &Run, keep: Keep) -> Self {
        let part = |part: &Part| PartReport { title: part.title(), place: part.place.clone(), counts: Counts::default() };
        Self {
            keep,
            parts: run.parts.iter().map(part).collect(),
            counts: Counts::default(),
            left_alone: Alike::default(),
            still_on: BTreeMap::new(),
            runs_on: BTreeMap::new(),
            notes: Alike::default(),
            missed: Alike::default(),
            let_go: Alike::default(),
            kept: Default::default(),
            telling: 0,
        }
    }

    fn add(&mut self, run: &Run, step: Step) {
        self.counts.add(run, &step);
        if let Some(part) = self.parts.get_mut(step.part) {
            part.counts.add(run, &step);
        }
        if step.phase == Phase::Skipped {
            self.left_alone.add(step.reason.as_deref().unwrap_or("there was nothing to do"), &step.label);
        } else if let (Phase::RolledBack | Phase::Abandoned, Some(reason)) = (step.phase, &step.reason) {
            self.let_go.add(reason, &step.label);
        } else if let Some(note) = step.note.as_ref().filter(|_| !step.phase.is_final()) {
            self.notes.add(note, &step.label);
        }
        for due in step.missed() {
            self.missed.add(&due.to_string(), &step.label);
        }
        if let Some(kind) = step.kind.as_ref().filter(|_| step.is_still_on()) {
            *self.still_on.entry(kind.clone()).or_default() += 1;
        }
        if let Some(kind) = step.kind.as_ref().filter(|_| runs_on(run, &step)) {
            let place = run.parts.get(step.part).and_then(|part| part.place.clone());
            *self.runs_on.entry((place, kind.clone())).or_default() += 1;
        }
        let rank = rank(&step);
        self.telling += usize::from(rank < 3);
        let room = if rank < 3 { self.keep.whole.max(self.keep.most) } else { self.keep.whole };
        if self.kept[rank].len() < room {
            self.kept[rank].push(step);
        }
        if self.counts.all() > self.keep.whole {
            self.kept[3] = Vec::new();
            self.keep.whole = 0;
        }
    }

    fn report(self, run: Run) -> Report {
        let whole = self.counts.all() <= self.keep.whole || self.counts.all() == 0;
        let mut steps = self.kept.into_iter().flatten().collect::<Vec<Step>>();
        if !whole {
            steps.truncate(self.keep.most);
        }
        let more = if whole { 0 } else { self.telling - steps.len() };
        steps.sort_by(|a, b| (a.part, order(a)).cmp(&(b.part, order(b))));
        Report {
            run: run.without_token(),
            counts: self.counts,
            parts: self.parts,
            left_alone: self.left_alone,
            still_on: self.still_on,
            hourly: None,
            runs_on: self.runs_on,
            notes: self.notes,
            missed: self.missed,
            let_go: self.let_go,
            steps,
            more,
            holds: BTreeMap::new(),
            verified: None,
            looked_at: Timestamp::UNIX_EPOCH,
            released: None,
            whole,
        }
    }
}

/// Those of a unit stand together.
fn order(step: &Step) -> (Option<&str>, &str) {
    (step.unit.as_ref().map(|unit| unit.name.as_str()), step.facet.as_str())
}

/// The lower, the sooner people must know of it.
fn rank(step: &Step) -> usize {
    if step.phase.is_failure() {
        0
    } else if waits(step) {
        1
    } else if step.late || (step.unplanned && step.phase == Phase::Skipped) {
        2
    } else {
        3
    }
}

/// Does it wait for the service to have room for it?
fn waits(step: &Step) -> bool {
    step.again_at.is_some() && matches!(step.phase, Phase::Applying | Phase::RollingBack)
}

/// Does its target go on costing money, though nobody said that it is to: left alone, failed, not planned, or not reached by a run that
/// failed, or late and not done?
fn runs_on(run: &Run, step: &Step) -> bool {
    let failed = step.phase == Phase::ApplyFailed || (step.phase == Phase::Skipped && step.unplanned);
    let overdue = step.late || run.state == RunState::ApplyFailed;
    let not_done = overdue && matches!(step.phase, Phase::Planned | Phase::Applying);
    step.is_still_on() || ((failed || not_done) && step.present != step.wanted)
}

/// Has the run yet to work on it, the way that it goes?
fn is_to_go(run: &Run, step: &Step) -> bool {
    match run.direction {
        Direction::Apply => matches!(step.phase, Phase::Planned | Phase::Applying),
        Direction::Rollback => {
            let tried = step.phase == Phase::RollbackFailed && step.attempt == run.tries.rollback;
            !step.phase.is_final() && !tried && run.rollback.as_ref().is_none_or(|request| request.covers(run, step))
        }
    }
}

fn values<S: serde::Serializer>(holds: &BTreeMap<FacetId, Hold>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(holds.values())
}

/// Why a part has no plan, in one line.
fn unplanned(part: &Part) -> Option<String> {
    if let Some(why) = &part.unseen {
        return Some(format!("FAILED  {}: it could not be planned again: {why}", part.title()));
    }
    match &part.plan {
        PartPlan::Failed { reason } => Some(format!("FAILED  {}: {reason}", part.title())),
        PartPlan::Skipped { reason } => {
            Some(format!("SKIPPED {}: the account's organisation lets nobody work there: {reason}", part.title()))
        }
        PartPlan::Missing | PartPlan::Written(_) => None,
    }
}
