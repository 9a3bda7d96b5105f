//! The sequencer: the only code that orders observe, write-ahead, change and record. Every action goes through it, both ways, so
//! these rules hold for all of them:
//!
//! - Before is in the ledger before the first call that changes its facet.
//! - A call is made only under a lease that outlasts it, and the other direction waits for the lease's end: EC2 and IAM know
//!   no fencing, so a stalled writer's call can land late.
//! - A step is Applied or `RolledBack` only when the world was seen to agree.
//!
//! After an interruption, work is taken up from the ledger and the account, never from memory.

mod consent;
pub(crate) mod decide;
mod end;
mod record;
mod rehearse;
mod rescan;
mod scan;
mod skip;
mod work;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionError, Known, Planned, Seen};
use crate::clock::Clock;
pub use crate::cursor::Cursor;
use crate::ids::{FacetId, Nonce, RunId, Value};
use crate::ledger::{Ledger, LedgerError, News, Versioned};
use crate::pace::Levels;
use crate::phase::Phase;
use crate::record::{Direction, FORMAT, PartPlan, Run, RunState, Step, StepEvent, Written};
use scan::Scan;

/// How long after its deadline a dead invocation's calls may still land: clock skew and the delay of calls in the network.
pub const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(15);
/// An action's function runs for so long at most. Each lease of its calls ends [`LEASE_MARGIN`] later.
pub const INVOCATION: SignedDuration = SignedDuration::from_secs(120);
/// No batch is begun with less time than this left.
pub const RESERVE: SignedDuration = SignedDuration::from_secs(10);
/// Seconds after which a record that somebody else was writing is read again.
const AFTER_CONFLICT: i64 = 1;
/// The longest wait between two looks, so that progress and a change of mind are seen.
const LONGEST_WAIT: i64 = 60;
/// A step that need not be looked at for longer than this is left behind, so that it does not hold up the steps after it.
const LEFT_BEHIND: i64 = 30;
/// The reason why a step that is not on the approved list is left alone.
const AFTER_THE_APPROVAL: &str = "it came after the approval: nobody said yes to it";
/// The longest wait when all that is left was left behind: then everything is read again.
const LONGEST_REST: i64 = 300;

/// Carries steps through their phases.
pub struct Executor<'a> {
    ledger: &'a Ledger,
    clock: &'a dyn Clock,
    /// When this invocation ends: calls after it cannot come from here.
    deadline: Timestamp,
    by: String,
    owner: Nonce,
}

/// Why an engine stopped without an answer.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The ledger did not do as asked.
    #[error("reading or writing the ledger")]
    Ledger(#[from] LedgerError),
    /// The action could not read the account.
    #[error("{action}: {doing}")]
    Action {
        /// The run's action.
        action: String,
        /// The task that failed.
        doing: &'static str,
        /// Why it could not.
        #[source]
        source: ActionError,
    },
    /// There is no such run or part.
    #[error("the ledger has no run `{0}` with a part {1}")]
    NoSuchPart(RunId, usize),
}

impl ExecutorError {
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Progress {
    /// Nothing is left to do in this direction, in this attempt.
    Done {
        /// Steps that were applied, or rolled back, by this call.
        changed: usize,
        /// Steps that failed in this call.
        failed: usize,
    },
    /// Come back in so many seconds.
    Settling {
        /// How many.
        seconds: i64,
        /// Steps that were applied, or rolled back, by this call.
        changed: usize,
        /// Steps that failed in this call.
        failed: usize,
        /// To be handed back then.
        cursor: Cursor,
    },
    /// The run goes the other way now: leave it.
    Superseded,
}

impl<'a> Executor<'a> {
    /// An engine that must end by `deadline`; `by` says in the events who it was.
    #[must_use]
    pub fn new(ledger: &'a Ledger, clock: &'a dyn Clock, deadline: Timestamp, by: String) -> Self {
        Self { ledger, clock, deadline, by, owner: Nonce::fresh() }
    }

    /// Plans a part: reads only, and writes down steps that stay inert until the run opens with them.
    ///
    /// # Errors
    /// When the action cannot or must not plan, or the ledger cannot be written.
    pub async fn plan(&self, run: &Run, part: usize, action: &dyn Action) -> Result<Written, ExecutorError> {
        let token = Nonce::fresh();
        let mut steps = self.steps(run, part, &token, action).await?;
        let asks = self.hold_back(run, part, &token, &mut steps).await?;
        Ok(Written { asks, ..self.ledger.write_plan(token, &steps).await? })
    }

