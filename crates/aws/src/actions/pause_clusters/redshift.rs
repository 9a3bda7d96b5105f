//! Redshift as both parts use it: its clients, lists, statuses and error codes.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_redshift::Client;
use aws_sdk_redshift::types::{Cluster, Tag};
use guardrails_model::action::{ActionError, Seen};
use guardrails_model::config::Tags;
use guardrails_model::ids::Value;

use crate::context::Context;
use crate::error::{Codes, Failure};

/// Records of a page: Redshift takes 20 to 100.
pub(super) const PAGE: i32 = 100;

/// Redshift says "The specified cluster is not in the `available` state", and says the same of a cluster without a recent backup.
pub(super) const CODES: Codes =
    Codes { not_now: &["InvalidClusterState"], no_room: &["InsufficientClusterCapacity"], not_for_it: &["UnsupportedOperation"] };

pub(super) const AVAILABLE: &str = "available";
pub(super) const PAUSED: &str = "paused";
/// Statuses that no pause and no resume ends.
const BROKEN: &[&str] = &[
    "hardware-failure",
    "incompatible-hsm",
    "incompatible-network",
    "incompatible-parameters",
    "incompatible-restore",
    "storage-full",
];

/// Redshift's clients.
pub(super) struct Redshift {
    pub(super) reads: Client,
    pub(super) changes: Client,
}

impl Redshift {
    pub(super) fn new(context: &Context<'_>) -> Self {
        Self { reads: Client::new(&context.sdk), changes: Client::new(&context.sdk_for_changes()) }
    }

    /// The clusters that carry all the tags. Redshift lists those that carry any of the keys: the tags in its answer decide.
    pub(super) async fn tagged(&self, wanted: &Tags) -> Result<Vec<Cluster>, ActionError> {
        let keys: Vec<String> = wanted.iter().map(|(key, _)| key.to_owned()).collect();
        let mut clusters = self.pages(Some(keys)).await?;
        clusters.retain(|cluster| {
            let tags = tags(cluster.tags());
            wanted.missing(|key| tags.get(key).map(String::as_str)).is_none()
        });
        Ok(clusters)
    }

    /// The clusters with these names. One that the list does not show is asked for by its name: only Redshift says that there is
    /// none.
    pub(super) async fn named(&self, names: &BTreeSet<String>) -> Result<Vec<Cluster>, ActionError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut clusters = self.pages(None).await?;
        clusters.retain(|cluster| names.contains(name(cluster)));
        let shown: BTreeSet<String> = clusters.iter().map(|cluster| name(cluster).to_owned()).collect();
        for missing in names.difference(&shown) {
            clusters.extend(self.one(missing).await?);
        }
        Ok(clusters)
    }

    async fn pages(&self, keys: Option<Vec<String>>) -> Result<Vec<Cluster>, ActionError> {
        let (mut clusters, mut marker) = (Vec::new(), None);
        loop {
            let call = self.reads.describe_clusters().max_records(PAGE).set_tag_keys(keys.clone());
            let page = call.set_marker(marker).send().await;
            let page = page.map_err(|error| Failure::of(&error).reading("listing Redshift clusters"))?;
            clusters.extend(page.clusters.unwrap_or_default());
            marker = next(page.marker);
            if marker.is_none() {
                return Ok(clusters);
            }
        }
    }

    /// Nothing when Redshift says that there is none.
    async fn one(&self, name: &str) -> Result<Option<Cluster>, ActionError> {
        let answer = self.reads.describe_clusters().cluster_identifier(name).send().await;
        match answer.map_err(|error| Failure::of(&error)) {
            Err(failure) if failure.is("ClusterNotFound") => Ok(None),
            Err(failure) => Err(failure.reading("describing a Redshift cluster")),
            Ok(page) => Ok(page.clusters.unwrap_or_default().pop()),
        }
    }
}

/// The marker of the next page, if there is one. An empty one is none.
pub(super) fn next(marker: Option<String>) -> Option<String> {
    marker.filter(|marker| !marker.is_empty())
}

/// The name of a cluster.
pub(super) fn name(cluster: &Cluster) -> &str {
    cluster.cluster_identifier().unwrap_or_default()
}

/// The tags of a cluster.
pub(super) fn tags(list: &[Tag]) -> BTreeMap<String, String> {
    list.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

/// The setting of a cluster in a status. AWS's list of them is not whole: it lacks `pausing` and `resuming`. So one that is in no
/// list is on its way to another.
pub(super) fn seen(status: &str) -> Seen {
    match status {
        AVAILABLE | PAUSED => Seen::Is(Value::new(status)),
        "pausing" => Seen::Moving(Value::new(PAUSED)),
        "resuming" | "available, prep-for-resize" | "available, resize-cleanup" => Seen::Moving(Value::new(AVAILABLE)),
        other => Seen::Moving(Value::new(other.replace('-', " "))),
    }
}

/// The words for a cluster that is on its way to its end, if it is.
pub(super) fn ending(status: &str) -> Option<String> {
    matches!(status, "deleting" | "final-snapshot").then(|| "it is being deleted".to_owned())
}

/// The words for a status that no pause and no resume ends, if it is one.
pub(super) fn broken(status: &str) -> Option<String> {
    BROKEN.contains(&status).then(|| format!("its status is {status}: nothing pauses or resumes it until that is mended"))
}
