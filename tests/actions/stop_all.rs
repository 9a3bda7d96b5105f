//! A stage of one line, `stop-all`, over an account that has some of everything.

use guardrails_aws::actions::CATALOG;
use guardrails_model::config::Config;
use guardrails_model::ids::RunId;

use crate::harness::stage;
use crate::story::{Story, running};
use crate::world::{Account, Database, Does, EcsService, Schedule, Warehouse};

fn fill(account: &mut Account) {
    account.instance(running("i-1")).instance(running("i-2"));
    account.database(Database::instance("orders", "mysql", "Project=Beta"));
    account.database(Database::instance("ledger", "mysql", "Project=Beta"));
    account.ecs_service(EcsService::new("beta/web", 3, "Project=Beta"));
    account.warehouse(Warehouse::new("reports", "Project=Beta"));
    account.schedule(Schedule::new("nightly", "reports", Does::Resume));
    account.page = 50;
}

fn config() -> Config {
    let text = "version: 1\nguardrails:\n  beta:\n    budget: { amount: 2 USD, period: monthly, tag: { Project: Beta } }\n    stages:\n      \
                - at: 80% actual\n        do:\n          - stop-all: { tag: { Project: Beta }, set: 1, exempt: { id: [i-2, ledger] } }\n";
    CATALOG.parse("guardrails.yaml", text).unwrap()
}

/// A run of the stage, planned.
async fn open(story: &Story) -> RunId {
    let waves = config().guardrails.values().next().unwrap().stages[0].waves.clone();
    story.open_waves("beta 80%", waves).await
}

#[tokio::test]
async fn one_line_stops_everything_and_gives_it_back() {
    let story = Story::of(fill);
    let before = story.is();
    let run = open(&story).await;
    story.apply(&run).await;
    let held = [
        "beta/web tasks 0 of 0",
        "i-1 Stopped",
        "i-2 Running",
        "ledger available",
        "nightly schedule DISABLED",
        "orders stopped",
        "reports paused",
    ];
    assert_eq!(story.is(), held, "{:#?}", story.told(&run).await);
    let parts = story.load(&run).await.parts;
    let actions: Vec<&str> = parts.iter().map(|part| part.action.as_str()).collect();
    assert!(actions.contains(&"pause-clusters") && !actions.contains(&"stop-all"), "the record has single actions: {actions:?}");
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn plan_names_each_action_with_its_targets() {
    let story = Story::of(fill);
    let run = open(&story).await;
    let run = story.load(&run).await;
    let steps = story.steps(&run.id).await;
    let of = |index: usize| steps.iter().filter(move |step| step.part == index).cloned().collect::<Vec<_>>();
    let parts: Vec<_> = run.parts.iter().enumerate().map(|(index, part)| (part.clone(), of(index))).collect();
    let words = guardrails_cli::plan_words(&CATALOG, &stage("beta 80%", Vec::new()).0, parts, None).unwrap();
    for line in [
        "stop-instances in us-east-1: 1 to change, 1 left alone",
        "stop-databases in us-east-1: 1 to change, 1 left alone",
        "stop-services in us-east-1: 1 to change",
        "pause-clusters in us-east-1: 2 to change",
        "DB instance ledger, db.t3.micro mysql: available, left alone (it is exempt by its id)",
    ] {
        assert!(words.contains(line), "{line}:\n{words}");
    }
    assert!(!words.contains("stop-all"), "{words}");
}
