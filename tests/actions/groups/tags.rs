//! A function may suspend only groups that carry the stage's tags, as it may stop only such instances. The world refuses all
//! else, as IAM does.

use guardrails_aws::actions::CATALOG;
use guardrails_model::runs::Outcome;
use serde_json::json;

use super::{beta, four, member, story};
use crate::story::Story;
use crate::world::{Group, Instance, Power};

const UNTAGGED: &str = "its Auto Scaling group fleet does not carry Project=Beta itself, so it may not be suspended, and would \
                        terminate what is stopped: tag the group, or let any be suspended with `untagged-groups: stop`";
const LOST: &str = "the Auto Scaling group fleet does not carry Project=Beta any more: give it back, and roll back again";

fn untag(story: &Story) {
    story.world.account().scaling("fleet").tags.retain(|(key, ..)| key != "Project");
}

fn tag(story: &Story) {
    story.world.account().scaling("fleet").tags.push(("Project".to_owned(), "Beta".to_owned(), false));
}

fn untagged() -> Group {
    Group::new("fleet", 1, 4, 6)
}

fn run_all(story: &Story) -> bool {
    let is = story.world.account().snapshot();
    ["i-1", "i-2", "i-3", "i-4"].iter().all(|id| is[*id] == "Running")
}

#[tokio::test]
async fn members_of_group_without_tag_are_left_alone_with_remedy() {
    for group in [untagged(), untagged().own_tag("Project=Gamma"), untagged().own_tag("project=Beta")] {
        let story = story(group);
        let run = story.stop_beta("beta 80%").await;
        story.hour().await;
        let told = story.members(&run).await;
        assert!(told[..4].iter().all(|told| told.ends_with(&format!("skipped ({UNTAGGED})"))), "{told:#?}");
        assert_eq!((told[4].as_str(), story.state(&run).await), ("i-8: applied", "enforced"));
        assert!(run_all(&story) && story.processes(&run).await.is_empty() && story.terminated().is_empty());
        assert!(!story.world.account().calls.contains_key("SuspendProcesses"), "nothing is tried that is not granted");
    }
}

#[tokio::test]
async fn each_key_must_be_there_with_one_of_its_values() {
    let params = json!({"tag": {"Project": "Beta", "Stage": ["dev", "test"]}});
    for (group, why) in [
        (four(), Some("Stage=dev (or test)")),
        (untagged().own_tag("Stage=prod"), Some("Project=Beta, Stage=dev (or test)")),
        (four().own_tag("Stage=test"), None),
    ] {
        let story = story(group);
        for id in ["i-1", "i-2", "i-3", "i-4"] {
            story.world.account().instances.get_mut(id).unwrap().tags.insert("Stage".to_owned(), "dev".to_owned());
        }
        let run = story.open("beta 80%", "stop-instances", params.clone()).await;
        story.apply(&run).await;
        let told = story.members(&run).await.remove(0);
        let is_as_it_should = why.map_or(told == "i-1: applied", |why| told.contains(&format!("does not carry {why} itself")));
        assert!(is_as_it_should, "{told}");
    }
}

#[tokio::test]
async fn any_group_is_suspended_if_the_stage_says_so() {
    let story = story(untagged());
    story.world.account().granted = None;
    let before = story.picture();
    let run = story.stop_beta_with("beta 80%", json!({"untagged-groups": "stop"})).await;
    story.hour().await;
    assert_eq!(story.members(&run).await[0], "i-1: applied");
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}

#[tokio::test]
async fn group_without_tag_after_plan_keeps_members_and_run_fails() {
    // Before anything of it was begun.
    let planned = story(four());
    let run = planned.open_beta("beta 80%", json!({})).await;
    untag(&planned);
    planned.apply(&run).await;
    planned.hour().await;
    assert_eq!(
        (planned.state(&run).await, planned.terminated()),
        ("apply failed", Vec::new()),
        "{:#?}",
        planned.told(&run).await
    );
    assert!(run_all(&planned) && planned.world.account().scaling("fleet").suspended.is_empty());
    let told = planned.processes(&run).await;
    let told = told.iter().find(|told| told.contains("autoscaling:SuspendProcesses")).unwrap();
    let lost =
        "the Auto Scaling group fleet does not carry Project=Beta any more: give it back, and `guardrails rearm`. AWS says: ";
    assert!(told.contains(&format!("({lost}")), "the reason comes first: {told}");

    // Between the group's processes and its members.
    let suspended = story(four());
    let run = suspended.open_beta("beta 80%", json!({})).await;
    suspended.harness.gate.arm_for("DescribeScalingActivities", crate::world::Kind::DieBefore);
    while suspended.harness.gate.hit().is_none() {
        suspended.harness.invoke(guardrails_model::record::Direction::Apply, &run, 0).await;
        suspended.harness.wait(5).await;
    }
    untag(&suspended);
    suspended.apply(&run).await;
    suspended.hour().await;
    assert!(run_all(&suspended), "{:#?}", suspended.told(&run).await);
    assert_eq!((suspended.state(&run).await, suspended.terminated()), ("apply failed", Vec::new()));
    let told = suspended.members(&run).await;
    let why = "the Auto Scaling group fleet does not carry Project=Beta any more: give it back";
    assert!(told[0].starts_with("i-1: apply failed (first comes ") && told[0].contains(why), "{told:#?}");
    tag(&suspended);
    suspended.put_back(&run).await;
    suspended.hour().await;
    assert!(suspended.world.account().scaling("fleet").suspended.is_empty());
}

