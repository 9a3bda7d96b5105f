//! The claims of the demo, each checked against the world that was seen.

use std::collections::BTreeSet;

use guardrails_local_aws::walkthrough::{
    AUTO_SCALING_GROUP, Access, FULL_ACCESS, GROUP, Instance, OTHER_GROUP, Role, SUSPENDED, Snapshot, USER,
};
use guardrails_model::phase::Phase;
use guardrails_model::record::{RunState, Step};
use serde::Serialize;

use super::services::{DATABASE, FUNCTION, RESERVED, SCALING, SERVICE};
use super::{Moment, Story};

/// The policy that the first stage attaches.
pub const READ_ONLY: &str = "AmazonEC2ReadOnlyAccess";
/// The processes that must be suspended before a group's members stop.
const PROCESSES: usize = 8;

/// A claim, and whether it holds.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The claim.
    pub claim: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// The state that was seen.
    pub seen: String,
}

/// The ways to launch that a swap of the group's policies closes. The others are a policy of the user's own, and a role.
const BY_GROUP: [&str; 3] = ["CreateAutoScalingGroup", "CreateFleet", "RunInstances"];
/// The call that starts nothing.
const LOOK: &str = "DescribeInstances";

/// Every claim.
pub fn all(story: &Story) -> Vec<Check> {
    [before(story), enforced(story), denied(story), rolled_back(story), bystanders(story), keys(story)]
        .into_iter()
        .flatten()
        .collect()
}

/// Is it the stack's own policy?
pub fn is_deny(policy: &str) -> bool {
    policy.contains("-deny-")
}

fn before(story: &Story) -> Vec<Check> {
    let world = &story.before;
    vec![
        check("before: the group has full access to EC2", policies(world, GROUP) == [FULL_ACCESS], list(policies(world, GROUP))),
        check(
            "before: the user may look, and launch in each of six ways",
            may(world).count() == 7 && world.user.len() == 7,
            user(world),
        ),
    ]
}

fn enforced(story: &Story) -> Vec<Check> {
    let (world, run) = (&story.enforced, &story.run.run);
    let fleet: Vec<&Instance> = fleet(story).collect();
    let counts = story.run.counts;
    // Two policies, all processes of the group but the one that was suspended before, its minimum and capacity, and its member's place.
    // Then the database, the service's scaling and count, and the function's concurrency.
    let switches = 2 + PROCESSES - 1 + 3 + 4;
    vec![
        check("the mock text began a run that is marked as simulated", run.simulated, story.run.headline()),
        check(
            "the run is enforced, and no step failed",
            run.state == RunState::Enforced && counts.failed == 0 && counts.applied == fleet.len() + switches,
            format!("{} applied, {} skipped, {} failed", counts.applied, counts.skipped, counts.failed),
        ),
        check("enforced: the group may only read", policies(world, GROUP) == [READ_ONLY], list(policies(world, GROUP))),
        check(
            "enforced: the user may look, but not launch by what the group had",
            world.user.get(LOOK) == Some(&Access::Allowed)
                && BY_GROUP.iter().all(|way| world.user.get(*way) == Some(&Access::Denied)),
            user(world),
        ),
        check(
            "enforced: the fleet of five is stopped, a group's member too",
            fleet.len() == 5 && fleet.iter().all(|instance| state(world, instance) == "stopped"),
            states(world, &fleet),
        ),
        check(
            "enforced: the group's processes are suspended: it replaces no member",
            suspended(world).len() == PROCESSES,
            list(suspended(world)),
        ),
        check(
            "enforced: the database is stopped, and the function refuses each call",
            are(world, [(DATABASE, "stopped"), (FUNCTION, "refuses"), (RESERVED, "0")]),
            services(world),
        ),
        check(
            "enforced: the ECS service has no tasks, and nothing scales it up",
            are(world, [(SERVICE, "no tasks"), (SCALING, "suspended")]),
            services(world),
        ),
    ]
}

