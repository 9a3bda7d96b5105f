//! Event source mappings: Lambda polls a queue or a stream by them. One that is disabled resumes at the same place.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use guardrails_model::action::{ActionError, Patience, Seen};
use guardrails_model::config::Tags;
use guardrails_model::ids::Value;

use super::list::{NOT_FOUND, Own, PAGE, Reader, named};
use super::{BATCH, CHANGES, CODES, DRIFT, Keys, PATIENCE};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Drift, Found, Reach, Resource, Switch, Which};

const ENABLED: &str = "enabled";
const DISABLED: &str = "disabled";

/// Lambda's event source mappings, in one Region.
pub struct Sources {
    reader: Reader,
    changes: aws_sdk_lambda::Client,
}

/// A mapping, with the tags of its function.
pub struct Mapping {
    uuid: String,
    function: String,
    tags: Own,
    source: String,
    state: String,
}

/// A mapping as Lambda lists it, or as it shows one. The two answers have types of their own.
macro_rules! mapping {
    ($of:expr) => {{
        let (topics, queues) = ($of.topics().join(", "), $of.queues().join(", "));
        let arn = $of.event_source_arn().map(|arn| arn.splitn(6, ':').nth(5).unwrap_or(arn).to_owned());
        let more = [topics, queues].into_iter().filter(|names| !names.is_empty());
        Mapping {
            uuid: $of.uuid().unwrap_or_default().to_owned(),
            function: named($of.function_arn().unwrap_or_default()).0.to_owned(),
            tags: Own::new(),
            source: arn.into_iter().chain(more).collect::<Vec<_>>().join(" "),
            state: $of.state().unwrap_or_default().to_owned(),
        }
    }};
}

#[async_trait]
impl Switch for Sources {
    const TARGET: Counted = Counted {
        facet: "event-source",
        noun: Noun { one: "event source", many: "event sources" },
        doing: ("disabling", "enabling again"),
        limits: Some((CHANGES, CHANGES)),
        price: Priced::Free,
    };
    const RESOURCE: Resource = Resource {
        service: "lambda",
        arn: "event-source-mapping:*",
        lists: &["tag:GetResources", "lambda:ListEventSourceMappings"],
        reads: &["lambda:GetEventSourceMapping"],
        wide: &[("lambda:GetEventSourceMapping", "a mapping does not carry the tags of its function")],
        turns: &[],
    };
    const CODES: Codes = CODES;
    const DRIFT: Drift = DRIFT;
    const PATIENCE: Patience = PATIENCE;
    const BATCH: usize = BATCH;
    const BACK: Option<u8> = Some(1);
    type Options = Keys;
    type Item = Mapping;

    fn new(context: &Context<'_>, _: &Keys) -> Self {
        Self { reader: Reader::new(context), changes: aws_sdk_lambda::Client::new(&context.sdk_for_changes()) }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Mapping>, ActionError> {
        let mut mappings = match which {
            Which::Tagged(tags) => self.of_tagged(tags).await?,
            Which::Ids(ids) => self.named(ids).await?,
        };
        let tags: BTreeMap<String, Own> = self.reader.tags(mappings.iter().map(|one| one.function.as_str())).await?;
        // A mapping outlives its function, and feeds nothing then.
        mappings.retain(|one| tags.contains_key(&one.function));
        for mapping in &mut mappings {
            mapping.tags = tags.get(&mapping.function).cloned().unwrap_or_default();
        }
        Ok(mappings)
    }

    fn found(&self, item: &Mapping) -> Found {
        let Mapping { uuid, function, tags, source, state } = item;
        Found {
            unit: Some(function.clone()),
            tags: tags.clone(),
            note: Some(format!("its records wait at the source, as long as that keeps them{}", kept(source))),
            ending: (state == "Deleting").then(|| "it is being deleted".to_owned()),
            ..Found::new(uuid, format!("event source {source} of function {function}"), seen(state), Value::new(DISABLED))
        }
    }

    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        let enabled = match to.as_str() {
            ENABLED => true,
            DISABLED => false,
            other => return Err(Failure::refused(format!("`{other}` is no setting of an event source"))),
        };
        let call = self.changes.update_event_source_mapping().uuid(id).enabled(enabled);
        calling.make("lambda:UpdateEventSourceMapping", call.send()).await.map(drop)
    }

    /// A mapping that others enabled stays enabled.
    async fn changed_by_others(&self, _: &str, _: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        Ok(Some(seen.clone()))
    }

    /// The tags that IAM knows are the mapping's own, and hardly anybody sets those.
    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        vec![Grant {
            sid: "TurnEventSource".to_owned(),
            uses: &[Use::Apply, Use::Rollback],
            actions: &["lambda:UpdateEventSourceMapping"],
            resources: reach.arns("lambda", "event-source-mapping:*"),
            wide: &[(
                "lambda:UpdateEventSourceMapping",
                "a mapping does not carry the tags of its function: only mappings of functions that do are asked for",
            )],
            ..Grant::default()
        }]
    }
}

impl Sources {
    /// The mappings of functions that carry the tags. Lambda does not document whether a list of one function's mappings has those of
    /// its aliases, so all are listed.
    async fn of_tagged(&self, tags: &Tags) -> Result<Vec<Mapping>, ActionError> {
        let functions = self.reader.tagged(tags).await?;
        let (mut all, mut next) = (Vec::new(), None);
        if functions.is_empty() {
            return Ok(all);
        }
        loop {
            let page = self.reader.lambda.list_event_source_mappings().max_items(PAGE).set_marker(next).send().await;
            let page = page.map_err(|error| Failure::of(&error).reading("listing event source mappings"))?;
            let found = page.event_source_mappings().iter().map(|one| mapping!(one));
            all.extend(found.filter(|one| functions.contains(&one.function)));
            next = page.next_marker.filter(|marker| !marker.is_empty());
            if next.is_none() {
                return Ok(all);
            }
        }
    }

    /// Those with these UUIDs.
    async fn named(&self, uuids: &BTreeSet<String>) -> Result<Vec<Mapping>, ActionError> {
        let mut found = Vec::new();
        for uuid in uuids {
            let answer = self.reader.lambda.get_event_source_mapping().uuid(uuid).send().await;
            match answer.map_err(|error| Failure::of(&error)) {
                Err(failure) if failure.is(NOT_FOUND) => {}
                Err(failure) => return Err(failure.reading(&format!("asking for the event source mapping {uuid}"))),
                Ok(one) => found.push(mapping!(one)),
            }
        }
        Ok(found)
    }
}

/// Its setting in a state. One that nobody has heard of is on its way to another.
fn seen(state: &str) -> Seen {
    match state {
        "Enabled" => Seen::Is(Value::new(ENABLED)),
        "Disabled" => Seen::Is(Value::new(DISABLED)),
        "Enabling" => Seen::Moving(Value::new(ENABLED)),
        "Disabling" => Seen::Moving(Value::new(DISABLED)),
        other => Seen::Moving(Value::new(other.to_ascii_lowercase())),
    }
}

/// How long the source keeps its records, where that is always the same.
fn kept(source: &str) -> &'static str {
    if source.starts_with("table/") { ", which is 24 hours" } else { "" }
}
