//! The custom resource behind each guardrail: makes AWS Budgets and the ledger's definitions agree with the template. A stack
//! waits for its answer, so it always answers: after a panic, and before its own time is up.

use std::time::Duration;

use aws_lambda_events::event::cloudformation::CloudFormationCustomResourceRequest as Request;
use futures::FutureExt;
use guardrails_aws::budgets::{BudgetError, Budgets};
use guardrails_aws::clients;
use guardrails_model::clock::Clock;
use guardrails_model::config::Guardrail;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::fault::Fault;
use crate::runtime::{Invocation, serve, variable};

/// The properties of a `Custom::Guardrail`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    /// The guardrail, as JSON.
    definition: String,
    /// Whom no guardrail may restrict; empty ones are parameters that were not given.
    #[serde(default)]
    operators: Vec<String>,
}

/// Left before the deadline to answer the stack.
const RESERVE: Duration = Duration::from_secs(10);

/// Serves the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    serve(handle).await
}

async fn handle(event: Json, invocation: Invocation) -> Result<Json, Fault> {
    // Read by hand first: whatever else is wrong with the event, its stack is answered.
    let text = |name: &str| event.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let logical = text("LogicalResourceId");
    let left = invocation.deadline.duration_since(invocation.clock.now());
    let time = Duration::try_from(left).unwrap_or_default().saturating_sub(RESERVE);
    let work = std::panic::AssertUnwindSafe(Box::pin(work(&event, &invocation))).catch_unwind();
    let outcome = match tokio::time::timeout(time, work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Fault::failed("the function panicked: see its log")),
        Err(_) => Err(Fault::failed(format!("AWS did not answer within {} s: deploy again", time.as_secs()))),
    };
    let (status, reason) = match &outcome {
        Ok(()) => ("SUCCESS", String::new()),
        Err(fault) => ("FAILED", fault.to_string()),
    };
    tracing::info!(logical, request = text("RequestType"), status, reason, "answering the stack");
    let answer = json!({
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": physical_id(&event, &logical),
        "StackId": text("StackId"),
        "RequestId": text("RequestId"),
        "LogicalResourceId": logical,
    });
    let told = clients::put(&text("ResponseURL"), answer.to_string()).await;
    told.map_err(|why| Fault::retryable(format!("answering the stack: {why}")))?;
    Ok(answer)
}

/// Stable: a new one would make CloudFormation delete what goes by the old one.
fn physical_id(event: &Json, logical: &str) -> String {
    let present = event.get("PhysicalResourceId").and_then(Json::as_str);
    present.map_or_else(|| format!("guardrail-{logical}"), str::to_owned)
}

async fn work(event: &Json, invocation: &Invocation) -> Result<(), Fault> {
    let request: Request<Json, Json> = serde_json::from_value(event.clone())
        .map_err(|error| Fault::failed(format!("not a custom resource's event: {error}")))?;
    let (properties, stack, removed) = match request {
        Request::Create(create) => (create.resource_properties, create.stack_id, false),
        Request::Update(update) => (update.resource_properties, update.stack_id, false),
        Request::Delete(delete) => (delete.resource_properties, delete.stack_id, true),
        other => return Err(Fault::failed(format!("not a request to create, update or delete: {other:?}"))),
    };
    let properties: Properties = serde_json::from_value(properties)
        .map_err(|error| Fault::failed(format!("the properties are not a guardrail's: {error}")))?;
    let guardrail: Guardrail = serde_json::from_str(&properties.definition)
        .map_err(|error| Fault::failed(format!("the property Definition is not a guardrail: {error}")))?;
    let operators: Vec<String> = properties.operators.into_iter().filter(|operator| !operator.is_empty()).collect();
    let budgets = Budgets {
        client: aws_sdk_budgets::Client::new(&invocation.sdk),
        account: variable("ACCOUNT_ID")?,
        partition: variable("PARTITION")?,
        stack,
        topic: variable("ALERT_TOPIC_ARN")?,
    };
    let ledger = invocation.ledger()?;
    if removed {
        refuse_open_runs(&guardrail, &ledger).await?;
        budgets.remove(guardrail.name.as_str()).await?;
    } else {
        budgets.ensure(&guardrail).await?;
    }
    ledger.define(guardrail, operators, removed).await?;
    Ok(())
}

/// A guardrail that holds something cannot go: the functions that put it back would go with it.
async fn refuse_open_runs(guardrail: &Guardrail, ledger: &guardrails_model::ledger::Ledger) -> Result<(), Fault> {
    let runs = ledger.runs(None).await?;
    let open = runs.iter().find(|run| run.value.guardrail == guardrail.name && run.value.state.is_open());
    open.map_or(Ok(()), |run| {
        Err(Fault::failed(format!(
            "run {} of `{}` still holds what it changed: put it back first, with `guardrails rollback {}`",
            run.value.id, guardrail.name, guardrail.name
        )))
    })
}

impl From<BudgetError> for Fault {
    fn from(error: BudgetError) -> Self {
        match &error {
            BudgetError::Failed { retryable: true, .. } => Fault::retryable(error.to_string()),
            BudgetError::Failed { .. } | BudgetError::NotOurs { .. } => Fault::failed(error.to_string()),
        }
    }
}
