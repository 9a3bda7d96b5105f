//! People with the policies that the documents give them, and no other rights.

use std::process::Output;

use aws_sdk_cloudformation::operation::describe_stack_events::DescribeStackEventsOutput;
use guardrails_local_aws::SdkConfig;
use guardrails_local_aws::walkthrough::Access;
use guardrails_model::record::RunState;
use serde_json::Value as Json;

use super::budgets::settled;
use super::doctor::{activate, subscribe};
use super::lab::{EXAMPLE, Lab, real_alert, text};

const DEPLOYER: [&str; 2] = [include_str!("../../policies/deployer.json"), include_str!("../../policies/cloudformation.json")];
const OPERATOR: [&str; 2] = [include_str!("../../policies/operator.json"), include_str!("../../policies/doctor.json")];
const DELETE_LEDGER: &str = include_str!("../../policies/delete-ledger.json");
const PLAN: [&str; 1] = [include_str!("../../policies/plan.json")];
const STACK: &str = "budget-guardrails";
const BUCKET: &str = "guardrails-123456789012-us-east-1";

/// A user with the rights of `policy`: their access key and its secret.
async fn user<const N: usize>(root: &SdkConfig, name: &str, policies: [&str; N]) -> (String, String) {
    let iam = aws_sdk_iam::Client::new(root);
    iam.create_user().user_name(name).send().await.unwrap();
    let key = iam.create_access_key().user_name(name).send().await.unwrap().access_key.unwrap();
    grant(root, name, policies).await;
    (key.access_key_id, key.secret_access_key)
}

async fn grant<const N: usize>(root: &SdkConfig, name: &str, policies: [&str; N]) {
    let iam = aws_sdk_iam::Client::new(root);
    for (policy, document) in ["own", "besides"].into_iter().zip(policies) {
        iam.put_user_policy().user_name(name).policy_name(policy).policy_document(document).send().await.unwrap();
    }
}

/// `guardrails ...`, by somebody.
async fn run_as(lab: &Lab, (key, secret): &(String, String), arguments: &[&str]) -> Output {
    let who = [("AWS_ACCESS_KEY_ID", key.as_str()), ("AWS_SECRET_ACCESS_KEY", secret.as_str())];
    lab.run_with(&who, arguments).await
}

async fn may(lab: &Lab, who: &(String, String), arguments: &[&str]) -> String {
    let output = run_as(lab, who, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}\n{}", text(&output.stderr), lab.local.log_tail());
    text(&output.stdout) + &text(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn deployer_policy_allows_to_deploy_and_no_more() {
    let lab = Lab::bare(EXAMPLE).await;
    let deployer = user(&lab.root, "deployer", DEPLOYER).await;
    let first = run_as(&lab, &deployer, &["deploy", "--yes"]).await;
    assert!(first.status.success(), "{}\n{}", text(&first.stderr), lab.local.log_tail());
    says_what_it_did(&lab, &first).await;

    let again = may(&lab, &deployer, &["deploy", "--yes"]).await;
    assert!(again.contains("nothing to change"), "{again}");
    // A parameter stays; and the same rights alone do not do, since the topics would refuse somebody else halfway.
    let parameter = ["deploy", "--yes", "--parameter", "LogRetentionDays=365"];
    let other = user(&lab.root, "other", DEPLOYER).await;
    let refused = run_as(&lab, &other, &parameter).await;
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("user/other is neither an operator"), "{said}");
    assert!(said.contains("let an operator or the last deployer add you to `operators` and deploy"), "{said}");
    assert!(may(&lab, &deployer, &parameter).await.contains("Modify"));
    assert!(may(&lab, &deployer, &["deploy", "--yes"]).await.contains("nothing to change"), "it fell back to its default");
    let simulated = run_as(&lab, &deployer, &["simulate", "project-beta", "--yes"]).await;
    assert!(text(&simulated.stderr).contains("sns:Publish"), "{}", text(&simulated.stderr));

    // A bucket whose policy is kept from us is not taken for one that has a policy.
    let other = DEPLOYER.map(|policy| policy.replace("s3:GetBucketPolicy", "s3:GetBucketAcl"));
    grant(&lab.root, "deployer", other.each_ref().map(String::as_str)).await;
    let blind = run_as(&lab, &deployer, &["deploy", "--yes"]).await;
    let said = text(&blind.stderr);
    assert_eq!(blind.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("looking at the policy of the bucket {BUCKET}")) && said.contains("--bucket names"), "{said}");
    grant(&lab.root, "deployer", DEPLOYER).await;

    removes_the_stack_once_nothing_is_held(&lab, &deployer).await;
}

