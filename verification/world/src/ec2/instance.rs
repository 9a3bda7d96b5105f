//! An instance, as a test describes it, and its later states.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::auto_scaling::group::{Key, Member};
use crate::place::HOME;
use crate::wire::tag;

/// An instance's state, with EC2's code for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// It starts.
    Pending = 0,
    /// It runs.
    Running = 16,
    /// It is being terminated.
    ShuttingDown = 32,
    /// It is no more.
    Terminated = 48,
    /// It stops.
    Stopping = 64,
    /// It is stopped.
    Stopped = 80,
}

impl Power {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub(super) fn xml(self, name: &str) -> String {
        format!("<{name}>{}{}</{name}>", tag("code", &(self as u8).to_string()), tag("name", self.name()))
    }
}

/// The kind of spot request by which an instance was launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// A request that is served once.
    OneTime,
    /// A request that launches again.
    Persistent,
    /// Of a spot fleet.
    Fleet,
    /// Its request was cancelled long ago, and EC2 has forgotten it.
    Cancelled,
}

/// How an instance has its public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// It is an Elastic IP, and stays.
    Elastic,
    /// EC2 assigned it, and assigns another at the next start.
    Assigned,
}

/// A status check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Of the host.
    System,
    /// Of the instance.
    Instance,
    /// Of its volumes.
    Ebs,
}

/// A property that keeps an instance from being stopped or started like others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quirk {
    Protected,
    StoreRoot,
    Hibernates,
    NotReadyToHibernate,
    KeyDisabled,
}

/// An instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The id, one of the account.
    pub id: String,
    /// Its state now.
    pub power: Power,
    /// The state that it is on its way to, and when it gets there.
    pub becomes: Option<(Timestamp, Power)>,
    /// The Region.
    pub region: String,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// Was it hibernated when it was stopped last?
    pub hibernated: bool,
    /// The check that it fails.
    pub impaired: Option<Check>,
    pub(super) kind: String,
    pub(super) launched: Timestamp,
    /// Since when it has its root volume.
    pub(super) created: Timestamp,
    pub(super) spot: Option<Spot>,
    pub(super) operator: Option<String>,
    pub(super) address: Option<Address>,
    pub(super) profile: Option<String>,
    /// The key that its root volume is encrypted under.
    pub(super) key: Option<String>,
    pub(super) quirks: BTreeSet<Quirk>,
    /// How many more starts meet no capacity.
    pub(super) no_capacity: usize,
    /// Until when, or how many more times, starts meet the account's limit of vCPUs.
    pub(super) no_vcpus: (Timestamp, usize),
    pub(super) reason: Option<(&'static str, &'static str)>,
    pub(super) starts: usize,
    running_since: Timestamp,
    born: Timestamp,
    /// Its state before each change.
    was: Vec<(Timestamp, Power)>,
    group: Option<String>,
    pub(crate) membership: Option<Member>,
}

const LONG_AGO: &str = "2026-01-01T00:00:00Z";

impl Instance {
    /// An instance that is `power`, with tags like `Project=Beta Name=web-1`.
    pub fn new(id: &str, power: Power, tags: &str) -> Self {
        let tags = tags.split_whitespace().filter_map(|tag| tag.split_once('='));
        Self {
            id: id.to_owned(),
            power,
            becomes: None,
            region: HOME.to_owned(),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            hibernated: false,
            impaired: None,
            kind: "t3.micro".to_owned(),
            launched: LONG_AGO.parse().expect("a time"),
            created: LONG_AGO.parse().expect("a time"),
            spot: None,
            operator: None,
            address: None,
            profile: None,
            key: None,
            quirks: BTreeSet::new(),
            no_capacity: 0,
            no_vcpus: (Timestamp::UNIX_EPOCH, 0),
            reason: None,
            starts: 0,
            running_since: Timestamp::UNIX_EPOCH,
            born: Timestamp::UNIX_EPOCH,
            was: Vec::new(),
            group: None,
            membership: None,
        }
    }

    /// Puts it into another Region.
    pub fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// An Auto Scaling group has it in service.
    pub fn in_group(self, group: &str) -> Self {
        self.in_group_as(group, Member::new("InService"))
    }

    /// An Auto Scaling group has it, in this state of its life.
    pub fn in_group_as(mut self, group: &str, member: Member) -> Self {
        self.tags.insert("aws:autoscaling:groupName".to_owned(), group.to_owned());
        self.group = Some(group.to_owned());
        self.membership = Some(member);
        self
    }

    /// Makes it one of this type.
    pub fn of_type(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }

    /// Makes it one that was created at this time.
    pub fn created(mut self, at: Timestamp) -> Self {
        (self.created, self.launched) = (at, at);
        self
    }

    /// Makes it one that was started last at this time.
    pub fn launched(mut self, at: Timestamp) -> Self {
        self.launched = at;
        self
    }

    /// Its role, by the name of the instance profile.
    pub fn profile(mut self, name: &str) -> Self {
        self.profile = Some(format!("arn:aws:iam::123456789012:instance-profile/{name}"));
        self
    }

