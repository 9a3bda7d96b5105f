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

/// The principals that IAM is asked about after a stage, and the outcome of their answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// The outcome for the run when one of them can still launch.
    #[serde(default)]
    pub demand: Demand,
    /// The principals that the stage takes rights from.
    pub of: Vec<Principal>,
}
