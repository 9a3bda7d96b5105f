//! An action of two parts: a service, and the schedule that would resume it. The schedule is paused before its service, and resumed
//! after it. Both are App Runner services here: that of the schedule has the service's name and `-schedule`.

use std::sync::Arc;

use async_trait::async_trait;
use guardrails_aws::catalog::Catalog;
use guardrails_aws::context::Context;
use guardrails_aws::declared::{About, Counted, Noun};
use guardrails_aws::error::{Codes, Failure};
use guardrails_aws::grants::Grant;
use guardrails_aws::switch::{Calling, Drift, Found, NoOptions, Reach, Resource, Switch, Switched, Switches, Which};
use guardrails_model::action::{ActionError, Patience};
use guardrails_model::config::{ActionSpec, Tags};
use guardrails_model::ids::Value;
use guardrails_model::pace::Pace;
use guardrails_model::record::{Direction, Run, Step};
use guardrails_model::runs::{Begun, Rescanned};
use serde_json::json;

use super::sweep::lab::{Meets, Place, Scenario};
use super::sweep::sweeps::Sweep;
use super::worked_example::double::{APP_RUNNER, service};
use super::worked_example::pause_app_services::{AppServices, Described};
use crate::harness::{Harness, stage};
use crate::world::{self, Account, World};

mod pausing {
    /// The action.
    pub type PauseScheduled = super::Switched<super::Pausing>;
}

guardrails_aws::catalog! {
    /// One action of two parts.
    PAUSING:
    pausing::PauseScheduled,
}

/// The action.
pub struct Pausing;

impl Switches for Pausing {
    const ABOUT: About = About {
        limits: <AppServices as Switch>::ABOUT.limits,
        ..About::new("pause-scheduled", "pauses services and their schedules", "resumes both")
    };
    const NOUN: Noun = AppServices::TARGET.noun;
    type Options = NoOptions;
    type Parts = (Schedules, Services);
}

/// How the names of schedules end.
const SCHEDULE: &str = "-schedule";

/// The part that is turned first, and comes back last.
pub struct Schedules(AppServices);

/// The part whose services nothing resumes by then.
pub struct Services(AppServices);

/// A resource as a part sees it. Its tags may say an identity, that it is left alone, and that it is not well yet.
fn part(found: Found, name: &str) -> Found {
    let identity = found.tags.get("identity").cloned();
    let alone = found.tags.contains_key("alone").then(|| "its tag says so".to_owned());
    Found { id: name.to_owned(), identity, unit: Some(name.to_owned()), left_alone: alone, ..found }
}

fn name(label: &str) -> &str {
    label.trim_start_matches("service ").trim_end_matches(SCHEDULE)
}

/// The services of one part: those that are schedules, or the others.
async fn listed(all: &AppServices, schedules: bool) -> Result<Vec<Described>, ActionError> {
    let every = all.list(&Which::Tagged(&Tags::from([("Project", "Beta")]))).await?;
    Ok(every.into_iter().filter(|item| all.found(item).label.ends_with(SCHEDULE) == schedules).collect())
}

async fn turned(all: &AppServices, schedules: bool, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
    let items = listed(all, schedules).await.map_err(|error| Failure::refused(error.to_string()))?;
    let arn = items.iter().map(|item| all.found(item)).find(|found| name(&found.label) == id).map(|found| found.id);
    all.set(&arn.ok_or_else(|| Failure::refused(format!("there is no {id}")))?, to, calling).await
}

