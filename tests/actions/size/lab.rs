//! An account with thousands of instances within EC2's documented limits, and the count of its ledger's reads and writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use guardrails_model::clock::Clock;
use guardrails_model::config::{ActionSpec, Config};
use guardrails_model::ids::{Nonce, RunId};
use guardrails_model::ledger::{Item, Key, LedgerError, Page, Store, Write};
use guardrails_model::pace::Pace;
use guardrails_model::record::Step;
use guardrails_model::runs::{Begun, Grounds};
use jiff::Timestamp;
use serde_json::json;

use super::machine::Machine;
use crate::harness::{self, Harness};
use crate::world::{Buckets, Instance, Power, World, lock};

pub struct Lab {
    pub world: Arc<World>,
    pub harness: Harness,
    pub costs: Arc<Costs>,
    pace: Pace,
}

impl Lab {
    /// So many running instances, dealt out to the Regions, at a pace.
    pub fn with(count: usize, regions: &[&str], pace: Pace) -> Self {
        let world = Arc::new(World::default());
        {
            let mut account = world.account();
            for number in 0..count {
                let instance = Instance::new(&format!("i-{number:05}"), Power::Running, "Project=Beta");
                account.instance(instance.in_region(regions[number % regions.len()]));
            }
            account.page = 1000;
            account.buckets = Some(Buckets::documented());
        }
        let costs = Arc::new(Costs::default());
        let make = crate::world::catalog_at(&world, &[], pace.clone());
        let counted = Arc::clone(&costs);
        let between = |inner| Arc::new(Counted { inner, costs: counted }) as Arc<dyn Store>;
        let harness = Harness::new(Arc::clone(&world.clock), Arc::clone(&world.gate), between, make);
        Self { world, harness, costs, pace }
    }

    /// A run over all of them that is planned and open.
    pub async fn open(&self) -> RunId {
        let spec = ActionSpec { name: "stop-instances".parse().unwrap(), params: json!({"tag": {"Project": "Beta"}}) };
        let (target, guardrail) = harness::stage("beta 80%", vec![vec![spec]]);
        let guardrails = BTreeMap::from([(guardrail.name.clone(), guardrail.clone())]);
        let config = Config { guardrails, pace: self.pace.clone(), ..Config::default() };
        let Begun::Started(run) =
            self.harness.runs().begin(&target, &config, &guardrail, "digest", &Grounds::default()).await.unwrap()
        else {
            panic!("it begins")
        };
        self.harness.open(&run).await.expect("it opens").id
    }

    pub fn machine(&self) -> Machine<'_> {
        Machine { harness: &self.harness, world: &self.world, others: None, killed_at: None, most: None }
    }

    pub fn count(&self, power: Power) -> usize {
        self.world.account().instances.values().filter(|instance| instance.power == power).count()
    }

    pub async fn steps(&self, run: &RunId) -> Vec<Step> {
        let run = self.harness.truth.run(run).await.unwrap().unwrap().value;
        self.harness.truth.all_steps(&run).await.unwrap()
    }

    pub fn now(&self) -> Timestamp {
        self.harness.clock.now()
    }

    /// Since when each instance runs.
    pub fn running_since(&self) -> BTreeMap<String, Timestamp> {
        let account = self.world.account();
        account.instances.values().map(|instance| (instance.id.clone(), instance.running_since())).collect()
    }
}

/// How many of EC2's calls were throttled, of all.
pub fn throttled(world: &World) -> (usize, usize) {
    world.account().calls.values().fold((0, 0), |sum, one| (sum.0 + one.1, sum.1 + one.0))
}

/// The reads and writes of a ledger.
#[derive(Debug, Default)]
pub struct Costs(Mutex<Cost>);

#[derive(Debug, Default, Clone, Copy)]
pub struct Cost {
    /// Items that were read.
    pub reads: usize,
    /// Items that were written.
    pub writes: usize,
    /// Commits that they were written in.
    pub commits: usize,
}

impl Costs {
    pub fn reset(&self) {
        *lock(&self.0) = Cost::default();
    }

    pub fn sum(&self) -> Cost {
        *lock(&self.0)
    }
}

struct Counted {
    inner: Arc<dyn Store>,
    costs: Arc<Costs>,
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError> {
        lock(&self.costs.0).reads += keys.len();
        self.inner.get(keys).await
    }

    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError> {
        let found = self.inner.list(page).await?;
        lock(&self.costs.0).reads += found.len();
        Ok(found)
    }

    async fn commit(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        {
            let mut costs = lock(&self.costs.0);
            costs.commits += 1;
            costs.writes += writes.len();
        }
        self.inner.commit(nonce, writes).await
    }
}
