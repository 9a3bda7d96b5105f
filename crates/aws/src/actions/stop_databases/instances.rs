//! DB instances. Those of clusters are stopped with their cluster.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_rds::types::DbInstance;
use guardrails_model::action::{ActionError, Patience};
use guardrails_model::config::Tags;
use guardrails_model::ids::Value;

use super::params::{Keys, PendingChanges};
use super::rds::{self, AVAILABLE, NAMES, Rds, STOPPED};
use super::{CHANGES, clusters};
use crate::context::Context;
use crate::declared::{Counted, Noun, Priced};
use crate::error::{Codes, Failure};
use crate::grants::Grant;
use crate::switch::{Calling, Drift, Found, Reach, Resource, Switch, Which};

/// The power of DB instances, in one Region.
pub struct Instances {
    rds: Rds,
    pending: PendingChanges,
}

/// An instance, and whether it is in a blue/green deployment.
pub struct Described {
    instance: DbInstance,
    deployed: bool,
}

#[async_trait]
impl Switch for Instances {
    const TARGET: Counted = Counted {
        facet: "db-instance",
        noun: Noun { one: "DB instance", many: "DB instances" },
        doing: ("stopping", "starting again"),
        limits: Some((CHANGES, CHANGES)),
        price: Priced::ByKind,
    };
    const RESOURCE: Resource = Resource {
        service: "rds",
        arn: "db:*",
        lists: &[],
        reads: &["rds:DescribeDBInstances"],
        wide: &[("rds:DescribeDBInstances", "RDS lists all instances with their tags, and takes no tags to list by")],
        turns: &["rds:StopDBInstance", "rds:StartDBInstance"],
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
        let instances = match which {
            Which::Tagged(tags) => self.tagged(tags).await?,
            Which::Ids(names) => self.named(names).await?,
        };
        Ok(instances.into_iter().map(|instance| Described { instance, deployed: false }).collect())
    }

    /// Only one that may be stopped can be in the way of a deployment.
    async fn closer(&self, mut items: Vec<Described>) -> Result<Vec<Described>, ActionError> {
        if items.iter().any(|item| item.instance.db_instance_status() == Some(AVAILABLE)) {
            let deployed = self.rds.in_deployments().await?;
            for item in &mut items {
                item.deployed = item.instance.db_instance_arn().is_some_and(|arn| deployed.contains(arn));
            }
        }
        Ok(items)
    }

    fn found(&self, Described { instance, deployed }: &Described) -> Found {
        let (name, status) = (name(instance), instance.db_instance_status().unwrap_or_default());
        let key = instance.kms_key_id();
        let class = instance.db_instance_class();
        let standby = if instance.multi_az() == Some(true) { " multi-az" } else { "" };
        Found {
            identity: instance.dbi_resource_id().map(str::to_owned),
            tags: rds::tags(instance.tag_list()),
            kind: class.map(|class| format!("{class} {}{standby}", instance.engine().unwrap_or_default())),
            note: Some(self.note(instance)),
            left_alone: (status != STOPPED).then(|| self.left_alone(instance, *deployed)).flatten(),
            ending: rds::ending(status),
            broken: rds::broken(status, key),
            turns_back: rds::restarts(instance.automatic_restart_time()),
            ..Found::new(name, format!("DB instance {name}"), rds::seen(status, key), Value::new(STOPPED))
        }
    }

    async fn set(&self, name: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        if to.as_str() == STOPPED {
            let call = self.rds.changes.stop_db_instance().db_instance_identifier(name);
            return calling.make("rds:StopDBInstance", call.send()).await.map(drop);
        }
        let call = self.rds.changes.start_db_instance().db_instance_identifier(name);
        let started = calling.make("rds:StartDBInstance", call.send()).await;
        match started {
            Err(failure) if rds::is_about_key(&failure) => {
                // Its name is of use to people; without it RDS's own words stand.
                let instance = self.one(name).await.ok().flatten();
                Err(rds::with_key(failure, instance.as_ref().and_then(DbInstance::kms_key_id)))
            }
            other => other.map(drop),
        }
    }

    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        vec![rds::deployments_grant(reach)]
    }
}

