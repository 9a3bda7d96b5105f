//! Databases that RDS would not stop: each is left alone with its reason, and RDS is not called. The double refuses each, so that an action that
//! did not look first would fail here.

use guardrails_model::phase::Phase;
use serde_json::json;

use super::{open, params, status, stop};
use crate::story::Story;
use crate::world::{self, Account, Database, DatabaseKind};

/// A database in scope, and the reason why it is left alone.
struct Refused {
    database: Database,
    why: &'static str,
}

fn instance(name: &str, engine: &'static str) -> Database {
    Database::instance(name, engine, "Project=Beta")
}

fn cluster(name: &str) -> Database {
    Database::cluster(name, "aurora-mysql", "Project=Beta")
}

fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:rds:us-east-1:123456789012:{kind}:{name}")
}

fn all() -> Vec<Refused> {
    let refused = |database, why| Refused { database, why };
    vec![
        refused(
            Database { source: Some("orders".to_owned()), ..instance("copy", "mysql") },
            "it is a read replica of orders: RDS does not stop replicas",
        ),
        refused(
            Database { replicas: vec!["copy".to_owned()], ..instance("origin", "mysql") },
            "it has the read replicas copy: RDS does not stop their source",
        ),
        refused(
            Database { replicas: vec![arn("cluster", "copies")], ..instance("origin-of-cluster", "mysql") },
            "it has the read replicas arn:aws:rds:us-east-1:123456789012:cluster:copies: RDS does not stop their source",
        ),
        refused(
            Database { multi_az: true, ..instance("ledger", "sqlserver-se") },
            "it is SQL Server with a standby, which RDS does not stop",
        ),
        refused(
            instance("lonely", "aurora-mysql").member_of("untagged"),
            "it is a member of the cluster untagged, which does not carry the tags: no member stops alone",
        ),
        refused(instance("own-os", "custom-oracle-ee"), "it is of RDS Custom, which RDS does not stop"),
        refused(instance("blue", "mysql"), "it is in a blue/green deployment"),
        refused(
            Database { class: Some("db.m5d.large"), engine: "mysql", ..cluster("three-nodes") },
            "it is a Multi-AZ DB cluster of mysql, which RDS does not stop",
        ),
        refused(
            Database { mode: "serverless", ..cluster("first-serverless") },
            "the mode of its engine is serverless: RDS stops provisioned clusters only",
        ),
        refused(Database { limitless: true, ..cluster("limitless") }, "it is an Aurora Limitless Database"),
        refused(
            Database { source: Some(arn("cluster", "far")), ..cluster("copy-of-cluster") },
            "it is a replica of arn:aws:rds:us-east-1:123456789012:cluster:far: RDS does not stop replicas",
        ),
        refused(
            Database { replicas: vec![arn("cluster", "far")], ..cluster("source-of-cluster") },
            "it has the replicas arn:aws:rds:us-east-1:123456789012:cluster:far: RDS does not stop their source",
        ),
        refused(
            Database { global: Some("world".to_owned()), ..cluster("one-of-two") },
            "it is one of 2 clusters of the global database world: RDS stops none of them",
        ),
    ]
}

fn fill(account: &mut Account) {
    account.database(Database::cluster("untagged", "aurora-mysql", ""));
    for Refused { database, .. } in all() {
        if database.kind == DatabaseKind::Cluster {
            account.database(instance(&format!("{}-1", database.name), "aurora-mysql").member_of(&database.name));
        }
        account.database(database);
    }
    let members = ["one-of-two", "far"].map(|name| arn("cluster", name));
    account.global_clusters.insert("world".to_owned(), members.into());
    account.deployments.push((arn("db", "blue"), arn("db", "green"), "AVAILABLE"));
    account.deployments.push((arn("db", "orders"), arn("db", "orders-old"), "SWITCHOVER_COMPLETED"));
    account.database(instance("orders", "mysql"));
    account.page = 50;
}

