//! Databases that change while a run works on them, or holds them.

use guardrails_model::phase::Phase;
use jiff::SignedDuration;

use super::{fill, open, status, stop};
use crate::story::Story;
use crate::world::Database;
use guardrails_model::clock::Clock;

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/7d2b";

#[tokio::test]
async fn database_on_its_way_is_waited_for() {
    for on_its_way in ["backing-up", "modifying", "starting", "quantum-leaping"] {
        let story = Story::of(fill);
        let later = story.world.clock.now() + SignedDuration::from_secs(900);
        let orders = Database::instance("busy", "mysql", "Project=Beta").in_status(on_its_way).becoming("available", later);
        story.world.account().database(orders);
        stop(&story).await;
        assert_eq!(status(&story, "busy"), "stopped", "{on_its_way}");
        assert_eq!(story.calls("StopDBInstance"), 2, "RDS is not asked before it is available");
    }
}

#[tokio::test]
async fn status_nobody_has_heard_of_costs_the_others_nothing() {
    let story = Story::of(fill);
    story.world.account().database(Database::instance("odd", "mysql", "Project=Beta").in_status("quantum-leaping"));
    let run = stop(&story).await;
    assert_eq!(status(&story, "orders"), "stopped");
    assert_eq!(story.reason(&run, "DB instance odd").await, "the world did not settle: it is becoming quantum leaping");
}

#[tokio::test]
async fn stop_that_a_person_began_is_not_ours() {
    let story = Story::of(fill);
    let later = story.world.clock.now() + SignedDuration::from_secs(300);
    let going = Database::instance("going", "mysql", "Project=Beta").in_status("stopping").becoming("stopped", later);
    story.world.account().database(going);
    let run = stop(&story).await;
    assert_eq!(story.reason(&run, "DB instance going").await, "it was becoming stopped already");
    story.hour().await;
    story.put_back(&run).await;
    assert_eq!(status(&story, "going"), "stopped");
}

#[tokio::test]
async fn deleted_database_is_gone_and_costs_nothing() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    story.world.account().databases.retain(|_, database| database.name != "orders" && database.name != "graph");
    let now = story.world.clock.now();
    story.world.account().db("papers").set("delete-precheck", now);
    story.put_back(&run).await;
    for (label, why) in [
        ("DB instance orders", "nothing to put back: the DB instance orders is there no more"),
        ("DB cluster graph", "nothing to put back: the DB cluster graph is there no more"),
        ("DB cluster papers", "nothing to put back: it is being deleted"),
    ] {
        assert_eq!(story.reason(&run, label).await, why);
    }
    assert_eq!(status(&story, "shop"), "available");
}

#[tokio::test]
async fn database_made_anew_under_the_name_is_stopped_for_itself() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    let now = story.world.clock.now();
    {
        let mut account = story.world.account();
        let orders = account.db("orders");
        orders.id = "db-RESTORED".to_owned();
        orders.set("available", now);
    }
    story.look(&run).await;
    assert_eq!(status(&story, "orders"), "stopped");
    story.put_back(&run).await;
    assert_eq!(status(&story, "orders"), "available", "the new one comes back");
    let steps = story.steps(&run).await;
    let told: Vec<_> = steps
        .iter()
        .filter(|step| step.label == "DB instance orders")
        .map(|step| (step.identity.clone().unwrap(), step.reason.clone().unwrap_or_default()))
        .collect();
    let gone = "nothing to put back: the DB instance orders was deleted, and another was made under its name";
    assert!(told.contains(&("db-ORDERS".to_owned(), gone.to_owned())), "{told:?}");
    assert!(told.iter().any(|(identity, _)| identity == "db-RESTORED"), "{told:?}");
}

#[tokio::test]
async fn start_by_a_person_is_told_and_left() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    let now = story.world.clock.now();
    story.world.account().db("orders").set("available", now);
    story.hour().await;
    story.look(&run).await;
    assert_eq!(status(&story, "orders"), "available");
    let why = story.reason(&run, "DB instance orders").await;
    assert_eq!(why, "somebody made it available meanwhile: it is left so");
    story.put_back(&run).await;
    assert_eq!(story.world.account().db("orders").starts, 0);
}

#[tokio::test]
async fn database_without_its_tag_is_named_when_refused() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    story.world.account().db("orders").tags.clear();
    story.put_back(&run).await;
    let why = story.reason(&run, "DB instance orders").await;
    assert!(
        why.contains("the DB instance orders does not carry Project=Beta any more: give it back, and roll back again"),
        "{why}"
    );
    assert_eq!(status(&story, "shop"), "available");
    story.world.account().db("orders").tags.insert("Project".to_owned(), "Beta".to_owned());
    story.put_back(&run).await;
    assert_eq!(status(&story, "orders"), "available");
}

