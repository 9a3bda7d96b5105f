//! A group, as a test describes and reads it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::place::HOME;

/// A Region and a name.
pub type Key = (String, String);

/// All groups.
pub type Fleets = BTreeMap<Key, Group>;

/// The processes that can be suspended.
pub const PROCESSES: [&str; 9] = [
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
];

/// The group's facts of an instance that it has.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its lifecycle state, such as `InService`.
    pub lifecycle: String,
    /// Whether the group takes it for healthy.
    pub healthy: bool,
    /// Scale-in spares it.
    pub protected: bool,
    /// Since when it is in this state of its life.
    pub since: Timestamp,
}

impl Member {
    /// A healthy member such as `InService`, `Standby`, `Pending` or `Warmed:Stopped`.
    pub fn new(lifecycle: &str) -> Self {
        Self { lifecycle: lifecycle.to_owned(), healthy: true, protected: false, since: Timestamp::UNIX_EPOCH }
    }

    /// Scale-in spares it.
    pub fn protected(self) -> Self {
        Self { protected: true, ..self }
    }

    pub(super) fn is(&self, lifecycle: &str) -> bool {
        self.lifecycle == lifecycle
    }
}

/// The kind of an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Launch,
    Terminate,
    EnterStandby,
    ExitStandby,
}

/// An activity: something that takes its time, and runs to its end once it has begun.
#[derive(Debug, Clone)]
pub struct Activity {
    pub doing: Doing,
    pub instance: String,
    pub cause: String,
    pub start: Timestamp,
    pub end: Option<Timestamp>,
    pub status: &'static str,
}

/// The way in which a group launches instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaunchBy {
    Template,
    MixedInstancesPolicy,
}

/// An Auto Scaling group.
#[derive(Debug, Clone)]
pub struct Group {
    /// The name, one of a Region.
    pub name: String,
    /// The Region.
    pub region: String,
    /// The smallest size.
    pub min: usize,
    /// The desired size.
    pub desired: usize,
    /// The largest size.
    pub max: usize,
    /// Members by instance id.
    pub members: BTreeMap<String, Member>,
    /// Processes that are suspended, each with why.
    pub suspended: BTreeMap<String, String>,
    /// Was it made by a test, or only implied by a member?
    pub(crate) explicit: bool,
    pub(crate) target_groups: Vec<String>,
    pub(crate) load_balancers: Vec<String>,
    pub(super) checks: BTreeSet<&'static str>,
    pub(super) grace: i64,
    /// Tags, each with whether new members get it.
    pub tags: Vec<(String, String, bool)>,
    /// The state in which its warm pool, if it has one, keeps instances.
    pub(super) warm_pool: Option<&'static str>,
    pub(super) launch_by: LaunchBy,
    /// The state that it is on its way to, such as `Delete in progress`.
    pub status: Option<&'static str>,
    pub(super) refreshes: Vec<String>,
    pub(super) scheduled: Vec<Scheduled>,
    pub(super) activities: Vec<Activity>,
    /// How many instances it has launched.
    pub(super) launches: usize,
    /// Is a look at its members due?
    pub(super) awake: bool,
    /// Will it reconcile its members at the end of this moment?
    pub(super) unsettled: bool,
}

/// A scheduled action of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scheduled {
    pub(super) name: &'static str,
    pub(super) recurrence: Option<&'static str>,
    pub(super) next: &'static str,
}

impl Group {
    /// A group that checks its members as EC2 does.
    pub fn new(name: &str, min: usize, desired: usize, max: usize) -> Self {
        Self {
            name: name.to_owned(),
            region: HOME.to_owned(),
            min,
            desired,
            max,
            members: BTreeMap::new(),
            suspended: BTreeMap::new(),
            explicit: true,
            target_groups: Vec::new(),
            load_balancers: Vec::new(),
            checks: BTreeSet::from(["EC2"]),
            grace: 0,
            tags: Vec::new(),
            warm_pool: None,
            launch_by: LaunchBy::Template,
            status: None,
            refreshes: Vec::new(),
            scheduled: Vec::new(),
            activities: Vec::new(),
            launches: 0,
            awake: false,
            unsettled: false,
        }
    }

