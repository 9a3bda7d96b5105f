//! The custom resource behind each guardrail: makes AWS Budgets and the ledger's definitions agree with the template. A stack
//! waits for its answer, so it always answers: after a panic, and before its own time is up.

use std::time::Duration;

use aws_lambda_events::event::cloudformation::CloudFormationCustomResourceRequest as Request;
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::body::SdkBody;
use futures::FutureExt;
use guardrails_aws::budgets::{BudgetError, Budgets};
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
    let work = std::panic::AssertUnwindSafe(work(&event, &invocation)).catch_unwind();
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
    put(&text("ResponseURL"), &answer, &invocation).await?;
    Ok(answer)
}

/// Stable: a new one would make CloudFormation delete what goes by the old one.
fn physical_id(event: &Json, logical: &str) -> String {
    let present = event.get("PhysicalResourceId").and_then(Json::as_str);
    present.map_or_else(|| format!("guardrail-{logical}"), str::to_owned)
}

async fn work(event: &Json, invocation: &Invocation) -> Result<(), Fault> {
    let request: Request<Json, Json> =
        serde_json::from_value(event.clone()).map_err(|error| Fault::failed(format!("not a custom resource's event: {error}")))?;
    let (properties, stack, removed) = match request {
        Request::Create(create) => (create.resource_properties, create.stack_id, false),
        Request::Update(update) => (update.resource_properties, update.stack_id, false),
        Request::Delete(delete) => (delete.resource_properties, delete.stack_id, true),
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

/// Puts the answer where CloudFormation waits for it, with the SDK's own HTTP client.
async fn put(url: &str, answer: &Json, invocation: &Invocation) -> Result<(), Fault> {
    let wrong = |why: String| Fault::failed(format!("answering the stack: {why}"));
    let http = invocation.sdk.http_client().ok_or_else(|| wrong("there is no HTTP client".to_owned()))?;
    let components = RuntimeComponentsBuilder::for_tests().build().map_err(|error| wrong(error.to_string()))?;
    let settings = HttpConnectorSettings::builder().read_timeout(Duration::from_secs(5)).build();
    let connector = aws_smithy_runtime_api::client::http::HttpClient::http_connector(&http, &settings, &components);
    let body = answer.to_string();
    // Signed without a content type: the signature fails with one.
    let request = http::Request::builder().method("PUT").uri(url).header("content-length", body.len());
    let request = request.body(SdkBody::from(body)).map_err(|error| wrong(error.to_string()))?;
    let request = HttpRequest::try_from(request).map_err(|error| wrong(error.to_string()))?;
    let response = connector.call(request).await.map_err(|error| wrong(guardrails_aws::error::chain(&error)))?;
    if response.status().is_success() { Ok(()) } else { Err(wrong(format!("HTTP {}", response.status().as_u16()))) }
}

impl From<BudgetError> for Fault {
    fn from(error: BudgetError) -> Self {
        match &error {
            BudgetError::Failed { retryable: true, .. } => Fault::retryable(error.to_string()),
            BudgetError::Failed { .. } | BudgetError::NotOurs { .. } => Fault::failed(error.to_string()),
        }
    }
}
