//! AWS in this process, behind the SDK clients' HTTP layer: the real SDK writes requests and reads answers. Events that no
//! emulator shows can be had on demand. These are lost answers, deaths at any call, calls that land late, instances that take
//! their time, groups that replace stopped members, and throttling. Nothing here sleeps or dials.

#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "doubles are used by tests alone, and panic where a test is to fail"
)]

mod account;
mod auto_scaling;
mod buckets;
mod catalog;
mod costs;
mod ec2;
mod ecs;
mod granted;
mod http;
mod iam;
mod identities;
mod lambda;
mod load_balancers;
mod past;
mod place;
mod programs;
mod rds;
mod redshift;
mod services;
mod simulator;
pub mod story;
mod switchable;
mod tagged;
mod things;
mod timeline;
mod trail;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard};

use aws_config::SdkConfig;
use guardrails_model::clock::Clock;
use guardrails_model::pace::{Levels, Pacer};

pub use account::Account;
pub use auto_scaling::{Group, Member};
pub use buckets::Buckets;
pub use catalog::{STACK, catalog, catalog_at, of_catalog};
pub use ec2::{Address, Check, Instance, Power, Spot};
pub use ecs::{Cluster, Deployment, EcsService, ScalableTarget};
pub use guardrails_testkit::{Effect, Ending, Fault, FaultInjector, Kind, ManualClock, lock};
pub use identities::Right;
pub use lambda::{LambdaFunction, Mapping, Provisioned};
pub use place::HOME;
pub use programs::{Memory, Program, Published, Said, UserFunction, UserFunctions, breaking, keeping};
pub use rds::{Database, Kind as DatabaseKind};
pub use redshift::{Does, Schedule, Warehouse};
pub use things::{Table, Thing, Turn};

/// An account behind a gate, and the time that both go by.
#[derive(Debug, Default)]
pub struct World {
    /// The time that the account goes by.
    pub clock: Arc<ManualClock>,
    /// Where faults wait.
    pub gate: Arc<FaultInjector>,
    account: Mutex<Account>,
    requests: Mutex<Vec<String>>,
    pacers: Mutex<Vec<Pacing>>,
}

/// A pacer, which keeps an action within its limits.
struct Pacing(Arc<Pacer>);

impl std::fmt::Debug for Pacing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.levels().fmt(f)
    }
}

/// A moment of a world, to go back to.
#[derive(Debug, Clone)]
pub struct Saved {
    account: Account,
    levels: Vec<Levels>,
}

impl World {
    /// The account as it is at this moment, to be looked at and changed by a test.
    pub fn account(&self) -> MutexGuard<'_, Account> {
        let mut account = self.settled();
        account.wake_groups();
        account
    }

    /// The account as it is, and how much of its limits the actions have left.
    pub fn save(&self) -> Saved {
        let levels = lock(&self.pacers).iter().map(|pacing| pacing.0.levels()).collect();
        Saved { account: lock(&self.account).clone(), levels }
    }

    /// All is as it was when it was saved. The clock is the test's to put back.
    pub fn restore(&self, saved: &Saved) {
        lock(&self.account).clone_from(&saved.account);
        // An action that was made later had used nothing then.
        let levels = saved.levels.iter().cloned().chain(std::iter::repeat_with(Levels::default));
        lock(&self.pacers).iter().zip(levels).for_each(|(pacing, levels)| pacing.0.go_on_from(levels));
    }

    /// A call of somebody else in the account, as a form: its status.
    pub fn ask(&self, region: &str, form: &str) -> u16 {
        self.settled().answer(&wire::Call::read(region, form.as_bytes()), self.clock.now()).0
    }

    /// The form of the request that was answered under this id.
    pub fn request(&self, id: &str) -> String {
        let number: usize = id.strip_prefix("request-").and_then(|number| number.parse().ok()).expect("an id of this world");
        lock(&self.requests)[number].clone()
    }

    /// The forms of all requests of one operation.
    pub fn requests_of(&self, operation: &str) -> Vec<String> {
        let action = format!("Action={operation}&");
        lock(&self.requests).iter().filter(|form| form.starts_with(&action)).cloned().collect()
    }

    /// The requests in JSON that have this field.
    pub fn requests_with(&self, field: &str) -> Vec<serde_json::Value> {
        let requests = lock(&self.requests);
        let read = requests.iter().filter_map(|body| serde_json::from_str::<serde_json::Value>(body).ok());
        read.filter(|body| !body[field].is_null()).collect()
    }

    /// Writes a request down, and gives it an id.
    fn receive_as(&self, form: &[u8]) -> String {
        let mut requests = lock(&self.requests);
        requests.push(String::from_utf8_lossy(form).into_owned());
        format!("request-{}", requests.len() - 1)
    }

    fn settled(&self) -> MutexGuard<'_, Account> {
        let mut account = lock(&self.account);
        account.settle(self.clock.now());
        account
    }

    /// A configuration whose clients talk to this world.
    pub fn config(self: &Arc<Self>) -> SdkConfig {
        http::config(self)
    }
}
