//! Regions: an action works in each by itself.

use guardrails_model::clock::Clock;
use guardrails_model::record::{Direction, PartPlan, RollbackRequest};
use guardrails_model::runs::RollbackAsked;
use serde_json::json;

use crate::story::{ANN, Story, running};
use crate::world::{Account, Group};

/// Instances in scope in two Regions, in one of them members of a group too; and in a third nobody may do anything.
fn fill(account: &mut Account) {
    account.instance(running("i-1")).instance(running("i-2").in_region("eu-west-1"));
    account.fleet(Group::new("fleet", 0, 2, 2).in_region("eu-west-1").tag("Project=Beta"));
    account.instance(running("i-3").in_region("eu-west-1").in_group("fleet"));
    account.instance(running("i-4").in_region("eu-west-1").in_group("fleet"));
}

#[tokio::test]
async fn instances_are_stopped_in_every_region_and_started_again() {
    let story = Story::of(fill);
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.hour().await;
    let is = story.world.account().snapshot();
    assert!(["i-1", "eu-west-1/i-2", "eu-west-1/i-3", "eu-west-1/i-4"].iter().all(|id| is[*id] == "Stopped"), "{is:?}");
    let places: Vec<String> = story.load(&run).await.parts.iter().map(guardrails_model::record::Part::title).collect();
    assert_eq!(places, ["stop-instances in eu-west-1", "stop-instances in us-east-1"]);
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.state(&run).await), (before, "rolled back"));
    assert!(story.terminated().is_empty());
}

#[tokio::test]
async fn only_the_regions_that_are_named_are_worked_in() {
    let story = Story::of(fill);
    let run = story.stop_beta_with("beta 80%", json!({"regions": ["us-east-1"]})).await;
    let is = story.world.account().snapshot();
    assert_eq!((is["i-1"].as_str(), is["eu-west-1/i-2"].as_str()), ("Stopped", "Running"));
    assert_eq!(story.told(&run).await, ["i-1: applied"]);
}

#[tokio::test]
async fn region_closed_by_organization_is_skipped_and_run_is_enforced() {
    let story = Story::of(|account| {
        fill(account);
        account.closed_region("ap-south-1");
    });
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    let loaded = story.load(&run).await;
    let PartPlan::Skipped { reason } = &loaded.parts[0].plan else { panic!("{:?}", loaded.parts[0]) };
    assert!(reason.contains("explicit deny in a service control policy"), "{reason}");
    assert_eq!(loaded.state.words(), "enforced");
    assert_eq!(story.world.account().snapshot()["i-1"], "Stopped");
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.state(&run).await), (before, "rolled back"));
}

#[tokio::test]
async fn one_region_is_put_back_and_the_rest_stays_held() {
    let story = Story::of(fill);
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.put_back_by(&run, &["instance-power/eu-west-1/"], false).await;
    story.hour().await;
    let is = story.world.account().snapshot();
    assert!(["eu-west-1/i-2", "eu-west-1/i-3", "eu-west-1/i-4"].iter().all(|id| is[*id] == "Running") && is["i-1"] == "Stopped");
    assert_eq!((story.state(&run).await, is["eu-west-1/fleet processes"].split(", ").count()), ("enforced", 8));
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.state(&run).await), (before, "rolled back"));
    assert!(story.terminated().is_empty());
}

#[tokio::test]
async fn rollback_is_narrowed_by_action_and_region_together() {
    let story = Story::of(fill);
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    let ask = async |actions: &[&str], places: &[&str], only: &[&str]| {
        let request = RollbackRequest {
            by: ANN.to_owned(),
            at: story.world.clock.now(),
            why: "because".to_owned(),
            only: only.iter().map(|selector| selector.parse().unwrap()).collect(),
            actions: actions.iter().map(|action| action.parse().unwrap()).collect(),
            places: places.iter().map(|place| place.parse().unwrap()).collect(),
            force: false,
            armed: false,
        };
        let asked = story.harness.runs().roll_back(&run, &request).await.unwrap();
        if matches!(asked, RollbackAsked::Started(_)) {
            story.harness.execute(Direction::Rollback, &run).await.unwrap();
            story.hour().await;
        }
        matches!(asked, RollbackAsked::Started(_))
    };
    assert!(!ask(&["swap-group-policy"], &[], &[]).await, "it did nothing here");
    assert!(!ask(&["stop-instances"], &["us-east-1"], &["instance-power/eu-west-1/"]).await, "no step is both");
    assert!(ask(&["stop-instances"], &["eu-west-1"], &["instance-power/"]).await);
    let is = story.world.account().snapshot();
    assert_eq!((is["eu-west-1/i-2"].as_str(), is["i-1"].as_str(), story.state(&run).await), ("Running", "Stopped", "enforced"));
    assert!(!ask(&[], &["eu-west-1"], &["instance-power/"]).await, "that is back");
    assert!(ask(&[], &["eu-west-1"], &[]).await, "its group's processes");
    assert!(ask(&[], &["us-east-1"], &[]).await);
    assert_eq!((story.picture(), story.state(&run).await), (before, "rolled back"));
    assert!(story.terminated().is_empty());
}

#[tokio::test]
async fn instance_launched_in_a_region_put_back_is_left_alone() {
    for (only, places) in [(&[][..], &["eu-west-1"][..]), (&["instance-power/eu-west-1/"], &[])] {
        let story = Story::of(fill);
        let run = story.stop_beta("beta 80%").await;
        let request = RollbackRequest {
            only: only.iter().map(|selector| selector.parse().unwrap()).collect(),
            places: places.iter().map(|place| place.parse().unwrap()).collect(),
            ..RollbackRequest::whole(ANN, story.world.clock.now(), "because")
        };
        story.harness.runs().roll_back(&run, &request).await.unwrap();
        story.harness.execute(Direction::Rollback, &run).await.unwrap();
        story.world.account().instance(running("i-5").in_region("eu-west-1")).instance(running("i-6"));
        story.look(&run).await;
        story.hour().await;
        let is = story.world.account().snapshot();
        assert_eq!(
            (is["eu-west-1/i-5"].as_str(), is["i-6"].as_str(), story.state(&run).await),
            ("Running", "Stopped", "enforced")
        );
        story.put_back(&run).await;
        story.hour().await;
        let is = story.world.account().snapshot();
        assert!(is.iter().all(|(id, is)| !id.contains("i-") || is == "Running"), "{is:?}");
    }
}

#[tokio::test]
async fn a_group_goes_to_zero_in_its_region_alone() {
    let story = Story::of(|account| {
        fill(account);
        account.fleet(Group::new("zero", 0, 0, 5).in_region("eu-west-1").own_tag("Fleet=Beta"));
        account.fleet(Group::new("zero", 0, 0, 7).own_tag("Fleet=Beta"));
    });
    let params = json!({"tag": {"Fleet": "Beta"}, "members-are-disposable": true, "regions": ["eu-west-1"]});
    let run = story.open("beta 80%", "scale-group-to-zero", params).await;
    story.apply(&run).await;
    let is = story.world.account().snapshot();
    assert_eq!((is["eu-west-1/zero size"].as_str(), is["zero size"].as_str()), ("0 <= 0 <= 0", "0 <= 0 <= 7"));
    story.put_back(&run).await;
    assert_eq!(story.world.account().snapshot()["eu-west-1/zero size"], "0 <= 0 <= 5");
}
