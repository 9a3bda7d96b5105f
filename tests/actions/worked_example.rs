//! The worked example of CONTRIBUTING.md. `pause-app-services` is an action for a service that the product does not know: one
//! file, in a catalogue of the test's own. It passes the whole suite of an action, and nothing else was edited for it.
//! The service needs two things besides: its SDK crate in `tests/Cargo.toml`, and its double.

pub mod double;
pub mod pause_app_services;
pub mod recorded;

use std::collections::{BTreeMap, BTreeSet};

use guardrails_aws::actions::stop_instances;
use guardrails_aws::documents;
use guardrails_model::config::Config;
use guardrails_model::ids::{Nonce, Value};
use guardrails_model::pace::Pace;
use guardrails_model::record::Direction;
use guardrails_model::runs::Begun;
use serde_json::{Value as Json, json};

use self::double::{APP_RUNNER, service};
use super::sweep::lab::{Meets, Place, Scenario};
use super::sweep::sabotage::Sabotage;
use super::sweep::sweeps::Sweep;
use crate::harness::{Harness, stage};
use crate::world::{self, Account, Kind, World};

guardrails_aws::catalog! {
    /// The example's actions: its own, and one of the product's.
    EXAMPLE:
    pause_app_services::PauseAppServices,
    stop_instances::StopInstances,
}

const NAME: &str = "pause-app-services";

fn add(account: &mut Account, name: &str, state: &'static str, tags: &str) {
    account.thing(&APP_RUNNER, service(world::HOME, name, state, tags));
}

/// On two pages: two services in scope, one that is paused already, and one with another tag.
fn few(account: &mut Account) {
    add(account, "web", "RUNNING", "Project=Beta");
    add(account, "worker", "RUNNING", "Project=Beta Stage=dev");
    add(account, "resting", "PAUSED", "Project=Beta");
    add(account, "other", "RUNNING", "Project=Gamma");
}

/// The same, and two that are left alone.
fn services(account: &mut Account) {
    few(account);
    add(account, "kept", "RUNNING", "Project=Beta guardrails:exempt=yes");
    add(account, "broken", "CREATE_FAILED", "Project=Beta");
}

fn params() -> Json {
    json!({"tag": {"Project": "Beta"}})
}

fn scenario(meets: Meets, place: fn() -> Place) -> Scenario {
    Scenario {
        name: NAME,
        actions: vec![(NAME, params())],
        scope: &["web", "worker"],
        enforced: &[("web", "PAUSED"), ("worker", "PAUSED")],
        refused: 0,
        disposable: &[],
        meets,
        place,
    }
}

fn all() -> Scenario {
    scenario(Meets::All, || Place::of_catalog(&EXAMPLE, few))
}

/// The same, where reads that are alike meet one fault.
fn different() -> Scenario {
    scenario(Meets::Different, || Place::of_catalog(&EXAMPLE, few))
}

fn lagging() -> Scenario {
    let place = || {
        Place::of_catalog(&EXAMPLE, |account| {
            few(account);
            account.lag = 3;
        })
    };
    scenario(Meets::Different, place)
}

#[tokio::test]
async fn plan_cut_anywhere_is_made_again() {
    let all = all();
    let mut sweep = Sweep::new(&all, None);
    Box::pin(sweep.plan()).await;
    sweep.assert_clean();
}

#[tokio::test]
async fn pausing_cut_anywhere_ends_well() {
    for scenario in [all(), lagging()] {
        let mut sweep = Sweep::new(&scenario, None);
        sweep.apply().await;
        sweep.assert_clean();
    }
}

#[tokio::test]
async fn resuming_cut_anywhere_ends_well() {
    for scenario in [all(), lagging()] {
        let mut sweep = Sweep::new(&scenario, None);
        sweep.rollback().await;
        sweep.assert_clean();
    }
}

#[tokio::test]
async fn callers_that_stall_do_no_harm() {
    let different = different();
    let mut sweep = Sweep::new(&different, None);
    sweep.stalled_apply().await;
    sweep.stalled_twin().await;
    sweep.stalled_rollback().await;
    sweep.assert_clean();
}

