//! People's changes meanwhile: theirs are left alone, and only force takes them from them.

use guardrails_model::report::{Keep, Report};

use super::story::Story;

#[tokio::test]
async fn facet_that_a_person_put_back_is_left_alone() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.set("a: on");
    story.toy.lamps().touched.clear();
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back (somebody made it on already)"]).await;
    assert!(story.toy.lamps().touched.is_empty());
}

#[tokio::test]
async fn facet_that_a_person_changed_is_refused_and_stays_held() {
    let story = Story::of("a: on, b: on");
    let run = story.enforce("beta 80%", "a: off, b: off").await;
    story.toy.set("a: dim");
    story.put_back(&run).await;
    let said = "a rollback failed (somebody made it dim meanwhile; we had made it off and before it was on: roll back with \
        --force to put that back all the same)";
    let failed = format!("beta 80%: rollback failed; {said}, b rolled back");
    story.check(&["a: dim (was on, held by beta 80%)", "b: on", &failed]).await;
    story.put_back_with_force(&run).await;
    story.check(&["a: on", "b: on", "beta 80%: rolled back; a rolled back, b rolled back"]).await;
}

#[tokio::test]
async fn a_failed_rollback_is_tried_again_as_the_world_is_then() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.set("a: dim");
    story.put_back(&run).await;
    story.toy.set("a: off");
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn rollback_refused_by_service_keeps_hold_until_it_succeeds() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = Some("no power");
    story.put_back(&run).await;
    let failed = "beta 80%: rollback failed; a rollback failed (no power)";
    story.check(&["a: off (was on, held by beta 80%)", failed]).await;
    story.toy.lamps().by_name.get_mut("a").unwrap().refuses = None;
    story.put_back(&run).await;
    story.check(&["a: on", "beta 80%: rolled back; a rolled back"]).await;
}

#[tokio::test]
async fn step_not_put_back_is_listed_with_reason_and_force_command() {
    let story = Story::of("a: on, b: on, c: on");
    let run = story.enforce("beta 80%", "a: off, b: off, c: off").await;
    story.toy.set("a: dim");
    story.toy.lamps().by_name.get_mut("b").unwrap().refuses = Some("no power");
    story.put_back(&run).await;
    let record = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    let text = Report::of(&story.harness.truth, record, Keep::ALL).await.unwrap().text();
    let forced = format!("      to force it: guardrails rollback beta --run {run} --only lamp/a/light --force\n");
    assert!(
        text.contains("FAILED  a: off -> on: rollback failed (somebody made it dim meanwhile") && text.contains(&forced),
        "{text}"
    );
    assert!(text.contains(&format!("guardrails abandon {run} --only lamp/a/light --reason WHY")), "{text}");
    assert!(text.contains("FAILED  b: off -> on: rollback failed (no power)"), "{text}");
    assert!(text.contains(&format!("When the reasons are dealt with: guardrails rollback beta --run {run}.")), "{text}");
    // Repeated until clean.
    story.toy.lamps().by_name.get_mut("b").unwrap().refuses = None;
    story.put_back(&run).await;
    story.put_back_only(&run, &["a"], true).await;
    story.check(&["a: on", "b: on", "c: on", "beta 80%: rolled back; a rolled back, b rolled back, c rolled back"]).await;
}
