//! When a person is asked before anything is changed, how long they have, and what an amount must be to be believed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::{Duration, Percent};

/// The longest that a person may be waited for: an execution of the state machine ends a day later.
const LONGEST: i64 = 7 * 86_400;

/// A person is asked before anything is changed, with `guardrails approve` and `guardrails reject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalRule {
    /// How long they have, up to `7d`; `24h` when left out.
    pub within: Duration,
    /// What silence means: `reject` when left out.
    pub otherwise: Otherwise,
    /// By how much what is planned after the approval may exceed what was approved: `0%` when left out. What exceeds it by more is
    /// asked about again.
    pub beyond: Percent,
}

impl Default for ApprovalRule {
    fn default() -> Self {
        Self { within: Duration::from_secs(86_400), otherwise: Otherwise::Reject, beyond: Percent::ZERO }
    }
}

impl ApprovalRule {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    /// When it waits for too long; in words.
    pub fn check(&self) -> Result<(), String> {
        if self.within.seconds() > LONGEST {
            return Err(format!("`within: {}` is too long: expected at most `7d`", self.within));
        }
        Ok(())
    }
}

/// What silence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// Nothing is changed.
    Reject,
    /// It is enforced.
    Approve,
}

/// Which alerts are believed. One that is not waits for a person's approval, also where the stage asks for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Plausibility {
    /// An amount of more than so many times the budget, or the last spend that was known of the same period, is not believed: `10` when
    /// left out.
    pub factor: u32,
    /// How a person is asked about an alert that is not believed: within `24h`, and silence rejects it, when left out.
    pub approval: ApprovalRule,
}

impl Default for Plausibility {
    fn default() -> Self {
        Self { factor: 10, approval: ApprovalRule::default() }
    }
}

impl Plausibility {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    /// When a number is out of its range; in words.
    pub fn check(&self) -> Result<(), String> {
        if self.factor < 2 {
            return Err(format!("a factor of {} would believe no alert: expected a whole number from 2 on", self.factor));
        }
        if self.approval.otherwise == Otherwise::Approve {
            return Err(
                "`otherwise: approve` would enforce an alert that is not believed when nobody answers: leave it out".to_owned()
            );
        }
        self.approval.check()
    }
}
