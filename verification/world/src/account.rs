//! The contents of the account.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::auto_scaling::group::{Fleets, Group as ScalingGroup};
use super::buckets::Buckets;
use super::ec2::instance::{Instance, Power};
use super::ecs::Ecs;
use super::identities::{Group, Limits, Right, Role};
use super::lambda::Lambda;
use super::past::Past;
use super::place::{HOME, place};
use super::programs::UserFunctions;
use super::rds::database::{Database, Databases};
use super::redshift::Redshift;
use super::things::{Table, Thing, Things};
use super::timeline::{Event, Timeline};
use super::trail::Started;
use super::wire::Call;

/// A resource: its Region, its ARN, and its tags.
pub type Tagged = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// An account.
#[derive(Clone)]
pub struct Account {
    /// IAM's groups.
    pub groups: BTreeMap<String, Group>,
    /// IAM's users, and the ARNs of the policies attached to them.
    pub users: BTreeMap<String, Vec<String>>,
    /// IAM's roles.
    pub roles: BTreeMap<String, Role>,
    /// Identities that are not made of the name: of principals such as `group Beta` that were renamed, or made anew.
    pub identities: BTreeMap<String, String>,
    /// Names of principals that no grant of the functions has.
    pub beyond: BTreeSet<String>,
    /// How many policies a user may have.
    pub per_user: usize,
    /// How many policies a role may have.
    pub per_role: usize,
    /// ARNs of the policies that exist.
    pub policies: BTreeSet<String>,
    /// The role of each instance profile, by their names.
    pub profiles: BTreeMap<String, String>,
    /// The trust policy of each role, by their names.
    pub trust: BTreeMap<String, String>,
    /// The rights of users and roles beyond their groups' policies, by their ARNs.
    pub rights: BTreeMap<String, Vec<Right>>,
    /// The bounds of these.
    pub limits: Limits,
    /// Until then IAM does not know the tags of databases.
    pub tags_known: Timestamp,
    /// The tag by which the functions are granted instances and groups; all of them when there is none.
    pub granted: Option<(&'static str, &'static str)>,
    /// Operations that nobody may call.
    pub refused: BTreeSet<String>,
    /// ARNs of principals that listings still show, and that are not there any more.
    pub gone: BTreeSet<String>,
    /// Instances by id, of all Regions.
    pub instances: BTreeMap<String, Instance>,
    /// ARNs of other accounts' keys whose policies let the functions create grants.
    pub shared_keys: BTreeSet<String>,
    /// Auto Scaling's groups.
    pub fleets: Fleets,
    /// ECS, and the scalable targets of its services.
    pub ecs: Ecs,
    /// Lambda, and the scalable targets of its functions.
    pub lambda: Lambda,
    /// RDS's databases, by ARN.
    pub databases: Databases,
    /// The ARNs of the clusters of each global cluster.
    pub global_clusters: BTreeMap<String, Vec<String>>,
    /// Blue/green deployments: the ARNs of both databases, and its status.
    pub deployments: Vec<(String, String, &'static str)>,
    /// Does RDS not know blue/green deployments here?
    pub no_deployments: bool,
    /// Has RDS no capacity to start a database?
    pub no_database_capacity: bool,
    /// Lambda functions of the user's, by name.
    pub user_functions: UserFunctions,
    /// Redshift.
    pub redshift: Redshift,
    /// Costs, as Cost Explorer shows them: service, usage type and US dollars.
    pub costs: Vec<(&'static str, &'static str, &'static str)>,
    /// Services that a table tells, and their resources.
    pub doubles: Vec<&'static Table>,
    /// Their resources, by ARN.
    pub things: Things,
    /// Calls of those services, of RDS and of Redshift: IAM's action, the resource, and the resource's tags.
    pub told: Vec<(String, String, BTreeMap<String, String>)>,
    /// IAM's actions of all calls.
    pub asked: BTreeSet<String>,
    /// The resources that no other part of this account has.
    pub tagged: Vec<Tagged>,
    /// The Regions that are enabled.
    pub regions: BTreeSet<String>,
    /// Of these, those in which an organization's policy refuses every call.
    pub closed: BTreeSet<String>,
    /// Names of load balancers or target groups, each with an instance that fails its checks.
    pub failing: BTreeSet<(String, String)>,
    /// How many items a page holds.
    pub page: usize,
    /// How many seconds a stop or a start takes.
    pub takes: i64,
    /// How many seconds an activity of a group takes at least.
    pub activity: i64,
    /// How many seconds after a start all checks of it have passed.
    pub initializing: i64,
    /// Operations that are throttled, and how many more times.
    pub throttled: BTreeMap<String, usize>,
    /// EC2's own throttling, if the test wants it.
    pub buckets: Option<Buckets>,
    /// How often each operation was called, and how often of these it was throttled.
    pub calls: BTreeMap<String, (usize, usize)>,
    /// Groups and instances that a call has changed. Names in other Regions begin with them.
    pub touched: BTreeSet<String>,
    /// Instances that a group has terminated, in order.
    pub terminated: Vec<String>,
    /// Starts of instances by others, as CloudTrail has them.
    pub(super) trail: Vec<Started>,
    /// How many seconds CloudTrail's history lags behind.
    pub trail_lag: i64,
    /// How many seconds listings lag behind: IAM, EC2 and Auto Scaling are eventually consistent.
    pub lag: i64,
    pub(super) now: Timestamp,
    pub(super) timeline: Timeline,
    pub(super) past_fleets: Past<Fleets>,
    pub(super) past_things: Past<Things>,
    pub(super) past_ecs: Past<Ecs>,
    pub(super) past_lambda: Past<Lambda>,
    pub(super) past_databases: Past<Databases>,
    pub(super) past_redshift: Past<Redshift>,
    pub(super) past_iam: Past<Iam>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.snapshot()).finish()
    }
}