fn label(database: &Database) -> String {
    let kind = if database.kind == DatabaseKind::Cluster { "cluster" } else { "instance" };
    format!("DB {kind} {}", database.name)
}

#[tokio::test]
async fn each_refusal_is_known_before_rds_is_called() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    for Refused { database, why } in all() {
        assert_eq!(story.reason(&run, &label(&database)).await, why);
        assert_eq!(status(&story, &database.name), "available");
    }
    assert_eq!((story.calls("StopDBInstance"), story.calls("StopDBCluster")), (1, 0), "only `orders` may be stopped");
    assert_eq!(status(&story, "orders"), "stopped");
    let skipped = story.steps(&run).await.into_iter().filter(|step| step.phase == Phase::Skipped).count();
    assert_eq!(skipped, all().len(), "members of clusters in scope have no steps of their own");
}

#[test]
fn control_double_refuses_each_of_them() {
    let world = world::World::default();
    fill(&mut world.account());
    for Refused { database, .. } in all() {
        let of = if database.kind == DatabaseKind::Cluster { "DBCluster" } else { "DBInstance" };
        let form = format!("Action=Stop{of}&Version=2014-10-31&{of}Identifier={}", database.name);
        assert_eq!(world.ask(world::HOME, &form), 400, "{}", database.name);
    }
    let form = "Action=StopDBInstance&Version=2014-10-31&DBInstanceIdentifier=orders";
    assert_eq!([world.ask(world::HOME, form), world.ask(world::HOME, form)], [200, 400], "once, and not twice");
}

#[tokio::test]
async fn only_cluster_of_a_global_database_is_stopped() {
    let story = Story::of(|account| {
        account.database(Database { global: Some("alone".to_owned()), ..cluster("shop") });
        account.database(instance("shop-1", "aurora-mysql").member_of("shop"));
        account.global_clusters.insert("alone".to_owned(), vec![arn("cluster", "shop")]);
    });
    stop(&story).await;
    assert_eq!(status(&story, "shop"), "stopped");
}

#[tokio::test]
async fn global_databases_are_asked_about_only_where_there_are_some() {
    let story = Story::of(super::fill);
    stop(&story).await;
    assert_eq!(story.calls("DescribeGlobalClusters"), 0);
}

#[tokio::test]
async fn cluster_without_instances_is_left_alone() {
    let story = Story::of(|account| {
        account.database(cluster("empty"));
    });
    let run = stop(&story).await;
    let why = story.reason(&run, "DB cluster empty").await;
    assert_eq!(why, "it has no instances, so nothing of it costs by the hour");
}

#[tokio::test]
async fn pending_changes_are_lost_only_where_the_stage_says_so() {
    let pending = |account: &mut Account| {
        account.database(Database { pending: Some(("DBInstanceClass", "db.t3.large")), ..instance("orders", "mysql") });
        account.database(Database { pending: Some(("EngineVersion", "8.0")), ..cluster("shop") });
        account.database(instance("shop-1", "aurora-mysql").member_of("shop"));
    };
    let story = Story::of(pending);
    let run = stop(&story).await;
    for label in ["DB instance orders", "DB cluster shop"] {
        let why = story.reason(&run, label).await;
        assert_eq!(why, "a stop would remove the changes that wait for its maintenance window: see `pending-changes`");
    }
    assert!(story.world.account().db("orders").pending.is_some());

    let story = Story::of(pending);
    let mut lose = params();
    lose["pending-changes"] = json!("lose");
    let run = story.open("beta 80%", "stop-databases", lose).await;
    for step in story.steps(&run).await {
        let note = step.note.unwrap();
        assert!(note.ends_with("; the changes that wait for its maintenance window will be gone"), "{note}");
    }
    story.apply(&run).await;
    assert_eq!((status(&story, "orders"), status(&story, "shop")), ("stopped", "stopped"));
}

