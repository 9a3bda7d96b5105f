//! Others who take a Deny or a swap back while it is held. Terraform's exclusive `aws_iam_policy_attachment` does so: it detaches its
//! policy from everybody that it does not list.

use guardrails_model::runs::Outcome;
use serde_json::{Value as Json, json};

use super::{FULL, OWN, READ_ONLY, everybody, is, people};
use crate::story::Story;

fn with_drift(mut params: Json, drift: &str) -> Json {
    params["drift"] = json!(drift);
    params
}

/// Somebody's apply takes the policy off all groups, users and roles.
fn detached_from_all(story: &Story, policy: &str) {
    let mut account = story.world.account();
    account.groups.values_mut().for_each(|group| group.attached.retain(|one| one != policy));
    account.users.values_mut().for_each(|attached| attached.retain(|one| one != policy));
    account.roles.values_mut().for_each(|role| role.attached.retain(|one| one != policy));
}

#[tokio::test]
async fn deny_that_others_detach_is_attached_again_and_told_daily() {
    let story = Story::of(people);
    let before = story.is();
    let run = story.open("beta 100%", "deny-actions", with_drift(everybody(), "enforce")).await;
    story.apply(&run).await;
    let denied = story.is();
    let mut told = 0;
    for _ in 0..72 {
        story.hour().await;
        detached_from_all(&story, OWN);
        told += u32::from(story.look(&run).await == Outcome::Succeeded);
        assert_eq!(story.is(), denied);
    }
    assert_eq!(told, 3, "once, and then once a day");
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn deny_that_others_detach_stays_off_when_left_to_them() {
    let story = Story::of(people);
    let before = story.is();
    let run = story.open("beta 100%", "deny-actions", everybody()).await;
    story.apply(&run).await;
    detached_from_all(&story, OWN);
    for outcome in [Outcome::Succeeded, Outcome::Unchanged, Outcome::Unchanged] {
        story.hour().await;
        assert_eq!(story.look(&run).await, outcome, "it is told once");
        assert_eq!(story.is(), before);
    }
    story.put_back(&run).await;
    assert_eq!((story.is(), story.state(&run).await), (before, "rolled back"));
}

#[tokio::test]
async fn swap_that_others_undo_is_made_again_and_comes_back_as_it_was() {
    let story = Story::of(people);
    let before = story.is();
    let swap = json!({"group": "Beta", "detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]});
    let run = story.open("beta 100%", "swap-group-policy", with_drift(swap, "enforce")).await;
    story.apply(&run).await;
    let swapped = story.is();
    for _ in 0..3 {
        story.hour().await;
        {
            let mut account = story.world.account();
            let beta = &mut account.groups.get_mut("Beta").unwrap().attached;
            *beta = vec![FULL.to_owned()];
        }
        assert!(story.is().contains(&is("group Beta", &[FULL])));
        story.look(&run).await;
        assert_eq!(story.is(), swapped);
    }
    assert!(swapped.contains(&is("group Beta", &[READ_ONLY])));
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn principal_that_a_cleanup_deletes_costs_no_other_the_way_back() {
    let story = Story::of(people);
    let run = story.open("beta 100%", "deny-actions", with_drift(everybody(), "enforce")).await;
    story.apply(&run).await;
    story.world.account().users.remove("bert");
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    assert!(story.is().contains(&is("group Beta", &[FULL])) && story.is().contains(&is("role pipeline", &[FULL])));
}
