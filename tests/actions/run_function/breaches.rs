//! Programs that break the contract: each fails its part or its step alone, with the mistake in words.

use serde_json::{Value as Json, json};

use super::{applied, ended, memory, of, open};
use crate::story::Story;
use crate::world::{Said, breaking};

/// An answer in place of the right one.
type Instead = fn(Json) -> Said;

fn with(mut right: Json, key: &str, value: Json) -> Said {
    right[key] = value;
    Said::json(&right)
}

fn first(mut right: Json, key: &str, value: Json) -> Said {
    right["facets"][0][key] = value;
    Said::json(&right)
}

const PLANS: &[(Instead, &str)] = &[
    (|_| Said::Text(String::new()), "it does not fit the schema"),
    (|_| Said::Text("<html>Bad gateway\u{1b}[2J</html>".to_owned()), "it begins \"<html>Bad gateway\\u{1b}[2J</html>"),
    (|_| Said::Text("null".to_owned()), "it does not fit the schema"),
    (|right| with(right, "contract", json!(2)), "`contract` is 2, where 1 is expected"),
    (|right| with(right, "facet", json!("x")), "unknown field `facet`"),
    (|right| first(right, "persent", json!("x")), "unknown field `persent`"),
    (|right| first(right, "present", json!(5)), "invalid type: integer `5`"),
    (|right| first(right, "present", json!("")), "`present` has 0 characters"),
    (|right| first(right, "wanted", json!("x".repeat(501))), "`wanted` has 501 characters, where 1 to 500 are expected"),
    (|right| first(right, "label", json!("a\nb")), "which has control or format characters in it"),
    (|right| first(right, "label", json!("a\u{202e}b")), "which has control or format characters in it"),
    (|right| first(right, "facet", json!("a b")), "cannot be the name of a facet"),
    (|right| first(right, "facet", json!("nightly")), "is in it twice"),
    (|right| first(right, "facet", json!("x".repeat(401))), "cannot be the name of a facet"),
    (
        |_| {
            let facet = |number| json!({"facet": format!("t{number}"), "present": "a", "wanted": "b"});
            Said::json(&json!({"contract": 1, "facets": (0..1001).map(facet).collect::<Vec<_>>()}))
        },
        "it has 1001 facets, where 1000 are allowed",
    ),
    (|_| Said::Text("x".repeat(3 * 1024 * 1024)), "it has 3145728 bytes, where 2097152 are allowed"),
];

#[tokio::test]
async fn plan_that_breaks_the_contract_fails_its_part_in_words() {
    for (instead, words) in PLANS {
        let story = Story::of(of(breaking("plan", |_, _, right| instead(right))));
        let run = applied(&story).await;
        let run = story.load(&run).await;
        assert_eq!(run.state.words(), "apply failed", "{words}");
        let told = story.harness.action(&run, &run.parts[0]).plan().await.unwrap_err().to_string();
        assert!(told.contains("its program broke the contract: the answer to `plan`") && told.contains(words), "{words}: {told}");
        assert!(told.len() < 1_000, "a flood is cut: {}", told.len());
        let is_change = |call: &Json| ["apply", "rollback"].contains(&call["operation"].as_str().unwrap());
        assert!(!memory(&story).calls.iter().any(|(_, call)| is_change(call)), "{words}: nothing was changed");
        assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
    }
}

#[tokio::test]
async fn places_that_break_the_contract_fail_the_part_in_words() {
    let places: &[(Instead, &str)] = &[
        (|right| with(right, "places", json!(["Berlin"])), "is no place"),
        (|right| with(right, "places", json!(["berlin", "berlin"])), "is in it twice"),
        (|right| with(right, "places", json!((0..101).map(|n| format!("p{n}")).collect::<Vec<_>>())), "it has 101 places"),
    ];
    for (instead, words) in places {
        let story = Story::of(of(breaking("places", |_, _, right| instead(right))));
        let run = applied(&story).await;
        let ended = ended(&story, &run).await;
        assert!(ended.contains("the answer to `places`") && ended.contains(words), "{words}: {ended}");
    }
}

