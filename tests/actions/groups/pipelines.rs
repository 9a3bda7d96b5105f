//! A pipeline resumes, resizes or refreshes a held group, at any moment: a stopped member survives it, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guardrails_model::ids::RunId;
use guardrails_model::record::Direction;
use guardrails_model::runs::Outcome;
use serde_json::json;

use super::controls::{suspended_alone, upgraded};
use super::{beta, story};
use crate::story::Story;
use crate::world::{Account, Fault, Group, HOME, Kind, Power};

const FOUR: [&str; 4] = ["i-1", "i-2", "i-3", "i-4"];
/// Requests of pipelines: each a form without the group's name.
const RESUME: &str = "Action=ResumeProcesses";
const SCALE: &str = "Action=SetDesiredCapacity&DesiredCapacity=4";
const UPDATE: &str = "Action=UpdateAutoScalingGroup&MinSize=2&MaxSize=12&DesiredCapacity=4";
const REFRESH: &str = "Action=StartInstanceRefresh";
const REFRESH_STANDBY: &str = "Action=StartInstanceRefresh&Preferences.StandbyInstances=Terminate";
const DELETE: &str = "Action=DeleteAutoScalingGroup&ForceDelete=true";

fn ask(story: &Story, form: &str) {
    let status = story.world.ask(HOME, &format!("Version=2011-01-01&AutoScalingGroupName=fleet&{form}"));
    assert_eq!(status, 200, "{form}");
}

/// A group that may grow.
fn roomy() -> Group {
    Group::new("fleet", 1, 4, 12).tag("Project=Beta")
}

fn all_are(story: &Story, power: &str) -> bool {
    let is = story.world.account().snapshot();
    FOUR.iter().all(|id| is[*id] == power)
}

/// Those of the four that the group terminated.
fn lost(story: &Story) -> Vec<String> {
    story.terminated().into_iter().filter(|id| FOUR.contains(&id.as_str())).collect()
}

#[tokio::test]
async fn stopped_members_survive_pipelines_and_come_back() {
    for asked in
        [&[RESUME][..], &[SCALE], &[UPDATE], &[UPDATE, RESUME], &[RESUME, UPDATE], &[RESUME, REFRESH], &[REFRESH, RESUME]]
    {
        let story = story(roomy());
        let run = story.stop_beta("beta 80%").await;
        for form in asked {
            ask(&story, form);
            story.harness.wait(40).await;
        }
        story.hour().await;
        assert!(all_are(&story, "Stopped") && lost(&story).is_empty(), "{asked:?}: {:?}", story.terminated());
        story.put_back(&run).await;
        story.hour().await;
        assert_eq!(
            (story.state(&run).await, lost(&story)),
            ("rolled back", Vec::new()),
            "{asked:?}: {:#?}",
            story.told(&run).await
        );
        assert!(all_are(&story, "Running"), "{asked:?}");
        let account = story.world.account();
        let group = account.fleets.values().next().unwrap();
        assert!(group.suspended.is_empty(), "{asked:?}");
        let roll = group.roll();
        assert!(FOUR.iter().all(|id| roll.contains(&format!("{id} InService Healthy"))), "{asked:?}: {roll:?}");
    }
}

#[tokio::test]
async fn control_suspension_alone_loses_members_to_a_pipeline() {
    for asked in [&[RESUME][..], &[UPDATE, RESUME], &[REFRESH, RESUME]] {
        let story = suspended_alone(roomy());
        let run = story.stop_beta("beta 80%").await;
        assert!(all_are(&story, "Stopped"), "{:#?}", story.told(&run).await);
        for form in asked {
            ask(&story, form);
        }
        story.hour().await;
        assert_eq!(lost(&story), FOUR, "{asked:?}");
        story.put_back(&run).await;
        assert_eq!(story.state(&run).await, "rollback failed", "{asked:?}");
        let told = story.members(&run).await;
        assert!(told[0].starts_with("i-1: rollback failed (LOST: the instance i-1 is "), "{told:?}");
    }
}

/// A run that is about to go this way.
async fn about_to(direction: Direction) -> (Story, RunId) {
    let story = story(roomy());
    let run = story.open_beta("beta 80%", json!({})).await;
    if direction == Direction::Rollback {
        story.apply(&run).await;
        story.harness.ask_back(&run, &[], false).await;
    }
    story.harness.gate.disarm();
    (story, run)
}