impl Instances {
    /// Those that carry the tags, without those that stop with a cluster that carries them.
    async fn tagged(&self, tags: &Tags) -> Result<Vec<DbInstance>, ActionError> {
        let mut found = rds::instances(&self.rds, None).await?;
        found.retain(|instance| carries(tags, &rds::tags(instance.tag_list())));
        let clusters: BTreeSet<String> =
            found.iter().filter_map(|one| rds::named(one.db_cluster_identifier()).map(str::to_owned)).collect();
        if clusters.is_empty() {
            return Ok(found);
        }
        let clusters = clusters::named(&self.rds, &clusters).await?;
        let in_scope = clusters.iter().filter(|cluster| carries(tags, &rds::tags(cluster.tag_list())));
        let in_scope: BTreeSet<&str> = in_scope.filter_map(|cluster| cluster.db_cluster_identifier()).collect();
        found.retain(|instance| !instance.db_cluster_identifier().is_some_and(|cluster| in_scope.contains(cluster)));
        Ok(found)
    }

    /// Those with these names. One that the list does not show is asked for by its name: only RDS says that there is none.
    async fn named(&self, names: &BTreeSet<String>) -> Result<Vec<DbInstance>, ActionError> {
        let all: Vec<&String> = names.iter().collect();
        let mut found = Vec::new();
        for some in all.chunks(NAMES) {
            found.extend(rds::instances(&self.rds, Some(rds::filter("db-instance-id", some))).await?);
        }
        let shown: BTreeSet<String> = found.iter().map(|instance| name(instance).to_owned()).collect();
        for missing in names.difference(&shown) {
            found.extend(self.one(missing).await?);
        }
        Ok(found)
    }

    /// Nothing when RDS says that there is none.
    async fn one(&self, name: &str) -> Result<Option<DbInstance>, ActionError> {
        let answer = self.rds.reads.describe_db_instances().db_instance_identifier(name).send().await;
        match answer.map_err(|error| Failure::of(&error)) {
            Err(failure) if failure.is("DBInstanceNotFound") => Ok(None),
            Err(failure) => Err(failure.reading("describing a DB instance")),
            Ok(page) => Ok(page.db_instances.unwrap_or_default().pop()),
        }
    }

    /// Why RDS would not stop it, or not without a loss.
    fn left_alone(&self, instance: &DbInstance, deployed: bool) -> Option<String> {
        let engine = instance.engine().unwrap_or_default();
        if engine.starts_with("custom-") {
            return Some("it is of RDS Custom, which RDS does not stop".to_owned());
        }
        if let Some(cluster) = rds::named(instance.db_cluster_identifier()) {
            return Some(format!(
                "it is a member of the cluster {cluster}, which does not carry the tags: no member stops alone"
            ));
        }
        let source = rds::named(instance.read_replica_source_db_instance_identifier());
        if let Some(source) = source.or(rds::named(instance.read_replica_source_db_cluster_identifier())) {
            return Some(format!("it is a read replica of {source}: RDS does not stop replicas"));
        }
        let replicas = [instance.read_replica_db_instance_identifiers(), instance.read_replica_db_cluster_identifiers()].concat();
        if !replicas.is_empty() {
            return Some(format!("it has the read replicas {}: RDS does not stop their source", rds::names(&replicas)));
        }
        if engine.starts_with("sqlserver-") && instance.multi_az() == Some(true) {
            return Some("it is SQL Server with a standby, which RDS does not stop".to_owned());
        }
        if deployed {
            return Some("it is in a blue/green deployment".to_owned());
        }
        self.pending.reason(rds::is_pending(instance))
    }

    fn note(&self, instance: &DbInstance) -> String {
        let public = instance.publicly_accessible() == Some(true);
        let standby = instance.multi_az() == Some(true);
        let lost = self.pending == PendingChanges::Lose && rds::is_pending(instance);
        let more = [
            public.then_some("its public address will be another"),
            standby.then_some("it may come back in its standby's zone"),
            lost.then_some("the changes that wait for its maintenance window will be gone"),
        ];
        [Some(rds::NOTE)].into_iter().chain(more).flatten().collect::<Vec<_>>().join("; ")
    }
}

fn name(instance: &DbInstance) -> &str {
    instance.db_instance_identifier().unwrap_or_default()
}

fn carries(wanted: &Tags, tags: &BTreeMap<String, String>) -> bool {
    wanted.missing(|key| tags.get(key).map(String::as_str)).is_none()
}
