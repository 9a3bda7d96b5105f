//! AWS Budgets agrees with guardrails.yaml, and the stack keeps the budgets and holds that it must.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_autoscaling::types::Tag;
use aws_sdk_budgets::types::{Budget, BudgetType, Spend, TimeUnit};
use aws_sdk_cloudformation::types::{Capability, Parameter, ResourceStatus, StackEvent};
use aws_sdk_lambda::types::{Environment, LastUpdateStatus};
use guardrails_local_aws::ACCOUNT;
use guardrails_local_aws::walkthrough::AUTO_SCALING_GROUP;
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

    // Where its alerts would not be understood no stack says that it guards, with any tool of deployment.
    pretend_another_partition(&lab).await;
    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE.replace("2 USD", "4 USD")).unwrap();
    let refused = lab.run(&["deploy", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("partition `aws-us-gov` is not supported"), "{}", text(&refused.stderr));
    assert_eq!(self::budget(&client, "project-beta").await.unwrap().budget_limit().unwrap().amount(), "2");
}

/// The local AWS has one partition: the function is told of another.
async fn pretend_another_partition(lab: &Lab) {
    let (client, name) = (aws_sdk_lambda::Client::new(&lab.root), "budget-guardrails-budget");
    let found = client.get_function_configuration().function_name(name).send().await.unwrap();
    let mut variables = found.environment.unwrap().variables.unwrap();
    assert_eq!(variables.insert("PARTITION".to_owned(), "aws-us-gov".to_owned()).as_deref(), Some("aws"));
    let environment = Environment::builder().set_variables(Some(variables)).build();
    client.update_function_configuration().function_name(name).environment(environment).send().await.unwrap();
    lab.eventually("the function's update", || async {
        let config = client.get_function_configuration().function_name(name).send().await.unwrap();
        (config.last_update_status() == Some(&LastUpdateStatus::Successful)).then_some(())
    })
    .await;
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

    // Adopted, it is used, and outlives its guardrail as it was.
    let adopting = other.replace(
        "amount: 5 USD, period: daily",
        "adopt: project-gamma, amount: 70 USD, period: monthly, counts: { credits: true, refunds: true }",
    );
    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE.to_owned() + &adopting).unwrap();
    lab.say(&["deploy", "--yes"]).await;
    let notified = async || {
        let call = client.describe_notifications_for_budget().account_id(ACCOUNT).budget_name("project-gamma");
        call.send().await.unwrap().notifications.unwrap_or_default().len()
    };
    assert_eq!(notified().await, 1);
    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE).unwrap();
    lab.say(&["deploy", "--yes"]).await;
    assert_eq!(notified().await, 0);
    let tags = client.list_tags_for_resource().resource_arn(format!("arn:aws:budgets::{ACCOUNT}:budget/project-gamma"));
    assert_eq!(tags.send().await.unwrap().resource_tags(), [], "it is nobody's again");
    assert_eq!(budget(&client, "project-gamma").await.unwrap().budget_limit().unwrap().amount(), "70");
}

