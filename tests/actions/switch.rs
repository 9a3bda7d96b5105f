//! The parts of `Switched` that the worked example has no use of: a service that turns things back by itself, a word by which a
//! stage agrees, and keys of the action's own.

use std::sync::Arc;

use async_trait::async_trait;
use guardrails_aws::context::Context;
use guardrails_aws::declared::{About, Counted, Noun};
use guardrails_aws::error::{Codes, Failure};
use guardrails_aws::switch::{Calling, Drift, Found, NoOptions, OptIn, Options, Resource, Switch, Switched, Which};
use guardrails_model::action::{ActionError, Patience};
use guardrails_model::config::ActionSpec;
use guardrails_model::ids::Value;
use guardrails_model::pace::Pace;
use guardrails_model::record::{Direction, Run, Step};
use guardrails_model::runs::{Begun, Rescanned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::worked_example::double::{APP_RUNNER, service};
use super::worked_example::pause_app_services::{AppServices, Described};
use crate::harness::{Harness, stage};
use crate::world::{self, World};

const DAY: i64 = 24 * 3600;

mod weekly {
    /// The action.
    pub type PauseWeekly = super::Switched<super::Weekly>;
}

guardrails_aws::catalog! {
    /// An action for a service that starts paused resources again after seven days.
    WEEKLY:
    weekly::PauseWeekly,
}

/// App Runner, if it started services again after seven days.
pub struct Weekly {
    services: AppServices,
    keep_large: bool,
}

/// Keys of its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Keys {
    /// Leave large services alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep_large: bool,
    /// For how many weeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    weeks: Option<u32>,
}

impl Options for Keys {
    fn check(&self) -> Result<(), String> {
        if self.weeks == Some(0) { Err("`weeks` is 0: name at least one".to_owned()) } else { Ok(()) }
    }
}

#[async_trait]
impl Switch for Weekly {
    const ABOUT: About = About::new("pause-weekly", "pauses services for a week at a time", "resumes them");
    const TARGET: Counted = Counted { facet: "weekly", noun: Noun { one: "service", many: "services" }, ..AppServices::TARGET };
    const RESOURCE: Resource = AppServices::RESOURCE;
    const CODES: Codes = Codes { not_for_it: &["AccessDeniedException"], ..AppServices::CODES };
    const DRIFT: Drift = Drift::ReapplyAfter(7 * DAY);
    const OPT_IN: Option<OptIn> = Some(OptIn {
        key: "memory-is-disposable",
        means: "Must be `true`: memory is lost.",
        refusal: "this loses memory: say `memory-is-disposable: true`",
    });
    const PATIENCE: Patience = AppServices::PATIENCE;
    type Options = Keys;
    type Item = Described;

    fn new(context: &Context<'_>, keys: &Keys) -> Self {
        Self { services: AppServices::new(context, &NoOptions {}), keep_large: keys.keep_large }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Described>, ActionError> {
        self.services.list(which).await
    }

    fn found(&self, item: &Described) -> Found {
        let found = self.services.found(item);
        let large = self.keep_large && found.label == "service web";
        Found { left_alone: large.then(|| "it is large".to_owned()), ..found }
    }

    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        self.services.set(id, to, calling).await
    }
}

fn params() -> Json {
    json!({"tag": {"Project": "Beta"}, "memory-is-disposable": true})
}

struct Lab {
    world: Arc<World>,
    harness: Harness,
    run: Run,
}

impl Lab {
    /// Two services, and a run that has paused those in its scope.
    async fn paused(params: Json) -> Self {
        let world = Arc::new(World::default());
        for name in ["web", "worker"] {
            world.account().thing(&APP_RUNNER, service(world::HOME, name, "RUNNING", "Project=Beta"));
        }
        let make = world::of_catalog(&WEEKLY, &world, &[], Pace::default());
        let harness = Harness::new(world.clock.clone(), world.gate.clone(), |store| store, make);
        let spec = ActionSpec { name: "pause-weekly".parse().unwrap(), params };
        let (target, guardrail) = stage("beta 80%", vec![vec![spec]]);
        let Begun::Started(run) = harness.alert(&target, &guardrail).await.unwrap() else { panic!("no run began") };
        let run = harness.open(&run).await.unwrap();
        harness.execute(Direction::Apply, &run.id).await.unwrap();
        Self { world, harness, run }
    }

    fn set(&self, name: &str, state: &'static str) {
        self.world.account().things.values_mut().filter(|thing| thing.name == name).for_each(|thing| thing.set(state));
    }

    fn is(&self, name: &str) -> String {
        self.world.account().snapshot()[name].clone()
    }

    /// A look of the reconciler, so many seconds later.
    async fn look_after(&self, seconds: i64) {
        self.harness.wait(seconds).await;
        let Rescanned::Started(again) = self.harness.runs().rescan(&self.run.id).await.unwrap() else { panic!("no look") };
        self.harness.open(&again).await.unwrap();
        self.harness.execute(Direction::Apply, &self.run.id).await.unwrap();
    }

