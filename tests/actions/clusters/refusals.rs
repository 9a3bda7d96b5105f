//! Clusters that Redshift would not pause: each is left alone with its reason, and Redshift is not called. The double refuses each, so
//! that an action that did not look first would fail here.

use guardrails_model::phase::Phase;
use jiff::SignedDuration;
use serde_json::json;

use super::{beta, open, pause, state, status};
use crate::story::Story;
use crate::world::{self, Account, Does, Schedule, Warehouse};
use guardrails_model::clock::Clock;

const BARE: &str = "Redshift pauses it only with a recent snapshot, and it has none of the last 24 hours";

/// Clusters in scope, and the reason why each is left alone.
fn all() -> Vec<(Warehouse, &'static str)> {
    vec![
        (
            Warehouse { multi_az: true, ..beta("two-zones") },
            "it is deployed in two zones (Multi-AZ), and Redshift does not pause such a cluster",
        ),
        (
            Warehouse { hsm: true, ..beta("module") },
            "its keys are in a hardware security module (HSM), and Redshift does not pause such a cluster",
        ),
        (
            Warehouse { retention: 0, ..beta("no-snapshots") },
            "its automated snapshots are off, and Redshift does not pause such a cluster",
        ),
        (beta("bare"), BARE),
        (
            Warehouse { node_type: "dc2.large", ..beta("old") },
            "a pause would lose its tables that were made with BACKUP NO, which dc2.large can have: see `no-backup-tables`",
        ),
        (beta("full").in_status("storage-full"), "its status is storage-full: nothing pauses or resumes it until that is mended"),
        (beta("going").in_status("final-snapshot"), "it is being deleted"),
    ]
}

fn fill(account: &mut Account) {
    for (warehouse, _) in all() {
        let name = warehouse.name.clone();
        account.warehouse(warehouse).schedule(Schedule::new(&format!("{name}-resume"), &name, Does::Resume));
    }
    let old = account.dw("bare").snapshots[0].0 - SignedDuration::from_hours(25);
    account.dw("bare").snapshots = vec![(old, "available"), (old + SignedDuration::from_hours(24), "creating")];
    account.warehouse(beta("orders")).page = 50;
}

#[tokio::test]
async fn each_refusal_is_known_before_redshift_is_called() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    for (warehouse, why) in all() {
        let name = &warehouse.name;
        assert_eq!(story.reason(&run, &format!("Redshift cluster {name}")).await, why);
        assert_eq!(status(&story, name), warehouse.status);
        // Its schedule would be disabled for nothing.
        let of_schedule = story.reason(&run, &format!("scheduled action {name}-resume")).await;
        assert_eq!(of_schedule, format!("Redshift cluster {name} is left alone: {why}"));
        assert_eq!(state(&story, &format!("{name}-resume")), "ACTIVE");
    }
    assert_eq!((story.calls("PauseCluster"), story.calls("ModifyScheduledAction")), (1, 0), "only `orders` may be paused");
    assert_eq!(status(&story, "orders"), "paused");
    let asked = story.world.requests_of("DescribeClusterSnapshots");
    assert!(asked.iter().all(|form| form.contains("=bare&") || form.contains("=orders&")), "{asked:?}");
}

#[tokio::test]
async fn tables_without_a_backup_are_lost_where_the_file_says_so() {
    let old = || Warehouse { node_type: "dc2.large", without_backup: 3, ..beta("old") };
    for (more, is, tables) in [(json!({}), "available", 3), (json!({"no-backup-tables": "lose"}), "paused", 0)] {
        let story = Story::of(|account| {
            account.warehouse(old());
        });
        let mut params = super::params();
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let run = story.open("beta 80%", "pause-clusters", params).await;
        story.apply(&run).await;
        let account = story.world.account();
        let one = account.redshift.warehouses.values().next().unwrap();
        assert_eq!((one.status, one.without_backup), (is, tables));
    }
}

#[test]
fn control_double_refuses_each_of_them() {
    let world = world::World::default();
    fill(&mut world.account());
    let ask = |operation: &str, name: &str| {
        world.ask(world::HOME, &format!("Action={operation}&Version=2012-12-01&ClusterIdentifier={name}"))
    };
    // Redshift takes the one with old nodes, and its tables are gone.
    for (warehouse, _) in all().into_iter().filter(|(warehouse, _)| warehouse.node_type != "dc2.large") {
        assert_eq!(ask("PauseCluster", &warehouse.name), 400, "{}", warehouse.name);
    }
    assert_eq!([ask("ModifyCluster", "orders"), ask("ResumeCluster", "orders")], [200, 400]);
    assert_eq!([ask("PauseCluster", "orders"), ask("PauseCluster", "orders")], [200, 400], "once, and not twice");
    assert_eq!([ask("ModifyCluster", "orders"), ask("ResumeCluster", "orders")], [400, 400], "it cannot be while it is pausing");
    assert_eq!(ask("PauseCluster", "nobody"), 404);
}

