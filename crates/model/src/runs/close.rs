//! The end of an execution: the run is judged by its steps.

use serde::{Deserialize, Serialize};

use super::{RunError, Runs, released};
use crate::ids::{FacetId, RunId};
use crate::ledger::{LedgerError, Versioned};
use crate::phase::Phase;
use crate::record::{Direction, PartPlan, Run, RunState, Slot, Step};

impl Runs<'_> {
    /// Ends an execution: judges the run by its steps, and writes down how it stands. `unfinished` says that the execution
    /// left work undone because it grew too long: another goes on.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn close(
        &self,
        id: &RunId,
        direction: Direction,
        failures: &[String],
        unfinished: bool,
    ) -> Result<Closed, RunError> {
        loop {
            match self.try_close(id, direction, failures, unfinished).await {
                Err(RunError::Ledger(LedgerError::Conflict)) => {}
                other => return other,
            }
        }
    }

    async fn try_close(
        &self,
        id: &RunId,
        direction: Direction,
        failures: &[String],
        unfinished: bool,
    ) -> Result<Closed, RunError> {
        let mut run = self.load(id).await?;
        if run.value.direction == direction && !run.value.state.is_open() {
            // Closed before, and the answer was lost: people are still to be told.
            return Ok(Closed { outcome: Outcome::Succeeded, run: run.value });
        }
        if run.value.direction != direction {
            return Ok(Closed { outcome: Outcome::Superseded, run: run.value });
        }
        if unfinished {
            let run = self.launch(run).await?;
            return Ok(Closed { outcome: Outcome::Continued, run: run.value });
        }
        let steps = self.steps(&run.value).await?;
        let verdict = verdict(&run.value, &steps, failures);
        run.value.state = verdict.state;
        run.value.note(self.clock.now(), &self.by, verdict.words);
        let outcome = if verdict.failed { Outcome::Failed } else { Outcome::Succeeded };
        let slot = self.let_go_at_last(&run.value).await?;
        if direction == Direction::Rollback && matches!(verdict.state, RunState::Enforced | RunState::ApplyFailed) {
            run.value.direction = Direction::Apply;
            run.value.rollback = None;
        }
        Ok(Closed { outcome, run: self.ledger.save_run(run, slot.as_ref()).await?.value })
    }

    /// The slot of a run that was put back piece by piece: the last piece lets the stage go.
    async fn let_go_at_last(&self, run: &Run) -> Result<Option<Versioned<Slot>>, RunError> {
        let Some(request) = run.rollback.as_ref().filter(|_| run.state == RunState::RolledBack) else { return Ok(None) };
        let slot = self.ledger.slot(&run.target()).await?;
        let slot = slot.filter(|slot| slot.value.run == run.id && !request.only.is_empty());
        Ok(slot.map(|slot| released(slot, request)))
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
}

struct Verdict {
    state: RunState,
    failed: bool,
    words: String,
}

fn verdict(run: &Run, steps: &[Step], failures: &[String]) -> Verdict {
    let count = |phases: &[Phase]| steps.iter().filter(|step| phases.contains(&step.phase)).count();
    let unplanned = run.parts.iter().filter(|part| !matches!(part.plan, PartPlan::Written(_))).count();
    match run.direction {
        Direction::Apply => {
            let failed = count(&[Phase::Planned, Phase::Applying, Phase::ApplyFailed]) + unplanned;
            let failed = failed > 0 || !failures.is_empty();
            let state = match (failed, run.parts.is_empty()) {
                (true, _) => RunState::ApplyFailed,
                (false, true) => RunState::Notified,
                (false, false) => RunState::Enforced,
            };
            let words = format!(
                "{}: {} applied, {} left alone, {} failed{}",
                state.words(),
                count(&[Phase::Applied]),
                count(&[Phase::Skipped]),
                count(&[Phase::Planned, Phase::Applying, Phase::ApplyFailed]),
                told(failures)
            );
            let words = if state == RunState::Notified { "notified: the stage asks for no action".to_owned() } else { words };
            Verdict { state, failed, words }
        }
        Direction::Rollback => {
            let asked = |facet: &FacetId| run.rollback.as_ref().is_none_or(|request| request.covers(facet));
            let held = |step: &&Step| !step.phase.is_final();
            let failed = steps.iter().filter(held).filter(|step| asked(&step.facet)).count() > 0 || !failures.is_empty();
            let rest = steps.iter().filter(held).count();
            let half_done = count(&[Phase::Planned, Phase::Applying, Phase::ApplyFailed]) + unplanned > 0;
            let state = match (failed, rest) {
                (true, _) => RunState::RollbackFailed,
                (false, 0) => RunState::RolledBack,
                (false, _) if count(&[Phase::RollingBack, Phase::RollbackFailed]) > 0 => RunState::RollbackFailed,
                // Some facets were put back, and the others are as applying left them.
                (false, _) if half_done => RunState::ApplyFailed,
                (false, _) => RunState::Enforced,
            };
            let words =
                format!("{}: {} put back, {rest} still held{}", state.words(), count(&[Phase::RolledBack]), told(failures));
            Verdict { state, failed, words }
        }
    }
}

fn told(failures: &[String]) -> String {
    if failures.is_empty() { String::new() } else { format!("; {}", failures.join("; ")) }
}
