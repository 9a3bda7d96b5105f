//! Functions that others change or delete while they are held.

use guardrails_model::clock::Clock;

use super::{beta, functions, is, open, stopped, story};
use crate::story::Story;
use crate::world::{LambdaFunction, Mapping};

fn rest_is_back(story: &Story) {
    let told = [("mailer reserved", "none"), ("source u-3", "Enabled")].map(|(name, value)| (is(story, name), value.to_owned()));
    assert!(told.iter().all(|(is, value)| is == value), "{told:?}");
}

#[tokio::test]
async fn concurrency_that_a_deployment_set_is_told_and_stays() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.hour().await;
    story.world.account().function("orders").reserved = Some(12);
    story.look(&run).await;
    assert_eq!(story.reason(&run, "function orders").await, "somebody made it 12 meanwhile: it is left so");
    assert_eq!(is(&story, "orders reserved"), "12");
    story.put_back(&run).await;
    let now = ["orders reserved", "orders:live provisioned", "source u-1"].map(|name| is(&story, name));
    assert_eq!(now, ["12", "5", "Enabled"], "the rest comes back: {:?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
    rest_is_back(&story);
}

#[tokio::test]
async fn source_that_a_person_enabled_is_told_and_stays() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.hour().await;
    let now = story.world.clock.now();
    story.world.account().source("u-1").set(true, now);
    story.hour().await;
    story.look(&run).await;
    let why = story.reason(&run, "event source orders of function orders").await;
    assert_eq!(why, "somebody made it enabled meanwhile: it is left so");
    story.put_back(&run).await;
    assert_eq!((is(&story, "source u-1"), is(&story, "orders reserved")), ("Enabled".to_owned(), "20".to_owned()));
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn function_deleted_meanwhile_costs_the_others_nothing() {
    let story = story(functions);
    let run = stopped(&story).await;
    {
        let mut account = story.world.account();
        // Its mapping and its target stay behind.
        account.lambda.functions.retain(|key, _| key.1 != "orders");
    }
    story.put_back(&run).await;
    for (label, thing) in [
        ("function orders", "function orders"),
        ("event source orders of function orders", "event source u-1"),
        ("provisioned concurrency of function orders:live", "provisioned concurrency orders:live"),
        ("scaling of function orders:live", "scalable target orders:live"),
    ] {
        let why = story.reason(&run, label).await;
        assert_eq!(why, format!("nothing to put back: the {thing} is there no more"));
    }
    rest_is_back(&story);
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn function_made_anew_keeps_its_own_concurrency() {
    let story = story(functions);
    let run = stopped(&story).await;
    {
        let mut account = story.world.account();
        account.lambda_function(beta("orders").reserving(3));
        account.lambda.mappings.remove("u-1");
        account.mapping(Mapping::of_queue("u-5", "orders", "orders"));
    }
    story.put_back(&run).await;
    let now = ["orders reserved", "source u-5"].map(|name| is(&story, name));
    assert_eq!(now, ["3", "Enabled"], "{:?}", story.told(&run).await);
    let why = story.reason(&run, "provisioned concurrency of function orders:live").await;
    assert_eq!(why, "nothing to put back: the provisioned concurrency orders:live is there no more", "it has no alias");
    assert_eq!(story.state(&run).await, "rolled back");
    rest_is_back(&story);
}

#[tokio::test]
async fn source_that_is_being_deleted_is_gone() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.world.account().source("u-1").stuck = Some("Deleting");
    story.put_back(&run).await;
    let why = story.reason(&run, "event source orders of function orders").await;
    assert_eq!(why, "nothing to put back: it is being deleted");
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn target_deregistered_meanwhile_stays_so() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.world.account().lambda.targets.clear();
    story.put_back(&run).await;
    assert_eq!((is(&story, "orders:live provisioned"), is(&story, "orders:live scaling")), ("5".to_owned(), String::new()));
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn function_made_while_others_are_held_is_not_stopped() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.world.account().lambda_function(beta("late")).mapping(Mapping::of_queue("u-6", "more", "orders"));
    story.look(&run).await;
    let now = ["late reserved", "source u-6", "orders reserved"].map(|name| is(&story, name));
    assert_eq!(now, ["none", "Enabled", "0"], "a deployment made them: {:?}", story.told(&run).await);
}

#[tokio::test]
async fn function_that_lost_its_tag_is_named_when_refused() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.world.account().function("orders").tags.clear();
    story.put_back(&run).await;
    let why = story.reason(&run, "function orders").await;
    assert!(why.contains("the function orders does not carry Project=Beta any more: give it back, and roll back again"), "{why}");
    rest_is_back(&story);
    story.world.account().function("orders").tags.insert("Project".to_owned(), "Beta".to_owned());
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    assert_eq!((is(&story, "orders reserved"), is(&story, "orders:live provisioned")), ("20".to_owned(), "5".to_owned()));
}

#[tokio::test]
async fn function_that_lost_its_tag_after_the_plan_is_left_alone() {
    let story = story(|account| {
        account.lambda_function(LambdaFunction { tags: [].into(), ..beta("mailer") });
        account.function("mailer").tags.insert("Project".to_owned(), "Beta".to_owned());
        account.mapping(Mapping::of_queue("u-3", "mails", "mailer"));
    });
    let run = open(&story, "beta 80%", serde_json::json!({})).await;
    story.world.account().function("mailer").tags.clear();
    story.apply(&run).await;
    assert_eq!(story.is(), ["mailer reserved none", "source u-3 Enabled"], "{:?}", story.told(&run).await);
}