#[tokio::test(flavor = "multi_thread")]
async fn stack_with_holds_is_not_deleted_and_ledger_outlives_it() {
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
async fn deployment_that_would_break_way_back_of_open_run_is_refused() {
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

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_an_open_run_needs_does_not_leave_the_stack() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let lambda = aws_sdk_lambda::Client::new(&lab.root);
    let function = || lambda.get_function().function_name("budget-guardrails-stop-instances").send();
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let without: String = EXAMPLE.split_inclusive('\n').filter(|line| !line.contains("stop-instances")).collect();
    assert_ne!(without, EXAMPLE);
    std::fs::write(lab.folder.path().join("guardrails.yaml"), without).unwrap();
    let refused = lab.run(&["deploy", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("guardrails rollback project-beta"), "{}", text(&refused.stderr));
    assert_eq!(settled(&lab).await.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    function().await.expect("its function is still there");

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    lab.say(&["deploy", "--yes"]).await;
    assert!(function().await.is_err(), "nothing needs it any more");
    // The rest guards on.
    lab.say(&["simulate", "project-beta", "--yes"]).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_that_could_not_resume_held_group_is_refused() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    as_a_version_left_it_that_might_resume_any_group(&lab).await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let auto_scaling = aws_sdk_autoscaling::Client::new(&lab.root);
    let tag = || {
        let tag = Tag::builder().resource_id(AUTO_SCALING_GROUP).resource_type("auto-scaling-group");
        tag.key("Project").value("Beta").propagate_at_launch(true).build()
    };
    auto_scaling.delete_tags().tags(tag()).send().await.unwrap();
    let refused = lab.run(&["deploy", "--yes"]).await;
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    let why = format!("the Auto Scaling group {AUTO_SCALING_GROUP} in us-east-1 does not carry Project=Beta");
    assert!(told.contains(&why) && told.contains("guardrails rollback project-beta"), "{told}");
    assert_eq!(settled(&lab).await.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"), "all is as it was");

    // A part that is asked for by itself comes back, though others did not.
    let processes = lab.run(&["rollback", "project-beta", "--only", "group-process/us-east-1/", "--yes"]).await;
    assert_eq!(processes.status.code(), Some(4), "{}", text(&processes.stderr));
    let swapped = lab.run(&["rollback", "project-beta", "--action", "swap-group-policy", "--yes"]).await;
    let told = text(&swapped.stderr);
    assert_eq!(swapped.status.code(), Some(0), "{told}");
    assert!(told.contains("what was asked for is put back. Of the rest ") && told.contains("rollback failed"), "{told}");

    // Neither can the deployed functions resume it: its members come back, it stays suspended, and the run says so.
    let failed = lab.run(&["rollback", "project-beta", "--yes"]).await;
    let told = text(&failed.stderr) + &text(&failed.stdout);
    assert_eq!(failed.status.code(), Some(4), "{told}");
    assert!(
        told.contains(&format!("the Auto Scaling group {AUTO_SCALING_GROUP} does not carry Project=Beta any more")),
        "{told}"
    );
    auto_scaling.create_or_update_tags().tags(tag()).send().await.unwrap();
    lab.say(&["deploy", "--yes"]).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

async fn as_a_version_left_it_that_might_resume_any_group(lab: &Lab) {
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    let deployed = cloudformation.get_template().stack_name(STACK).send().await.unwrap();
    let mut template: serde_json::Value = serde_json::from_str(deployed.template_body().unwrap()).unwrap();
    template["Resources"]["OpenRuns"]["Properties"].as_object_mut().unwrap().remove("Rights").unwrap();
    let stack = cloudformation.describe_stacks().stack_name(STACK).send().await.unwrap().stacks.unwrap().remove(0);
    let is_bucket = |one: &&Parameter| one.parameter_key() == Some("ArtifactBucket");
    let bucket = stack.parameters().iter().find(is_bucket).and_then(Parameter::parameter_value).unwrap();
    let s3 = aws_sdk_s3::config::Builder::from(&lab.root).force_path_style(true).build();
    let put = aws_sdk_s3::Client::from_conf(s3).put_object().bucket(bucket).key("guardrails/earlier.json");
    put.body(template.to_string().into_bytes().into()).send().await.unwrap();
    let url = format!("{}/{bucket}/guardrails/earlier.json", lab.local.endpoint());
    let update = cloudformation.update_stack().stack_name(STACK).template_url(url);
    update.set_parameters(stack.parameters).capabilities(Capability::CapabilityIam).send().await.unwrap();
    assert_eq!(settled(lab).await.as_deref(), Some("UPDATE_COMPLETE"));
}

/// All that happened to the stack, newest first.
async fn events(lab: &Lab) -> Vec<StackEvent> {
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    let pages = cloudformation.describe_stack_events().stack_name(STACK).into_paginator().send();
    let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    pages.into_iter().flat_map(|page| page.stack_events.unwrap_or_default()).collect()
}

/// The stack's state once it stands still; none when it is gone.
pub async fn settled(lab: &Lab) -> Option<String> {
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