#[tokio::test]
async fn control_sabotaged_ledgers_are_found_out() {
    for sabotage in [Sabotage::NoWriteAhead, Sabotage::FailedStepsAreNotUndone, Sabotage::NoLease] {
        let different = different();
        let mut sweep = Sweep::new(&different, Some(sabotage));
        sweep.apply().await;
        let world = sweep.found.iter().filter(|wrong| wrong.contains("the world is not as before")).count();
        assert!(world > 0, "the sweep does not notice {sabotage:?}: {:#?}", sweep.found);
    }
}

fn file(action: &str) -> String {
    format!(
        "version: 1\nguardrails:\n  beta:\n    budget: {{ amount: 2 USD, period: monthly, tag: {{ Project: Beta }} }}\n    stages:\n      \
         - at: 80% actual\n        do:\n          - {action}\n"
    )
}

fn config() -> Config {
    EXAMPLE.parse("guardrails.yaml", &file("pause-app-services: { tag: { Project: Beta } }")).unwrap()
}

#[test]
fn file_and_schema_take_its_parameters_and_no_others() {
    let schema = serde_json::to_value(EXAMPLE.schema()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let fits = |text: &str| schema.is_valid(&serde_saphyr::from_str::<Json>(text).unwrap());
    for good in [
        "{ tag: { Project: Beta } }",
        "{ tag: { Project: [Beta, Gamma] }, regions: [eu-west-1], exempt: { tag: { Stage: prod }, id: [arn] } }",
    ] {
        let text = file(&format!("pause-app-services: {good}"));
        let read = EXAMPLE.parse("guardrails.yaml", &text).unwrap();
        assert!(fits(&text), "{good}");
        let stored = &read.guardrails.values().next().unwrap().stages[0].waves[0][0];
        assert_eq!(json!(EXAMPLE.find(NAME).unwrap().read(&stored.params).is_ok()), json!(true), "what is stored is read back");
    }
    for (bad, words) in [
        ("{ tags: { Project: Beta } }", "unknown field `tags`, expected one of `tag`, `regions`, `exempt`; did you mean `tag`?"),
        ("{ regions: all }", "the key `tag` is missing"),
        ("{ tag: { } }", "`tag` is empty: name at least one tag of the App Runner services"),
        ("{ tag: { Project: Beta }, regions: some }", "expected `all`, or a list of Regions"),
    ] {
        let text = file(&format!("pause-app-services: {bad}"));
        let error = EXAMPLE.parse("guardrails.yaml", &text).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("guardrails.yaml:8:") && error.contains('^'), "{bad}:\n{error}");
        assert!(!fits(&text) || bad.contains("{ }"), "{bad}");
    }
    let unknown = guardrails_aws::actions::CATALOG.parse("guardrails.yaml", &file("pause-app-services: { tag: { A: b } }"));
    assert!(unknown.is_err(), "the product's own catalogue does not know it");
}

/// A world, and a run of the action in it that is planned.
async fn opened(fill: impl FnOnce(&mut Account)) -> (std::sync::Arc<World>, Harness, guardrails_model::record::Run) {
    let world = std::sync::Arc::new(World::default());
    fill(&mut world.account());
    let make = world::of_catalog(&EXAMPLE, &world, &[], Pace::default());
    let harness = Harness::new(world.clock.clone(), world.gate.clone(), |store| store, make);
    let spec = config().guardrails.values().next().unwrap().stages[0].waves[0][0].clone();
    let (target, guardrail) = stage("beta 80%", vec![vec![spec]]);
    let Begun::Started(run) = harness.alert(&target, &guardrail).await.unwrap() else { panic!("no run began") };
    let run = harness.open(&run).await.unwrap();
    (world, harness, run)
}

async fn steps(harness: &Harness, run: &guardrails_model::record::Run) -> Vec<guardrails_model::record::Step> {
    let run = harness.truth.run(&run.id).await.unwrap().unwrap().value;
    harness.runs().steps(&run).await.unwrap()
}