/// The changes, all of them, though they are more than a page; the progress; the outcome on stdout; and the next commands.
async fn says_what_it_did(lab: &Lab, deployed: &Output) {
    let cloudformation = aws_sdk_cloudformation::Client::new(&lab.root);
    let (shown, told) = (text(&deployed.stdout), text(&deployed.stderr));
    let pages = cloudformation.list_stack_resources().stack_name(STACK).into_paginator().items().send();
    let resources: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
    assert!(resources.len() > 40, "more than a page of them");
    let changes: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    for resource in &resources {
        let (name, kind) = (resource.logical_resource_id().unwrap(), resource.resource_type().unwrap());
        assert!(changes.iter().any(|line| line.starts_with(&["Add", name, kind])), "{name} is not shown as a change: {told}");
        assert!(changes.iter().any(|line| line.starts_with(&["CREATE_COMPLETE", name])), "{name} is not shown as made: {told}");
    }
    let stack = cloudformation.describe_stacks().stack_name(STACK).send().await.unwrap().stacks.unwrap().remove(0);
    assert_eq!(stack.outputs().len(), 6);
    for output in stack.outputs() {
        let row = [output.output_key().unwrap(), output.output_value().unwrap()];
        assert!(shown.lines().any(|line| line.split_whitespace().eq(row)), "no {row:?} in {shown}");
    }
    for words in [
        "packing the functions in ",
        "uploading guardrails/functions-",
        "one round of the reconciler",
        "FAILURE: nobody is subscribed: runs, failures and alarms reach nobody",
        "--notify-email",
        "next: guardrails plan GUARDRAIL shows what its stages would change; guardrails simulate GUARDRAIL tries it",
    ] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    assert!(!told.contains("AccessDenied") && !told.contains("not authorized"), "{told}");
}