#[tokio::test]
async fn exempt_member_keeps_its_cluster_running() {
    let story = Story::of(|account| {
        super::fill(account);
        account.db("graph-1").tags.insert("guardrails:exempt".to_owned(), String::new());
    });
    let mut named = params();
    named["exempt"] = json!({"id": ["papers-1"]});
    let run = story.open("beta 80%", "stop-databases", named).await;
    story.world.account().db("shop-1").tags.insert("guardrails:release".to_owned(), String::new());
    story.apply(&run).await;
    for (label, why) in [
        ("DB cluster graph", "its member graph-1: it carries the tag guardrails:exempt"),
        ("DB cluster papers", "its member papers-1: it is exempt by its id"),
        ("DB cluster shop", "its member shop-1: it carries the tag guardrails:release"),
    ] {
        assert_eq!(story.reason(&run, label).await, why);
    }
    assert_eq!((story.calls("StopDBCluster"), status(&story, "orders")), (0, "stopped"));
    let spared = story.steps(&run).await.into_iter().filter(|step| step.spared).count();
    assert_eq!(spared, 2, "people said so in the plan of two");
}

#[tokio::test]
async fn pending_changes_of_a_member_are_kept() {
    let story = Story::of(|account| {
        super::fill(account);
        account.db("shop-1").pending = Some(("DBInstanceClass", "db.r6g.large"));
    });
    let run = stop(&story).await;
    let why = story.reason(&run, "DB cluster shop").await;
    assert!(why.starts_with("a stop would remove the changes"), "{why}");
    assert!(story.world.account().db("shop-1").pending.is_some());
}

#[tokio::test]
async fn global_database_that_is_not_seen_costs_the_others_nothing() {
    let story = Story::of(|account| {
        super::fill(account);
        account.db("shop").global = Some("unseen".to_owned());
        account.global_clusters.insert("other".to_owned(), Vec::new());
    });
    let run = stop(&story).await;
    let why = story.reason(&run, "DB cluster shop").await;
    assert_eq!(why, "its global database unseen cannot be seen: RDS stops only a cluster that is alone in one");
    assert_eq!((status(&story, "graph"), status(&story, "orders")), ("stopped", "stopped"));
}

#[tokio::test]
async fn region_without_blue_green_deployments_is_worked_in() {
    let story = Story::of(|account| {
        super::fill(account);
        account.no_deployments = true;
    });
    stop(&story).await;
    assert_eq!((status(&story, "shop"), status(&story, "orders")), ("stopped", "stopped"));
}

#[tokio::test]
async fn way_back_asks_only_about_the_databases_themselves() {
    let story = Story::of(super::fill);
    let run = stop(&story).await;
    let before = story.calls("DescribeBlueGreenDeployments");
    story.put_back(&run).await;
    assert_eq!(story.calls("DescribeBlueGreenDeployments"), before);
}

#[tokio::test]
async fn database_that_becomes_a_source_after_the_plan_is_left_alone() {
    let story = Story::of(super::fill);
    let run = open(&story).await;
    story.world.account().db("orders").replicas.push("copy".to_owned());
    story.apply(&run).await;
    assert_eq!((status(&story, "orders"), status(&story, "shop")), ("available", "stopped"));
    assert_eq!(story.calls("StopDBInstance"), 0);
}

#[tokio::test]
async fn refusal_that_nobody_foresaw_costs_few_calls() {
    let story = Story::of(|account| {
        super::fill(account);
        // No API shows it: RDS refuses with the code of a wrong state.
        account.db("orders").unforeseen = true;
    });
    let run = stop(&story).await;
    let why = story.reason(&run, "DB instance orders").await;
    assert!(why.contains("InvalidDBInstanceState"), "{why}");
    assert_eq!(status(&story, "shop"), "stopped", "it costs the others nothing");
    assert!(story.calls("StopDBInstance") < 40, "{} calls in six hours", story.calls("StopDBInstance"));
}
