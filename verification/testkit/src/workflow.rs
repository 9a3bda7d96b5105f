//! A state machine in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use guardrails_model::runs::{Started, Woken, Workflow, WorkflowError, WorkflowInput};

use crate::lock;

/// Executions in a map, and the tokens that some of them wait under.
#[derive(Debug, Default)]
pub struct FakeWorkflow(Mutex<BTreeMap<String, (WorkflowInput, bool)>>, Mutex<BTreeMap<String, usize>>);

impl Clone for FakeWorkflow {
    fn clone(&self) -> Self {
        Self(Mutex::new(lock(&self.0).clone()), Mutex::new(lock(&self.1).clone()))
    }
}

impl FakeWorkflow {
    /// All executions and tokens are as in `saved`.
    pub fn restore(&self, saved: &Self) {
        lock(&self.0).clone_from(&lock(&saved.0));
        lock(&self.1).clone_from(&lock(&saved.1));
    }

    /// An execution waits under `token`.
    pub fn waits(&self, token: &str) {
        lock(&self.1).insert(token.to_owned(), 0);
    }

    /// How many times `token` was used.
    pub fn woken(&self, token: &str) -> usize {
        lock(&self.1).get(token).copied().unwrap_or_default()
    }

    /// All executions end.
    pub fn end_all(&self) {
        lock(&self.1).clear();
        lock(&self.0).values_mut().for_each(|(_, running)| *running = false);
    }

    /// One execution ends.
    pub fn end(&self, name: &str) {
        if let Some((_, running)) = lock(&self.0).get_mut(name) {
            *running = false;
        }
    }

    /// The names of all executions that were ever started.
    pub fn names(&self) -> Vec<String> {
        lock(&self.0).keys().cloned().collect()
    }
}

#[async_trait]
impl Workflow for FakeWorkflow {
    async fn start(&self, name: &str, input: &WorkflowInput) -> Result<Started, WorkflowError> {
        crate::yield_now().await;
        let mut executions = lock(&self.0);
        // One that runs with other input counts too, as the product finds out by asking for it.
        let (_, running) = executions.entry(name.to_owned()).or_insert_with(|| (input.clone(), true));
        Ok(if *running { Started::Running } else { Started::NameTaken })
    }

    async fn is_running(&self, name: &str) -> Result<bool, WorkflowError> {
        crate::yield_now().await;
        Ok(lock(&self.0).get(name).is_some_and(|(_, running)| *running))
    }

    async fn wake(&self, token: &str) -> Result<Woken, WorkflowError> {
        crate::yield_now().await;
        let mut waiting = lock(&self.1);
        // As Step Functions does: a token that was used is known to nobody any more.
        let times = waiting.get_mut(token);
        Ok(times.map_or(Woken::Gone, |times| {
            *times += 1;
            if *times == 1 { Woken::Woken } else { Woken::Gone }
        }))
    }
}
