//! A function's configuration, as far as it decides whether the function is left alone.
//!
//! Lambda does not name the callers of a function. Anybody with the right to invoke it may do so asynchronously: a topic, a bucket, a
//! schedule, a program. So each function counts as one that gets asynchronous events. At a reserved concurrency of 0, Lambda sends
//! these to the dead-letter queue or to the destination for events that fail, without any retry. Where there is neither, they are
//! gone. A version has its dead-letter queue in its own configuration. A destination is of `$LATEST`, of a version or of an alias.

use std::collections::BTreeSet;

use aws_sdk_lambda::types::{
    AliasConfiguration, DeadLetterConfig, DestinationConfig, FunctionEventInvokeConfig, LastUpdateStatus, State,
};
use guardrails_model::action::ActionError;

use super::list::{Reader, named};
use super::{AsyncEvents, provisioned};
use crate::error::{Failure, FailureKind};

/// The version that has no number.
const LATEST: &str = "$LATEST";

/// Facts of a function.
pub(super) struct Details {
    /// The ARN of its role.
    pub(super) role: Option<String>,
    /// Its memory in megabytes.
    pub(super) memory: Option<i32>,
    /// Why no function of its kind is stopped, if so.
    pub(super) kind: Option<String>,
    /// Why it takes no change just now, if so.
    pub(super) busy: Option<String>,
    /// The aliases and versions that have provisioned concurrency, such as `orders:live`.
    pub(super) provisioned: Vec<String>,
    /// The version and aliases whose asynchronous events would be lost, where it matters.
    pub(super) unguarded: Option<String>,
}

/// The facts of the function of this name. A refusal is this function's alone, and costs the others nothing.
///
/// # Errors
/// When Lambda is to be asked again.
pub(super) async fn of(reader: &Reader, name: &str, events: AsyncEvents) -> Result<Result<Details, String>, ActionError> {
    match read(reader, name, events).await {
        Ok(details) => Ok(Ok(details)),
        Err(failure) if failure.kind == FailureKind::Refused => Ok(Err(failure.message)),
        Err(failure) => Err(failure.reading(&format!("asking for the configuration of the function {name}"))),
    }
}

async fn read(reader: &Reader, name: &str, events: AsyncEvents) -> Result<Details, Failure> {
    let answer = reader.lambda.get_function_configuration().function_name(name).send().await;
    let config = answer.map_err(|error| Failure::of(&error))?;
    let is_updated = config.last_update_status() == Some(&LastUpdateStatus::InProgress);
    let busy = match config.state() {
        Some(State::Pending) => Some("it is being made"),
        _ if is_updated => Some("an update of it is under way"),
        _ => None,
    };
    let is_durable = config.durable_config().is_some();
    let kind = match (config.master_arn(), config.capacity_provider_config()) {
        (Some(main), _) => Some(format!("it is a replica of Lambda@Edge, of {main}")),
        (_, Some(_)) => Some("it runs on instances of a capacity provider, which go on".to_owned()),
        _ => is_durable.then(|| "it is a durable function, whose executions would fail on their way".to_owned()),
    };
    let provisioned = provisioned::all(reader, name).await?;
    let failed = provisioned.iter().find(|(_, config)| config.is_failed());
    let failed = failed.map(|(id, _)| format!("Lambda could not provision the concurrency of {id}, and could not again"));
    let kind = kind.or(failed);
    let unguarded = match events {
        AsyncEvents::Leave if kind.is_none() => unguarded(reader, name, has_queue(config.dead_letter_config())).await?,
        _ => None,
    };
    Ok(Details {
        role: config.role,
        memory: config.memory_size,
        kind,
        busy: busy.map(str::to_owned),
        provisioned: provisioned.into_iter().map(|(id, _)| id).collect(),
        unguarded,
    })
}

/// The version and aliases whose asynchronous events would be lost, if there are any. `queue`: has `$LATEST` a dead-letter queue?
async fn unguarded(reader: &Reader, name: &str, queue: bool) -> Result<Option<String>, Failure> {
    let aliases = aliases(reader, name).await?;
    if queue && aliases.is_empty() {
        return Ok(None);
    }
    let destinations = destinations(reader, name).await?;
    let mut open = Vec::new();
    if !queue && !destinations.contains(LATEST) {
        open.push(LATEST.to_owned());
    }
    for alias in aliases {
        let alias_name = alias.name().unwrap_or_default();
        if destinations.contains(alias_name) {
            continue;
        }
        let weights = alias.routing_config().and_then(|routing| routing.additional_version_weights());
        let others = weights.into_iter().flat_map(|weights| weights.keys().map(String::as_str));
        let versions: BTreeSet<&str> = alias.function_version().into_iter().chain(others).collect();
        for version in versions {
            let answer = reader.lambda.get_function_configuration().function_name(name).qualifier(version).send().await;
            let config = answer.map_err(|error| Failure::of(&error))?;
            if !has_queue(config.dead_letter_config()) {
                open.push(alias_name.to_owned());
                break;
            }
        }
    }
    Ok((!open.is_empty()).then(|| open.join(", ")))
}

/// The versions and aliases that have a destination for events that fail.
async fn destinations(reader: &Reader, name: &str) -> Result<BTreeSet<String>, Failure> {
    let (mut all, mut next) = (BTreeSet::new(), None);
    loop {
        let asked = reader.lambda.list_function_event_invoke_configs().function_name(name).set_marker(next);
        let page = asked.send().await.map_err(|error| Failure::of(&error))?;
        let has_one = |config: &&FunctionEventInvokeConfig| is_destination(config.destination_config());
        let configs = page.function_event_invoke_configs().iter().filter(has_one);
        all.extend(configs.filter_map(|config| Some(named(config.function_arn()?).1.unwrap_or(LATEST).to_owned())));
        next = page.next_marker.filter(|marker| !marker.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// The aliases of a function.
pub(super) async fn aliases(reader: &Reader, name: &str) -> Result<Vec<AliasConfiguration>, Failure> {
    reader.aliases.or(name, ask_aliases(reader, name)).await
}

async fn ask_aliases(reader: &Reader, name: &str) -> Result<Vec<AliasConfiguration>, Failure> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let asked = reader.lambda.list_aliases().function_name(name).set_marker(next);
        let page = asked.send().await.map_err(|error| Failure::of(&error))?;
        all.extend(page.aliases.unwrap_or_default());
        next = page.next_marker.filter(|marker| !marker.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

fn has_queue(config: Option<&DeadLetterConfig>) -> bool {
    config.and_then(DeadLetterConfig::target_arn).is_some_and(|arn| !arn.is_empty())
}

fn is_destination(config: Option<&DestinationConfig>) -> bool {
    let on_failure = config.and_then(DestinationConfig::on_failure);
    on_failure.and_then(|on_failure| on_failure.destination()).is_some_and(|arn| !arn.is_empty())
}
