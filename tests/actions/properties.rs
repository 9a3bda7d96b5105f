//! Any fleet, and any order of alerts, rollbacks, deaths and people who change things meanwhile. An instance that ran before and
//! that others left alone runs afterwards. Nothing else was ever started, and no group terminated its members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use guardrails_model::config::ActionSpec;
use guardrails_model::ids::{FacetId, RunId};
use guardrails_model::record::{Direction, Run, RunState};
use guardrails_model::runs::Begun;
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::json;

use crate::harness::{self, Harness};
use crate::world::{Fault, Group, HOME, Instance, Kind, Power, World};

const AWAY: &str = "eu-west-1";
const GROUPS: [&str; 2] = ["web", "batch"];

#[derive(Debug, Clone)]
struct One {
    power: Power,
    tagged: bool,
    away: bool,
    sort: Sort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Plain,
    Protected,
    OneTimeSpot,
    Member(usize),
}

#[derive(Debug, Clone)]
enum Event {
    Alert(bool),
    /// A person does so to an instance.
    Start(usize),
    Stop(usize),
    Tag(usize),
    Untag(usize),
    Exempt(usize),
    TagGroup(usize, bool),
    Terminate(usize),
    /// A person does so to a process of a group.
    Suspend(usize, &'static str),
    Resume(usize, &'static str),
    /// Of the run of a stage: all of it, or one instance.
    Back(usize),
    BackOne(usize, usize),
    /// A round of a run's present direction, which may die.
    Round(usize, Option<(usize, Kind)>),
    Pass(i64),
}

fn one() -> impl Strategy<Value = One> {
    let power = prop_oneof![4 => Just(Power::Running), 2 => Just(Power::Stopped), 1 => Just(Power::Pending)];
    let sort = prop_oneof![
        4 => Just(Sort::Plain),
        1 => Just(Sort::Protected),
        1 => Just(Sort::OneTimeSpot),
        3 => (0..GROUPS.len()).prop_map(Sort::Member),
    ];
    (power, prop::bool::weighted(0.8), any::<bool>(), sort).prop_map(|(power, tagged, away, sort)| match sort {
        // A group's members run, and are at home with it.
        Sort::Member(_) => One { power: Power::Running, tagged, away: false, sort },
        sort => One { power, tagged, away, sort },
    })
}

fn event() -> impl Strategy<Value = Event> {
    let instance = || 0..8_usize;
    let death = (1..24_usize, prop_oneof![Just(Kind::DieBefore), Just(Kind::DieAfter), Just(Kind::DieLate(20))]);
    let process = prop::sample::select(vec!["Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy"]);
    prop_oneof![
        2 => any::<bool>().prop_map(Event::Alert),
        1 => instance().prop_map(Event::Start),
        1 => instance().prop_map(Event::Stop),
        1 => instance().prop_map(Event::Tag),
        1 => instance().prop_map(Event::Untag),
        1 => instance().prop_map(Event::Exempt),
        1 => (0..2_usize, any::<bool>()).prop_map(|(group, tagged)| Event::TagGroup(group, tagged)),
        1 => instance().prop_map(Event::Terminate),
        1 => (0..2_usize, process.clone()).prop_map(|(group, process)| Event::Suspend(group, process)),
        1 => (0..2_usize, process).prop_map(|(group, process)| Event::Resume(group, process)),
        2 => (0..2_usize).prop_map(Event::Back),
        1 => (0..2_usize, instance()).prop_map(|(run, instance)| Event::BackOne(run, instance)),
        6 => (0..2_usize, prop::option::weighted(0.4, death)).prop_map(|(run, death)| Event::Round(run, death)),
        3 => (1..120_i64).prop_map(Event::Pass),
    ]
}

struct Play {
    world: Arc<World>,
    harness: Harness,
    fleet: Vec<One>,
    runs: Vec<RunId>,
    /// Instances that somebody else changed, or whose group.
    others: BTreeSet<String>,
}

impl Play {
    fn of(fleet: Vec<One>, tagged: [bool; 2]) -> Self {
        let world = Arc::new(World::default());
        {
            let mut account = world.account();
            account.granted = Some(("Project", "Beta"));
            for (index, name) in GROUPS.iter().enumerate() {
                let members = fleet.iter().filter(|one| one.sort == Sort::Member(index)).count();
                account.fleet(Group::new(name, 0, members, members).own_tag(project(tagged[index])));
            }
            let soon = guardrails_model::clock::Clock::now(&*world.clock) + SignedDuration::from_secs(8);
            for (index, one) in fleet.iter().enumerate() {
                let instance = Instance::new(&id(index), one.power, project(one.tagged)).in_region(region(one));
                let mut instance = match one.sort {
                    Sort::Plain => instance,
                    Sort::Protected => instance.protected(),
                    Sort::OneTimeSpot => instance.one_time_spot(),
                    Sort::Member(group) => instance.in_group(GROUPS[group]),
                };
                instance.becomes = (one.power == Power::Pending).then_some((soon, Power::Running));
                account.instance(instance);
            }
        }
        let make = crate::world::catalog(&world, &[]);
        let harness = Harness::new(Arc::clone(&world.clock), Arc::clone(&world.gate), |inner| inner, make);
        Self { world, harness, fleet, runs: Vec::new(), others: BTreeSet::new() }
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Alert(first) => self.alert(if first { "beta 80%" } else { "beta 100%" }).await,
            Event::Start(at) => {
                self.meddle(at, |play, id, region| play.ask(region, &format!("StartInstances&InstanceId.1={id}")));
            }
            Event::Stop(at) => self.meddle(at, |play, id, region| play.ask(region, &format!("StopInstances&InstanceId.1={id}"))),
            Event::Tag(at) => self.tag(at, "Project", "Beta"),
            Event::Untag(at) => self.tag(at, "Project", "Alpha"),
            Event::Exempt(at) => self.tag(at, "guardrails:exempt", "true"),
            Event::TagGroup(group, tagged) => self.tag_group(group, tagged),
            Event::Terminate(at) => self.meddle(at, |play, id, _| {
                let mut account = play.world.account();
                let instance = account.instances.get_mut(id).expect("an instance");
                (instance.power, instance.becomes) = (Power::Terminated, None);
            }),
            Event::Suspend(group, process) => self.process("SuspendProcesses", group, process),
            Event::Resume(group, process) => self.process("ResumeProcesses", group, process),
            Event::Back(run) => self.back(run, &[]).await,
            Event::BackOne(run, at) => {
                let Some(one) = self.fleet.get(at) else { return };
                let facet = FacetId::new("instance-power", region(one), &id(at)).expect("a facet");
                self.back(run, &[facet]).await;
            }
            Event::Round(run, death) => self.round(run, death).await,
            Event::Pass(seconds) => self.harness.wait(seconds).await,
        }
    }

    async fn alert(&mut self, who: &str) {
        let spec = ActionSpec { name: "stop-instances".parse().unwrap(), params: json!({"tag": {"Project": "Beta"}}) };
        let (target, guardrail) = harness::stage(who, vec![vec![spec]]);
        if let Begun::Started(run) = self.harness.alert(&target, &guardrail).await.expect("an alert is taken") {
            let run = self.harness.open(&run).await.expect("it opens");
            if !self.runs.contains(&run.id) {
                self.runs.push(run.id);
            }
        }
    }

    /// A person changes an instance: its later state, and that of its group, are theirs.
    fn meddle(&mut self, at: usize, change: impl FnOnce(&Self, &str, &str)) {
        let Some(one) = self.fleet.get(at).cloned() else { return };
        match one.sort {
            Sort::Member(group) => self.meddled(group),
            _ => drop(self.others.insert(id(at))),
        }
        change(self, &id(at), region(&one));
    }

    fn meddled(&mut self, group: usize) {
        let members = self.fleet.iter().enumerate().filter(|(_, one)| one.sort == Sort::Member(group));
        self.others.extend(members.map(|(at, _)| id(at)));
        self.others.insert(GROUPS[group].to_owned());
    }

    fn tag(&mut self, at: usize, key: &str, value: &str) {
        let mut account = self.world.account();
        let Some(instance) = account.instances.get_mut(&id(at)) else { return };
        // No change of its power: it still is put back if it was stopped.
        instance.tags.insert(key.to_owned(), value.to_owned());
    }

    fn tag_group(&self, group: usize, tagged: bool) {
        let tag = project(tagged).split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned(), false));
        self.world.account().scaling(GROUPS[group]).tags = tag.into_iter().collect();
    }

    fn process(&mut self, call: &str, group: usize, process: &str) {
        self.meddled(group);
        let form = format!(
            "Action={call}&Version=2011-01-01&AutoScalingGroupName={}&ScalingProcesses.member.1={process}",
            GROUPS[group]
        );
        self.world.ask(HOME, &form);
    }

    fn ask(&self, region: &str, call: &str) {
        self.world.ask(region, &format!("Version=2016-11-15&Action={call}"));
    }

    async fn back(&self, run: usize, only: &[FacetId]) {
        if let Some(run) = self.runs.get(run) {
            self.harness.ask_back(run, only, false).await;
        }
    }

    async fn read(&self, run: &RunId) -> Run {
        self.harness.truth.run(run).await.unwrap().expect("the run").value
    }

    async fn round(&self, run: usize, death: Option<(usize, Kind)>) {
        let Some(id) = self.runs.get(run) else { return };
        let run = self.read(id).await;
        if !matches!(run.state, RunState::Applying | RunState::RollingBack) {
            return;
        }
        if let Some((at, kind)) = death {
            self.harness.gate.arm(Fault { at, kind });
        }
        let mut seconds = 1;
        for part in 0..run.parts.len() {
            match self.harness.invoke(run.direction, id, part).await {
                Some(Ok(guardrails_model::engine::Progress::Settling { seconds: asked, .. })) => seconds = seconds.max(asked),
                Some(Err(error)) => assert!(error.is_retryable(), "{error:?}"),
                _ => {}
            }
        }
        self.harness.gate.disarm();
        self.harness.wait(seconds).await;
    }

    /// Everything is put back, in the order given. An instance that lost its tag gets it back: without it no function may change
    /// it.
    async fn end(&mut self, newest_first: bool) {
        for at in 0..self.fleet.len() {
            self.tag(at, "Project", "Beta");
        }
        for group in 0..GROUPS.len() {
            self.tag_group(group, true);
        }
        let mut order: Vec<&RunId> = self.runs.iter().collect();
        if newest_first {
            order.reverse();
        }
        for run in order {
            for _ in 0..3 {
                self.harness.ask_back(run, &[], false).await;
                if self.read(run).await.state.is_open() {
                    self.harness.execute(Direction::Rollback, run).await.expect("it ends");
                }
            }
        }
        self.harness.wait(300).await;
    }

    fn judge(&self) {
        let account = self.world.account();
        let powers: BTreeMap<&String, Power> = account.instances.values().map(|one| (&one.id, one.power)).collect();
        for (at, one) in self.fleet.iter().enumerate().filter(|(at, _)| !self.others.contains(&id(*at))) {
            let id = id(at);
            let ran = one.power != Power::Stopped;
            let starts = account.instances[&id].starts();
            assert_eq!(powers[&id] == Power::Running, ran, "{id} is {:?}, and was {:?}", powers[&id], one.power);
            assert!(ran || starts == 0, "{id} did not run before, and was started");
        }
        let ended: Vec<_> = account.terminated.iter().filter(|id| !self.others.contains(*id)).collect();
        assert!(ended.is_empty(), "groups terminated {ended:?}");
        for group in account.fleets.values().filter(|group| !self.others.contains(&group.name)) {
            assert!(group.suspended.is_empty(), "{} is without {:?}", group.name, group.suspended);
        }
    }
}

fn id(at: usize) -> String {
    format!("i-{at}")
}

fn project(tagged: bool) -> &'static str {
    if tagged { "Project=Beta" } else { "Project=Alpha" }
}

fn region(one: &One) -> &'static str {
    if one.away { AWAY } else { HOME }
}

fn config() -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("properties.regressions");
    ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48),
        failure_persistence: Some(Box::new(regressions)),
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn instances_that_ran_before_run_after_and_no_others_start(
        fleet in prop::collection::vec(one(), 1..8),
        tagged in prop::array::uniform2(prop::bool::weighted(0.8)),
        events in prop::collection::vec(event(), 1..24),
        newest_first in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let mut play = Play::of(fleet, tagged);
            play.alert("beta 80%").await;
            for event in events {
                play.happen(event).await;
            }
            play.end(newest_first).await;
            play.judge();
        });
    }
}
