//! Principals are known by their identities. A renamed one is put back under its new name. One that was made anew is a stranger.

use guardrails_model::ids::RunId;
use guardrails_model::ledger::Move;
use guardrails_model::record::PartPlan;
use serde_json::{Value as Json, json};

use super::{FULL, OWN, is, people};
use crate::story::Story;

/// Bert and the group Beta have read-only instead of full access.
async fn swapped(action: &str, whose: Json) -> (Story, RunId) {
    let story = Story::of(people);
    let mut params = json!({"detach": ["AmazonEC2FullAccess"], "attach": ["AmazonEC2ReadOnlyAccess"]});
    params.as_object_mut().unwrap().extend(whose.as_object().unwrap().clone());
    let run = story.open("beta 100%", action, params).await;
    story.apply(&run).await;
    (story, run)
}

fn group() -> (&'static str, Json) {
    ("swap-group-policy", json!({"group": "Beta"}))
}

fn user() -> (&'static str, Json) {
    ("swap-policy", json!({"user": "bert"}))
}

#[tokio::test]
async fn renamed_principal_is_put_back_under_its_new_name() {
    for ((action, whose), kind, name) in [(group(), "group", "Beta"), (user(), "user", "bert")] {
        let (story, run) = swapped(action, whose).await;
        story.world.account().rename(kind, name, "Gamma");
        story.put_back(&run).await;
        assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
        assert!(story.is().contains(&is(&format!("{kind} Gamma"), &[FULL])), "{:?}", story.is());
    }
}

#[tokio::test]
async fn renamed_principal_beyond_the_grants_fails_the_rollback() {
    for ((action, whose), kind, name) in [(group(), "group", "Beta"), (user(), "user", "bert")] {
        let (story, run) = swapped(action, whose).await;
        story.world.account().rename(kind, name, "Gamma");
        story.world.account().beyond.insert("Gamma".to_owned());
        story.put_back(&run).await;
        assert_eq!(story.state(&run).await, "rollback failed");
        let told = story.told(&run).await;
        let words = format!("rollback failed (the {kind} {name} is called `Gamma` now");
        assert!(told.len() == 2 && told.iter().all(|step| step.contains(&words)), "{told:?}");
        // With its old name it comes back.
        story.world.account().rename(kind, "Gamma", name);
        story.put_back(&run).await;
        assert_eq!(story.state(&run).await, "rolled back");
        assert!(story.is().contains(&is(&format!("{kind} {name}"), &[FULL])), "{:?}", story.is());
    }
}

#[tokio::test]
async fn principal_that_was_made_anew_gets_nothing_back() {
    let role = ("swap-policy", json!({"role": "pipeline"}));
    for ((action, whose), kind, name) in [(group(), "group", "Beta"), (user(), "user", "bert"), (role, "role", "pipeline")] {
        let (story, run) = swapped(action, whose).await;
        {
            let mut account = story.world.account();
            account.made_anew(kind, name);
            match kind {
                "group" => account.group(name, &[]),
                "user" => account.user(name, &[]),
                _ => account.role(name, &[]),
            };
        }
        story.put_back(&run).await;
        assert!(story.is().contains(&is(&format!("{kind} {name}"), &[])), "no rights for a stranger: {:?}", story.is());
        let told = story.told(&run).await;
        let words = format!("the {kind} {name} was deleted, and another was made under its name: that one is left as it is");
        assert!(told.iter().all(|step| step.contains(&words)), "{told:?}");
    }
}

#[tokio::test]
async fn whether_one_was_renamed_is_not_guessed() {
    let (action, whose) = group();
    let (story, run) = swapped(action, whose).await;
    story.world.account().rename("group", "Beta", "Gamma");
    story.world.account().refused.insert("ListGroups".to_owned());
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rollback failed");
    assert!(story.told(&run).await.iter().all(|step| step.contains("AccessDenied")), "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn stranger_of_a_planned_name_is_not_restricted_by_that_plan() {
    let story = Story::of(people);
    let run = story.open("beta 100%", "deny-actions", json!({"group": "Beta", "user": "bert", "policy": OWN})).await;
    story.world.account().made_anew("group", "Beta");
    story.world.account().rename("user", "bert", "robert");
    story.apply(&run).await;
    assert!(story.is().contains(&is("group Beta", &[FULL])) && story.is().contains(&is("user robert", &[FULL])));
    let told = story.told(&run).await;
    assert!(told.iter().any(|step| step.contains("apply failed (the user bert is called `robert` by now")), "{told:?}");
}

#[tokio::test]
async fn record_without_an_identity_goes_by_the_name() {
    let (action, whose) = group();
    let (story, run) = swapped(action, whose).await;
    let ledger = &story.harness.truth;
    let PartPlan::Written(plan) = story.load(&run).await.parts[0].plan.clone() else { panic!("no plan") };
    let mut former = Vec::new();
    for mut step in ledger.steps_under(&run, 0, &plan.token).await.unwrap() {
        assert_eq!(step.value.identity.take().as_deref(), Some("GBeta"));
        former.push(Move { step, facet: None });
    }
    assert!(ledger.save_moves(former).await.unwrap().iter().all(Result::is_ok), "as an earlier version wrote them");
    story.world.account().made_anew("group", "Beta");
    story.put_back(&run).await;
    assert!(story.is().contains(&is("group Beta", &[FULL])), "{:?}", story.is());
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn look_says_of_a_held_name_that_it_is_another_now() {
    let (action, whose) = group();
    let (story, run) = swapped(action, whose).await;
    story.world.account().made_anew("group", "Beta");
    story.look(&run).await;
    let told = story.told(&run).await;
    assert!(told.iter().all(|step| step.contains("another was made under its name")), "{told:?}");
}