#[tokio::test]
async fn tags_that_iam_does_not_know_yet_are_waited_for() {
    let story = Story::of(fill);
    let run = open(&story).await;
    story.world.account().tags_known = story.world.clock.now() + SignedDuration::from_mins(7);
    story.apply(&run).await;
    assert_eq!((status(&story, "orders"), status(&story, "shop")), ("stopped", "stopped"));
}

#[tokio::test]
async fn cluster_with_a_busy_member_is_asked_again() {
    let story = Story::of(fill);
    let later = story.world.clock.now() + SignedDuration::from_mins(20);
    let busy = Database::instance("shop-2", "aurora-postgresql", "").member_of("shop").in_status("modifying");
    story.world.account().database(busy.becoming("available", later));
    stop(&story).await;
    assert_eq!((status(&story, "shop"), status(&story, "shop-2")), ("stopped", "stopped"));
}

#[tokio::test]
async fn start_without_capacity_is_asked_for_again() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    story.world.account().no_database_capacity = true;
    story.harness.ask_back(&run, &[], false).await;
    for _ in 0..20 {
        let ended = story.harness.invoke(guardrails_model::record::Direction::Rollback, &run, 0).await;
        ended.unwrap().unwrap();
        story.harness.wait(120).await;
    }
    let why = story.reason(&run, "DB instance orders").await;
    assert!(why.starts_with("InsufficientDBInstanceCapacity"), "{why}");
    story.world.account().no_database_capacity = false;
    story.harness.execute(guardrails_model::record::Direction::Rollback, &run).await.unwrap();
    assert_eq!((status(&story, "orders"), status(&story, "shop")), ("available", "available"));
}

#[tokio::test]
async fn database_whose_key_is_gone_fails_with_the_key() {
    let story = Story::of(|account| {
        fill(account);
        account.db("orders").key = Some(KEY.to_owned());
        account.db("shop").key = Some(KEY.to_owned());
    });
    let run = stop(&story).await;
    let lock = |locked: bool| {
        let mut account = story.world.account();
        for name in ["orders", "shop"] {
            account.db(name).key_gone = locked;
        }
    };
    lock(true);
    story.put_back(&run).await;
    for label in ["DB instance orders", "DB cluster shop"] {
        let why = story.reason(&run, label).await;
        assert!(why.contains("KMSKeyNotAccessibleFault") && why.contains(KEY), "{why}");
    }
    assert_eq!(status(&story, "graph"), "available", "the others come back");
    lock(false);
    story.put_back(&run).await;
    assert_eq!((status(&story, "orders"), status(&story, "shop")), ("available", "available"));
}

#[tokio::test]
async fn held_database_that_lost_its_key_is_started_when_it_has_it() {
    let story = Story::of(|account| {
        fill(account);
        account.db("orders").key = Some(KEY.to_owned());
    });
    let run = stop(&story).await;
    let now = story.world.clock.now();
    story.world.account().db("orders").set("inaccessible-encryption-credentials-recoverable", now);
    story.look(&run).await;
    assert_eq!(story.calls("StopDBInstance"), 1, "it is as good as stopped");
    story.put_back(&run).await;
    assert_eq!(status(&story, "orders"), "available");
}

#[tokio::test]
async fn broken_database_says_its_status_both_ways() {
    let story = Story::of(fill);
    story.world.account().database(Database::instance("lost", "mysql", "Project=Beta").in_status("incompatible-network"));
    let run = stop(&story).await;
    let why = "its status is incompatible-network: nothing stops or starts it until that is mended";
    assert_eq!(story.reason(&run, "DB instance lost").await, why);
    let now = story.world.clock.now();
    {
        let mut account = story.world.account();
        account.db("orders").key = Some(KEY.to_owned());
        account.db("orders").set("inaccessible-encryption-credentials", now);
    }
    story.put_back(&run).await;
    let steps = story.steps(&run).await;
    let orders = steps.iter().find(|step| step.label == "DB instance orders").unwrap();
    assert_eq!(orders.phase, Phase::RollbackFailed);
    let why = format!(
        "its status is inaccessible-encryption-credentials (its key is {KEY}): nothing stops or starts it until that is mended"
    );
    assert_eq!(orders.reason.as_deref(), Some(why.as_str()));
    assert_eq!(status(&story, "shop"), "available");
}

#[tokio::test]
async fn new_database_in_scope_is_stopped_by_the_next_look() {
    let story = Story::of(fill);
    let run = open(&story).await;
    story.apply(&run).await;
    story.world.account().database(Database::instance("late", "mysql", "Project=Beta"));
    story.look(&run).await;
    assert_eq!(status(&story, "late"), "stopped");
    story.put_back(&run).await;
    assert_eq!(status(&story, "late"), "available");
}
