//! Trouble that comes by itself: activities in progress, and members that do not come back.

use guardrails_model::engine::{Cursor, Progress};
use guardrails_model::ids::RunId;
use guardrails_model::phase::Phase;
use guardrails_model::record::{Direction, Step};
use serde_json::json;

use super::{beta, four, member, of, story};
use crate::story::Story;
use crate::world::{Check, Group};

/// A group that is about to launch a fifth member.
fn growing() -> Group {
    of(5)
}

#[tokio::test]
async fn member_launched_at_the_alert_is_stopped_with_the_others() {
    for planned in [false, true] {
        let story = story(growing());
        if planned {
            story.harness.wait(10).await;
        }
        let run = story.open_beta("beta 80%", json!({})).await;
        if !planned {
            story.harness.wait(10).await;
        }
        assert_eq!(story.world.account().scaling("fleet").roll()[4], "i-fleet-1 Pending Healthy");
        story.apply(&run).await;
        story.hour().await;
        let account = story.world.account().snapshot();
        assert!(["i-1", "i-4", "i-fleet-1"].iter().all(|id| account[*id] == "Stopped"), "{account:?}");
        let new: Vec<Step> = story.steps(&run).await.into_iter().filter(|step| step.label == "i-fleet-1").collect();
        assert_eq!((new.len(), new[0].phase, new[0].late), (1, Phase::Applied, !planned));
        story.put_back(&run).await;
        story.hour().await;
        assert_eq!(story.world.account().scaling("fleet").suspended_processes(), Vec::<&str>::new());
        assert_eq!(story.world.account().scaling("fleet").roll()[4], "i-fleet-1 InService Healthy");
        assert!(story.world.account().snapshot().iter().all(|(id, is)| !id.starts_with("i-") || is == "Running"));
        assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()));
    }
}

#[tokio::test]
async fn endless_activity_fails_members_and_rollback_resumes_group() {
    let story = story(growing());
    story.world.account().activity = 1_000_000;
    let before = story.is();
    let run = story.open_beta("beta 80%", json!({})).await;
    story.harness.wait(10).await;
    story.apply(&run).await;
    assert_eq!(story.state(&run).await, "apply failed");
    let told = story.members(&run).await;
    let minimum = "minimum of group fleet, which is apply failed (after ";
    assert!(told[0].contains(minimum) && told[0].contains(" s still: i-fleet-1 is Pending)"), "{told:?}");
    assert_eq!(told[4], "i-8: applied");
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    let mut is = story.is();
    is.retain(|line| !line.starts_with("i-fleet-1"));
    assert_eq!((is, story.terminated()), (before, Vec::new()));
}

/// The group stays as it is, and it is said; once the member is well another rollback finishes, and with force it need not be.
async fn stays_suspended(story: &Story, says: &str, mend: impl FnOnce(&Story)) {
    let before = story.picture();
    let run = story.stop_beta_with("beta 80%", json!({"keep-trying": "1h"})).await;
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rollback failed", "{:?}", story.told(&run).await);
    for process in story.processes(&run).await {
        assert!(process.starts_with("rollback failed (") && process.contains(says), "{process}");
    }
    let running = ["i-1", "i-3", "i-4", "i-8"].iter().all(|id| story.world.account().snapshot()[*id] == "Running");
    assert!(running, "{:?}", story.is());
    story.hour().await;
    assert_eq!(story.world.account().scaling("fleet").suspended.len(), 8);
    mend(story);
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!(story.picture(), before, "{:?}", story.told(&run).await);
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()));
}

/// The group is resumed all the same. The member that does not run stays in Standby, where no group does anything to it.
async fn is_resumed_by_force(story: &Story) {
    let run = story.stop_beta_with("beta 80%", json!({"keep-trying": "1h"})).await;
    story.put_back(&run).await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rollback failed", Vec::new()));
    story.put_back_with_force(&run).await;
    assert!(story.world.account().scaling("fleet").suspended.is_empty(), "{:?}", story.told(&run).await);
    story.hour().await;
    assert!(story.terminated().is_empty());
    assert_eq!(story.world.account().scaling("fleet").roll()[1], "i-2 Standby Healthy");
}

fn without_capacity() -> Story {
    let story = story(four());
    story.world.account().instance(member("i-2").refusing_start(usize::MAX));
    story
}

fn impaired() -> Story {
    let story = story(four());
    // It is so only once it has been stopped: until then the group would see it.
    story.world.account().initializing = i64::MAX;
    story
}

