//! DB clusters of Aurora, Neptune and `DocumentDB`. A cluster is stopped and started with its members.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_rds::types::DbCluster;
use guardrails_model::action::{ActionError, Patience};
use guardrails_model::ids::Value;

use super::CHANGES;
use super::params::{Keys, PendingChanges};
use super::rds::{self, AVAILABLE, NAMES, PAGE, Rds, STOPPED};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Drift, Found, Resource, Switch, Which};

/// How the engines begin whose clusters RDS stops.
const ENGINES: &[&str] = &["aurora", "neptune", "docdb"];

/// The power of DB clusters, in one Region.
pub struct Clusters {
    rds: Rds,
    pending: PendingChanges,
}

/// A cluster, and whether it is in a blue/green deployment.
pub struct Described {
    cluster: DbCluster,
    deployed: bool,
}

#[async_trait]
impl Switch for Clusters {
    const TARGET: Counted = Counted {
        facet: "db-cluster",
        noun: Noun { one: "DB cluster", many: "DB clusters" },
        doing: ("stopping", "starting again"),
        limits: Some((CHANGES, CHANGES)),
        price: Priced::Unknown("the members of", "that would stop"),
    };
    const RESOURCE: Resource = Resource {
        service: "rds",
        arn: "cluster:*",
        lists: &[],
        reads: &["rds:DescribeDBClusters"],
        wide: &[("rds:DescribeDBClusters", "RDS lists all clusters with their tags, and takes no tags to list by")],
        turns: &["rds:StopDBCluster", "rds:StartDBCluster"],
    };
    const CODES: Codes = rds::CODES;
    const DRIFT: Drift = rds::DRIFT;
    const PATIENCE: Patience = rds::PATIENCE;
    type Options = Keys;
    type Item = Described;

