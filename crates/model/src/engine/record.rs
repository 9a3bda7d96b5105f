//! The engine's writing: holds and leases before a change, and its outcome after.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::end::End;
use super::{Executor, ExecutorError, LEASE_MARGIN, describe, looked, sooner, value};
use crate::action::{Action, ChangeOutcome, Seen};
use crate::ids::Value;
use crate::ledger::{LedgerError, Move, News, Versioned};
use crate::phase::Phase;
use crate::receipt::Call;
use crate::record::{Direction, FORMAT, Facet, Holder, Lease, Run, Step};

/// Seconds until a change is asked for again that the service had no room for: twice as many each time, up to the longest.
const FIRST_DELAY: i64 = 60;
const LONGEST_DELAY: i64 = 900;

/// A change that was asked for: the record written before it, and its outcome.
pub(super) struct Asked {
    pub(super) intent: Move,
    pub(super) answer: ChangeOutcome,
    pub(super) calls: Vec<Call>,
}

/// The record to write after a change was asked for.
enum Outcome {
    /// The step is over in this direction.
    Over { phase: Phase, reason: Option<String>, keep_hold: bool },
    /// The world has not followed yet.
    Waiting,
    /// Its target is there no more, and that is a loss.
    Lost(String),
}

impl Executor<'_> {
    /// The step goes to `phase`; its facet stays as it is.
    pub(super) fn move_to(
        &self,
        run: &Run,
        step: &Versioned<Step>,
        facet: Option<Versioned<Facet>>,
        phase: Phase,
        news: impl Into<News>,
    ) -> Result<Move, LedgerError> {
        let step = self.taken_up(run, step);
        Move::advance(step, facet, phase, news, self.clock.now(), &self.by)
    }

    /// The step's target is there no more. The hold stays until a person settles it, and nothing waits for it.
    pub(super) fn lose(&self, run: &Run, step: &Versioned<Step>, news: impl Into<News>) -> Result<Move, LedgerError> {
        let mut lost = self.taken_up(run, step);
        lost.value.lost = true;
        let mut news = news.into();
        news.reason = news.reason.map(|why| format!("LOST: {why}; `guardrails abandon` settles it"));
        Move::advance(lost, None, Phase::RollbackFailed, news, self.clock.now(), &self.by)
    }

    /// The step as this attempt works on it: the world is given its time anew.
    pub(super) fn taken_up(&self, run: &Run, step: &Versioned<Step>) -> Versioned<Step> {
        let mut step = step.clone();
        if step.value.attempt != run.try_number() {
            step.value.attempt = run.try_number();
            step.value.since = self.clock.now();
            (step.value.accepted, step.value.again_at, step.value.delays) = (None, None, 0);
            step.value.lost = false;
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
        seen: &Seen,
    ) -> Result<Move, LedgerError> {
        let now = self.clock.now();
        let holder = Holder { run: run.id.clone(), guardrail: run.guardrail.clone(), since: now };
        let changes = before.is_some();
        let mut facet = match facet {
            Some(known) if !known.value.holders.is_empty() => known.clone(),
            unheld => {
                let before = before.unwrap_or_else(|| step.value.present.clone());
                let lease = unheld.and_then(|known| known.value.lease.clone());
                let fencing = unheld.and_then(|known| known.value.fencing);
                let value = Facet {
                    format: FORMAT,
                    facet: step.value.facet.clone(),
                    before,
                    wanted: step.value.wanted.clone(),
                    holders: std::collections::BTreeMap::new(),
                    lease,
                    known_by: step.value.known_by.clone(),
                    program: step.value.program.clone(),
                    fencing,
                };
                Versioned { rev: unheld.map_or(0, |known| known.rev), value }
            }
        };
        facet.value.holders.entry(step.value.holder()).or_insert(holder);
        if changes {
            facet.value.lease = Some(self.lease(&facet.value, Direction::Apply, now));
            facet.value.fencing = next_fencing(&facet.value, now);
        } else {
            self.release(&mut facet.value, now);
        }
        let mut step = step.clone();
        step.value.before = Some(facet.value.before.clone());
        // The target is the one that was changed, and one program makes the change and the way back, whichever run comes last.
        step.value.known_by = facet.value.known_by.clone().or(step.value.known_by);
        step.value.program = facet.value.program.clone().or(step.value.program);
        if changes {
            self.move_to(run, &step, Some(facet), Phase::Applying, intended(seen))
        } else {
            self.move_to(run, &step, Some(facet), Phase::Applied, looked(seen, None))
        }
    }

    /// The run claims the facet, to put Before back.
    pub(super) fn claim(
        &self,
        run: &Run,
        step: &Versioned<Step>,
        facet: Option<&Versioned<Facet>>,
        seen: &Seen,
    ) -> Result<Move, LedgerError> {
        let facet = facet.map(|known| {
            let mut facet = known.clone();
            let now = self.clock.now();
            facet.value.lease = Some(self.lease(&facet.value, Direction::Rollback, now));
            facet.value.fencing = next_fencing(&facet.value, now);
            facet
        });
        self.move_to(run, step, facet, Phase::RollingBack, intended(seen))
    }

    /// The step goes to `phase`, and the run holds the facet no more.
    pub(super) fn let_go(
        &self,
        run: &Run,
        step: &Versioned<Step>,
        facet: Option<&Versioned<Facet>>,
        phase: Phase,
        news: News,
    ) -> Result<Move, LedgerError> {
        let held = facet.filter(|facet| facet.value.holders.contains_key(&step.value.holder())).map(|known| {
            let mut facet = known.clone();
            facet.value.holders.remove(&step.value.holder());
            self.release(&mut facet.value, self.clock.now());
            facet
        });
        self.move_to(run, step, held, phase, news)
    }

    /// A lease for calls in `direction` from now to this invocation's end. Earlier owners' calls may land until theirs.
    fn lease(&self, facet: &Facet, direction: Direction, now: Timestamp) -> Lease {
        let earlier_until = facet.lease.as_ref().and_then(|lease| {
            let until = if lease.owner == self.owner { lease.earlier_until } else { Some(lease.ends()) };
            until.filter(|until| *until > now)
        });
        Lease { direction, owner: self.owner.clone(), until: self.deadline + LEASE_MARGIN, earlier_until }
    }

    /// Ends our own claim. The time in which earlier owners may still act stays written down.
    fn release(&self, facet: &mut Facet, now: Timestamp) {
        if let Some(lease) = facet.lease.take_if(|lease| lease.owner == self.owner)
            && let Some(until) = lease.earlier_until.filter(|until| *until > now)
        {
            facet.lease = Some(Lease { until, earlier_until: None, ..lease });
        }
    }

    /// Looks at the world after changes were asked for, and says what is to be written down of it.
    pub(super) async fn record(
        &self,
        run: &Run,
        part: usize,
        direction: Direction,
        asked: Vec<Asked>,
        action: &dyn Action,
        end: &mut End,
    ) -> Result<Vec<Move>, ExecutorError> {
        let under_way =
            |asked: &&Asked| asked.answer == ChangeOutcome::Accepted && action.takes_time(&asked.intent.step.value.facet);
        let looked_at = asked.iter().filter(|asked| !under_way(asked));
        let looked_at: Vec<&Step> = looked_at.map(|asked| &asked.intent.step.value).collect();
        // A world that cannot be seen now is looked at again later: the intents are written down.
        let seen = match looked_at.as_slice() {
            [] => HashMap::new(),
            steps => self.observe(run, part, action, steps).await.unwrap_or_default(),
        };
        let mut after = Vec::new();
        for Asked { intent, answer, calls } in asked {
            let seen = seen.get(&intent.step.value.facet);
            let outcome = self.outcome(run, direction, &intent, &answer, seen, action);
            // After a lost answer the call may land yet, whatever was seen: the lease stays. After any other it has landed,
            // and the other direction need not wait for us.
            let may_land_yet = matches!(answer, ChangeOutcome::Unknown(_) | ChangeOutcome::Broken(_));
            let mut facet = intent.facet.clone();
            if let Some(facet) = facet.as_mut().filter(|_| !may_land_yet) {
                self.release(&mut facet.value, self.clock.now());
            }
            match outcome {
                Outcome::Waiting => {
                    let earlier = intent.facet.as_ref().and_then(|facet| facet.value.lease.as_ref()?.earlier_until);
                    let (step, due) = self.asked(direction, &intent.step, &answer, earlier, action);
                    sooner(&mut end.due, due);
                    if !may_land_yet {
                        let (phase, reason) = (step.value.phase, step.value.reason.clone());
                        after.push(self.move_to(run, &step, facet, phase, News { calls, ..reason.into() })?);
                    } else if !calls.is_empty() {
                        // The step stays as the intent left it; only that it was asked for is written down.
                        let (phase, reason) = (intent.step.value.phase, intent.step.value.reason.clone());
                        after.push(self.move_to(run, &intent.step, None, phase, News { calls, ..reason.into() })?);
                    }
                }
                Outcome::Lost(why) => {
                    let news = News { reason: Some(why), before: None, after: None, calls };
                    after.push(Move { facet, ..self.lose(run, &intent.step, news)? });
                }
                Outcome::Over { phase, reason, keep_hold } => {
                    if let Some(facet) = facet.as_mut().filter(|_| !keep_hold) {
                        facet.value.holders.remove(&intent.step.value.holder());
                    }
                    let news = News { reason, before: None, after: seen.and_then(value), calls };
                    after.push(self.move_to(run, &intent.step, facet, phase, news)?);
                }
            }
        }
        Ok(after)
    }

    /// A step after its change was asked for and the service answered, and the seconds until it is looked at again.
    fn asked(
        &self,
        direction: Direction,
        step: &Versioned<Step>,
        answer: &ChangeOutcome,
        earlier: Option<Timestamp>,
        action: &dyn Action,
    ) -> (Versioned<Step>, i64) {
        let (now, poll) = (self.clock.now(), action.patience().poll);
        let mut step = step.clone();
        let accepted = *answer == ChangeOutcome::Accepted;
        step.value.put_back = direction == Direction::Rollback && accepted;
        step.value.accepted = accepted.then_some(now);
        match answer {
            ChangeOutcome::NoCapacity(why) => return self.delayed(step, why.clone()),
            ChangeOutcome::Retry(why) => {
                step.value.again_at = Some(now + SignedDuration::from_secs(poll));
                step.value.reason = Some(why.clone());
            }
            // When the others, that are asked for again sooner, are out of its way.
            ChangeOutcome::RetryAlone(_) => {
                step.value.again_at = Some(now + SignedDuration::from_secs(2 * poll));
                return (step, 2 * poll);
            }
            // When the last call of those before us has landed or never will.
            ChangeOutcome::Skipped(_) => {
                let seconds = earlier.map_or(poll, |until| (until - now).get_seconds() + 1);
                step.value.again_at = Some(now + SignedDuration::from_secs(seconds));
                return (step, seconds);
            }
            ChangeOutcome::Accepted | ChangeOutcome::Refused(_) | ChangeOutcome::Unknown(_) | ChangeOutcome::Broken(_) => {}
        }
        (step, poll)
    }

    /// The service has no room for the change: it is asked for again in a while, each time in a longer one.
    fn delayed(&self, mut step: Versioned<Step>, why: String) -> (Versioned<Step>, i64) {
        let seconds = (FIRST_DELAY << step.value.delays.min(8)).min(LONGEST_DELAY);
        step.value.delays += 1;
        step.value.again_at = Some(self.clock.now() + SignedDuration::from_secs(seconds));
        step.value.accepted = None;
        step.value.reason = Some(why);
        (step, seconds)
    }

    /// The value that was put back did not stay: it is asked for again in a while, until that has taken too long.
    pub(super) fn ask_later(
        &self,
        run: &Run,
        step: &Versioned<Step>,
        why: String,
        action: &dyn Action,
        end: &mut End,
    ) -> Result<Move, LedgerError> {
        if self.asked_for(run, &step.value) >= action.patience().give_up {
            return self.move_to(run, step, None, Phase::RollbackFailed, Some(why));
        }
        let (delayed, due) = self.delayed(self.taken_up(run, step), why.clone());
        sooner(&mut end.due, due);
        self.move_to(run, &delayed, None, step.value.phase, Some(why))
    }

    /// For how many seconds a change has been asked for.
    fn asked_for(&self, run: &Run, step: &Step) -> i64 {
        (self.clock.now() - step.since.max(run.asked_at())).get_seconds()
    }

    fn outcome(
        &self,
        run: &Run,
        direction: Direction,
        intent: &Move,
        answer: &ChangeOutcome,
        seen: Option<&Seen>,
        action: &dyn Action,
    ) -> Outcome {
        let step = &intent.step.value;
        let facet = intent.facet.as_ref().map(|facet| &facet.value);
        let before = facet.map_or(&step.present, |facet| &facet.before);
        let (goal, reached, failed) = match direction {
            Direction::Apply => (&step.wanted, Phase::Applied, Phase::ApplyFailed),
            Direction::Rollback => (before, Phase::RolledBack, Phase::RollbackFailed),
        };
        let earlier_calls = facet.and_then(|facet| facet.lease.as_ref()).is_some_and(|lease| lease.earlier_until.is_some());
        let is = |wanted: &Value| matches!(seen, Some(Seen::Is(value) | Seen::FellBack(value, _)) if value == wanted);
        let over = |phase, reason: Option<&String>, keep_hold| Outcome::Over { phase, reason: reason.cloned(), keep_hold };
        // On the way back the seen value may be an old listing, from before our own change: it counts with an answer only.
        if is(goal) && (direction == Direction::Apply || is_answered(answer)) {
            return over(reached, None, direction == Direction::Apply);
        }
        if let Some(Seen::Gone(why)) = seen {
            if direction == Direction::Rollback && action.is_loss(&step.facet, step.unit.as_ref()) {
                return Outcome::Lost(why.clone());
            }
            let phase = if direction == Direction::Apply { Phase::Skipped } else { Phase::RolledBack };
            return over(phase, Some(why), false);
        }
        if let Some(Seen::OutOfReach(why)) = seen {
            return over(failed, Some(why), true);
        }
        // Refused, and as it was: nothing here is ours to put back, and a later change of it is a person's.
        let is_behind = matches!(seen, Some(Seen::Behind(value, _) | Seen::NoRoom(value, _)) if value == before);
        let is_seen = !matches!(seen, None | Some(Seen::Unseen(_)));
        let as_before = is(before) || is_behind;
        let untouched = direction == Direction::Apply && as_before && !earlier_calls;
        let patience = action.patience();
        let (waited, limit) = match answer {
            ChangeOutcome::Skipped(why) if untouched => return over(Phase::Skipped, Some(why), false),
            // Not for us; but a call of somebody before us may still land, or nobody saw that it is as it was: it is asked again
            // before it is let go.
            ChangeOutcome::Skipped(_) if direction == Direction::Apply && (as_before || !is_seen) => {
                return Outcome::Waiting;
            }
            ChangeOutcome::Refused(why) | ChangeOutcome::Skipped(why) => return over(failed, Some(why), !untouched),
            // It may land after this look, so the hold stays for the way back.
            ChangeOutcome::Broken(why) => return over(failed, Some(why), true),
            ChangeOutcome::Retry(_) | ChangeOutcome::NoCapacity(_) | ChangeOutcome::RetryAlone(_) => {
                (self.asked_for(run, step), patience.give_up)
            }
            ChangeOutcome::Accepted | ChangeOutcome::Unknown(_) => (self.waited(run, step), patience.limit),
        };
        if waited < limit {
            return Outcome::Waiting;
        }
        let state = seen.map_or_else(|| "it could not be seen".to_owned(), describe);
        let last = match answer {
            ChangeOutcome::Accepted | ChangeOutcome::Refused(_) | ChangeOutcome::Skipped(_) | ChangeOutcome::Broken(_) => {
                String::new()
            }
            ChangeOutcome::Retry(why)
            | ChangeOutcome::NoCapacity(why)
            | ChangeOutcome::RetryAlone(why)
            | ChangeOutcome::Unknown(why) => {
                format!("; the last answer was: {why}")
            }
        };
        over(failed, Some(&format!("not {goal} after {waited} s: {state}{last}")), true)
    }
}

/// It was seen as it is now, and is to be changed.
fn intended(seen: &Seen) -> News {
    News { before: value(seen), ..News::default() }
}

/// Did the service take the call, or refuse it for good?
fn is_answered(answer: &ChangeOutcome) -> bool {
    matches!(answer, ChangeOutcome::Accepted | ChangeOutcome::Refused(_) | ChangeOutcome::Skipped(_))
}

/// The fencing number of the next change of `facet`: the time in milliseconds, and always above the last one. It rises across ledgers too,
/// and after a ledger was restored from a backup. Only a program reads it.
fn next_fencing(facet: &Facet, now: Timestamp) -> Option<u64> {
    facet.program.as_ref()?;
    let after = facet.fencing.map_or(1, |last| last.saturating_add(1));
    Some(u64::try_from(now.as_millisecond()).unwrap_or_default().max(after))
}