#[tokio::test]
async fn cluster_is_paused_by_a_round_once_it_has_a_snapshot() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    assert_eq!(status(&story, "bare"), "available");
    story.hour().await;
    let now = story.world.clock.now();
    story.world.account().dw("bare").snapshots.push((now, "available"));
    story.look(&run).await;
    assert_eq!((status(&story, "bare"), state(&story, "bare-resume")), ("paused", "DISABLED"), "{:#?}", story.told(&run).await);
    story.put_back(&run).await;
    assert_eq!((status(&story, "bare"), state(&story, "bare-resume")), ("available", "ACTIVE"));
}

#[tokio::test]
async fn snapshot_that_expires_after_the_plan_is_waited_for() {
    let story = Story::of(|account| {
        account.warehouse(beta("orders")).schedule(Schedule::new("orders-resume", "orders", Does::Resume));
    });
    let run = open(&story).await;
    let taken = std::mem::take(&mut story.world.account().dw("orders").snapshots);
    for _ in 0..10 {
        story.harness.invoke(guardrails_model::record::Direction::Apply, &run, 0).await.unwrap().unwrap();
        story.harness.wait(120).await;
    }
    assert_eq!((status(&story, "orders"), story.calls("PauseCluster")), ("available", 0));
    assert_eq!(story.reason(&run, "Redshift cluster orders").await, BARE);
    story.world.account().dw("orders").snapshots = taken;
    story.apply(&run).await;
    assert_eq!(status(&story, "orders"), "paused", "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn cluster_made_multi_az_after_the_plan_fails_loudly() {
    let story = Story::of(|account| {
        account.warehouse(beta("orders")).schedule(Schedule::new("orders-resume", "orders", Does::Resume));
    });
    let before = story.is();
    let run = open(&story).await;
    story.harness.gate.arm_for("PauseCluster", world::Kind::Refused);
    let _ = story.harness.invoke(guardrails_model::record::Direction::Apply, &run, 0).await;
    assert_eq!(state(&story, "orders-resume"), "DISABLED");
    story.world.account().dw("orders").multi_az = true;
    story.harness.wait(600).await;
    story.apply(&run).await;
    let told = story.told(&run).await;
    assert!(told[1].contains("apply failed (it is deployed in two zones"), "its schedule is held for nothing: {told:?}");
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn refusal_that_nobody_foresaw_is_loud_where_a_schedule_is_held() {
    let story = Story::of(|account| {
        for name in ["orders", "alone"] {
            account.warehouse(Warehouse { unsupported: true, ..beta(name) });
        }
        account.warehouse(beta("reports")).schedule(Schedule::new("orders-resume", "orders", Does::Resume));
    });
    let before = story.is();
    let run = pause(&story).await;
    let steps = story.steps(&run).await;
    let phase = |label: &str| steps.iter().find(|step| step.label == label).unwrap().phase;
    assert_eq!(phase("Redshift cluster orders"), Phase::ApplyFailed);
    assert_eq!(phase("Redshift cluster alone"), Phase::Skipped, "nothing else is held for it");
    assert_eq!(status(&story, "reports"), "paused");
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn exempt_cluster_keeps_its_schedules() {
    let story = Story::of(|account| {
        super::fill(account);
        account.dw("orders").tags.insert("guardrails:exempt".to_owned(), String::new());
    });
    let mut named = super::params();
    named["exempt"] = json!({"id": ["resting"]});
    let run = story.open("beta 80%", "pause-clusters", named).await;
    story.apply(&run).await;
    for (label, why) in [
        ("Redshift cluster orders", "it carries the tag guardrails:exempt"),
        ("Redshift cluster resting", "it is exempt by its id"),
        ("scheduled action orders-resume", "it carries the tag guardrails:exempt"),
        ("scheduled action resting-resume", "Redshift cluster resting is left alone: it is exempt by its id"),
    ] {
        assert_eq!(story.reason(&run, label).await, why, "{label}");
    }
    assert_eq!((status(&story, "orders"), status(&story, "reports")), ("available", "paused"));
    assert_eq!((state(&story, "orders-resume"), state(&story, "resting-resume")), ("ACTIVE", "ACTIVE"));
}
