//! The two ways that everything goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The direction of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards the values that the stage wants.
    Apply,
    /// Back to the values before.
    Rollback,
}

impl Direction {
    /// As it stands in the state machine's input and in names of executions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Rollback => "rollback",
        }
    }
}