    fn new(context: &Context<'_>, keys: &Keys) -> Self {
        Self { rds: Rds::new(context), pending: keys.pending_changes }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Described>, ActionError> {
        let clusters = match which {
            Which::Tagged(wanted) => {
                let mut all = pages(&self.rds, &[]).await?;
                all.retain(|cluster| {
                    let tags = rds::tags(cluster.tag_list());
                    wanted.missing(|key| tags.get(key).map(String::as_str)).is_none()
                });
                all
            }
            Which::Ids(names) => named(&self.rds, names).await?,
        };
        let may_stop = clusters.iter().any(|cluster| cluster.status() == Some(AVAILABLE));
        let deployed = if may_stop { self.rds.in_deployments().await? } else { BTreeSet::new() };
        let described = clusters.into_iter().map(|cluster| {
            let deployed = cluster.db_cluster_arn().is_some_and(|arn| deployed.contains(arn));
            Described { cluster, deployed }
        });
        Ok(described.collect())
    }

    fn found(&self, Described { cluster, deployed }: &Described) -> Found {
        let (name, status) = (name(cluster), cluster.status().unwrap_or_default());
        let key = cluster.kms_key_id();
        let members = cluster.db_cluster_members().len();
        let of = Noun { one: "instance", many: "instances" }.count(members);
        let lost = self.pending == PendingChanges::Lose && is_pending(cluster);
        let lost = if lost { "; the changes that wait for its maintenance window will be gone" } else { "" };
        Found {
            identity: cluster.db_cluster_resource_id().map(str::to_owned),
            tags: rds::tags(cluster.tag_list()),
            kind: cluster.engine().map(|engine| format!("{engine} with {of}")),
            note: Some(format!("{}{lost}", rds::NOTE)),
            left_alone: (status != STOPPED).then(|| self.left_alone(cluster, *deployed)).flatten(),
            ending: rds::ending(status),
            broken: rds::broken(status, key),
            ..Found::new(name, format!("DB cluster {name}"), rds::seen(status, key), Value::new(STOPPED))
        }
    }

    /// Of a global database only a cluster that is alone in it can be stopped. Other clusters cost no call.
    async fn against(&self, Described { cluster, .. }: &Described) -> Result<Option<String>, ActionError> {
        let Some(global) = cluster.global_cluster_identifier().filter(|_| cluster.status() != Some(STOPPED)) else {
            return Ok(None);
        };
        let answer = self.rds.reads.describe_global_clusters().global_cluster_identifier(global).send().await;
        let answer = answer.map_err(|error| Failure::of(&error).reading("describing a global database"))?;
        let members: usize = answer.global_clusters().iter().map(|one| one.global_cluster_members().len()).sum();
        Ok((members > 1)
            .then(|| format!("it is one of {members} clusters of the global database {global}: RDS stops none of them")))
    }

    async fn set(&self, name: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        if to.as_str() == STOPPED {
            let call = self.rds.changes.stop_db_cluster().db_cluster_identifier(name);
            return calling.make("rds:StopDBCluster", call.send()).await.map(drop);
        }
        let call = self.rds.changes.start_db_cluster().db_cluster_identifier(name);
        let started = calling.make("rds:StartDBCluster", call.send()).await;
        match started {
            Err(failure) if rds::is_about_key(&failure) => {
                // Its name is of use to people; without it RDS's own words stand.
                let cluster = one(&self.rds, name).await.ok().flatten();
                Err(rds::with_key(failure, cluster.as_ref().and_then(DbCluster::kms_key_id)))
            }
            other => other.map(drop),
        }
    }

    fn more_grants() -> Vec<Grant> {
        let global = Grant {
            sid: "ReadGlobal".to_owned(),
            uses: &[Use::Plan, Use::Apply],
            actions: &["rds:DescribeGlobalClusters"],
            resources: vec!["arn:${AWS::Partition}:rds::${AWS::AccountId}:global-cluster:*".to_owned()],
            ..Grant::default()
        };
        vec![rds::deployments_grant(), global]
    }
}

impl Clusters {
    /// Why RDS would not stop it, or not without a loss.
    fn left_alone(&self, cluster: &DbCluster, deployed: bool) -> Option<String> {
        let engine = cluster.engine().unwrap_or_default();
        if cluster.db_cluster_instance_class().is_some() || !ENGINES.iter().any(|known| engine.starts_with(known)) {
            return Some(format!("it is a Multi-AZ DB cluster of {engine}, which RDS does not stop"));
        }
        if let Some(mode) = cluster.engine_mode().filter(|mode| *mode != "provisioned") {
            return Some(format!("the mode of its engine is {mode}: RDS stops provisioned clusters only"));
        }
        if cluster.cluster_scalability_type().is_some_and(|kind| kind.as_str() == "limitless") {
            return Some("it is an Aurora Limitless Database".to_owned());
        }
        if let Some(source) = cluster.replication_source_identifier() {
            return Some(format!("it is a replica of {source}: RDS does not stop replicas"));
        }
        let replicas = cluster.read_replica_identifiers();
        if !replicas.is_empty() {
            return Some(format!("it has the replicas {}: RDS does not stop their source", rds::names(replicas)));
        }
        if cluster.db_cluster_members().is_empty() {
            return Some("it has no instances, so nothing of it costs by the hour".to_owned());
        }
        if deployed {
            return Some("it is in a blue/green deployment".to_owned());
        }
        self.pending.reason(is_pending(cluster))
    }
}

/// The clusters with these names. One that the list does not show is asked for by its name: only RDS says that there is none.
pub(super) async fn named(rds: &Rds, names: &BTreeSet<String>) -> Result<Vec<DbCluster>, ActionError> {
    let all: Vec<&String> = names.iter().collect();
    let mut found = Vec::new();
    for some in all.chunks(NAMES) {
        found.extend(pages(rds, some).await?);
    }
    let shown: BTreeSet<String> = found.iter().map(|cluster| name(cluster).to_owned()).collect();
    for missing in names.difference(&shown) {
        found.extend(one(rds, missing).await?);
    }
    Ok(found)
}

async fn pages(rds: &Rds, names: &[&String]) -> Result<Vec<DbCluster>, ActionError> {
    let filters = (!names.is_empty()).then(|| vec![rds::filter("db-cluster-id", names)]);
    let (mut found, mut marker) = (Vec::new(), None);
    loop {
        let call = rds.reads.describe_db_clusters().max_records(PAGE);
        let page = call.set_filters(filters.clone()).set_marker(marker).send().await;
        let page = page.map_err(|error| Failure::of(&error).reading("listing DB clusters"))?;
        found.extend(page.db_clusters.unwrap_or_default());
        marker = page.marker;
        if marker.is_none() {
            return Ok(found);
        }
    }
}

/// Nothing when RDS says that there is none.
async fn one(rds: &Rds, name: &str) -> Result<Option<DbCluster>, ActionError> {
    let answer = rds.reads.describe_db_clusters().db_cluster_identifier(name).send().await;
    match answer.map_err(|error| Failure::of(&error)) {
        Err(failure) if failure.is("DBClusterNotFoundFault") => Ok(None),
        Err(failure) => Err(failure.reading("describing a DB cluster")),
        Ok(page) => Ok(page.db_clusters.unwrap_or_default().pop()),
    }
}

fn name(cluster: &DbCluster) -> &str {
    cluster.db_cluster_identifier().unwrap_or_default()
}

/// Are there changes that wait for its maintenance window? RDS shows none where there are none.
fn is_pending(cluster: &DbCluster) -> bool {
    let nothing = aws_sdk_rds::types::ClusterPendingModifiedValues::builder().build();
    cluster.pending_modified_values().is_some_and(|pending| *pending != nothing)
}
