//! The end of an execution: the run is judged by its steps.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::retry::retry_conflicts;
use super::{RunError, Runs, released, verify};
use crate::clock;
use crate::config::Demand;
use crate::cursor::Cursor;
use crate::ids::RunId;
use crate::ledger::{LedgerError, Versioned};
use crate::phase::Phase;
use crate::record::{Direction, EnforcedAgain, Part, PartPlan, Run, RunState, StageState, Step};
use crate::verify::Verification;

/// An execution's message at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The direction that it went.
    pub direction: Direction,
    /// The try that it was started for; executions of earlier versions do not say.
    pub try_number: Option<u32>,
    /// Parts that broke down, and why.
    pub failures: Vec<String>,
    /// Parts that it left undone because it grew too long, and where: another execution goes on there.
    pub unfinished: Vec<(usize, Option<Cursor>)>,
}

impl Runs<'_> {
    /// Ends an execution: judges the run by its steps, and writes down how it stands.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn close(&self, id: &RunId, ended: &Ended) -> Result<Closed, RunError> {
        retry_conflicts(|| self.try_close(id, ended)).await
    }

    async fn try_close(&self, id: &RunId, ended: &Ended) -> Result<Closed, RunError> {
        let mut run = self.load(id).await?;
        if run.value.direction == ended.direction && !run.value.state.is_open() {
            // Closed before, and the answer was lost: people are still to be told.
            return Ok(Closed { outcome: Outcome::Succeeded, run: run.value });
        }
        // One that waits for a person was not worked on: another execution hears their answer.
        if run.value.direction != ended.direction || run.value.state == RunState::Waiting {
            return Ok(Closed { outcome: Outcome::Superseded, run: run.value });
        }
        // Something else was asked for meanwhile, and it may have passed steps that are in its scope.
        let asked_anew = run.value.direction == Direction::Rollback
            && ended.try_number.is_some_and(|try_number| try_number != run.value.try_number());
        for (part, cursor) in &ended.unfinished {
            if let Some(part) = run.value.parts.get_mut(*part) {
                part.cursor.clone_from(cursor);
            }
        }
        if !ended.unfinished.is_empty() || asked_anew {
            let run = self.launch(run).await?;
            return Ok(Closed { outcome: Outcome::Continued, run: run.value });
        }
        let census = self.census(&run.value).await?;
        let asks = run.value.approval.as_ref().is_some_and(|approval| approval.next.is_some());
        if ended.direction == Direction::Apply && (asks || census.to_ask > 0) {
            return self.ask_about_the_rest(run, census.to_ask, &ended.failures).await;
        }
        let begun_behind = match ended.direction {
            Direction::Apply if run.value.rescanning.is_some() => census.count(&[Phase::Planned, Phase::Applying]),
            Direction::Apply => 0,
            Direction::Rollback => census.asked_and_planned,
        };
        if ended.failures.is_empty() && begun_behind > 0 {
            // A look wrote them behind this execution's back: it had nothing left to do. The next begins at the first step, or it
            // would pass them too, and another after it, for ever.
            run.value.parts.iter_mut().for_each(|part| part.cursor = None);
            let run = self.launch(run).await?;
            return Ok(Closed { outcome: Outcome::Continued, run: run.value });
        }
        let verified = self.verified(&run.value).await?;
        let verdict = verdict(&run.value, &census, &ended.failures, verified.as_ref());
        let looked = run.value.rescanning.filter(|_| ended.direction == Direction::Apply);
        let closed = if ended.direction == Direction::Apply { Some(run.value.try_number()) } else { run.value.closed };
        let told = census.told(&run.value, self.clock.now());
        if looked == Some(verdict.state) && !census.fresh && ended.failures.is_empty() && !told.now {
            // People are not told again of a thing that they know.
            if (run.value.state, run.value.closed, run.value.enforced_again) != (verdict.state, closed, told.kept) {
                (run.value.state, run.value.closed, run.value.enforced_again) = (verdict.state, closed, told.kept);
                run = self.ledger.save_run(run, None).await?;
            }
            return Ok(Closed { outcome: Outcome::Unchanged, run: run.value });
        }
        run.value.closed = closed;
        run.value.state = verdict.state;
        run.value.note(self.clock.now(), &self.by, verdict.words + &told.words);
        run.value.enforced_again = told.kept;
        let outcome = if verdict.failed { Outcome::Failed } else { Outcome::Succeeded };
        let slot = self.let_go_at_last(&run.value).await?;
        if ended.direction == Direction::Rollback && matches!(verdict.state, RunState::Enforced | RunState::ApplyFailed) {
            run.value.direction = Direction::Apply;
            run.value.rollback = None;
        }
        Ok(Closed { outcome, run: self.ledger.save_run(run, slot.as_ref()).await?.value })
    }

    /// The steps that need no answer are carried out as far as they went. Another execution plans again, and asks a person about the rest.
    async fn ask_about_the_rest(&self, mut run: Versioned<Run>, rest: usize, failures: &[String]) -> Result<Closed, RunError> {
        let tried = run.value.tries.apply;
        if let Some(approval) = &mut run.value.approval {
            (approval.worked, approval.next) = (Some(tried), None);
        }
        run.value.parts.iter_mut().for_each(|part| part.cursor = None);
        run.value.state = RunState::Opening;
        let words =
            format!("the steps that need no answer are carried out; a person is asked about {rest} changes{}", told(failures));
        run.value.note(self.clock.now(), &self.by, words);
        let run = self.launch(run).await?;
        Ok(Closed { outcome: Outcome::Continued, run: run.value })
    }

    pub(super) async fn census(&self, run: &Run) -> Result<Census, LedgerError> {
        let mut census = Census::default();
        self.ledger
            .visit(run, |step| {
                *census.phases.entry(step.phase).or_default() += 1;
                census.still_on += usize::from(step.is_still_on());
                census.unplanned += usize::from(step.phase == Phase::Skipped && step.unplanned);
                let asked = run.rollback.as_ref().is_none_or(|request| request.covers(run, &step));
                census.asked_and_held += usize::from(asked && !step.phase.is_final());
                census.lost += usize::from(step.lost && !step.phase.is_final());
                census.asked_and_planned += usize::from(asked && step.phase == Phase::Planned);
                census.to_ask += usize::from(run.is_to_ask(&step));
                if is_news(run, &step) {
                    let again = is_again(run, &step);
                    census.again += u32::from(again);
                    census.fresh |= !again;
                }
            })
            .await?;
        Ok(census)
    }

    /// The slot of a run that holds nothing any more says so. Of one that was put back piece by piece, the last piece lets
    /// the stage go.
    async fn let_go_at_last(&self, run: &Run) -> Result<Option<Versioned<StageState>>, RunError> {
        if run.state.is_open() {
            return Ok(None);
        }
        let Some(mut slot) = self.ledger.stage_state(&run.target()).await?.filter(|slot| slot.value.run == run.id) else {
            return Ok(None);
        };
        if let Some(request) = run.rollback.as_ref().filter(|request| !request.is_whole()) {
            slot = released(slot, &request.by, request.at, &request.why);
        }
        slot.value.over = true;
        Ok(Some(slot))
    }
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// In short.
    pub outcome: Outcome,
    /// The run as it was left.
    pub run: Run,
}

