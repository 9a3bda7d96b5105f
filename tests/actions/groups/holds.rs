//! Several stages over one group.

use serde_json::json;

use super::{four, story};

#[tokio::test]
async fn a_second_stage_holds_the_group_until_the_last_lets_go() {
    let story = story(four());
    let before = story.picture();
    let first = story.stop_beta("beta 80%").await;
    let enforced = story.picture();
    let second = story.stop_beta("beta 100%").await;
    assert_eq!(story.members(&second).await[0], "i-1: applied");
    story.put_back(&first).await;
    story.hour().await;
    assert_eq!((story.picture(), story.state(&first).await), (enforced, "rolled back"));
    story.put_back(&second).await;
    story.hour().await;
    assert_eq!((story.picture(), story.state(&second).await), (before, "rolled back"));
    assert!(story.terminated().is_empty());
}

#[tokio::test]
async fn group_held_in_part_by_two_guardrails_is_resumed_by_the_last() {
    let story = story(four());
    for (id, half) in [("i-1", "a"), ("i-2", "a"), ("i-3", "b"), ("i-4", "b")] {
        story.world.account().instances.get_mut(id).unwrap().tags.insert("Half".to_owned(), half.to_owned());
    }
    let before = story.picture();
    let half = async |who: &str, half: &str| {
        let params = json!({"tag": {"Half": half}, "partial-groups": "stop", "untagged-groups": "stop"});
        let run = story.open(who, "stop-instances", params).await;
        story.apply(&run).await;
        run
    };
    let first = half("beta 80%", "a").await;
    let second = half("gamma 80%", "b").await;
    story.put_back(&first).await;
    story.hour().await;
    let running: Vec<bool> = ["i-1", "i-2", "i-3", "i-4"].map(|id| story.world.account().snapshot()[id] == "Running").into();
    assert_eq!(running, [true, true, false, false]);
    story.put_back(&second).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}

#[tokio::test]
async fn rollback_of_processes_alone_keeps_stopped_group_suspended() {
    let story = story(four());
    let before = story.picture();
    let run = story.stop_beta("beta 80%").await;
    story.put_back_by(&run, &["group-process/us-east-1/"], false).await;
    story.hour().await;
    assert_eq!((story.state(&run).await, story.terminated()), ("rollback failed", Vec::new()));
    story.put_back(&run).await;
    story.hour().await;
    assert_eq!((story.picture(), story.terminated()), (before, Vec::new()));
}