macro_rules! part_of_it {
    ($part:ident, $facet:literal, $schedules:literal, $also:literal) => {
        #[async_trait]
        impl Switch for $part {
            const TARGET: Counted =
                Counted { facet: $facet, noun: Noun { one: $facet, many: concat!($facet, "s") }, ..AppServices::TARGET };
            const RESOURCE: Resource = AppServices::RESOURCE;
            const CODES: Codes = AppServices::CODES;
            const DRIFT: Drift = Drift::Reapply;
            const PATIENCE: Patience = AppServices::PATIENCE;
            const TAKES_ALONG: bool = true;
            const ASKS_READY: bool = !$schedules;
            type Options = NoOptions;
            type Item = Described;

            fn new(context: &Context<'_>, options: &NoOptions) -> Self {
                Self(AppServices::new(context, options))
            }

            async fn list(&self, _: &Which<'_>) -> Result<Vec<Described>, ActionError> {
                listed(&self.0, $schedules).await
            }

            fn found(&self, item: &Described) -> Found {
                let found = self.0.found(item);
                let name = name(&found.label).to_owned();
                part(found, &name)
            }

            async fn ready(&self, item: &Described, direction: Direction) -> Result<Option<String>, ActionError> {
                let found = self.0.found(item);
                let unwell = direction == Direction::Rollback && found.tags.contains_key("unwell");
                Ok(unwell.then(|| format!("{} is not well", found.label)))
            }

            async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
                turned(&self.0, $schedules, id, to, calling).await
            }

            fn more_grants(_: &Reach<'_>) -> Vec<Grant> {
                let shared = Grant { sid: "Shared".to_owned(), actions: &["apprunner:Shared"], ..Grant::default() };
                vec![shared, Grant { sid: $also.to_owned(), actions: &["apprunner:Own"], ..Grant::default() }]
            }
        }
    };
}

part_of_it!(Schedules, "app-schedule", true, "OfSchedules");
part_of_it!(Services, "app-service", false, "OfServices");

fn add(account: &mut Account, name: &str, tags: &str) {
    let mut thing = service(world::HOME, name, "RUNNING", &format!("Project=Beta {tags}"));
    thing.arn = thing.arn.replace("8fe1e10304f84fd2b0df550fe98a71fa", name);
    account.thing(&APP_RUNNER, thing);
}

/// A service with a schedule, one without, and a schedule without a service. On one page.
fn few(account: &mut Account) {
    for name in ["web", "web-schedule", "worker", "night-schedule"] {
        add(account, name, "");
    }
    account.page = 50;
}

/// Lists of the way there: each part looks, checks and turns its two resources, and looks at the end.
const LISTS: usize = 15;

struct Lab {
    world: Arc<World>,
    harness: Harness,
    run: Run,
}

impl Lab {
    /// A run that is planned.
    async fn opened(fill: impl FnOnce(&mut Account)) -> Self {
        let world = Arc::new(World::default());
        fill(&mut world.account());
        let make = world::of_catalog(&PAUSING, &world, &[], Pace::default());
        let harness = Harness::new(world.clock.clone(), world.gate.clone(), |store| store, make);
        let spec = ActionSpec { name: "pause-scheduled".parse().unwrap(), params: json!({"tag": {"Project": "Beta"}}) };
        let (target, guardrail) = stage("beta 80%", vec![vec![spec]]);
        let Begun::Started(run) = harness.alert(&target, &guardrail).await.unwrap() else { panic!("no run began") };
        let run = harness.open(&run).await.unwrap();
        Self { world, harness, run }
    }

    async fn apply(&self) {
        self.harness.execute(Direction::Apply, &self.run.id).await.unwrap();
    }

    async fn roll_back(&self) {
        self.harness.ask_back(&self.run.id, &[], false).await;
        self.harness.execute(Direction::Rollback, &self.run.id).await.unwrap();
    }

    async fn look(&self) {
        let Rescanned::Started(again) = self.harness.runs().rescan(&self.run.id).await.unwrap() else { panic!("no look") };
        self.harness.open(&again).await.unwrap();
        self.apply().await;
    }

    fn tag(&self, name: &str, key: &str, value: Option<&str>) {
        let mut account = self.world.account();
        let thing = account.things.values_mut().find(|thing| thing.name == name).unwrap();
        thing.tags.remove(key);
        thing.tags.extend(value.map(|value| (key.to_owned(), value.to_owned())));
    }

    fn set(&self, name: &str, state: &'static str) {
        self.world.account().things.values_mut().filter(|thing| thing.name == name).for_each(|thing| thing.set(state));
    }

    fn is(&self, name: &str) -> String {
        self.world.account().snapshot()[name].clone()
    }

