//! Functions, and the mappings that feed them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::Key;
use crate::place::HOME;

/// A function.
#[derive(Debug, Clone)]
pub struct LambdaFunction {
    /// Its Region.
    pub region: String,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its reserved concurrency, if it has one.
    pub reserved: Option<usize>,
    /// Its role.
    pub role: String,
    /// Its published versions.
    pub versions: BTreeSet<String>,
    /// Those of `$LATEST` and its versions that have a dead-letter queue.
    pub queues: BTreeSet<String>,
    /// Those of `$LATEST`, its versions and aliases that have a destination for events that fail.
    pub destinations: BTreeSet<String>,
    /// Its aliases, each with the versions that it routes to.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Its provisioned concurrency, by alias or version.
    pub provisioned: BTreeMap<String, Provisioned>,
    /// Further fields of its configuration, such as `MasterArn`.
    pub more: Json,
    /// `Active`, `Pending`, ...
    pub state: &'static str,
    /// Is an update of it under way?
    pub updating: bool,
}

/// Provisioned concurrency.
#[derive(Debug, Clone)]
pub struct Provisioned {
    /// How much was asked for.
    pub requested: usize,
    /// When that was.
    pub since: Timestamp,
    /// How many seconds it takes.
    pub takes: i64,
    /// Why Lambda could not provision it, if so.
    pub failed: Option<&'static str>,
}

impl Provisioned {
    fn ready(requested: usize) -> Self {
        Self { requested, since: Timestamp::UNIX_EPOCH - SignedDuration::from_hours(24), takes: 0, failed: None }
    }

    /// As Lambda shows it.
    pub(super) fn shown(&self, at: Timestamp) -> Json {
        let is_ready = at >= self.since + SignedDuration::from_secs(self.takes);
        let (status, allocated) = match (self.failed, is_ready) {
            (Some(_), _) => ("FAILED", 0),
            (None, true) => ("READY", self.requested),
            (None, false) => ("IN_PROGRESS", 0),
        };
        json!({"RequestedProvisionedConcurrentExecutions": self.requested, "AllocatedProvisionedConcurrentExecutions": allocated,
            "AvailableProvisionedConcurrentExecutions": allocated, "Status": status, "StatusReason": self.failed})
    }
}

impl LambdaFunction {
    /// A function in the home Region with a dead-letter queue, and tags such as `Project=Beta Stage=dev`.
    #[must_use]
    pub fn new(name: &str, tags: &str) -> Self {
        let tags = tags.split_whitespace().filter_map(|tag| tag.split_once('='));
        Self {
            region: HOME.to_owned(),
            name: name.to_owned(),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            reserved: None,
            role: "arn:aws:iam::123456789012:role/works".to_owned(),
            versions: BTreeSet::new(),
            queues: BTreeSet::from(["$LATEST".to_owned()]),
            destinations: BTreeSet::new(),
            aliases: BTreeMap::new(),
            provisioned: BTreeMap::new(),
            more: json!({}),
            state: "Active",
            updating: false,
        }
    }

    /// In another Region.
    #[must_use]
    pub fn region(self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self }
    }

    /// With this much reserved concurrency.
    #[must_use]
    pub fn reserving(self, reserved: usize) -> Self {
        Self { reserved: Some(reserved), ..self }
    }

    /// With an alias of a version, which has a dead-letter queue.
    #[must_use]
    pub fn alias(mut self, name: &str, version: &str) -> Self {
        self.versions.insert(version.to_owned());
        self.queues.insert(version.to_owned());
        self.aliases.insert(name.to_owned(), vec![version.to_owned()]);
        self
    }

    /// With this much provisioned concurrency of an alias or a version.
    #[must_use]
    pub fn provisions(mut self, qualifier: &str, requested: usize) -> Self {
        self.provisioned.insert(qualifier.to_owned(), Provisioned::ready(requested));
        self
    }

    /// Without a dead-letter queue, and without a destination.
    #[must_use]
    pub fn unguarded(self) -> Self {
        Self { queues: BTreeSet::new(), destinations: BTreeSet::new(), ..self }
    }

    pub(super) fn key(&self) -> Key {
        (self.region.clone(), self.name.clone())
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:123456789012:function:{}", self.region, self.name)
    }

    /// How much of the account's concurrency it has for itself.
    pub(super) fn takes_of_pool(&self) -> usize {
        self.reserved.unwrap_or_else(|| self.all_provisioned(""))
    }

    /// How much provisioned concurrency it has, without that of `but`.
    pub(super) fn all_provisioned(&self, but: &str) -> usize {
        self.provisioned.iter().filter(|(name, _)| *name != but).map(|(_, provisioned)| provisioned.requested).sum()
    }

    /// Is there such an alias or version?
    pub(super) fn has(&self, qualifier: &str) -> bool {
        self.aliases.contains_key(qualifier) || self.versions.contains(qualifier)
    }
}

/// An event source mapping.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Its UUID.
    pub uuid: String,
    /// Its Region.
    pub region: String,
    /// Its function's name, with an alias where it is of one.
    pub function: String,
    /// The source's fields, such as `EventSourceArn`.
    pub source: Json,
    /// Is it to be enabled?
    pub enabled: bool,
    /// When that was set.
    pub since: Timestamp,
    /// How many seconds it takes.
    pub takes: i64,
    /// Another state, such as `Updating`, in which it takes no change.
    pub stuck: Option<&'static str>,
}

impl Mapping {
    /// A mapping of a queue in the home Region to a function, which is enabled.
    #[must_use]
    pub fn of_queue(uuid: &str, queue: &str, function: &str) -> Self {
        let arn = format!("arn:aws:sqs:{HOME}:123456789012:{queue}");
        Self {
            uuid: uuid.to_owned(),
            region: HOME.to_owned(),
            function: function.to_owned(),
            source: json!({"EventSourceArn": arn}),
            enabled: true,
            since: Timestamp::UNIX_EPOCH - SignedDuration::from_hours(24),
            takes: 20,
            stuck: None,
        }
    }

    /// Of another source.
    #[must_use]
    pub fn from(self, source: Json) -> Self {
        Self { source, ..self }
    }

    /// Which its owner has disabled.
    #[must_use]
    pub fn disabled(self) -> Self {
        Self { enabled: false, ..self }
    }

    /// Somebody sets it.
    pub fn set(&mut self, enabled: bool, now: Timestamp) {
        if self.enabled != enabled {
            (self.enabled, self.since) = (enabled, now);
        }
    }

    /// Its state as Lambda shows it.
    #[must_use]
    pub fn state(&self, at: Timestamp) -> &'static str {
        let is_settled = at >= self.since + SignedDuration::from_secs(self.takes);
        self.stuck.unwrap_or(match (self.enabled, is_settled) {
            (true, true) => "Enabled",
            (true, false) => "Enabling",
            (false, true) => "Disabled",
            (false, false) => "Disabling",
        })
    }

    pub(super) fn shown(&self, at: Timestamp) -> Json {
        let mut shown = self.source.clone();
        shown["UUID"] = json!(self.uuid);
        shown["FunctionArn"] = json!(format!("arn:aws:lambda:{}:123456789012:function:{}", self.region, self.function));
        shown["State"] = json!(self.state(at));
        shown
    }
}
