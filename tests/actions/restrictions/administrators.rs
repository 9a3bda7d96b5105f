//! The last administrators, by and by: two actions of one stage, or two guardrails, that have them between them.

use guardrails_aws::iam::own_policy::OwnPolicy;
use guardrails_model::ids::RunId;
use serde_json::{Value as Json, json};

use super::{ADMINISTRATOR, FULL, HOME, LAST, OWN, READ_ONLY, is, refused};
use crate::story::Story;
use crate::world::Account;

/// Adds to the account.
type Fill<'a> = &'a dyn Fn(&mut Account);

const DENIED: &str = "ec2:RunInstances";

/// The stack's own Deny policies of one call, and the one of them that has the list.
fn own_denies() -> [String; 2] {
    let policies: Vec<String> =
        OwnPolicy::denying(&[DENIED.to_owned()]).unwrap().iter().map(|policy| policy.arn(&HOME)).collect();
    policies.try_into().unwrap()
}

fn own_deny() -> String {
    own_denies()[1].clone()
}

/// Abe and Bea, who are administrators: she by a group.
fn two(account: &mut Account) {
    for policy in own_denies() {
        account.policy(&policy);
    }
    account.policy(OWN).policy(READ_ONLY).user("abe", &[ADMINISTRATOR]).user("bea", &[]);
    account.group("Admins", &[ADMINISTRATOR]).members("Admins", &["bea"]).group("Beta", &[FULL]);
}

/// An action for each of them.
fn for_abe() -> (&'static str, Json) {
    ("swap-policy", json!({"user": "abe", "attach": ["AmazonEC2ReadOnlyAccess"]}))
}

fn for_bea() -> (&'static str, Json) {
    ("deny-actions", json!({"user": "bea", "policy": OWN}))
}

/// Nothing was changed, and each of the run's actions says why.
async fn is_refused_whole(story: &Story, run: &RunId, before: &[String]) {
    assert_eq!((story.is().as_slice(), story.state(run).await), (before, "apply failed"));
}

#[tokio::test]
async fn two_actions_that_together_hit_the_last_are_both_refused() {
    let story = Story::of(two);
    let before = story.is();
    let run = story.open_stage("beta 100%", &[for_abe(), for_bea()]).await;
    story.apply(&run).await;
    is_refused_whole(&story, &run, &before).await;
    let planned = story.load(&run).await;
    for (part, who) in planned.parts.iter().zip(["user `abe`", "user `bea`"]) {
        let said = story.harness.action(&planned, part).plan().await.unwrap_err().to_string();
        assert!(said.contains(who) && said.contains(LAST), "{said}");
    }
}

#[tokio::test]
async fn last_two_are_not_restricted_when_the_third_goes_after_plan() {
    let story = Story::of(|account| {
        two(account);
        account.role("break-glass", &[ADMINISTRATOR]);
    });
    let run = story.open_stage("beta 100%", &[for_abe(), for_bea()]).await;
    story.world.account().role("break-glass", &[]);
    let before = story.is();
    story.apply(&run).await;
    is_refused_whole(&story, &run, &before).await;
    assert!(story.told(&run).await.iter().all(|step| step.contains(LAST)), "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn principal_restricted_by_another_guardrail_does_not_remain() {
    let by_group = |account: &mut Account| {
        account.members("Beta", &["abe"]);
    };
    let by_role = |account: &mut Account| {
        account.user("abe", &[]).role("break-glass", &[ADMINISTRATOR]);
    };
    let paged = |account: &mut Account| {
        account.user("x", &[OWN, FULL]).group("Y", &[own_deny().as_str(), OWN]).page = 1;
    };
    let nothing_more = |_: &mut Account| {};
    let deny = |who: Json| {
        let mut params = json!({"actions": [DENIED]});
        params.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        ("deny-actions", params)
    };
    let first: [(Fill<'_>, (&str, Json)); 6] = [
        (&nothing_more, deny(json!({"user": "abe"}))),
        (&paged, deny(json!({"user": "abe"}))),
        (&by_group, deny(json!({"group": "Beta"}))),
        (&by_role, deny(json!({"role": "break-glass"}))),
        // A Deny of people's own is known to the action that attaches it too.
        (&nothing_more, ("deny-actions", json!({"user": "abe", "policy": OWN}))),
        // A swapped user is no administrator any more.
        (&nothing_more, ("swap-policy", json!({"user": "abe", "detach": ["AdministratorAccess"]}))),
    ];
    for (fill, (action, params)) in first {
        let story = Story::of(|account| {
            two(account);
            fill(account);
        });
        let free = story.is();
        let holding = story.open("beta 100%", action, params.clone()).await;
        story.apply(&holding).await;
        assert_eq!(story.state(&holding).await, "enforced", "{params}");
        let held = story.is();

        let (action, of_bea) = for_bea();
        let run = story.open("gamma 100%", action, of_bea.clone()).await;
        story.apply(&run).await;
        is_refused_whole(&story, &run, &held).await;
        assert!(refused(&story, &run).await.contains(LAST), "{params}");

        story.put_back(&run).await;
        story.put_back(&holding).await;
        assert_eq!(story.is(), free);
        let run = story.open("delta 100%", action, of_bea).await;
        story.apply(&run).await;
        assert_eq!(story.state(&run).await, "enforced", "{params}");
        assert!(story.is().contains(&is("user bea", &[OWN])), "{:?}", story.is());
    }
}

#[tokio::test]
async fn principal_without_administrator_access_is_always_restricted() {
    let story = Story::of(|account| {
        two(account);
        account.user("abe", &[ADMINISTRATOR, &own_deny()]).user("bea", &[&own_deny()]).user("bert", &[FULL]);
    });
    let run = story.open("beta 100%", "deny-actions", json!({"user": "bert", "policy": OWN})).await;
    story.apply(&run).await;
    assert_eq!(story.state(&run).await, "enforced", "{:?}", story.told(&run).await);
}