    /// Gives it a public address.
    pub fn public_address(mut self, address: Address) -> Self {
        self.address = Some(address);
        self
    }

    /// Another service of AWS runs it.
    pub fn managed_by(mut self, principal: &str) -> Self {
        self.operator = Some(principal.to_owned());
        self
    }

    /// Makes it a Spot Instance.
    pub fn spot(mut self, spot: Spot) -> Self {
        self.spot = Some(spot);
        self
    }

    /// It came from a one-time spot request, and cannot be stopped.
    pub fn one_time_spot(self) -> Self {
        self.spot(Spot::OneTime)
    }

    /// Stop protection is on.
    pub fn protected(self) -> Self {
        self.with(Quirk::Protected)
    }

    /// Its root device is no EBS volume, and it cannot be stopped.
    pub fn instance_store_root(self) -> Self {
        self.with(Quirk::StoreRoot)
    }

    /// It was launched so that it can hibernate.
    pub fn hibernates(self) -> Self {
        self.with(Quirk::Hibernates)
    }

    /// It can hibernate, but not yet.
    pub fn not_ready_to_hibernate(self) -> Self {
        self.with(Quirk::Hibernates).with(Quirk::NotReadyToHibernate)
    }

    /// Its root volume is encrypted under the key with this ARN.
    pub fn encrypted_under(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// The key of its volumes is disabled: a start is accepted, and it ends stopped.
    pub fn key_disabled(self) -> Self {
        self.with(Quirk::KeyDisabled)
    }

    /// The key of its volumes works again.
    pub fn enable_key(&mut self) {
        self.quirks.remove(&Quirk::KeyDisabled);
    }

    fn with(mut self, quirk: Quirk) -> Self {
        self.quirks.insert(quirk);
        self
    }

    /// EC2 has no capacity to start it, so many times.
    pub fn refusing_start(mut self, times: usize) -> Self {
        self.no_capacity = times;
        self
    }

    /// The account's limit of vCPUs keeps it from starting, so many times.
    pub fn over_the_limit(mut self, times: usize) -> Self {
        self.no_vcpus.1 = times;
        self
    }

    /// The account's limit of vCPUs keeps it from starting, until then.
    pub fn over_the_limit_until(mut self, until: Timestamp) -> Self {
        self.no_vcpus.0 = until;
        self
    }

    /// A group launched it at `now`; it runs at `until`.
    pub(crate) fn launching(mut self, now: Timestamp, until: Timestamp) -> Self {
        (self.born, self.created, self.launched) = (now, now, now);
        self.becomes = Some((until, Power::Running));
        self
    }

    /// The key of its Auto Scaling group.
    pub(crate) fn group_key(&self) -> Option<Key> {
        self.group.as_ref().map(|group| (self.region.clone(), group.clone()))
    }

    /// The instance as it is at `now`, of a change that takes its time.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        let Some((at, power)) = self.becomes.take_if(|(at, _)| *at <= now) else { return };
        if self.power == Power::Pending && power == Power::Stopped {
            let message = if self.has(Quirk::KeyDisabled) {
                "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"
            } else {
                "Client.InternalError: Client error on launch"
            };
            self.reason = Some(("Client.InternalError", message));
        }
        self.set(power, at);
    }

    pub(crate) fn set(&mut self, power: Power, now: Timestamp) {
        self.was.push((now, self.power));
        self.power = power;
        match power {
            Power::Running => self.running_since = now,
            Power::Pending => {
                self.reason = None;
                self.launched = now;
                self.starts += 1;
            }
            Power::Stopping | Power::ShuttingDown => {
                let message = "Client.UserInitiatedShutdown: User initiated shutdown";
                self.reason = Some(("Client.UserInitiatedShutdown", message));
            }
            Power::Stopped | Power::Terminated => {}
        }
    }

    /// Its state at `then`, if it was there.
    pub(super) fn power_at(&self, then: Timestamp) -> Option<Power> {
        let before = self.was.iter().find(|(changed, _)| *changed > then);
        (self.born <= then).then(|| before.map_or(self.power, |(_, power)| *power))
    }

    /// For how many seconds it has been running.
    pub(crate) fn running_for(&self, now: Timestamp) -> Option<i64> {
        (self.power == Power::Running).then(|| now.duration_since(self.running_since).as_secs())
    }

    /// How many times it was started.
    pub fn starts(&self) -> usize {
        self.starts
    }

    /// Since when it runs, or ran last.
    pub fn running_since(&self) -> Timestamp {
        self.running_since
    }

    /// Was it started after it had been stopped?
    pub(crate) fn was_started(&self) -> bool {
        self.starts > 0
    }

    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// Has EC2 forgotten its spot request?
    pub(super) fn is_forgotten(&self) -> bool {
        self.spot == Some(Spot::Cancelled)
    }

    /// The id of the spot request that it came from.
    pub(super) fn request(&self) -> Option<String> {
        self.spot.map(|_| format!("sir-{}", self.id.trim_start_matches("i-")))
    }
}