    async fn step(&self, name: &str) -> Step {
        let run = self.harness.truth.run(&self.run.id).await.unwrap().unwrap().value;
        let steps = self.harness.runs().steps(&run).await.unwrap();
        steps.into_iter().find(|step| step.label == format!("service {name}")).unwrap()
    }
}

#[tokio::test]
async fn early_restart_is_a_person_s_and_is_reported() {
    let lab = Lab::paused(params()).await;
    lab.set("web", "RUNNING");
    for _ in 0..3 {
        lab.look_after(2 * DAY).await;
        assert_eq!(lab.is("web"), "RUNNING");
    }
    let reason = lab.step("web").await.reason.unwrap();
    assert!(reason.contains("somebody made it running meanwhile: it is left so"), "{reason}");
}

#[tokio::test]
async fn restart_after_seven_days_is_the_service_s_and_reapplied() {
    let lab = Lab::paused(params()).await;
    for week in 1..=3 {
        // Looks between them, at which nothing is otherwise, take nothing from the time.
        lab.look_after(3 * DAY).await;
        lab.harness.wait(4 * DAY).await;
        lab.set("web", "RUNNING");
        lab.look_after(60).await;
        assert_eq!(lab.is("web"), "PAUSED", "week {week}");
    }
    lab.harness.ask_back(&lab.run.id, &[], false).await;
    lab.harness.execute(Direction::Rollback, &lab.run.id).await.unwrap();
    assert_eq!((lab.is("web"), lab.is("worker")), ("RUNNING".to_owned(), "RUNNING".to_owned()));
}

#[tokio::test]
async fn service_launched_while_held_is_paused_too() {
    let lab = Lab::paused(params()).await;
    lab.world.account().thing(&APP_RUNNER, service(world::HOME, "late", "RUNNING", "Project=Beta"));
    lab.look_after(DAY).await;
    assert_eq!(lab.is("late"), "PAUSED");
    assert!(lab.step("late").await.late);
}

#[tokio::test]
async fn keys_of_the_action_reach_it() {
    let mut params = params();
    params["keep-large"] = json!(true);
    let lab = Lab::paused(params).await;
    assert_eq!((lab.is("web"), lab.is("worker")), ("RUNNING".to_owned(), "PAUSED".to_owned()));
    assert_eq!(lab.step("web").await.reason.as_deref(), Some("it is large"));
}

#[tokio::test]
async fn deleted_service_is_gone_and_costs_nothing() {
    let lab = Lab::paused(params()).await;
    lab.world.account().things.retain(|_, thing| thing.name != "web");
    lab.set("worker", "DELETED");
    lab.harness.ask_back(&lab.run.id, &[], false).await;
    lab.harness.execute(Direction::Rollback, &lab.run.id).await.unwrap();
    let (web, worker) = (lab.step("web").await.reason.unwrap(), lab.step("worker").await.reason.unwrap());
    assert!(web.contains("nothing to put back: the service arn:aws:apprunner") && web.ends_with("is there no more"), "{web}");
    assert_eq!(worker, "nothing to put back: it is deleted");
}

#[test]
fn parameters_are_checked_and_read_back_as_stored() {
    let read = |params: Json| {
        WEEKLY.find("pause-weekly").unwrap().read(&params).map(drop).map_err(|error| {
            std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                .map(ToString::to_string)
                .collect::<String>()
        })
    };
    read(params()).unwrap();
    for (more, words) in [
        (json!({"weeks": 0}), "`weeks` is 0"),
        (json!({"weeks": "two"}), "invalid type"),
        (
            json!({"keep": true}),
            "unknown field `keep`, expected one of `tag`, `regions`, `exempt`, `memory-is-disposable`, `keep-large`",
        ),
        (json!({"memory-is-disposable": false}), "this loses memory"),
        (json!({"memory-is-disposable": null}), "invalid type"),
    ] {
        let mut all = params();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = read(all).unwrap_err();
        assert!(error.contains(words), "{more}: {error}");
    }
    assert!(read(json!({"tag": {"Project": "Beta"}})).unwrap_err().contains("missing field `memory-is-disposable`"));
    let full = json!({"tag": {"Project": "Beta"}, "regions": ["eu-west-1"], "exempt": {"id": ["a"]}, "memory-is-disposable": true, "weeks": 2});
    let declared: weekly::PauseWeekly = serde_json::from_value(full.clone()).unwrap();
    assert_eq!(json!(declared), full);
}

#[test]
fn schema_has_the_action_s_own_keys() {
    let schema = serde_json::to_value(WEEKLY.schema()).unwrap();
    let action = &schema["$defs"]["PauseWeekly"];
    let keys: Vec<&String> = action["properties"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["tag", "regions", "exempt", "memory-is-disposable", "keep-large", "weeks"]);
    assert_eq!(action["required"], json!(["tag", "memory-is-disposable"]));
    assert_eq!(action["properties"]["keep-large"]["description"], "Leave large services alone.");
}