/// Lets the group do all that it could do to its members, while we stand still at each change of the account in turn. Between two of
/// them nothing moves but time.
async fn at_any_moment(direction: Direction, form: &str, stays: impl Fn(&Story) -> bool) {
    let (story, run) = about_to(direction).await;
    story.harness.execute(direction, &run).await.unwrap();
    let calls = story.harness.gate.calls();
    let moments = calls.iter().zip(1..).filter(|(call, _)| !call.starts_with("ledger") && !call.starts_with("Describe"));
    // AWS takes no condition on a size: between our question and this call nobody's change can be seen.
    let moments = moments.filter(|(call, _)| !form.contains("MinSize") || !call.starts_with("UpdateAutoScalingGroup"));
    let moments: Vec<usize> = moments.map(|(_, at)| at).collect();
    assert!(moments.len() > 4, "{calls:?}");
    for at in moments {
        let (story, run) = about_to(direction).await;
        story.harness.gate.arm(Fault { at, kind: Kind::Stall });
        let mut working = Box::pin(story.harness.execute(direction, &run));
        tokio::select! {
            biased;
            _ = &mut working => panic!("the moment {at} never comes"),
            () = story.harness.gate.stall() => {}
        }
        ask(&story, form);
        story.harness.wait(5).await;
        story.harness.gate.wake();
        working.await.unwrap();
        if direction == Direction::Apply {
            story.hour().await;
            story.put_back(&run).await;
        }
        story.hour().await;
        let told = story.told(&run).await;
        assert_eq!((story.terminated(), story.state(&run).await), (Vec::new(), "rolled back"), "at {at}: {told:#?}");
        assert!(all_are(&story, "Running") && stays(&story), "at {at}: {told:#?}");
    }
}

#[tokio::test]
async fn resuming_all_processes_in_a_stop_terminates_nobody() {
    at_any_moment(Direction::Apply, RESUME, |_| true).await;
}

#[tokio::test]
async fn resuming_all_processes_in_a_rollback_terminates_nobody() {
    at_any_moment(Direction::Rollback, RESUME, |_| true).await;
}

#[tokio::test]
async fn minimum_that_others_set_during_a_rollback_stays() {
    let is_theirs = |story: &Story| story.world.account().scaling("fleet").size().starts_with("3 <= ");
    at_any_moment(Direction::Rollback, "Action=UpdateAutoScalingGroup&MinSize=3", is_theirs).await;
}

#[tokio::test]
async fn peak_of_the_capacity_during_a_rollback_launches_nobody() {
    let (story, run) = about_to(Direction::Rollback).await;
    let desired = |count: usize| ask(&story, &format!("Action=SetDesiredCapacity&DesiredCapacity={count}"));
    story.harness.gate.arm_for("StartInstances", Kind::Stall);
    let mut working = Box::pin(story.harness.execute(Direction::Rollback, &run));
    // Its members start, and then they are looked at.
    for (count, next) in [(6, "DescribeInstanceStatus"), (0, "nothing more")] {
        tokio::select! {
            biased;
            _ = &mut working => panic!("the moment never comes"),
            () = story.harness.gate.stall() => {}
        }
        desired(count);
        story.harness.gate.arm_for(next, Kind::Stall);
        story.harness.gate.wake();
    }
    working.await.unwrap();
    story.hour().await;
    let told = story.told(&run).await;
    assert_eq!(story.world.account().scaling("fleet").size(), "1 <= 4 <= 12", "{told:#?}");
}

#[tokio::test]
async fn members_a_pipeline_launches_are_stopped_in_the_next_look() {
    let story = story(roomy());
    let run = story.stop_beta("beta 80%").await;
    ask(&story, UPDATE);
    ask(&story, RESUME);
    story.hour().await;
    let launched = ["i-fleet-1", "i-fleet-2", "i-fleet-3", "i-fleet-4"];
    let are = |power: &str| launched.iter().all(|id| story.world.account().snapshot()[*id] == power);
    assert!(are("Running"));
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    story.hour().await;
    let told = story.told(&run).await;
    assert!(are("Stopped") && all_are(&story, "Stopped") && story.terminated().is_empty(), "{told:#?}");
    let launch = "Launch of group fleet: applied (somebody made it working meanwhile: it is left so)";
    assert!(told.contains(&launch.to_owned()), "{told:#?}");
    let late = story.steps(&run).await.into_iter().find(|step| step.label == launched[0]).unwrap();
    assert!(late.late && late.kind.is_some(), "{late:?}");
    story.put_back(&run).await;
    story.hour().await;
    assert!(are("Running") && all_are(&story, "Running"));
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()), "{:#?}", story.told(&run).await);
}

/// The sizes after a hold in which a pipeline asked for this, and all else as it was.
async fn size_after(form: &str) -> String {
    let story = story(roomy());
    let run = story.stop_beta("beta 80%").await;
    ask(&story, form);
    story.hour().await;
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()), "{:#?}", story.told(&run).await);
    assert!(all_are(&story, "Running"));
    story.world.account().scaling("fleet").size()
}

