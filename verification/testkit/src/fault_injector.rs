//! Every call of a test, to AWS or to the ledger, passes this gate under a number of its own; a fault waits at one number.
//! One counter for both, so that a sweep over the numbers meets every moment between two calls.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::lock;

/// The fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The caller dies before the call has an effect.
    DieBefore,
    /// The effect happens, and the caller dies before the answer.
    DieAfter,
    /// The caller dies, and the effect happens so many seconds later: EC2 and IAM know no fencing.
    DieLate(i64),
    /// The effect happens, and the connection is reset before the answer.
    LostAnswer,
    /// The connection is refused: no effect.
    Refused,
    /// The service says to come back later: no effect.
    Throttled,
    /// The caller stands still until it is woken, and then goes on as if nothing had been.
    Stall,
}

/// A fault, and the number of the call that it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The first call after arming is number 1.
    pub at: usize,
    /// The fault there.
    pub kind: Kind,
}

/// When a call has its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// At once.
    Now,
    /// At this time, when nobody waits for it any more.
    At(Timestamp),
    /// Not at all.
    Never,
}

/// The answer that the caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The service's answer.
    Answer,
    /// A connection that is reset.
    Reset,
    /// A connection that is refused.
    Refused,
    /// The service's word to come back later.
    Throttled,
    /// Nothing: the caller is dead.
    Death,
}

#[derive(Debug)]
enum Place {
    Number(usize),
    Named(&'static str),
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<String>,
    fault: Option<(Place, Kind)>,
    hit: Option<String>,
    dead: bool,
}

/// The gate.
#[derive(Debug, Default)]
pub struct FaultInjector {
    state: Mutex<State>,
    died: Notify,
    stalled: Notify,
    woken: Notify,
}

impl FaultInjector {
    /// Counts from one again, with `fault` waiting.
    pub fn arm(&self, fault: Fault) {
        *lock(&self.state) = State { fault: Some((Place::Number(fault.at), fault.kind)), ..State::default() };
    }

    /// Counts from one again, with `kind` waiting for the first call whose name begins with `call`.
    pub fn arm_for(&self, call: &'static str, kind: Kind) {
        *lock(&self.state) = State { fault: Some((Place::Named(call), kind)), ..State::default() };
    }

    /// Counts from one again, and nothing goes wrong.
    pub fn disarm(&self) {
        *lock(&self.state) = State::default();
    }

    /// The call that met the fault, if one did.
    pub fn hit(&self) -> Option<String> {
        lock(&self.state).hit.clone()
    }

    /// The calls since arming, in order.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state).calls.clone()
    }

    /// Runs `work` to its end, or until it dies and is dropped, as a function is that is killed.
    pub async fn until_death<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let ended = tokio::select! {
                biased;
                ended = &mut work => Some(ended),
                () = self.died.notified() => None,
            };
            // Nobody hears the words of a caller that died in the same breath; and a death may be told twice.
            if std::mem::take(&mut lock(&self.state).dead) {
                return None;
            }
            if ended.is_some() {
                return ended;
            }
        }
    }

    /// Ends when a caller stands still.
    pub async fn stall(&self) {
        self.stalled.notified().await;
    }

    /// Lets the caller that stands still go on.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// A call comes by: the time of its effect, and the caller's answer. A dead caller gets nothing any more.
    pub async fn pass(&self, call: &str, now: Timestamp) -> (Effect, Ending) {
        let kind = {
            let mut state = lock(&self.state);
            if state.dead {
                return (Effect::Never, Ending::Death);
            }
            state.calls.push(call.to_owned());
            let number = state.calls.len();
            let here = |place: &Place| match place {
                Place::Number(at) => *at == number,
                Place::Named(name) => call.starts_with(name),
            };
            let kind = state.fault.take_if(|(place, _)| here(place)).map(|(_, kind)| kind);
            state.hit = state.hit.take().or_else(|| kind.map(|kind| format!("{kind:?} at call {number}, {call}")));
            state.dead = matches!(kind, Some(Kind::DieBefore | Kind::DieAfter | Kind::DieLate(_)));
            kind
        };
        match kind {
            None => (Effect::Now, Ending::Answer),
            Some(Kind::DieBefore) => (Effect::Never, Ending::Death),
            Some(Kind::DieAfter) => (Effect::Now, Ending::Death),
            Some(Kind::DieLate(seconds)) => (Effect::At(now + SignedDuration::from_secs(seconds)), Ending::Death),
            Some(Kind::LostAnswer) => (Effect::Now, Ending::Reset),
            Some(Kind::Refused) => (Effect::Never, Ending::Refused),
            Some(Kind::Throttled) => (Effect::Never, Ending::Throttled),
            Some(Kind::Stall) => {
                self.stalled.notify_one();
                self.woken.notified().await;
                (Effect::Now, Ending::Answer)
            }
        }
    }

    /// How a dead caller's call ends: never.
    pub async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }
}
