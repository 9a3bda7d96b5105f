//! AWS Budgets agrees with guardrails.yaml, and the stack keeps what it must.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_budgets::types::{Budget, BudgetType, Spend, TimeUnit};
use aws_sdk_cloudformation::types::{ResourceStatus, StackEvent};
use guardrails_local_aws::ACCOUNT;
use guardrails_model::record::RunState;

use super::lab::{EXAMPLE, Lab, alert, real_alert, text};

const STACK: &str = "budget-guardrails";

#[tokio::test(flavor = "multi_thread")]
#[allow(deprecated, reason = "cost filters are how the product filters")]
async fn the_budget_is_as_the_file_says_and_follows_it() {
    let lab = Lab::new().await;
    let client = aws_sdk_budgets::Client::new(&lab.root);
    let budget = budget(&client, "project-beta").await.unwrap();
    assert_eq!((budget.budget_limit().unwrap().amount(), budget.budget_limit().unwrap().unit()), ("2", "USD"));
    assert_eq!(*budget.time_unit(), TimeUnit::Monthly);
    let filters = budget.cost_filters().unwrap();
    assert_eq!(filters["TagKeyValue"], ["user:Project$Beta"]);
    assert_eq!(filters["Service"], ["Amazon Elastic Compute Cloud - Compute"]);
    assert_eq!(budget.cost_types().unwrap().include_credit(), Some(false), "credits would hide the spending");
    assert_eq!(notifications(&client).await, ["ACTUAL 100", "FORECASTED 80"]);

    // The budget is updated in place, and a new guardrail gets one of its own.
    let changed = EXAMPLE.replace("2 USD", "3 USD").replace("80% forecasted", "90% actual");
    let other =
        "  project-gamma:\n    budget: { amount: 5 USD, period: daily }\n    stages: [{ at: 50% actual, do: [notify] }]\n";
    std::fs::write(lab.folder.path().join("guardrails.yaml"), changed + other).unwrap();
    lab.say(&["deploy", "--yes"]).await;
    assert_eq!(self::budget(&client, "project-beta").await.unwrap().budget_limit().unwrap().amount(), "3");
    assert_eq!(notifications(&client).await, ["ACTUAL 100", "ACTUAL 90"]);
    assert_eq!(*self::budget(&client, "project-gamma").await.unwrap().time_unit(), TimeUnit::Daily);

    // The same again changes nothing; without it, it is gone.
    let again = lab.run(&["deploy", "--yes"]).await;
    assert!(text(&again.stderr).contains("nothing to change"), "{}", text(&again.stderr));
    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE).unwrap();
    lab.say(&["deploy", "--yes"]).await;
    assert!(self::budget(&client, "project-gamma").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_somebody_else_is_neither_changed_nor_deleted() {
    let lab = Lab::new().await;
    let client = aws_sdk_budgets::Client::new(&lab.root);
    let limit = Spend::builder().amount("70").unit("USD").build().unwrap();
    let theirs = Budget::builder().budget_name("project-gamma").budget_type(BudgetType::Cost).time_unit(TimeUnit::Monthly);
    let theirs = theirs.budget_limit(limit).build().unwrap();
    client.create_budget().account_id(ACCOUNT).budget(theirs).send().await.unwrap();

    let other =
        "  project-gamma:\n    budget: { amount: 5 USD, period: daily }\n    stages: [{ at: 50% actual, do: [notify] }]\n";
    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE.to_owned() + other).unwrap();
    let refused = lab.run(&["deploy", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("it is not of this stack"), "{}", text(&refused.stderr));
    assert_eq!(budget(&client, "project-gamma").await.unwrap().budget_limit().unwrap().amount(), "70");
    assert!(budget(&client, "project-beta").await.is_some(), "the rest of the stack is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_still_holds_something_is_not_deleted_and_the_ledger_outlives_it() {
    let other =
        "  project-gamma:\n    budget: { amount: 5 USD, period: monthly }\n    stages: [{ at: 100% actual, do: [notify] }]\n";
    let lab = Lab::with(&(EXAMPLE.to_owned() + other), 0.2).await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    cloudformation.delete_stack().stack_name(STACK).send().await.unwrap();
    assert_eq!(settled(&lab).await.as_deref(), Some("DELETE_FAILED"));
    let events = events(&lab).await;
    let reasons: Vec<&str> = events.iter().filter_map(|event| event.resource_status_reason()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("guardrails rollback project-beta")), "{reasons:?}");

    // Nothing of it is gone, and the guardrail that holds nothing goes on with its work.
    let gone: Vec<_> = events.iter().filter(|event| event.resource_status() == Some(&ResourceStatus::DeleteComplete)).collect();
    assert!(gone.is_empty(), "{gone:?}");
    let budgets = aws_sdk_budgets::Client::new(&lab.root);
    assert!(budget(&budgets, "project-gamma").await.is_some());
    lab.publish(&alert("project-gamma", ACCOUNT, "$5.00", "$5.00", "$5.31"), &[]).await;
    lab.runs_when(|runs| runs.iter().any(|run| run.guardrail.as_str() == "project-gamma")).await;
    while !lab.told().await.1.contains("project-gamma") {}
    // CloudFormation does not update it: what to do is said.
    let refused = lab.run(&["deploy", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let hint = format!("deploy with --adopt-ledger {}", lab.outputs["LedgerTable"]);
    assert!(
        text(&refused.stderr).contains("DELETE_FAILED") && text(&refused.stderr).contains(&hint),
        "{}",
        text(&refused.stderr)
    );

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    cloudformation.delete_stack().stack_name(STACK).send().await.unwrap();
    assert_eq!(settled(&lab).await, None, "it is gone");
    for guardrail in ["project-beta", "project-gamma"] {
        assert!(budget(&budgets, guardrail).await.is_none());
    }
    let kept = lab.ledger.run(&run.id).await.unwrap().expect("the ledger is kept");
    assert_eq!(kept.value.state, RunState::RolledBack);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_would_take_the_way_back_from_an_open_run_is_refused() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let other = EXAMPLE.replace("stop-instances: { tag: { Project: Beta }", "stop-instances: { tag: { Project: Gamma }");
    std::fs::write(lab.folder.path().join("guardrails.yaml"), other).unwrap();
    let earlier = events(&lab).await.len();
    let refused = lab.run(&["deploy", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("guardrails rollback project-beta"), "{}", text(&refused.stderr));
    // Not even for a moment had they others.
    let mut events = events(&lab).await;
    events.truncate(events.len() - earlier);
    let began = events.iter().map(|event| event.logical_resource_id().unwrap_or_default());
    let began: BTreeSet<&str> = began.filter(|name| name.ends_with("Role") || name.ends_with("Boundary")).collect();
    assert_eq!(began, BTreeSet::from(["BudgetBoundary", "BudgetRole"]), "what the look itself needs");
    // The functions still have the rights that the way back needs.
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    lab.say(&["deploy", "--yes"]).await;
}

/// All that happened to the stack, newest first.
async fn events(lab: &Lab) -> Vec<StackEvent> {
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    let pages = cloudformation.describe_stack_events().stack_name(STACK).into_paginator().send();
    let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    pages.into_iter().flat_map(|page| page.stack_events.unwrap_or_default()).collect()
}

/// The stack's state once it stands still; none when it is gone.
async fn settled(lab: &Lab) -> Option<String> {
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    lab.eventually("the stack's end", || async {
        let Ok(found) = cloudformation.describe_stacks().stack_name(STACK).send().await else { return Some(None) };
        let state = found.stacks().first()?.stack_status()?.as_str().to_owned();
        match state.as_str() {
            "DELETE_COMPLETE" => Some(None),
            state if state.ends_with("_IN_PROGRESS") => None,
            _ => Some(Some(state)),
        }
    })
    .await
}

async fn budget(client: &aws_sdk_budgets::Client, name: &str) -> Option<Budget> {
    client.describe_budget().account_id(ACCOUNT).budget_name(name).send().await.ok()?.budget
}

async fn notifications(client: &aws_sdk_budgets::Client) -> Vec<String> {
    let call = client.describe_notifications_for_budget().account_id(ACCOUNT).budget_name("project-beta");
    let found = call.send().await.unwrap().notifications.unwrap_or_default();
    let by_type: HashMap<String, f64> =
        found.iter().map(|one| (format!("{} {}", one.notification_type().as_str(), one.threshold()), one.threshold())).collect();
    let mut names: Vec<String> = by_type.into_keys().collect();
    names.sort();
    names
}