#[tokio::test]
async fn sizes_come_back_unless_a_pipeline_wants_more() {
    // As many as before: those that come back are they, and nobody is launched beside them.
    assert_eq!(size_after(SCALE).await, "1 <= 4 <= 12");
    // More: theirs. Fewer: nobody is terminated for it.
    assert_eq!(size_after("Action=SetDesiredCapacity&DesiredCapacity=6").await, "1 <= 6 <= 12");
    assert_eq!(size_after("Action=SetDesiredCapacity&DesiredCapacity=2").await, "1 <= 4 <= 12");
    // A minimum launches nobody beside those that come back, and is theirs once they are there.
    assert_eq!(size_after("Action=UpdateAutoScalingGroup&MinSize=3").await, "3 <= 4 <= 12");
    assert_eq!(size_after("Action=UpdateAutoScalingGroup&MinSize=1").await, "1 <= 4 <= 12");
}

#[tokio::test]
async fn minimum_of_others_outlives_a_look_and_a_start_by_hand() {
    for before in [0, 2] {
        for (looks, started) in [(false, false), (true, false), (false, true), (true, true)] {
            let story = story(Group::new("fleet", before, 4, 12).tag("Project=Beta"));
            let run = story.stop_beta("beta 80%").await;
            assert_eq!(story.world.account().scaling("fleet").size(), "0 <= 0 <= 12");
            ask(&story, "Action=UpdateAutoScalingGroup&MinSize=3");
            story.hour().await;
            if looks {
                assert_eq!(story.look(&run).await, Outcome::Succeeded);
                story.hour().await;
                assert!(story.world.account().scaling("fleet").size().starts_with("0 <= "), "a look holds it at 0");
            }
            if started {
                let mut account = story.world.account();
                account.instances.values_mut().for_each(|instance| instance.power = Power::Running);
            }
            story.put_back(&run).await;
            story.hour().await;
            let told = story.told(&run).await;
            assert_eq!(story.world.account().scaling("fleet").size(), "3 <= 4 <= 12", "{before} {looks} {started} {told:#?}");
            assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()), "{told:#?}");
        }
    }
}

#[tokio::test]
async fn terminated_standby_is_a_loss_until_a_person_settles_it() {
    for form in [REFRESH_STANDBY, DELETE] {
        let story = story(roomy());
        let run = story.stop_beta("beta 80%").await;
        ask(&story, RESUME);
        ask(&story, form);
        story.hour().await;
        assert_eq!(lost(&story), FOUR);
        for _ in 0..2 {
            story.put_back(&run).await;
            let told = story.members(&run).await;
            assert!(told[0].starts_with("i-1: rollback failed (LOST: the instance i-1 is "), "{form}: {told:#?}");
            assert_eq!(
                (told.last().unwrap().as_str(), story.state(&run).await),
                ("i-8: rolled back", "rollback failed"),
                "{form}"
            );
        }
        let words = story.load(&run).await.events.last().unwrap().what.clone();
        assert!(words.contains(" 4 LOST, 0 still held"), "{words}");
        let request = guardrails_model::runs::AbandonRequest {
            by: crate::story::ANN.to_owned(),
            at: guardrails_model::clock::Clock::now(&*story.world.clock),
            why: "they are gone".to_owned(),
            only: Vec::new(),
            actions: Vec::new(),
            places: Vec::new(),
        };
        story.harness.runs().abandon(&run, &request).await.unwrap();
        assert_eq!(story.state(&run).await, "abandoned");
    }
}

#[tokio::test]
async fn members_without_room_stay_in_standby_until_there_is_room() {
    let story = Story::of(|account: &mut Account| beta(account, Group::new("fleet", 1, 4, 4).tag("Project=Beta")));
    let run = story.stop_beta("beta 80%").await;
    ask(&story, SCALE);
    ask(&story, RESUME);
    story.hour().await;
    story.put_back(&run).await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rollback failed", Vec::new()));
    assert!(all_are(&story, "Running"));
    ask(&story, "Action=UpdateAutoScalingGroup&MaxSize=8");
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()), "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn twenty_one_members_enter_and_leave_standby_in_twenties() {
    let story = Story::of(|account| {
        account.fleet(Group::new("fleet", 3, 21, 21).tag("Project=Beta"));
        for at in 1..=21 {
            account.instance(super::member(&format!("i-{at}")));
        }
        account.page = 50;
    });
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()), "{:#?}", story.told(&run).await);
    let calls = story.world.account().calls.clone();
    assert_eq!((calls["EnterStandby"].0, calls["ExitStandby"].0), (2, 2));
}

/// A run that a version without Standby began, as far as that `went`, and its account before it.
async fn of_an_earlier_version(went: impl AsyncFn(&Story) -> RunId) -> (Story, RunId, Vec<String>) {
    let now: Arc<AtomicBool> = Arc::default();
    let story = upgraded(roomy(), &now);
    let before = story.picture();
    let run = went(&story).await;
    let planned = story.steps(&run).await;
    assert!(planned.iter().all(|step| !step.label.starts_with("minimum of ")), "it knew no Standby");
    now.store(true, Ordering::Relaxed);
    (story, run, before)
}

