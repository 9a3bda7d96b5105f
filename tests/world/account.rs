//! What is in the account, and what becomes of it over time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::ec2::Instance;
use super::iam::Group;
use super::wire::{self, Call, Refusal, Reply, Service};
use super::{ec2, iam};

/// An account in one Region.
#[derive(Debug, Clone)]
pub struct Account {
    pub groups: BTreeMap<String, Group>,
    /// ARNs of the policies that exist.
    pub policies: BTreeSet<String>,
    pub instances: BTreeMap<String, Instance>,
    /// How many items a page holds.
    pub page: usize,
    /// How many seconds a stop or a start takes.
    pub takes: i64,
    /// Operations that are throttled, and how many more times.
    pub throttled: BTreeMap<String, usize>,
    /// Groups and instances that a call has changed.
    pub touched: BTreeSet<String>,
    /// How many seconds listings lag behind: IAM and EC2 are eventually consistent.
    pub lag: i64,
    late: Vec<(Timestamp, Call)>,
    /// The account as it was before each change.
    past: Vec<(Timestamp, Account)>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
            policies: BTreeSet::new(),
            instances: BTreeMap::new(),
            page: 3,
            takes: 8,
            throttled: BTreeMap::new(),
            touched: BTreeSet::new(),
            lag: 0,
            late: Vec::new(),
            past: Vec::new(),
        }
    }
}

impl Account {
    /// Adds an instance.
    pub fn instance(&mut self, instance: Instance) -> &mut Self {
        self.instances.insert(instance.id.clone(), instance);
        self
    }

    /// Adds a group with these policies, which exist from then on.
    pub fn group(&mut self, name: &str, attached: &[&str]) -> &mut Self {
        let attached: Vec<String> = attached.iter().map(|arn| (*arn).to_owned()).collect();
        self.policies.extend(attached.iter().cloned());
        self.groups.insert(name.to_owned(), Group { attached, ..Group::default() });
        self
    }

    /// Adds a policy that nobody has.
    pub fn policy(&mut self, arn: &str) -> &mut Self {
        self.policies.insert(arn.to_owned());
        self
    }

    /// A call that will have its effect at `at`.
    pub fn later(&mut self, at: Timestamp, call: Call) {
        self.late.push((at, call));
    }

    /// Everything that happens by itself until `now`, in its order.
    pub fn settle(&mut self, now: Timestamp) {
        self.late.sort_by_key(|(at, _)| *at);
        let due = self.late.partition_point(|(at, _)| *at <= now);
        for (at, call) in self.late.drain(..due).collect::<Vec<_>>() {
            self.settle_instances(at);
            self.answer(&call, at);
        }
        self.settle_instances(now);
    }

    fn settle_instances(&mut self, now: Timestamp) {
        for instance in self.instances.values_mut() {
            instance.settle(now);
        }
    }

    /// The answer to a call at `now`.
    pub fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        let result = self.result(call, now);
        wire::answer(call, result)
    }

    fn result(&mut self, call: &Call, now: Timestamp) -> Result<String, Refusal> {
        if let Some(times) = self.throttled.get_mut(&call.operation).filter(|times| **times > 0) {
            *times -= 1;
            return Err(wire::throttled(call.service));
        }
        if self.lag > 0 {
            if ["Describe", "Get", "List"].iter().any(|read| call.operation.starts_with(read)) {
                return self.as_of(now - SignedDuration::from_secs(self.lag)).carry_out(call, now);
            }
            let past = Self { past: Vec::new(), late: Vec::new(), ..self.clone() };
            self.past.push((now, past));
        }
        self.carry_out(call, now)
    }

    /// The account as it was at `then`.
    fn as_of(&self, then: Timestamp) -> Self {
        let before = self.past.iter().find(|(changed, _)| *changed > then).map_or(self, |(_, before)| before);
        let mut then_was = Self { lag: 0, past: Vec::new(), late: Vec::new(), ..before.clone() };
        then_was.settle_instances(then);
        then_was
    }

    fn carry_out(&mut self, call: &Call, now: Timestamp) -> Result<String, Refusal> {
        match call.service {
            Service::Iam => iam::answer(self, call),
            Service::Ec2 => ec2::answer(self, call, now),
            Service::AutoScaling => ec2::answer_auto_scaling(self, call),
        }
    }

    /// All of it that an action may change: `i-1` is `stopped`, `group Beta` has certain policies.
    pub fn snapshot(&self) -> BTreeMap<String, String> {
        let policies = |group: &Group| group.attached.iter().cloned().collect::<BTreeSet<_>>();
        let groups = self.groups.iter().map(|(name, group)| (format!("group {name}"), format!("{:?}", policies(group))));
        let instances = self.instances.iter().map(|(id, instance)| (id.clone(), format!("{:?}", instance.power)));
        groups.chain(instances).collect()
    }
}
