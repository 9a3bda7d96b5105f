//! Several stages over one function.

use serde_json::json;

use super::{beta, functions, is, open, stopped, story};
use crate::world::Mapping;

#[tokio::test]
async fn every_setting_is_held_until_the_last_stage_lets_go() {
    for first_goes_first in [true, false] {
        let story = story(functions);
        let before = story.is();
        let first = stopped(&story).await;
        let enforced = story.is();
        let second = open(&story, "beta 100%", json!({})).await;
        story.apply(&second).await;
        let (one, other) = if first_goes_first { (&first, &second) } else { (&second, &first) };
        story.put_back(one).await;
        story.hour().await;
        assert_eq!((story.is(), story.state(one).await), (enforced, "rolled back"), "{:?}", story.told(one).await);
        story.put_back(other).await;
        story.hour().await;
        assert_eq!((story.is(), story.state(other).await), (before, "rolled back"), "{:?}", story.told(other).await);
    }
}

#[tokio::test]
async fn keeping_stage_does_not_hold_for_one_that_loses_events() {
    let story = story(|account| {
        account.lambda_function(beta("hooks").unguarded()).mapping(Mapping::of_queue("u-1", "q", "hooks"));
    });
    let before = story.is();
    let first = open(&story, "beta 80%", json!({"async-events": "lose"})).await;
    story.apply(&first).await;
    let second = open(&story, "beta 100%", json!({})).await;
    story.apply(&second).await;
    assert!(story.reason(&second, "function hooks").await.contains("would be lost"));
    story.put_back(&first).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&first).await);
    assert_eq!(is(&story, "hooks reserved"), "none");
}
