//! An action's function: plans a part of a run, or takes it on in one direction. Which action it is, the function's name says.

use std::sync::Arc;

use guardrails_aws::catalog::Entry;
use guardrails_aws::context::{Account, Context};
use guardrails_model::action::{Action, ActionError};
use guardrails_model::clock::Clock;
use guardrails_model::engine::{Executor, ExecutorError, Progress};
use guardrails_model::ids::Place;
use guardrails_model::record::{Direction, PartPlan, Run};
use guardrails_model::wire::{ActionOrder as Order, Op};
use serde::Serialize;
use tracing::Instrument;

use crate::fault::Fault;
use crate::metrics::{Metric, emit};
use crate::runtime::{Invocation, serve, variable};

/// What it answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Reply {
    Places { part: usize, places: Vec<Place> },
    Planned { part: usize, plan: PartPlan },
    Progress(Progress),
}

/// Serves the action `entry`.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main(entry: &'static Entry) -> Result<(), lambda_runtime::Error> {
    serve(|order, invocation| handle(entry, order, invocation)).await
}

async fn handle(entry: &Entry, order: Order, invocation: Invocation) -> Result<Reply, Fault> {
    let name = entry.name;
    let ledger = invocation.ledger()?;
    let run = ledger.run(&order.run).await?.ok_or_else(|| Fault::failed(format!("the ledger has no run `{}`", order.run)))?.value;
    let part = run.parts.get(order.part).filter(|part| part.action.as_str() == name);
    let part = part.ok_or_else(|| Fault::failed(format!("part {} of run {} is not for {name}", order.part, order.run)))?;
    let cursor = order.cursor.clone().or_else(|| part.cursor.clone()).unwrap_or_default();
    let mut context = Context::new(&invocation.sdk, &run.operators, Arc::new(invocation.clock))
        .at(part.place.as_ref())
        .paced(run.pace.clone(), cursor.levels.clone());
    context.restricted = run.restricted();
    context.stack = Some(variable("STACK_NAME")?);
    context.account = Some(Account { partition: variable("PARTITION")?, id: variable("ACCOUNT_ID")? });
    let action = entry.make(&part.params, &context)?;
    let executor = Executor::new(&ledger, &invocation.clock, invocation.deadline, invocation.by.clone());
    let direction = match order.op {
        Op::Places => return places(&run, order.part, action.as_ref()).await,
        Op::Plan => return plan(&executor, &run, order.part, action.as_ref()).await,
        Op::Apply => Direction::Apply,
        Op::Rollback => Direction::Rollback,
    };
    let span = tracing::info_span!("work", run = %order.run, simulated = run.simulated, action = name);
    let mut progress = executor.advance(direction, &order.run, order.part, cursor, action.as_ref()).instrument(span).await?;
    if let Progress::Settling { cursor, .. } = &mut progress {
        cursor.levels = context.pacer.levels();
    }
    let (simulated, place) = (run.simulated, part.place.as_ref().map(Place::as_str));
    let way = direction.as_str();
    tracing::info!(run = %order.run, part = order.part, action = name, place, simulated, direction = way, ?progress, "worked");
    count(&invocation, &order, direction, &progress);
    Ok(Reply::Progress(progress))
}

/// Where a part works: where it was put before, or wherever its action says.
async fn places(run: &Run, part: usize, action: &dyn Action) -> Result<Reply, Fault> {
    let places = match &run.parts[part].place {
        Some(place) => vec![place.clone()],
        None => action.places().await.map_err(|source| of_action(run, part, "asking for its places", source))?,
    };
    Ok(Reply::Places { part, places })
}

async fn plan(executor: &Executor<'_>, run: &Run, part: usize, action: &dyn Action) -> Result<Reply, Fault> {
    // A plan that counts already is kept: its steps may hold facets.
    let plan = if run.is_settled(part) {
        if run.rescanning.is_some() {
            executor.rescan(&run.id, part, action).await?;
        }
        executor.review(run, part, action).await?
    } else {
        match executor.plan(run, part, action).await {
            Ok(written) => PartPlan::Written(written),
            Err(ExecutorError::Action { source: ActionError::OutOfBounds(reason), .. }) => PartPlan::Skipped { reason },
            Err(error) => return Err(error.into()),
        }
    };
    tracing::info!(run = %run.id, part, ?plan, "planned");
    Ok(Reply::Planned { part, plan })
}

fn of_action(run: &Run, part: usize, doing: &'static str, source: ActionError) -> Fault {
    ExecutorError::Action { action: run.parts[part].title(), doing, source }.into()
}

#[allow(clippy::cast_precision_loss, reason = "counts of steps are far below 2^52")]
fn count(invocation: &Invocation, order: &Order, direction: Direction, progress: &Progress) {
    let (Progress::Done { changed, failed } | Progress::Settling { changed, failed, .. }) = progress else { return };
    let reached = if direction == Direction::Apply { Metric::StepsApplied } else { Metric::StepsRolledBack };
    let values = [(reached, *changed as f64), (Metric::StepsFailed, *failed as f64)];
    emit(invocation.clock.now(), &values, &[("run", order.run.as_str())]);
}