/// How an execution ended, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything is done.
    Succeeded,
    /// Some step or action failed; everything else is done.
    Failed,
    /// The run goes the other way now.
    Superseded,
    /// Another execution goes on.
    Continued,
    /// It looked again at the holds, and found everything as it was.
    Unchanged,
}

/// How many steps stand where.
#[derive(Default)]
pub(super) struct Census {
    phases: BTreeMap<Phase, usize>,
    /// Of those that were left alone, how many because they could not be planned.
    unplanned: usize,
    /// Of those that were left alone, how many are not as the stage wants them, and nobody said that they are to be.
    still_on: usize,
    /// Of those that the rollback asks for, and not over.
    asked_and_held: usize,
    /// Of those that the rollback asks for, and not begun.
    asked_and_planned: usize,
    /// Of those that are held, and are there no more.
    lost: usize,
    /// Of all, those that a person is still to be asked about.
    to_ask: usize,
    /// Some step has news that nobody was told of.
    fresh: bool,
    /// Steps of which the only news is that somebody undid the change, and that it was made again.
    again: u32,
}

/// People are told at once of the first change that others undid, and then once a day, with the sum.
const DAILY: SignedDuration = SignedDuration::from_hours(24);

/// Whether people are told of the changes that others undid.
struct Told {
    now: bool,
    kept: Option<EnforcedAgain>,
    words: String,
}

impl Census {
    fn count(&self, phases: &[Phase]) -> usize {
        phases.iter().filter_map(|phase| self.phases.get(phase)).sum()
    }

    fn told(&self, run: &Run, now: Timestamp) -> Told {
        let since = |before: &EnforcedAgain| before.since.saturating_add(self.again);
        match run.enforced_again {
            None if self.again == 0 => Told { now: false, kept: None, words: String::new() },
            None => {
                let words = format!("; {}: people are told of more once a day", undone(self.again));
                Told { now: true, kept: Some(EnforcedAgain { told: now, since: 0 }), words }
            }
            Some(before) if since(&before) > 0 && now.duration_since(before.told) >= DAILY => {
                let words = format!("; {} since {}", undone(since(&before)), clock::words(before.told));
                Told { now: true, kept: Some(EnforcedAgain { told: now, since: 0 }), words }
            }
            Some(before) => {
                Told { now: false, kept: Some(EnforcedAgain { since: since(&before), ..before }), words: String::new() }
            }
        }
    }

