//! The sequencer: the only code that orders observe, write-ahead, change and record. Every action goes through it, both
//! ways, so what holds here holds for all of them:
//!
//! - Before is in the ledger before the first call that changes its facet.
//! - A call is made only under a lease that outlasts it, and the other direction waits for the lease's end: EC2 and IAM know
//!   no fencing, so a stalled writer's call can land late.
//! - A step is Applied or `RolledBack` only when the world was seen to agree.
//! - Whatever was interrupted is taken up from what the ledger and the world say, never from memory.

mod decide;
mod record;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionError, Answer, Change, Seen};
use crate::clock::Clock;
use crate::ids::{FacetId, Nonce, RunId, Value};
use crate::ledger::{Ledger, LedgerError, Move, Versioned};
use crate::phase::Phase;
use crate::record::{Direction, FORMAT, Run, RunState, Step, StepEvent, Written};
use decide::{ApplyNext, RollbackNext};

/// How long after its deadline a dead invocation's calls may still land: clock skew and what is under way in the network.
pub const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(15);
/// No batch is begun with less time than this left.
const RESERVE: SignedDuration = SignedDuration::from_secs(10);
/// Seconds after which a record that somebody else was writing is read again.
const AFTER_CONFLICT: i64 = 1;
/// The longest wait between two looks, so that progress and a change of mind are seen.
const LONGEST_WAIT: i64 = 60;

/// Carries steps through their phases.
pub struct Drive<'a> {
    ledger: &'a Ledger,
    clock: &'a dyn Clock,
    /// When this invocation ends: calls after it cannot come from here.
    deadline: Timestamp,
    by: String,
    owner: Nonce,
}

/// Why a drive stopped without an answer.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The ledger did not do as asked.
    #[error("reading or writing the ledger")]
    Ledger(#[from] LedgerError),
    /// The action could not read the account.
    #[error("{action}: {doing}")]
    Action {
        /// The run's action.
        action: String,
        /// What it was doing.
        doing: &'static str,
        /// Why it could not.
        #[source]
        source: ActionError,
    },
    /// There is no such run or part.
    #[error("the ledger has no run `{0}` with a part {1}")]
    NoSuchPart(RunId, usize),
}

impl DriveError {
    /// Is it worth trying again as it is?
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_retryable(),
            Self::Action { source, .. } => matches!(source, ActionError::Retryable(_)),
            Self::NoSuchPart(..) => false,
        }
    }
}

/// How far a part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Progress {
    /// Nothing is left to do in this direction, in this attempt.
    Done {
        /// Steps that were applied, or rolled back, by this call.
        changed: usize,
        /// Steps of the part that failed.
        failed: usize,
    },
    /// Come back in so many seconds.
    Settling {
        /// How many.
        seconds: i64,
        /// Steps that were applied, or rolled back, by this call.
        changed: usize,
    },
    /// The run goes the other way now: leave it.
    Superseded,
}

impl<'a> Drive<'a> {
    /// A drive that must end by `deadline`; `by` says in the events who it was.
    #[must_use]
    pub fn new(ledger: &'a Ledger, clock: &'a dyn Clock, deadline: Timestamp, by: String) -> Self {
        Self { ledger, clock, deadline, by, owner: Nonce::fresh() }
    }

    /// Plans a part: reads only, and writes down steps that stay inert until the run opens with them.
    ///
    /// # Errors
    /// When the action cannot or must not plan, or the ledger cannot be written.
    pub async fn plan(&self, run: &Run, part: usize, action: &dyn Action) -> Result<Written, DriveError> {
        let token = Nonce::fresh();
        let steps = self.steps(run, part, &token, action).await?;
        Ok(self.ledger.write_plan(token, &steps).await?)
    }

