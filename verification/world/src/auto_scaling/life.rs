//! The group's own work: it looks at its members, terminates and launches.

use jiff::{SignedDuration, Timestamp};

use super::group::{Activity, Doing, Group, Key, Member};
use crate::account::Account;
use crate::ec2::instance::{Check, Instance, Power};
use crate::load_balancers;
use crate::timeline::Event;

/// Every so many seconds a group looks at its members.
const PERIOD: i64 = 30;

/// How a member fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fares {
    Well,
    /// It is not there, or not running: no grace for that.
    NotRunning,
    /// A check of it fails.
    Failing,
}

impl Account {
    /// A group has this member from now on. A pending member is so by an activity.
    pub(crate) fn join(&mut self, key: &Key, id: &str, member: Member) {
        let group = self.fleets.entry(key.clone()).or_insert_with(|| Group::implied(key));
        let is_pending = member.is("Pending");
        group.members.insert(id.to_owned(), member);
        if !group.explicit {
            group.desired = group.desired.max(group.members.len());
            group.max = group.desired;
        }
        if is_pending {
            self.begin(key, Doing::Launch, id, "an instance was launched", self.now);
        }
        self.wake(key, self.now);
    }

    /// All groups look at their members at their next time: who knows what a test has changed.
    pub(crate) fn wake_groups(&mut self) {
        for key in self.fleets.keys().cloned().collect::<Vec<_>>() {
            self.wake(&key, self.now);
        }
    }

    /// A group looks at its members at its next time. It would do so at all times; but as long as nothing happens, its findings
    /// would be the same.
    pub(crate) fn wake(&mut self, key: &Key, now: Timestamp) {
        let Some(group) = self.fleets.get_mut(key).filter(|group| !group.awake) else { return };
        group.awake = true;
        let next = (now.as_second().div_euclid(PERIOD) + 1) * PERIOD;
        self.timeline.push(Timestamp::from_second(next).expect("a time"), Event::Check(key.clone()));
    }

    /// A group looks at its members, and acts on their health.
    pub(crate) fn check(&mut self, key: &Key, now: Timestamp) {
        let Some(group) = self.fleets.get(key) else { return };
        let mut ill = Vec::new();
        let mut again = false;
        if !group.is_suspended("HealthCheck") {
            for (id, member) in group.members.iter().filter(|(_, member)| member.is("InService") && member.healthy) {
                let in_grace = now.duration_since(member.since).as_secs() < group.grace;
                match self.fares(group, id, now) {
                    Fares::Failing if in_grace => again = true,
                    Fares::Failing | Fares::NotRunning => ill.push(id.clone()),
                    Fares::Well => {}
                }
            }
        }
        if !ill.is_empty() {
            self.remember_fleets(now);
        }
        let Some(group) = self.fleets.get_mut(key) else { return };
        group.awake = false;
        for id in ill {
            group.members.get_mut(&id).expect("a member").healthy = false;
        }
        self.reconcile(key, now);
        if again {
            self.wake(key, now);
        }
    }

    fn fares(&self, group: &Group, id: &str, now: Timestamp) -> Fares {
        let Some(instance) = self.instances.get(id).filter(|instance| instance.power == Power::Running) else {
            return Fares::NotRunning;
        };
        let fails = match instance.impaired {
            Some(Check::System | Check::Instance) => true,
            Some(Check::Ebs) => group.checks.contains("EBS"),
            None => false,
        };
        let unserving = || group.checks.contains("ELB") && load_balancers::rejects(self, group, instance, now);
        if fails || unserving() { Fares::Failing } else { Fares::Well }
    }

    /// Terminates the members that it may and must, and launches those that are missing.
    pub(crate) fn reconcile(&mut self, key: &Key, now: Timestamp) {
        let Some(group) = self.fleets.get_mut(key).filter(|group| group.status.is_none()) else { return };
        group.unsettled = false;
        let (doomed, cause) = doomed(group);
        for id in doomed {
            self.terminate(key, &id, cause, now);
        }
        let group = &self.fleets[key];
        if group.is_suspended("Launch") {
            return;
        }
        let present = |member: &&Member| ["InService", "Pending", "Terminating"].contains(&member.lifecycle.as_str());
        let missing = group.desired.saturating_sub(group.members.values().filter(present).count());
        for _ in 0..missing {
            self.launch(key, now);
        }
    }

