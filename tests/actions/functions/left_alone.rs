//! Functions that are left alone, each with its reason, before anything is called.

use guardrails_model::record::Direction;
use serde_json::json;

use super::{beta, is, open, stopped, story};
use crate::story::FINOPS;
use crate::world::{LambdaFunction, Mapping};

type Made = fn(LambdaFunction) -> LambdaFunction;

fn tagged(mut function: LambdaFunction, key: &str, value: &str) -> LambdaFunction {
    function.tags.insert(key.to_owned(), value.to_owned());
    function
}

/// The function as it is made in these tests: with a mapping, and with provisioned concurrency.
fn orders() -> LambdaFunction {
    beta("orders").reserving(20).alias("live", "1").provisions("live", 5)
}

const LOST: &str = "would be lost: it has no dead-letter queue, and no destination for those that fail";

const REASONS: &[(Made, &str)] = &[
    (
        |function| LambdaFunction {
            more: json!({"MasterArn": "arn:aws:lambda:us-east-1:123456789012:function:edge:3"}),
            ..function
        },
        "it is a replica of Lambda@Edge",
    ),
    (
        |function| LambdaFunction {
            more: json!({"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn":
                "arn:aws:lambda:us-east-1:123456789012:capacity-provider:own"}}}),
            ..function
        },
        "it runs on instances of a capacity provider",
    ),
    (
        |function| LambdaFunction { more: json!({"DurableConfig": {"ExecutionTimeout": 60}}), ..function },
        "it is a durable function",
    ),
    (|function| LambdaFunction { role: FINOPS.to_owned(), ..function }, "its role is an operator's"),
    (LambdaFunction::unguarded, LOST),
    (|function| tagged(function, "guardrails:exempt", ""), "it carries the tag guardrails:exempt"),
    (|function| tagged(function, "guardrails:release", ""), "it carries the tag guardrails:release"),
    (|function| tagged(function, "aws:cloudformation:stack-name", "guardrails"), "the guardrails themselves stand on it"),
];

const UPDATING: &[(Made, &str)] = &[
    (|function| LambdaFunction { updating: true, ..function }, "an update of it is under way"),
    (|function| LambdaFunction { state: "Pending", ..function }, "it is being made"),
];

#[tokio::test]
async fn each_reason_is_known_before_any_change_is_called() {
    for (made, words) in REASONS {
        let story = story(|account| {
            account.lambda_function(made(orders())).mapping(Mapping::of_queue("u-1", "orders", "orders"));
            account.lambda_function(beta("mailer"));
        });
        let run = open(&story, "beta 80%", json!({})).await;
        story.apply(&run).await;
        let told = story.told(&run).await;
        let of_it: Vec<&String> = told.iter().filter(|step| step.contains("function orders")).collect();
        assert!(
            of_it.len() == 3 && of_it.iter().all(|step| step.contains("skipped") && step.contains(words)),
            "{words}: {told:#?}"
        );
        let touched = story.world.account().touched.clone();
        assert_eq!(touched.into_iter().collect::<Vec<_>>(), ["mailer"], "{words}: the others go on");
    }
}

#[tokio::test]
async fn each_reason_is_looked_for_again_before_the_change() {
    for (made, words) in REASONS {
        let story = story(|account| {
            account.lambda_function(orders()).mapping(Mapping::of_queue("u-1", "orders", "orders"));
        });
        let run = open(&story, "beta 80%", json!({})).await;
        story.world.account().lambda_function(made(orders()));
        story.apply(&run).await;
        let told = story.told(&run).await;
        assert!(told.iter().all(|step| step.contains("skipped") && step.contains(words)), "{words}: {told:#?}");
        assert!(story.world.account().touched.is_empty(), "{words}");
    }
}

#[tokio::test]
async fn update_before_or_after_the_plan_is_waited_for() {
    for ((made, words), before) in UPDATING.iter().flat_map(|one| [(one, true), (one, false)]) {
        let story = story(|account| {
            account.lambda_function(if before { made(orders()) } else { orders() });
        });
        let run = open(&story, "beta 80%", json!({})).await;
        story.world.account().lambda_function(made(orders()));
        for _ in 0..5 {
            story.harness.invoke(Direction::Apply, &run, 0).await.unwrap().unwrap();
            story.harness.wait(300).await;
        }
        assert!(story.world.account().touched.is_empty(), "{words}: {:?}", story.told(&run).await);
        story.world.account().lambda_function(orders());
        story.apply(&run).await;
        assert_eq!(story.is(), ["orders reserved 0", "orders:live provisioned none"], "{:?}", story.told(&run).await);
    }
}

#[tokio::test]
async fn asynchronous_events_are_lost_where_the_stage_says_so() {
    let story = story(|account| {
        account.lambda_function(beta("mailer").unguarded());
    });
    let run = open(&story, "beta 80%", json!({"async-events": "lose"})).await;
    story.apply(&run).await;
    assert_eq!(story.is(), ["mailer reserved 0"], "{:?}", story.told(&run).await);
    let asked = story.harness.gate.calls();
    assert!(!asked.contains(&"ListFunctionEventInvokeConfigs".to_owned()), "nobody has to know then: {asked:?}");
    story.put_back(&run).await;
    assert_eq!(story.is(), ["mailer reserved none"]);
}

