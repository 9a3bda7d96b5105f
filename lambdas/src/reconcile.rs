//! Compares every guardrail with AWS Budgets and with the ledger, as its schedule asks for. A round in which anything went wrong
//! fails, with everything else done. Once a day it has every stage planned without a run.

use guardrails_aws::budgets::Standings;
use guardrails_aws::functions::Functions;
use guardrails_model::census::Priced;
use guardrails_model::clock::Clock;
use guardrails_model::ledger::Ledger;
use guardrails_model::reconcile::{Reconciler, Round};
use guardrails_model::rehearsals::Rehearsals;
use guardrails_model::runs::Runs;
use guardrails_model::wire::{RoundOrder as Order, Which};
use jiff::SignedDuration;
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::metrics::{Metric, emit};
use crate::runtime::{Invocation, serve, variable};

/// Calls of other functions end so long before the invocation does.
const RESERVE: SignedDuration = SignedDuration::from_secs(20);
/// For so long a round asks about running resources: the other guardrails are to be judged too.
const EVIDENCE: SignedDuration = SignedDuration::from_secs(90);

/// Serves the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    serve(handle).await
}

/// Every event gets a round.
async fn handle(event: Json, invocation: Invocation) -> Result<Round, Fault> {
    let order = order(event);
    let (ledger, workflow) = (invocation.ledger()?, invocation.workflow()?);
    let runs = || Runs { ledger: &ledger, workflow: &workflow, clock: &invocation.clock, by: invocation.by.clone() };
    let client = aws_sdk_budgets::Client::new(&invocation.sdk);
    let spending = Standings { client, account: variable("ACCOUNT_ID")?, topic: Some(variable("ALERT_TOPIC_ARN")?) };
    let until = (invocation.deadline - RESERVE).min(invocation.clock.now() + EVIDENCE);
    let functions = Functions::new(&invocation.sdk, variable("STACK_NAME")?, until);
    let running = Priced { runs: runs(), census: &functions };
    let round = Reconciler { runs: runs(), spending: &spending, running: &running }.round().await?;
    for found in &round.guardrails {
        let (did, said, troubles) = (found.did.join("; "), found.said.join("; "), found.troubles.join("; "));
        for run in &found.began {
            emit(invocation.clock.now(), &[(Metric::RunsStarted, 1.0)], &[("run", run.as_str())]);
        }
        tracing::info!(guardrail = %found.guardrail, did, said, troubles, "compared");
    }
    let rehearsed = match order.map(|order| order.rehearse) {
        Ok(Some(which)) => Box::pin(rehearse(which, &invocation, &ledger)).await,
        Ok(None) => Ok(()),
        Err(fault) => Err(fault),
    };
    let mut troubles = round.troubles();
    if !troubles.is_empty() {
        troubles.extend(rehearsed.err().map(|fault| fault.to_string()));
        let count = troubles.len();
        return Err(Fault::failed(format!("{count} things went wrong, everything else is done: {}", troubles.join("; "))));
    }
    emit(invocation.clock.now(), &[(Metric::Reconciled, 1.0)], &[]);
    rehearsed?;
    Ok(round)
}

/// Reads an order; a schedule may send none. One that cannot be read costs the round nothing, and fails the invocation after it.
///
/// # Errors
/// When the event is no order.
pub fn order(event: Json) -> Result<Order, Fault> {
    if event.is_null() {
        return Ok(Order::default());
    }
    let wrong = |error| Fault::failed(format!("the order of the round cannot be read, so nothing was rehearsed: {error}"));
    serde_json::from_value(event).map_err(wrong)
}

/// Plans stages without a run, and has people told of anything new that is found.
#[allow(clippy::cast_precision_loss, reason = "counts of stages are far below 2^52")]
async fn rehearse(which: Which, invocation: &Invocation, ledger: &Ledger) -> Result<(), Fault> {
    let workflow = invocation.workflow()?;
    let runs = Runs { ledger, workflow: &workflow, clock: &invocation.clock, by: invocation.by.clone() };
    let until = invocation.deadline - RESERVE;
    let functions = Functions::new(&invocation.sdk, variable("STACK_NAME")?, until);
    let rehearsals = Rehearsals { runs, planner: &functions, until };
    let rehearsed = rehearsals.round(which == Which::All).await?;
    let (held, news) = (rehearsed.held.len(), rehearsed.news.len());
    tracing::info!(held, news, troubles = rehearsed.troubles, "rehearsed");
    // In every round: the alarm goes by the last value.
    emit(invocation.clock.now(), &[(Metric::RehearsalTroubles, rehearsed.troubles as f64)], &[]);
    if rehearsed.news.is_empty() {
        return Ok(());
    }
    functions.tell(&rehearsed.news).await.map_err(|why| Fault::failed(format!("telling people of a rehearsal: {why}")))?;
    Ok(rehearsals.told(&rehearsed.news).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_of_any_version_is_read_and_a_wrong_one_is_told() {
        // Schedules of earlier versions send an object without the field, or nothing.
        for event in [Json::Null, json!({}), json!({"source": "aws.scheduler"})] {
            assert_eq!(order(event).unwrap().rehearse, None);
        }
        assert_eq!(order(json!({"rehearse": "due"})).unwrap().rehearse, Some(Which::Due));
        for event in [json!({"rehearse": "tomorrow"}), json!("due")] {
            assert!(order(event).unwrap_err().to_string().contains("nothing was rehearsed"));
        }
    }
}
