//! The calls of a whole life, held against the grants of the function, and the people of `restricts`.

use guardrails_aws::actions::CATALOG;
use guardrails_model::config::Config;
use guardrails_model::glob::glob;
use serde_json::json;

use super::{applied, ended, memory, of, open, pauser};
use crate::actions::worked_example::recorded::{Called, hold_against, write};
use crate::story::{ANN, Story};
use crate::world::keeping;

fn parse(action: &str, operators: &str) -> Result<Config, String> {
    let text = format!(
        "version: 1\noperators: [{operators}]\nguardrails:\n  beta:\n    budget: {{ amount: 2 USD, period: monthly, tag: {{ Project: \
         Beta }} }}\n    stages:\n      - at: 80% actual\n        do:\n          - {action}\n"
    );
    CATALOG.parse("guardrails.yaml", &text).map_err(|error| error.to_string())
}

fn config(action: &str) -> Config {
    parse(action, "").unwrap()
}

/// `cargo xtask rights` has an evaluator of its own judge the same.
#[tokio::test]
async fn each_call_is_granted_and_each_grant_is_used() {
    let story = Story::of(of(keeping()));
    let run = applied(&story).await;
    story.put_back(&run).await;
    let only = config("run-function: { function: pauser }");
    let grants = CATALOG.find("run-function").unwrap().grants(&only).unwrap();
    let calls: Vec<Called> = story.world.account().told.clone();
    hold_against(&grants, &calls);
    write(&CATALOG, "run-function", &only, &calls);
}

#[tokio::test]
async fn alias_is_granted_by_its_name() {
    let story = Story::of(|account| {
        of(keeping())(account);
        pauser(account).aliases.insert("live".to_owned(), ("1".to_owned(), None));
    });
    let run = open(&story, "beta 80%", json!({"alias": "live"})).await;
    story.apply(&run).await;
    let grants =
        CATALOG.find("run-function").unwrap().grants(&config("run-function: { function: pauser, alias: live }")).unwrap();
    hold_against(&grants, &story.world.account().told.clone());
}

#[test]
fn no_right_reaches_other_functions_or_unpublished_code() {
    let grants = CATALOG.find("run-function").unwrap().grants(&config("run-function: { function: pauser, version: 3 }")).unwrap();
    let invoke = grants.iter().find(|grant| grant.actions.contains(&"lambda:InvokeFunction")).unwrap();
    let region = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:";
    let is_granted = |end: &str| invoke.resources.iter().any(|arn| glob(arn, &format!("{region}{end}")));
    assert!(is_granted("pauser:3") && is_granted("pauser:10"));
    assert!(!["pauser", "pauser:$LATEST", "pauser:live", "pauser-2:1", "other:1"].into_iter().any(is_granted));
    for grant in &grants {
        assert!(grant.resources.iter().all(|arn| arn.starts_with(&format!("{region}pauser"))), "{grant:?}");
    }
}

#[tokio::test]
async fn operator_in_a_restricted_group_is_refused_by_the_plan() {
    let story = Story::of(|account| {
        of(keeping())(account);
        account.group("Beta", &[]).group("Gamma", &[]);
        account.groups.get_mut("Beta").unwrap().members.push(ANN.to_owned());
    });
    let run = open(&story, "beta 80%", json!({"restricts": {"group": "Beta"}})).await;
    let ended = ended(&story, &run).await;
    assert!(ended.contains("group `Beta` has the operator arn:aws:iam::123456789012:user/ann in it"), "{ended}");
    assert!(memory(&story).calls.is_empty());
    let run = open(&story, "gamma 80%", json!({"restricts": {"group": ["Gamma"]}})).await;
    story.apply(&run).await;
    assert_eq!(story.is().len(), 5);
    assert!(story.is().contains(&"hourly paused".to_owned()));
}

#[test]
fn file_that_restricts_an_operator_is_refused() {
    let refused = parse("run-function: { function: pauser, restricts: { user: ann } }", ANN).unwrap_err();
    assert!(refused.contains("would restrict the operator"), "{refused}");
}

#[test]
fn stage_that_agrees_to_a_loss_is_lossy() {
    let is_lossy = |action: &str| config(action).guardrails.values().next().unwrap().stages[0].lossy;
    assert!(!is_lossy("run-function: { function: pauser }"));
    assert!(is_lossy("run-function: { function: pauser, terminates: true }"));
}

#[test]
fn parameters_that_cannot_work_are_refused() {
    for (params, words) in [
        ("function: 'arn:aws:lambda:eu-west-1:1:function:x'", "is not the name of a function"),
        ("function: x, version: 0", "Lambda counts versions from 1"),
        ("function: x, version: 1, alias: live", "leave out `version`, or `alias`"),
        ("function: x, alias: '7'", "is not the name of an alias"),
        ("function: x, alias: $LATEST", "is not the name of an alias"),
        ("function: x, restricts: { user: 'a b' }", "is not the name of an IAM user"),
        ("function: x, patience: 7h", "is 7h, where 6h is the longest"),
        ("function: x, more: 1", "`more` is no key of this place"),
    ] {
        let refused = parse(&format!("run-function: {{ {params} }}"), "").unwrap_err();
        assert!(refused.contains(words), "{params}: {refused}");
    }
    let long = format!("run-function: {{ function: x, input: {} }}", "x".repeat(9_000));
    assert!(parse(&long, "").unwrap_err().contains("characters, where 8192 are allowed"));
}

#[tokio::test]
async fn operator_who_joins_after_the_plan_is_not_restricted() {
    let story = Story::of(|account| {
        of(keeping())(account);
        account.group("Beta", &[]);
    });
    let run = open(&story, "beta 80%", json!({"restricts": {"group": "Beta"}})).await;
    story.world.account().groups.get_mut("Beta").unwrap().members.push(ANN.to_owned());
    story.apply(&run).await;
    let told = story.told(&run).await;
    assert!(told[0].contains("apply failed") && told[0].contains("has the operator"), "{told:?}");
    assert!(story.is().contains(&"hourly running".to_owned()), "{:?}", story.is());
}
