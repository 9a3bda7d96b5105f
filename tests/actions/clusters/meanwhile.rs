//! Clusters that change while a run works on them, or holds them.

use guardrails_model::clock::Clock;
use guardrails_model::record::Direction;
use jiff::SignedDuration;

use super::{beta, fill, open, pause, state, status};
use crate::story::Story;

#[tokio::test]
async fn cluster_on_its_way_is_waited_for() {
    for on_its_way in ["modifying", "resuming", "available, resize-cleanup", "rotating-keys", "quantum-leaping"] {
        let story = Story::of(fill);
        let later = story.world.clock.now() + SignedDuration::from_secs(900);
        story.world.account().warehouse(beta("busy").in_status(on_its_way).becoming("available", later));
        let run = pause(&story).await;
        assert_eq!(status(&story, "busy"), "paused", "{on_its_way}: {:#?}", story.told(&run).await);
        assert_eq!(story.calls("PauseCluster"), 3, "Redshift is not asked before it is available");
    }
}

#[tokio::test]
async fn status_nobody_has_heard_of_costs_the_others_nothing() {
    let story = Story::of(fill);
    story.world.account().warehouse(beta("odd").in_status("quantum-leaping"));
    let run = pause(&story).await;
    assert_eq!((status(&story, "orders"), status(&story, "reports")), ("paused", "paused"));
    let why = story.reason(&run, "Redshift cluster odd").await;
    assert_eq!(why, "the world did not settle: it is becoming quantum leaping");
}

#[tokio::test]
async fn pause_that_a_person_began_is_not_ours() {
    let story = Story::of(fill);
    let later = story.world.clock.now() + SignedDuration::from_secs(300);
    story.world.account().warehouse(beta("going").in_status("pausing").becoming("paused", later));
    let run = pause(&story).await;
    assert_eq!(story.reason(&run, "Redshift cluster going").await, "it was becoming paused already");
    story.hour().await;
    story.put_back(&run).await;
    assert_eq!(status(&story, "going"), "paused");
}

#[tokio::test]
async fn resume_waits_until_the_pause_is_done() {
    let story = Story::of(|account| {
        fill(account);
        account.takes = 15 * 60;
    });
    let run = open(&story).await;
    for _ in 0..10 {
        story.harness.invoke(Direction::Apply, &run, 0).await.unwrap().unwrap();
        story.harness.wait(5).await;
    }
    assert_eq!((status(&story, "orders"), status(&story, "reports")), ("pausing", "pausing"), "{:#?}", story.told(&run).await);
    story.put_back(&run).await;
    assert_eq!((status(&story, "orders"), state(&story, "orders-resume")), ("available", "ACTIVE"));
    let resumes = story.world.account().dw("orders").resumes;
    assert_eq!((resumes, story.calls("ResumeCluster")), (1, 2), "once each, when both are paused");
}

#[tokio::test]
async fn resume_by_a_person_is_told_and_left() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().dw("orders").set("available");
    story.hour().await;
    story.look(&run).await;
    assert_eq!((status(&story, "orders"), story.calls("PauseCluster")), ("available", 2));
    let why = story.reason(&run, "Redshift cluster orders").await;
    assert_eq!(why, "somebody made it available meanwhile: it is left so");
    story.put_back(&run).await;
    let resumes = story.world.account().dw("orders").resumes;
    assert_eq!((resumes, state(&story, "orders-resume")), (0, "ACTIVE"));
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn cluster_that_comes_into_scope_is_paused_by_a_round() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().warehouse(beta("late"));
    story.world.account().dw("resting").set("available");
    story.look(&run).await;
    assert_eq!((status(&story, "late"), status(&story, "resting")), ("paused", "paused"), "both are newcomers");
    story.put_back(&run).await;
    assert_eq!((status(&story, "late"), status(&story, "resting")), ("available", "available"));
}

