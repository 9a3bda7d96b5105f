//! The state machine's orders to the master: it keeps the books of a run (the plan that counts, the end).

use guardrails_model::clock::Clock;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Direction, Part, PartPlan, RunState};
use guardrails_model::runs::{Ended, Heard, Outcome, PartRef, Places, Runs, waves};
use guardrails_model::wire::{End, MasterOrder as Order, PartResult, PlacesResult, heard};
use jiff::Unit;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::approvals;
use crate::fault::Fault;
use crate::metrics::{Metric, emit};
use crate::runtime::Invocation;

/// The answer to the machine.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Reply {
    /// The parts to plan, or to work on.
    Waves {
        run: RunId,
        #[serde(rename = "groups")]
        waves: Vec<Vec<PartRef>>,
    },
    /// The parts to work on, unless a person is to be waited for so many seconds first; and is IAM to be asked afterwards?
    Opened {
        run: RunId,
        #[serde(rename = "groups")]
        waves: Vec<Vec<PartRef>>,
        ask: i64,
        verify: bool,
    },
    /// The next work of an execution that waited.
    Heard {
        run: RunId,
        #[serde(flatten)]
        heard: Heard,
    },
    /// Nobody reads it: the execution waits for its token.
    Waits { run: RunId },
    /// How it ended.
    Ended { run: RunId, outcome: Outcome },
}

/// Carries an order out, and says what the machine is to do next.
pub(crate) async fn carry_out(event: Json, invocation: &Invocation) -> Result<Json, Fault> {
    let order: Order = serde_json::from_value(event).map_err(|error| Fault::failed(format!("not an order: {error}")))?;
    let (ledger, workflow) = (invocation.ledger()?, invocation.workflow()?);
    let runs = Runs { ledger: &ledger, workflow: &workflow, clock: &invocation.clock, by: invocation.by.clone() };
    let reply = match order {
        Order::Spread { run, places } => {
            let places: Vec<(usize, Places)> = places.into_iter().flatten().map(found).collect();
            let spread = runs.spread(&run, &places).await?;
            // A part whose action could not say where it works has nothing to plan in this try.
            let waves = waves(&spread, |part| !matches!(part.plan, PartPlan::Failed { .. }));
            Reply::Waves { run, waves }
        }
        Order::Open { run, plans } => {
            let plans: Vec<(usize, PartPlan)> = plans.into_iter().flatten().map(|result| (result.part, result.plan)).collect();
            let opened = runs.open(&run, &plans).await?;
            let ask = opened.waits_for(invocation.clock.now()).unwrap_or_default();
            // While only a part of it is carried out, IAM would be asked too early.
            let is_part = opened.approval.as_ref().is_some_and(|approval| approval.next.is_some());
            let verify = opened.verify.is_some() && !is_part;
            Reply::Opened { run, waves: waves(&opened, Part::has_steps), ask, verify }
        }
        Order::Ask { run, attempt, token } => {
            approvals::ask(&runs, &run, attempt, &token, invocation).await?;
            Reply::Waits { run }
        }
        Order::Hear { run, attempt } => {
            let heard = runs.hear(&run, attempt).await?;
            tracing::info!(%run, attempt, ?heard, "waits no more");
            Reply::Heard { run, heard }
        }
        Order::Close { run, direction, try_number, results, unverified } => {
            if let Some(why) = unverified.filter(|_| direction == Direction::Apply) {
                runs.could_not_verify(&run, &why).await?;
            }
            let results: Vec<PartResult> = results.into_iter().flatten().collect();
            let failures = results.iter().filter(|result| result.end == End::Failed).map(failure).collect();
            let unfinished = results.iter().filter(|result| result.end == End::Unfinished);
            let unfinished = unfinished.map(|result| (result.part, result.cursor.clone())).collect();
            let closed = runs.close(&run, &Ended { direction, try_number, failures, unfinished }).await?;
            tracing::info!(%run, direction = direction.as_str(), outcome = ?closed.outcome, state = ?closed.run.state, "closed");
            // The time until a later look is not that of the alert.
            let by_alert = closed.run.rescanning.is_none();
            if direction == Direction::Apply && closed.run.state == RunState::Enforced && by_alert {
                let now = invocation.clock.now();
                let seconds = (now - closed.run.began).total(Unit::Second).unwrap_or_default();
                emit(now, &[(Metric::SecondsToEnforce, seconds)], &[("run", run.as_str())]);
            }
            Reply::Ended { run, outcome: closed.outcome }
        }
    };
    Ok(json!(reply))
}

fn found(result: PlacesResult) -> (usize, Places) {
    (result.part, result.failed.map_or(Places::Found(result.places), Places::Unknown))
}

fn failure(result: &PartResult) -> String {
    format!("part {} broke down: {}", result.part, result.why.as_deref().map_or_else(|| "no reason was given".to_owned(), heard))
}