    /// The steps that a plan made now would have. Writes nothing.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub async fn steps(&self, run: &Run, part: usize, token: &Nonce, action: &dyn Action) -> Result<Vec<Step>, ExecutorError> {
        let planned = action.plan().await.map_err(|source| failed(run, part, "planning", source))?;
        let ids: Vec<FacetId> = planned.iter().map(|planned| planned.facet.clone()).collect();
        let facets = self.ledger.facets(&ids).await?;
        let steps = planned.into_iter().map(|planned| {
            let holder = format!("{}#{part}", run.id);
            let facet = facets.get(&planned.facet);
            let refused = facet.and_then(|facet| decide::opposite_desire(&facet.value, &holder, &planned.wanted));
            self.step(run, part, token, planned, refused)
        });
        Ok(steps.collect())
    }

    /// A step of a planned facet, skipped or refused from the start where there is a reason.
    fn step(&self, run: &Run, part: usize, token: &Nonce, planned: Planned, refused: Option<String>) -> Step {
        let now = self.clock.now();
        let (phase, reason) = match (planned.skip, refused.or(planned.refused)) {
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
            kind: planned.kind,
            note: planned.note,
            due: planned.due,
            identity: planned.identity,
            known_by: planned.known_by,
            program: planned.program,
            unplanned: planned.unplanned,
            spared: planned.spared,
            unit: planned.unit,
            late: false,
            present: planned.present,
            wanted: planned.wanted,
            before: None,
            phase,
            reason: reason.clone(),
            // No attempt has worked on it: between a plan and its work may lie an approval.
            attempt: 0,
            since: now,
            put_back: false,
            let_go: false,
            lost: false,
            awaits: None,
            undone_by: None,
            turns_back: None,
            again_as_wanted: None,
            accepted: None,
            again_at: None,
            delays: 0,
            events: StepEvent::new(now, &self.by, phase, reason).into(),
        }
    }

    /// Takes a part of a run as far in `direction` as this invocation can, from where `cursor` left it.
    ///
    /// # Errors
    /// When the account cannot be read, or the ledger not be read or written. Finished steps stay written down.
    pub async fn advance(
        &self,
        direction: Direction,
        run: &RunId,
        part: usize,
        cursor: Cursor,
        action: &dyn Action,
    ) -> Result<Progress, ExecutorError> {
        let Some(current) = self.current(direction, run, part).await? else { return Ok(Progress::Superseded) };
        let asked = Some(current.value.asked_at());
        let Cursor { mut from, mut behind, .. } = if cursor.asked == asked { cursor } else { Cursor::default() };
        let mut scan = Scan::new(self.ledger, &current.value, part, from.clone());
        let (mut counts, mut passing, mut wait) = (Counts::default(), true, None);
        while let Some(batch) = scan.next(action.batch().max(1)).await? {
            let last = batch.last;
            let mut end = end::End::over();
            if batch.steps.iter().any(|step| work::is_open(direction, &current.value, &step.value)) {
                if self.clock.now() + RESERVE + action.longest_call() > self.deadline {
                    sooner(&mut wait, AFTER_CONFLICT);
                    break;
                }
                let Some(current) = self.current(direction, run, part).await? else { return Ok(Progress::Superseded) };
                if Some(current.value.asked_at()) != asked {
                    // Something else is asked for now: steps that were passed may be in its scope.
                    from = None;
                    sooner(&mut wait, AFTER_CONFLICT);
                    break;
                }
                end = self.work(direction, &current.value, part, batch.steps, action, &mut counts).await?;
            }
            if let Some(seconds) = end.full {
                // It is not passed. Others that are due sooner wait with it: a round more is worth less than a call with few.
                wait = Some(seconds);
                break;
            }
            match end.due {
                None => {}
                Some(due) if due > LEFT_BEHIND && passing => {
                    let at = self.clock.now() + SignedDuration::from_secs(due);
                    behind = Some(behind.map_or(at, |before: Timestamp| before.min(at)));
                }
                Some(due) => {
                    passing = false;
                    sooner(&mut wait, due.min(LONGEST_WAIT));
                }
            }
            if passing {
                from = Some(last);
            }
        }
        let (changed, failed) = (counts.changed, counts.failed);
        let go_on = |seconds: i64, from, behind| {
            let cursor = Cursor { asked, from, behind, levels: Levels::default() };
            Progress::Settling { seconds, changed, failed, cursor }
        };
        Ok(match (wait, behind) {
            (Some(seconds), behind) => go_on(seconds, from, behind),
            (None, Some(at)) => go_on((at - self.clock.now()).get_seconds().clamp(1, LONGEST_REST), None, None),
            (None, None) => Progress::Done { changed, failed },
        })
    }

