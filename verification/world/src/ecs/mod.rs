//! ECS, and Application Auto Scaling over its services. It refuses as AWS documents that it refuses, starts and stops tasks in its own
//! time, and pulls counts into the bounds of a scalable target. None of it was tried on AWS.

mod calls;
mod describe;
mod scaling;
mod service;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use scaling::ScalableTarget;
pub use service::{Cluster, Deployment, EcsService};

use super::account::Account;
use super::place::place;
use super::wire::{Call, Refusal};

/// A Region, a cluster and a service.
pub type Key = (String, String, String);

/// All of both services.
#[derive(Debug, Clone, Default)]
pub struct Ecs {
    /// Clusters, by Region and name.
    pub clusters: BTreeMap<(String, String), Cluster>,
    /// Services.
    pub services: BTreeMap<Key, EcsService>,
    /// Scalable targets of services.
    pub targets: BTreeMap<Key, ScalableTarget>,
}

impl Account {
    /// Adds a service, with its cluster, and enables its Region.
    pub fn ecs_service(&mut self, service: EcsService) -> &mut Self {
        self.regions.insert(service.region.clone());
        self.ecs.clusters.entry((service.region.clone(), service.cluster.clone())).or_default();
        self.ecs.services.insert(service.key(), service);
        self
    }

    /// Adds the scalable target of a service.
    pub fn scalable(&mut self, service: &str, target: ScalableTarget) -> &mut Self {
        let key = self.ecs_key(service);
        self.ecs.targets.insert(key, target);
        self
    }

    /// The service `beta/web`, in whichever Region.
    pub fn service(&mut self, name: &str) -> &mut EcsService {
        let key = self.ecs_key(name);
        self.ecs.services.get_mut(&key).expect("a service")
    }

    /// The scalable target of the service `beta/web`.
    pub fn target(&mut self, name: &str) -> &mut ScalableTarget {
        let key = self.ecs_key(name);
        self.ecs.targets.get_mut(&key).unwrap_or_else(|| panic!("{name} has no scalable target"))
    }

    fn ecs_key(&self, name: &str) -> Key {
        let is_it = |key: &&Key| name == format!("{}/{}", key.1, key.2);
        self.ecs.services.keys().find(is_it).unwrap_or_else(|| panic!("there is no service {name}")).clone()
    }

    /// Everything that an action may change: `beta/web tasks` is `5 of 5`, `beta/web scaling` is its target.
    pub(super) fn ecs_snapshot(&self) -> impl Iterator<Item = (String, String)> {
        let name = |key: &Key| place(&key.0, &format!("{}/{}", key.1, key.2));
        let tasks = self.ecs.services.iter().map(move |(key, service)| {
            let (running, _) = service.counts(self.now);
            (format!("{} tasks", name(key)), format!("{running} of {}", service.desired))
        });
        let targets = self.ecs.targets.iter();
        tasks.chain(targets.map(move |(key, target)| (format!("{} scaling", name(key)), target.to_string())))
    }
}

/// Answers a call that only reads, by the account as it is listed at `then`.
pub fn describe(account: &Account, ecs: &Ecs, call: &Call, then: Timestamp) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "ListClusters" => Ok(describe::list_clusters(account, ecs, call)),
        "ListServices" => describe::list_services(account, ecs, call),
        "DescribeServices" => describe::services(ecs, call, then),
        "DescribeClusters" => Ok(describe::clusters(ecs, call)),
        "DescribeCapacityProviders" => Ok(describe::capacity_providers(ecs, call)),
        "ListTasks" => describe::list_tasks(account, ecs, call, then),
        "GetTaskProtection" => describe::protection(ecs, call),
        "DescribeScalableTargets" => scaling::describe(account, ecs, call),
        other => panic!("the double of ECS has no {other}"),
    }
}

/// Answers a call that changes something.
pub fn change(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    if account.lag > 0 {
        let before = account.ecs.clone();
        account.past_ecs.remember(now, account.lag, before);
    }
    match call.operation.as_str() {
        "UpdateService" => calls::update_service(account, call, now),
        "RegisterScalableTarget" => scaling::register(account, call, now),
        other => panic!("the double of ECS has no {other}"),
    }
}

/// A call for the record: IAM's action, the resource, and the keys that a policy's conditions may have.
pub fn told(account: &Account, call: &Call) -> (String, String, BTreeMap<String, String>) {
    calls::told(account, call)
}
