//! The records beside runs: a stage's state in a period, and the alerts that arrived.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::ids::{GuardrailName, RunId};
use crate::omit::is_default;

/// The most figures that are kept of those that people said no to.
pub const MOST_DISCARDED: usize = 20;

/// The state of a stage in a period: at most one open run for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageState {
    /// [`super::FORMAT`].
    pub format: u32,
    /// The latest run.
    pub run: RunId,
    /// The latest run holds nothing any more: a search for open runs need not read it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub over: bool,
    /// Set when a person put the run back, or rejected the stage, before the period's end: alerts are then recorded, not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Released>,
    /// Figures, in dollars, that a person said no to: the latest [`MOST_DISCARDED`]. The period goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discarded: Vec<Decimal>,
    /// How often in a row people were asked about a figure, and nobody answered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unanswered: u32,
}

impl StageState {
    /// One that is taken by `run`.
    #[must_use]
    pub fn of(run: RunId) -> Self {
        Self { format: super::FORMAT, run, over: false, released: None, discarded: Vec::new(), unanswered: 0 }
    }

    /// A person said no to `figure`.
    pub fn discard(&mut self, figure: Decimal) {
        self.discarded.push(figure);
        let surplus = self.discarded.len().saturating_sub(MOST_DISCARDED);
        self.discarded.drain(..surplus);
        self.unanswered = 0;
    }
}

/// The release of a stage for the rest of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The ARN of the person.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub why: String,
}

/// An alert that was received, and the decision about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// [`super::FORMAT`].
    pub format: u32,
    /// When it was first received.
    pub at: Timestamp,
    /// The text, as it came.
    pub text: String,
    /// The decision of that time, for people.
    pub decision: String,
    /// The guardrail whose stage it asked for, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<GuardrailName>,
}

/// That an alert was received, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEntry {
    /// [`super::FORMAT`].
    pub format: u32,
    /// The alert's digest.
    pub digest: String,
}