    /// The names of the turned services, in order.
    fn turned(&self) -> Vec<String> {
        let told = self.world.account().told.clone();
        let turns = told.into_iter().filter(|(action, ..)| action.ends_with("PauseService") || action.ends_with("ResumeService"));
        turns.filter_map(|(_, arn, _)| Some(arn.split('/').nth(1)?.to_owned())).collect()
    }

    async fn steps(&self) -> Vec<Step> {
        let run = self.harness.truth.run(&self.run.id).await.unwrap().unwrap().value;
        self.harness.runs().steps(&run).await.unwrap()
    }

    async fn reason(&self, name: &str) -> String {
        let steps = self.steps().await;
        let step = steps.iter().find(|step| step.label == format!("service {name}")).unwrap();
        step.reason.clone().unwrap_or_default()
    }
}

#[tokio::test]
async fn parts_of_a_unit_are_turned_in_order_both_ways() {
    let lab = Lab::opened(few).await;
    lab.apply().await;
    let position = |turned: &[String], name: &str| turned.iter().position(|is| is == name).unwrap();
    let there = lab.turned();
    assert_eq!(there.len(), 4, "{there:?}");
    assert!(position(&there, "web-schedule") < position(&there, "web"), "{there:?}");
    lab.roll_back().await;
    let back = lab.turned().split_off(4);
    assert!(position(&back, "web") < position(&back, "web-schedule"), "{back:?}");
    for name in ["web", "web-schedule", "worker", "night-schedule"] {
        assert_eq!(lab.is(name), "RUNNING");
    }
}

#[tokio::test]
async fn resource_left_alone_takes_its_unit_along() {
    for (alone, other) in [("web", "web-schedule"), ("web-schedule", "web")] {
        let lab = Lab::opened(|account| {
            few(account);
            let thing = account.things.values_mut().find(|thing| thing.name == alone).unwrap();
            thing.tags.insert("guardrails:exempt".to_owned(), String::new());
        })
        .await;
        lab.apply().await;
        assert_eq!((lab.is(alone), lab.is(other), lab.is("worker")), ("RUNNING".into(), "RUNNING".into(), "PAUSED".into()));
        let why = format!("service {alone} is left alone: it carries the tag guardrails:exempt");
        assert_eq!(lab.reason(other).await, why);
        let steps = lab.steps().await;
        assert!(steps.iter().filter(|step| step.label.contains("web")).all(|step| step.spared), "people said so of both");
    }
}

#[tokio::test]
async fn resource_exempted_after_the_plan_takes_its_unit_along() {
    for (alone, other) in [("web", "web-schedule"), ("web-schedule", "web")] {
        let lab = Lab::opened(few).await;
        lab.tag(alone, "alone", Some(""));
        lab.apply().await;
        assert_eq!((lab.is(alone), lab.is(other), lab.is("worker")), ("RUNNING".into(), "RUNNING".into(), "PAUSED".into()));
        assert_eq!(lab.reason(other).await, format!("service {alone} is left alone: its tag says so"));
    }
}

#[tokio::test]
async fn next_part_waits_until_the_part_before_it_is_ready() {
    let lab = Lab::opened(few).await;
    lab.apply().await;
    lab.tag("web", "unwell", Some(""));
    lab.harness.ask_back(&lab.run.id, &[], false).await;
    for _ in 0..10 {
        lab.harness.invoke(Direction::Rollback, &lab.run.id, 0).await.unwrap().unwrap();
        lab.harness.wait(10).await;
    }
    assert_eq!((lab.is("web"), lab.is("web-schedule")), ("RUNNING".into(), "PAUSED".into()));
    assert_eq!((lab.is("worker"), lab.is("night-schedule")), ("RUNNING".into(), "RUNNING".into()), "other units go on");
    assert_eq!(lab.reason("web-schedule").await, "waits: service web is not well");
    lab.tag("web", "unwell", None);
    lab.harness.execute(Direction::Rollback, &lab.run.id).await.unwrap();
    assert_eq!(lab.is("web-schedule"), "RUNNING");
}

