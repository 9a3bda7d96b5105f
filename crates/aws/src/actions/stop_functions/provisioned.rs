//! Provisioned concurrency of aliases and versions. It costs by the hour, whether anybody calls the function or not.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_lambda::types::ProvisionedConcurrencyStatusEnum as Status;
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::config::Tags;
use guardrails_model::ids::Value;

use super::list::{NOT_FOUND, Own, Reader, named, split};
use super::{BATCH, CHANGES, CODES, DRIFT, Keys, NONE, PATIENCE, details, number, room};
use crate::actions::scalable_target;
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure, FailureKind};
use crate::switch::{Calling, Drift, Found, Resource, Switch, Which};

const EACH: &str = "aliases and versions carry no tags: those of their function are asked for afterwards";

/// The note on each, before it is removed.
const NOTE: &str = "it returns to the account, where others may take it";

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
    pub(super) requested: i32,
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
    const BACK: Option<u8> = Some(2);
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
            note: item.config.as_ref().map(|_| NOTE.to_owned()),
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
        if self.reader.targets.one(id).await?.is_some_and(|target| !scalable_target::is_off(&target)) {
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
    /// Those of functions that carry the tags. An alias or a scalable target without any is among them: another run may hold it, and this
    /// one has to hold it too.
    async fn of_tagged(&self, tags: &Tags) -> Result<Vec<Item>, ActionError> {
        let names = self.reader.tagged(tags).await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut own = self.reader.tags(names.iter().map(String::as_str)).await?;
        own.retain(|_, own| tags.missing(|key| own.get(key).map(String::as_str)).is_none());
        let targets = self.reader.targets.all().await?;
        let mut items: BTreeMap<String, Option<Config>> = targets.into_keys().map(|id| (id, None)).collect();
        items.retain(|id, _| own.contains_key(split(id).0));
        for name in own.keys() {
            let aliases = match details::aliases(&self.reader, name).await {
                // The function is left alone, with this reason.
                Err(failure) if failure.kind == FailureKind::Refused => Vec::new(),
                other => other.map_err(|failure| failure.reading(&reading(name)))?,
            };
            items.extend(aliases.iter().filter_map(|alias| Some((format!("{name}:{}", alias.name()?), None))));
            let configs = all(&self.reader, name).await.map_err(|failure| failure.reading(&reading(name)))?;
            items.extend(configs.into_iter().map(|(id, config)| (id, Some(config))));
        }
        Ok(items.into_iter().map(|(id, config)| Item { id, tags: Own::new(), config }).collect())
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

/// All provisioned concurrency of a function, by ids such as `orders:live`.
pub(super) async fn all(reader: &Reader, name: &str) -> Result<Vec<(String, Config)>, Failure> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let asked = reader.lambda.list_provisioned_concurrency_configs().function_name(name).max_items(50);
        let page = match asked.set_marker(next).send().await.map_err(|error| Failure::of(&error)) {
            // The index shows functions that were deleted a while ago.
            Err(failure) if failure.is(NOT_FOUND) => return Ok(found),
            other => other?,
        };
        found.extend(page.provisioned_concurrency_configs().iter().filter_map(|one| {
            let id = format!("{name}:{}", named(one.function_arn()?).1?);
            Some((id, config!(one)))
        }));
        next = page.next_marker.filter(|marker| !marker.is_empty());
        if next.is_none() {
            return Ok(found);
        }
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

impl Config {
    /// Could Lambda not provision it?
    pub(super) fn is_failed(&self) -> bool {
        self.status == Some(Status::Failed)
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
