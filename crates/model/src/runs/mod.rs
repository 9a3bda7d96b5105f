//! The life of a run around its steps: its beginning, when its plan counts, its end, and the effect of a rollback on it. The
//! ledger deduplicates, not the execution's name: at most one open run for a stage in a period.

mod abandon;
mod approval;
mod approval_gate;
mod believed;
mod close;
mod open;
mod rescan;
mod retry;
mod rollback;
mod verify;
mod workflow;

pub use abandon::{AbandonRequest, Abandoned, Left, is_quiet};
pub use approval::{Answer, Answered, Asked, Heard};
pub use believed::Grounds;
pub(crate) use close::NOTHING;
pub use close::{Closed, Ended, Outcome};
pub use open::Places;
pub use rescan::Rescanned;
pub use rollback::RollbackAsked;
pub use verify::ToVerify;
pub use workflow::{PartRef, Started, Woken, Workflow, WorkflowError, WorkflowInput, execution_name, input, waves};

use jiff::Timestamp;

use self::retry::retry_conflicts;
use crate::clock::Clock;
use crate::config::{Config, Guardrail};
use crate::ids::RunId;
use crate::ledger::{Ledger, LedgerError, Versioned};
use crate::record::{Attempts, Direction, FORMAT, Log, Part, PartPlan, Released, Run, RunState, StageState, Step, Target};

/// Why a run could not be begun, ended or put back.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The ledger did not do as asked.
    #[error("reading or writing the ledger")]
    Ledger(#[from] LedgerError),
    /// The workflow did not.
    #[error("asking the workflow")]
    Workflow(#[from] WorkflowError),
    /// There is no such run.
    #[error("the ledger has no run `{0}`")]
    NoSuchRun(RunId),
    /// A part's steps are not as the plan says.
    #[error("run `{run}`: part {part} was planned with {planned} steps, and the {found} that are there are not those")]
    Torn {
        /// The run.
        run: RunId,
        /// The part.
        part: usize,
        /// How many steps the plan has.
        planned: usize,
        /// How many were found.
        found: usize,
    },
}

impl RunError {
    /// Is it worth trying again as it is?
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_retryable(),
            Self::Workflow(error) => error.retryable,
            Self::NoSuchRun(_) | Self::Torn { .. } => false,
        }
    }
}

/// The outcome of an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// A run was begun, or a failed one is tried again.
    Started(Box<Run>),
    /// An open run does this already.
    Already(Box<Run>),
    /// A run waited because its figure was not believed. Now it is, and the run goes on.
    Believed(Box<Run>),
    /// The run is being put back: the alert is recorded only.
    GoingBack(Box<Run>),
    /// A person let the stage go for this period, or said no to this figure: the alert is recorded only.
    Released(Released),
}

/// The ledger, the workflow and the clock: all that the life of a run needs.
pub struct Runs<'a> {
    /// The ledger.
    pub ledger: &'a Ledger,
    /// The workflow.
    pub workflow: &'a dyn Workflow,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The actor: a person's ARN, or a function and its request id.
    pub by: String,
}

