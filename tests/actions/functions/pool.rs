//! The account's concurrency: functions share it, and others may take the part that a function gives back.

use guardrails_model::record::Direction;

use super::{beta, is, stopped, story};
use crate::world::{Account, LambdaFunction};

/// Four functions that reserve all that may be reserved.
fn full(account: &mut Account) {
    account.lambda.limit = 180;
    for name in ["a", "b", "c", "d"] {
        account.lambda_function(beta(name).reserving(20));
    }
}

#[tokio::test]
async fn all_that_was_reserved_fits_back_one_after_another() {
    let story = story(full);
    let before = story.is();
    let run = stopped(&story).await;
    assert!(story.is().iter().all(|is| is.ends_with("reserved 0")), "{:?}", story.is());
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
    let account = story.world.account();
    assert_eq!(account.calls["PutFunctionConcurrency"].0, 8, "each was asked for once each way");
}

#[tokio::test]
async fn concurrency_that_others_took_is_waited_for() {
    let story = story(full);
    let run = stopped(&story).await;
    story.world.account().lambda_function(LambdaFunction::new("greedy", "Project=Gamma").reserving(30));
    story.harness.ask_back(&run, &[], false).await;
    for _ in 0..20 {
        story.harness.invoke(Direction::Rollback, &run, 0).await.unwrap().unwrap();
        story.harness.wait(120).await;
    }
    let back = ["a", "b", "c", "d"].iter().filter(|name| is(&story, &format!("{name} reserved")) == "20").count();
    assert_eq!(back, 2, "{:?}", story.told(&run).await);
    let words = "decreases account's UnreservedConcurrentExecution below its minimum value of [100]";
    assert!(story.told(&run).await.iter().any(|step| step.contains("rolling back") && step.contains(words)));
    story.world.account().lambda.functions.retain(|key, _| key.1 != "greedy");
    story.harness.execute(Direction::Rollback, &run).await.unwrap();
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    assert!(story.is().iter().all(|is| is.ends_with("reserved 20")), "{:?}", story.is());
}

#[tokio::test]
async fn concurrency_that_stays_taken_fails_and_stays_held() {
    let story = story(full);
    let run = stopped(&story).await;
    story.world.account().lambda_function(LambdaFunction::new("greedy", "Project=Gamma").reserving(80));
    story.put_back(&run).await;
    assert!(story.reason(&run, "function a").await.contains("UnreservedConcurrentExecution"));
    assert_eq!(story.state(&run).await, "rollback failed");
    story.world.account().lambda.functions.retain(|key, _| key.1 != "greedy");
    story.put_back(&run).await;
    assert_eq!(story.state(&run).await, "rolled back", "{:?}", story.told(&run).await);
    assert!(story.is().iter().all(|is| is.ends_with("reserved 20")), "{:?}", story.is());
}

#[tokio::test]
async fn provisioned_concurrency_waits_for_room_too() {
    let story = story(|account| {
        account.lambda.limit = 150;
        account.lambda_function(beta("a").alias("live", "1").provisions("live", 50));
    });
    let before = story.is();
    let run = stopped(&story).await;
    story.world.account().lambda_function(LambdaFunction::new("greedy", "Project=Gamma").reserving(30));
    story.put_back(&run).await;
    let why = story.reason(&run, "provisioned concurrency of function a:live").await;
    assert!(why.contains("UnreservedConcurrentExecution"), "{why}");
    story.world.account().lambda.functions.retain(|key, _| key.1 != "greedy");
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn plan_says_where_the_way_back_may_not_fit() {
    for (limit, words) in [
        (1000, "its 20 reserved executions return to the account, where others may take them"),
        (110, "may not be there on the way back: the account has 90 unreserved, fewer than 100"),
    ] {
        let story = story(|account| {
            account.lambda_function(beta("a").reserving(20)).lambda_function(beta("b"));
            account.lambda.limit = limit;
        });
        let run = stopped(&story).await;
        let note = story.step(&run, "function a").await.note.unwrap();
        assert!(note.ends_with(words), "{note}");
        assert_eq!(story.step(&run, "function b").await.note, None, "one that reserves nothing needs no room");
    }
}

#[tokio::test]
async fn account_is_asked_only_where_something_is_reserved() {
    let story = story(|account| {
        account.lambda_function(beta("b"));
    });
    stopped(&story).await;
    assert_eq!(story.world.account().calls.get("GetAccountSettings"), None);
}
