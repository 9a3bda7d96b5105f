//! An action's function: plans a part of a run, or takes it on in one direction. Which action it is, the function's name says.

use std::sync::Arc;

use guardrails_aws::catalog::Entry;
use guardrails_aws::context::{Account, Context};
use guardrails_model::action::{Action, ActionError};
use guardrails_model::clock::Clock;
use guardrails_model::engine::{Executor, ExecutorError, Progress};
use guardrails_model::ids::Place;
use guardrails_model::pace::Levels;
use guardrails_model::record::{Direction, PartPlan, Run, Tally};
use guardrails_model::wire::{ActionOrder as Order, Op, RehearsalResult, RunningResult};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value as Json;
use tracing::Instrument;

use crate::fault::Fault;
use crate::metrics::{Metric, emit};
use crate::runtime::{Invocation, serve, variable};

/// No place is rehearsed with less time than this left.
const RESERVE: SignedDuration = SignedDuration::from_secs(30);

/// Its answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Reply {
    Places { part: usize, places: Vec<Place> },
    Planned { part: usize, plan: PartPlan },
    Progress(Progress),
    Rehearsed(RehearsalResult),
    Running(RunningResult),
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
    match order.op {
        Op::Rehearse => return Ok(Reply::Rehearsed(rehearse(entry, &order, &invocation).await?)),
        Op::Running => return Ok(Reply::Running(running(entry, &order, &invocation).await?)),
        Op::Places | Op::Plan | Op::Apply | Op::Rollback => {}
    }
    let ledger = invocation.ledger()?;
    let run = ledger.run(&order.run).await?.ok_or_else(|| Fault::failed(format!("the ledger has no run `{}`", order.run)))?.value;
    let part = run.parts.get(order.part).filter(|part| part.action.as_str() == name);
    let part = part.ok_or_else(|| Fault::failed(format!("part {} of run {} is not for {name}", order.part, order.run)))?;
    let cursor = order.cursor.clone().or_else(|| part.cursor.clone()).unwrap_or_default();
    let context = context(&invocation, &run, part.place.as_ref(), cursor.levels.clone())?;
    let action = entry.make(&part.params, &context)?;
    let executor = Executor::new(&ledger, &invocation.clock, invocation.deadline, invocation.by.clone());
    let direction = match order.op {
        Op::Places => return places(&run, order.part, action.as_ref()).await,
        Op::Plan => return plan(&executor, &run, order.part, action.as_ref()).await,
        Op::Apply => Direction::Apply,
        Op::Rollback => Direction::Rollback,
        Op::Rehearse | Op::Running => return Err(Fault::failed("a draft has no run".to_owned())),
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

/// The place, the clients and the pace of an action of `run`.
fn context<'a>(invocation: &Invocation, run: &'a Run, place: Option<&Place>, levels: Levels) -> Result<Context<'a>, Fault> {
    let mut context = Context::new(&invocation.sdk, &run.operators, Arc::new(invocation.clock)).at(place);
    context = context.paced(run.pace.clone(), levels);
    context.restricted = run.restricted();
    context.stack = Some(variable("STACK_NAME")?);
    context.called = called();
    context.account = Some(Account { partition: variable("PARTITION")?, id: variable("ACCOUNT_ID")? });
    Ok(context)
}

/// The functions of the user's that the deployed guardrails call. The template leaves the variable out where there is none.
fn called() -> Vec<String> {
    let names = std::env::var("CALLED_FUNCTIONS").unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A part of a run that there is not, and the places that its action works in.
struct Drafted<'a> {
    draft: &'a Run,
    part: usize,
    params: &'a Json,
    places: Result<Vec<Option<Place>>, ActionError>,
}

impl<'a> Drafted<'a> {
    async fn of(entry: &Entry, order: &'a Order, invocation: &Invocation) -> Result<Self, Fault> {
        let (name, part) = (entry.name, order.part);
        let draft = order.draft.as_deref().ok_or_else(|| Fault::failed("the order comes without its draft".to_owned()))?;
        let of_draft = draft.parts.get(part).filter(|part| part.action.as_str() == name);
        let params = &of_draft.ok_or_else(|| Fault::failed(format!("part {part} of the draft is not for {name}")))?.params;
        let places = entry.make(params, &context(invocation, draft, None, Levels::default())?)?.places().await;
        let each = |places: Vec<Place>| if places.is_empty() { vec![None] } else { places.into_iter().map(Some).collect() };
        Ok(Self { draft, part, params, places: places.map(each) })
    }

    /// Its action in a place.
    fn action(&self, entry: &Entry, invocation: &Invocation, place: Option<&Place>) -> Result<Box<dyn Action>, Fault> {
        Ok(entry.make(self.params, &context(invocation, self.draft, place, Levels::default())?)?)
    }
}

fn is_late(invocation: &Invocation) -> bool {
    invocation.clock.now() + RESERVE > invocation.deadline
}

/// Plans a part of a run that there is not, place by place, as far as the time goes. It reads, and writes nothing.
async fn rehearse(entry: &Entry, order: &Order, invocation: &Invocation) -> Result<RehearsalResult, Fault> {
    let name = entry.name;
    let drafted = Drafted::of(entry, order, invocation).await?;
    let (draft, part) = (drafted.draft, drafted.part);
    let ledger = invocation.ledger()?;
    let executor = Executor::new(&ledger, &invocation.clock, invocation.deadline, invocation.by.clone());
    let mut rehearsal = Tally::default();
    if let Err(error) = &drafted.places {
        rehearsal.add(Tally::refused(&format!("{name}: asking for its places: {error}")));
    }
    for place in drafted.places.iter().flatten() {
        if is_late(invocation) {
            rehearsal.add(Tally::untried(&format!("{name}: there was no time for all of its places")));
            break;
        }
        let action = drafted.action(entry, invocation, place.as_ref())?;
        rehearsal.add(executor.rehearse(draft, part, action.as_ref()).await);
    }
    tracing::info!(guardrail = %draft.guardrail, part, action = name, ?rehearsal, "rehearsed");
    Ok(RehearsalResult { part, rehearsal })
}

/// Lists the resources of a part of a run that there is not, place by place: those that run, and why others could not be listed.
async fn running(entry: &Entry, order: &Order, invocation: &Invocation) -> Result<RunningResult, Fault> {
    let name = entry.name;
    let drafted = Drafted::of(entry, order, invocation).await?;
    let (draft, part) = (drafted.draft, drafted.part);
    let ledger = invocation.ledger()?;
    let executor = Executor::new(&ledger, &invocation.clock, invocation.deadline, invocation.by.clone());
    let (mut running, mut failed) = (Vec::new(), Vec::new());
    if let Err(error) = &drafted.places {
        failed.push(format!("asking for its places: {error}"));
    }
    for place in drafted.places.iter().flatten() {
        if is_late(invocation) {
            failed.push("there was no time for all of its places".to_owned());
            break;
        }
        let action = drafted.action(entry, invocation, place.as_ref())?;
        match executor.running(draft, part, place.as_ref(), action.as_ref()).await {
            Ok(there) => running.extend(there),
            Err(why) => failed.push(why),
        }
    }
    let failed = (!failed.is_empty()).then(|| format!("{name}: {}", failed.join("; ")));
    tracing::info!(guardrail = %draft.guardrail, part, action = name, kinds = running.len(), "listed the resources that run");
    Ok(RunningResult { part, running, failed })
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
