//! What a run is about.

use crate::config::StageAt;
use crate::ids::GuardrailName;

/// One stage of one guardrail in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The guardrail.
    pub guardrail: GuardrailName,
    /// The stage.
    pub stage: StageAt,
    /// The budget's period, such as `2026-11`.
    pub period: String,
    /// Not a real alert: marked so everywhere.
    pub simulated: bool,
}
