//! The life of a run around its steps: who begins it, when its plan counts, how it ends, and what a rollback asks of it.
//! The ledger deduplicates, not the execution's name: at most one open run for a stage in a period.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::config::{Config, Guardrail};
use crate::decide::Target;
use crate::ids::{FacetId, RunId};
use crate::ledger::{Ledger, LedgerError, Versioned, step_digest};
use crate::phase::Phase;
use crate::record::{Attempts, Direction, FORMAT, Part, PartPlan, Released, RollbackRequest, Run, RunState, Slot, Step};

/// Whatever carries runs out: the state machine.
#[async_trait]
pub trait Workflow: Send + Sync {
    /// Starts the execution `name` of `input`. A name that is running already with this input counts as started.
    async fn start(&self, name: &str, input: &WorkflowInput) -> Result<Started, WorkflowError>;

    /// Is the execution `name` running?
    async fn is_running(&self, name: &str) -> Result<bool, WorkflowError>;
}

/// What came of starting an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It runs.
    Running,
    /// An execution of that name ran and ended: another name is needed.
    NameTaken,
}

/// The workflow could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct WorkflowError {
    /// What was being done.
    pub doing: String,
    /// Is it worth trying again as it is?
    pub retryable: bool,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The state machine's input: ids, and which functions to call in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowInput {
    /// The run.
    pub run: RunId,
    /// Which way.
    pub direction: Direction,
    /// The attempt that this execution is.
    pub attempt: u32,
    /// Groups of parts: one after another, mirrored on the way back.
    pub groups: Vec<Vec<PartRef>>,
}

/// A part of a run, and the action that works on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRef {
    /// Its index.
    pub part: usize,
    /// The action's name, by which the function is chosen.
    pub action: String,
}

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

/// What an alert came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// A run was begun, or a failed one is tried again.
    Started(Box<Run>),
    /// An open run does this already.
    Already(Box<Run>),
    /// The run is being put back: the alert is recorded only.
    GoingBack(Box<Run>),
    /// A person let the stage go for this period: the alert is recorded only.
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
    /// Who asks: a person's ARN, or a function and its request id.
    pub by: String,
}

