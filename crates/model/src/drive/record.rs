//! The drive's writing: holds and leases before a change, and what came of it after.

use jiff::Timestamp;

use super::{Aftermath, Drive, DriveError, LEASE_MARGIN, Tally, describe, ids};
use crate::action::{Action, Answer, Seen};
use crate::ids::Value;
use crate::ledger::{LedgerError, Move, Versioned};
use crate::phase::Phase;
use crate::record::{Direction, FORMAT, Facet, Holder, Lease, Run, Step};

/// What is to be written after a change was asked for.
enum Outcome {
    /// The step is over in this direction.
    Over { phase: Phase, reason: Option<String>, keep_hold: bool },
    /// The world has not followed yet.
    Waiting,
}

impl Drive<'_> {
    /// The step goes to `phase`; its facet stays as it is.
    pub(super) fn advance(
        &self,
        run: &Run,
        step: &Versioned<Step>,
        facet: Option<Versioned<Facet>>,
        phase: Phase,
        reason: Option<String>,
    ) -> Result<Move, LedgerError> {
        let step = self.taken_up(run, step);
        Move::advance(step, facet, phase, reason, self.clock.now(), &self.by)
    }

    /// The step as this attempt works on it: the world is given its time anew.
    pub(super) fn taken_up(&self, run: &Run, step: &Versioned<Step>) -> Versioned<Step> {
        let mut step = step.clone();
        if step.value.attempt != run.try_number() {
            step.value.attempt = run.try_number();
            step.value.since = self.clock.now();
        }
        step
    }

    /// The run joins the facet's holders. With `before` a change is to follow: Before is written now, by the first holder
    /// alone, and the lease with it. Without, the facet is as wanted and only held.
    pub(super) fn hold(
        &self,
        run: &Run,
        step: &Versioned<Step>,
        facet: Option<&Versioned<Facet>>,
        before: Option<Value>,
    ) -> Result<Move, LedgerError> {
        let now = self.clock.now();
        let holder = Holder { run: run.id.clone(), guardrail: run.guardrail.clone(), since: now };
        let changes = before.is_some();
        let mut facet = match facet {
            Some(known) if !known.value.holders.is_empty() => known.clone(),
            unheld => {
                let before = before.unwrap_or_else(|| step.value.present.clone());
                let lease = unheld.and_then(|known| known.value.lease.clone());
                let value = Facet {
                    format: FORMAT,
                    facet: step.value.facet.clone(),
                    before,
                    wanted: step.value.wanted.clone(),
                    holders: std::collections::BTreeMap::new(),
                    lease,
                };
                Versioned { rev: unheld.map_or(0, |known| known.rev), value }
            }
        };
        facet.value.holders.entry(step.value.holder()).or_insert(holder);
        if changes {
            facet.value.lease = Some(self.lease(&facet.value, Direction::Apply, now));
        } else {
            self.release(&mut facet.value, now);
        }
        let mut step = step.clone();
        step.value.before = Some(facet.value.before.clone());
        let phase = if changes { Phase::Applying } else { Phase::Applied };
        self.advance(run, &step, Some(facet), phase, None)
    }

    /// The run claims the facet, to put Before back.
    pub(super) fn claim(&self, run: &Run, step: &Versioned<Step>, facet: Option<&Versioned<Facet>>) -> Result<Move, LedgerError> {
        let facet = facet.map(|known| {
            let mut facet = known.clone();
            facet.value.lease = Some(self.lease(&facet.value, Direction::Rollback, self.clock.now()));
            facet
        });
        self.advance(run, step, facet, Phase::RollingBack, None)
    }

    /// The step goes to `phase`, and the run holds the facet no more.
    pub(super) fn let_go(
        &self,
        run: &Run,
        step: &Versioned<Step>,
        facet: Option<&Versioned<Facet>>,
        phase: Phase,
        reason: Option<String>,
    ) -> Result<Move, LedgerError> {
        let held = facet.filter(|facet| facet.value.holders.contains_key(&step.value.holder())).map(|known| {
            let mut facet = known.clone();
            facet.value.holders.remove(&step.value.holder());
            self.release(&mut facet.value, self.clock.now());
            facet
        });
        self.advance(run, step, held, phase, reason)
    }

    /// A lease for calls in `direction` from now to this invocation's end. Earlier owners' calls may land until theirs.
    fn lease(&self, facet: &Facet, direction: Direction, now: Timestamp) -> Lease {
        let earlier_until = facet.lease.as_ref().and_then(|lease| {
            let until = if lease.owner == self.owner { lease.earlier_until } else { Some(lease.ends()) };
            until.filter(|until| *until > now)
        });
        Lease { direction, owner: self.owner.clone(), until: self.deadline + LEASE_MARGIN, earlier_until }
    }

    /// Ends our own claim; what earlier owners may still do stays written down.
    fn release(&self, facet: &mut Facet, now: Timestamp) {
        if let Some(lease) = facet.lease.take_if(|lease| lease.owner == self.owner)
            && let Some(until) = lease.earlier_until.filter(|until| *until > now)
        {
            facet.lease = Some(Lease { until, earlier_until: None, ..lease });
        }
    }

    /// Looks at the world after `begun` was asked for, and writes down what came of it.
    #[allow(clippy::too_many_arguments, reason = "all of them are the call's own state")]
    pub(super) async fn record(
        &self,
        run: &Run,
        part: usize,
        direction: Direction,
        begun: Vec<Move>,
        answers: Vec<Answer>,
        action: &dyn Action,
        tally: &mut Tally,
    ) -> Result<(), DriveError> {
        let steps: Vec<Versioned<Step>> = begun.iter().map(|intent| intent.step.clone()).collect();
        // A world that cannot be seen now is looked at again later: the intents are written down.
        let seen = self.observe(run, part, action, &ids(&steps)).await.unwrap_or_default();
        let mut over = Vec::new();
        for (index, intent) in begun.into_iter().enumerate() {
            let lost = Answer::Unknown("the action gave no answer".to_owned());
            let answer = answers.get(index).unwrap_or(&lost);
            let aftermath = Aftermath { answer, seen: seen.get(&intent.step.value.facet) };
            let outcome = self.outcome(direction, &intent, &aftermath, action);
            // After a lost answer the call may land yet, whatever was seen: the lease stays. After any other it has landed,
            // and the other direction need not wait for us.
            let may_land_yet = matches!(answer, Answer::Unknown(_));
            let mut facet = intent.facet.clone();
            if let Some(facet) = facet.as_mut().filter(|_| !may_land_yet) {
                self.release(&mut facet.value, self.clock.now());
            }
            match outcome {
                Outcome::Waiting => {
                    tally.wait(action.patience().poll);
                    if !may_land_yet {
                        let mut step = intent.step.clone();
                        step.value.put_back = direction == Direction::Rollback && *answer == Answer::Accepted;
                        let (phase, reason) = (step.value.phase, step.value.reason.clone());
                        over.push(self.advance(run, &step, facet, phase, reason)?);
                    }
                }
                Outcome::Over { phase, reason, keep_hold } => {
                    if let Some(facet) = facet.as_mut().filter(|_| !keep_hold) {
                        facet.value.holders.remove(&intent.step.value.holder());
                    }
                    over.push(self.advance(run, &intent.step, facet, phase, reason)?);
                }
            }
        }
        self.save(over, tally).await?;
        Ok(())
    }

    fn outcome(&self, direction: Direction, intent: &Move, aftermath: &Aftermath<'_>, action: &dyn Action) -> Outcome {
        let step = &intent.step.value;
        let facet = intent.facet.as_ref().map(|facet| &facet.value);
        let before = facet.map_or(&step.present, |facet| &facet.before);
        let (goal, reached, failed) = match direction {
            Direction::Apply => (&step.wanted, Phase::Applied, Phase::ApplyFailed),
            Direction::Rollback => (before, Phase::RolledBack, Phase::RollbackFailed),
        };
        let earlier_calls = facet.and_then(|facet| facet.lease.as_ref()).is_some_and(|lease| lease.earlier_until.is_some());
        match (aftermath.seen, aftermath.answer) {
            // On the way back what is seen may be an old listing, from before our own change: it counts with an answer only.
            (Some(Seen::Is(value)), answer) if value == goal && (direction == Direction::Apply || is_answered(answer)) => {
                Outcome::Over { phase: reached, reason: None, keep_hold: direction == Direction::Apply }
            }
            (Some(Seen::Gone(why)), _) => {
                let phase = if direction == Direction::Apply { Phase::Skipped } else { Phase::RolledBack };
                Outcome::Over { phase, reason: Some(why.clone()), keep_hold: false }
            }
            (Some(Seen::Is(value)), Answer::Refused(why)) => {
                // Refused, and as it was: nothing here is ours to put back, and a later change of it is a person's.
                let untouched = direction == Direction::Apply && value == before && !earlier_calls;
                Outcome::Over { phase: failed, reason: Some(why.clone()), keep_hold: !untouched }
            }
            (_, Answer::Refused(why)) => Outcome::Over { phase: failed, reason: Some(why.clone()), keep_hold: true },
            (seen, answer) => {
                let waited = (self.clock.now() - step.since).get_seconds();
                if waited < action.patience().limit {
                    return Outcome::Waiting;
                }
                let state = seen.map_or_else(|| "it could not be seen".to_owned(), describe);
                let last = match answer {
                    Answer::Accepted | Answer::Refused(_) => String::new(),
                    Answer::Later(why) | Answer::Unknown(why) => format!("; the last answer was: {why}"),
                };
                let reason = format!("not {goal} after {waited} s: {state}{last}");
                Outcome::Over { phase: failed, reason: Some(reason), keep_hold: true }
            }
        }
    }
}

/// Did the service take the call, or refuse it for good?
fn is_answered(answer: &Answer) -> bool {
    matches!(answer, Answer::Accepted | Answer::Refused(_))
}