    /// The steps that a plan made now would have. Writes nothing.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub async fn steps(&self, run: &Run, part: usize, token: &Nonce, action: &dyn Action) -> Result<Vec<Step>, DriveError> {
        let planned = action.plan().await.map_err(|source| failed(run, part, "planning", source))?;
        let ids: Vec<FacetId> = planned.iter().map(|planned| planned.facet.clone()).collect();
        let facets = self.ledger.facets(&ids).await?;
        let now = self.clock.now();
        let steps = planned.into_iter().map(|planned| {
            let refused = facets
                .get(&planned.facet)
                .and_then(|facet| decide::opposite_wish(&facet.value, &format!("{}#{part}", run.id), &planned.wanted));
            let (phase, reason) = match (planned.skip, refused) {
                (Some(skip), _) => (Phase::Skipped, Some(skip)),
                (None, Some(refused)) => (Phase::ApplyFailed, Some(refused)),
                (None, None) => (Phase::Planned, None),
            };
            Step {
                format: FORMAT,
                run: run.id.clone(),
                part,
                token: token.clone(),
                facet: planned.facet,
                label: planned.label,
                present: planned.present,
                wanted: planned.wanted,
                before: None,
                phase,
                reason: reason.clone(),
                // No attempt has worked on it: between a plan and its work may lie an approval.
                attempt: 0,
                since: now,
                put_back: false,
                events: vec![StepEvent { at: now, by: self.by.clone(), phase, reason }],
            }
        });
        Ok(steps.collect())
    }

    /// Takes a part of a run as far in `direction` as this invocation can.
    ///
    /// # Errors
    /// When the account cannot be read, or the ledger not be read or written. What was done stays written down.
    pub async fn go(&self, direction: Direction, run: &RunId, part: usize, action: &dyn Action) -> Result<Progress, DriveError> {
        let Some(current) = self.current(direction, run, part).await? else { return Ok(Progress::Superseded) };
        let steps = self.ledger.steps(&current.value, part).await?;
        let in_scope = |step: &Versioned<Step>| match (direction, &current.value.rollback) {
            (Direction::Rollback, Some(request)) => request.covers(&step.value.facet),
            _ => true,
        };
        let steps: Vec<Versioned<Step>> = steps.into_iter().filter(in_scope).collect();
        let open: Vec<Versioned<Step>> = steps.into_iter().filter(|step| !step.value.phase.is_final()).collect();
        let mut tally = Tally::default();
        for batch in open.chunks(action.batch().max(1)) {
            if self.clock.now() + RESERVE > self.deadline {
                tally.wait(AFTER_CONFLICT);
                break;
            }
            let Some(run) = self.current(direction, run, part).await? else { return Ok(Progress::Superseded) };
            match direction {
                Direction::Apply => self.apply(&run.value, part, batch, action, &mut tally).await?,
                Direction::Rollback => self.roll_back(&run.value, part, batch, action, &mut tally).await?,
            }
        }
        Ok(tally.progress())
    }

    /// The run, if it is open and goes in `direction`.
    async fn current(&self, direction: Direction, run: &RunId, part: usize) -> Result<Option<Versioned<Run>>, DriveError> {
        let current = self.ledger.run(run).await?.filter(|run| part < run.value.parts.len());
        let current = current.ok_or_else(|| DriveError::NoSuchPart(run.clone(), part))?;
        let live = current.value.state.is_open() && current.value.state != RunState::Opening;
        Ok((live && current.value.direction == direction).then_some(current))
    }

    async fn apply(
        &self,
        run: &Run,
        part: usize,
        batch: &[Versioned<Step>],
        action: &dyn Action,
        tally: &mut Tally,
    ) -> Result<(), DriveError> {
        let ids = ids(batch);
        let facets = self.ledger.facets(&ids).await?;
        // Read before looking: a lease that ends while we look had not ended for what we see.
        let now = self.clock.now();
        let seen = self.observe(run, part, action, &ids).await?;
        let (mut settled, mut intents) = (Vec::new(), Vec::new());
        for step in batch {
            let facet = facets.get(&step.value.facet);
            let next = decide::apply(&step.value, facet.map(|f| &f.value), &seen[&step.value.facet], run.tries.apply, now);
            match next {
                ApplyNext::Nothing => tally.count(step.value.phase),
                ApplyNext::Wait(None) if step.value.attempt != run.try_number() => {
                    settled.push(Move { step: self.taken_up(run, step), facet: None });
                    tally.wait(self.seconds(None, action));
                }
                ApplyNext::Wait(None) if self.waited(run, &step.value) >= action.patience().limit => {
                    let why = format!("the world did not settle: {}", describe(&seen[&step.value.facet]));
                    settled.push(self.advance(run, step, None, Phase::ApplyFailed, Some(why))?);
                }
                ApplyNext::Wait(until) => tally.wait(self.seconds(until, action)),
                ApplyNext::Skip(why) => settled.push(self.let_go(run, step, facet, Phase::Skipped, Some(why))?),
                ApplyNext::Refuse(why) => settled.push(self.advance(run, step, None, Phase::ApplyFailed, Some(why))?),
                ApplyNext::Settled => settled.push(self.hold(run, step, facet, None)?),
                ApplyNext::Change { before } => intents.push(self.hold(run, step, facet, Some(before))?),
            }
        }
        self.save(settled, tally).await?;
        let begun = self.save(intents, tally).await?;
        if begun.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> = begun.iter().map(|m| change(m, |step| &step.wanted)).collect();
        let answers = action.apply(&changes).await;
        self.record(run, part, Direction::Apply, begun, answers, action, tally).await
    }

    async fn roll_back(
        &self,
        run: &Run,
        part: usize,
        batch: &[Versioned<Step>],
        action: &dyn Action,
        tally: &mut Tally,
    ) -> Result<(), DriveError> {
        // What was never begun is skipped without a call.
        let (planned, begun): (Vec<_>, Vec<_>) = batch.iter().cloned().partition(|step| step.value.phase == Phase::Planned);
        let ids = ids(&begun);
        let facets = self.ledger.facets(&ids).await?;
        let now = self.clock.now();
        let seen = if ids.is_empty() { HashMap::new() } else { self.observe(run, part, action, &ids).await? };
        let force = run.rollback.as_ref().is_some_and(|request| request.force);
        let (mut settled, mut intents) = (Vec::new(), Vec::new());
        for step in planned {
            settled.push(self.advance(run, &step, None, Phase::Skipped, Some("rolled back before it was begun".to_owned()))?);
        }
        for step in &begun {
            let facet = facets.get(&step.value.facet);
            let seen = &seen[&step.value.facet];
            let next = decide::rollback(&step.value, facet.map(|f| &f.value), seen, force, run.tries.rollback, now);
            match next {
                RollbackNext::Nothing => tally.count(step.value.phase),
                RollbackNext::Wait(None) if step.value.attempt != run.try_number() => {
                    settled.push(Move { step: self.taken_up(run, step), facet: None });
                    tally.wait(self.seconds(None, action));
                }
                RollbackNext::Wait(None) if self.waited(run, &step.value) >= action.patience().limit => {
                    let why = format!("the world did not settle: {}", describe(seen));
                    settled.push(self.advance(run, step, None, Phase::RollbackFailed, Some(why))?);
                }
                RollbackNext::Wait(until) => tally.wait(self.seconds(until, action)),
                RollbackNext::Skip => settled.push(self.advance(run, step, None, Phase::Skipped, None)?),
                RollbackNext::Settled(why) => settled.push(self.let_go(run, step, facet, Phase::RolledBack, why)?),
                RollbackNext::Refuse(why) => settled.push(self.advance(run, step, None, Phase::RollbackFailed, Some(why))?),
                RollbackNext::PutBack => intents.push(self.claim(run, step, facet)?),
            }
        }
        self.save(settled, tally).await?;
        let begun = self.save(intents, tally).await?;
        if begun.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> =
            begun.iter().map(|m| change(m, |step| step.before.as_ref().unwrap_or(&step.present))).collect();
        let answers = action.rollback(&changes).await;
        self.record(run, part, Direction::Rollback, begun, answers, action, tally).await
    }

    async fn observe(
        &self,
        run: &Run,
        part: usize,
        action: &dyn Action,
        ids: &[FacetId],
    ) -> Result<HashMap<FacetId, Seen>, DriveError> {
        let mut seen = action.observe(ids).await.map_err(|source| failed(run, part, "observing", source))?;
        if let Some(missing) = ids.iter().find(|id| !seen.contains_key(id)) {
            let source = ActionError::Refused(format!("it did not say what `{missing}` is"));
            return Err(failed(run, part, "observing", source));
        }
        seen.retain(|id, _| ids.contains(id));
        Ok(seen)
    }

    /// Writes moves, and counts those that were written. The others were changed by somebody else: they are looked at again.
    async fn save(&self, moves: Vec<Move>, tally: &mut Tally) -> Result<Vec<Move>, DriveError> {
        let mut saved = Vec::with_capacity(moves.len());
        for outcome in self.ledger.save_moves(moves).await? {
            match outcome {
                Ok(done) => {
                    let step = &done.step.value;
                    let reason = step.reason.as_deref().unwrap_or_default();
                    tracing::info!(run = %step.run, step = %step.facet, phase = %step.phase, reason, "step");
                    tally.count_change(step.phase);
                    saved.push(done);
                }
                Err(LedgerError::Conflict) => tally.wait(AFTER_CONFLICT),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(saved)
    }

    /// How many seconds the world has had for a step's present phase, in the run's present direction.
    fn waited(&self, run: &Run, step: &Step) -> i64 {
        let asked = run.rollback.as_ref().map_or(step.since, |request| request.at.max(step.since));
        (self.clock.now() - asked).get_seconds()
    }

    fn seconds(&self, until: Option<Timestamp>, action: &dyn Action) -> i64 {
        let seconds = until.map_or(action.patience().poll, |until| (until - self.clock.now()).get_seconds() + 1);
        seconds.clamp(1, LONGEST_WAIT)
    }
}

fn failed(run: &Run, part: usize, doing: &'static str, source: ActionError) -> DriveError {
    let action = run.parts.get(part).map_or_else(String::new, |part| part.action.to_string());
    DriveError::Action { action, doing, source }
}

fn describe(seen: &Seen) -> String {
    match seen {
        Seen::Is(value) => format!("it is {value}"),
        Seen::Moving(value) => format!("it is becoming {value}"),
        Seen::Gone(why) => why.clone(),
    }
}

fn ids(steps: &[Versioned<Step>]) -> Vec<FacetId> {
    steps.iter().map(|step| step.value.facet.clone()).collect()
}

fn change(intent: &Move, to: impl Fn(&Step) -> &Value) -> Change {
    let step = &intent.step.value;
    Change { facet: step.facet.clone(), to: to(step).clone() }
}

/// What became of the steps of one call.
#[derive(Default)]
struct Tally {
    changed: usize,
    failed: usize,
    wait: Option<i64>,
}

impl Tally {
    /// The soonest of all the waits counts: then everything is looked at again.
    fn wait(&mut self, seconds: i64) {
        self.wait = Some(self.wait.map_or(seconds, |present| present.min(seconds)));
    }

    fn count(&mut self, phase: Phase) {
        self.failed += usize::from(phase.is_failure());
    }

    fn count_change(&mut self, phase: Phase) {
        self.changed += usize::from(matches!(phase, Phase::Applied | Phase::RolledBack));
        self.count(phase);
    }

    fn progress(&self) -> Progress {
        match self.wait {
            Some(seconds) => Progress::Settling { seconds, changed: self.changed },
            None => Progress::Done { changed: self.changed, failed: self.failed },
        }
    }
}

/// What is known after a change was asked for.
struct Aftermath<'a> {
    answer: &'a Answer,
    seen: Option<&'a Seen>,
}
