//! What the ledger keeps beside runs: a stage's state in a period, and the alerts that arrived.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{GuardrailName, RunId};
use crate::omit::is_default;

/// What a stage's slot in a period is taken by: at most one open run for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// [`super::FORMAT`].
    pub format: u32,
    /// The latest run.
    pub run: RunId,
    /// The latest run holds nothing any more: who looks for open runs need not read it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub over: bool,
    /// Set when a person put the run back, or rejected it, before the period's end: alerts are then recorded, not enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Released>,
}

/// Who let a stage go for the rest of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The ARN of the person.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub why: String,
}

/// An alert that was received, and what was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// [`super::FORMAT`].
    pub format: u32,
    /// When it was first received.
    pub at: Timestamp,
    /// The text, as it came.
    pub text: String,
    /// What was decided then, for people.
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
