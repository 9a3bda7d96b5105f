//! Work that is due without a new alert: a run whose execution died is taken up, and one that holds looks again at its holds.

use super::retry::retry_conflicts;
use super::{RunError, Runs};
use crate::ids::RunId;
use crate::record::{Direction, Run, RunState};

/// The outcome of looking again.
#[derive(Debug, Clone, PartialEq)]
pub enum Rescanned {
    /// An execution was started for it.
    Started(Box<Run>),
    /// An execution of the run is under way.
    UnderWay(Box<Run>),
    /// The run does not hold its facets: there is nothing to look after.
    NotHeld(Box<Run>),
}

impl Runs<'_> {
    /// Starts an execution that plans a run's parts again. Resources that came into scope since become steps of the run. Drift is
    /// enforced again or told to people, and steps that had failed are tried again. People are told only of changes.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached.
    pub async fn rescan(&self, id: &RunId) -> Result<Rescanned, RunError> {
        retry_conflicts(|| self.try_rescan(id)).await
    }

    async fn try_rescan(&self, id: &RunId) -> Result<Rescanned, RunError> {
        let mut run = self.load(id).await?;
        if !matches!(run.value.state, RunState::Enforced | RunState::ApplyFailed) {
            return Ok(Rescanned::NotHeld(Box::new(run.value)));
        }
        if self.present_attempt_runs(&run.value).await? {
            return Ok(Rescanned::UnderWay(Box::new(run.value)));
        }
        run.value.rescanning = Some(run.value.state);
        run.value.tries.apply += 1;
        run.value.tried_at = Some(self.clock.now());
        if run.value.state == RunState::ApplyFailed {
            run.value.state = RunState::Applying;
        }
        Ok(Rescanned::Started(Box::new(self.launch(run).await?.value)))
    }

    /// Takes up a run whose execution died, whichever way it goes. Nothing when there is none to take up.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached.
    pub async fn take_up(&self, id: &RunId) -> Result<Option<Run>, RunError> {
        retry_conflicts(|| self.try_take_up(id)).await
    }

    async fn try_take_up(&self, id: &RunId) -> Result<Option<Run>, RunError> {
        let mut run = self.load(id).await?;
        let under_way =
            matches!(run.value.state, RunState::Opening | RunState::Waiting | RunState::Applying | RunState::RollingBack);
        if !under_way {
            return Ok(None);
        }
        if self.present_attempt_runs(&run.value).await? {
            // The command that decided may have died before the execution that waits was woken.
            let answered = run.value.approval.as_ref().is_some_and(|approval| approval.decision().is_some());
            let decided = answered || run.value.wake.is_some();
            if run.value.state == RunState::Opening && decided {
                self.wake(&run.value).await?;
            }
            return Ok(None);
        }
        let now = self.clock.now();
        match run.value.direction {
            Direction::Apply => run.value.tries.apply += 1,
            Direction::Rollback => run.value.tries.rollback += 1,
        }
        run.value.tried_at = Some(now);
        // A look goes on as one: nobody asked for more, so people are not asked again about changes that they rejected.
        run.value.note(now, &self.by, "taken up: its execution had ended without an outcome");
        Ok(Some(self.launch(run).await?.value))
    }
}