fn denied(story: &Story) -> Vec<Check> {
    let world = &story.denied;
    let attached = policies(world, GROUP);
    // One closes the stack itself. The others deny the list, which is longer than one policy may be.
    let denies = attached.iter().filter(|policy| is_deny(policy)).count();
    let as_planned = attached.len() == 4 && attached.contains(&READ_ONLY) && denies == 3;
    vec![
        check("denied: the group has the stack's three Deny policies, and may read", as_planned, list(attached)),
        check("denied: the user may look, and launch in none of the ways left", may(world).eq([LOOK]), user(world)),
    ]
}

fn rolled_back(story: &Story) -> Vec<Check> {
    let idle: Vec<&Instance> = story.world.with_role(Role::AlreadyStopped).collect();
    let fleet: Vec<&Instance> = fleet(story).collect();
    let state_after = story.run_after.run.state;
    vec![
        check(
            "the rollback command put all of the run back",
            story.rollback_succeeded && state_after == RunState::RolledBack,
            story.run_after.headline(),
        ),
        check(
            "rolled back: groups, instances, services and rights are as they were",
            story.rolled_back == story.before,
            differences(story),
        ),
        check(
            "rolled back: the fleet was stopped once, started once, and runs",
            fleet.iter().all(|instance| rested(story, instance) == ["running", "stopped", "running"]),
            passages(story, &fleet),
        ),
        check(
            "rolled back: the database and three tasks run, the function answers",
            are(&story.rolled_back, [(DATABASE, "available"), (SERVICE, "3 tasks"), (FUNCTION, "answers")]),
            services(&story.rolled_back),
        ),
        check(
            "rolled back: the process that a person had suspended still is, alone",
            suspended(&story.rolled_back) == [SUSPENDED],
            list(suspended(&story.rolled_back)),
        ),
        check(
            "rolled back: what was stopped before is still stopped",
            idle.iter().all(|instance| state(&story.rolled_back, instance) == "stopped"),
            states(&story.rolled_back, &idle),
        ),
    ]
}

/// Nobody touched them: they were never seen in another state, and the ledger has no change of theirs, not even a begun one.
fn bystanders(story: &Story) -> Vec<Check> {
    let others: Vec<&Instance> = story.world.instances.iter().filter(|instance| !is_fleet(instance)).collect();
    let known: BTreeSet<&str> = story.world.instances.iter().map(|instance| instance.id.as_str()).collect();
    let strangers: Vec<&str> = story.seen.keys().map(String::as_str).filter(|id| !known.contains(id)).collect();
    let touched: Vec<&str> = story
        .run_after
        .steps
        .iter()
        .filter(|step| is_change(step))
        .filter_map(|step| {
            let (kind, target, switch) = step.facet.parts();
            let bystander = if kind == "group-policy" { target != GROUP } else { others.iter().any(|other| other.id == switch) };
            bystander.then_some(step.label.as_str())
        })
        .collect();
    let exempt: Vec<&Instance> = story.world.with_role(Role::Exempt).collect();
    let skipped = |member: &&Instance| {
        story.run.steps.iter().find(|step| step.facet.parts().2 == member.id).filter(|step| step.phase == Phase::Skipped)
    };
    let reasons: Vec<String> = exempt.iter().filter_map(skipped).filter_map(|step| step.reason.clone()).collect();
    vec![
        check(
            "bystanders were never seen in another state than before",
            others.iter().all(|other| passed(story, other) == [state(&story.before, other)]),
            passages(story, &others),
        ),
        check("the ledger has no change of a bystander, not even a begun one", touched.is_empty(), list(touched)),
        check("the instance that is exempt was left alone, with the reason", reasons.len() == exempt.len(), list(reasons)),
        check(
            "the other group kept its policy all the while",
            [&story.before, &story.enforced, &story.rolled_back]
                .iter()
                .all(|world| policies(world, OTHER_GROUP) == [FULL_ACCESS]),
            list(policies(&story.enforced, OTHER_GROUP)),
        ),
        check("no instance was launched or lost", strangers.is_empty() && story.seen.len() == known.len(), list(strangers)),
    ]
}

