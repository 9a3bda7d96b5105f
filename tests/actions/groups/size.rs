//! `scale-group-to-zero`: the only action that lets anything be terminated.

use guardrails_model::ids::RunId;
use serde_json::json;

use super::{beta, four, of, story};
use crate::story::Story;
use crate::world::{Account, Group, Instance, Power};

const OWN: &str = "Fleet=Beta";

async fn to_zero(story: &Story) -> RunId {
    let run = open(story).await;
    story.apply(&run).await;
    run
}

async fn open(story: &Story) -> RunId {
    story.open("beta 80%", "scale-group-to-zero", json!({"tag": {"Fleet": "Beta"}, "members-are-disposable": true})).await
}

fn size(story: &Story, group: &str) -> String {
    story.world.account().scaling(group).size()
}

#[tokio::test]
async fn a_group_goes_to_zero_and_comes_back_to_its_size() {
    let story = story(four().own_tag(OWN));
    story.world.account().fleet(Group::new("other", 0, 1, 1).tag("Project=Beta"));
    story.world.account().instance(Instance::new("i-o", Power::Running, "Fleet=Beta").in_group("other"));
    let run = to_zero(&story).await;
    story.hour().await;
    assert_eq!((size(&story, "fleet"), size(&story, "other")), ("0 <= 0 <= 0".to_owned(), "0 <= 1 <= 1".to_owned()));
    assert_eq!(story.terminated(), ["i-1", "i-2", "i-3", "i-4"]);
    assert_eq!(story.told(&run).await, ["group fleet: applied"]);
    let note = story.steps(&run).await[0].note.clone().unwrap_or_default();
    assert!(note.contains("its 4 members will be TERMINATED"), "{note}");
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!(size(&story, "fleet"), "1 <= 4 <= 6");
    assert_eq!(story.world.account().scaling("fleet").roll().len(), 4);
    assert_eq!((story.state(&run).await, story.terminated().len()), ("rolled back", 4));
}

/// The group stays as it is, for this reason.
async fn is_left_alone(story: &Story, why: &str) {
    let before = story.picture();
    let run = to_zero(story).await;
    story.hour().await;
    assert_eq!(story.told(&run).await, [format!("group fleet: skipped ({why})")]);
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}

fn with_a_fifth(tags: &str, how: impl Fn(Instance) -> Instance) -> Story {
    Story::of(|account| {
        beta(account, of(5).own_tag(OWN));
        account.instance(how(Instance::new("i-5", Power::Running, tags)).in_group("fleet"));
        account.profiles.insert("ops".to_owned(), "FinOps".to_owned());
    })
}

#[tokio::test]
async fn a_group_that_must_keep_a_member_is_left_alone() {
    let same = |instance| instance;
    let exempt = with_a_fifth("guardrails:exempt=true", same);
    is_left_alone(&exempt, "its member i-5: it carries the tag guardrails:exempt").await;
    let operator = with_a_fifth("", |instance: Instance| instance.profile("ops"));
    is_left_alone(&operator, "its member i-5: an operator works from it: the way back would be cut").await;
    let own = with_a_fifth("aws:cloudformation:stack-name=guardrails", same);
    is_left_alone(&own, "its member i-5: the guardrails themselves run on it").await;
    let kept = with_a_fifth("karpenter.sh/nodepool=default", same);
    is_left_alone(&kept, "its member i-5: Karpenter looks after it").await;
}

#[tokio::test]
async fn a_group_that_cannot_or_must_not_shrink_is_left_alone() {
    let group = || four().own_tag(OWN);
    is_left_alone(&story(group().own_tag("guardrails:exempt=")), "it carries the tag guardrails:exempt").await;
    let suspended = story(group().suspended(&["Terminate"]));
    is_left_alone(&suspended, "its Terminate process is suspended: it would keep its members").await;
    is_left_alone(&story(group().refresh("InProgress")), "an instance refresh of it is under way").await;
    is_left_alone(&story(group().being_deleted()), "the Auto Scaling group fleet is going (Delete in progress)").await;
}

#[tokio::test]
async fn group_with_a_member_exempt_since_the_plan_is_left_alone() {
    let story = story(four().own_tag(OWN));
    let before = story.picture();
    let run = open(&story).await;
    story.world.account().instances.get_mut("i-3").unwrap().tags.insert("guardrails:exempt".to_owned(), String::new());
    story.apply(&run).await;
    story.hour().await;
    let why = "group fleet: skipped (its member i-3: it carries the tag guardrails:exempt)";
    assert_eq!((story.told(&run).await, story.picture()), (vec![why.to_owned()], before));
}

#[tokio::test]
async fn size_that_somebody_set_meanwhile_is_theirs_until_force() {
    let story = story(four().own_tag(OWN));
    let run = to_zero(&story).await;
    {
        let mut account = story.world.account();
        let group = account.scaling("fleet");
        (group.min, group.desired, group.max) = (0, 1, 2);
    }
    story.put_back(&run).await;
    let why = "group fleet: rollback failed (somebody made it min 0, desired 1, max 2 meanwhile; we had made it min 0, desired 0, \
               max 0 and before it was min 1, desired 4, max 6: roll back with --force to put that back all the same)";
    assert_eq!((story.told(&run).await, size(&story, "fleet")), (vec![why.to_owned()], "0 <= 1 <= 2".to_owned()));
    story.put_back_with_force(&run).await;
    assert_eq!((story.state(&run).await, size(&story, "fleet")), ("rolled back", "1 <= 4 <= 6".to_owned()));
}

#[tokio::test]
async fn a_group_that_was_deleted_or_is_being_deleted_is_said() {
    let told = async |change: &dyn Fn(&mut Account)| {
        let story = story(four().own_tag(OWN));
        let run = to_zero(&story).await;
        change(&mut story.world.account());
        story.put_back(&run).await;
        assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
        story.told(&run).await
    };
    let says = |what: &str| vec![format!("group fleet: rolled back (nothing to put back: the Auto Scaling group fleet {what})")];
    assert_eq!(told(&|account| account.fleets.clear()).await, says("is there no more"));
    let going = told(&|account| account.scaling("fleet").status = Some("Delete in progress")).await;
    assert_eq!(going, says("is going (Delete in progress)"));
}

#[tokio::test]
async fn a_group_s_name_may_hold_slashes() {
    let story = Story::of(|account| {
        account.fleet(Group::new("a//b/", 0, 1, 2).own_tag(OWN));
        account.instance(Instance::new("i-1", Power::Running, "").in_group("a//b/"));
    });
    let run = to_zero(&story).await;
    assert_eq!(
        (story.told(&run).await, size(&story, "a//b/")),
        (vec!["group a//b/: applied".to_owned()], "0 <= 0 <= 0".to_owned())
    );
    story.put_back(&run).await;
    assert_eq!((story.state(&run).await, size(&story, "a//b/")), ("rolled back", "0 <= 1 <= 2".to_owned()));
}
