//! The possible moves, and their results.

use guardrails_model::direction::Direction;
use guardrails_model::engine::LEASE_MARGIN;
use guardrails_model::record::{Facet, RunState};

use crate::explorer::Explorer;
use crate::lamp::{LIFE, second};
use crate::line::{Call, Put, owner_name};
use crate::product::{Answer, End, Entry, Job, Next, Root, Task};
use crate::sabotage;
use crate::scenario::Event;
use crate::state::{Execution, Late, Move, Stands, State, Who, number};

/// Seconds after which the state machine tries again.
const BACKOFF: i64 = 2;
/// Everything that is explored is over by then, or never.
const LONG: i64 = 7200;

impl Explorer {
    /// All that may happen next.
    pub(crate) fn moves(&mut self, state: &State) -> Vec<Move> {
        let mut moves = Vec::new();
        let everybody = state.everybody();
        for (who, task) in &everybody {
            moves.push(Move::Step(*who));
            if state.left.faults == 0 {
                continue;
            }
            let Next::Asks(call) = self.product.next(*task) else { continue };
            moves.push(Move::Die(*who));
            if matches!(*self.product.calls.get(call), Call::Commit(_) | Call::Turn { .. } | Call::Start { .. } | Call::Look) {
                moves.push(Move::Lose(*who));
            }
            if let Who::Execution(index) = who
                && matches!(state.executions[usize::from(*index)].stands, Stands::Plans(_) | Stands::Works(..))
            {
                if self.scenario.twins {
                    moves.push(Move::Twin(*index));
                }
                if self.scenario.executions_die {
                    moves.push(Move::End(*index));
                }
            }
        }
        moves.extend((0..state.late.len()).map(|index| Move::Land(number(index))));
        if state.lamp.becomes.is_some() {
            moves.push(Move::Arrive);
        }
        let mut events = state.events.clone();
        events.dedup();
        moves.extend(events.into_iter().map(Move::Happens));
        let may_tick =
            if everybody.is_empty() { state.lamp.becomes.is_none() || state.left.slow > 0 } else { state.left.stalls > 0 };
        if may_tick && self.due(state, &everybody).is_some() {
            moves.push(Move::Tick);
        }
        if everybody.is_empty() && state.late.is_empty() && !waits(state) {
            moves.extend(
                (0..self.product.known.runs.len()).map(number).filter(|run| self.stands_still(state, *run)).map(Move::TakeUp),
            );
        }
        moves
    }

    /// The next moment at which anything is due, if nobody's time is over before it.
    fn due(&mut self, state: &State, everybody: &[(Who, Task)]) -> Option<i64> {
        let waits = state.executions.iter().filter_map(|execution| match execution.stands {
            Stands::Waits(until, _) => Some(until),
            _ => None,
        });
        let late = state.late.iter().map(|late| late.until);
        // For an invocation that may come yet.
        let lease = self.facet(state).and_then(|facet| facet.lease.as_ref().map(|lease| second(lease.ends()) + 1));
        let lease = lease.filter(|_| !state.events.is_empty());
        let due = waits.chain(late).chain(lease).filter(|at| *at > state.now).min()?;
        everybody.iter().all(|(_, task)| due <= self.product.root(*task).began + LIFE).then_some(due)
    }

    /// Is the run in the middle of something, with nobody there to carry it on?
    pub(crate) fn stands_still(&mut self, state: &State, run: u8) -> bool {
        matches!(self.run(state, run).state, RunState::Opening | RunState::Applying | RunState::RollingBack)
    }