#[tokio::test]
async fn plan_counts_by_noun_and_prices_by_kind() {
    let (_, harness, run) = opened(services).await;
    let steps = steps(&harness, &run).await;
    let parts = [(run.parts[0].clone(), steps)];
    let (target, _) = stage("beta 80%", Vec::new());
    let prices = "us-east-1: { \"512 CPU 1024 MB\": 0.039 }";
    let words = guardrails_cli::plan_words(&EXAMPLE, &target, parts.clone(), Some(prices)).unwrap();
    for line in [
        "pause-app-services in us-east-1: 2 to change, 1 as wanted already, 2 left alone",
        "service web, 512 CPU 1024 MB: running -> paused; what it keeps in memory will be gone",
        "service kept, 512 CPU 1024 MB: running, left alone (it carries the tag guardrails:exempt)",
        "service broken, 512 CPU 1024 MB: create failed, left alone (it was never made)",
        "besides what each App Runner service takes: pausing: under a minute; resuming: under a minute",
        "stops costing $0.078 an hour on demand, for 2 App Runner services that the price list has",
    ] {
        assert!(words.contains(line), "{line}:\n{words}");
    }
    let none = guardrails_cli::plan_words(&EXAMPLE, &target, parts.clone(), Some("t3.micro: 1")).unwrap();
    assert!(none.contains("2 App Runner services: 2 512 CPU 1024 MB in us-east-1"), "{none}");
    // Many are summed up.
    let (part, some) = parts.into_iter().next().unwrap();
    let one = some.iter().find(|step| step.label.contains("web")).unwrap();
    let many: Vec<_> = (0..60).map(|_| guardrails_model::record::Step { token: Nonce::fresh(), ..one.clone() }).collect();
    let words = guardrails_cli::plan_words(&EXAMPLE, &target, [(part, many)], None).unwrap();
    assert!(words.contains("    60 App Runner services\n"), "{words}");
}

#[test]
fn documents_and_template_have_it() {
    let row = "| [`pause-app-services`](#pause-app-services) | pauses the App Runner services that carry the tags, in all Regions | \
               resumes just the services that it paused |\n";
    let page = documents::actions(&EXAMPLE);
    assert!(page.contains(row), "{page}");
    let parameters = page.split("\n## pause-app-services\n").nth(1).unwrap();
    assert!(parameters.contains("| `tag` | ") && parameters.contains("\n### pause-app-services: exempt\n"), "{parameters}");
    let rights = documents::rights(&EXAMPLE, &config()).unwrap();
    assert!(
        rights.contains("| `pause-app-services` | apply, rollback | apprunner:PauseService apprunner:ResumeService | "),
        "{rights}"
    );
    let operator =
        documents::operator(&EXAMPLE, &config(), &json!({"Statement": [{"Sid": "Kept"}, {"Sid": "PlanOld"}]})).unwrap();
    let statements: Vec<&str> = operator["Statement"].as_array().unwrap().iter().filter_map(|one| one["Sid"].as_str()).collect();
    assert_eq!(statements, ["Kept", "PlanAnywhere", "PlanService"], "an operator reads with it what its plan reads");
    let template = guardrails_template::render_of(&EXAMPLE, &config(), "functions.zip").unwrap();
    for resource in ["Role", "Function", "Log", "ErrorAlarm"] {
        assert!(template["Resources"][format!("PauseAppServices{resource}")].is_object(), "{resource}");
    }
    let product = guardrails_template::artifacts::functions();
    let functions = guardrails_template::artifacts::functions_of(&EXAMPLE);
    assert!(functions.contains(&NAME) && !product.contains(&NAME));
}

/// Each call of a whole life is granted, each grant is used; `cargo xtask rights` has an evaluator of its own judge the same.
#[tokio::test]
async fn each_call_is_granted_and_each_grant_is_used() {
    let (world, harness, run) = opened(services).await;
    harness.execute(Direction::Apply, &run.id).await.unwrap();
    harness.ask_back(&run.id, &[], false).await;
    harness.execute(Direction::Rollback, &run.id).await.unwrap();
    let grants = EXAMPLE.find(NAME).unwrap().grants(&config()).unwrap();
    let calls = world.account().told.clone();
    let regions = ("ec2:DescribeRegions".to_owned(), "*".to_owned(), BTreeMap::new());
    let calls: Vec<recorded::Called> = calls.into_iter().chain([regions]).collect();
    recorded::hold_against(&grants, &calls);
    recorded::write(&EXAMPLE, NAME, &config(), &calls);
}

