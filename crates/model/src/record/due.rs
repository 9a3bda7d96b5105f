//! Events of a target that fall due by the clock, and do not happen while its change is held.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Step;
use crate::clock;
use crate::phase::Phase;

/// Such an event, as it was when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Due {
    /// Its name.
    pub name: String,
    /// When it recurs, as the service writes it. None, when it happens once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
    /// When it fell due next, where the service said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.map(clock::words);
        match (&self.recurrence, at) {
            (Some(recurrence), Some(at)) => write!(f, "{} ({recurrence}, next at {at})", self.name),
            (Some(recurrence), None) => write!(f, "{} ({recurrence})", self.name),
            (None, Some(at)) => write!(f, "{} (once, at {at})", self.name),
            (None, None) => write!(f, "{} (at no known time)", self.name),
        }
    }
}

impl Step {
    /// Those events that fell due while the change was held, once that is over: of one that recurs, at least the first.
    #[must_use]
    pub fn missed(&self) -> Vec<&Due> {
        // Somebody who put it back meanwhile let them happen, and so would another run that holds it still.
        let by_us = self.events.iter().any(|event| event.phase == Phase::RollingBack);
        if self.phase != Phase::RolledBack || !by_us {
            return Vec::new();
        }
        let held = |at: Timestamp| self.changed() < at && at <= self.since;
        self.due.iter().filter(|due| due.at.is_some_and(held)).collect()
    }
}