    /// The result of a move, or its error.
    pub(crate) fn make(&mut self, before: &State, made: Move) -> Result<State, String> {
        let mut state = before.clone();
        match made {
            Move::Step(who) => {
                let (task, call) = self.asks(&state, who)?;
                let answer = self.perform(&mut state, call)?;
                self.answered(&mut state, who, task, call);
                self.tell(&mut state, who, task, answer)?;
            }
            Move::Die(who) => {
                let (task, call) = self.asks(&state, who)?;
                state.left.faults -= 1;
                self.stays_under_way(&mut state, task, call);
                self.again(&mut state, who, task);
            }
            Move::Lose(who) => {
                let (task, call) = self.asks(&state, who)?;
                state.left.faults -= 1;
                self.stays_under_way(&mut state, task, call);
                self.tell(&mut state, who, task, Answer::Lost)?;
            }
            Move::Twin(index) => {
                let (task, _) = self.asks(&state, Who::Execution(index))?;
                state.left.faults -= 1;
                state.others.push(task);
                self.again(&mut state, Who::Execution(index), task);
            }
            Move::End(index) => {
                let (task, _) = self.asks(&state, Who::Execution(index))?;
                state.left.faults -= 1;
                state.others.push(task);
                state.executions[usize::from(index)].stands = Stands::Ended;
                // Nobody does the work that its look found, unless a round asks for another.
                state.people.seen_for &= !(1 << state.executions[usize::from(index)].run);
            }
            Move::Land(index) => {
                let late = state.late.remove(usize::from(index));
                self.perform(&mut state, late.call)?;
            }
            Move::Arrive => state.lamp.is = state.lamp.becomes.take().unwrap_or(state.lamp.is),
            Move::Tick => self.tick(&mut state)?,
            Move::Happens(event) => {
                let index = state.events.iter().position(|left| *left == event).expect("an event that is left");
                state.events.remove(index);
                self.happens(&mut state, event);
            }
            Move::TakeUp(run) => {
                if !self.scenario.executions_die && !self.scenario.has_rounds() {
                    return Err("a run stands still, and nobody is there to carry it on".to_owned());
                }
                self.happens(&mut state, Event::Round(run));
            }
        }
        self.drop_what_came_too_late(&mut state);
        state.sort();
        Ok(state)
    }

    fn asks(&mut self, state: &State, who: Who) -> Result<(Task, u32), String> {
        let task = state.task(who).expect("somebody who is in the middle of something");
        match self.product.next(task) {
            Next::Asks(call) => Ok((task, call)),
            Next::Ends(end) => Err(format!("who is over makes no call: {end:?}")),
        }
    }

    /// Somebody gets an answer, and goes on to its next call or its end.
    fn tell(&mut self, state: &mut State, who: Who, task: Task, answer: Answer) -> Result<(), String> {
        let task = self.product.told(task, answer, state.now);
        let Next::Ends(end) = self.product.next(task) else {
            state.put(who, task);
            return Ok(());
        };
        match (who, end) {
            (_, End::Broken(why)) => return Err(format!("somebody cannot go on: {why}")),
            // The caller hears that it failed, and asks again; of a left-over invocation nobody hears.
            (Who::Other(_), End::Retry) => self.again(state, who, task),
            (Who::Other(index), _) => {
                state.others.remove(usize::from(index));
            }
            (Who::Execution(index), end) => {
                let execution = state.executions[usize::from(index)].clone();
                let (run, way, try_number) = (execution.run, execution.way(), execution.try_number);
                let stands = match (execution.stands, end) {
                    (Stands::Plans(_), End::Retry) => Stands::Plans(self.invoke(state, Job::Plan { run })),
                    (Stands::Plans(_), _) => {
                        let cursor = self.product.no_cursor();
                        Stands::Works(self.invoke(state, Job::Work { run, way, cursor }), cursor)
                    }
                    (Stands::Works(_, cursor), End::Retry) => Stands::Waits(state.now + BACKOFF, cursor),
                    (Stands::Works(..), End::Settling(seconds, cursor)) => Stands::Waits(state.now + seconds, cursor),
                    (Stands::Works(..), _) | (_, End::Retry) => {
                        Stands::Closes(self.invoke(state, Job::Close { run, way, try_number }))
                    }
                    (_, _) => Stands::Ended,
                };
                state.executions[usize::from(index)].stands = stands;
            }
        }
        Ok(())
    }

