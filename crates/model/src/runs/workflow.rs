//! The workflow that carries runs out: the state machine, as the model sees it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ids::RunId;
use crate::record::{Direction, Part, Run};

/// The workflow that carries runs out: the state machine.
#[async_trait]
pub trait Workflow: Send + Sync {
    /// Starts the execution `name` of `input`. A name that is running already with this input counts as started.
    async fn start(&self, name: &str, input: &WorkflowInput) -> Result<Started, WorkflowError>;

    /// Is the execution `name` running?
    async fn is_running(&self, name: &str) -> Result<bool, WorkflowError>;

    /// Wakes the execution that waits under `token`.
    async fn wake(&self, token: &str) -> Result<Woken, WorkflowError>;
}

/// The outcome of waking an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// It goes on.
    Woken,
    /// Nothing waits under that token any more.
    Gone,
}

/// The outcome of starting an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It runs.
    Running,
    /// An execution of that name ran and ended: another name is needed.
    NameTaken,
}

/// The workflow could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct WorkflowError {
    /// The task that failed.
    pub doing: String,
    /// Is it worth trying again as it is?
    pub retryable: bool,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The state machine's input: ids, and which functions to call in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowInput {
    /// The run.
    pub run: RunId,
    /// The direction of the run.
    pub direction: Direction,
    /// The attempt that this execution is.
    pub attempt: u32,
    /// The try that it was started for.
    #[serde(rename = "try")]
    pub try_number: u32,
    /// Waves of parts: one after another, mirrored on the way back.
    #[serde(rename = "groups")]
    pub waves: Vec<Vec<PartRef>>,
}

/// A part of a run, and the action that works on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRef {
    /// Its index.
    pub part: usize,
    /// The action's name, by which the function is chosen.
    pub action: String,
}

/// `<apply|rollback>-<run id>-<attempt>`.
#[must_use]
pub fn execution_name(run: &Run) -> String {
    format!("{}-{}-{}", run.direction.as_str(), run.id, run.attempt())
}

/// The state machine's input for the run's direction: on the way forward all parts, since each may have to plan yet; on the
/// way back those that have steps.
#[must_use]
pub fn input(run: &Run) -> WorkflowInput {
    let back = run.direction == Direction::Rollback;
    WorkflowInput {
        run: run.id.clone(),
        direction: run.direction,
        attempt: run.attempt(),
        try_number: run.try_number(),
        waves: waves(run, |part| !back || part.has_steps()),
    }
}

/// The parts that `counts`, in waves that go one after another: mirrored on the way back.
#[must_use]
pub fn waves(run: &Run, counts: impl Fn(&Part) -> bool) -> Vec<Vec<PartRef>> {
    let mut waves: BTreeMap<usize, Vec<PartRef>> = BTreeMap::new();
    for (index, part) in run.parts.iter().enumerate().filter(|(_, part)| counts(part)) {
        waves.entry(part.wave).or_default().push(PartRef { part: index, action: part.action.to_string() });
    }
    match run.direction {
        Direction::Apply => waves.into_values().collect(),
        Direction::Rollback => waves.into_values().rev().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn waves_go_by_their_numbers_whichever_those_are() {
        let part = |wave: usize| json!({"group": wave, "action": "stop-instances", "params": {}, "plan": {"is": "missing"}});
        let mut run: Run = serde_json::from_value(json!({
            "format": 1, "id": "r-20261123-014653-7f3k9q", "guardrail": "beta", "stage": "100% actual", "period": "2026-11",
            "simulated": false, "budget": {"amount": "2 USD", "period": "monthly"}, "operators": [],
            "began": "2026-11-23T01:46:53Z", "alert": "", "state": "Opening", "direction": "apply",
            "attempts": {"apply": 1, "rollback": 0}, "tries": {"apply": 1, "rollback": 0},
            "parts": [part(usize::MAX), part(0), part(usize::MAX), part(7)], "events": []
        }))
        .unwrap();
        let indexes = |run: &Run| -> Vec<Vec<usize>> {
            waves(run, |_| true).iter().map(|wave| wave.iter().map(|part| part.part).collect()).collect()
        };
        assert_eq!(indexes(&run), [vec![1], vec![3], vec![0, 2]]);
        run.direction = Direction::Rollback;
        assert_eq!(indexes(&run), [vec![0, 2], vec![3], vec![1]]);
    }
}
