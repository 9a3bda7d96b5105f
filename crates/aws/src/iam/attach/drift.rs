//! The answer to somebody who takes back an attachment while a run holds it.

use guardrails_model::action::DriftPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to somebody who takes back an attachment while a run holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("default" = "report"))]
pub enum Drift {
    /// People are told, and it stays so.
    #[default]
    Report,
    /// The next round makes the change again. People are told once, and then once a day.
    Enforce,
}

impl Drift {
    /// Is it the usual answer?
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    #[must_use]
    pub fn is_report(&self) -> bool {
        *self == Self::Report
    }
}

impl From<Drift> for DriftPolicy {
    fn from(drift: Drift) -> Self {
        match drift {
            Drift::Report => Self::Report,
            Drift::Enforce => Self::Reapply,
        }
    }
}