    /// An invocation that begins now.
    fn invoke(&mut self, state: &State, job: Job) -> Task {
        let owner = if matches!(job, Job::Work { .. }) { self.free_owner(state) } else { u8::MAX };
        self.product.begin(Root { job, owner, began: state.now })
    }

    /// The lowest number that names no invocation at work, no owner of a lease, and no later writer of one.
    fn free_owner(&mut self, state: &State) -> u8 {
        let mut taken: Vec<String> =
            state.everybody().iter().map(|(_, task)| owner_name(self.product.root(*task).owner)).collect();
        taken.extend(self.facet(state).and_then(|facet| Some(facet.lease.as_ref()?.owner.as_str().to_owned())));
        let late: Vec<_> = state.late.iter().map(|late| self.product.calls.get(late.call)).collect();
        let is_free = |owner: &u8| {
            let name = owner_name(*owner);
            let written = |put: &Put| put.doc.contains(&format!("\"{name}\""));
            !taken.contains(&name) && !late.iter().any(|call| matches!(&**call, Call::Commit(puts) if puts.iter().any(written)))
        };
        (0..u8::MAX).find(is_free).expect("fewer than 255 at once")
    }

    /// The caller asks again, as from the beginning. No caller asks for an invocation that an execution has left behind.
    fn again(&mut self, state: &mut State, who: Who, task: Task) {
        let job = self.product.root(task).job.clone();
        if let (Who::Other(index), Job::Work { .. } | Job::Plan { .. }) = (who, &job) {
            state.others.remove(usize::from(index));
            return;
        }
        // Its own number is free again.
        let began = Root { job: job.clone(), owner: u8::MAX, began: state.now };
        state.put(who, self.product.begin(began));
        let task = self.invoke(state, job);
        state.put(who, task);
    }

    fn stays_under_way(&mut self, state: &mut State, task: Task, call: u32) {
        if matches!(*self.product.calls.get(call), Call::Commit(_) | Call::Turn { .. } | Call::Start { .. }) {
            let until = self.product.root(task).began + LIFE + LEASE_MARGIN.as_secs();
            state.late.push(Late { call, until });
        }
    }

    fn tick(&mut self, state: &mut State) -> Result<(), String> {
        let everybody = state.everybody();
        let due = self.due(state, &everybody).expect("something is due");
        if !everybody.is_empty() {
            state.left.stalls -= 1;
        } else if state.lamp.becomes.is_some() {
            state.left.slow -= 1;
        }
        state.now = due;
        if state.now > LONG {
            return Err(format!("after {LONG} s it is not over"));
        }
        for index in 0..state.executions.len() {
            let execution = &state.executions[index];
            let (run, way) = (execution.run, execution.way());
            if let Stands::Waits(until, cursor) = &execution.stands
                && *until <= state.now
            {
                let cursor = *cursor;
                let task = self.invoke(state, Job::Work { run, way, cursor });
                state.executions[index].stands = Stands::Works(task, cursor);
            }
        }
        Ok(())
    }

    fn happens(&mut self, state: &mut State, event: Event) {
        let job = match event {
            Event::RollBack(run) => Job::RollBack { run },
            Event::Alert(run) => Job::Alert { run },
            Event::Round(run) => Job::Round { run },
            Event::Person(value) => return self.person(state, value),
        };
        let task = self.invoke(state, job);
        state.others.push(task);
    }

