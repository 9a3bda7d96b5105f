//! People's changes to a group meanwhile are theirs: they are said, and the rest is put back.

use guardrails_model::ids::RunId;
use guardrails_model::record::Direction;
use serde_json::json;

use super::{four, member, story};
use crate::story::Story;
use crate::world::{HOME, Kind, Power};

#[tokio::test]
async fn process_resumed_before_the_stop_harms_no_member() {
    for process in ["HealthCheck", "Terminate", "AZRebalance"] {
        let story = story(four());
        let run = story.open_beta("beta 80%", json!({})).await;
        // The processes are suspended, and the invocation that would go on now dies.
        story.harness.gate.arm_for("DescribeScalingActivities", Kind::DieBefore);
        while story.harness.gate.hit().is_none() {
            story.harness.invoke(Direction::Apply, &run, 0).await;
            story.harness.wait(5).await;
        }
        story.world.account().scaling("fleet").suspended.remove(process);
        story.apply(&run).await;
        story.hour().await;
        assert!(["i-1", "i-2", "i-3", "i-4"].iter().all(|id| story.world.account().snapshot()[*id] == "Stopped"));
        story.put_back(&run).await;
        story.hour().await;
        assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()), "{:?}", story.told(&run).await);
        assert!(story.world.account().scaling("fleet").suspended.is_empty());
    }
}

#[tokio::test]
async fn member_taken_out_of_standby_at_the_end_is_not_stopped() {
    let story = Story::of(|account| {
        account.fleet(four());
        for id in ["i-1", "i-2", "i-3", "i-4"] {
            account.instance(member(id));
        }
    });
    let before = story.picture();
    let run = story.open_beta("beta 80%", json!({})).await;
    story.harness.gate.arm_for("DescribeAutoScalingInstances", Kind::Stall);
    let mut stopping = Box::pin(story.harness.execute(Direction::Apply, &run));
    tokio::select! {
        biased;
        _ = &mut stopping => panic!("nobody asks once more before the stop"),
        () = story.harness.gate.stall() => {}
    }
    story.world.account().scaling("fleet").suspended.remove("Launch");
    let form = "Version=2011-01-01&AutoScalingGroupName=fleet&InstanceIds.member.1=i-1";
    assert_eq!(story.world.ask(HOME, &format!("Action=ExitStandby&{form}")), 200);
    story.harness.gate.wake();
    stopping.await.unwrap();
    let why = "apply failed (somebody took it out of Standby in its Auto Scaling group fleet, which would terminate it)";
    assert_eq!(story.members(&run).await[..2], [format!("i-1: {why}"), "i-2: applied".to_owned()]);
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}

/// Rolled back, it says this of `i-2`, and the rest is as before.
async fn is_put_back_but_for_the_second(story: &Story, run: &RunId, says: &str, state: &str) {
    story.put_back(run).await;
    assert_eq!(story.members(run).await[1], says);
    assert_eq!(story.state(run).await, state, "{:?}", story.told(run).await);
    story.hour().await;
    let is = story.world.account().snapshot();
    assert!(["i-1", "i-3", "i-4", "i-8"].iter().all(|id| is[*id] == "Running"), "{is:?}");
    assert!(story.world.account().scaling("fleet").suspended.is_empty());
}

#[tokio::test]
async fn terminated_member_is_a_loss_and_the_rest_comes_back() {
    let terminated = story(four());
    let run = terminated.stop_beta("beta 80%").await;
    terminated.world.account().instances.get_mut("i-2").unwrap().power = Power::Terminated;
    let says = "i-2: rollback failed (LOST: the instance i-2 is terminated; `guardrails abandon` settles it)";
    is_put_back_but_for_the_second(&terminated, &run, says, "rollback failed").await;

    let forgotten = story(four());
    let run = forgotten.stop_beta("beta 80%").await;
    forgotten.world.account().instances.remove("i-2");
    let says = "i-2: rollback failed (LOST: the instance i-2 is there no more; `guardrails abandon` settles it)";
    is_put_back_but_for_the_second(&forgotten, &run, says, "rollback failed").await;

    let detached = story(four());
    let run = detached.stop_beta("beta 80%").await;
    detached.world.account().scaling("fleet").members.remove("i-2");
    is_put_back_but_for_the_second(&detached, &run, "i-2: rolled back", "rolled back").await;
    assert!(detached.terminated().is_empty());
}

#[tokio::test]
async fn members_of_a_deleted_group_are_lost_and_the_rest_comes_back() {
    for gone in [false, true] {
        let story = story(four());
        let run = story.stop_beta("beta 80%").await;
        {
            let mut account = story.world.account();
            for id in ["i-1", "i-2", "i-3", "i-4"] {
                account.instances.get_mut(id).unwrap().power = Power::Terminated;
            }
            if gone {
                account.fleets.clear();
            } else {
                account.scaling("fleet").status = Some("Delete in progress");
            }
        }
        story.put_back(&run).await;
        let (state, told) = (story.state(&run).await, story.told(&run).await);
        assert_eq!(state, "rollback failed", "{told:?}");
        let lost = told.iter().filter(|told| told.contains("rollback failed (LOST: the instance i-")).count();
        assert_eq!(lost, 4, "{told:?}");
        let why = if gone { "is there no more" } else { "is going (Delete in progress)" };
        assert_eq!(
            story.processes(&run).await,
            [format!("rolled back (nothing to put back: the Auto Scaling group fleet {why})")]
        );
        assert_eq!(story.world.account().snapshot()["i-8"], "Running");
    }
}

#[tokio::test]
async fn group_deleted_before_its_members_stop_is_left_alone() {
    let story = story(four());
    let run = story.open_beta("beta 80%", json!({})).await;
    story.world.account().scaling("fleet").status = Some("Delete in progress");
    story.apply(&run).await;
    assert_eq!(story.state(&run).await, "enforced", "{:?}", story.told(&run).await);
    assert_eq!(story.members(&run).await[0], "i-1: skipped (its Auto Scaling group fleet is going (Delete in progress))");
}

#[tokio::test]
async fn an_instance_that_joined_a_group_after_the_plan_is_left_alone() {
    let story = story(four());
    let run = story.open_beta("beta 80%", json!({})).await;
    {
        let mut account = story.world.account();
        account.scaling("fleet").desired = 5;
        account.instance(member("i-8"));
    }
    story.apply(&run).await;
    assert_eq!(story.members(&run).await[4], "i-8: skipped (it joined the Auto Scaling group fleet after the plan)");
    assert_eq!(story.world.account().snapshot()["i-8"], "Running");
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()));
}
