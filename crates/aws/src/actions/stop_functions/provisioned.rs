//! Provisioned concurrency of aliases and versions. It costs by the hour, whether anybody calls the function or not.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_lambda::types::ProvisionedConcurrencyStatusEnum as Status;
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::config::Tags;
use guardrails_model::ids::Value;

use super::list::{NOT_FOUND, Own, Reader, named, split};
use super::{BATCH, CHANGES, CODES, DRIFT, Keys, NONE, PATIENCE, number, room};
use crate::actions::scalable_target;
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::switch::{Calling, Drift, Found, Resource, Switch, Which};

const EACH: &str = "aliases and versions carry no tags: those of their function are asked for afterwards";

/// Lambda's provisioned concurrency, in one Region.
pub struct Provisioned {
    reader: Reader,
    changes: aws_sdk_lambda::Client,
}

/// An alias or a version, with the tags of its function.
pub struct Item {
    id: String,
    tags: Own,
    config: Option<Config>,
}

/// Its provisioned concurrency, as Lambda shows it.
pub(super) struct Config {
    requested: i32,
    allocated: i32,
    status: Option<Status>,
    reason: Option<String>,
}

/// The same, of the two answers that have it.
macro_rules! config {
    ($of:expr) => {
        Config {
            requested: $of.requested_provisioned_concurrent_executions().unwrap_or_default(),
            allocated: $of.allocated_provisioned_concurrent_executions().unwrap_or_default(),
            status: $of.status().cloned(),
            reason: $of.status_reason().map(str::to_owned),
        }
    };
}

#[async_trait]
impl Switch for Provisioned {
    const TARGET: Counted = Counted {
        facet: "provisioned-concurrency",
        noun: Noun { one: "provisioned concurrency", many: "provisioned concurrencies" },
        doing: ("removing", "provisioning again"),
        limits: Some((CHANGES, CHANGES)),
        price: Priced::Unknown("the hours of", "that would be removed"),
    };
    const RESOURCE: Resource = Resource {
        service: "lambda",
        arn: "function:*",
        lists: &[],
        reads: &["lambda:GetProvisionedConcurrencyConfig", "lambda:ListProvisionedConcurrencyConfigs"],
        wide: &[("lambda:GetProvisionedConcurrencyConfig", EACH), ("lambda:ListProvisionedConcurrencyConfigs", EACH)],
        turns: &["lambda:PutProvisionedConcurrencyConfig", "lambda:DeleteProvisionedConcurrencyConfig"],
    };
    const CODES: Codes = CODES;
    const DRIFT: Drift = DRIFT;
    const PATIENCE: Patience = PATIENCE;
    const BATCH: usize = BATCH;
    const TAGS_LAG: bool = true;
    type Options = Keys;
    type Item = Item;

    fn new(context: &Context<'_>, _: &Keys) -> Self {
        Self { reader: Reader::new(context), changes: aws_sdk_lambda::Client::new(&context.sdk_for_changes()) }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Item>, ActionError> {
        let mut items = match which {
            Which::Tagged(tags) => self.of_tagged(tags).await?,
            Which::Ids(ids) => self.named(ids).await?,
        };
        let tags = self.reader.tags(items.iter().map(|item| split(&item.id).0)).await?;
        items.retain(|item| tags.contains_key(split(&item.id).0));
        for item in &mut items {
            item.tags = tags.get(split(&item.id).0).cloned().unwrap_or_default();
        }
        Ok(items)
    }

    fn found(&self, item: &Item) -> Found {
        let label = format!("provisioned concurrency of function {}", item.id);
        Found {
            unit: Some(split(&item.id).0.to_owned()),
            tags: item.tags.clone(),
            ..Found::new(&item.id, label, seen(item.config.as_ref()), Value::new(NONE))
        }
    }

    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        let (function, qualifier) = split(id);
        if to.as_str() != NONE {
            let call = self.changes.put_provisioned_concurrency_config().function_name(function).qualifier(qualifier);
            let call = call.provisioned_concurrent_executions(number(to)?);
            let put = calling.make("lambda:PutProvisionedConcurrencyConfig", call.send()).await;
            return put.map(drop).map_err(room);
        }
        // A target may have been registered, or resumed, since the plan.
        if self.reader.target(id).await?.is_some_and(|target| !scalable_target::is_off(&target)) {
            return Err(Failure::refused("its scaling is not suspended, and would provision it again".to_owned()));
        }
        let call = self.changes.delete_provisioned_concurrency_config().function_name(function).qualifier(qualifier);
        calling.make("lambda:DeleteProvisionedConcurrencyConfig", call.send()).await.map(drop)
    }

    /// A number that others provisioned meanwhile is theirs.
    async fn changed_by_others(&self, _: &str, _: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        Ok(Some(seen.clone()))
    }
}

impl Provisioned {
    /// Those of functions that carry the tags.
    async fn of_tagged(&self, tags: &Tags) -> Result<Vec<Item>, ActionError> {
        let mut items = Vec::new();
        for name in self.reader.tagged(tags).await? {
            let mut next = None;
            loop {
                let asked = self.reader.lambda.list_provisioned_concurrency_configs().function_name(&name).max_items(50);
                let page = match asked.set_marker(next).send().await.map_err(|error| Failure::of(&error)) {
                    // The index shows functions that were deleted a while ago.
                    Err(failure) if failure.is(NOT_FOUND) => break,
                    other => other.map_err(|failure| failure.reading(&reading(&name)))?,
                };
                items.extend(page.provisioned_concurrency_configs().iter().filter_map(|one| {
                    let id = format!("{name}:{}", named(one.function_arn()?).1?);
                    Some(Item { id, tags: Own::new(), config: Some(config!(one)) })
                }));
                next = page.next_marker.filter(|marker| !marker.is_empty());
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(items)
    }

    /// Those with these ids.
    async fn named(&self, ids: &BTreeSet<String>) -> Result<Vec<Item>, ActionError> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(one(&self.reader, id).await?.map(|config| Item { id: id.clone(), tags: Own::new(), config }));
        }
        Ok(found)
    }
}

/// The provisioned concurrency of an alias or a version, if it has some. Nothing when there is no such alias or version.
pub(super) async fn one(reader: &Reader, id: &str) -> Result<Option<Option<Config>>, ActionError> {
    let (function, qualifier) = split(id);
    let answer = reader.lambda.get_provisioned_concurrency_config().function_name(function).qualifier(qualifier).send().await;
    match answer.map_err(|error| Failure::of(&error)) {
        Err(failure) if failure.is("ProvisionedConcurrencyConfigNotFoundException") => Ok(Some(None)),
        Err(failure) if failure.is(NOT_FOUND) => Ok(None),
        Err(failure) => Err(failure.reading(&reading(id))),
        Ok(one) => Ok(Some(Some(config!(one)))),
    }
}

fn reading(name: &str) -> String {
    format!("asking for the provisioned concurrency of the function {name}")
}

/// The number, and how far Lambda has followed it.
fn seen(config: Option<&Config>) -> Seen {
    let Some(Config { requested, allocated, status, reason }) = config else { return Seen::Is(Value::new(NONE)) };
    let value = Value::new(requested.to_string());
    match status {
        Some(Status::Ready) => Seen::Is(value),
        Some(Status::Failed) => {
            let why = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            Seen::Behind(value, format!("Lambda could not provision it{why}"))
        }
        _ => Seen::Behind(value, format!("{allocated} of {requested} are ready")),
    }
}