#[tokio::test]
async fn part_that_is_always_ready_costs_no_call() {
    let lab = Lab::opened(few).await;
    let lists = || lab.world.account().calls["ListServices"].0;
    let planned = lists();
    lab.apply().await;
    assert_eq!(lists() - planned, LISTS, "the way there asks nothing of schedules, which are ready at once");
}

#[tokio::test]
async fn another_resource_under_the_name_is_a_facet_of_its_own() {
    let lab = Lab::opened(|account| {
        few(account);
        add(account, "orders", "identity=one/1");
    })
    .await;
    lab.apply().await;
    assert_eq!(lab.is("orders"), "PAUSED");
    // It was deleted, and made anew from a snapshot.
    lab.tag("orders", "identity", Some("two"));
    lab.set("orders", "RUNNING");
    lab.look().await;
    assert_eq!(lab.is("orders"), "PAUSED", "what came under the name is in scope too");
    let steps = lab.steps().await;
    let known: Vec<_> = steps.iter().filter(|step| step.label == "service orders").collect();
    let told: Vec<_> = known.iter().map(|step| (step.identity.as_deref().unwrap(), step.late)).collect();
    assert_eq!(told, [("one/1", false), ("two", true)]);
    lab.roll_back().await;
    assert_eq!(lab.is("orders"), "RUNNING");
    let steps = lab.steps().await;
    let first = steps.iter().find(|step| step.identity.as_deref() == Some("one/1")).unwrap();
    let why = "nothing to put back: the app-service orders was deleted, and another was made under its name";
    assert_eq!(first.reason.as_deref(), Some(why));
}

#[tokio::test]
async fn resource_made_anew_before_the_change_is_left_alone() {
    let lab = Lab::opened(|account| {
        few(account);
        add(account, "orders", "identity=one");
    })
    .await;
    lab.tag("orders", "identity", Some("two"));
    lab.apply().await;
    assert_eq!(lab.is("orders"), "RUNNING");
    assert_eq!(lab.reason("orders").await, "the app-service orders was deleted, and another was made under its name");
}

fn grants(catalog: &'static Catalog) -> Vec<Grant> {
    let file = "version: 1\nguardrails:\n  beta:\n    budget: { amount: 2 USD, period: monthly, tag: { Project: Beta } }\n    stages:\n      \
        - at: 80% actual\n        do:\n          - pause-scheduled: { tag: { Project: Beta } }\n";
    catalog.entries()[0].grants(&catalog.parse("guardrails.yaml", file).unwrap()).unwrap()
}

#[test]
fn rights_of_all_parts_are_granted_once() {
    let grants = grants(&PAUSING);
    let sids: Vec<&str> = grants.iter().map(|grant| grant.sid.as_str()).collect();
    let first = ["Regions", "LookAppSchedule", "ReadAppSchedule", "Shared", "OfSchedules", "TurnAppSchedule0"];
    let second = ["LookAppService", "ReadAppService", "OfServices", "TurnAppService0"];
    assert_eq!(sids, [first.as_slice(), second.as_slice()].concat());
    let counted: Vec<&str> = PAUSING.entries()[0].counts.iter().map(|counted| counted.facet).collect();
    assert_eq!(counted, ["app-schedule", "app-service"]);
}

fn scenario() -> Scenario {
    Scenario {
        name: "pause-scheduled",
        actions: vec![("pause-scheduled", json!({"tag": {"Project": "Beta"}}))],
        scope: &["web", "web-schedule", "worker", "night-schedule"],
        enforced: &[("web", "PAUSED"), ("web-schedule", "PAUSED"), ("worker", "PAUSED"), ("night-schedule", "PAUSED")],
        refused: 0,
        disposable: &[],
        meets: Meets::Hidden,
        place: || Place::of_catalog(&PAUSING, few),
    }
}

#[tokio::test]
async fn parts_cut_anywhere_end_well_both_ways() {
    let scenario = scenario();
    let mut sweep = Sweep::new(&scenario, None);
    sweep.apply().await;
    sweep.rollback().await;
    sweep.assert_clean();
}
