//! Scheduled actions that would resume a held cluster, and those of people.

use guardrails_model::clock::Clock;
use jiff::SignedDuration;
use serde_json::json;

use super::{beta, fill, open, params, pause, state, status};
use crate::story::Story;
use crate::world::{Does, Schedule};

const HOUR: i64 = 3600;

/// A cluster with a schedule that resumes it in two hours, and each day at that time.
fn nightly() -> Story {
    let story = Story::of(|account| {
        account.warehouse(beta("orders"));
    });
    let due = story.world.clock.now() + SignedDuration::from_hours(2);
    story.world.account().schedule(Schedule::new("nightly", "orders", Does::Resume).due(due));
    story
}

#[tokio::test]
async fn disabled_schedule_does_not_resume_a_held_cluster() {
    let story = nightly();
    let run = pause(&story).await;
    for _ in 0..10 {
        story.harness.wait(24 * HOUR).await;
        story.look(&run).await;
    }
    assert_eq!((status(&story, "orders"), story.world.account().dw("orders").resumes), ("paused", 0));
    story.put_back(&run).await;
    assert_eq!((status(&story, "orders"), state(&story, "nightly")), ("available", "ACTIVE"));
}

#[tokio::test]
async fn control_schedule_that_is_left_alone_resumes_the_cluster() {
    let story = nightly();
    let mut named = params();
    named["exempt"] = json!({"id": ["nightly"]});
    let run = story.open("beta 80%", "pause-clusters", named).await;
    story.apply(&run).await;
    assert_eq!(status(&story, "orders"), "paused", "{:#?}", story.told(&run).await);
    story.harness.wait(3 * HOUR).await;
    assert_eq!((status(&story, "orders"), state(&story, "nightly")), ("available", "ACTIVE"));
    story.look(&run).await;
    let why = story.reason(&run, "Redshift cluster orders").await;
    assert_eq!(why, "somebody made it available meanwhile: it is left so", "people left the schedule alone");
}

#[tokio::test]
async fn schedule_that_its_owner_disabled_stays_disabled() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.put_back(&run).await;
    assert_eq!(state(&story, "reports-resume"), "DISABLED");
    assert_eq!(story.calls("ModifyScheduledAction"), 6, "three are disabled and enabled again");
}

#[tokio::test]
async fn schedule_that_a_person_enables_is_told_and_stays() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.hour().await;
    story.world.account().scheduled("orders-resume").state = "ACTIVE";
    story.look(&run).await;
    assert_eq!((state(&story, "orders-resume"), status(&story, "orders")), ("ACTIVE", "paused"));
    let why = story.reason(&run, "scheduled action orders-resume").await;
    assert_eq!(why, "somebody made it active meanwhile: it is left so");
    story.put_back(&run).await;
    assert_eq!((state(&story, "orders-resume"), status(&story, "orders")), ("ACTIVE", "available"));
}

#[tokio::test]
async fn new_schedule_of_a_held_cluster_is_disabled_by_a_round() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().schedule(Schedule::new("late", "orders", Does::Resume));
    story.look(&run).await;
    assert_eq!(state(&story, "late"), "DISABLED", "{:#?}", story.told(&run).await);
    story.put_back(&run).await;
    assert_eq!(state(&story, "late"), "ACTIVE");
}

#[tokio::test]
async fn deleted_schedule_costs_the_others_nothing() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().redshift.schedules.retain(|(_, name), _| name != "orders-resume");
    story.put_back(&run).await;
    let why = story.reason(&run, "scheduled action orders-resume").await;
    assert_eq!(why, "nothing to put back: the scheduled action orders-resume is there no more");
    assert_eq!((state(&story, "orders-resize"), status(&story, "orders")), ("ACTIVE", "available"));
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn schedule_deleted_before_its_change_holds_up_no_cluster() {
    let story = Story::of(fill);
    let run = open(&story).await;
    story.world.account().redshift.schedules.clear();
    story.apply(&run).await;
    assert_eq!((status(&story, "orders"), status(&story, "reports")), ("paused", "paused"), "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn schedule_that_was_given_other_work_is_enabled_again() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.world.account().scheduled("orders-resume").does = Does::Pause;
    story.put_back(&run).await;
    assert_eq!(state(&story, "orders-resume"), "ACTIVE");
    let story = Story::of(fill);
    let run = open(&story).await;
    story.world.account().scheduled("orders-resize").does = Does::Pause;
    story.apply(&run).await;
    let why = story.reason(&run, "scheduled action orders-resize").await;
    assert_eq!(why, "it neither resumes nor resizes a cluster any more");
}

#[tokio::test]
async fn state_of_a_schedule_that_nobody_has_heard_of_is_waited_for() {
    let story = Story::of(|account| {
        fill(account);
        account.scheduled("orders-resume").state = "MUSING";
    });
    let run = open(&story).await;
    for _ in 0..5 {
        story.harness.invoke(guardrails_model::record::Direction::Apply, &run, 0).await.unwrap().unwrap();
        story.harness.wait(30).await;
    }
    assert_eq!((status(&story, "orders"), status(&story, "reports")), ("available", "paused"), "other units go on");
    story.world.account().scheduled("orders-resume").state = "ACTIVE";
    story.apply(&run).await;
    assert_eq!((status(&story, "orders"), state(&story, "orders-resume")), ("paused", "DISABLED"));
}
