//! `stop-databases`: RDS instances, and the clusters of Aurora, Neptune and `DocumentDB`, in an account that refuses as RDS does.

mod meanwhile;
mod refusals;
mod rights;
mod weeks;

use guardrails_model::ids::RunId;
use guardrails_model::phase::Phase;
use serde_json::{Value as Json, json};

use crate::story::Story;
use crate::world::{Account, Database, Kind};

/// An instance, three kinds of cluster with a member each, one that is stopped already, and one of another project.
fn fill(account: &mut Account) {
    account.database(Database::instance("orders", "mysql", "Project=Beta"));
    for (cluster, engine) in [("shop", "aurora-postgresql"), ("graph", "neptune"), ("papers", "docdb")] {
        account.database(Database::cluster(cluster, engine, "Project=Beta"));
        account.database(Database::instance(&format!("{cluster}-1"), engine, "Project=Beta").member_of(cluster));
    }
    account.database(Database::instance("resting", "postgres", "Project=Beta").in_status("stopped"));
    account.database(Database::instance("other", "mysql", "Project=Gamma"));
}

fn params() -> Json {
    json!({"tag": {"Project": "Beta"}})
}

async fn open(story: &Story) -> RunId {
    story.open("beta 80%", "stop-databases", params()).await
}

async fn stop(story: &Story) -> RunId {
    let run = open(story).await;
    story.apply(&run).await;
    run
}

fn status(story: &Story, name: &str) -> &'static str {
    story.world.account().db(name).status
}

#[tokio::test]
async fn databases_stop_and_come_back_as_they_were() {
    let story = Story::of(fill);
    let before = story.picture();
    let run = stop(&story).await;
    for name in ["orders", "shop", "shop-1", "graph", "graph-1", "papers", "papers-1", "resting"] {
        assert_eq!(status(&story, name), "stopped", "{name}");
    }
    assert_eq!(status(&story, "other"), "available");
    let told = story.told(&run).await;
    assert_eq!(
        told,
        [
            "DB cluster graph: applied",
            "DB cluster papers: applied",
            "DB cluster shop: applied",
            "DB instance orders: applied",
            "DB instance resting: skipped (it was stopped already)",
        ]
    );
    story.put_back(&run).await;
    assert_eq!(story.picture(), before);
    assert_eq!(story.world.account().db("resting").starts, 0);
}

#[tokio::test]
async fn databases_on_several_pages_are_all_stopped() {
    let story = Story::of(|account| {
        for number in 0..8 {
            account.database(Database::instance(&format!("db-{number}"), "mysql", "Project=Beta"));
            account.database(Database::cluster(&format!("cluster-{number}"), "aurora-mysql", "Project=Beta"));
            account.database(
                Database::instance(&format!("member-{number}"), "aurora-mysql", "").member_of(&format!("cluster-{number}")),
            );
        }
        account.page = 3;
    });
    let run = stop(&story).await;
    assert!((0..8).all(|number| status(&story, &format!("db-{number}")) == "stopped"));
    assert!((0..8).all(|number| status(&story, &format!("member-{number}")) == "stopped"));
    story.put_back(&run).await;
    assert!(story.is().iter().all(|is| is.ends_with(" available")), "{:?}", story.is());
}

#[tokio::test]
async fn throttled_calls_are_asked_again() {
    let story = Story::of(|account| {
        fill(account);
        for operation in ["StopDBInstance", "StopDBCluster", "StartDBCluster"] {
            account.throttled.insert(operation.to_owned(), 3);
        }
    });
    let run = stop(&story).await;
    assert_eq!((status(&story, "orders"), status(&story, "shop")), ("stopped", "stopped"));
    story.put_back(&run).await;
    assert_eq!((status(&story, "orders"), status(&story, "shop")), ("available", "available"));
}

#[tokio::test]
async fn at_most_two_databases_a_second_are_stopped() {
    let story = Story::of(|account| {
        for number in 0..20 {
            account.database(Database::instance(&format!("db-{number:02}"), "mysql", "Project=Beta"));
        }
        account.page = 50;
    });
    let run = open(&story).await;
    story.harness.invoke(guardrails_model::record::Direction::Apply, &run, 0).await.unwrap().unwrap();
    assert!(story.calls("StopDBInstance") <= 4, "{}", story.calls("StopDBInstance"));
    story.apply(&run).await;
    assert!(story.is().iter().all(|is| is.ends_with(" stopped")), "{:?}", story.is());
}

#[tokio::test]
async fn lost_answer_of_a_stop_is_looked_after() {
    let story = Story::of(fill);
    let run = open(&story).await;
    story.harness.gate.arm_for("StopDBInstance", Kind::LostAnswer);
    story.apply(&run).await;
    assert_eq!(status(&story, "orders"), "stopped");
    assert!(story.steps(&run).await.iter().all(|step| matches!(step.phase, Phase::Applied | Phase::Skipped)));
}

#[tokio::test]
async fn history_names_the_requests_that_stopped_and_started() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    story.put_back(&run).await;
    for (label, calls) in [
        ("DB instance orders", ["rds:StopDBInstance", "rds:StartDBInstance"]),
        ("DB cluster shop", ["rds:StopDBCluster", "rds:StartDBCluster"]),
    ] {
        let steps = story.steps(&run).await;
        let events = json!(steps.iter().find(|step| step.label == label).unwrap().events).to_string();
        assert!(calls.iter().all(|call| events.contains(call)), "{events}");
    }
}

#[tokio::test]
async fn plan_says_what_goes_on_costing_and_what_changes() {
    let story = Story::of(|account| {
        account.database(Database { public: true, multi_az: true, ..Database::instance("orders", "mysql", "Project=Beta") });
        account.database(Database::cluster("shop", "aurora-mysql", "Project=Beta"));
        account.database(Database::instance("shop-1", "aurora-mysql", "Project=Beta").member_of("shop"));
    });
    let run = open(&story).await;
    let run = story.load(&run).await;
    let parts = [(run.parts[0].clone(), story.steps(&run.id).await)];
    let (target, _) = crate::harness::stage("beta 80%", Vec::new());
    let prices = "us-east-1: { \"db.t3.micro mysql multi-az\": 0.034 }";
    let words = guardrails_cli::plan_words(&guardrails_aws::actions::CATALOG, &target, parts, Some(prices)).unwrap();
    let note = "its storage goes on costing, nobody can modify it until it is started, and each start is charged an hour";
    for line in [
        format!(
            "DB instance orders, db.t3.micro mysql multi-az: available -> stopped; {note}; its public address will be another; it may \
             come back in its standby's zone"
        ),
        format!("DB cluster shop, aurora-mysql with 1 instance: available -> stopped; {note}"),
        "stops costing $0.034 an hour on demand, for 1 DB instance that the price list has".to_owned(),
        "NOT COUNTED: the members of 1 DB cluster that would stop".to_owned(),
    ] {
        assert!(words.contains(&line), "{line}:\n{words}");
    }
    assert!(!words.contains("shop-1"), "a member stops with its cluster:\n{words}");
}
