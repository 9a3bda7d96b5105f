//! An action's function: plans a part of a run, or takes it on in one direction. Which action it is, its binary says.

use guardrails_aws::actions::{self, Context};
use guardrails_model::config::ActionSpec;
use guardrails_model::drive::{Drive, Progress};
use guardrails_model::ids::RunId;
use guardrails_model::ledger::Versioned;
use guardrails_model::record::{Direction, PartPlan, Run};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::fault::Fault;
use crate::metrics::{Metric, emit};
use crate::runtime::{Invocation, serve};
use guardrails_model::clock::Clock;

/// What the state machine asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    op: Op,
    run: RunId,
    part: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Plan,
    Apply,
    Rollback,
}

/// What it answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Reply {
    Planned { part: usize, plan: PartPlan },
    Progress(Progress),
}

/// Serves the action called `name`.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main(name: &'static str) -> Result<(), lambda_runtime::Error> {
    serve(move |order, invocation| handle(name, order, invocation)).await
}

async fn handle(name: &'static str, order: Order, invocation: Invocation) -> Result<Reply, Fault> {
    let ledger = invocation.ledger()?;
    let run = ledger.run(&order.run).await?.ok_or_else(|| Fault::failed(format!("the ledger has no run `{}`", order.run)))?;
    let part = run.value.parts.get(order.part).filter(|part| part.action.as_str() == name);
    let part = part.ok_or_else(|| Fault::failed(format!("part {} of run {} is not for {name}", order.part, order.run)))?;
    let spec = ActionSpec { name: part.action.clone(), params: part.params.clone() };
    let context = Context { sdk: &invocation.sdk, operators: &run.value.operators };
    let action = actions::make(&spec, &context)?;
    let drive = Drive::new(&ledger, &invocation.clock, invocation.deadline, invocation.by.clone());
    let simulated = run.value.simulated;
    let direction = match order.op {
        Op::Plan => return plan(&drive, run, order.part, action.as_ref()).await,
        Op::Apply => Direction::Apply,
        Op::Rollback => Direction::Rollback,
    };
    let span = tracing::info_span!("work", run = %order.run, simulated, action = name);
    let progress = drive.go(direction, &order.run, order.part, action.as_ref()).instrument(span).await?;
    tracing::info!(run = %order.run, part = order.part, action = name, simulated, direction = direction.as_str(), ?progress, "worked");
    count(&invocation, &order, direction, &progress);
    Ok(Reply::Progress(progress))
}

async fn plan(
    drive: &Drive<'_>,
    run: Versioned<Run>,
    part: usize,
    action: &dyn guardrails_model::action::Action,
) -> Result<Reply, Fault> {
    // A plan that counts already is kept: its steps may hold facets.
    let plan = match &run.value.parts[part].plan {
        written @ PartPlan::Written(_) => written.clone(),
        PartPlan::Missing | PartPlan::Failed { .. } => PartPlan::Written(drive.plan(&run.value, part, action).await?),
    };
    tracing::info!(run = %run.value.id, part, ?plan, "planned");
    Ok(Reply::Planned { part, plan })
}

#[allow(clippy::cast_precision_loss, reason = "counts of steps are far below 2^52")]
fn count(invocation: &Invocation, order: &Order, direction: Direction, progress: &Progress) {
    let (changed, failed) = match progress {
        Progress::Done { changed, failed } => (*changed, *failed),
        Progress::Settling { changed, .. } => (*changed, 0),
        Progress::Superseded => return,
    };
    let reached = if direction == Direction::Apply { Metric::StepsApplied } else { Metric::StepsRolledBack };
    let values = [(reached, changed as f64), (Metric::StepsFailed, failed as f64)];
    emit(invocation.clock.now(), &values, &[("run", order.run.as_str())]);
}
