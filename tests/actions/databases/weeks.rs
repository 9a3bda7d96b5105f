//! RDS starts a stopped database after seven days. Rounds stop it again, and know that from a person's start by the time.

use guardrails_model::clock::Clock;

use super::{fill, status, stop};
use crate::story::Story;
use crate::world::Database;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// Minutes that a stop or a start takes here.
const TAKES: i64 = 10 * 60;

#[tokio::test]
async fn database_held_for_sixty_days_costs_two_hours_a_week() {
    let story = Story::of(|account| {
        fill(account);
        account.takes = TAKES;
    });
    let before = story.picture();
    let run = stop(&story).await;
    let names = ["orders", "shop", "shop-1", "graph", "papers"];
    let billed = |name: &str| {
        let now = story.world.clock.now();
        story.world.account().db(name).billed(now)
    };
    let stopped = names.map(billed);
    let begun = story.world.clock.now();
    // A round an hour.
    while (story.world.clock.now() - begun).get_seconds() < 60 * DAY {
        story.hour().await;
        story.look(&run).await;
    }
    for (name, stopped) in names.into_iter().zip(stopped) {
        let hours = (billed(name) - stopped + HOUR - 1) / HOUR;
        let starts = i64::try_from(story.world.account().db(name).starts).unwrap();
        assert!((7..=9).contains(&starts), "{name}: RDS started it {starts} times in 60 days");
        assert!(hours <= 2 * starts, "{name}: {hours} h for {starts} starts");
        assert_eq!(status(&story, name), "stopped", "{name}");
    }
    story.put_back(&run).await;
    // RDS started the one that a person had stopped before: it is in scope then, and comes back as it was found.
    let after: Vec<String> = story.picture().into_iter().filter(|is| !is.starts_with("resting")).collect();
    assert_eq!(after, before.into_iter().filter(|is| !is.starts_with("resting")).collect::<Vec<_>>());
}

#[tokio::test]
async fn round_by_event_stops_databases_within_the_hour() {
    let story = Story::of(|account| {
        fill(account);
        account.takes = TAKES;
    });
    let run = stop(&story).await;
    let names = ["orders", "shop-1", "papers"];
    let billed = |name: &str| story.world.account().db(name).billed(story.world.clock.now());
    let stopped = names.map(billed);
    let begun = story.world.clock.now();
    // RDS sends the event when it begins to start one, and the rule begins a round.
    while (story.world.clock.now() - begun).get_seconds() < 60 * DAY {
        story.harness.wait(TAKES / 2).await;
        if names.iter().any(|name| status(&story, name) == "starting") {
            story.look(&run).await;
        }
    }
    for (name, stopped) in names.into_iter().zip(stopped) {
        let starts = i64::try_from(story.world.account().db(name).starts).unwrap();
        let seconds = billed(name) - stopped;
        assert!((7..=9).contains(&starts), "{name}: RDS started it {starts} times in 60 days");
        assert!(seconds <= starts * HOUR, "{name}: {seconds} s for {starts} starts");
        assert_eq!(status(&story, name), "stopped", "{name}");
    }
}

#[tokio::test]
async fn restart_by_rds_is_stopped_and_a_person_s_is_told() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    story.harness.wait(3 * DAY).await;
    let now = story.world.clock.now();
    for name in ["graph", "graph-1"] {
        story.world.account().db(name).set("available", now);
    }
    story.look(&run).await;
    story.harness.wait(4 * DAY - HOUR).await;
    story.look(&run).await;
    assert_eq!((status(&story, "graph"), status(&story, "orders")), ("available", "stopped"));
    assert_eq!(story.reason(&run, "DB cluster graph").await, "somebody made it available meanwhile: it is left so");
    story.harness.wait(2 * HOUR).await;
    assert_eq!(status(&story, "orders"), "available", "RDS started it");
    story.look(&run).await;
    assert_eq!(status(&story, "orders"), "stopped");
    for _ in 0..6 {
        story.harness.wait(5 * DAY).await;
        story.look(&run).await;
        assert_eq!(status(&story, "graph"), "available", "a person's start is never taken for that of RDS");
    }
}

#[tokio::test]
async fn week_begins_anew_where_a_person_stopped_again() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    let set = |status| {
        let mut account = story.world.account();
        for name in ["graph-1", "graph"] {
            let graph = account.db(name).clone();
            account.database(Database { status, becomes: None, restarts: None, ..graph });
        }
    };
    story.harness.wait(3 * DAY).await;
    set("available");
    story.look(&run).await;
    story.harness.wait(DAY).await;
    set("stopped");
    // This look comes late, and goes by the time that RDS says.
    story.harness.wait(5 * HOUR).await;
    story.look(&run).await;
    story.harness.wait(4 * DAY).await;
    set("available");
    story.look(&run).await;
    assert_eq!(status(&story, "graph"), "available", "on day 8, before the eleventh: it is a person's");
    set("stopped");
    story.harness.wait(5 * HOUR).await;
    story.look(&run).await;
    story.harness.wait(7 * DAY - 5 * HOUR + 60).await;
    assert_eq!(status(&story, "graph"), "available", "RDS started it");
    story.look(&run).await;
    assert_eq!(status(&story, "graph"), "stopped");
}

#[tokio::test]
async fn second_run_knows_the_week_of_the_first() {
    let story = Story::of(fill);
    let first = stop(&story).await;
    story.harness.wait(4 * DAY).await;
    let second = story.open("gamma 80%", "stop-databases", super::params()).await;
    story.apply(&second).await;
    story.look(&second).await;
    story.put_back(&first).await;
    assert_eq!(status(&story, "orders"), "stopped", "the second run holds it");
    story.harness.wait(3 * DAY + HOUR).await;
    assert_eq!(status(&story, "orders"), "available", "RDS started it");
    story.look(&second).await;
    assert_eq!(status(&story, "orders"), "stopped");
}

#[tokio::test]
async fn database_that_rds_is_starting_is_stopped_once_it_is_up() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    story.world.account().takes = 2 * HOUR;
    story.harness.wait(7 * DAY + 60).await;
    assert_eq!(status(&story, "orders"), "starting");
    story.look(&run).await;
    assert_eq!(status(&story, "orders"), "stopped");
}

#[tokio::test]
async fn start_of_a_database_that_nobody_held_is_a_newcomer() {
    let story = Story::of(fill);
    let run = stop(&story).await;
    story.harness.wait(DAY).await;
    let now = story.world.clock.now();
    story.world.account().db("resting").set("available", now);
    story.look(&run).await;
    assert_eq!(status(&story, "resting"), "stopped", "it is in scope, as a new one is");
    story.put_back(&run).await;
    assert_eq!(status(&story, "resting"), "available");
}

#[tokio::test]
async fn stopped_database_of_a_person_that_rds_starts_is_in_scope() {
    let story = Story::of(|account| {
        account.database(Database::instance("resting", "mysql", "Project=Beta").in_status("stopped"));
    });
    let run = stop(&story).await;
    story.harness.wait(7 * DAY + HOUR).await;
    assert_eq!(status(&story, "resting"), "available");
    story.look(&run).await;
    assert_eq!(status(&story, "resting"), "stopped");
    story.put_back(&run).await;
    assert_eq!(status(&story, "resting"), "available", "as it was found when the run stopped it");
}
