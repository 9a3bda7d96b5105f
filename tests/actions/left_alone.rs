//! A run that leaves targets in its scope alone: its name, and the demand of a stage.

use guardrails_model::config::{ActionSpec, Config};
use guardrails_model::ids::{Place, RunId};
use guardrails_model::report::{Keep, Report};
use serde_json::json;

use crate::harness;
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
async fn headline_says_the_cost_of_all_that_still_runs() {
    let story = Story::of(|account| {
        account.instance(running("i-1").of_type("m5d.large")).instance(running("i-2").of_type("unknown.huge"));
        account.instance(tagged("guardrails:exempt=", running("i-3").of_type("m5d.large")));
    });
    let run = story.stop_beta("beta 80%").await;
    let priced = async |prices: Option<&str>| {
        let prices = prices.map(|text| guardrails_model::prices::parse("prices", text).unwrap());
        story.harness.truth.save_prices(prices).await.unwrap();
        let keep = Keep { whole: 100, most: 100 };
        let mut report = Report::of(&story.harness.truth, story.load(&run).await, keep).await.unwrap();
        report.look_up_prices(&story.harness.truth).await.unwrap();
        (report.headline(), report.text())
    };
    let beginning = "beta: NOTHING enforced at 80% actual in 2026-11; 2 in scope STILL ON";
    assert_eq!(priced(None).await.0, beginning);
    let (line, text) = priced(Some("us-east-1: { m5d.large: 12.4 }")).await;
    assert_eq!(line, format!("{beginning}, $12.40 an hour and 1 without a price"));
    assert!(text.contains("2 still run: $12.40 an hour and 1 without a price, on demand."), "{text}");
    assert!(text.contains("Not in the price list: 1 unknown.huge in us-east-1."), "{text}");
    let both = priced(Some("us-east-1: { m5d.large: 12.4, unknown.huge: 0.1 }")).await.0;
    assert_eq!(both, format!("{beginning}, $12.50 an hour"));
    story.put_back(&run).await;
    let back = priced(Some("us-east-1: { m5d.large: 12.4 }")).await.0;
    assert_eq!(back, "beta: rolled back at 80% actual in 2026-11");
}

#[tokio::test]
async fn running_instances_are_listed_by_kind_left_alone_or_not() {
    let story = Story::of(|account| {
        account
            .instance(running("i-1").of_type("m5d.large"))
            .instance(running("i-2").of_type("m5.large"))
            .instance(running("i-3").of_type("m5.large"));
        account.instance(tagged("guardrails:exempt=", running("i-4").of_type("m5.large"))).instance(Instance::new(
            "i-5",
            Power::Stopped,
            "Project=Beta",
        ));
        account.instance(Instance::new("i-6", Power::Running, "Project=Gamma"));
    });
    let spec = ActionSpec { name: "stop-instances".parse().unwrap(), params: json!({"tag": {"Project": "Beta"}}) };
    let (target, guardrail) = harness::stage("beta 80%", vec![vec![spec]]);
    let draft = story.harness.runs().draft(&target, &Config::default(), &guardrail, "");
    let action = story.harness.action(&draft, &draft.parts[0]);
    let before = story.is();
    let home: Place = "us-east-1".parse().unwrap();
    let listed = story.harness.executor().running(&draft, 0, Some(&home), &*action).await.unwrap();
    let mut kinds: Vec<(String, usize)> = listed.iter().map(|one| (one.kind.clone(), one.facets.len())).collect();
    kinds.sort();
    assert_eq!(kinds, [("m5.large".to_owned(), 3), ("m5d.large".to_owned(), 1)]);
    assert!(listed.iter().all(|one| one.place.as_ref() == Some(&home)));
    assert_eq!((story.is(), story.harness.truth.runs(None).await.unwrap().len()), (before, 0));
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
