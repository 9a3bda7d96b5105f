//! A run that leaves targets in its scope alone: its name, and the demand of a stage.

use guardrails_model::ids::RunId;
use guardrails_model::report::{Keep, Report};
use serde_json::json;

use crate::story::{Story, running};
use crate::world::{Instance, Power};

fn tagged(tag: &'static str, mut instance: Instance) -> Instance {
    let (key, value) = tag.split_once('=').expect("a tag");
    instance.tags.insert(key.to_owned(), value.to_owned());
    instance
}

#[tokio::test]
async fn run_that_stops_nothing_is_not_called_enforced() {
    let headline = async |story: &Story, run: &RunId| {
        let keep = Keep { whole: 100, most: 100 };
        let report = Report::of(&story.harness.truth, story.load(run).await, keep).await.unwrap();
        (report.headline(), report.text())
    };
    let story = Story::of(|account| {
        account.instance(running("i-1").of_type("m5d.large")).instance(tagged("guardrails:exempt=", running("i-2")));
    });
    let run = story.stop_beta("beta 80%").await;
    let (line, text) = headline(&story, &run).await;
    assert_eq!(line, "beta: NOTHING enforced at 80% actual in 2026-11; 1 in scope STILL ON", "who is exempt is not counted");
    assert!(text.contains("Still on, and left alone: 1 m5d.large."), "{text}");
    assert!(text.contains("NOTHING enforced: 0 applied, 2 left alone, 0 failed"), "{text}");

    let partly = Story::of(|account| {
        account.instance(running("i-1").of_type("m5d.large")).instance(running("i-2"));
    });
    let run = partly.stop_beta("beta 80%").await;
    assert_eq!(headline(&partly, &run).await.0, "beta: enforced at 80% actual in 2026-11; 1 in scope STILL ON");
    partly.put_back(&run).await;
    assert_eq!(headline(&partly, &run).await.0, "beta: rolled back at 80% actual in 2026-11");

    let whole = Story::of(|account| {
        account.instance(running("i-1")).instance(Instance::new("i-2", Power::Stopped, "Project=Beta"));
    });
    let run = whole.stop_beta("beta 80%").await;
    assert_eq!(headline(&whole, &run).await.0, "beta: enforced at 80% actual in 2026-11");
}

#[tokio::test]
async fn stage_that_demands_it_fails_where_something_is_left_alone() {
    for (tag, of_type, ends) in [
        ("Name=x", "m5d.large", "apply failed"),
        ("guardrails:exempt=", "m5d.large", "enforced"),
        ("Name=x", "m5.large", "enforced"),
    ] {
        let story = Story::of(|account| {
            account.instance(tagged(tag, running("i-1").of_type(of_type))).instance(running("i-2"));
        });
        let run = story.open_demanding("beta 80%", "stop-instances", json!({"tag": {"Project": "Beta"}})).await;
        story.apply(&run).await;
        assert_eq!(story.state(&run).await, ends, "{tag} {of_type}");
        assert!(story.is().contains(&"i-2 Stopped".to_owned()), "what could be done is done");
        story.put_back(&run).await;
        assert_eq!(
            (story.is(), story.state(&run).await),
            (vec!["i-1 Running".to_owned(), "i-2 Running".to_owned()], "rolled back")
        );
    }
}
