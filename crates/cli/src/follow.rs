//! Waits for a run, and shows on stderr what happens to its steps as it happens.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::phase::Phase;
use guardrails_model::record::{Direction, RunState, Step};
use guardrails_model::report::{Report, line};
use guardrails_model::runs::{Workflow, execution_name};

use crate::deployment::Deployment;
use crate::output::{Progress, tell};

const POLL: Duration = Duration::from_millis(300);
/// Looks between two questions to the state machine whether it still runs.
const LOOKS: u32 = 10;

/// Waits until the run is neither being applied nor being put back. What stood in `known` is not shown again.
pub(crate) async fn until_settled(deployment: &Deployment, run: &RunId, known: &[Step]) -> Result<Report> {
    let mut progress = Progress::new();
    let mut shown: HashMap<FacetId, Phase> = known.iter().map(|step| (step.facet.clone(), step.phase)).collect();
    let mut unseen = 0;
    loop {
        let report = report(deployment, run).await?;
        for step in &report.steps {
            if shown.insert(step.facet.clone(), step.phase) != Some(step.phase) && step.phase != Phase::Planned {
                progress.log(&format!("  {}", line(step)));
            }
        }
        let (state, all) = (report.run.state.words(), report.steps.len());
        progress.show(&format!("{run}: {state} ({} of {all} steps to go)", to_go(&report)));
        if !matches!(report.run.state, RunState::Opening | RunState::Applying | RunState::RollingBack) {
            return Ok(report);
        }
        unseen += 1;
        if unseen % LOOKS == 0 {
            check_running(deployment, &report).await?;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// On the way back, all that is not over; on the way forward, all that is not there.
fn to_go(report: &Report) -> usize {
    let back = report.run.direction == Direction::Rollback;
    let left = |step: &&Step| !step.phase.is_final() && (back || !matches!(step.phase, Phase::Applied | Phase::ApplyFailed));
    report.steps.iter().filter(left).count()
}

/// A run whose execution died stands still: say so instead of waiting.
async fn check_running(deployment: &Deployment, report: &Report) -> Result<()> {
    let name = execution_name(&report.run);
    if deployment.workflow.is_running(&name).await? {
        return Ok(());
    }
    // It may have ended between the two looks.
    let again = deployment.ledger.run(&report.run.id).await?.ok_or_else(|| anyhow!("the run {} is gone", report.run.id))?;
    if again.value.state != report.run.state || execution_name(&again.value) != name {
        return Ok(());
    }
    tell(&report.text());
    Err(anyhow!(
        "the execution `{name}` of the state machine has ended, and the run has not\nhint: look at it in the Step Functions \
         console; the same command takes the run up again"
    ))
}

/// A run with its steps.
pub(crate) async fn report(deployment: &Deployment, run: &RunId) -> Result<Report> {
    let found = deployment.ledger.run(run).await.context("reading the ledger")?;
    let run = found.ok_or_else(|| anyhow!("the ledger has no run `{run}`\nhint: guardrails status --all"))?.value;
    let steps = deployment.runs().steps(&run).await.context("reading the ledger")?;
    Ok(Report { run, steps })
}