async fn comes_back(story: &Story, run: &RunId, before: Vec<String>) {
    story.put_back(run).await;
    story.hour().await;
    let told = story.told(run).await;
    assert_eq!((story.picture(), story.state(run).await, story.terminated()), (before, "rolled back", Vec::new()), "{told:#?}");
}

#[tokio::test]
async fn run_of_a_version_without_standby_rolls_back() {
    let (story, run, before) = of_an_earlier_version(async |story| story.stop_beta("beta 80%").await).await;
    assert!(story.world.account().scaling("fleet").roll().iter().all(|member| member.contains(" InService ")));
    comes_back(&story, &run, before).await;
}

#[tokio::test]
async fn run_of_a_version_without_standby_enters_it_at_the_next_look() {
    let (story, run, before) = of_an_earlier_version(async |story| story.stop_beta("beta 80%").await).await;
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    ask(&story, RESUME);
    story.hour().await;
    assert!(all_are(&story, "Stopped") && story.terminated().is_empty(), "{:#?}", story.told(&run).await);
    comes_back(&story, &run, before).await;
}

#[tokio::test]
async fn run_that_a_version_without_standby_only_planned_goes_on() {
    let (story, run, before) = of_an_earlier_version(async |story| story.open_beta("beta 80%", json!({})).await).await;
    story.apply(&run).await;
    story.hour().await;
    assert!(all_are(&story, "Stopped") && story.terminated().is_empty(), "{:#?}", story.told(&run).await);
    comes_back(&story, &run, before).await;
}

#[tokio::test]
async fn process_resumed_at_the_end_keeps_on_whoever_is_not_aside() {
    let story = upgraded(roomy(), &Arc::default());
    story.world.account().instances.remove("i-8");
    let run = story.open_beta("beta 80%", json!({})).await;
    story.harness.gate.arm_for("DescribeAutoScalingInstances", Kind::Stall);
    let mut stopping = Box::pin(story.harness.execute(Direction::Apply, &run));
    tokio::select! {
        biased;
        _ = &mut stopping => panic!("nobody asks once more before the stop"),
        () = story.harness.gate.stall() => {}
    }
    story.world.account().scaling("fleet").suspended.remove("Terminate");
    story.harness.gate.wake();
    stopping.await.unwrap();
    let why = "apply failed (somebody resumed Terminate of its Auto Scaling group fleet, which would terminate it)";
    assert_eq!(story.members(&run).await, FOUR.map(|id| format!("{id}: {why}")));
    story.put_back(&run).await;
    story.hour().await;
    assert!(all_are(&story, "Running") && story.terminated().is_empty(), "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn started_member_taken_out_of_standby_enters_it_again() {
    let story = story(roomy());
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.world.account().instances.get_mut("i-1").unwrap().power = Power::Running;
    ask(&story, "Action=ResumeProcesses&ScalingProcesses.member.1=Launch");
    ask(&story, "Action=ExitStandby&InstanceIds.member.1=i-1");
    story.harness.wait(60).await;
    assert!(story.picture().contains(&"fleet: i-1 InService Healthy".to_owned()), "{:?}", story.picture());
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    ask(&story, RESUME);
    story.hour().await;
    assert!(all_are(&story, "Stopped") && story.terminated().is_empty(), "{:#?}", story.told(&run).await);
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()), "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn member_found_unhealthy_before_an_upgrade_comes_back_healthy() {
    let went = async |story: &Story| {
        let run = story.stop_beta("beta 80%").await;
        story.world.account().scaling("fleet").members.get_mut("i-1").unwrap().healthy = false;
        run
    };
    let (story, run, before) = of_an_earlier_version(went).await;
    comes_back(&story, &run, before).await;
}

#[tokio::test]
async fn launch_suspended_by_a_person_launches_nobody_on_the_way_back() {
    // One member is missing, and the person who suspended Launch wants none launched.
    let story = story(Group::new("fleet", 1, 5, 12).tag("Project=Beta").suspended(&["Launch"]));
    let run = story.stop_beta("beta 80%").await;
    story.put_back(&run).await;
    story.hour().await;
    let told = story.told(&run).await;
    assert_eq!(story.state(&run).await, "rollback failed", "{told:#?}");
    assert!(told.iter().any(|step| step.contains("it would launch 1 more")), "{told:#?}");
    assert!(all_are(&story, "Running") && story.terminated().is_empty());
    assert!(!story.world.account().snapshot().contains_key("i-fleet-1"), "{told:#?}");
}
