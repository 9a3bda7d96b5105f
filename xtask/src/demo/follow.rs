//! Follows a run in the ledger as it happens: every event of every step is shown once, in the ledger's own words.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use guardrails_aws::store::DynamoStore;
use guardrails_local_aws::SdkConfig;
use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::ledger::Ledger;
use guardrails_model::phase::Phase;
use guardrails_model::record::{Run, RunState, Step, StepEvent};
use guardrails_model::report::{Keep, Report};
use tokio::time::MissedTickBehavior;

use super::say;

const POLL: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_mins(2);

/// A run's follower.
pub struct Follow {
    ledger: Ledger,
    began: Instant,
    shown: HashMap<FacetId, usize>,
}

impl Follow {
    /// Follows the ledger in `table` from now on.
    pub fn new(sdk: &SdkConfig, table: String) -> Self {
        let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(sdk), table);
        Self { ledger: Ledger::new(Arc::new(store)), began: Instant::now(), shown: HashMap::new() }
    }

    /// Waits for the first run, and until it is applied or has failed.
    pub async fn enforced(&mut self) -> Result<Report> {
        tokio::time::timeout(LIMIT, self.follow())
            .await
            .map_err(|_| anyhow!("no run was enforced within {} s", LIMIT.as_secs()))?
    }

    /// The run as it stands.
    pub async fn report(&self, id: &RunId) -> Result<Report> {
        let run = self.ledger.run(id).await.context("reading the ledger")?.context("the run is gone from the ledger")?;
        self.with_steps(run.value).await
    }

    async fn follow(&mut self) -> Result<Report> {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut state = None;
        loop {
            ticks.tick().await;
            let Some(run) = self.ledger.runs(Some(1)).await.context("reading the ledger")?.pop() else { continue };
            let report = self.with_steps(run.value).await?;
            let begun = report.run.state;
            if state.replace(begun) != Some(begun) {
                self.show(&format!("run {}: {}", report.run.id, begun.words()));
            }
            self.show_steps(&report.steps);
            if !matches!(begun, RunState::Opening | RunState::Applying) {
                return Ok(report);
            }
        }
    }

    async fn with_steps(&self, run: Run) -> Result<Report> {
        Report::of(&self.ledger, run, Keep::ALL).await.context("reading the ledger")
    }

    fn show_steps(&mut self, steps: &[Step]) {
        for step in steps {
            let shown = self.shown.insert(step.facet.clone(), step.events.len()).unwrap_or_default();
            // That the same phase goes on, by other calls, is for the history.
            let is_news =
                |at: &usize| *at == 0 || step.events[*at].phase != step.events[at - 1].phase || step.events[*at].reason.is_some();
            for event in (shown..step.events.len()).filter(is_news).map(|at| &step.events[at]) {
                if event.phase != Phase::Planned {
                    self.show(&words(step, event));
                }
            }
        }
    }

    fn show(&self, words: &str) {
        say(&format!("  {:4.1} s  {words}", self.began.elapsed().as_secs_f64()));
    }
}

fn words(step: &Step, event: &StepEvent) -> String {
    let reason = event.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}: {} -> {}: {}{reason}", step.label, step.present, step.wanted, event.phase)
}
