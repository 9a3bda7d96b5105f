//! Ledgers that the first version wrote are read, shown and rolled back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use guardrails_aws::actions::CATALOG;
use guardrails_model::clock::Clock;
use guardrails_model::config::Config;
use guardrails_model::decide::{Decision, Target, decide};
use guardrails_model::envelope::Message;
use guardrails_model::ids::{Nonce, RunId};
use guardrails_model::ledger::{Key, Store, Write};
use guardrails_model::phase::Phase;
use guardrails_model::record::{Direction, Run, RunState};
use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::{Begun, Grounds, Workflow, execution_name, input};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::story::{ANN, Story};
use crate::world::{Account, Instance, Power};

/// A ledger at one moment, and the account.
#[derive(Deserialize)]
struct Old {
    at: Timestamp,
    before: Picture,
    now: Picture,
    items: Vec<OldItem>,
}

#[derive(Deserialize)]
struct OldItem {
    pk: String,
    sk: String,
    rev: u64,
    nonce: Nonce,
    doc: Json,
}

#[derive(Deserialize)]
struct Picture {
    instances: Vec<OldInstance>,
    groups: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct OldInstance {
    id: String,
    power: String,
    becomes: Option<Becomes>,
}

#[derive(Deserialize)]
struct Becomes {
    at: Timestamp,
    power: String,
}

const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";
/// The file from which the old ledgers' definition was made.
const FILE: &str = "
version: 1
operators: [arn:aws:iam::123456789012:role/FinOps]
guardrails:
  project-beta:
    budget:
      amount: 2 USD
      period: monthly
      service: [Amazon Elastic Compute Cloud - Compute]
      tag: { Project: Beta }
    stages:
      - at: 80% forecasted
        do: [notify]
      - at: 80% actual
        do:
          - stop-instances: { tag: { Project: Beta } }
      - at: 100% actual
        do:
          - swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }
          - stop-instances: { tag: { Project: Beta } }
";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("model/fixtures/ledger-format-1")
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|file| file.strip_suffix(".json").map(str::to_owned)).collect();
    names.sort();
    names
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap()
}

fn power(word: &str) -> Power {
    match word {
        "Pending" => Power::Pending,
        "Running" => Power::Running,
        "Stopping" => Power::Stopping,
        "Stopped" => Power::Stopped,
        other => panic!("{other}"),
    }
}