/// The user's secrets are three, and each function that ran has more.
fn keys(story: &Story) -> Vec<Check> {
    let found = &story.keys;
    vec![check(
        "no log holds a key of the user, of their session or of a function",
        found.places.is_empty() && found.keys > 3 && found.lines > 0,
        format!("{} keys looked for in {} lines; in the log of: {}", found.keys, found.lines, list(found.places.clone())),
    )]
}

/// Whether each of these services is in that state.
fn are<const N: usize>(world: &Moment, wanted: [(&str, &str); N]) -> bool {
    wanted.into_iter().all(|(service, state)| world.services.get(service).is_some_and(|seen| seen == state))
}

fn services(world: &Moment) -> String {
    list(world.services.iter().map(|(service, state)| format!("{service}: {state}")))
}

fn is_fleet(instance: &Instance) -> bool {
    matches!(instance.role, Role::Fleet | Role::AutoScalingMember)
}

/// The instances that are to be stopped.
fn fleet(story: &Story) -> impl Iterator<Item = &Instance> {
    story.world.instances.iter().filter(|instance| is_fleet(instance))
}

fn suspended(world: &Snapshot) -> Vec<&str> {
    world.scaling.get(AUTO_SCALING_GROUP).into_iter().flatten().map(String::as_str).collect()
}

/// Was anything begun?
fn is_change(step: &Step) -> bool {
    step.events.iter().any(|event| !matches!(event.phase, Phase::Planned | Phase::Skipped))
}

fn check(claim: &'static str, holds: bool, seen: String) -> Check {
    Check { claim, holds, seen }
}

fn policies<'a>(world: &'a Snapshot, group: &str) -> Vec<&'a str> {
    world.groups.get(group).into_iter().flatten().map(String::as_str).collect()
}

/// The calls that the user may make.
fn may(world: &Snapshot) -> impl Iterator<Item = &str> {
    world.user.iter().filter(|(_, access)| **access == Access::Allowed).map(|(way, _)| way.as_str())
}

fn state<'a>(world: &'a Snapshot, instance: &Instance) -> &'a str {
    world.instances.get(&instance.id).map_or("gone", String::as_str)
}

fn state_of(world: &Moment, service: &str) -> String {
    world.services.get(service).cloned().unwrap_or_default()
}

fn passed<'a>(story: &'a Story, instance: &Instance) -> &'a [String] {
    story.seen.get(&instance.id).map(Vec::as_slice).unwrap_or_default()
}

/// Where an instance came to rest. A busy machine may miss the states between.
fn rested<'a>(story: &'a Story, instance: &Instance) -> Vec<&'a str> {
    let stable = |state: &&str| matches!(*state, "running" | "stopped");
    passed(story, instance).iter().map(String::as_str).filter(stable).collect()
}

fn user(world: &Snapshot) -> String {
    list(world.user.iter().map(|(call, access)| format!("{call} {access}")))
}

fn states(world: &Snapshot, instances: &[&Instance]) -> String {
    list(instances.iter().map(|instance| format!("{} {}", instance.name, state(world, instance))))
}

fn passages(story: &Story, instances: &[&Instance]) -> String {
    list(instances.iter().map(|instance| format!("{} {}", instance.name, passed(story, instance).join(" > "))))
}

fn differences(story: &Story) -> String {
    let (before, after) = (&story.before, &story.rolled_back);
    let groups = before.groups.keys().chain(after.groups.keys());
    let groups = groups.map(|group| (group.as_str(), list(policies(before, group)), list(policies(after, group))));
    let instances = story.world.instances.iter();
    let instances = instances.map(|one| (one.name.as_str(), state(before, one).to_owned(), state(after, one).to_owned()));
    let scaling = [(AUTO_SCALING_GROUP, list(suspended(before)), list(suspended(after)))];
    let user = [(USER, user(before), user(after))];
    let services = before.services.iter().map(|(service, state)| (*service, state.clone(), state_of(after, service)));
    let all = groups.chain(instances).chain(scaling).chain(user).chain(services).filter(|(_, before, after)| before != after);
    let different: BTreeSet<String> = all.map(|(what, before, after)| format!("{what}: {before}, then {after}")).collect();
    list(different)
}

fn list<T: Into<String>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(Into::into).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
