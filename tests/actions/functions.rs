//! Lambda functions: their event sources, provisioned and reserved concurrency go and come back as they were.

mod grants;
mod holds;
mod left_alone;
mod looks;
mod pool;
mod scaling;
mod trouble;
mod words;

use guardrails_model::ids::RunId;
use serde_json::{Value as Json, json};

use crate::story::Story;
use crate::world::{Account, LambdaFunction, Mapping, ScalableTarget};

/// A function in scope, with a dead-letter queue.
fn beta(name: &str) -> LambdaFunction {
    LambdaFunction::new(name, "Project=Beta")
}

/// A function with all settings, one with none, one that its owner has stopped, and one of others. They are on several pages.
fn functions(account: &mut Account) {
    account.lambda_function(beta("orders").reserving(20).alias("live", "1").provisions("live", 5));
    account.scalable_function("orders:live", ScalableTarget::new(2, 8).suspended([false, false, true]));
    account.mapping(Mapping::of_queue("u-1", "orders", "orders:live"));
    account.mapping(Mapping::of_queue("u-2", "returns", "orders").disabled());
    account.lambda_function(beta("mailer"));
    account.mapping(Mapping::of_queue("u-3", "mails", "mailer"));
    account.lambda_function(beta("idle").reserving(0));
    account.lambda_function(LambdaFunction::new("other", "Project=Gamma").reserving(7).alias("live", "4").provisions("4", 2));
    account.mapping(Mapping::of_queue("u-9", "others", "other"));
}

fn story(fill: impl FnOnce(&mut Account)) -> Story {
    Story::of(fill)
}

/// A run over the functions that carry `Project=Beta`, planned.
async fn open(story: &Story, who: &str, more: Json) -> RunId {
    let mut params = json!({"tag": {"Project": "Beta"}});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    story.open(who, "stop-functions", params).await
}

/// The same, carried out.
async fn stopped(story: &Story) -> RunId {
    let run = open(story, "beta 80%", json!({})).await;
    story.apply(&run).await;
    run
}

fn is(story: &Story, name: &str) -> String {
    story.world.account().snapshot().get(name).cloned().unwrap_or_default()
}

/// The calls since the gate was disarmed that change something.
fn changes(story: &Story) -> Vec<String> {
    let verbs = ["Register", "Update", "Put", "Delete"];
    let calls = story.harness.gate.calls().into_iter();
    calls.filter(|call| verbs.iter().any(|verb| call.starts_with(verb))).collect()
}

const SCALING: &str = "orders:live scaling min 0, max 8, in suspended, out suspended, scheduled suspended";

#[tokio::test]
async fn functions_stop_and_come_back_with_all_their_settings() {
    let story = story(functions);
    let before = story.is();
    let run = stopped(&story).await;
    let held = [
        "idle reserved 0",
        "mailer reserved 0",
        "orders reserved 0",
        "orders:live provisioned none",
        SCALING,
        "other reserved 7",
        "other:4 provisioned 2",
        "other:live provisioned none",
        "source u-1 Disabled",
        "source u-2 Disabled",
        "source u-3 Disabled",
        "source u-9 Enabled",
    ];
    assert_eq!(story.is(), held, "{:#?}", story.told(&run).await);
    assert_eq!(["orders", "mailer", "other"].map(|name| story.world.account().invoke(name)), [429, 429, 200]);
    assert_eq!(story.reason(&run, "function idle").await, "it was 0 already");
    assert_eq!(story.reason(&run, "event source returns of function orders").await, "it was disabled already");
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:#?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "rolled back");
    let touched = story.world.account().touched.clone();
    let ours = ["mailer", "orders", "orders:live", "source u-1", "source u-3"];
    assert_eq!(touched.iter().map(String::as_str).collect::<Vec<_>>(), ours);
}

#[tokio::test]
async fn settings_of_a_function_are_turned_in_order_both_ways() {
    let story = story(|account| {
        functions(account);
        account.lambda.functions.retain(|key, _| key.1 == "orders");
    });
    let run = open(&story, "beta 80%", json!({})).await;
    story.harness.gate.disarm();
    story.apply(&run).await;
    let there =
        ["UpdateEventSourceMapping", "RegisterScalableTarget", "DeleteProvisionedConcurrencyConfig", "PutFunctionConcurrency"];
    assert_eq!(changes(&story), there);
    story.harness.gate.disarm();
    story.put_back(&run).await;
    let back =
        ["PutFunctionConcurrency", "UpdateEventSourceMapping", "PutProvisionedConcurrencyConfig", "RegisterScalableTarget"];
    assert_eq!(changes(&story), back);
}

#[tokio::test]
async fn function_that_reserved_nothing_reserves_nothing_again() {
    let story = story(|account| {
        account.lambda_function(beta("mailer"));
    });
    let run = stopped(&story).await;
    assert_eq!(story.step(&run, "function mailer").await.before.unwrap().as_str(), "none");
    story.harness.gate.disarm();
    story.put_back(&run).await;
    assert_eq!(changes(&story), ["DeleteFunctionConcurrency"]);
    assert_eq!(story.is(), ["mailer reserved none"]);
}