    /// A call takes effect.
    fn perform(&mut self, state: &mut State, call: u32) -> Result<Answer, String> {
        let call = self.product.calls.get(call);
        Ok(match &*call {
            Call::Get(keys) => {
                let entry = |key| entry(state, self.product.keys.known(key)?);
                Answer::Items(keys.iter().map(entry).collect())
            }
            Call::List { pk, prefix, after, limit } => {
                let mut found = Vec::new();
                for entry in &state.books {
                    let key = self.product.keys.get(entry.key);
                    let listed =
                        key.pk == *pk && key.sk.starts_with(prefix) && after.as_ref().is_none_or(|after| key.sk > *after);
                    if listed && limit.is_none_or(|limit| found.len() < limit) {
                        found.push(*entry);
                    }
                }
                Answer::Listed(found)
            }
            Call::Commit(puts) => self.commit(state, puts)?,
            Call::Look => state.lamp.becomes.map_or(Answer::Is(state.lamp.is), Answer::Becomes),
            Call::Turn { way, to } => {
                self.check_turn(state, *way, to)?;
                let to = ["on", "off", "dim"].into_iter().find(|value| value == to).expect("a value of the lamp");
                state.people.ours(*way);
                if self.scenario.slow && state.lamp.is != to {
                    state.lamp.becomes = Some(to);
                } else {
                    (state.lamp.is, state.lamp.becomes) = (to, None);
                }
                Answer::Turned
            }
            Call::Start { run, way, attempt, try_number } => {
                let index = self.product.known.runs.iter().position(|known| known.id == *run);
                let run = number(index.ok_or("an execution is started for a run that nobody asked for")?);
                let back = *way == Direction::Rollback;
                let same = |known: &&Execution| (known.run, known.back, known.attempt) == (run, back, *attempt);
                if let Some(known) = state.executions.iter().find(same) {
                    return Ok(Answer::Started(known.stands != Stands::Ended));
                }
                let cursor = self.product.no_cursor();
                let stands = match way {
                    Direction::Apply => Stands::Plans(self.invoke(state, Job::Plan { run })),
                    Direction::Rollback => Stands::Works(self.invoke(state, Job::Work { run, way: *way, cursor }), cursor),
                };
                state.executions.push(Execution { run, back, attempt: *attempt, try_number: *try_number, stands });
                Answer::Started(true)
            }
        })
    }

    fn commit(&mut self, state: &mut State, puts: &[Put]) -> Result<Answer, String> {
        if !self.stands_as_expected(state, puts) {
            return Ok(Answer::Conflict);
        }
        let puts = match self.sabotage {
            Some(how) => sabotage::puts(how, puts, state.lamp.is),
            None => puts.to_vec(),
        };
        for put in puts {
            let Some(key) = self.product.keys.known(&put.key) else {
                return Err(format!("a record is made that has no business here: {} {}", put.key.pk, put.key.sk));
            };
            let entry = Entry { key, rev: put.expect + 1, doc: self.product.docs.id(put.doc) };
            self.check_put(state, entry)?;
            match state.books.binary_search_by_key(&key, |entry| entry.key) {
                Ok(index) => state.books[index] = entry,
                Err(index) => state.books.insert(index, entry),
            }
        }
        Ok(Answer::Written)
    }

    fn stands_as_expected(&self, state: &State, puts: &[Put]) -> bool {
        puts.iter().all(|put| {
            let key = self.product.keys.known(&put.key);
            key.and_then(|key| entry(state, key)).map_or(0, |entry| entry.rev) == put.expect
        })
    }

    /// Calls that cannot take effect any more: their time is over, or somebody else wrote.
    fn drop_what_came_too_late(&mut self, state: &mut State) {
        let mut late = std::mem::take(&mut state.late);
        late.retain(|late| {
            late.until > state.now
                && match &*self.product.calls.get(late.call) {
                    Call::Commit(puts) => self.stands_as_expected(state, puts),
                    _ => true,
                }
        });
        state.late = late;
    }

    /// The facet as it is in the books.
    pub(crate) fn facet(&mut self, state: &State) -> Option<std::rc::Rc<Facet>> {
        let entry = entry(state, self.facet_key)?;
        Some(self.views.facet(&self.product, entry.doc))
    }
}

/// Does an execution wait?
pub(crate) fn waits(state: &State) -> bool {
    state.executions.iter().any(|execution| matches!(execution.stands, Stands::Waits(..)))
}

/// The entry under a key.
pub(crate) fn entry(state: &State, key: u32) -> Option<Entry> {
    state.books.binary_search_by_key(&key, |entry| entry.key).ok().map(|index| state.books[index])
}
