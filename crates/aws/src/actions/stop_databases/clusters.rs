//! DB clusters of Aurora, Neptune and `DocumentDB`. A cluster is stopped and started with its members.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_rds::types::{ClusterPendingModifiedValues, DbCluster, DbInstance};
use guardrails_model::action::{ActionError, Patience};
use guardrails_model::ids::Value;

use super::CHANGES;
use super::params::{Keys, PendingChanges};
use super::rds::{self, AVAILABLE, NAMES, PAGE, Rds, STOPPED};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::{Grant, Use};
use crate::switch::{Calling, Drift, Found, Member, Reach, Resource, Switch, Which};

/// How the engines begin whose clusters RDS stops.
const ENGINES: &[&str] = &["aurora", "neptune", "docdb"];

/// The power of DB clusters, in one Region.
pub struct Clusters {
    rds: Rds,
    pending: PendingChanges,
}

/// A cluster, and all that a check before a stop needs to know besides.
pub struct Described {
    cluster: DbCluster,
    members: Vec<DbInstance>,
    deployed: bool,
    /// Why its global database is in the way.
    global: Option<String>,
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
    const TAGS_LAG: bool = true;
    type Options = Keys;
    type Item = Described;

    fn new(context: &Context<'_>, keys: &Keys) -> Self {
        Self { rds: Rds::new(context), pending: keys.pending_changes }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Described>, ActionError> {
        let clusters = match which {
            // The plan itself leaves out those without the tags.
            Which::Tagged(_) => pages(&self.rds, &[]).await?,
            Which::Ids(names) => named(&self.rds, names).await?,
        };
        let described = |cluster| Described { cluster, members: Vec::new(), deployed: false, global: None };
        Ok(clusters.into_iter().map(described).collect())
    }

    /// Members, deployments and global databases are asked for where a cluster may be stopped, and once for all of them.
    async fn closer(&self, mut items: Vec<Described>) -> Result<Vec<Described>, ActionError> {
        let may_stop = |item: &&mut Described| item.cluster.status() == Some(AVAILABLE);
        let names: Vec<String> = items.iter_mut().filter(may_stop).map(|item| name(&item.cluster).to_owned()).collect();
        if names.is_empty() {
            return Ok(items);
        }
        let deployed = self.rds.in_deployments().await?;
        let mut members: BTreeMap<String, Vec<DbInstance>> = BTreeMap::new();
        for some in names.iter().collect::<Vec<_>>().chunks(NAMES) {
            for member in rds::instances(&self.rds, Some(rds::filter("db-cluster-id", some))).await? {
                members.entry(member.db_cluster_identifier().unwrap_or_default().to_owned()).or_default().push(member);
            }
        }
        let is_global = items.iter().any(|item| rds::named(item.cluster.global_cluster_identifier()).is_some());
        let globals = if is_global { self.globals().await? } else { BTreeMap::new() };
        for item in items.iter_mut().filter(may_stop) {
            item.members = members.remove(name(&item.cluster)).unwrap_or_default();
            item.deployed = item.cluster.db_cluster_arn().is_some_and(|arn| deployed.contains(arn));
            item.global =
                rds::named(item.cluster.global_cluster_identifier()).and_then(|global| in_the_way(global, globals.get(global)));
        }
        Ok(items)
    }

    fn found(&self, item: &Described) -> Found {
        let cluster = &item.cluster;
        let (name, status) = (name(cluster), cluster.status().unwrap_or_default());
        let key = cluster.kms_key_id();
        let members = cluster.db_cluster_members().len();
        let of = Noun { one: "instance", many: "instances" }.count(members);
        let lost = self.pending == PendingChanges::Lose && item.is_pending();
        let lost = if lost { "; the changes that wait for its maintenance window will be gone" } else { "" };
        Found {
            identity: cluster.db_cluster_resource_id().map(str::to_owned),
            tags: rds::tags(cluster.tag_list()),
            kind: cluster.engine().map(|engine| format!("{engine} with {of}")),
            note: Some(format!("{}{lost}", rds::NOTE)),
            left_alone: (status != STOPPED).then(|| self.left_alone(item)).flatten(),
            ending: rds::ending(status),
            broken: rds::broken(status, key),
            members: item.members.iter().map(member).collect(),
            turns_back: rds::restarts(cluster.automatic_restart_time()),
            ..Found::new(name, format!("DB cluster {name}"), rds::seen(status, key), Value::new(STOPPED))
        }
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

    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        let global = Grant {
            sid: "ReadGlobal".to_owned(),
            uses: &[Use::Plan, Use::Apply],
            actions: &["rds:DescribeGlobalClusters"],
            resources: vec!["arn:${AWS::Partition}:rds::${AWS::AccountId}:global-cluster:*".to_owned()],
            ..Grant::default()
        };
        vec![rds::deployments_grant(reach), global]
    }
}

impl Clusters {
    /// Why RDS would not stop it, or not without a loss.
    fn left_alone(&self, item: &Described) -> Option<String> {
        let cluster = &item.cluster;
        let engine = cluster.engine().unwrap_or_default();
        if rds::named(cluster.db_cluster_instance_class()).is_some() || !ENGINES.iter().any(|known| engine.starts_with(known)) {
            return Some(format!("it is a Multi-AZ DB cluster of {engine}, which RDS does not stop"));
        }
        if let Some(mode) = rds::named(cluster.engine_mode()).filter(|mode| *mode != "provisioned") {
            return Some(format!("the mode of its engine is {mode}: RDS stops provisioned clusters only"));
        }
        if cluster.cluster_scalability_type().is_some_and(|kind| kind.as_str() == "limitless") {
            return Some("it is an Aurora Limitless Database".to_owned());
        }
        if let Some(source) = rds::named(cluster.replication_source_identifier()) {
            return Some(format!("it is a replica of {source}: RDS does not stop replicas"));
        }
        let replicas = cluster.read_replica_identifiers();
        if !replicas.is_empty() {
            return Some(format!("it has the replicas {}: RDS does not stop their source", rds::names(replicas)));
        }
        if cluster.db_cluster_members().is_empty() {
            return Some("it has no instances, so nothing of it costs by the hour".to_owned());
        }
        if item.deployed {
            return Some("it is in a blue/green deployment".to_owned());
        }
        item.global.clone().or_else(|| self.pending.reason(item.is_pending()))
    }