#[tokio::test]
async fn service_without_its_tag_is_named_when_refused() {
    let (world, harness, run) = opened(|account| {
        services(account);
        account.granted = Some(("Project", "Beta"));
    })
    .await;
    harness.execute(Direction::Apply, &run.id).await.unwrap();
    for thing in world.account().things.values_mut().filter(|thing| thing.name == "web") {
        thing.tags.clear();
    }
    harness.ask_back(&run.id, &[], false).await;
    harness.execute(Direction::Rollback, &run.id).await.unwrap();
    let steps = steps(&harness, &run).await;
    let reason = steps.iter().find(|step| step.label == "service web").unwrap().reason.clone().unwrap();
    assert!(reason.contains("does not carry Project=Beta any more: give it back, and roll back again"), "{reason}");
    assert_eq!(world.account().snapshot()["worker"], "RUNNING", "one that is refused costs the others nothing");
}

#[tokio::test]
async fn service_that_is_exempted_after_the_plan_is_left_alone() {
    let (world, harness, run) = opened(services).await;
    for thing in world.account().things.values_mut().filter(|thing| thing.name == "web") {
        thing.tags.insert("guardrails:release".to_owned(), String::new());
    }
    harness.execute(Direction::Apply, &run.id).await.unwrap();
    let is = world.account().snapshot();
    assert_eq!((is["web"].as_str(), is["worker"].as_str()), ("RUNNING", "PAUSED"));
}

#[tokio::test]
async fn services_of_the_stack_itself_are_left_alone() {
    let (_, harness, run) = opened(|account| {
        account
            .thing(&APP_RUNNER, service(world::HOME, "own", "RUNNING", "Project=Beta aws:cloudformation:stack-name=guardrails"));
    })
    .await;
    let told: Vec<_> = steps(&harness, &run).await.into_iter().map(|step| (step.label, step.reason)).collect();
    assert_eq!(told, [("service own".to_owned(), Some("the guardrails themselves stand on it".to_owned()))]);
}

#[tokio::test]
async fn resumed_service_is_paused_again_at_the_next_look() {
    let (world, harness, run) = opened(services).await;
    harness.execute(Direction::Apply, &run.id).await.unwrap();
    for thing in world.account().things.values_mut().filter(|thing| thing.name == "web") {
        thing.set("RUNNING");
    }
    let guardrails_model::runs::Rescanned::Started(again) = harness.runs().rescan(&run.id).await.unwrap() else {
        panic!("no look")
    };
    harness.open(&again).await.unwrap();
    harness.execute(Direction::Apply, &run.id).await.unwrap();
    assert_eq!(world.account().snapshot()["web"], "PAUSED");
}

#[tokio::test]
async fn receipts_name_the_request_that_paused() {
    let (_, harness, run) = opened(services).await;
    harness.execute(Direction::Apply, &run.id).await.unwrap();
    for step in steps(&harness, &run).await.iter().filter(|step| step.before == Some(Value::new("running"))) {
        let events = json!(step.events).to_string();
        assert!(events.contains("apprunner:PauseService") && events.contains("request-"), "{events}");
    }
}

#[tokio::test]
async fn throttled_pause_is_asked_again() {
    let (world, harness, run) = opened(|account| {
        services(account);
        account.throttled.insert("PauseService".to_owned(), 2);
    })
    .await;
    harness.execute(Direction::Apply, &run.id).await.unwrap();
    assert_eq!(world.account().snapshot()["web"], "PAUSED");
}

#[tokio::test]
async fn lost_answer_is_not_taken_for_a_refusal() {
    let (world, harness, run) = opened(services).await;
    harness.gate.arm_for("PauseService", Kind::LostAnswer);
    harness.execute(Direction::Apply, &run.id).await.unwrap();
    let ended: BTreeSet<String> = steps(&harness, &run).await.iter().map(|step| step.phase.to_string()).collect();
    assert_eq!(ended, BTreeSet::from(["applied".to_owned(), "skipped".to_owned()]));
    assert_eq!(world.account().snapshot()["web"], "PAUSED");
}

/// A new service's first test fails so, until it has a double.
#[tokio::test]
#[should_panic(expected = "there is no double of the service AppRunner")]
async fn service_without_a_double_is_noticed() {
    let world = std::sync::Arc::new(World::default());
    let _ = aws_sdk_apprunner::Client::new(&world.config()).list_services().send().await;
}
