//! Functions that were deleted and made anew under their names, and mappings that were pointed elsewhere, while they are held.

use super::{beta, functions, is, stopped, story};
use crate::world::LambdaFunction;

const PROVISIONED: &str = "provisioned concurrency of function orders:live";

#[tokio::test]
async fn function_made_anew_gets_no_provisioned_concurrency() {
    let story = story(functions);
    let run = stopped(&story).await;
    // Its first version has a number that Lambda gave to no version before.
    story.world.account().lambda_function(beta("orders").reserving(30).alias("live", "7"));
    story.put_back(&run).await;
    let why = story.reason(&run, PROVISIONED).await;
    assert!(why.contains("version 1 of function orders, to which the alias live pointed, is there no more"), "{why}");
    assert_eq!(is(&story, "orders:live provisioned"), "none", "{:?}", story.told(&run).await);
    let scaling = is(&story, "orders:live scaling");
    assert!(scaling.starts_with("min 0"), "its scaling would provision some: {scaling}");
    assert_eq!((is(&story, "orders reserved"), is(&story, "mailer reserved")), ("30".to_owned(), "none".to_owned()));
    assert_eq!(story.state(&run).await, "rollback failed");
}

#[tokio::test]
async fn alias_moved_to_a_later_version_is_still_the_same() {
    let story = story(functions);
    let run = stopped(&story).await;
    {
        let mut account = story.world.account();
        let orders = account.function("orders");
        orders.versions.insert("2".to_owned());
        orders.queues.insert("2".to_owned());
        orders.aliases.insert("live".to_owned(), vec!["2".to_owned()]);
    }
    story.put_back(&run).await;
    assert_eq!(is(&story, "orders:live provisioned"), "5", "{:?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
}

#[tokio::test]
async fn mapping_pointed_to_another_function_is_left_as_it_is() {
    let story = story(|account| {
        functions(account);
        account.lambda_function(LambdaFunction::new("next", "Project=Beta"));
    });
    let run = stopped(&story).await;
    story.world.account().source("u-1").function = "next".to_owned();
    story.put_back(&run).await;
    let why = story.reason(&run, "event source orders of function orders").await;
    assert_eq!(why, "nothing to put back: it was pointed to function next, away from orders");
    assert_eq!((is(&story, "source u-1"), is(&story, "source u-3")), ("Disabled".to_owned(), "Enabled".to_owned()));
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn mapping_pointed_elsewhere_after_the_plan_is_not_disabled() {
    let story = story(|account| {
        functions(account);
        account.lambda_function(LambdaFunction::new("next", "Project=Beta").unguarded());
    });
    let run = super::open(&story, "beta 80%", serde_json::json!({})).await;
    story.world.account().source("u-1").function = "next".to_owned();
    story.apply(&run).await;
    assert_eq!(is(&story, "source u-1"), "Enabled", "{:?}", story.told(&run).await);
}