#[tokio::test]
async fn deleted_cluster_is_gone_with_its_schedules() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().redshift.warehouses.retain(|(_, name), _| name != "orders");
    story.world.account().dw("reports").set("deleting");
    story.put_back(&run).await;
    for (label, why) in [
        ("Redshift cluster orders", "nothing to put back: the Redshift cluster orders is there no more"),
        ("scheduled action orders-resume", "nothing to put back: its cluster orders is there no more"),
        ("Redshift cluster reports", "nothing to put back: it is being deleted"),
    ] {
        assert_eq!(story.reason(&run, label).await, why);
    }
    assert_eq!(state(&story, "resting-resume"), "ACTIVE", "it costs the others nothing");
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn cluster_made_anew_under_the_name_is_paused_for_itself() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    {
        let mut account = story.world.account();
        let orders = account.dw("orders");
        orders.namespace = "ns-restored".to_owned();
        orders.set("available");
    }
    story.look(&run).await;
    assert_eq!(status(&story, "orders"), "paused");
    story.put_back(&run).await;
    assert_eq!((status(&story, "orders"), state(&story, "orders-resume")), ("available", "ACTIVE"), "the new one comes back");
    let steps = story.steps(&run).await;
    let of_orders = steps.iter().filter(|step| step.label == "Redshift cluster orders");
    let told: Vec<_> = of_orders.map(|step| (step.identity.clone().unwrap(), step.reason.clone().unwrap_or_default())).collect();
    let gone = "nothing to put back: the Redshift cluster orders was deleted, and another was made under its name";
    assert!(told.contains(&("ns-orders".to_owned(), gone.to_owned())), "{told:?}");
    assert!(told.iter().any(|(identity, _)| identity == "ns-restored"), "{told:?}");
}

#[tokio::test]
async fn cluster_made_anew_before_the_change_is_left_alone() {
    let story = Story::of(fill);
    let run = open(&story).await;
    story.world.account().dw("reports").namespace = "ns-restored".to_owned();
    story.apply(&run).await;
    assert_eq!(status(&story, "reports"), "available");
    let why = story.reason(&run, "Redshift cluster reports").await;
    assert_eq!(why, "the Redshift cluster reports was deleted, and another was made under its name");
}

#[tokio::test]
async fn want_of_capacity_on_the_way_back_is_waited_out() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().redshift.no_capacity = true;
    story.harness.ask_back(&run, &[], false).await;
    for _ in 0..20 {
        story.harness.invoke(Direction::Rollback, &run, 0).await.unwrap().unwrap();
        story.harness.wait(120).await;
    }
    let why = story.reason(&run, "Redshift cluster orders").await;
    assert!(why.starts_with("InsufficientClusterCapacity"), "{why}");
    assert_eq!(state(&story, "orders-resume"), "DISABLED", "its schedule comes after it");
    story.world.account().redshift.no_capacity = false;
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    assert_eq!((status(&story, "orders"), state(&story, "orders-resume")), ("available", "ACTIVE"));
}

#[tokio::test]
async fn want_of_capacity_for_long_fails_and_keeps_the_hold() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().redshift.no_capacity = true;
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert!(
        told.iter()
            .any(|step| step.starts_with("Redshift cluster orders: rollback failed")
                && step.contains("InsufficientClusterCapacity")),
        "{told:?}"
    );
    assert!(story.calls("ResumeCluster") < 80, "{} calls in six hours", story.calls("ResumeCluster"));
    story.world.account().redshift.no_capacity = false;
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn broken_cluster_says_its_status_on_the_way_back() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().dw("orders").set("incompatible-network");
    story.put_back(&run).await;
    let told = story.told(&run).await;
    let why = "its status is incompatible-network: nothing pauses or resumes it until that is mended";
    assert!(told.contains(&format!("Redshift cluster orders: rollback failed ({why})")), "{told:?}");
    assert_eq!(status(&story, "reports"), "available", "it costs the others nothing");
    story.world.account().dw("orders").set("paused");
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn cluster_without_its_tag_is_named_when_refused() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().dw("orders").tags.clear();
    story.put_back(&run).await;
    let why = story.reason(&run, "Redshift cluster orders").await;
    let lost = "the Redshift cluster orders does not carry Project=Beta any more: give it back, and roll back again";
    assert!(why.contains(lost), "{why}");
    assert_eq!(status(&story, "reports"), "available");
    story.world.account().dw("orders").tags.insert("Project".to_owned(), "Beta".to_owned());
    story.put_back(&run).await;
    assert_eq!((status(&story, "orders"), state(&story, "orders-resume")), ("available", "ACTIVE"));
}
