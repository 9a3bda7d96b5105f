//! The custom resources: the one behind each guardrail makes AWS Budgets and the ledger's definitions agree with the template, two
//! look after what is held, and one keeps the price list. A stack waits for its answer, so it always answers: after a panic, and before its own time is up.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lambda_events::event::cloudformation::CloudFormationCustomResourceRequest as Request;
use futures::FutureExt;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::budgets::{BudgetError, Budgets};
use guardrails_aws::clients;
use guardrails_model::clock::Clock;
use guardrails_model::config::Guardrail;
use guardrails_model::ids::GuardrailName;
use guardrails_model::ledger::Ledger;
use guardrails_model::pace::Pace;
use guardrails_model::partition;
use guardrails_model::prices::PriceList;
use guardrails_model::record::{Part, Run, Step};
use guardrails_model::wire::{GuardrailProperties as Properties, OpenRunsProperties as Scope};
use serde_json::{Value as Json, json};

use crate::fault::Fault;
use crate::runtime::{Invocation, serve, variable};

/// Guardrails that are named at once: a stack shows only so much of a reason.
const NAMED: usize = 10;
/// Left before the deadline to answer the stack.
const RESERVE: Duration = Duration::from_secs(30);
/// IAM takes some seconds to know everywhere what it was told, and a stack asks right after it made or changed this function's role.
/// So what is not allowed is tried again so often, with a pause.
const SPREADING: (usize, Duration) = (20, Duration::from_secs(3));
/// The property of `Custom::OpenRuns` that came with the rights on an Auto Scaling group's own tags.
const RIGHTS: &str = "Rights";
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

/// Stable: a new one would make CloudFormation delete what goes by the old one.
fn physical_id(event: &Json, logical: &str) -> String {
    let present = event.get("PhysicalResourceId").and_then(Json::as_str);
    present.map_or_else(|| format!("guardrail-{logical}"), str::to_owned)
}

async fn work(event: &Json, invocation: &Invocation) -> Result<(), Fault> {
    let request: Request<Json, Json> = serde_json::from_value(event.clone())
        .map_err(|error| Fault::failed(format!("not a custom resource's event: {error}")))?;
    if !matches!(request, Request::Delete(_)) {
        partition::check(&variable("PARTITION")?).map_err(Fault::failed)?;
    }
    match (event.get("ResourceType").and_then(Json::as_str), request) {
        (Some("Custom::OpenRuns"), Request::Create(create)) => {
            keep_the_way_back(create.resource_properties, true, invocation).await
        }
        (Some("Custom::OpenRuns"), Request::Update(update)) => {
            let any_group_before = update.old_resource_properties.get(RIGHTS).is_none();
            keep_the_way_back(update.resource_properties, any_group_before, invocation).await
        }
        (Some("Custom::NothingIsHeld"), Request::Delete(_)) => refuse_all_open_runs(&invocation.ledger()?).await,
        // Only a deletion can leave something behind, and it asks before the first resource goes.
        (Some("Custom::NothingIsHeld"), _) | (Some("Custom::OpenRuns"), Request::Delete(_)) => Ok(()),
        (Some("Custom::Prices"), Request::Create(create)) => keep_prices(&create.resource_properties, invocation).await,
        (Some("Custom::Prices"), Request::Update(update)) => keep_prices(&update.resource_properties, invocation).await,
        (Some("Custom::Prices"), Request::Delete(_)) => Ok(invocation.ledger()?.save_prices(None).await?),
        (_, Request::Create(create)) => ensure(create.resource_properties, create.stack_id, invocation).await,
        (_, Request::Update(update)) => {
            let before = budget_in(&update.old_resource_properties);
            let now = budget_in(&update.resource_properties);
            ensure(update.resource_properties, update.stack_id.clone(), invocation).await?;
            // It adopted another budget: none is left that nothing guards by.
            match before.filter(|before| now.as_ref() != Some(before)) {
                Some(before) => Ok(budgets(update.stack_id, invocation)?.remove(&before).await?),
                None => Ok(()),
            }
        }
        (_, Request::Delete(delete)) => remove(&delete.resource_properties, delete.stack_id, invocation).await,
        (_, other) => Err(Fault::failed(format!("not a request to create, update or delete: {other:?}"))),
    }
}

