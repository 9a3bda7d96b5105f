//! The custom resources' side towards CloudFormation. A stack waits for its answer, so it always gets one: after a panic, and before
//! the function's own time is up.

use std::time::Duration;

use aws_lambda_events::event::cloudformation::CloudFormationCustomResourceRequest as Request;
use futures::FutureExt;
use guardrails_aws::clients;
use guardrails_model::clock::Clock;
use guardrails_model::partition;
use serde_json::{Value as Json, json};

use crate::fault::Fault;
use crate::runtime::{Invocation, serve, variable};
use crate::{budget, open_runs, prices};

/// Left before the deadline to answer the stack.
const RESERVE: Duration = Duration::from_secs(30);
/// IAM takes some seconds to spread a change, and a stack asks right after it made or changed this function's role. So a call
/// that is not allowed is tried again so often, with a pause.
const SPREADING: (usize, Duration) = (20, Duration::from_secs(3));
/// As AWS words it, in every service.
const NOT_ALLOWED: &str = "is not authorized to perform";

/// Serves the function.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn main() -> Result<(), lambda_runtime::Error> {
    serve(handle).await
}

async fn handle(event: Json, invocation: Invocation) -> Result<Json, Fault> {
    let left = invocation.deadline.duration_since(invocation.clock.now());
    let time = Duration::try_from(left).unwrap_or_default().saturating_sub(RESERVE);
    let outcome = in_time(time, Box::pin(once_allowed(SPREADING, || work(&event, &invocation)))).await;
    let outcome = outcome.map_err(|fault| fault.to_string());
    answer(&event, outcome.as_ref().copied().map_err(String::as_str)).await
}

async fn work(event: &Json, invocation: &Invocation) -> Result<(), Fault> {
    let request: Request<Json, Json> = serde_json::from_value(event.clone())
        .map_err(|error| Fault::failed(format!("not a custom resource's event: {error}")))?;
    if !matches!(request, Request::Delete(_)) {
        partition::check(&variable("PARTITION")?).map_err(Fault::failed)?;
    }
    match (event.get("ResourceType").and_then(Json::as_str), request) {
        (Some("Custom::OpenRuns"), Request::Create(create)) => {
            open_runs::keep_the_way_back(create.resource_properties, None, invocation).await
        }
        (Some("Custom::OpenRuns"), Request::Update(update)) => {
            let before = Some(&update.old_resource_properties);
            open_runs::keep_the_way_back(update.resource_properties, before, invocation).await
        }
        (Some("Custom::NothingIsHeld"), Request::Delete(_)) => open_runs::refuse_all(&invocation.ledger()?).await,
        // Only a deletion can leave something behind, and it asks before the first resource goes.
        (Some("Custom::NothingIsHeld"), _) | (Some("Custom::OpenRuns"), Request::Delete(_)) => Ok(()),
        (Some("Custom::Prices"), Request::Create(create)) => prices::keep(&create.resource_properties, invocation).await,
        (Some("Custom::Prices"), Request::Update(update)) => prices::keep(&update.resource_properties, invocation).await,
        (Some("Custom::Prices"), Request::Delete(_)) => prices::remove(invocation).await,
        (_, Request::Create(create)) => budget::ensure(create.resource_properties, create.stack_id, invocation).await,
        (_, Request::Update(update)) => {
            budget::change(&update.old_resource_properties, update.resource_properties, update.stack_id, invocation).await
        }
        (_, Request::Delete(delete)) => budget::remove(&delete.resource_properties, delete.stack_id, invocation).await,
        (_, other) => Err(Fault::failed(format!("not a request to create, update or delete: {other:?}"))),
    }
}

/// Tells the stack that sent `event` how it ended: why not, where it did not go well.
pub(crate) async fn answer(event: &Json, outcome: Result<(), &str>) -> Result<Json, Fault> {
    // Read by hand: whatever else is wrong with the event, its stack is answered.
    let text = |name: &str| event.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let logical = text("LogicalResourceId");
    let (status, reason) = match outcome {
        Ok(()) => ("SUCCESS", ""),
        Err(why) => ("FAILED", why),
    };
    tracing::info!(logical, request = text("RequestType"), status, reason, "answering the stack");
    let answer = json!({
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": physical_id(event, &logical),
        "StackId": text("StackId"),
        "RequestId": text("RequestId"),
        "LogicalResourceId": logical,
    });
    let told = clients::put(&text("ResponseURL"), answer.to_string()).await;
    told.map_err(|why| Fault::retryable(format!("answering the stack: {why}")))?;
    Ok(answer)
}

/// The outcome of `work`, whatever becomes of it: a panic and too long a time are failures too.
async fn in_time(time: Duration, work: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    match tokio::time::timeout(time, std::panic::AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Fault::failed("the function panicked: see its log")),
        Err(_) => Err(Fault::failed(format!("AWS did not answer within {} s: deploy again", time.as_secs()))),
    }
}

/// The outcome of `work`, once IAM knows what it may.
async fn once_allowed<W: Future<Output = Result<(), Fault>>>(
    (tries, pause): (usize, Duration),
    work: impl Fn() -> W,
) -> Result<(), Fault> {
    for _ in 0..tries {
        match work().await {
            Err(fault) if fault.to_string().contains(NOT_ALLOWED) => {
                tracing::info!(%fault, "IAM may not know yet what was granted: trying again");
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
    work().await
}

/// Stable: a new one would make CloudFormation delete the resource with the old one.
fn physical_id(event: &Json, logical: &str) -> String {
    let present = event.get("PhysicalResourceId").and_then(Json::as_str);
    present.map_or_else(|| format!("guardrail-{logical}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_stack_is_answered_after_a_panic_and_when_the_time_is_up() {
        let panicked = in_time(LONG, async { panic!("a bug") }).await;
        assert!(panicked.unwrap_err().to_string().contains("panicked"));
        let late = in_time(Duration::ZERO, std::future::pending()).await;
        assert!(late.unwrap_err().to_string().contains("did not answer within 0 s"));
        assert!(in_time(LONG, async { Ok(()) }).await.is_ok());
    }

    #[tokio::test]
    async fn refusal_by_iam_is_tried_again_and_no_other_failure() {
        let tried = std::cell::Cell::new(0);
        let allowed_from = |first: usize, otherwise: &'static str| {
            tried.set(0);
            once_allowed((3, Duration::ZERO), {
                let tried = &tried;
                move || async move {
                    tried.set(tried.get() + 1);
                    if tried.get() < first { Err(Fault::failed(otherwise)) } else { Ok(()) }
                }
            })
        };
        let denied = "User: arn:aws:sts::123456789012:assumed-role/Role/s is not authorized to perform: dynamodb:Query";
        allowed_from(3, denied).await.unwrap();
        assert_eq!(tried.get(), 3);
        assert!(allowed_from(9, denied).await.is_err(), "what was never granted is said in the end");
        assert_eq!(tried.get(), 4);
        assert!(allowed_from(3, "run r-1 of `beta` still holds what it changed").await.is_err());
        assert_eq!(tried.get(), 1);
    }

    #[test]
    fn the_physical_id_stays_what_it_was() {
        assert_eq!(physical_id(&json!({}), "GuardrailBeta"), "guardrail-GuardrailBeta");
        assert_eq!(physical_id(&json!({"PhysicalResourceId": "first"}), "GuardrailBeta"), "first");
    }
}