#[tokio::test]
async fn every_kind_of_source_is_disabled_and_enabled_again() {
    let arn = |rest: &str| json!({"EventSourceArn": format!("arn:aws:{rest}")});
    let sources = [
        arn("kinesis:us-east-1:123456789012:stream/clicks"),
        arn("dynamodb:us-east-1:123456789012:table/carts/stream/2026-01-01T00:00:00.000"),
        json!({"EventSourceArn": "arn:aws:kafka:us-east-1:123456789012:cluster/msk/0f0f", "Topics": ["sales"]}),
        json!({"SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["own:9092"]}}, "Topics": ["own-topic"]}),
        json!({"EventSourceArn": "arn:aws:mq:us-east-1:123456789012:broker:rabbit:b-0f", "Queues": ["jobs"]}),
        arn("rds:us-east-1:123456789012:cluster:papers"),
    ];
    let story = story(|account| {
        account.lambda_function(beta("mailer"));
        for (number, source) in sources.iter().enumerate() {
            account.mapping(Mapping::of_queue(&format!("u-{number}"), "-", "mailer").from(source.clone()));
        }
    });
    let before = story.is();
    let run = stopped(&story).await;
    assert!((0..6).all(|number| is(&story, &format!("source u-{number}")) == "Disabled"), "{:?}", story.told(&run).await);
    for source in ["own-topic", "broker:rabbit:b-0f jobs", "cluster/msk/0f0f sales", "stream/clicks"] {
        story.step(&run, &format!("event source {source} of function mailer")).await;
    }
    let carts = "event source table/carts/stream/2026-01-01T00:00:00.000 of function mailer";
    assert!(story.step(&run, carts).await.note.unwrap().ends_with("which is 24 hours"));
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn functions_on_several_pages_are_all_stopped() {
    let story = story(|account| {
        for number in 0..8 {
            let name = format!("f-{number}");
            let mut function = beta(&name);
            for version in ["1", "2", "3", "4"] {
                function = function.alias(&format!("a{version}"), version).provisions(&format!("a{version}"), 1);
                function.destinations.insert(format!("a{version}"));
            }
            account.lambda_function(function).mapping(Mapping::of_queue(&format!("u-{number}"), "q", &name));
            account.scalable_function(&format!("{name}:a1"), ScalableTarget::new(1, 2));
        }
    });
    let before = story.is();
    let run = stopped(&story).await;
    let held = |line: &String| {
        ["reserved 0", "provisioned none", "Disabled", "scheduled suspended"].iter().any(|end| line.ends_with(end))
    };
    assert!(story.is().iter().all(held), "{:?}", story.is());
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn functions_of_two_regions_are_parts_of_one_run() {
    let story = story(|account| {
        account.lambda_function(beta("mailer")).lambda_function(beta("far").region("eu-west-1"));
    });
    let before = story.is();
    let run = stopped(&story).await;
    assert_eq!(story.is(), ["eu-west-1/far reserved 0", "mailer reserved 0"]);
    story.put_back(&run).await;
    assert_eq!(story.is(), before);
}

#[tokio::test]
async fn facets_are_named_by_uuid_alias_and_function() {
    let story = story(functions);
    let run = open(&story, "beta 80%", json!({})).await;
    for (label, facet) in [
        ("event source orders of function orders", "event-source/us-east-1/u-1"),
        ("scaling of function orders:live", "function-scaling/us-east-1/orders:live"),
        ("provisioned concurrency of function orders:live", "provisioned-concurrency/us-east-1/orders:live"),
        ("function orders", "function-concurrency/us-east-1/orders"),
    ] {
        let step = story.step(&run, label).await;
        assert_eq!((step.facet.as_str(), step.unit.unwrap().name.as_str()), (facet, "orders"));
    }
}

#[tokio::test]
async fn functions_that_only_the_index_shows_are_not_in_scope() {
    let story = story(|account| {
        functions(account);
        account.function("other").tags.clear();
        account.lambda.stale = vec!["other".to_owned(), "deleted".to_owned()];
    });
    let run = stopped(&story).await;
    assert!(story.told(&run).await.iter().all(|step| !step.contains("other") && !step.contains("deleted")));
    assert_eq!((is(&story, "other reserved"), is(&story, "mailer reserved")), ("7".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn history_names_the_requests_of_both_ways() {
    let story = story(functions);
    let run = stopped(&story).await;
    story.put_back(&run).await;
    for (label, calls) in [
        ("function orders", vec!["lambda:PutFunctionConcurrency"]),
        ("function mailer", vec!["lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency"]),
        ("event source orders of function orders", vec!["lambda:UpdateEventSourceMapping"]),
        (
            "provisioned concurrency of function orders:live",
            vec!["lambda:DeleteProvisionedConcurrencyConfig", "lambda:PutProvisionedConcurrencyConfig"],
        ),
    ] {
        let events = json!(story.step(&run, label).await.events).to_string();
        assert!(calls.iter().all(|call| events.contains(call)), "{events}");
    }
}