/// Broken answers about one facet, which fail its step.
const OF_ONE: &[(&str, Instead, &str)] = &[
    ("observe", |_| Said::Text("[]".to_owned()), "it does not fit the schema"),
    ("observe", |right| with(right, "facet", json!("weekly")), "`facet` is \"weekly\": it was asked for another"),
    ("observe", |right| with(right, "state", json!("on")), "unknown variant `on`"),
    ("observe", |right| with(right, "state", json!("gone")), "with this `state` it has `reason`, and no `value`"),
    ("observe", |right| with(right, "reason", json!("so")), "with this `state` it has `value`, and no `reason`"),
    ("apply", |_| Said::Text("done".to_owned()), "it does not fit the schema"),
    ("apply", |right| with(right, "facet", json!("weekly")), "`facet` is \"weekly\": it was asked for another"),
    ("apply", |right| with(right, "outcome", json!("ok")), "unknown variant `ok`"),
    ("apply", |right| with(right, "outcome", json!("refused")), "with this `outcome` it has a `reason`"),
    ("apply", |right| with(right, "reason", json!("x".repeat(20_000))), "bytes, where 16384 are allowed"),
];

#[tokio::test]
async fn broken_answer_about_a_facet_fails_its_step_alone() {
    for (operation, instead, words) in OF_ONE {
        // It breaks the contract for one facet, and changes nothing there.
        let story = Story::of(of(breaking(operation, |memory, call, right| {
            if call["facet"] != "hourly" {
                return Said::json(&right);
            }
            if call["operation"] == "apply" {
                memory.targets.insert("hourly".to_owned(), "running".to_owned());
            }
            instead(right)
        })));
        let run = applied(&story).await;
        let told = story.told(&run).await;
        assert!(told[0].starts_with("hourly: apply failed (its program broke the contract: the answer to"), "{words}: {told:?}");
        assert!(told[0].contains(words), "{words}: {told:?}");
        assert_eq!(told[1], "nightly: applied", "{words}");
        assert!(told[0].len() < 1_000, "{words}: {}", told[0].len());
    }
}

#[tokio::test]
async fn program_that_lies_about_a_change_is_found_out_by_a_look() {
    let story = Story::of(of(breaking("apply", |memory, call, right| {
        if call["facet"] == "hourly" {
            memory.targets.insert("hourly".to_owned(), "running".to_owned());
        }
        Said::json(&right)
    })));
    let run = open(&story, "beta 80%", json!({"patience": "1m"})).await;
    story.apply(&run).await;
    let told = story.told(&run).await;
    assert!(told[0].starts_with("hourly: apply failed (not paused after") && told[0].contains("it is running"), "{told:?}");
    assert_eq!(told[1], "nightly: applied");
    story.put_back(&run).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
}

#[tokio::test]
async fn breach_after_a_change_keeps_the_hold() {
    let story = Story::of(of(breaking("apply", |memory, call, _| {
        let made = if call["facet"] == "hourly" { "half paused" } else { "paused" };
        memory.targets.insert(call["facet"].as_str().unwrap().to_owned(), made.to_owned());
        Said::Text("sorry".to_owned())
    })));
    let run = applied(&story).await;
    let told = story.told(&run).await;
    assert!(told[0].starts_with("hourly: apply failed (its program broke the contract"), "{told:?}");
    assert_eq!(told[1], "nightly: applied", "the look counts, not the answer");
    story.put_back_with_force(&run).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"], "the way back was not lost");
}

#[tokio::test]
async fn loss_that_the_stage_did_not_agree_to_is_refused() {
    let ends = || breaking("plan", |_, _, right| first(right, "terminates", json!(true)));
    let story = Story::of(of(ends()));
    let run = applied(&story).await;
    let told = story.told(&run).await;
    let why = "its program says that this ends something for good: the stage does not say `terminates: true`";
    assert_eq!(told[0], format!("hourly: skipped ({why})"));
    assert!(story.steps(&run).await[0].unplanned, "it is counted as one that could not be planned");
    assert_eq!(story.is(), ["hourly running", "nightly paused", "weekly paused"]);
    let agreed = Story::of(of(ends()));
    let run = open(&agreed, "beta 80%", json!({"terminates": true})).await;
    agreed.apply(&run).await;
    assert_eq!(agreed.is(), ["hourly paused", "nightly paused", "weekly paused"]);
}

#[tokio::test]
async fn breach_whose_change_lands_later_keeps_its_way_back() {
    let story = Story::of(of(breaking("apply", |memory, call, _| {
        let facet = call["facet"].as_str().unwrap();
        memory.targets.insert(facet.to_owned(), if facet == "hourly" { "running" } else { "slow" }.to_owned());
        Said::Text("started job 7".to_owned())
    })));
    let run = applied(&story).await;
    assert!(story.told(&run).await[0].starts_with("hourly: apply failed (its program broke the contract"));
    // The job of the program ends only now.
    super::pauser(&mut story.world.account()).memory.targets.insert("hourly".to_owned(), "paused".to_owned());
    story.put_back(&run).await;
    assert_eq!(story.is(), ["hourly running", "nightly slow", "weekly paused"]);
}