    /// The number of clusters of each global database.
    async fn globals(&self) -> Result<BTreeMap<String, usize>, ActionError> {
        let (mut globals, mut marker) = (BTreeMap::new(), None);
        loop {
            let page = self.rds.reads.describe_global_clusters().max_records(PAGE).set_marker(marker).send().await;
            let page = page.map_err(|error| Failure::of(&error).reading("listing global databases"))?;
            globals.extend(page.global_clusters().iter().filter_map(|global| {
                Some((global.global_cluster_identifier()?.to_owned(), global.global_cluster_members().len()))
            }));
            marker = page.marker;
            if marker.is_none() {
                return Ok(globals);
            }
        }
    }
}

impl Described {
    /// Are there changes of it or of a member that wait for a maintenance window? RDS shows none where there are none.
    fn is_pending(&self) -> bool {
        let nothing = ClusterPendingModifiedValues::builder().build();
        let own = self.cluster.pending_modified_values().is_some_and(|pending| *pending != nothing);
        own || self.members.iter().any(rds::is_pending)
    }
}

/// Why a cluster of the global database is not stopped, if so: RDS stops it only where it is alone in it.
fn in_the_way(global: &str, clusters: Option<&usize>) -> Option<String> {
    match clusters {
        Some(1) => None,
        Some(many) => Some(format!("it is one of {many} clusters of the global database {global}: RDS stops none of them")),
        None => Some(format!("its global database {global} cannot be seen: RDS stops only a cluster that is alone in one")),
    }
}

fn member(instance: &DbInstance) -> Member {
    Member { id: instance.db_instance_identifier().unwrap_or_default().to_owned(), tags: rds::tags(instance.tag_list()) }
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