    /// Not over.
    pub(super) fn held(&self) -> usize {
        self.phases.iter().filter(|(phase, _)| !phase.is_final()).map(|(_, count)| count).sum()
    }
}

/// Has the present try worked on the step, or one before it that died and told nobody?
fn is_news(run: &Run, step: &Step) -> bool {
    let forward = match step.phase {
        Phase::Planned | Phase::Applying | Phase::Applied | Phase::ApplyFailed => true,
        Phase::Skipped => !step.let_go,
        Phase::RollingBack | Phase::RolledBack | Phase::RollbackFailed | Phase::Abandoned => false,
    };
    forward && (step.attempt == run.tries.apply || run.closed.is_some_and(|closed| step.attempt > closed))
}

/// Is its only news that somebody undid the change since this try began, and that it was made again?
fn is_again(run: &Run, step: &Step) -> bool {
    let since = run.tried_at.filter(|_| run.rescanning.is_some());
    step.phase == Phase::Applied
        && step.reason.is_none()
        && since.is_some_and(|since| step.enforced_again().is_some_and(|(_, last)| last >= since))
}

fn undone(times: u32) -> String {
    match times {
        1 => "others undid 1 change, and it was made again".to_owned(),
        many => format!("others undid {many} changes, and they were made again"),
    }
}

struct Ending {
    state: RunState,
    failed: bool,
    words: String,
}

fn verdict(run: &Run, census: &Census, failures: &[String], verified: Option<&Verification>) -> Ending {
    let count = |phases: &[Phase]| census.count(phases);
    match run.direction {
        Direction::Apply => {
            let failed = count(&[Phase::Planned, Phase::Applying, Phase::ApplyFailed]) + unplanned(run);
            let left = census.still_on + census.unplanned > 0;
            let demanded = run.left_alone == Demand::Fail && left;
            let failed = failed > 0 || !failures.is_empty() || demanded || verify::fails(run, verified);
            let state = match (failed, run.parts.is_empty()) {
                (true, _) => RunState::ApplyFailed,
                (false, true) => RunState::Notified,
                (false, false) => RunState::Enforced,
            };
            let not_planned = match census.unplanned + unplanned(run) {
                0 => String::new(),
                some => format!("{some} could not be planned, "),
            };
            let nothing = state == RunState::Enforced && left && count(&[Phase::Applied]) == 0;
            let words = format!(
                "{}: {} applied, {} left alone, {not_planned}{} failed{}{}{}",
                if nothing { NOTHING } else { state.words() },
                count(&[Phase::Applied]),
                count(&[Phase::Skipped]) - census.unplanned,
                count(&[Phase::Planned, Phase::Applying, Phase::ApplyFailed]),
                told(failures),
                if demanded { "; the stage demands that nothing is left alone" } else { "" },
                verify::words(run, verified)
            );
            let words = if state == RunState::Notified { "notified: the stage asks for no action".to_owned() } else { words };
            Ending { state, failed, words }
        }
        Direction::Rollback => {
            let failed = census.asked_and_held > 0 || !failures.is_empty();
            let state = match (failed, census.held()) {
                (true, _) => RunState::RollbackFailed,
                (false, 0) => RunState::RolledBack,
                (false, _) => judge(run, census),
            };
            let by_hand = match count(&[Phase::Abandoned]) {
                0 => String::new(),
                some => format!("{some} settled by hand, "),
            };
            let lost = if census.lost == 0 { String::new() } else { format!("{} LOST, ", census.lost) };
            let words = format!(
                "{}: {} put back, {by_hand}{lost}{}{}",
                state.words(),
                count(&[Phase::RolledBack]),
                rest(census.held() - census.lost),
                told(failures)
            );
            Ending { state, failed, words }
        }
    }
}

/// The words for a run that ended well and changed no target in its scope.
pub(crate) const NOTHING: &str = "NOTHING enforced";

/// How a run stands of which some was let go, and some is still held.
pub(super) fn judge(run: &Run, census: &Census) -> RunState {
    let half_done = census.count(&[Phase::Planned, Phase::Applying, Phase::ApplyFailed]) + unplanned(run) > 0;
    if census.count(&[Phase::RollingBack, Phase::RollbackFailed]) > 0 {
        RunState::RollbackFailed
    } else if half_done {
        // Some facets were put back, and the others are as applying left them.
        RunState::ApplyFailed
    } else {
        RunState::Enforced
    }
}

/// In words, how much is still held.
pub(super) fn rest(held: usize) -> String {
    format!("{held} still held")
}

/// The parts without a plan that counts.
pub(super) fn unplanned(run: &Run) -> usize {
    let is_unplanned = |part: &&Part| part.unseen.is_some() || matches!(part.plan, PartPlan::Missing | PartPlan::Failed { .. });
    run.parts.iter().filter(is_unplanned).count()
}

fn told(failures: &[String]) -> String {
    if failures.is_empty() { String::new() } else { format!("; {}", failures.join("; ")) }
}
