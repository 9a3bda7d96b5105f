//! A moment of an exploration: the books, the lamp, the time, the invocations, and the calls that are under way.

use std::collections::HashMap;

use guardrails_model::direction::Direction;

use crate::product::{Entry, Task};
use crate::scenario::Event;

/// Everything on which the next moves depend.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Seconds since the beginning.
    pub(crate) now: i64,
    pub(crate) lamp: Lamp,
    /// The ledger, in the order of its keys.
    pub(crate) books: Vec<Entry>,
    /// Each execution that was ever started.
    pub(crate) executions: Vec<Execution>,
    /// Invocations that no execution waits for: people's, master's, and those of executions that died or asked twice.
    pub(crate) others: Vec<Task>,
    /// Calls whose caller heard no answer: they take effect at any moment, or never.
    pub(crate) late: Vec<Late>,
    pub(crate) left: Left,
    pub(crate) events: Vec<Event>,
    pub(crate) people: People,
}

/// The lamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lamp {
    pub(crate) is: &'static str,
    /// The value that it is on its way to.
    pub(crate) becomes: Option<&'static str>,
}

/// People's changes of the lamp.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct People {
    /// All that it was without our doing.
    pub(crate) gave: Vec<&'static str>,
    /// The value that a person gave it while nobody of us was at work, and we have not turned it off since.
    pub(crate) last: Option<&'static str>,
    /// The value that a person gave it while everything of ours was settled, and the action only tells of such changes.
    pub(crate) told: Option<&'static str>,
    /// Has anybody turned it?
    pub(crate) acted: bool,
    /// Was it a person who turned it last?
    pub(crate) latest: bool,
    /// The runs whose looks have seen people's value, by bits.
    pub(crate) seen_for: u8,
}

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    /// Deaths, lost answers, twins and the like.
    pub(crate) faults: u8,
    /// How many times the clock may move while somebody is in the middle of something.
    pub(crate) stalls: u8,
    /// How many times it may move while the lamp is turning.
    pub(crate) slow: u8,
}

/// An execution of the state machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Execution {
    pub(crate) run: u8,
    pub(crate) back: bool,
    pub(crate) attempt: u32,
    pub(crate) try_number: u32,
    pub(crate) stands: Stands,
}

impl Execution {
    pub(crate) fn way(&self) -> Direction {
        if self.back { Direction::Rollback } else { Direction::Apply }
    }
}

/// Where an execution stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stands {
    /// It waits until then, and goes on from that cursor.
    Waits(i64, u32),
    /// Its action's function plans.
    Plans(Task),
    /// Its action's function is at work, from that cursor.
    Works(Task, u32),
    /// master is at work.
    Closes(Task),
    Ended,
}

/// A call that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Late {
    pub(crate) call: u32,
    /// From then on it cannot take effect.
    pub(crate) until: i64,
}

/// The one that makes a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Execution(u8),
    Other(u8),
}

/// From one state to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Somebody's call is answered.
    Step(Who),
    /// Somebody dies, and the caller asks again. A call that was made may yet take effect.
    Die(Who),
    /// The answer to somebody's call is lost.
    Lose(Who),
    /// A function is invoked again, while the first invocation is still at work.
    Twin(u8),
    /// An execution dies, and its invocation does not.
    End(u8),
    /// A call that is under way takes effect.
    Land(u8),
    /// The lamp gets to where it was on its way.
    Arrive,
    /// Time passes until the next thing is due.
    Tick,
    Happens(Event),
    /// All is quiet, and a run stands still in the middle: it is taken up.
    TakeUp(u8),
}

/// The state from which each was first come to, and the move; by their fingerprints.
pub(crate) type Came = HashMap<u128, Option<(u128, Move)>>;

impl State {
    /// The invocation of somebody.
    pub(crate) fn task(&self, who: Who) -> Option<Task> {
        match who {
            Who::Other(index) => self.others.get(usize::from(index)).copied(),
            Who::Execution(index) => match &self.executions[usize::from(index)].stands {
                Stands::Plans(task) | Stands::Works(task, _) | Stands::Closes(task) => Some(*task),
                Stands::Waits(..) | Stands::Ended => None,
            },
        }
    }

    /// All who are in the middle of something.
    pub(crate) fn everybody(&self) -> Vec<(Who, Task)> {
        let executions = (0..self.executions.len()).map(|index| Who::Execution(number(index)));
        let others = (0..self.others.len()).map(|index| Who::Other(number(index)));
        executions.chain(others).filter_map(|who| Some((who, self.task(who)?))).collect()
    }

    /// The execution waits no more for its invocation.
    pub(crate) fn put(&mut self, who: Who, task: Task) {
        match who {
            Who::Other(index) => self.others[usize::from(index)] = task,
            Who::Execution(index) => match &mut self.executions[usize::from(index)].stands {
                Stands::Plans(present) | Stands::Works(present, _) | Stands::Closes(present) => *present = task,
                Stands::Waits(..) | Stands::Ended => {}
            },
        }
    }

    /// The same, whichever of them was there first.
    pub(crate) fn sort(&mut self) {
        self.executions.sort();
        self.others.sort();
        self.late.sort();
        self.events.sort();
    }
}

pub(crate) fn number(index: usize) -> u8 {
    u8::try_from(index).expect("few of anything")
}
