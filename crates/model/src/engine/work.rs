//! The work on one lot of steps, which are observed together, decided, written ahead and changed. Within a unit the steps of one
//! order are done before those of the next are begun.

mod changed;
mod turn;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::decide::{self, ApplyNext, Back, RollbackNext};
use super::end::End;
use super::record::Asked;
use super::{AFTER_CONFLICT, AFTER_THE_APPROVAL, Counts, Executor, ExecutorError, LONGEST_REST, describe, ids, looked, sooner};
use crate::action::{Action, Change, ChangeOutcome, Seen};
use crate::ids::Value;
use crate::ledger::{LedgerError, Move, Versioned};
use crate::phase::Phase;
use crate::receipt::Receipt;
use crate::record::{Direction, Facet, Run, Step};

/// A change that the world has not followed for so many seconds is looked at less often.
const SLOW: i64 = 120;
/// So many times less often.
const SLOWER: i64 = 12;

/// The inputs of all work on a lot.
struct Job<'a> {
    direction: Direction,
    run: &'a Run,
    part: usize,
    action: &'a dyn Action,
    /// All of the lot.
    steps: &'a [Versioned<Step>],
}

/// May the steps of one order of a unit begin?
#[derive(Clone)]
enum Pass {
    Open,
    /// For this reason, which the first of them writes down, so that people see what is waited for.
    NotYet(Option<String>),
    Never(String),
}

/// Steps of one order, decided upon.
#[derive(Default)]
struct Decided {
    settled: Vec<Move>,
    intents: Vec<Move>,
}

/// Is the step still to be worked on, in this direction and try?
pub(super) fn is_open(direction: Direction, run: &Run, step: &Step) -> bool {
    match direction {
        Direction::Apply => !decide::is_applied(step, run.tries.apply) && run.allows(step),
        Direction::Rollback => {
            let covered = run.rollback.as_ref().is_none_or(|request| request.covers(run, step));
            covered && !decide::is_rolled_back(step, run.tries.rollback)
        }
    }
}

