//! Auto Scaling groups: their members stop and start again, and nothing of theirs is ever terminated or launched for it.

mod controls;
mod due;
mod holds;
mod looks;
mod people;
mod pipelines;
mod scope;
mod size;
mod tags;
mod trouble;

use crate::story::{Story, running};
use crate::world::{Account, Group, Instance, Member, Power};

/// A member in scope.
fn member(id: &str) -> Instance {
    running(id).in_group("fleet")
}

/// A group that wants four, and has them.
fn four() -> Group {
    of(4)
}

/// A group that wants so many.
fn of(desired: usize) -> Group {
    Group::new("fleet", 1, desired, 6).tag("Project=Beta")
}

/// `group` with four members, next to an instance in scope and one that is not.
fn beta(account: &mut Account, group: Group) {
    account.fleet(group);
    for id in ["i-1", "i-2", "i-3", "i-4"] {
        account.instance(member(id));
    }
    account.instance(running("i-8")).instance(Instance::new("i-9", Power::Running, "Project=Gamma"));
}

fn story(group: Group) -> Story {
    Story::of(|account| beta(account, group))
}

/// Enforced for an hour, rolled back, and an hour later: everything is as before, and nobody was terminated.
async fn goes_and_comes_back(story: &Story) {
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.hour().await;
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!(story.picture(), before, "{:#?}", story.told(&run).await);
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()), "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn all_members_stop_and_none_is_terminated() {
    let story = story(four());
    let run = story.stop_beta("beta 80%").await;
    story.hour().await;
    let processes = "AZRebalance, AlarmNotification, HealthCheck, InstanceRefresh, Launch, ReplaceUnhealthy, ScheduledActions, \
                     Terminate";
    let groups = [&format!("fleet processes {processes}"), "fleet size 0 <= 0 <= 6"];
    let instances = ["i-1 Stopped", "i-2 Stopped", "i-3 Stopped", "i-4 Stopped", "i-8 Stopped", "i-9 Running"];
    assert_eq!(story.is(), [&groups[..], &instances[..]].concat());
    assert_eq!((story.state(&run).await, story.terminated()), ("enforced", Vec::new()));
    let told = ["i-1: applied", "i-2: applied", "i-3: applied", "i-4: applied", "i-8: applied"];
    assert_eq!(story.members(&run).await, told);
    assert_eq!(story.processes(&run).await, ["applied"]);
    assert!(story.world.account().scaling("fleet").roll().iter().all(|member| member.ends_with(" Standby Healthy")));
}

#[tokio::test]
async fn the_way_back_leaves_everything_as_before() {
    goes_and_comes_back(&story(four())).await;
}

#[tokio::test]
async fn process_that_an_operator_suspended_stays_suspended() {
    for suspended in [
        &["AZRebalance"][..],
        &["HealthCheck"],
        &["Terminate"],
        &["ReplaceUnhealthy", "Launch"],
        &["AddToLoadBalancer"],
        &crate::actions::groups::controls::EIGHT,
    ] {
        let story = story(four().suspended(suspended));
        goes_and_comes_back(&story).await;
        assert_eq!(story.world.account().scaling("fleet").suspended.len(), suspended.len());
    }
}

#[tokio::test]
async fn every_check_of_the_group_is_waited_for() {
    for group in [four().elb("tg-1"), four().classic_elb("lb-1"), four().ebs(), four().elb("tg-1").ebs().grace(60)] {
        let story = story(group);
        story.world.account().initializing = 400;
        goes_and_comes_back(&story).await;
    }
}

#[tokio::test]
async fn members_in_standby_stop_and_start_and_stay_in_standby() {
    let story = story(four());
    story.world.account().instance(running("i-5").in_group_as("fleet", Member::new("Standby")));
    goes_and_comes_back(&story).await;
    assert_eq!(story.world.account().scaling("fleet").roll()[4], "i-5 Standby Healthy");
}

#[tokio::test]
async fn several_groups_go_each_by_itself() {
    let story = story(four());
    for name in ["a", "b"] {
        let mut account = story.world.account();
        account.fleet(Group::new(name, 0, 2, 2).tag("Project=Beta"));
        account.instance(running(&format!("i-{name}1")).in_group(name)).instance(running(&format!("i-{name}2")).in_group(name));
    }
    goes_and_comes_back(&story).await;
}

#[tokio::test]
async fn a_group_s_name_may_hold_slashes() {
    let story = Story::of(|account| {
        beta(account, four());
        account.fleet(Group::new("team//web/", 0, 1, 1).tag("Project=Beta")).instance(running("i-6").in_group("team//web/"));
    });
    let run = story.stop_beta("beta 80%").await;
    assert_eq!(story.world.account().snapshot()["i-6"], "Stopped");
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()));
}

#[tokio::test]
async fn unhealthy_member_is_called_healthy_before_group_looks_again() {
    let story = story(four());
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    // A person called them unhealthy, who knew of no Standby.
    for id in ["i-1", "i-3"] {
        story.world.account().scaling("fleet").members.get_mut(id).unwrap().healthy = false;
    }
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()), "{:#?}", story.told(&run).await);
}

#[tokio::test]
async fn member_unhealthy_before_is_left_alone_and_not_called_healthy() {
    let ill = |story: &Story| story.world.account().scaling("fleet").members.get_mut("i-2").unwrap().healthy = false;
    // Known when it is planned.
    let told = story(four().suspended(&["ReplaceUnhealthy"]));
    ill(&told);
    let run = told.stop_beta("beta 80%").await;
    let why = "its Auto Scaling group fleet finds it unhealthy already";
    assert_eq!(
        told.members(&run).await[..3],
        ["i-1: applied".to_owned(), format!("i-2: skipped ({why})"), "i-3: applied".to_owned()]
    );
    told.put_back(&run).await;
    told.hour().await;
    assert_eq!(told.world.account().scaling("fleet").roll()[1], "i-2 InService Unhealthy");
    assert_eq!((told.state(&run).await, told.terminated()), ("rolled back", Vec::new()));
    // Found out between the plan and the stop.
    let late = story(four().suspended(&["ReplaceUnhealthy"]));
    let run = late.open_beta("beta 80%", serde_json::json!({})).await;
    ill(&late);
    late.apply(&run).await;
    assert_eq!(late.members(&run).await[1], format!("i-2: skipped ({why})"));
    late.put_back(&run).await;
    late.hour().await;
    assert_eq!(late.world.account().scaling("fleet").roll()[1], "i-2 InService Unhealthy");
    assert_eq!((late.state(&run).await, late.terminated()), ("rolled back", Vec::new()));
}
