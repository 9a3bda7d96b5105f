//! The clusters themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_redshift::types::{Cluster, HsmStatus};
use aws_smithy_types::DateTime;
use guardrails_model::action::{ActionError, Patience};
use guardrails_model::clock::Clock;
use guardrails_model::ids::Value;

use super::params::may_lose_tables;
use super::redshift::{self, AVAILABLE, PAGE, PAUSED, Redshift, name};
use super::{CLUSTER, Keys, PAUSES, RESUMES};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure, FailureKind};
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Drift, Found, Reach, Resource, Switch, Which};

/// Seconds for which a snapshot counts as recent: a day. AWS does not say how old one may be. It makes one every eight hours, or by
/// the cluster's schedule, at least once a day.
const RECENT: i64 = 24 * 3600;

const NOTE: &str = "its storage and snapshots go on costing, and nobody can query or modify it until it is resumed; a resume does not \
                    bring back audit logs, and may change the cluster version and the nodes' IP addresses";
const LOSES_TABLES: &str = "tables that were made with BACKUP NO are lost";

/// The power of clusters, in one Region.
pub struct Warehouses {
    redshift: Redshift,
    clock: Arc<dyn Clock>,
    keys: Keys,
}

/// A cluster, and all that a plan and a check before a pause need to know besides.
pub struct Described {
    cluster: Cluster,
    /// Has it no recent snapshot? Asked where it may be paused.
    bare: bool,
    /// Reserved nodes of its type, or the reason why they are not known.
    reserved: Result<i32, String>,
}

#[async_trait]
impl Switch for Warehouses {
    const TARGET: Counted = Counted {
        facet: "warehouse",
        noun: CLUSTER,
        doing: ("pausing", "resuming"),
        limits: Some((PAUSES, RESUMES)),
        price: Priced::Unknown("the nodes of", "that would pause"),
    };
    const RESOURCE: Resource = Resource {
        service: "redshift",
        arn: "cluster:*",
        lists: &["redshift:DescribeReservedNodes"],
        reads: &["redshift:DescribeClusters"],
        wide: &[(
            "redshift:DescribeClusters",
            "Redshift lists clusters that carry any of the tags, and the answer says which carry all",
        )],
        turns: &["redshift:PauseCluster", "redshift:ResumeCluster"],
    };
    const CODES: Codes = redshift::CODES;
    /// A person resumed it, or a schedule that a person enabled or made since: ours are disabled before the pause. AWS resumes none by
    /// itself.
    const DRIFT: Drift = Drift::ReportHeld;
    /// AWS says of a pause that it "typically completes within 15 minutes". A pause waits for a snapshot, and a resume for capacity.
    const PATIENCE: Patience = Patience { poll: 30, limit: 3600, give_up: 6 * 3600 };
    /// The schedules of a cluster that is left alone are too.
    const TAKES_ALONG: bool = true;
    /// Its schedules would be disabled for nothing.
    const NEEDS_ALL: bool = true;
    type Options = Keys;
    type Item = Described;

    fn new(context: &Context<'_>, keys: &Keys) -> Self {
        Self { redshift: Redshift::new(context), clock: Arc::clone(&context.clock), keys: *keys }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Described>, ActionError> {
        let (clusters, reserved) = match which {
            Which::Tagged(tags) => {
                let clusters = self.redshift.tagged(tags).await?;
                let reserved = if clusters.is_empty() { Ok(BTreeMap::new()) } else { self.reserved().await? };
                (clusters, reserved)
            }
            Which::Ids(names) => (self.redshift.named(names).await?, Ok(BTreeMap::new())),
        };
        let described = |cluster: Cluster| {
            let of_type = |all: &BTreeMap<String, i32>| all.get(node_type(&cluster)).copied().unwrap_or_default();
            let reserved = reserved.as_ref().map(of_type).map_err(String::clone);
            Described { cluster, bare: false, reserved }
        };
        Ok(clusters.into_iter().map(described).collect())
    }

    async fn closer(&self, mut items: Vec<Described>) -> Result<Vec<Described>, ActionError> {
        for item in &mut items {
            // Redshift refuses the others with any snapshots.
            if item.cluster.cluster_status() == Some(AVAILABLE) && self.left_alone(&item.cluster).is_none() {
                item.bare = !self.has_recent_snapshot(name(&item.cluster)).await?;
            }
        }
        Ok(items)
    }

    fn found(&self, item: &Described) -> Found {
        let cluster = &item.cluster;
        let (name, status) = (name(cluster), cluster.cluster_status().unwrap_or_default());
        let nodes = Noun { one: "node", many: "nodes" };
        let nodes = nodes.count(usize::try_from(cluster.number_of_nodes().unwrap_or(1)).unwrap_or(1));
        let bare = "Redshift pauses it only with a recent snapshot, and it has none of the last 24 hours";
        Found {
            // That a resumed cluster keeps its namespace was not tried.
            identity: cluster.cluster_namespace_arn().and_then(|arn| arn.rsplit(':').next()).map(str::to_owned),
            unit: Some(name.to_owned()),
            tags: redshift::tags(cluster.tags()),
            kind: cluster.node_type().map(|kind| format!("{kind} with {nodes}")),
            note: Some(item.note()),
            left_alone: (status != PAUSED).then(|| self.left_alone(cluster)).flatten(),
            busy: item.bare.then(|| bare.to_owned()),
            ending: redshift::ending(status),
            broken: redshift::broken(status),
            ..Found::new(name, format!("Redshift cluster {name}"), redshift::seen(status), Value::new(PAUSED))
        }
    }

    async fn set(&self, name: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        if to.as_str() == PAUSED {
            let call = self.redshift.changes.pause_cluster().cluster_identifier(name);
            return calling.make("redshift:PauseCluster", call.send()).await.map(drop);
        }
        let call = self.redshift.changes.resume_cluster().cluster_identifier(name);
        calling.make("redshift:ResumeCluster", call.send()).await.map(drop)
    }

    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        vec![Grant {
            sid: "ReadSnapshots".to_owned(),
            uses: &[Use::Plan, Use::Apply],
            actions: &["redshift:DescribeClusterSnapshots"],
            resources: vec!["*".to_owned()],
            condition: reach.condition(),
            why_any: Some("IAM knows no resource for it: only the snapshots of clusters in scope are asked for"),
            ..Grant::default()
        }]
    }
}