#[tokio::test]
async fn destination_takes_the_place_of_a_queue() {
    let story = story(|account| {
        let mut function = beta("mailer").unguarded();
        function.destinations.insert("$LATEST".to_owned());
        account.lambda_function(function);
    });
    let run = stopped(&story).await;
    assert_eq!(story.is(), ["mailer reserved 0"], "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn alias_whose_version_has_no_queue_would_lose_events() {
    for (routes, destination, lost) in
        [(&["1"][..], false, false), (&["2"][..], false, true), (&["1", "2"][..], false, true), (&["2"][..], true, false)]
    {
        let story = story(|account| {
            let mut function = orders();
            function.versions.insert("2".to_owned());
            function.aliases.insert("live".to_owned(), routes.iter().map(|version| (*version).to_owned()).collect());
            if destination {
                function.destinations.insert("live".to_owned());
            }
            account.lambda_function(function);
        });
        let run = stopped(&story).await;
        let why = story.reason(&run, "function orders").await;
        assert_eq!(why.contains("asynchronous events of live would be lost"), lost, "{routes:?} {destination}: {why}");
        assert_eq!(is(&story, "orders reserved") == "0", !lost, "{routes:?} {destination}: {why}");
    }
}

#[tokio::test]
async fn function_its_owner_stopped_is_left_alone_too() {
    let story = story(|account| {
        account.lambda_function(beta("idle").unguarded().reserving(0)).mapping(Mapping::of_queue("u-1", "q", "idle"));
    });
    let run = stopped(&story).await;
    assert!(story.reason(&run, "function idle").await.contains(LOST));
    assert_eq!(is(&story, "source u-1"), "Enabled");
}

#[tokio::test]
async fn concurrency_lambda_could_not_provision_is_left_alone() {
    let story = story(|account| {
        let mut function = orders();
        function.provisioned.get_mut("live").unwrap().failed = Some("FUNCTION_ERROR_INIT_FAILURE");
        account.lambda_function(function).mapping(Mapping::of_queue("u-1", "orders", "orders"));
    });
    let run = stopped(&story).await;
    let told = story.told(&run).await;
    let words = "Lambda could not provision the concurrency of orders:live, and could not again";
    assert!(told.len() == 3 && told.iter().all(|step| step.contains("skipped") && step.contains(words)), "{told:#?}");
}

#[tokio::test]
async fn alias_that_is_exempt_exempts_its_function() {
    let story = story(|account| {
        account.lambda_function(orders()).mapping(Mapping::of_queue("u-1", "orders", "orders"));
    });
    let run = open(&story, "beta 80%", json!({"exempt": {"id": ["orders:live"]}})).await;
    story.apply(&run).await;
    let told = story.told(&run).await;
    assert!(
        told.len() == 3 && told.iter().all(|step| step.contains("skipped") && step.contains("exempt by its id")),
        "{told:#?}"
    );
    assert!(story.world.account().touched.is_empty());
}

#[tokio::test]
async fn configuration_that_may_not_be_read_costs_no_other_action() {
    let story = story(|account| {
        account.lambda_function(orders()).mapping(Mapping::of_queue("u-1", "orders", "orders"));
        account.refused.insert("GetFunctionConfiguration".to_owned());
    });
    let run = stopped(&story).await;
    let told = story.told(&run).await;
    assert!(
        told.len() == 3 && told.iter().all(|step| step.contains("its configuration cannot be read (AccessDenied")),
        "{told:#?}"
    );
    assert!(story.world.account().touched.is_empty());
}

#[tokio::test]
async fn mapping_is_exempt_by_its_own_id() {
    let story = story(|account| {
        account.lambda_function(beta("mailer")).mapping(Mapping::of_queue("u-1", "q", "mailer"));
    });
    let run = open(&story, "beta 80%", json!({"exempt": {"id": ["u-1"]}})).await;
    story.apply(&run).await;
    assert_eq!(story.is(), ["mailer reserved 0", "source u-1 Enabled"], "{:?}", story.told(&run).await);
}

#[tokio::test]
async fn function_exempted_between_two_changes_fails_loudly() {
    let story = story(|account| {
        account.lambda_function(orders()).mapping(Mapping::of_queue("u-1", "orders", "orders"));
    });
    let before = story.is();
    let run = open(&story, "beta 80%", json!({})).await;
    story.harness.gate.arm_for("PutFunctionConcurrency", guardrails_testkit::Kind::Refused);
    for _ in 0..6 {
        let _ = story.harness.invoke(Direction::Apply, &run, 0).await;
        story.harness.wait(30).await;
        if story.harness.gate.hit().is_some() {
            break;
        }
    }
    assert_eq!(is(&story, "source u-1"), "Disabled", "{:?}", story.told(&run).await);
    story.world.account().function("orders").tags.insert("guardrails:exempt".to_owned(), String::new());
    story.harness.wait(600).await;
    story.apply(&run).await;
    let why = story.reason(&run, "function orders").await;
    assert_eq!(why, "it carries the tag guardrails:exempt", "{:?}", story.told(&run).await);
    assert_eq!(story.state(&run).await, "apply failed");
    story.put_back(&run).await;
    assert_eq!(story.is(), before, "{:?}", story.told(&run).await);
}