    pub(super) fn terminate(&mut self, key: &Key, id: &str, cause: &str, now: Timestamp) {
        self.remember_fleets(now);
        let member = self.fleets.get_mut(key).and_then(|group| group.members.get_mut(id)).expect("a member");
        "Terminating".clone_into(&mut member.lifecycle);
        self.terminated.push(id.to_owned());
        let until = self.begin(key, Doing::Terminate, id, cause, now);
        self.turn(id, Power::ShuttingDown, until, Power::Terminated, now);
    }

    fn launch(&mut self, key: &Key, now: Timestamp) {
        self.remember_fleets(now);
        let group = self.fleets.get_mut(key).expect("a group");
        group.launches += 1;
        let id = format!("i-{}-{}", group.name, group.launches);
        let tags = group.tags.iter().filter(|(.., propagates)| *propagates).map(|(key, value, _)| format!("{key}={value} "));
        let instance = Instance::new(&id, Power::Pending, &tags.collect::<String>()).in_region(&key.0);
        let until = now + SignedDuration::from_secs(self.takes);
        self.instance(instance.in_group_as(&key.1, Member::new("Pending")).launching(now, until));
    }

    /// Begins an activity. Says when it ends.
    pub(super) fn begin(&mut self, key: &Key, doing: Doing, id: &str, cause: &str, now: Timestamp) -> Timestamp {
        let group = self.fleets.get_mut(key).expect("a group");
        let (instance, cause) = (id.to_owned(), cause.to_owned());
        group.activities.push(Activity { doing, instance, cause, start: now, end: None, status: "InProgress" });
        let end = now + SignedDuration::from_secs(self.activity.max(self.takes));
        self.timeline.push(end, Event::ActivityEnds(key.clone(), group.activities.len() - 1));
        end
    }

    /// An activity ends. A member that did not come to run is terminated, and that may not be suspended: the suspension of
    /// Terminate protects only members in service.
    pub(crate) fn end_activity(&mut self, key: &Key, number: usize, now: Timestamp) {
        self.remember_fleets(now);
        let Some(group) = self.fleets.get_mut(key) else { return };
        let activity = &mut group.activities[number];
        activity.end = Some(now);
        activity.status = "Successful";
        let id = activity.instance.clone();
        match activity.doing {
            Doing::Terminate => {
                group.members.remove(&id);
            }
            Doing::EnterStandby => {
                let entering = group.members.get_mut(&id).filter(|member| member.is("EnteringStandby"));
                if let Some(member) = entering {
                    "Standby".clone_into(&mut member.lifecycle);
                }
            }
            // It may have been terminated meanwhile.
            Doing::Launch | Doing::ExitStandby if !group.members.get(&id).is_some_and(|member| member.is("Pending")) => {}
            Doing::Launch | Doing::ExitStandby
                if self.instances.get(&id).is_some_and(|instance| instance.power == Power::Running) =>
            {
                let protected = group.members.get(&id).is_some_and(|member| member.protected);
                group.members.insert(id, Member { since: now, protected, ..Member::new("InService") });
            }
            Doing::Launch | Doing::ExitStandby => {
                activity.status = "Failed";
                self.terminate(key, &id, "an instance did not come into service", now);
            }
        }
        self.wake(key, now);
        // Once for all activities that end in this moment.
        if let Some(group) = self.fleets.get_mut(key).filter(|group| !group.unsettled) {
            group.unsettled = true;
            self.timeline.push(now, Event::Reconcile(key.clone()));
        }
    }

    /// Keeps for listings that lag behind how the groups are before they change.
    pub(super) fn remember_fleets(&mut self, now: Timestamp) {
        if self.lag > 0 {
            self.past_fleets.remember(now, self.lag, self.fleets.clone());
        }
    }
}

/// The members that have to go now, and why.
fn doomed(group: &Group) -> (Vec<String>, &'static str) {
    if group.is_suspended("Terminate") {
        return (Vec::new(), "");
    }
    let of = |lifecycle: &'static str| group.members.iter().filter(move |(_, member)| member.is(lifecycle));
    let unhealthy: Vec<String> = of("InService").filter(|(_, member)| !member.healthy).map(|(id, _)| id.clone()).collect();
    if !unhealthy.is_empty() && !group.is_suspended("ReplaceUnhealthy") {
        return (unhealthy, "an instance was taken out of service in response to a failed health check");
    }
    let excess = (of("InService").count() + of("Pending").count()).saturating_sub(group.desired);
    let mut oldest: Vec<(&String, &Member)> = of("InService").filter(|(_, member)| !member.protected).collect();
    oldest.sort_by_key(|(_, member)| member.since);
    (oldest.into_iter().take(excess).map(|(id, _)| id.clone()).collect(), "the group is larger than its desired capacity")
}