impl Warehouses {
    /// Is there a snapshot that Redshift would take for recent? It makes one more at the pause, and wants one before.
    async fn has_recent_snapshot(&self, name: &str) -> Result<bool, ActionError> {
        let since = DateTime::from_secs(self.clock.now().as_second() - RECENT);
        let mut marker = None;
        loop {
            let call = self.redshift.reads.describe_cluster_snapshots().cluster_identifier(name).start_time(since);
            let page = match call.max_records(PAGE).set_marker(marker).send().await.map_err(|error| Failure::of(&error)) {
                // It was deleted since the clusters were listed.
                Err(failure) if failure.is("ClusterNotFound") => return Ok(false),
                other => {
                    other.map_err(|failure| failure.reading(&format!("listing the snapshots of the Redshift cluster {name}")))?
                }
            };
            if page.snapshots().iter().any(|snapshot| snapshot.status() == Some("available")) {
                return Ok(true);
            }
            marker = redshift::next(page.marker);
            if marker.is_none() {
                return Ok(false);
            }
        }
    }

    /// Why it is not paused, if so.
    fn left_alone(&self, cluster: &Cluster) -> Option<String> {
        refused(cluster).or_else(|| self.keys.reason(node_type(cluster)))
    }

    /// The reserved nodes that are paid for now, by node type, or the reason why Redshift does not say: nothing hangs on them.
    async fn reserved(&self) -> Result<Result<BTreeMap<String, i32>, String>, ActionError> {
        let (mut reserved, mut marker) = (BTreeMap::new(), None);
        loop {
            let page = self.redshift.reads.describe_reserved_nodes().max_records(PAGE).set_marker(marker).send().await;
            let page = match page.map_err(|error| Failure::of(&error)) {
                Err(failure) if failure.kind == FailureKind::Refused => return Ok(Err(failure.message)),
                other => other.map_err(|failure| failure.reading("listing the reserved nodes of Redshift"))?,
            };
            for nodes in page.reserved_nodes().iter().filter(|nodes| nodes.state() == Some("active")) {
                *reserved.entry(nodes.node_type().unwrap_or_default().to_owned()).or_default() += nodes.node_count().unwrap_or(1);
            }
            marker = redshift::next(page.marker);
            if marker.is_none() {
                return Ok(Ok(reserved));
            }
        }
    }
}

impl Described {
    fn note(&self) -> String {
        let kind = node_type(&self.cluster);
        let reserved = match &self.reserved {
            Ok(0) => None,
            Ok(nodes) => Some(format!("{} reserved {kind} in this Region, paid all the same", are(*nodes))),
            Err(why) => Some(format!("whether its nodes are reserved, and paid all the same, is not known: {why}")),
        };
        let tables = may_lose_tables(kind).then(|| LOSES_TABLES.to_owned());
        [Some(NOTE.to_owned()), tables, reserved].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// `1 node is`, `2 nodes are`.
fn are(nodes: i32) -> String {
    if nodes == 1 { "1 node is".to_owned() } else { format!("{nodes} nodes are") }
}

fn node_type(cluster: &Cluster) -> &str {
    cluster.node_type().unwrap_or_default()
}

/// Why Redshift would not pause it.
fn refused(cluster: &Cluster) -> Option<String> {
    // AWS's model calls it "a boolean value" in a text; its examples have `Enabled` and `Disabled`.
    let multi = cluster.multi_az().is_some_and(|is| ["enabled", "true"].contains(&is.to_ascii_lowercase().as_str()));
    if multi || cluster.multi_az_secondary().is_some() {
        return Some("it is deployed in two zones (Multi-AZ), and Redshift does not pause such a cluster".to_owned());
    }
    let hsm = |status: &HsmStatus| status.hsm_client_certificate_identifier().or(status.hsm_configuration_identifier()).is_some();
    if cluster.hsm_status().is_some_and(hsm) {
        return Some("its keys are in a hardware security module (HSM), and Redshift does not pause such a cluster".to_owned());
    }
    (cluster.automated_snapshot_retention_period() == Some(0))
        .then(|| "its automated snapshots are off, and Redshift does not pause such a cluster".to_owned())
}
