//! Volumes under a key of another account. The plan says that their instances may not start again. An administrator of that account
//! mends it while they are stopped.

use serde_json::json;

use crate::story::{Story, running};

const CENTRAL: &str = "arn:aws:kms:us-east-1:111122223333:key/central";
const OWN: &str = "arn:aws:kms:us-east-1:123456789012:key/own";

/// Five under the central key, which are more than a page has; one under a key of the account; one without any.
fn story() -> Story {
    Story::of(|account| {
        for id in 1..=5 {
            account.instance(running(&format!("i-{id}")).encrypted_under(CENTRAL));
        }
        account.instance(running("i-6").encrypted_under(OWN)).instance(running("i-7"));
    })
}

#[tokio::test]
async fn volumes_under_a_foreign_key_are_named_in_the_plan() {
    let story = story();
    let run = story.open_beta("beta 80%", json!({})).await;
    let steps = story.steps(&run).await;
    let noted: Vec<&str> = steps.iter().filter(|step| step.note.is_some()).map(|step| step.label.as_str()).collect();
    assert_eq!(noted, ["i-1", "i-2", "i-3", "i-4", "i-5"]);
    let note = steps[0].note.as_deref().unwrap();
    for words in [CENTRAL, "would not start again by us unless", "kms:CreateGrant", "guardrails:exempt"] {
        assert!(note.contains(words), "{note}");
    }
    assert_eq!(story.world.account().calls["DescribeVolumes"].0, 2, "a call for each page, and none for each instance");
}

#[tokio::test]
async fn key_s_administrator_mends_the_way_back() {
    let story = story();
    let before = story.is();
    let run = story.stop_beta_with("beta 80%", json!({"keep-trying": "1h"})).await;
    assert!(story.is().iter().all(|is| is.ends_with("Stopped")), "{:?}", story.is());
    story.put_back(&run).await;
    let told = story.told(&run).await;
    assert_eq!(story.state(&run).await, "rollback failed");
    assert_eq!(told[0], "i-1: rollback failed (Client.InternalError: Client error on launch)");
    assert_eq!(&told[5..], ["i-6: rolled back", "i-7: rolled back"]);
    story.world.account().shared_keys.insert(CENTRAL.to_owned());
    story.put_back(&run).await;
    assert_eq!((story.is(), story.state(&run).await), (before, "rolled back"));
}

#[tokio::test]
async fn refused_look_at_volumes_keeps_nothing_on() {
    let story = story();
    story.world.account().refused.insert("DescribeVolumes".to_owned());
    let run = story.stop_beta("beta 80%").await;
    assert!(story.is().iter().all(|is| is.ends_with("Stopped")), "{:?}", story.is());
    let note = story.steps(&run).await.remove(6).note.unwrap();
    assert!(note.contains("another account's key is not known"), "{note}");
}
