//! The facets that a person settled by hand: the run lets go of them, and nothing is changed in the account.

use std::ops::ControlFlow;

use jiff::Timestamp;

use super::close::{judge, rest};
use super::retry::retry_conflicts;
use super::{RunError, Runs, execution_name, released};
use crate::ids::{ActionName, Nonce, Place, RunId, Selector};
use crate::ledger::{LedgerError, Move, PAGE, Versioned, step_place};
use crate::phase::Phase;
use crate::record::{Direction, Facet, Lease, PartPlan, Run, RunState, Scope, Step};

/// Steps that are let go together.
const BATCH: usize = 50;
/// Rounds that are made for those that somebody else was writing.
const ROUNDS: usize = 5;

/// A request to let go of facets that a person settled by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbandonRequest {
    /// The ARN of the person.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub why: String,
    /// Only these facets; all when empty.
    pub only: Vec<Selector>,
    /// Of those, only the facets that these actions changed; those of all actions when empty.
    pub actions: Vec<ActionName>,
    /// Of those, only the facets in these places; those in all places when empty.
    pub places: Vec<Place>,
}

impl AbandonRequest {
    /// The steps that it speaks of.
    #[must_use]
    pub fn scope(&self) -> Scope<'_> {
        Scope { only: &self.only, actions: &self.actions, places: &self.places }
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Abandoned {
    /// The run holds nothing.
    NothingToDo(Box<Run>),
    /// An execution works on the run, or may: it would not know of a facet that a person settles beside it.
    Busy(Box<Run>),
    /// It is let go, but for the steps in `left`.
    Done {
        /// The run as it was left.
        run: Box<Run>,
        /// How many steps were let go.
        let_go: usize,
        /// The steps that were not.
        left: Left,
    },
}

/// The steps that could not be let go now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Steps whose calls may still land, and until when.
    pub claimed: Vec<(String, Timestamp)>,
    /// How many steps somebody else was writing all the time.
    pub contended: usize,
    /// A look began meanwhile, so that the run itself is not called over yet.
    pub looked: bool,
}

/// May a person settle something of the run by hand?
#[must_use]
pub fn is_quiet(state: RunState) -> bool {
    matches!(state, RunState::Enforced | RunState::ApplyFailed | RunState::RollbackFailed)
}