#[tokio::test]
async fn held_group_that_lost_its_tag_comes_back_once_it_has_it_again() {
    let story = story(four());
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    untag(&story);
    story.put_back(&run).await;
    story.hour().await;
    assert!(run_all(&story), "its members start by their own tags");
    assert_eq!((story.state(&run).await, story.terminated()), ("rollback failed", Vec::new()));
    assert_eq!(story.world.account().scaling("fleet").suspended.len(), 8);
    let told = story.processes(&run).await;
    assert!(told.iter().any(|told| told.starts_with(&format!("rollback failed ({LOST}. AWS says: "))), "{told:#?}");
    tag(&story);
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated(), story.state(&run).await), (before, Vec::new(), "rolled back"));
}

#[tokio::test]
async fn held_instance_that_lost_its_tag_comes_back_once_it_has_it() {
    let story = Story::of(|account| {
        account.instance(Instance::new("i-1", Power::Running, "Project=Beta"));
        account.instance(Instance::new("i-2", Power::Running, "Project=Beta"));
    });
    let run = story.stop_beta("beta 80%").await;
    story.world.account().instances.get_mut("i-1").unwrap().tags.remove("Project");
    story.put_back(&run).await;
    let told = story.told(&run).await;
    let lost = "the instance i-1 does not carry Project=Beta any more: give it back, and roll back again. AWS says: ";
    assert!(told[0].starts_with(&format!("i-1: rollback failed ({lost}")), "{told:#?}");
    assert_eq!((told[1].as_str(), story.state(&run).await), ("i-2: rolled back", "rollback failed"));
    story.world.account().instances.get_mut("i-1").unwrap().tags.insert("Project".to_owned(), "Beta".to_owned());
    story.put_back(&run).await;
    assert_eq!((story.state(&run).await, story.is()), ("rolled back", vec!["i-1 Running".to_owned(), "i-2 Running".to_owned()]));
}

#[tokio::test]
async fn group_tagged_while_run_is_open_is_taken_by_next_look() {
    let story = story(untagged());
    let run = story.stop_beta("beta 80%").await;
    assert!(run_all(&story));
    tag(&story);
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    story.hour().await;
    assert_eq!(story.members(&run).await[0], "i-1: applied");
    story.put_back(&run).await;
    story.hour().await;
    assert!(run_all(&story) && story.terminated().is_empty() && story.world.account().scaling("fleet").suspended.is_empty());
}

/// As a run has it that was enforced when the function might suspend any group.
#[tokio::test]
async fn held_groups_without_the_tags_are_known_as_out_of_reach() {
    let story = Story::of(|account| {
        beta(account, four());
        account.fleet(Group::new("a/b", 0, 1, 1).in_region("eu-west-1").tag("Project=Beta"));
        account.instance(member("i-5").in_region("eu-west-1").in_group("a/b"));
    });
    let run = story.stop_beta("beta 80%").await;
    let held = |steps: Vec<guardrails_model::record::Step>| steps.into_iter().map(|step| step.facet).collect::<Vec<_>>();
    let facets = held(story.steps(&run).await);
    let sdk = story.world.config();
    let known = async |params| {
        let action = CATALOG.find("stop-instances").unwrap().read(&params).unwrap();
        action.out_of_reach(&facets, &sdk).await.unwrap()
    };
    assert_eq!(known(json!({"tag": {"Project": "Beta"}})).await, Vec::<String>::new());
    for name in ["fleet", "a/b"] {
        story.world.account().scaling(name).tags.clear();
    }
    assert_eq!(
        known(json!({"tag": {"Project": "Beta"}})).await,
        [
            "the Auto Scaling group a/b in eu-west-1 does not carry Project=Beta",
            "the Auto Scaling group fleet in us-east-1 does not carry Project=Beta"
        ]
    );
    assert_eq!(known(json!({"tag": {"Project": "Beta"}, "untagged-groups": "stop"})).await, Vec::<String>::new());
    // A group that is gone needs no rights.
    story.world.account().fleets.clear();
    assert_eq!(known(json!({"tag": {"Project": "Beta"}})).await, Vec::<String>::new());
}
