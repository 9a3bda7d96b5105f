//! The facts that do not change while a scenario is explored.

use guardrails_model::action::DriftPolicy;
use guardrails_model::config::{Config, Guardrail};
use guardrails_model::decide::Target;
use guardrails_model::ids::RunId;

/// A run, and the alert that it is an answer to.
#[derive(Debug, Clone)]
pub(crate) struct KnownRun {
    pub(crate) id: RunId,
    pub(crate) target: Target,
    pub(crate) config: Config,
    pub(crate) guardrail: Guardrail,
}

/// The facts that do not change.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) runs: Vec<KnownRun>,
    pub(crate) drift: DriftPolicy,
}
