//! Others who undo a change again and again: people are told once, and then once a day with the sum.

use guardrails_model::report::{Keep, Report};
use guardrails_model::runs::Outcome;

use super::story::Story;

#[tokio::test]
async fn controller_that_undoes_each_look_costs_one_message_a_day() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    let mut told = Vec::new();
    for hour in 0..24 * 30 {
        story.harness.wait(3600).await;
        story.toy.set("a: on");
        story.toy.set("b: on");
        if story.look(&run).await == Outcome::Succeeded {
            told.push(hour);
        }
        let held = ["a: off (was on, held by beta 80%)", "b: off (was on, held by beta 80%)"];
        story.check(&[held[0], held[1], "beta 80%: enforced; a applied, b applied"]).await;
    }
    assert_eq!(told.len(), 30, "{told:?}");
    assert_eq!(told[..3], [0, 24, 48]);
    let record = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    let size = serde_json::to_string(&record).unwrap().len();
    let steps = story.harness.truth.all_steps(&record).await.unwrap();
    let largest = steps.iter().map(|step| serde_json::to_string(step).unwrap().len()).max().unwrap();
    assert!(size < 30_000 && largest < 60_000, "the records stay small: {size} and {largest}");
    let text = Report::of(&story.harness.truth, record, Keep::ALL).await.unwrap().text();
    assert!(text.contains("others undid 48 changes, and they were made again since"), "{text}");
    assert!(text.contains("others undid a 720 times; by whom: aws cloudtrail lookup-events"), "{text}");

    // It ends: the sum of the last day is told, and nothing more.
    story.harness.wait(24 * 3600).await;
    assert_eq!(story.look(&run).await, Outcome::Succeeded);
    story.harness.wait(24 * 3600).await;
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
    story.put_back(&run).await;
    story.check(&["a: on", "b: on", "beta 80%: rolled back; a rolled back, b rolled back"]).await;
}

#[tokio::test]
async fn other_news_is_told_at_once_beside_it() {
    let story = Story::of("a: on, fixed: on");
    let run = story.enforce("beta 80%", "a: off, b: off, fixed: off").await;
    let undo = async || {
        story.harness.wait(3600).await;
        story.toy.set("a: on");
    };
    undo().await;
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "the first is told");
    undo().await;
    assert_eq!(story.look(&run).await, Outcome::Unchanged, "the second is counted");
    undo().await;
    story.toy.set("b: on");
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "another came into scope");
    undo().await;
    story.toy.set("fixed: on");
    assert_eq!(story.look(&run).await, Outcome::Succeeded, "another change is left so");
    undo().await;
    assert_eq!(story.look(&run).await, Outcome::Unchanged);
}