async fn removes_the_stack_once_nothing_is_held(lab: &Lab, deployer: &(String, String)) {
    let client = aws_sdk_cloudformation::Client::new(&lab.local.sdk_config_as(&deployer.0, &deployer.1).await.unwrap());
    lab.say(&["simulate", "project-beta", "--yes"]).await;
    let held = run_as(lab, deployer, &["remove", "--yes"]).await;
    let said = text(&held.stderr);
    assert!(held.status.code() == Some(1) && said.contains("guardrails rollback project-beta"), "{said}");
    client.delete_stack().stack_name(STACK).send().await.unwrap();
    assert_eq!(settled(lab).await.as_deref(), Some("DELETE_FAILED"));
    let pages: Vec<_> =
        client.describe_stack_events().stack_name(STACK).into_paginator().send().collect::<Result<_, _>>().await.unwrap();
    let events = pages.iter().flat_map(DescribeStackEventsOutput::stack_events);
    let reasons: Vec<&str> = events.filter_map(|event| event.resource_status_reason()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("guardrails rollback project-beta")), "{reasons:?}");
    lab.say(&["rollback", "project-beta", "--yes"]).await;

    let said = may(lab, deployer, &["remove", "--yes"]).await;
    assert_eq!(settled(lab).await, None, "it is gone");
    assert!(said.contains("less than $0.01") && !said.contains("not looked at") && !said.contains("not known"), "{said}");
    // The ledger is deleted by a policy of its own.
    let whole = ["remove", "--yes", "--delete-ledger"];
    let refused = run_as(lab, deployer, &whole).await;
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("policies/delete-ledger.json has the rights"), "{said}");
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let ledger = iam.put_user_policy().user_name("deployer").policy_name("ledger").policy_document(DELETE_LEDGER);
    ledger.send().await.unwrap();
    assert!(may(lab, deployer, &whole).await.contains("is deleted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_policy_allows_all_of_a_days_work_and_no_more() {
    let file = EXAMPLE.replace("      - at: 100% actual\n", "      - at: 100% actual\n        approval: {}\n");
    let lab = Lab::with(&file, 0.2).await;
    let before = lab.snapshot().await;
    let operator = user(&lab.root, "finops", OPERATOR).await;
    may(&lab, &operator, &["plan", "project-beta"]).await;

    // A simulated run is rejected; a real one is approved, enforced, and put back.
    let tried = simulated_and_waiting(&lab, &operator).await;
    may(&lab, &operator, &["reject", &tried, "--reason", "only a try", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    lab.publish(&real_alert(), &[]).await;
    let run = waiting(&lab).await;
    may(&lab, &operator, &["approve", &run, "--reason", "the money is gone", "--yes"]).await;
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);
    for arguments in [
        &["status"][..],
        &["status", "--run", &run, "--all"],
        &["status", "--facet", "group-policy/ProjectBeta/arn:aws:iam::aws:policy/AmazonEC2FullAccess"],
        &["history"],
        &["history", "--run", &run, "--output", "json"],
        &["reconcile"],
        &["rollback", "project-beta", "--yes"],
        &["rearm", "project-beta", "--yes"],
    ] {
        may(&lab, &operator, arguments).await;
    }
    assert_eq!(lab.snapshot().await, before);

    // All is well, and all of it could be looked at: CloudFormation's reads of the resources in their name, too.
    activate(&lab).await;
    subscribe(&lab, "NotifyTopicArn", "email", "finops@example.com").await;
    let doctor = run_as(&lab, &operator, &["doctor", "--cost-explorer", "--output", "json"]).await;
    assert_eq!(doctor.status.code(), Some(0), "{}{}", text(&doctor.stdout), text(&doctor.stderr));
    assert_eq!(serde_json::from_slice::<Json>(&doctor.stdout).unwrap()["verdict"], "well");

    // Changes that a person settles by hand are let go.
    let tried = simulated_and_waiting(&lab, &operator).await;
    may(&lab, &operator, &["approve", &tried, "--reason", "once more", "--yes"]).await;
    may(&lab, &operator, &["abandon", &tried, "--reason", "settled by hand", "--yes"]).await;
    assert!(lab.runs_when(|runs| !runs.is_empty()).await.iter().all(|run| !run.state.is_open()));
    let deployed = run_as(&lab, &operator, &["deploy", "--yes"]).await;
    assert!(!deployed.status.success(), "{}", text(&deployed.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_policy_allows_the_first_hour_and_no_more() {
    let lab = Lab::bare(EXAMPLE).await;
    let planner = user(&lab.root, "planner", PLAN).await;
    let said = may(&lab, &planner, &["init", "--file", "first.yaml"]).await;
    assert!(said.contains("operator: arn:aws:iam::123456789012:user/planner"), "{said}");
    assert!(said.contains("tag: Project=Beta, which ") && said.contains("guardrails plan --file first.yaml"), "{said}");
    may(&lab, &planner, &["check", "--file", "first.yaml"]).await;

    let plan = may(&lab, &planner, &["plan", "--file", "first.yaml"]).await;
    assert!(plan.contains("the stack `budget-guardrails` is not there"), "{plan}");
    assert!(plan.contains("running -> stopped") && plan.contains("next: guardrails deploy --file first.yaml"), "{plan}");
    assert!(!plan.contains("could not be read"), "{plan}");
    let example = run_as(&lab, &planner, &["plan", "project-beta", "--file", "guardrails.yaml"]).await;
    let told = text(&example.stdout);
    assert!(told.contains("who can launch: now ") && !told.contains("could not be read"), "{told}");

    let again = run_as(&lab, &planner, &["init", "--file", "first.yaml"]).await;
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
    let deployed = run_as(&lab, &planner, &["deploy", "--yes"]).await;
    assert!(!deployed.status.success(), "{}", text(&deployed.stderr));
}

/// A simulated alert, by `operator`; the run that waits for an approval.
async fn simulated_and_waiting(lab: &Lab, operator: &(String, String)) -> String {
    let simulated = run_as(lab, operator, &["simulate", "project-beta", "--yes"]).await;
    assert_eq!(simulated.status.code(), Some(6), "{}", text(&simulated.stderr));
    waiting(lab).await
}

async fn waiting(lab: &Lab) -> String {
    let waits = |run: &guardrails_model::record::Run| run.state == RunState::Waiting;
    let runs = lab.runs_when(|runs| runs.iter().any(waits)).await;
    runs.iter().find(|run| waits(run)).unwrap().id.to_string()
}
