//! The promises of each action beyond the engine's for all of them, in an account that answers as AWS does.

use std::sync::Arc;

use guardrails_model::engine::Progress;
use guardrails_model::ids::RunId;
use guardrails_model::record::Direction;
use serde_json::json;

use crate::story::{ANN, Story, running};
use crate::world::{Account, Instance, Kind, Power, World};

const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";

async fn open_swap(story: &Story, who: &str) -> RunId {
    let params = json!({"group": "Beta", "detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]});
    story.open(who, "swap-group-policy", params).await
}

fn group(account: &mut Account) {
    account.policy(READ_ONLY).group("Beta", &[FULL]);
}

fn attached(policy: &str) -> String {
    format!("group Beta {:?}", std::collections::BTreeSet::from([policy]))
}

#[tokio::test]
async fn second_stage_holds_instances_that_the_first_has_stopped() {
    let story = Story::of(|account| {
        account.instance(running("i-1"));
    });
    let first = story.stop_beta("beta 80%").await;
    let second = story.stop_beta("beta 100%").await;
    story.put_back(&first).await;
    story.check(&second, &["i-1 Stopped"], &["i-1: applied"]).await;
    story.put_back(&second).await;
    story.check(&second, &["i-1 Running"], &["i-1: rolled back"]).await;
}

#[tokio::test]
async fn instance_without_capacity_does_not_keep_others_stopped() {
    let story = Story::of(|account| {
        account.instance(running("i-1")).instance(running("i-2").refusing_start(usize::MAX)).instance(running("i-3"));
    });
    let run = story.stop_beta("beta 80%").await;
    story.put_back(&run).await;
    let is: Vec<String> = story.world.account().snapshot().into_values().collect();
    assert_eq!(is, ["Running", "Stopped", "Running"]);
}

#[tokio::test]
async fn an_instance_whose_capacity_comes_back_is_started() {
    let story = Story::of(|account| {
        account.instance(running("i-1").refusing_start(3)).instance(running("i-2"));
    });
    let run = story.stop_beta("beta 80%").await;
    story.put_back(&run).await;
    story.check(&run, &["i-1 Running", "i-2 Running"], &["i-1: rolled back", "i-2: rolled back"]).await;
}

#[tokio::test]
async fn one_instance_that_refuses_costs_only_itself() {
    let story = Story::of(|account| {
        for number in 10..75 {
            account.instance(running(&format!("i-{number}")));
        }
        account.instance(running("i-42").protected());
        account.page = 50;
    });
    let run = story.stop_beta("beta 80%").await;
    let is = story.world.account().snapshot();
    let still: Vec<&String> = is.iter().filter(|(_, power)| *power != "Stopped").map(|(id, _)| id).collect();
    assert_eq!(still, ["i-42"]);
    story.put_back(&run).await;
    assert!(story.world.account().snapshot().values().all(|power| power == "Running"));
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let story = Story::of(|account| {
        group(account);
        account.instance(running("i-1"));
        account.throttled.insert("DescribeInstances".to_owned(), 1);
        account.throttled.insert("StopInstances".to_owned(), 2);
        account.throttled.insert("AttachGroupPolicy".to_owned(), 2);
    });
    let stopped = story.stop_beta("beta 80%").await;
    story.check(&stopped, &[&attached(FULL), "i-1 Stopped"], &["i-1: applied"]).await;
    story.put_back(&stopped).await;
    let swapped = open_swap(&story, "gamma 80%").await;
    story.apply(&swapped).await;
    let steps = ["AmazonEC2FullAccess of group Beta: applied", "AmazonEC2ReadOnlyAccess of group Beta: applied"];
    story.check(&swapped, &[&attached(READ_ONLY), "i-1 Running"], &steps).await;
}

#[tokio::test]
async fn an_instance_that_was_terminated_meanwhile_is_said() {
    let story = Story::of(|account| {
        account.instance(running("i-1")).instance(running("i-2")).instance(running("i-3"));
    });
    let run = story.stop_beta("beta 80%").await;
    story.world.account().instances.remove("i-1");
    story.world.account().instance(Instance::new("i-2", Power::ShuttingDown, "Project=Beta"));
    story.put_back(&run).await;
    let steps = [
        "i-1: rolled back (nothing to put back: the instance i-1 is there no more)",
        "i-2: rolled back (nothing to put back: the instance i-2 is shutting-down)",
        "i-3: rolled back",
    ];
    story.check(&run, &["i-2 ShuttingDown", "i-3 Running"], &steps).await;
}

#[tokio::test]
async fn rollback_does_not_believe_a_listing_that_lags_behind() {
    let story = Story::of(|account| {
        account.instance(running("i-1")).lag = 3;
    });
    let run = story.open_beta("beta 80%", json!({})).await;
    // The stop is accepted, and the listing does not show it yet.
    assert!(matches!(story.harness.invoke(Direction::Apply, &run, 0).await, Some(Ok(Progress::Settling { .. }))));
    story.put_back(&run).await;
    story.harness.wait(600).await;
    story.check(&run, &["i-1 Running"], &["i-1: rolled back"]).await;
}

#[tokio::test]
async fn a_group_with_an_operator_in_it_is_never_restricted() {
    let story = Story::of(|account| {
        group(account);
        let members = ["a", "b", "c", "d"].map(|name| format!("arn:aws:iam::123456789012:user/{name}"));
        account.groups.get_mut("Beta").unwrap().members = members.into_iter().chain([ANN.to_owned()]).collect();
    });
    let run = open_swap(&story, "beta 80%").await;
    story.apply(&run).await;
    story.check(&run, &[&attached(FULL)], &[]).await;
    let run = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    assert_eq!(run.state.words(), "apply failed", "{:?}", run.events);
}

#[tokio::test]
async fn operator_who_joined_group_after_the_plan_is_not_restricted() {
    let story = Story::of(group);
    let run = open_swap(&story, "beta 80%").await;
    story.world.account().groups.get_mut("Beta").unwrap().members.push(ANN.to_owned());
    story.apply(&run).await;
    let why = "group `Beta` has the operator arn:aws:iam::123456789012:user/ann in it, who could then not roll back";
    let step = |policy: &str| format!("{policy} of group Beta: apply failed ({why})");
    let steps = [step("AmazonEC2FullAccess"), step("AmazonEC2ReadOnlyAccess")];
    story.check(&run, &[&attached(FULL)], &[&steps[0], &steps[1]]).await;
}

#[tokio::test]
async fn every_page_of_a_groups_policies_counts() {
    let story = Story::of(|account| {
        account.policy(READ_ONLY).group("Beta", &["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B", FULL]).page = 2;
    });
    let run = open_swap(&story, "beta 80%").await;
    story.apply(&run).await;
    assert!(!story.world.account().groups["Beta"].attached.iter().any(|policy| policy == FULL));
    story.put_back(&run).await;
    assert!(story.world.account().groups["Beta"].attached.iter().any(|policy| policy == FULL));
}

#[tokio::test]
async fn rest_of_a_swap_is_done_when_a_policy_is_missing() {
    let story = Story::of(|account| {
        account.group("Beta", &[FULL]);
    });
    let run = open_swap(&story, "beta 80%").await;
    story.apply(&run).await;
    assert_eq!(story.is(), ["group Beta {}"], "what costs money is taken all the same");
    let told = story.told(&run).await;
    assert!(told.iter().any(|step| step.contains("skipped (there is no policy")), "{told:?}");
    story.put_back(&run).await;
    assert_eq!(story.is(), [attached(FULL)]);
}

#[tokio::test]
async fn the_group_is_never_without_either_policy() {
    let story = Story::of(group);
    let run = open_swap(&story, "beta 80%").await;
    story.harness.gate.disarm();
    story.apply(&run).await;
    let swap = |calls: Vec<String>| calls.into_iter().filter(|call| call.ends_with("tachGroupPolicy")).collect::<Vec<_>>();
    assert_eq!(swap(story.harness.gate.calls()), ["AttachGroupPolicy", "DetachGroupPolicy"]);
    story.harness.gate.disarm();
    story.put_back(&run).await;
    assert_eq!(swap(story.harness.gate.calls()), ["AttachGroupPolicy", "DetachGroupPolicy"]);
}

#[tokio::test]
async fn a_group_and_a_policy_that_were_deleted_meanwhile_are_said() {
    let story = Story::of(group);
    let run = open_swap(&story, "beta 80%").await;
    story.apply(&run).await;
    story.world.account().policies.remove(FULL);
    story.put_back(&run).await;
    let gone = format!("AmazonEC2FullAccess of group Beta: rolled back (nothing to put back: the policy {FULL} was deleted)");
    let steps = [gone.as_str(), "AmazonEC2ReadOnlyAccess of group Beta: rolled back"];
    story.check(&run, &["group Beta {}"], &steps).await;

    let story = Story::of(group);
    let run = open_swap(&story, "beta 80%").await;
    story.apply(&run).await;
    story.world.account().groups.clear();
    story.put_back(&run).await;
    let gone = |policy: &str| format!("{policy} of group Beta: rolled back (nothing to put back: the group Beta was deleted)");
    story.check(&run, &[], &[&gone("AmazonEC2FullAccess"), &gone("AmazonEC2ReadOnlyAccess")]).await;
}

#[tokio::test]
#[should_panic(expected = "the double of EC2 has no TerminateInstances")]
async fn nobody_terminates_anything_here() {
    let world = Arc::new(World::default());
    #[expect(clippy::disallowed_methods, reason = "the test is that even this would be noticed")]
    let _ = aws_sdk_ec2::Client::new(&world.config()).terminate_instances().instance_ids("i-1").send().await;
}

#[tokio::test]
async fn a_dead_call_s_effect_is_seen_when_it_lands_and_not_before() {
    let story = Story::of(|account| {
        account.instance(running("i-1"));
    });
    let run = story.open_beta("beta 80%", json!({})).await;
    story.harness.gate.arm_for("StopInstances", Kind::DieLate(30));
    assert!(story.harness.invoke(Direction::Apply, &run, 0).await.is_none());
    story.harness.wait(29).await;
    story.check(&run, &["i-1 Running"], &["i-1: applying"]).await;
    story.harness.wait(1).await;
    story.check(&run, &["i-1 Stopping"], &["i-1: applying"]).await;
    story.harness.wait(8).await;
    story.check(&run, &["i-1 Stopped"], &["i-1: applying"]).await;
}
