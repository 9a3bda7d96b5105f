//! The past of a value, some seconds ago: an eventually consistent listing shows it.

use jiff::{SignedDuration, Timestamp};

/// The states of a value before each of its changes.
#[derive(Debug, Clone)]
pub struct Past<T>(Vec<(Timestamp, T)>);

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Past<T> {
    /// It changes at `now`, and was `before` until then. A state that no listing can show any more is forgotten.
    pub fn remember(&mut self, now: Timestamp, lag: i64, before: T) {
        let oldest = now - SignedDuration::from_secs(lag);
        let forgotten = self.0.partition_point(|(changed, _)| *changed <= oldest);
        self.0.drain(..forgotten);
        self.0.push((now, before));
    }

    /// How it was at `then`; `None` when it has not changed since.
    pub fn at(&self, then: Timestamp) -> Option<&T> {
        self.0.iter().find(|(changed, _)| *changed > then).map(|(_, before)| before)
    }
}
