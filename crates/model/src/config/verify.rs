//! The question that a stage has for IAM once it has taken rights from somebody.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::principal::Principal;

/// The outcome of a run after which somebody can still launch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// People are told.
    #[default]
    Report,
    /// The run ends as failed, and its changes stay.
    Fail,
}

/// Whom IAM is asked about after a stage, and what their answers lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What becomes of the run.
    #[serde(default)]
    pub demand: Demand,
    /// Whom the stage takes rights from.
    pub of: Vec<Principal>,
}