    /// The group of a member of which nothing else is known.
    pub(super) fn implied(key: &Key) -> Self {
        Self { explicit: false, ..Self::new(&key.1, 0, 0, 0).in_region(&key.0) }
    }

    /// Puts the group into another Region.
    pub fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// An operator has suspended these processes.
    pub fn suspended(mut self, processes: &[&str]) -> Self {
        let why = |process: &&str| ((*process).to_owned(), "User suspended at 2026-11-01T08:00:00Z".to_owned());
        self.suspended.extend(processes.iter().map(why));
        self
    }

    /// Its members serve a target group, whose checks count.
    pub fn elb(mut self, target_group: &str) -> Self {
        self.target_groups.push(target_group.to_owned());
        self.checked_by("ELB")
    }

    /// Its members serve a classic load balancer, whose checks count.
    pub fn classic_elb(mut self, load_balancer: &str) -> Self {
        self.load_balancers.push(load_balancer.to_owned());
        self.checked_by("ELB")
    }

    /// The checks of its members' volumes count.
    pub fn ebs(self) -> Self {
        self.checked_by("EBS")
    }

    /// This check of its members counts too, such as `VPC_LATTICE`.
    pub fn checked_by(mut self, check: &'static str) -> Self {
        self.checks.insert(check);
        self
    }

    /// For so many seconds after a member came into service, failed checks do not count.
    pub fn grace(self, seconds: i64) -> Self {
        Self { grace: seconds, ..self }
    }

    /// New members get this tag, such as `Project=Beta`.
    pub fn tag(self, tag: &str) -> Self {
        self.tagged(tag, true)
    }

    /// It has this tag, which new members do not get.
    pub fn own_tag(self, tag: &str) -> Self {
        self.tagged(tag, false)
    }

    fn tagged(mut self, tag: &str, propagates: bool) -> Self {
        let (key, value) = tag.split_once('=').expect("a tag");
        self.tags.push((key.to_owned(), value.to_owned(), propagates));
        self
    }

    /// Gives it a warm pool.
    pub fn warm_pool(self) -> Self {
        Self { warm_pool: Some("Stopped"), ..self }
    }

    /// Lets it launch instances of mixed types.
    pub fn mixed_instances(self) -> Self {
        Self { launch_by: LaunchBy::MixedInstancesPolicy, ..self }
    }

    /// Makes it a group that is being deleted.
    pub fn being_deleted(self) -> Self {
        Self { status: Some("Delete in progress"), ..self }
    }

    /// It has an instance refresh, such as one that is `InProgress`.
    pub fn refresh(mut self, status: &str) -> Self {
        self.refreshes.push(status.to_owned());
        self
    }

    /// It has a scheduled action, such as `night` at `0 20 * * *`, which happens at `next` first.
    pub fn scheduled(mut self, name: &'static str, recurrence: &'static str, next: &'static str) -> Self {
        self.scheduled.push(Scheduled { name, recurrence: Some(recurrence), next });
        self
    }

    /// It has a scheduled action that happens once.
    pub fn scheduled_once(mut self, name: &'static str, at: &'static str) -> Self {
        self.scheduled.push(Scheduled { name, recurrence: None, next: at });
        self
    }

    pub(crate) fn key(&self) -> Key {
        (self.region.clone(), self.name.clone())
    }

    /// The processes that are suspended, in alphabetical order.
    pub fn suspended_processes(&self) -> Vec<&str> {
        self.suspended.keys().map(String::as_str).collect()
    }

    /// Such as `0 <= 2 <= 4`.
    pub fn size(&self) -> String {
        format!("{} <= {} <= {}", self.min, self.desired, self.max)
    }

    /// Its members, such as `i-1 InService Healthy`.
    pub fn roll(&self) -> Vec<String> {
        let line = |(id, member): (&String, &Member)| format!("{id} {} {}", member.lifecycle, member.health());
        self.members.iter().map(line).collect()
    }

    pub(super) fn is_suspended(&self, process: &str) -> bool {
        self.suspended.contains_key(process)
    }
}

impl Member {
    pub(super) fn health(&self) -> &'static str {
        if self.healthy { "Healthy" } else { "Unhealthy" }
    }
}
