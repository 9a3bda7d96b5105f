//! The tests' time: it stands still until a test moves it.

use std::sync::Mutex;

use guardrails_model::clock::Clock;
use jiff::{SignedDuration, Timestamp};

use crate::lock;

/// A clock that only tests move.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl Default for ManualClock {
    fn default() -> Self {
        Self(Mutex::new("2026-11-23T01:46:53Z".parse().expect("a time")))
    }
}

impl ManualClock {
    /// One that says `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Puts the clock to `now`: tests that tell many stories from one moment go back to it.
    pub fn set(&self, now: Timestamp) {
        *lock(&self.0) = now;
    }

    /// Lets so many seconds pass.
    pub fn advance(&self, seconds: i64) {
        *lock(&self.0) += SignedDuration::from_secs(seconds);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }
}