impl Runs<'_> {
    /// Sees to it that `target` is enforced: begins a run, tries a failed one again, or finds that it is done. A run that is
    /// begun with doubts waits for a person's approval; one that waits only for a doubt goes on when there is none any more.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached: the alert is to be delivered again.
    pub async fn begin(
        &self,
        target: &Target,
        config: &Config,
        guardrail: &Guardrail,
        alert: &str,
        grounds: &Grounds,
    ) -> Result<Begun, RunError> {
        // Large: boxed here, once for all callers.
        retry_conflicts(|| Box::pin(self.try_begin(target, config, guardrail, alert, grounds))).await
    }

    async fn try_begin(
        &self,
        target: &Target,
        config: &Config,
        guardrail: &Guardrail,
        alert: &str,
        grounds: &Grounds,
    ) -> Result<Begun, RunError> {
        let slot = self.ledger.stage_state(target).await?;
        let mut earlier = None;
        if let Some(slot) = &slot {
            let run = self.load(&slot.value.run).await?;
            if run.value.is_doubted() && grounds.doubts.is_empty() {
                return self.believe(run, guardrail, grounds).await;
            }
            if run.value.state.is_open() {
                return self.resume(run).await;
            }
            let standing = self.slot_standing(&slot.value, &run.value).await?;
            if let Some(released) = standing.stops(grounds.figure).filter(|_| !target.simulated) {
                let mut run = run;
                let words = format!("an alert was recorded, not enforced: {}", released.words());
                run.value.note(self.clock.now(), &self.by, words);
                self.ledger.save_run(run, None).await?;
                return Ok(Begun::Released(released));
            }
            if run.value.state == RunState::Notified && !target.simulated {
                return Ok(Begun::Already(Box::new(run.value)));
            }
            earlier = Some(standing);
        }
        let mut run = self.draft(target, config, guardrail, alert);
        run.remarks.clone_from(&grounds.remarks);
        run.doubt(guardrail, grounds, self.clock.now(), &self.by);
        let slot = Versioned {
            rev: slot.map_or(0, |slot| slot.rev),
            value: earlier.map_or_else(|| StageState::of(run.id.clone()), |earlier| earlier.next(run.id.clone())),
        };
        let run = self.ledger.save_run(Versioned { rev: 0, value: run }, Some(&slot)).await?;
        Ok(Begun::Started(Box::new(self.launch(run).await?.value)))
    }

    /// An open run that an alert found: it goes on, or is tried again if it failed or its execution died.
    async fn resume(&self, run: Versioned<Run>) -> Result<Begun, RunError> {
        match run.value.state {
            RunState::Enforced => Ok(Begun::Already(Box::new(run.value))),
            RunState::RollingBack
            | RunState::RollbackFailed
            | RunState::RolledBack
            | RunState::Notified
            | RunState::Rejected
            | RunState::Abandoned => Ok(Begun::GoingBack(Box::new(run.value))),
            RunState::Opening | RunState::Waiting | RunState::Applying | RunState::ApplyFailed => {
                // A failed one may still be telling people of it: it is tried again all the same.
                if run.value.state != RunState::ApplyFailed && self.present_attempt_runs(&run.value).await? {
                    if run.value.wake.is_some() && run.value.state == RunState::Opening {
                        self.wake(&run.value).await?;
                    }
                    return Ok(Begun::Already(Box::new(run.value)));
                }
                let mut run = run;
                run.value.tries.apply += 1;
                run.value.tried_at = Some(self.clock.now());
                run.value.rescanning = None;
                run.value.parts.iter_mut().for_each(|part| part.unseen = None);
                run.value.note(self.clock.now(), &self.by, "tried again");
                if run.value.state == RunState::ApplyFailed {
                    run.value.state = RunState::Applying;
                }
                Ok(Begun::Started(Box::new(self.launch(run).await?.value)))
            }
        }
    }

    /// Sees to it that the execution which the ledger speaks of runs. Its name and input are the same for every starter, so two
    /// who ask at once, or one who takes over from another that died before asking, get one execution.
    async fn present_attempt_runs(&self, run: &Run) -> Result<bool, RunError> {
        if run.attempt() == 0 {
            return Ok(false);
        }
        Ok(self.workflow.start(&execution_name(run), &input(run)).await? == Started::Running)
    }

    /// A run as it would begin: nothing is written.
    #[must_use]
    pub fn draft(&self, target: &Target, config: &Config, guardrail: &Guardrail, alert: &str) -> Run {
        draft(target, config, guardrail, alert, &self.by, self.clock.now())
    }

    /// Starts an execution for the run's direction: the next attempt's, whose number is written down first.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when somebody else wrote the run meanwhile.
    pub async fn launch(&self, run: Versioned<Run>) -> Result<Versioned<Run>, RunError> {
        self.launch_with(run, None).await
    }

    async fn launch_with(
        &self,
        mut run: Versioned<Run>,
        mut slot: Option<Versioned<StageState>>,
    ) -> Result<Versioned<Run>, RunError> {
        loop {
            match run.value.direction {
                Direction::Apply => run.value.attempts.apply += 1,
                Direction::Rollback => run.value.attempts.rollback += 1,
            }
            run = self.ledger.save_run(run, slot.take().as_ref()).await?;
            match self.workflow.start(&execution_name(&run.value), &input(&run.value)).await? {
                Started::Running => return Ok(run),
                Started::NameTaken => {}
            }
        }
    }

    /// All steps of a run, in order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn steps(&self, run: &Run) -> Result<Vec<Step>, LedgerError> {
        self.ledger.all_steps(run).await
    }

    async fn load(&self, id: &RunId) -> Result<Versioned<Run>, RunError> {
        self.ledger.run(id).await?.ok_or_else(|| RunError::NoSuchRun(id.clone()))
    }
}

fn released(slot: Versioned<StageState>, by: &str, at: Timestamp, why: &str) -> Versioned<StageState> {
    let released = Some(Released { by: by.to_owned(), at, why: why.to_owned() });
    Versioned { rev: slot.rev, value: StageState { released, ..slot.value } }
}

/// A run as it would begin at `now`, on behalf of `by`: nothing is written, so no ledger is needed.
#[must_use]
pub fn draft(target: &Target, config: &Config, guardrail: &Guardrail, alert: &str, by: &str, now: Timestamp) -> Run {
    let waves = guardrail.stage(target.stage).map(|stage| stage.waves.as_slice()).unwrap_or_default();
    let parts = waves.iter().enumerate().flat_map(|(wave, actions)| {
        actions.iter().map(move |action| Part {
            wave,
            action: action.name.clone(),
            params: action.params.clone(),
            place: None,
            plan: PartPlan::Missing,
            cursor: None,
            late: false,
            unseen: None,
        })
    });
    let mut run = Run {
        format: FORMAT,
        id: RunId::new(now),
        guardrail: target.guardrail.clone(),
        stage: target.stage,
        period: target.period.clone(),
        simulated: target.simulated,
        budget: guardrail.budget.clone(),
        operators: config.operators.clone(),
        pace: config.pace.clone(),
        began: now,
        alert: alert.to_owned(),
        state: RunState::Opening,
        direction: Direction::Apply,
        attempts: Attempts::default(),
        tries: Attempts { apply: 1, rollback: 0 },
        parts: parts.collect(),
        tried_at: None,
        approval: approval_gate::asked_for(guardrail.stage(target.stage)),
        wake: None,
        remarks: Vec::new(),
        verify: guardrail.stage(target.stage).and_then(|stage| stage.verify.clone()),
        left_alone: guardrail.stage(target.stage).map(|stage| stage.left_alone).unwrap_or_default(),
        rescanning: None,
        closed: None,
        partial_rollbacks: Vec::new(),
        enforced_again: None,
        rollback: None,
        events: Log::default(),
    };
    run.note(now, by, if target.simulated { "begun by a simulated alert" } else { "begun by an alert" });
    run
}