impl Runs<'_> {
    /// Sees to it that `target` is enforced: begins a run, tries a failed one again, or finds that it is done.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached: the alert is to be delivered again.
    pub async fn begin(&self, target: &Target, config: &Config, guardrail: &Guardrail, alert: &str) -> Result<Begun, RunError> {
        loop {
            match self.try_begin(target, config, guardrail, alert).await {
                Err(RunError::Ledger(LedgerError::Conflict)) => {}
                other => return other,
            }
        }
    }

    async fn try_begin(&self, target: &Target, config: &Config, guardrail: &Guardrail, alert: &str) -> Result<Begun, RunError> {
        let slot = self.ledger.slot(target).await?;
        if let Some(slot) = &slot {
            let run = self.load(&slot.value.run).await?;
            if run.value.state.is_open() {
                return self.resume(run).await;
            }
            if let Some(released) = slot.value.released.clone().filter(|_| !target.simulated) {
                let mut run = run;
                let words = format!("an alert was recorded, not enforced: the stage was released by {}", released.by);
                run.value.note(self.clock.now(), &self.by, words);
                self.ledger.save_run(run, None).await?;
                return Ok(Begun::Released(released));
            }
            if run.value.state == RunState::Notified && !target.simulated {
                return Ok(Begun::Already(Box::new(run.value)));
            }
        }
        let run = self.draft(target, config, guardrail, alert);
        let slot = Versioned {
            rev: slot.map_or(0, |slot| slot.rev),
            value: Slot { format: FORMAT, run: run.id.clone(), released: None },
        };
        let run = self.ledger.save_run(Versioned { rev: 0, value: run }, Some(&slot)).await?;
        Ok(Begun::Started(Box::new(self.launch(run).await?.value)))
    }

    /// An open run that an alert found: it goes on, or is tried again if it failed or its execution died.
    async fn resume(&self, run: Versioned<Run>) -> Result<Begun, RunError> {
        match run.value.state {
            RunState::Enforced => Ok(Begun::Already(Box::new(run.value))),
            RunState::RollingBack | RunState::RollbackFailed | RunState::RolledBack | RunState::Notified => {
                Ok(Begun::GoingBack(Box::new(run.value)))
            }
            RunState::Opening | RunState::Applying | RunState::ApplyFailed => {
                // A failed one may still be telling people of it: it is tried again all the same.
                if run.value.state != RunState::ApplyFailed && self.present_attempt_runs(&run.value).await? {
                    return Ok(Begun::Already(Box::new(run.value)));
                }
                let mut run = run;
                run.value.tries.apply += 1;
                if run.value.state == RunState::ApplyFailed {
                    run.value.state = RunState::Applying;
                }
                Ok(Begun::Started(Box::new(self.launch(run).await?.value)))
            }
        }
    }

    /// Sees to it that the execution which the ledger speaks of runs. Its name and input are the same whoever starts it, so
    /// two who ask at once, or one who takes over from another that died before asking, get one execution.
    async fn present_attempt_runs(&self, run: &Run) -> Result<bool, RunError> {
        if run.attempt() == 0 {
            return Ok(false);
        }
        Ok(self.workflow.start(&execution_name(run), &input(run)).await? == Started::Running)
    }

    /// A run as it would begin: nothing is written.
    #[must_use]
    pub fn draft(&self, target: &Target, config: &Config, guardrail: &Guardrail, alert: &str) -> Run {
        let now = self.clock.now();
        let groups = guardrail.stage(target.stage).map(|stage| stage.groups.as_slice()).unwrap_or_default();
        let parts = groups.iter().enumerate().flat_map(|(group, actions)| {
            actions.iter().map(move |action| Part {
                group,
                action: action.name.clone(),
                params: action.params.clone(),
                plan: PartPlan::Missing,
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
            began: now,
            alert: alert.to_owned(),
            state: RunState::Opening,
            direction: Direction::Apply,
            attempts: Attempts::default(),
            tries: Attempts { apply: 1, rollback: 0 },
            parts: parts.collect(),
            rollback: None,
            events: Vec::new(),
        };
        run.note(now, &self.by, if target.simulated { "begun by a simulated alert" } else { "begun by an alert" });
        run
    }

    /// Starts an execution for the run's direction: the next attempt's, whose number is written down first.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when somebody else wrote the run meanwhile.
    pub async fn launch(&self, run: Versioned<Run>) -> Result<Versioned<Run>, RunError> {
        self.launch_with(run, None).await
    }

    async fn launch_with(&self, mut run: Versioned<Run>, mut slot: Option<Versioned<Slot>>) -> Result<Versioned<Run>, RunError> {
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

    /// Makes a plan count: the parts' plans are written into the run in one conditional write, after the steps were seen
    /// to be there. Steps of a run that has not opened are inert.
    ///
    /// # Errors
    /// [`RunError::Torn`] when steps are missing.
    pub async fn open(&self, id: &RunId, plans: &[PartPlan]) -> Result<Run, RunError> {
        let mut run = self.load(id).await?;
        if run.value.direction != Direction::Apply || !run.value.state.is_open() {
            return Ok(run.value);
        }
        for (part, plan) in plans.iter().enumerate().take(run.value.parts.len()) {
            if let PartPlan::Written(written) = plan {
                let found = self.ledger.steps_under(id, part, &written.token).await?;
                let found: Vec<Step> = found.into_iter().map(|step| step.value).collect();
                // Steps of a plan that counts already have moved on since.
                let counts = matches!(run.value.parts[part].plan, PartPlan::Written(_));
                if found.len() != written.steps || (!counts && step_digest(&found) != written.digest) {
                    return Err(RunError::Torn { run: id.clone(), part, planned: written.steps, found: found.len() });
                }
            }
            // A plan that counts already is never replaced: its steps may hold facets.
            if !matches!(run.value.parts[part].plan, PartPlan::Written(_)) {
                run.value.parts[part].plan = plan.clone();
            }
        }
        if run.value.state != RunState::Applying {
            run.value.note(self.clock.now(), &self.by, "the plan is whole");
        }
        run.value.state = RunState::Applying;
        Ok(self.ledger.save_run(run, None).await?.value)
    }

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

    /// Asks for a run to be put back, and starts the execution that does it. The stage is let go for the rest of its period
    /// by the same write, unless only some facets are asked for.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached.
    pub async fn roll_back(&self, id: &RunId, request: &RollbackRequest) -> Result<RollbackAsked, RunError> {
        loop {
            match self.try_roll_back(id, request).await {
                Err(RunError::Ledger(LedgerError::Conflict)) => {}
                other => return other,
            }
        }
    }

    async fn try_roll_back(&self, id: &RunId, request: &RollbackRequest) -> Result<RollbackAsked, RunError> {
        let mut run = self.load(id).await?;
        if !run.value.state.is_open() {
            return Ok(RollbackAsked::NothingToDo(Box::new(run.value)));
        }
        if !request.only.is_empty() {
            let steps = self.steps(&run.value).await?;
            if !steps.iter().any(|step| !step.phase.is_final() && request.covers(&step.facet)) {
                return Ok(RollbackAsked::NothingToDo(Box::new(run.value)));
            }
        }
        if run.value.state == RunState::RollingBack && self.present_attempt_runs(&run.value).await? {
            return Ok(RollbackAsked::UnderWay(Box::new(run.value)));
        }
        run.value.direction = Direction::Rollback;
        run.value.state = RunState::RollingBack;
        let what = if request.only.is_empty() { "rollback asked for" } else { "rollback of some facets asked for" };
        run.value.note(request.at, &request.by, format!("{what}: {}", request.why));
        run.value.rollback = Some(request.clone());
        let slot = self.ledger.slot(&run.value.target()).await?.filter(|slot| slot.value.run == *id && request.only.is_empty());
        let slot = slot.map(|slot| released(slot, request));
        run.value.tries.rollback += 1;
        Ok(RollbackAsked::Started(Box::new(self.launch_with(run, slot).await?.value)))
    }

    /// Tries an open run of `target` again that failed, or whose execution died; an ACTUAL alert is sent once a period, so
    /// the next alert may never come. Nothing when there is none.
    ///
    /// # Errors
    /// When the ledger or the workflow cannot be reached.
    pub async fn retry(&self, target: &Target) -> Result<Option<Begun>, RunError> {
        loop {
            let Some(slot) = self.ledger.slot(target).await? else { return Ok(None) };
            let run = self.load(&slot.value.run).await?;
            if !run.value.state.is_open() {
                return Ok(None);
            }
            match self.resume(run).await {
                Err(RunError::Ledger(LedgerError::Conflict)) => {}
                other => return other.map(Some),
            }
        }
    }

    /// Lets alerts be enforced again on a stage that a person had let go. Says whether there was anything to lift.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn rearm(&self, target: &Target) -> Result<bool, RunError> {
        loop {
            let Some(mut slot) = self.ledger.slot(target).await?.filter(|slot| slot.value.released.is_some()) else {
                return Ok(false);
            };
            slot.value.released = None;
            match self.ledger.save_slot(target, &slot).await {
                Err(LedgerError::Conflict) => {}
                other => return Ok(other.map(|()| true)?),
            }
        }
    }

    /// All steps of a run, in order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn steps(&self, run: &Run) -> Result<Vec<Step>, LedgerError> {
        let mut steps = Vec::new();
        for part in 0..run.parts.len() {
            steps.extend(self.ledger.steps(run, part).await?.into_iter().map(|step| step.value));
        }
        Ok(steps)
    }

    async fn load(&self, id: &RunId) -> Result<Versioned<Run>, RunError> {
        self.ledger.run(id).await?.ok_or_else(|| RunError::NoSuchRun(id.clone()))
    }
}

fn released(slot: Versioned<Slot>, request: &RollbackRequest) -> Versioned<Slot> {
    let released = Some(Released { by: request.by.clone(), at: request.at, why: request.why.clone() });
    Versioned { rev: slot.rev, value: Slot { released, ..slot.value } }
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

/// What a rollback request came to.
#[derive(Debug, Clone, PartialEq)]
pub enum RollbackAsked {
    /// It is under way, by this request.
    Started(Box<Run>),
    /// Somebody else's request is under way.
    UnderWay(Box<Run>),
    /// The run holds nothing.
    NothingToDo(Box<Run>),
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

/// `<apply|rollback>-<run id>-<attempt>`.
#[must_use]
pub fn execution_name(run: &Run) -> String {
    format!("{}-{}-{}", run.direction.as_str(), run.id, run.attempt())
}

/// The state machine's input for the run's direction.
#[must_use]
pub fn input(run: &Run) -> WorkflowInput {
    let mut groups: Vec<Vec<PartRef>> = Vec::new();
    for (index, part) in run.parts.iter().enumerate() {
        let reference = PartRef { part: index, action: part.action.to_string() };
        if groups.len() <= part.group {
            groups.resize_with(part.group + 1, Vec::new);
        }
        groups[part.group].push(reference);
    }
    groups.retain(|group| !group.is_empty());
    if run.direction == Direction::Rollback {
        groups.reverse();
    }
    WorkflowInput { run: run.id.clone(), direction: run.direction, attempt: run.attempt(), groups }
}