    /// The run, if it is open and goes in `direction`.
    async fn current(&self, direction: Direction, run: &RunId, part: usize) -> Result<Option<Versioned<Run>>, ExecutorError> {
        let current = self.ledger.run(run).await?.filter(|run| part < run.value.parts.len());
        let current = current.ok_or_else(|| ExecutorError::NoSuchPart(run.clone(), part))?;
        let inert = matches!(current.value.state, RunState::Opening | RunState::Waiting);
        // Others of its run may be carried out while a person is asked about this part.
        let unanswered = direction == Direction::Apply
            && matches!(current.value.parts[part].plan, PartPlan::Written(_))
            && !current.value.is_settled(part);
        let live = current.value.state.is_open() && !inert && !unanswered;
        Ok((live && current.value.direction == direction).then_some(current))
    }

    async fn observe(
        &self,
        run: &Run,
        part: usize,
        action: &dyn Action,
        steps: &[&Step],
    ) -> Result<HashMap<FacetId, Seen>, ExecutorError> {
        let ids: Vec<FacetId> = steps.iter().map(|step| step.facet.clone()).collect();
        let identity = |step: &&Step| Some((step.facet.clone(), step.identity.clone()?));
        let fact = |step: &&Step| Some((step.facet.clone(), step.known_by.clone()?));
        let program = |step: &&Step| Some((step.facet.clone(), step.program.clone()?));
        let identities = steps.iter().filter_map(identity).collect();
        let known_by = steps.iter().filter_map(fact).collect();
        let programs = steps.iter().filter_map(program).collect();
        let known = Known { run: run.id.clone(), deadline: self.deadline, identities, known_by, programs };
        let seen = action.observe_for(&ids, &known).await;
        let mut seen = seen.map_err(|source| failed(run, part, "observing", source))?;
        if let Some(missing) = ids.iter().find(|id| !seen.contains_key(id)) {
            let source = ActionError::Refused(format!("it did not say what `{missing}` is"));
            return Err(failed(run, part, "observing", source));
        }
        seen.retain(|id, _| ids.contains(id));
        Ok(seen)
    }

    /// How many seconds the world has had for a step's present phase: since it was asked for, and had room for it.
    fn waited(&self, run: &Run, step: &Step) -> i64 {
        let since = [Some(step.since), step.again_at, Some(run.asked_at())].into_iter().flatten().max();
        since.map_or(0, |since| (self.clock.now() - since).get_seconds())
    }
}

fn failed(run: &Run, part: usize, doing: &'static str, source: ActionError) -> ExecutorError {
    let action = run.parts.get(part).map_or_else(String::new, |part| part.action.to_string());
    ExecutorError::Action { action, doing, source }
}

/// The value that it was seen to have, or to be moving to.
fn value(seen: &Seen) -> Option<Value> {
    match seen {
        Seen::Is(value) | Seen::FellBack(value, _) | Seen::Moving(value) | Seen::Behind(value, _) | Seen::NoRoom(value, _) => {
            Some(value.clone())
        }
        Seen::Gone(_) | Seen::OutOfReach(_) | Seen::Unseen(_) => None,
    }
}

/// It was seen as it is now, and nothing is to be changed.
fn looked(seen: &Seen, reason: Option<String>) -> News {
    News { after: value(seen), ..reason.into() }
}

fn describe(seen: &Seen) -> String {
    match seen {
        Seen::Is(value) => format!("it is {value}"),
        Seen::FellBack(value, why) => format!("it is {value} again ({why})"),
        Seen::Moving(value) => format!("it is becoming {value}"),
        Seen::Behind(value, why) | Seen::NoRoom(value, why) => format!("it is {value}, and {why}"),
        Seen::Gone(why) | Seen::OutOfReach(why) => why.clone(),
        Seen::Unseen(why) => format!("it could not be seen: {why}"),
    }
}

fn ids(steps: &[Versioned<Step>]) -> Vec<FacetId> {
    steps.iter().map(|step| step.value.facet.clone()).collect()
}

/// The soonest of all the waits counts: then everything is looked at again.
fn sooner(wait: &mut Option<i64>, seconds: i64) {
    *wait = Some(wait.map_or(seconds, |present| present.min(seconds)));
}

/// The numbers of steps by the outcome of a call's work.
#[derive(Default)]
struct Counts {
    changed: usize,
    failed: usize,
}

impl Counts {
    fn count(&mut self, phase: Phase) {
        self.changed += usize::from(matches!(phase, Phase::Applied | Phase::RolledBack));
        self.failed += usize::from(phase.is_failure());
    }
}
