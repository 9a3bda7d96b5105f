//! ECS's services as they are: found by going through all clusters, or asked for by name. ECS describes ten a call.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_applicationautoscaling::types::ScalableTarget;
use aws_sdk_ecs::types::{Service, ServiceField};
use guardrails_model::action::ActionError;
use guardrails_model::config::Tags;
use jiff::{Timestamp, Unit};

use super::left_alone;
use crate::actions::scalable_target::{self, Targets};
use crate::context::Context;
use crate::error::Failure;
use crate::switch::{Found, Which};

/// Services that one question takes.
const SERVICES: usize = 10;
/// Tasks that one question takes.
const TASKS: usize = 100;
/// The reason by which ECS says that there is no such service.
const MISSING: &str = "MISSING";

/// Reads the services of one Region.
pub(super) struct Reader {
    pub(super) ecs: aws_sdk_ecs::Client,
    pub(super) targets: Targets,
}

/// A service with all that its facets are made of.
pub struct Item {
    pub(super) service: Service,
    /// The name of its cluster.
    pub(super) cluster: String,
    /// The target by which Application Auto Scaling scales it, where it was asked for.
    pub(super) target: Option<ScalableTarget>,
    /// How many of its tasks are protected from scale-in, where that was asked for, or why ECS did not say.
    pub(super) protected: Option<Result<usize, String>>,
    /// The container instances that stay when its tasks are gone, in words, where that was asked for.
    pub(super) stays: Option<String>,
}

impl Item {
    /// Its id: names of services are unique in their clusters.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.cluster, self.service.service_name().unwrap_or_default())
    }

    /// The tasks that it wants, that run, and that are on their way.
    pub(super) fn tasks(&self) -> (i32, i32, i32) {
        (self.service.desired_count(), self.service.running_count(), self.service.pending_count())
    }

    /// The same with all that both of its facets have in common.
    pub(super) fn common(&self, found: Found) -> Found {
        let status = self.service.status().unwrap_or_default();
        let ended = ["INACTIVE", "DRAINING"].contains(&status);
        let tags = self.service.tags().iter();
        // It comes as a number with a fraction, whose last digits are noise.
        let made = self.service.created_at().and_then(|at| Timestamp::from_nanosecond(at.as_nanos()).ok());
        let made = made.and_then(|at| at.round(Unit::Millisecond).ok());
        Found {
            tags: tags.filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect(),
            // A service of the same name that was made later is another.
            identity: made.map(|at| at.to_string()),
            unit: Some(self.id()),
            busy: left_alone::deploying(&self.service),
            ending: ended.then(|| format!("it is {}", status.to_ascii_lowercase())),
            ..found
        }
    }
}

impl Reader {
    pub(super) fn new(context: &Context<'_>) -> Self {
        Self { ecs: aws_sdk_ecs::Client::new(&context.sdk), targets: Targets::new(context, &scalable_target::SERVICES) }
    }

    /// The services that are asked for. By tags, they are those of all clusters that carry them.
    pub(super) async fn list(&self, which: &Which<'_>) -> Result<Vec<Item>, ActionError> {
        let (names, tags) = match which {
            Which::Tagged(tags) => (self.all().await?, Some(*tags)),
            Which::Ids(ids) => (by_cluster(ids), None),
        };
        let mut items = Vec::new();
        for (cluster, names) in names {
            for names in names.chunks(SERVICES) {
                items.extend(self.described(&cluster, names).await?);
            }
        }
        items.retain(|item| tags.is_none_or(|tags| carries(&item.service, tags)));
        Ok(items)
    }

