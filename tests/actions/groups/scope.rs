//! Groups that are left alone, wholly or in part, and why.

use serde_json::{Value as Json, json};

use super::{beta, four, member, story};
use crate::story::{Story, running};
use crate::world::{Account, Group, HOME, Instance, Member, Power, Spot};

/// The members as they are left alone, for this reason, while the instance beside them is stopped.
async fn is_left_alone(story: &Story, why: &str) {
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    let told = story.told(&run).await;
    assert_eq!(told[0], format!("i-1: skipped ({why})"), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("i-8: applied"));
    assert!(story.processes(&run).await.is_empty(), "{told:?}");
    let mut now = story.picture();
    now.iter_mut().filter(|line| line.starts_with("i-8 ")).for_each(|line| "i-8 Running".clone_into(line));
    assert_eq!((now, story.state(&run).await), (before, "enforced"));
}

#[tokio::test]
async fn a_group_of_which_a_member_is_out_of_scope_is_left_alone() {
    let partial = "only 4 of the 5 members of its Auto Scaling group fleet are in scope (`partial-groups: stop` stops those)";
    for fifth in ["Project=Gamma", "", "Project=Beta guardrails:exempt=true"] {
        let story = story(four());
        {
            let mut account = story.world.account();
            account.scaling("fleet").desired = 5;
            account.instance(Instance::new("i-5", Power::Running, fifth).in_group("fleet"));
        }
        is_left_alone(&story, partial).await;
    }
}

#[tokio::test]
async fn members_in_scope_of_partial_group_stop_if_stage_says_so() {
    let story = story(four());
    {
        let mut account = story.world.account();
        account.scaling("fleet").desired = 6;
        account.instance(Instance::new("i-5", Power::Running, "").in_group("fleet"));
        account.instance(Instance::new("i-6", Power::Running, "Project=Beta guardrails:exempt=true").in_group("fleet"));
    }
    let before = story.picture();
    let run = story.stop_beta_with("beta 80%", json!({"partial-groups": "stop"})).await;
    story.hour().await;
    let is = story.world.account().snapshot();
    let stopped: Vec<&str> = is.iter().filter(|(_, is)| *is == "Stopped").map(|(id, _)| id.as_str()).collect();
    assert_eq!(stopped, ["i-1", "i-2", "i-3", "i-4", "i-8"]);
    assert!(story.members(&run).await.contains(&"i-6: skipped (it carries the tag guardrails:exempt)".to_owned()));
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}

#[tokio::test]
async fn minimum_that_others_set_for_the_rest_of_a_group_stays() {
    let story = story(Group::new("fleet", 1, 6, 12).tag("Project=Beta"));
    for id in ["i-5", "i-6"] {
        story.world.account().instance(Instance::new(id, Power::Running, "").in_group("fleet"));
    }
    let run = story.stop_beta_with("beta 80%", json!({"partial-groups": "stop"})).await;
    assert_eq!(story.world.account().scaling("fleet").size(), "0 <= 2 <= 12");
    let form = "Action=UpdateAutoScalingGroup&Version=2011-01-01&AutoScalingGroupName=fleet&MinSize=2";
    assert_eq!(story.world.ask(HOME, form), 200);
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rolled back", Vec::new()), "{:#?}", story.told(&run).await);
    assert_eq!(story.world.account().scaling("fleet").size(), "2 <= 6 <= 12");
}

#[tokio::test]
async fn keeper_s_tag_counts_for_a_member_that_lacks_its_group_s_tag() {
    let story = story(four());
    {
        let mut account = story.world.account();
        let tags = &mut account.instances.get_mut("i-1").unwrap().tags;
        // A listing of tags lags behind the group's own.
        tags.remove("aws:autoscaling:groupName");
        tags.insert("AmazonECSManaged".to_owned(), String::new());
    }
    let run = story.stop_beta("beta 80%").await;
    let told = story.members(&run).await;
    assert_eq!(told[0], "i-1: skipped (Amazon ECS looks after it, and would replace it)", "{told:?}");
}

#[tokio::test]
async fn groups_that_cannot_be_held_still_are_left_alone_with_reason() {
    let group = "its Auto Scaling group fleet";
    let warm = format!("{group} has a warm pool, whose instances come and go by themselves");
    is_left_alone(&story(four().warm_pool()), &warm).await;
    is_left_alone(&story(four().being_deleted()), &format!("{group} is going (Delete in progress)")).await;
    for status in ["Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"] {
        let refreshing = story(four().refresh("Successful").refresh(status));
        is_left_alone(&refreshing, &format!("an instance refresh of {group} is under way")).await;
    }
    let unknown = |check: &str| format!("{group} goes by the check {check}, which is not known here");
    is_left_alone(&story(four().checked_by("VPC_LATTICE")), &unknown("VPC_LATTICE")).await;
    is_left_alone(&story(four().elb("tg-1").checked_by("MOON_PHASE")), &unknown("MOON_PHASE")).await;
}

#[tokio::test]
async fn refreshes_that_are_over_do_not_matter() {
    super::goes_and_comes_back(&story(four().refresh("Successful").refresh("Cancelled").refresh("Failed"))).await;
}

#[tokio::test]
async fn spot_members_of_mixed_group_are_skipped_and_others_stopped() {
    let story = story(four().mixed_instances());
    {
        let mut account = story.world.account();
        account.scaling("fleet").desired = 6;
        account.instance(member("i-5").spot(Spot::OneTime)).instance(member("i-6").spot(Spot::Cancelled));
    }
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.hour().await;
    let why = "skipped (it is a one-time Spot Instance, which cannot be stopped)";
    assert_eq!(story.members(&run).await[3..6], ["i-4: applied".to_owned(), format!("i-5: {why}"), format!("i-6: {why}")]);
    assert_eq!(story.world.account().snapshot()["i-5"], "Running");
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}

/// A group of which all members are kept by another service.
fn kept(account: &mut Account, tag: &str) {
    beta(account, four());
    for id in ["i-1", "i-2", "i-3", "i-4"] {
        account.instance(Instance::new(id, Power::Running, &format!("Project=Beta {tag}")).in_group("fleet"));
    }
}

#[tokio::test]
async fn a_group_whose_members_another_service_keeps_is_left_alone() {
    for (tag, keeper) in [("eks:cluster-name=c", "Amazon EKS"), ("AmazonECSManaged=", "Amazon ECS")] {
        let story = Story::of(|account| kept(account, tag));
        is_left_alone(&story, &format!("{keeper} looks after it, and would replace it")).await;
    }
}

#[tokio::test]
async fn tag_that_a_group_leaves_on_its_fleet_does_not_matter() {
    let story = Story::of(|account| kept(account, "aws:ec2:fleet-id=fleet-1"));
    super::goes_and_comes_back(&story).await;
}

#[tokio::test]
async fn members_not_in_service_yet_do_not_make_a_group_partial() {
    let story = Story::of(|account| {
        account.fleet(Group::new("fleet", 0, 1, 1).tag("Project=Beta")).instance(member("i-1"));
        account.instance(running("i-2").in_group_as("fleet", Member::new("Standby")));
    });
    let before = story.picture();
    let params: Json = json!({});
    let run = story.stop_beta_with("beta 80%", params).await;
    assert_eq!(story.members(&run).await, ["i-1: applied", "i-2: applied"]);
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}