async fn ensure(properties: Json, stack: String, invocation: &Invocation) -> Result<(), Fault> {
    let properties: Properties = serde_json::from_value(properties)
        .map_err(|error| Fault::failed(format!("the properties are not a guardrail's: {error}")))?;
    let guardrail: Guardrail = serde_json::from_str(&properties.definition)
        .map_err(|error| Fault::failed(format!("the property Definition is not a guardrail: {error}")))?;
    let operators = properties.operators.into_iter().filter(|operator| !operator.is_empty()).collect();
    let pace: Pace = properties
        .pace
        .as_deref()
        .map_or_else(|| Ok(Pace::default()), serde_json::from_str)
        .map_err(|error| Fault::failed(format!("the property Pace is not a pace: {error}")))?;
    budgets(stack, invocation)?.ensure(&guardrail).await?;
    Ok(invocation.ledger()?.define(guardrail, operators, pace).await?)
}

/// Puts the price list of a template into the ledger.
async fn keep_prices(properties: &Json, invocation: &Invocation) -> Result<(), Fault> {
    let list = prices_in(properties).map_err(|why| Fault::failed(format!("the property Prices is not a price list: {why}")))?;
    Ok(invocation.ledger()?.save_prices(Some(list)).await?)
}

fn prices_in(properties: &Json) -> Result<PriceList, String> {
    let text = properties["Prices"].as_str().ok_or("it is no text")?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Needs no more than the name, so that a definition of another version, or one that was refused, can go too.
async fn remove(properties: &Json, stack: String, invocation: &Invocation) -> Result<(), Fault> {
    let Some(name) = name_in(properties) else {
        tracing::warn!("there is no guardrail's name in the properties: nothing was ever made of them");
        return Ok(());
    };
    let ledger = invocation.ledger()?;
    refuse_open_runs(&name, &ledger).await?;
    let budget = budget_in(properties).unwrap_or_else(|| name.to_string());
    budgets(stack, invocation)?.remove(&budget).await?;
    Ok(ledger.undefine(&name).await?)
}

fn name_in(properties: &Json) -> Option<GuardrailName> {
    definition_in(properties)?.get("name")?.as_str()?.parse().ok()
}

/// The name of the budget in AWS Budgets: the guardrail's, or that of the budget which it adopted.
fn budget_in(properties: &Json) -> Option<String> {
    let definition = definition_in(properties)?;
    let adopted = definition["budget"]["adopt"].as_str().map(str::to_owned);
    adopted.or_else(|| name_in(properties).map(|name| name.to_string()))
}

fn definition_in(properties: &Json) -> Option<Json> {
    serde_json::from_str(properties.get("Definition")?.as_str()?).ok()
}

fn budgets(stack: String, invocation: &Invocation) -> Result<Budgets, Fault> {
    Ok(Budgets {
        client: aws_sdk_budgets::Client::new(&invocation.sdk),
        account: variable("ACCOUNT_ID")?,
        partition: variable("PARTITION")?,
        stack,
        topic: variable("ALERT_TOPIC_ARN")?,
    })
}

/// The functions' rights follow guardrails.yaml. As long as a run is open, what it works on must stay in it. `any_group_before` says
/// that runs may have been begun by a version that was granted every Auto Scaling group. A deployment that is refused asks again, for
/// what was there before it: that must be let through, or the stack would stand half-way.
async fn keep_the_way_back(properties: Json, any_group_before: bool, invocation: &Invocation) -> Result<(), Fault> {
    let scope: Scope = serde_json::from_value(properties)
        .map_err(|error| Fault::failed(format!("the properties are not those of Custom::OpenRuns: {error}")))?;
    let ledger = invocation.ledger()?;
    for run in ledger.open_runs(None).await? {
        let stays = |part: &Part| scope.has(part.action.as_str(), &part.params);
        if !scope.guardrails.contains(&run.guardrail.to_string()) || !run.parts.iter().all(stays) {
            return Err(Fault::failed(format!(
                "run {} of `{}` still holds what it changed, and without this in guardrails.yaml it could not be put back: put \
                 it back first, with `guardrails rollback {}`",
                run.id, run.guardrail, run.guardrail
            )));
        }
        if any_group_before && scope.rights.is_some() {
            refuse_out_of_reach(&run, &ledger, invocation).await?;
        }
    }
    Ok(())
}

/// An earlier version may have been granted more, and have changed some that this one may not put back.
async fn refuse_out_of_reach(run: &Run, ledger: &Ledger, invocation: &Invocation) -> Result<(), Fault> {
    let mut held = vec![Vec::new(); run.parts.len()];
    let keep = |step: Step| {
        if !step.phase.is_final() {
            held[step.part].push(step.facet);
        }
    };
    ledger.visit(run, keep).await?;
    for (part, facets) in run.parts.iter().zip(held) {
        let action = CATALOG.find(part.action.as_str())?.read(&part.params)?;
        let found = action.out_of_reach(&facets, &invocation.sdk).await;
        let found = found.map_err(|error| Fault::failed(format!("looking at what run {} holds: {error}", run.id)))?;
        if !found.is_empty() {
            return Err(Fault::failed(format!(
                "run {} of `{}` holds what could not be put back by what is deployed here: {}. Tag it so, or put the run back \
                 first, with `guardrails rollback {}`",
                run.id,
                run.guardrail,
                found.join("; "),
                run.guardrail
            )));
        }
    }
    Ok(())
}

/// A guardrail that holds something cannot go: the functions that put it back would go with it.
async fn refuse_open_runs(guardrail: &GuardrailName, ledger: &Ledger) -> Result<(), Fault> {
    let open = ledger.open_runs(Some(guardrail)).await?;
    open.first().map_or(Ok(()), |run| {
        Err(Fault::failed(format!(
            "run {} of `{guardrail}` still holds what it changed: put it back first, with `guardrails rollback {guardrail}`",
            run.id
        )))
    })
}

/// A stack goes whole or not at all. Its deletion begins here: what is refused later finds its neighbours gone.
async fn refuse_all_open_runs(ledger: &Ledger) -> Result<(), Fault> {
    let open = ledger.open_runs(None).await?;
    let holding: BTreeSet<&GuardrailName> = open.iter().map(|run| &run.guardrail).collect();
    let commands: Vec<String> = holding.iter().take(NAMED).map(|name| format!("`guardrails rollback {name}`")).collect();
    let more = holding.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!(", and {more} more"));
    if open.is_empty() {
        return Ok(());
    }
    Err(Fault::failed(format!(
        "{} open runs still hold what they changed, so nothing was deleted: put it back first, with {}{}; then delete the stack again",
        open.len(),
        commands.join(", "),
        more.unwrap_or_default()
    )))
}