    /// The names or ARNs of all services, by cluster.
    async fn all(&self) -> Result<BTreeMap<String, Vec<String>>, ActionError> {
        let (mut clusters, mut next) = (Vec::new(), None);
        loop {
            let page = self.ecs.list_clusters().set_next_token(next).send().await;
            let page = page.map_err(|error| Failure::of(&error).reading("listing the clusters of ECS"))?;
            clusters.extend(page.cluster_arns().iter().cloned());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        let mut all = BTreeMap::new();
        for cluster in clusters {
            let services = self.of_cluster(&cluster).await?;
            all.insert(last(&cluster).to_owned(), services);
        }
        Ok(all)
    }

    async fn of_cluster(&self, cluster: &str) -> Result<Vec<String>, ActionError> {
        let (mut services, mut next) = (Vec::new(), None);
        loop {
            let page = self.ecs.list_services().cluster(cluster).max_results(100).set_next_token(next).send().await;
            let page = match page.map_err(|error| Failure::of(&error)) {
                // It was deleted since the clusters were listed.
                Err(failure) if failure.is("ClusterNotFoundException") => return Ok(Vec::new()),
                other => other.map_err(|failure| failure.reading(&format!("listing the services of the cluster {cluster}")))?,
            };
            services.extend(page.service_arns().iter().cloned());
            next = page.next_token;
            if next.is_none() {
                return Ok(services);
            }
        }
    }

    /// The services of these names, those that there are.
    async fn described(&self, cluster: &str, names: &[String]) -> Result<Vec<Item>, ActionError> {
        let asked = self.ecs.describe_services().cluster(cluster).set_services(Some(names.to_vec())).include(ServiceField::Tags);
        let answer = match asked.send().await.map_err(|error| Failure::of(&error)) {
            Err(failure) if failure.is("ClusterNotFoundException") => return Ok(Vec::new()),
            other => other.map_err(|failure| failure.reading(&format!("describing services of the cluster {cluster}")))?,
        };
        // A service that ECS gives any other reason for is not known to be gone.
        if let Some(failed) = answer.failures().iter().find(|failure| failure.reason() != Some(MISSING)) {
            let (arn, reason) = (failed.arn().unwrap_or_default(), failed.reason().unwrap_or("no reason"));
            return Err(ActionError::Retryable(format!("describing the service {arn}: {reason}")));
        }
        let cluster = cluster.to_owned();
        let item = |service| Item { service, cluster: cluster.clone(), target: None, protected: None, stays: None };
        Ok(answer.services.unwrap_or_default().into_iter().map(item).collect())
    }

    /// Asks for the scalable targets of `items`.
    pub(super) async fn add_targets(&self, items: &mut [Item]) -> Result<(), ActionError> {
        let mut found = self.targets.of(&items.iter().map(Item::id).collect()).await?;
        for item in items {
            item.target = found.remove(&item.id());
        }
        Ok(())
    }

    /// How many tasks of a service are protected from scale-in, or why ECS does not say: nothing hangs on it.
    pub(super) async fn protected(&self, item: &Item) -> Result<usize, String> {
        let name = item.service.service_name().unwrap_or_default();
        let (mut tasks, mut next) = (Vec::new(), None);
        loop {
            let page = self.ecs.list_tasks().cluster(&item.cluster).service_name(name).set_next_token(next).send().await;
            let page = page.map_err(|error| Failure::of(&error).message)?;
            tasks.extend(page.task_arns().iter().cloned());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        let mut protected = 0;
        for tasks in tasks.chunks(TASKS) {
            let answer = self.ecs.get_task_protection().cluster(&item.cluster).set_tasks(Some(tasks.to_vec())).send().await;
            let answer = answer.map_err(|error| Failure::of(&error).message)?;
            protected += answer.protected_tasks().iter().filter(|task| task.protection_enabled()).count();
        }
        Ok(protected)
    }
}

/// Does the service carry all the tags?
fn carries(service: &Service, tags: &Tags) -> bool {
    let value = |key: &str| service.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    tags.missing(value).is_none()
}

/// The names of services, by their clusters.
fn by_cluster(ids: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (cluster, name) in ids.iter().filter_map(|id| id.split_once('/')) {
        all.entry(cluster.to_owned()).or_default().push(name.to_owned());
    }
    all
}

/// The last part of an ARN: the name.
pub(super) fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}