impl Runs<'_> {
    /// Lets go the facets that `request` names of a run that nobody works on. A facet that others hold too keeps its Before for
    /// them. A run that holds nothing any more is over, and its stage is released as after a rollback.
    ///
    /// # Errors
    /// When the ledger cannot be read or written. Facets that were let go stay so, and asking again goes on.
    pub async fn abandon(&self, id: &RunId, request: &AbandonRequest) -> Result<Abandoned, RunError> {
        let run = match retry_conflicts(|| self.try_remember(id, request)).await? {
            ControlFlow::Continue(run) => run,
            ControlFlow::Break(abandoned) => return Ok(abandoned),
        };
        let (mut let_go, mut left) = (0, Left::default());
        for _ in 0..ROUNDS {
            left = Left::default();
            for (index, part) in run.parts.iter().enumerate() {
                if let PartPlan::Written(written) = &part.plan {
                    let_go += self.abandon_part(&run, index, &written.token, request, &mut left).await?;
                }
            }
            if left.contended == 0 {
                break;
            }
        }
        let (run, looked) = retry_conflicts(|| self.settle_abandoned(id, request, let_go)).await?;
        left.looked = looked;
        Ok(Abandoned::Done { run: Box::new(run), let_go, left })
    }

    /// Before anything is let go: an invocation that goes on after a death here finds nothing of it left.
    async fn try_remember(&self, id: &RunId, request: &AbandonRequest) -> Result<ControlFlow<Abandoned, Run>, RunError> {
        let run = self.load(id).await?;
        if !run.value.state.is_open() {
            return Ok(ControlFlow::Break(Abandoned::NothingToDo(Box::new(run.value))));
        }
        if !is_quiet(run.value.state) || self.looks_now(&run.value).await? {
            return Ok(ControlFlow::Break(Abandoned::Busy(Box::new(run.value))));
        }
        Ok(ControlFlow::Continue(self.remember(run, request).await?))
    }

    /// Later looks leave alone a facet that comes where something is let go.
    async fn remember(&self, run: Versioned<Run>, request: &AbandonRequest) -> Result<Run, LedgerError> {
        let mut next = run.clone();
        next.value.leave_alone(request.scope());
        if next.value.partial_rollbacks == run.value.partial_rollbacks {
            return Ok(run.value);
        }
        let mut any = false;
        let scope = request.scope();
        self.ledger.visit(&run.value, |step| any |= !step.phase.is_final() && scope.covers(&run.value, &step)).await?;
        if any { Ok(self.ledger.save_run(next, None).await?.value) } else { Ok(run.value) }
    }

    /// A run that looks again at its holds stays enforced meanwhile.
    async fn looks_now(&self, run: &Run) -> Result<bool, RunError> {
        Ok(run.rescanning.is_some() && self.workflow.is_running(&execution_name(run)).await?)
    }

    /// Page by page: how many of a part's steps were let go.
    async fn abandon_part(
        &self,
        run: &Run,
        part: usize,
        token: &Nonce,
        request: &AbandonRequest,
        left: &mut Left,
    ) -> Result<usize, RunError> {
        let (mut let_go, mut after) = (0, None);
        loop {
            let page = self.ledger.steps_after(&run.id, part, token, after.as_deref(), PAGE).await?;
            after = page.last().map(|step| step_place(&step.value)).or(after);
            let whole = page.len() == PAGE;
            let asked = |step: &Versioned<Step>| !step.value.phase.is_final() && request.scope().covers(run, &step.value);
            let steps: Vec<Versioned<Step>> = page.into_iter().filter(asked).collect();
            for batch in steps.chunks(BATCH) {
                let_go += self.abandon_batch(batch, request, left).await?;
            }
            if !whole {
                return Ok(let_go);
            }
        }
    }

    async fn abandon_batch(
        &self,
        steps: &[Versioned<Step>],
        request: &AbandonRequest,
        left: &mut Left,
    ) -> Result<usize, LedgerError> {
        let ids: Vec<_> = steps.iter().map(|step| step.value.facet.clone()).collect();
        // Read before the facets: a lease that ended since had ended for these records.
        let now = self.clock.now();
        let facets = self.ledger.facets(&ids).await?;
        let mut moves = Vec::new();
        for step in steps {
            let facet = facets.get(&step.value.facet);
            // The call of a dead caller may still land, and nobody would know whose it was.
            let claimed = facet.and_then(|facet| facet.value.lease.as_ref()).map(Lease::ends).filter(|until| *until > now);
            match claimed {
                Some(until) => left.claimed.push((step.value.label.clone(), until)),
                None => moves.push(let_go(step, facet, request)?),
            }
        }
        let mut done = 0;
        for saved in self.ledger.save_moves(moves).await? {
            match saved {
                Ok(_) => done += 1,
                Err(LedgerError::Conflict) => left.contended += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Writes down how the run stands now, and says whether a look is under way.
    async fn settle_abandoned(&self, id: &RunId, request: &AbandonRequest, let_go: usize) -> Result<(Run, bool), RunError> {
        let mut run = self.load(id).await?;
        // The execution that began to work on it meanwhile judges it at the end.
        if !is_quiet(run.value.state) {
            return Ok((run.value, false));
        }
        // A look may be about to take new facets, of which this census would not know: no run is over that may yet hold.
        if self.looks_now(&run.value).await? {
            return Ok((run.value, true));
        }
        let census = self.census(&run.value).await?;
        let held = census.held();
        if let_go == 0 && held > 0 {
            return Ok((run.value, false));
        }
        run.value.state = if held == 0 { RunState::Abandoned } else { judge(&run.value, &census) };
        let words = format!("{let_go} settled by hand and let go, {}: {}", rest(held), request.why);
        run.value.note(self.clock.now(), &request.by, words);
        if run.value.direction == Direction::Rollback && run.value.state != RunState::RollbackFailed && held > 0 {
            (run.value.direction, run.value.rollback) = (Direction::Apply, None);
        }
        let mut slot = None;
        if held == 0 {
            let ours = self.ledger.stage_state(&run.value.target()).await?.filter(|slot| slot.value.run == *id);
            slot = ours.map(|slot| {
                let mut slot = released(slot, &request.by, request.at, &request.why);
                slot.value.over = true;
                slot
            });
        }
        Ok((self.ledger.save_run(run, slot.as_ref()).await?.value, false))
    }
}

fn let_go(step: &Versioned<Step>, facet: Option<&Versioned<Facet>>, request: &AbandonRequest) -> Result<Move, LedgerError> {
    let (phase, why) = match step.value.phase {
        Phase::Planned => (Phase::Skipped, format!("abandoned before it was begun: {}", request.why)),
        _ => (Phase::Abandoned, request.why.clone()),
    };
    let mut step = step.clone();
    step.value.let_go = step.value.phase == Phase::Planned;
    let holder = step.value.holder();
    let held = facet.filter(|facet| facet.value.holders.contains_key(&holder)).map(|known| {
        let mut facet = known.clone();
        facet.value.holders.remove(&holder);
        facet
    });
    Move::advance(step, held, phase, Some(why), request.at, &request.by)
}