impl From<BudgetError> for Fault {
    fn from(error: BudgetError) -> Self {
        match &error {
            BudgetError::Failed { retryable: true, .. } => Fault::retryable(error.to_string()),
            _ => Fault::failed(error.to_string()),
        }
    }
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
    async fn what_iam_does_not_know_yet_is_tried_again_and_nothing_else_is() {
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

    #[test]
    fn budget_is_the_adopted_one_or_the_guardrail_s() {
        let of = |definition: &str| budget_in(&json!({ "Definition": definition }));
        assert_eq!(of(r#"{"name": "beta", "budget": {}}"#).as_deref(), Some("beta"));
        assert_eq!(of(r#"{"name": "beta", "budget": {"adopt": "My Budget"}}"#).as_deref(), Some("My Budget"));
        assert_eq!(of("nonsense"), None);
    }

    #[test]
    fn price_list_is_read_from_its_property() {
        let list = guardrails_model::prices::parse("prices", "date: 2026-11-30\nus-east-1: {m5.large: 0.096}\n").unwrap();
        assert_eq!(prices_in(&json!({"Prices": list.deployable().unwrap()})), Ok(list));
        assert!(prices_in(&json!({})).is_err() && prices_in(&json!({"Prices": "nonsense"})).is_err());
    }

    #[test]
    fn what_was_never_a_guardrail_can_be_deleted() {
        assert_eq!(name_in(&json!({"Definition": "{\"name\": \"beta\", \"unknown\": 1}"})), "beta".parse().ok());
        for nothing in [json!({}), json!({"Definition": "nonsense"}), json!({"Definition": "{}"}), json!({"Definition": 5})] {
            assert_eq!(name_in(&nothing), None);
        }
    }
}