/// The parts of IAM of which listings may lag behind.
type Iam = (BTreeMap<String, Group>, BTreeMap<String, Vec<String>>, BTreeMap<String, Role>, BTreeSet<String>);

impl Default for Account {
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            identities: BTreeMap::new(),
            beyond: BTreeSet::new(),
            per_user: 10,
            per_role: 10,
            policies: BTreeSet::new(),
            profiles: BTreeMap::new(),
            trust: BTreeMap::new(),
            rights: BTreeMap::new(),
            limits: Limits::default(),
            gone: BTreeSet::new(),
            tags_known: Timestamp::UNIX_EPOCH,
            granted: None,
            refused: BTreeSet::new(),
            instances: BTreeMap::new(),
            shared_keys: BTreeSet::new(),
            fleets: BTreeMap::new(),
            ecs: Ecs::default(),
            lambda: Lambda::default(),
            databases: BTreeMap::new(),
            global_clusters: BTreeMap::new(),
            deployments: Vec::new(),
            no_deployments: false,
            no_database_capacity: false,
            user_functions: UserFunctions::new(),
            redshift: Redshift::default(),
            costs: Vec::new(),
            doubles: Vec::new(),
            things: BTreeMap::new(),
            told: Vec::new(),
            asked: BTreeSet::new(),
            tagged: Vec::new(),
            regions: BTreeSet::from([HOME.to_owned()]),
            closed: BTreeSet::new(),
            failing: BTreeSet::new(),
            page: 3,
            takes: 8,
            activity: 15,
            initializing: 20,
            throttled: BTreeMap::new(),
            buckets: None,
            calls: BTreeMap::new(),
            touched: BTreeSet::new(),
            terminated: Vec::new(),
            trail: Vec::new(),
            trail_lag: 0,
            lag: 0,
            now: Timestamp::UNIX_EPOCH,
            timeline: Timeline::default(),
            past_fleets: Past::default(),
            past_things: Past::default(),
            past_ecs: Past::default(),
            past_lambda: Past::default(),
            past_databases: Past::default(),
            past_redshift: Past::default(),
            past_iam: Past::default(),
        }
    }
}

impl Account {
    /// Adds an instance, and enables its Region.
    pub fn instance(&mut self, mut instance: Instance) -> &mut Self {
        self.regions.insert(instance.region.clone());
        let membership = instance.membership.take();
        let (id, key) = (instance.id.clone(), instance.group_key());
        if let Some((at, _)) = instance.becomes {
            self.timeline.push(at, Event::Power(id.clone()));
        }
        self.instances.insert(id.clone(), instance);
        if let (Some(key), Some(member)) = (key, membership) {
            self.join(&key, &id, member);
        }
        self
    }

    /// Adds an Auto Scaling group, and enables its Region. Members that there were before it stay in it.
    pub fn fleet(&mut self, mut group: ScalingGroup) -> &mut Self {
        self.regions.insert(group.region.clone());
        let key = group.key();
        if let Some(implied) = self.fleets.remove(&key) {
            group.members = implied.members;
        }
        self.fleets.insert(key.clone(), group);
        self.wake(&key, self.now);
        self
    }

    /// The Auto Scaling group of that name, in whichever Region.
    pub fn scaling(&mut self, name: &str) -> &mut ScalingGroup {
        self.fleets.values_mut().find(|group| group.name == name).unwrap_or_else(|| panic!("there is no group {name}"))
    }

    /// Adds an IAM group with these policies, which exist from then on.
    pub fn group(&mut self, name: &str, attached: &[&str]) -> &mut Self {
        let attached: Vec<String> = attached.iter().map(|arn| (*arn).to_owned()).collect();
        self.policies.extend(attached.iter().cloned());
        self.groups.insert(name.to_owned(), Group { attached, ..Group::default() });
        self
    }

    /// Adds an IAM user with these policies, which exist from then on.
    pub fn user(&mut self, name: &str, attached: &[&str]) -> &mut Self {
        let attached: Vec<String> = attached.iter().map(|arn| (*arn).to_owned()).collect();
        self.policies.extend(attached.iter().cloned());
        self.users.insert(name.to_owned(), attached);
        self
    }