#[tokio::test]
async fn a_group_with_a_member_without_capacity_stays_suspended() {
    let mend = |story: &Story| {
        let (power, becomes) = {
            let account = story.world.account();
            (account.instances["i-2"].power, account.instances["i-2"].becomes)
        };
        assert_eq!(becomes, None);
        story.world.account().instance(crate::world::Instance::new("i-2", power, "Project=Beta").in_group("fleet"));
    };
    stays_suspended(&without_capacity(), "i-2, which is rollback failed (", mend).await;
    is_resumed_by_force(&without_capacity()).await;
}

#[tokio::test]
async fn group_whose_members_never_pass_checks_stays_suspended() {
    let mend = |story: &Story| story.world.account().initializing = 20;
    stays_suspended(&impaired(), "i-1 has a system check that is initializing", mend).await;
}

#[tokio::test]
async fn member_ill_at_its_load_balancer_keeps_the_check_suspended() {
    let story = story(four().elb("tg-1").grace(i32::MAX.into()));
    story.world.account().failing.insert(("tg-1".to_owned(), "i-2".to_owned()));
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.put_back(&run).await;
    let ill = "i-2 is unhealthy in its target group";
    let told = story.processes(&run).await;
    assert!(told.iter().any(|told| told.starts_with("rollback failed (") && told.contains(ill)), "{told:?}");
    story.hour().await;
    // A load balancer sees only members in service, and Launch works for these.
    assert_eq!(story.world.account().scaling("fleet").suspended.len(), 7);
    assert_eq!((story.state(&run).await, story.terminated()), ("rollback failed", Vec::new()));
    story.world.account().failing.clear();
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.state(&run).await, story.terminated()), (before, "rolled back", Vec::new()));
}

#[tokio::test]
async fn group_with_impaired_member_stays_suspended_until_force() {
    let story = story(four());
    let run = story.stop_beta("beta 80%").await;
    story.world.account().instances.get_mut("i-2").unwrap().impaired = Some(Check::Instance);
    story.put_back(&run).await;
    let why = "rollback failed (after 1";
    assert!(story.processes(&run).await.iter().any(|process| process.starts_with(why)), "{:?}", story.processes(&run).await);
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rollback failed", Vec::new()));
    story.put_back_with_force(&run).await;
    story.hour().await;
    assert_eq!(story.terminated(), ["i-2"]);
}

#[tokio::test]
async fn force_does_not_resume_a_group_whose_members_are_starting() {
    let story = Story::of(|account| {
        beta(account, four().elb("tg-1"));
        account.initializing = 300;
    });
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.put_back_with_force(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()), "{:?}", story.told(&run).await);
}

/// Invokes the way back until the group's check is resumed, and nothing that acts on it.
async fn go_back_to_the_check(story: &Story, run: &RunId) {
    story.harness.ask_back(run, &[], false).await;
    let mut cursor = Cursor::default();
    while story.world.account().scaling("fleet").suspended.contains_key("HealthCheck") {
        match story.harness.invoke_from(Direction::Rollback, run, 0, cursor).await {
            Some(Ok(Progress::Settling { seconds, cursor: next, .. })) => {
                cursor = next;
                story.harness.wait(seconds.min(5)).await;
            }
            other => panic!("{other:?} {:?}", story.steps(run).await),
        }
    }
}

#[tokio::test]
async fn member_that_fails_once_group_looks_again_is_not_terminated() {
    let story = story(four());
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    go_back_to_the_check(&story, &run).await;
    story.world.account().instances.get_mut("i-2").unwrap().impaired = Some(Check::Instance);
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rollback failed", Vec::new()));
    // It is well again, and nobody has told the group: that is said.
    story.world.account().instances.get_mut("i-2").unwrap().impaired = None;
    story.put_back(&run).await;
    let told = story.processes(&run).await;
    assert!(told.iter().any(|process| process.contains("the group finds i-2 unhealthy, and does so until `aws")), "{told:?}");
    story.world.account().scaling("fleet").members.get_mut("i-2").unwrap().healthy = true;
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}

#[tokio::test]
async fn a_group_that_waits_for_capacity_is_asked_about_seldom() {
    let story = without_capacity();
    let run = story.stop_beta("beta 80%").await;
    story.world.account().calls.clear();
    story.put_back(&run).await;
    let calls: usize = story.world.account().calls.values().map(|(calls, _)| calls).sum();
    // Six hours long.
    assert!(calls < 1000, "{:?}", story.world.account().calls);
}