impl Executor<'_> {
    /// Takes the steps of a lot as far as they go now.
    pub(super) async fn work(
        &self,
        direction: Direction,
        run: &Run,
        part: usize,
        mut steps: Vec<Versioned<Step>>,
        action: &dyn Action,
        counts: &mut Counts,
    ) -> Result<End, ExecutorError> {
        let mut end = End::over();
        let orders: BTreeSet<u8> = steps.iter().map(|step| order(&step.value, direction)).collect();
        for order_now in orders {
            let open: Vec<usize> = (0..steps.len())
                .filter(|at| order(&steps[*at].value, direction) == order_now && is_open(direction, run, &steps[*at].value))
                .collect();
            let mut passes = HashMap::new();
            for chunk in open.chunks(action.batch().max(1)) {
                let batch: Vec<Versioned<Step>> = chunk.iter().map(|at| steps[*at].clone()).collect();
                let job = Job { direction, run, part, action, steps: &steps };
                let written = self.batch(&job, &batch, &mut passes, &mut end, counts).await?;
                for moved in written {
                    if let Some(step) = steps.iter_mut().find(|step| step.value.facet == moved.value.facet) {
                        *step = moved;
                    }
                }
                if end.full.is_some() {
                    return Ok(end);
                }
            }
        }
        Ok(end)
    }

    /// Works on steps that are observed together. Answers with those that were written.
    async fn batch(
        &self,
        job: &Job<'_>,
        batch: &[Versioned<Step>],
        passes: &mut HashMap<String, Pass>,
        end: &mut End,
        counts: &mut Counts,
    ) -> Result<Vec<Versioned<Step>>, ExecutorError> {
        let mut decided = match job.direction {
            Direction::Apply => self.decide_apply(job, batch, passes, end).await?,
            Direction::Rollback => self.decide_rollback(job, batch, passes, end).await?,
        };
        let room = job.action.allowance(job.direction, decided.intents.len());
        if room.changes < decided.intents.len() {
            decided.intents.truncate(room.changes);
            end.full = Some(room.again.max(1));
        }
        let mut written = self.save(decided.settled, end, counts).await?;
        let begun = self.save(decided.intents, end, counts).await?;
        if !begun.is_empty() {
            let changes: Vec<Change> = begun.iter().map(|intent| change(job, intent, self.deadline)).collect();
            let answers = match job.direction {
                Direction::Apply => job.action.apply(&changes).await,
                Direction::Rollback => job.action.rollback(&changes).await,
            };
            written.extend(begun.iter().cloned());
            let mut answers = answers.into_iter();
            let asked = begun.into_iter().zip(changes).map(|(intent, change)| {
                let answer = answers.next().unwrap_or_else(|| ChangeOutcome::Unknown("the action gave no answer".to_owned()));
                Asked { intent, answer, calls: change.receipt.take() }
            });
            let after = self.record(job.run, job.part, job.direction, asked.collect(), job.action, end).await?;
            written.extend(self.save(after, end, counts).await?);
        }
        Ok(written.into_iter().map(|moved| moved.step).collect())
    }

    async fn decide_apply(
        &self,
        job: &Job<'_>,
        batch: &[Versioned<Step>],
        passes: &mut HashMap<String, Pass>,
        end: &mut End,
    ) -> Result<Decided, ExecutorError> {
        let (run, action) = (job.run, job.action);
        let ids = ids(batch);
        let facets = self.ledger.facets(&ids).await?;
        // Read before looking: a lease that ends while we look had not ended for the state that we see.
        let now = self.clock.now();
        let looked_at: Vec<&Step> = batch.iter().map(|step| &step.value).collect();
        let seen = self.observe(run, job.part, action, &looked_at).await?;
        let mut decided = Decided::default();
        let (settled, mut alone) = (&mut decided.settled, Vec::new());
        for step in batch {
            let facet = facets.get(&step.value.facet);
            let seen = &seen[&step.value.facet];
            let keeps = super::value(seen).is_some_and(|value| action.keeps(&step.value.facet, &value));
            match decide::apply(&step.value, facet.map(|f| &f.value), seen, keeps, run.tries.apply, now) {
                ApplyNext::Nothing => {}
                ApplyNext::Wait(until) => settled.extend(self.keep_waiting(job, step, seen, until, end)?),
                ApplyNext::Skip(why) => alone.push((step, looked(seen, Some(why)))),
                ApplyNext::Refuse(why) => {
                    settled.push(self.move_to(run, step, None, Phase::ApplyFailed, looked(seen, Some(why)))?);
                }
                ApplyNext::Settled => settled.push(self.hold(run, step, facet, None, seen)?),
                ApplyNext::Keep(present) => {
                    let step = Versioned { rev: step.rev, value: Step { present, ..step.value.clone() } };
                    settled.push(self.hold(run, &step, facet, None, seen)?);
                }
                // A person said yes to a list of changes, and this was none.
                ApplyNext::Change { .. } if run.approval.is_some() && was_as_wanted(&step.value) => {
                    alone.push((step, looked(seen, Some(AFTER_THE_APPROVAL.to_owned()))));
                }
                ApplyNext::Change { .. } if clash(job, facet, &step.value).is_some() => {
                    let why = clash(job, facet, &step.value);
                    settled.push(self.move_to(run, step, None, Phase::ApplyFailed, looked(seen, why))?);
                }
                ApplyNext::Change { before } => match self.pass(job, &step.value, passes, end).await? {
                    Pass::Open => {
                        let adopted = facet.and_then(|facet| changed::adopted(job, facet, seen));
                        decided.intents.push(self.hold(run, step, adopted.as_ref().or(facet), Some(before), seen)?);
                    }
                    Pass::NotYet(why) => settled.extend(waiting(step, why)),
                    Pass::Never(why) => settled.push(self.move_to(run, step, None, Phase::ApplyFailed, Some(why))?),
                },
            }
        }
        settled.extend(self.leave_alone(run, alone, &facets, end).await?);
        Ok(decided)
    }

    async fn decide_rollback(
        &self,
        job: &Job<'_>,
        batch: &[Versioned<Step>],
        passes: &mut HashMap<String, Pass>,
        end: &mut End,
    ) -> Result<Decided, ExecutorError> {
        let (run, action) = (job.run, job.action);
        // A step that was never begun is skipped without a call.
        let (planned, begun): (Vec<_>, Vec<_>) = batch.iter().cloned().partition(|step| step.value.phase == Phase::Planned);
        let ids = ids(&begun);
        let facets = self.ledger.facets(&ids).await?;
        let now = self.clock.now();
        let looked_at: Vec<&Step> = begun.iter().map(|step| &step.value).collect();
        let seen = if ids.is_empty() { HashMap::new() } else { self.observe(run, job.part, action, &looked_at).await? };
        let force = run.rollback.as_ref().is_some_and(|request| request.force);
        let mut decided = Decided::default();
        let settled = &mut decided.settled;
        for mut step in planned {
            step.value.let_go = true;
            settled.push(self.move_to(run, &step, None, Phase::Skipped, Some("rolled back before it was begun".to_owned()))?);
        }
        for step in &begun {
            let facet = facets.get(&step.value.facet);
            let seen = &seen[&step.value.facet];
            let keeps =
                super::value(seen).is_some_and(|value| action.keeps(&step.value.facet, &value)) || changed::adopts(job, step);
            let is_loss = action.is_loss(&step.value.facet, step.value.unit.as_ref());
            let how = Back { force, keeps, is_loss, attempt: run.tries.rollback };
            match decide::rollback(&step.value, facet.map(|f| &f.value), seen, how, now) {
                RollbackNext::Nothing => {}
                RollbackNext::Wait(until) => settled.extend(self.keep_waiting(job, step, seen, until, end)?),
                RollbackNext::Skip => settled.push(self.move_to(run, step, None, Phase::Skipped, looked(seen, None))?),
                RollbackNext::Settled(why) => {
                    settled.push(self.let_go(run, step, facet, Phase::RolledBack, looked(seen, why))?);
                }
                RollbackNext::Kept => match self.pass(job, &step.value, passes, end).await? {
                    Pass::Open => settled.push(self.let_go(run, step, facet, Phase::RolledBack, looked(seen, None))?),
                    Pass::NotYet(why) => settled.extend(waiting(step, why)),
                    Pass::Never(why) => settled.push(self.move_to(run, step, None, Phase::RollbackFailed, Some(why))?),
                },
                RollbackNext::Refuse(why) => {
                    settled.push(self.move_to(run, step, None, Phase::RollbackFailed, looked(seen, Some(why)))?);
                }
                RollbackNext::Lost(why) => settled.push(self.lose(run, step, looked(seen, Some(why)))?),
                RollbackNext::Changed(value, why) => {
                    let changed = self.changed(job, step, facet, (seen, &value, why), passes, end).await?;
                    if let Some(moved) = changed.settled {
                        settled.push(moved);
                    }
                    decided.intents.extend(changed.intent);
                }
                RollbackNext::Later(why) => settled.push(self.ask_later(run, step, why, action, end)?),
                RollbackNext::PutBack => match self.pass(job, &step.value, passes, end).await? {
                    Pass::Open => decided.intents.push(self.claim(run, step, facet, seen)?),
                    Pass::NotYet(why) => settled.extend(waiting(step, why)),
                    Pass::Never(why) => settled.push(self.move_to(run, step, None, Phase::RollbackFailed, Some(why))?),
                },
            }
        }
        Ok(decided)
    }

    /// The world has not followed yet, or somebody's calls may still land: the step is looked at again, until it has failed.
    fn keep_waiting(
        &self,
        job: &Job<'_>,
        step: &Versioned<Step>,
        seen: &Seen,
        until: Option<Timestamp>,
        end: &mut End,
    ) -> Result<Option<Move>, LedgerError> {
        let patience = job.action.patience();
        if let Some(until) = until {
            sooner(&mut end.due, ((until - self.clock.now()).get_seconds() + 1).clamp(1, LONGEST_REST));
            return Ok(None);
        }
        let waited = self.waited(job.run, &step.value);
        if step.value.attempt != job.run.try_number() {
            sooner(&mut end.due, patience.poll);
            return Ok(Some(Move { step: self.taken_up(job.run, step), facet: None }));
        }
        if waited < patience.limit {
            sooner(&mut end.due, next_look(job.action, waited));
            return Ok(None);
        }
        let phase = if job.direction == Direction::Apply { Phase::ApplyFailed } else { Phase::RollbackFailed };
        let is_behind = matches!(seen, Seen::Behind(..) | Seen::NoRoom(..)) && job.direction == Direction::Rollback;
        let hint = if is_behind { ": roll back with --force not to wait for it" } else { "" };
        let why = format!("the world did not settle: {}{hint}", describe(seen));
        self.move_to(job.run, step, None, phase, looked(seen, Some(why))).map(Some)
    }

    /// Writes moves, and counts those that were written. The others were changed by somebody else: they are looked at again.
    async fn save(&self, moves: Vec<Move>, end: &mut End, counts: &mut Counts) -> Result<Vec<Move>, ExecutorError> {
        let mut saved = Vec::with_capacity(moves.len());
        for outcome in self.ledger.save_moves(moves).await? {
            match outcome {
                Ok(done) => {
                    let step = &done.step.value;
                    let reason = step.reason.as_deref().unwrap_or_default();
                    tracing::info!(run = %step.run, step = %step.facet, phase = %step.phase, reason, "step");
                    counts.count(step.phase);
                    saved.push(done);
                }
                Err(LedgerError::Conflict) => sooner(&mut end.due, AFTER_CONFLICT),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(saved)
    }
}

/// Why the step may not join those that hold its facet, and made its change by another program, if so.
fn clash(job: &Job<'_>, facet: Option<&Versioned<Facet>>, step: &Step) -> Option<String> {
    let held = facet.filter(|facet| facet.value.holders.keys().any(|holder| *holder != step.holder()))?;
    job.action.clash(held.value.program.as_ref()?, step.program.as_ref()?)
}

/// Was there nothing to change when it was planned, and is nothing of it begun?
fn was_as_wanted(step: &Step) -> bool {
    step.phase == Phase::Planned && step.present == step.wanted
}

/// The step as it is, with the reason why it waits.
fn waiting(step: &Versioned<Step>, why: Option<String>) -> Option<Move> {
    let why = why.filter(|why| step.value.reason.as_ref() != Some(why))?;
    let value = Step { reason: Some(why), ..step.value.clone() };
    Some(Move { step: Versioned { rev: step.rev, value }, facet: None })
}

/// Seconds until the next look at a step that has been waited for so long.
fn next_look(action: &dyn Action, waited: i64) -> i64 {
    action.patience().poll * if waited > SLOW { SLOWER } else { 1 }
}

/// Steps of no unit stand first: nothing is before them.
fn order(step: &Step, direction: Direction) -> u8 {
    step.unit.as_ref().map_or(0, |unit| unit.order(direction))
}

fn change(job: &Job<'_>, intent: &Move, deadline: Timestamp) -> Change {
    let step = &intent.step.value;
    let to: &Value = match job.direction {
        Direction::Apply => &step.wanted,
        Direction::Rollback => step.before.as_ref().unwrap_or(&step.present),
    };
    // A facet that was left alone when its turn came has a Before too, and was not turned.
    let turned = |other: &&Versioned<Step>| {
        other.value.before.is_some() && other.value.phase != Phase::Skipped && other.value.facet != step.facet
    };
    let same = |other: &&Versioned<Step>| {
        let names = (step.unit.as_ref().map(|unit| &unit.name), other.value.unit.as_ref().map(|unit| &unit.name));
        names.0.is_some() && names.0 == names.1
    };
    let others = job.steps.iter().filter(same).filter(turned).map(|other| other.value.facet.clone()).collect();
    let unit = step.unit.as_ref().map(|unit| unit.name.clone());
    Change {
        facet: step.facet.clone(),
        to: to.clone(),
        identity: step.identity.clone(),
        known_by: step.known_by.clone(),
        unit,
        others,
        receipt: Receipt::default(),
        run: job.run.id.clone(),
        deadline,
        fencing: intent.facet.as_ref().and_then(|facet| facet.value.fencing).unwrap_or_default(),
        program: step.program.clone(),
    }
}
