//! Compares every guardrail with AWS Budgets and with the ledger, as its schedule asks for. A round in which anything went wrong
//! fails, with everything else done.

use guardrails_aws::budgets::Standings;
use guardrails_model::belief::Unpriced;
use guardrails_model::clock::Clock;
use guardrails_model::reconcile::{Reconciler, Round};
use guardrails_model::runs::Runs;
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::metrics::{Metric, emit};
use crate::runtime::{Invocation, serve, variable};

/// Serves the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    serve(handle).await
}

/// Whatever asks for a round gets one.
async fn handle(_: Json, invocation: Invocation) -> Result<Round, Fault> {
    let (ledger, workflow) = (invocation.ledger()?, invocation.workflow()?);
    let runs = Runs { ledger: &ledger, workflow: &workflow, clock: &invocation.clock, by: invocation.by.clone() };
    let client = aws_sdk_budgets::Client::new(&invocation.sdk);
    let spending = Standings { client, account: variable("ACCOUNT_ID")?, topic: Some(variable("ALERT_TOPIC_ARN")?) };
    let round = Reconciler { runs, spending: &spending, running: &Unpriced }.round().await?;
    for found in &round.guardrails {
        let (did, said, troubles) = (found.did.join("; "), found.said.join("; "), found.troubles.join("; "));
        for run in &found.began {
            emit(invocation.clock.now(), &[(Metric::RunsStarted, 1.0)], &[("run", run.as_str())]);
        }
        tracing::info!(guardrail = %found.guardrail, did, said, troubles, "compared");
    }
    let troubles = round.troubles();
    if !troubles.is_empty() {
        let count = troubles.len();
        return Err(Fault::failed(format!("{count} things went wrong, everything else is done: {}", troubles.join("; "))));
    }
    emit(invocation.clock.now(), &[(Metric::Reconciled, 1.0)], &[]);
    Ok(round)
}
