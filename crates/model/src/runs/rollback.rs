//! The way back as a person asks for it, and the commands that lift it again.

use super::retry::retry_conflicts;
use super::{Begun, RunError, Runs, released};
use crate::ids::RunId;
use crate::ledger::Versioned;
use crate::record::{Direction, RollbackRequest, Run, RunState, Target};

impl Runs<'_> {
    /// Asks for a run to be put back, and starts the execution that does it. The stage is let go for the rest of its period
    /// by the same write, unless only some facets are asked for, or the request keeps it armed.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached.
    pub async fn roll_back(&self, id: &RunId, request: &RollbackRequest) -> Result<RollbackAsked, RunError> {
        retry_conflicts(|| self.try_roll_back(id, request)).await
    }

    async fn try_roll_back(&self, id: &RunId, request: &RollbackRequest) -> Result<RollbackAsked, RunError> {
        let mut run = self.load(id).await?;
        if !run.value.state.is_open() {
            return Ok(RollbackAsked::NothingToDo(Box::new(run.value)));
        }
        let waits = run.value.state == RunState::Waiting;
        // Its plan is made again after the approval, and would not know what a person let go of this one.
        let is_planned_again = waits || run.value.state == RunState::Opening;
        let nothing_begun = run.value.approval.as_ref().is_some_and(|approval| approval.settled.is_empty());
        if !request.is_whole() && is_planned_again && nothing_begun {
            return Ok(RollbackAsked::NothingToDo(Box::new(run.value)));
        }
        if !request.is_whole() {
            let mut any = false;
            self.ledger.visit(&run.value, |step| any |= !step.phase.is_final() && request.covers(&run.value, &step)).await?;
            if !any {
                return Ok(RollbackAsked::NothingToDo(Box::new(run.value)));
            }
        }
        let under_way = run.value.state == RunState::RollingBack && self.present_attempt_runs(&run.value).await?;
        let what = |request: &RollbackRequest| {
            (request.only.clone(), request.actions.clone(), request.places.clone(), request.force, request.armed)
        };
        let same = |present: &RollbackRequest| what(present) == what(request);
        if under_way && run.value.rollback.as_ref().is_some_and(same) {
            return Ok(RollbackAsked::UnderWay(Box::new(run.value)));
        }
        run.value.direction = Direction::Rollback;
        run.value.state = RunState::RollingBack;
        let words = if request.is_whole() { "rollback asked for" } else { "rollback of some facets asked for" };
        run.value.note(request.at, &request.by, format!("{words}: {}", request.why));
        run.value.rollback = Some(request.clone());
        run.value.leave_alone(request.scope());
        let releases = request.is_whole() && !request.armed;
        let slot = self.ledger.stage_state(&run.value.target()).await?.filter(|slot| releases && slot.value.run == *id);
        let slot = slot.map(|slot| released(slot, &request.by, request.at, &request.why));
        run.value.rescanning = None;
        run.value.tries.rollback += 1;
        run.value.tried_at = Some(self.clock.now());
        if under_way {
            // The execution that runs goes by the present request; one that is just ending starts another.
            return Ok(RollbackAsked::Changed(Box::new(self.ledger.save_run(run, slot.as_ref()).await?.value)));
        }
        let run = self.launch_with(run, slot).await?;
        if waits {
            // The execution that waits for an approval learns that there is nothing to approve any more. If not now, when its
            // time is up.
            self.wake(&run.value).await.ok();
        }
        Ok(RollbackAsked::Started(Box::new(run.value)))
    }

    /// Tries an open run of `target` again that failed, or whose execution died; an ACTUAL alert is sent once a period, so
    /// the next alert may never come. Nothing when there is none.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached.
    pub async fn retry(&self, target: &Target) -> Result<Option<Begun>, RunError> {
        retry_conflicts(|| async move {
            let Some(slot) = self.ledger.stage_state(target).await? else { return Ok(None) };
            let run = self.load(&slot.value.run).await?;
            match run.value.state {
                RunState::Enforced if run.value.approval.as_ref().is_some_and(|approval| !approval.refused.is_empty()) => {
                    self.reopen(run).await.map(Some)
                }
                state if state.is_open() => self.resume(run).await.map(Some),
                _ => Ok(None),
            }
        })
        .await
    }

    /// A person wants to be asked once more about the steps that were refused.
    async fn reopen(&self, mut run: Versioned<Run>) -> Result<Begun, RunError> {
        let now = self.clock.now();
        if let Some(approval) = &mut run.value.approval {
            approval.reopened = std::mem::take(&mut approval.refused);
            approval.worked = None;
        }
        run.value.tries.apply += 1;
        (run.value.tried_at, run.value.rescanning, run.value.state) = (Some(now), None, RunState::Opening);
        run.value.parts.iter_mut().for_each(|part| (part.unseen, part.cursor) = (None, None));
        run.value.note(now, &self.by, "tried again: the steps that were rejected are asked about once more");
        Ok(Begun::Started(Box::new(self.launch(run).await?.value)))
    }

    /// Lets alerts be enforced again on a stage that a person had let go, and lets the run take resources again that come where a
    /// piece of it was put back. Says whether there was anything to lift.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn rearm(&self, target: &Target) -> Result<bool, RunError> {
        retry_conflicts(|| async move {
            let Some(mut slot) = self.ledger.stage_state(target).await? else { return Ok(false) };
            // The run whose rollback had released it says so too: an audit reads its events.
            let mut run = self.load(&slot.value.run).await?;
            let in_pieces = run.value.state.is_open() && !run.value.partial_rollbacks.is_empty();
            let discarded = std::mem::take(&mut slot.value.discarded);
            if slot.value.released.take().is_none() && discarded.is_empty() && !in_pieces {
                return Ok(false);
            }
            run.value.partial_rollbacks.clear();
            run.value.note(self.clock.now(), &self.by, "the stage is armed again: alerts are enforced");
            self.ledger.save_run(run, Some(&slot)).await?;
            Ok(true)
        })
        .await
    }
}

/// The outcome of a rollback request.
#[derive(Debug, Clone, PartialEq)]
pub enum RollbackAsked {
    /// It is under way, by this request.
    Started(Box<Run>),
    /// The same request is under way.
    UnderWay(Box<Run>),
    /// Another request was under way; the work goes by this one now.
    Changed(Box<Run>),
    /// The run holds nothing.
    NothingToDo(Box<Run>),
}