impl Picture {
    fn fill(&self, account: &mut Account) {
        for old in &self.instances {
            let tags = match old.id.as_str() {
                "i-1" => "Project=Beta Name=web-1",
                "i-4" => "Project=Gamma",
                _ => "Project=Beta",
            };
            let mut instance = Instance::new(&old.id, power(&old.power), tags);
            instance.becomes = old.becomes.as_ref().map(|becomes| (becomes.at, power(&becomes.power)));
            account.instance(if old.id == "i-5" { instance.in_group("fleet") } else { instance });
        }
        account.policy(READ_ONLY);
        for (name, policies) in &self.groups {
            account.group(name, &policies.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}

/// The ledger `name` and its account, as the old version left them; and the state before.
async fn left(name: &str) -> (Story, Vec<String>) {
    let old: Old = serde_json::from_str(&text(name)).unwrap();
    let before = Story::of(|account| old.before.fill(account)).is();
    let story = Story::of(|account| old.now.fill(account));
    story.world.clock.advance((old.at - story.world.clock.now()).get_seconds());
    for item in old.items {
        let key = Key { pk: item.pk, sk: item.sk };
        for expect in 0..item.rev {
            let write = Write { key: key.clone(), expect, doc: item.doc.clone() };
            story.harness.memory.commit(&item.nonce, &[write]).await.unwrap();
        }
    }
    (story, before)
}

async fn runs(story: &Story) -> Vec<Run> {
    let runs = story.harness.truth.runs(None).await.unwrap();
    runs.into_iter().map(|run| run.value).collect()
}

async fn only_run(story: &Story) -> RunId {
    let runs = runs(story).await;
    assert_eq!(runs.len(), 1);
    runs[0].id.clone()
}

/// Nothing of the run is held, and nothing of it is left to do.
async fn let_go(story: &Story, run: &RunId) {
    assert_eq!(story.state(run).await, "rolled back");
    for step in story.steps(run).await {
        assert!(step.phase.is_final(), "{} is {}", step.facet, step.phase);
        let facets = story.harness.truth.facets(std::slice::from_ref(&step.facet)).await.unwrap();
        let held = facets.values().any(|facet| facet.value.holders.contains_key(&step.holder()));
        assert!(!held, "{} is held", step.facet);
    }
}

/// As the version read it that wrote the records: it asked nobody who can still launch.
fn config() -> Config {
    let mut config = CATALOG.parse("guardrails.yaml", FILE).unwrap();
    config.guardrails.values_mut().flat_map(|guardrail| &mut guardrail.stages).for_each(|stage| stage.verify = None);
    config
}

/// The outcome of an alert for the stage `at` in `period`.
async fn alert(story: &Story, at: &str, period: &str) -> Begun {
    let config = config();
    let (name, guardrail) = config.guardrails.iter().next().unwrap();
    let target = Target { guardrail: name.clone(), stage: at.parse().unwrap(), period: period.to_owned(), simulated: false };
    story.harness.runs().begin(&target, &config, guardrail, "digest", &Grounds::default()).await.unwrap()
}

#[tokio::test]
async fn every_record_is_read_and_every_run_is_shown_with_its_alert() {
    assert_eq!(names().len(), 10);
    for name in names() {
        let (story, _) = left(&name).await;
        let ledger = &story.harness.truth;
        assert_eq!(ledger.config().await.unwrap(), config(), "{name}");
        for run in runs(&story).await {
            let report = Report::of(ledger, run.clone(), Keep::ALL).await.unwrap();
            let shown = report.text();
            assert!(shown.starts_with(&format!("project-beta: {} at ", run.state.words())), "{name}: {shown}");
            assert!(report.steps.iter().all(|step| shown.contains(&step.label)), "{name}: {shown}");
            assert!(!run.events.is_empty() && report.steps.iter().all(|step| !step.events.is_empty()), "{name}");
            let alert = ledger.alert(&run.alert).await.unwrap().unwrap();
            let message = Message { text: alert.text, ..Message::default() };
            let today = "2026-11-23".parse().unwrap();
            let decision = decide(&message, &config().guardrails, "123456789012", today);
            let Decision::Enforce { target, .. } = decision else { panic!("{name}: {decision:?}") };
            assert_eq!(target, run.target(), "{name}");
        }
        let all: Old = serde_json::from_str(&text(&name)).unwrap();
        let found = guardrails_fuzz::ledger::check(&text(&name));
        assert_eq!((found.read, found.shown), (all.items.len(), runs(&story).await.len()), "{name}");
    }
}

#[tokio::test]
async fn a_run_is_told_as_it_was_written() {
    let (story, _) = left("died-applying").await;
    let run = only_run(&story).await;
    assert_eq!(
        story.told(&run).await,
        [
            "AmazonEC2FullAccess of group ProjectBeta: applied",
            "AmazonEC2ReadOnlyAccess of group ProjectBeta: applied",
            "i-1 (web-1): applying",
            "i-2: applying",
            "i-3: skipped (it was stopped already)",
            "i-5: skipped (it is a member of the Auto Scaling group fleet, which would take it for unhealthy and terminate it)",
        ]
    );
}

#[tokio::test]
async fn run_left_at_any_stage_is_put_back_to_the_values_before() {
    for name in names() {
        let (story, before) = left(&name).await;
        for run in runs(&story).await {
            story.put_back(&run.id).await;
        }
        story.hour().await;
        assert_eq!(story.is(), before, "{name}");
        for run in runs(&story).await.into_iter().filter(|run| run.state != RunState::Notified) {
            let_go(&story, &run.id).await;
        }
        assert!(story.terminated().is_empty(), "{name}");
        assert!(story.harness.truth.open_runs(None).await.unwrap().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn the_last_of_two_stages_to_leave_puts_back() {
    let (story, before) = left("two-stages").await;
    let all = runs(&story).await;
    let enforced = story.is();
    story.put_back(&all[1].id).await;
    story.hour().await;
    assert_eq!(story.is(), enforced);
    assert!(story.told(&all[1].id).await[0].contains("`project-beta` still holds it"), "{:?}", story.told(&all[1].id).await);
    story.put_back(&all[0].id).await;
    story.hour().await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn run_of_dead_function_is_taken_up_by_next_alert_and_put_back() {
    for name in ["died-opening", "died-swapping", "died-applying"] {
        let (story, before) = left(name).await;
        // The execution that the ledger speaks of has died too.
        let run = &runs(&story).await[0];
        story.harness.workflow.start(&execution_name(run), &input(run)).await.unwrap();
        story.harness.workflow.end_all();
        let Begun::Started(run) = alert(&story, "100% actual", "2026-11").await else { panic!("{name}: not taken up") };
        assert_eq!(run.id, only_run(&story).await, "{name}");
        story.harness.open(&run).await.unwrap();
        story.apply(&run.id).await;
        assert_eq!(story.state(&run.id).await, "enforced", "{name}");
        let is = story.is();
        assert!(is.contains(&"i-1 Stopped".to_owned()) && is.contains(&"i-4 Running".to_owned()), "{name}: {is:?}");
        story.put_back(&run.id).await;
        story.hour().await;
        assert_eq!(story.is(), before, "{name}");
    }
}

#[tokio::test]
async fn dead_rollback_of_one_instance_ends_and_the_rest_can_follow() {
    let (story, before) = left("died-going-back-in-part").await;
    let run = only_run(&story).await;
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    let phases = |steps: Vec<guardrails_model::record::Step>, phase| steps.iter().filter(|step| step.phase == phase).count();
    assert_eq!(phases(story.steps(&run).await, Phase::RolledBack), 1);
    assert_eq!((story.state(&run).await, phases(story.steps(&run).await, Phase::Applied)), ("enforced", 3));
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!(story.is(), before);
    let_go(&story, &run).await;
}

#[tokio::test]
async fn change_of_a_person_under_an_old_hold_is_left_theirs() {
    let (story, _) = left("enforced").await;
    let run = only_run(&story).await;
    story.world.account().groups.get_mut("ProjectBeta").unwrap().attached.retain(|arn| arn != READ_ONLY);
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(
        told.contains(&"AmazonEC2ReadOnlyAccess of group ProjectBeta: rolled back (somebody made it detached already)".into())
    );
    let_go(&story, &run).await;
}

#[tokio::test]
async fn alerts_find_the_old_slots() {
    let (story, _) = left("enforced").await;
    assert!(matches!(alert(&story, "100% actual", "2026-11").await, Begun::Already(_)));
    let (story, _) = left("notified").await;
    assert!(matches!(alert(&story, "80% forecasted", "2026-11").await, Begun::Already(_)));
    let (story, _) = left("died-going-back").await;
    assert!(matches!(alert(&story, "100% actual", "2026-11").await, Begun::GoingBack(_)));
}

#[tokio::test]
async fn released_stage_stays_so_until_rearm_or_end_of_period() {
    let (story, before) = left("rolled-back").await;
    let Begun::Released(released) = alert(&story, "100% actual", "2026-11").await else { panic!("not released") };
    assert_eq!((released.by.as_str(), released.why.as_str()), (ANN, "because"));
    assert_eq!(story.is(), before);

    let Begun::Started(next) = alert(&story, "100% actual", "2026-12").await else { panic!("not begun") };
    let first = runs(&story).await.into_iter().find(|run| run.id != next.id).unwrap();
    assert!(story.harness.runs().rearm(&first.target()).await.unwrap());
    let Begun::Started(again) = alert(&story, "100% actual", "2026-11").await else { panic!("not begun") };
    for run in [&next, &again] {
        story.harness.open(run).await.unwrap();
        story.apply(&run.id).await;
    }
    assert!(story.is().contains(&"i-1 Stopped".to_owned()));
    for run in [&next, &again] {
        story.put_back(&run.id).await;
    }
    story.hour().await;
    assert_eq!(story.is(), before);
}

/// `Custom::OpenRuns` compares them: a new version of the same file must not be refused while an old run is open.
#[tokio::test]
async fn an_old_run_s_actions_are_those_of_the_same_file_today() {
    let (story, _) = left("enforced").await;
    let run = &runs(&story).await[0];
    let config = config();
    let stage = config.guardrails[&run.guardrail].stage(run.stage).unwrap().clone();
    let today: Vec<(String, Json)> = stage.waves.into_iter().flatten().map(|spec| (spec.name.to_string(), spec.params)).collect();
    let then: Vec<(String, Json)> = run.parts.iter().map(|part| (part.action.to_string(), part.params.clone())).collect();
    assert_eq!(then, today);
}