    /// Adds an IAM role with these policies, which exist from then on.
    pub fn role(&mut self, name: &str, attached: &[&str]) -> &mut Self {
        let attached: Vec<String> = attached.iter().map(|arn| (*arn).to_owned()).collect();
        self.policies.extend(attached.iter().cloned());
        self.roles.insert(name.to_owned(), Role { attached, path: "/".to_owned(), stack: None });
        self
    }

    /// Adds users of the account to a group.
    pub fn members(&mut self, group: &str, users: &[&str]) -> &mut Self {
        let arns = users.iter().map(|name| format!("arn:aws:iam::123456789012:user/{name}"));
        self.groups.get_mut(group).unwrap_or_else(|| panic!("there is no group {group}")).members.extend(arns);
        self
    }

    /// The identity of a principal.
    pub fn identity(&self, kind: &str, name: &str) -> String {
        let known = self.identities.get(&format!("{kind} {name}"));
        known.cloned().unwrap_or_else(|| format!("{}{name}", kind[..1].to_ascii_uppercase()))
    }

    /// A group or a user gets another name, and keeps its identity.
    pub fn rename(&mut self, kind: &str, name: &str, to: &str) {
        let identity = self.identity(kind, name);
        self.identities.insert(format!("{kind} {to}"), identity);
        self.made_anew(kind, name);
        if kind == "group" {
            let group = self.groups.remove(name).unwrap_or_else(|| panic!("there is no group {name}"));
            self.groups.insert(to.to_owned(), group);
        } else {
            let user = self.users.remove(name).unwrap_or_else(|| panic!("there is no user {name}"));
            self.users.insert(to.to_owned(), user);
        }
    }

    /// The name belongs to another principal from now on.
    pub fn made_anew(&mut self, kind: &str, name: &str) {
        self.identities.insert(format!("{kind} {name}"), format!("another {name}"));
    }

    /// Adds a policy that nobody has.
    pub fn policy(&mut self, arn: &str) -> &mut Self {
        self.policies.insert(arn.to_owned());
        self
    }

    /// Enables a Region in which an organization's policy refuses every call.
    pub fn closed_region(&mut self, name: &str) -> &mut Self {
        self.regions.insert(name.to_owned());
        self.closed.insert(name.to_owned());
        self
    }

    /// Adds a resource of a service that a table tells, and enables its Region.
    pub fn thing(&mut self, table: &'static Table, thing: Thing) -> &mut Self {
        if !self.doubles.iter().any(|known| known.target == table.target) {
            self.doubles.push(table);
        }
        self.regions.insert(thing.region.clone());
        self.things.insert(thing.arn.clone(), thing);
        self
    }

    /// A call that will have its effect at `at`.
    pub fn later(&mut self, at: Timestamp, call: Call) {
        self.timeline.push(at, Event::Late(call));
    }

    /// An instance is `via` from now on, and `to` at `until`.
    pub(super) fn turn(&mut self, id: &str, via: Power, until: Timestamp, to: Power, now: Timestamp) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.set(via, now);
        instance.becomes = Some((until, to));
        self.timeline.push(until, Event::Power(id.to_owned()));
        if let Some(group) = instance.group_key() {
            self.wake(&group, now);
        }
    }

    /// A call has changed something.
    pub(super) fn touch(&mut self, region: &str, name: &str) {
        self.touched.insert(place(region, name));
    }

    /// All of it that an action may change: `i-1` is `Stopped`, `group Beta` has certain policies, `fleet size` is
    /// `0 <= 2 <= 4`, `fleet processes` are those suspended. Names in other Regions begin with them.
    pub fn snapshot(&self) -> BTreeMap<String, String> {
        let policies = |attached: &[String]| format!("{:?}", attached.iter().cloned().collect::<BTreeSet<_>>());
        let groups = self.groups.iter().map(|(name, group)| (format!("group {name}"), policies(&group.attached)));
        let users = self.users.iter().map(|(name, attached)| (format!("user {name}"), policies(attached)));
        let roles = self.roles.iter().map(|(name, role)| (format!("role {name}"), policies(&role.attached)));
        let instance = |(id, instance): (&String, &Instance)| (place(&instance.region, id), format!("{:?}", instance.power));
        let fleet = |group: &ScalingGroup| {
            let name = place(&group.region, &group.name);
            [(format!("{name} processes"), group.suspended_processes().join(", ")), (format!("{name} size"), group.size())]
        };
        let fleets = self.fleets.values().filter(|group| group.explicit).flat_map(fleet);
        let thing = |thing: &Thing| (place(&thing.region, &thing.name), thing.state(self.now).to_owned());
        let things = self.things.values().map(thing);
        let things = things.chain(self.ecs_snapshot()).chain(self.lambda_snapshot());
        let database = |database: &Database| (place(&database.region, &database.name), database.status.to_owned());
        let things = things.chain(self.databases.values().map(database)).chain(self.redshift_snapshot());
        let targets = self.user_functions.values().flat_map(|function| function.memory.targets.clone());
        let things = things.chain(targets);
        groups.chain(users).chain(roles).chain(self.instances.iter().map(instance)).chain(fleets).chain(things).collect()
    }
}
