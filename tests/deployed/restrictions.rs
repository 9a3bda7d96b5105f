//! The restricted user tries it for real: with a key of their own, while IAM decides by the policies that the deployed functions
//! attach. And a file that could cut the way back is not deployed.

use std::collections::BTreeMap;

use guardrails_local_aws::ACCOUNT;
use guardrails_local_aws::walkthrough::{Access, GROUP, ROLE, USER};
use guardrails_model::record::{PartPlan, RunState};
use serde_json::Value as Json;

use super::lab::{EXAMPLE, Lab, alert, text};

const TWO_STAGES: &str = include_str!("../../examples/deny-actions.yaml");
const SWAP: &str = "swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }";

/// The ways that are open to the user, of all that they try.
fn allowed(tries: &BTreeMap<String, Access>) -> Vec<&str> {
    tries.iter().filter(|(_, access)| **access == Access::Allowed).map(|(way, _)| way.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn swap_closes_some_ways_to_launch_deny_all_and_rollback_none() {
    let lab = Lab::with(TWO_STAGES, 0.1).await;
    let before = lab.snapshot().await;
    assert_eq!(allowed(&before.user).len(), 7, "{:?}", before.user);

    lab.publish(&alert("project-beta", ACCOUNT, "$2.00", "$2.00", "$2.31"), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let swapped = lab.snapshot().await;
    let open = ["DescribeInstances", "RunInstances (role since before)", "RunInstances (role)", "StartInstances (own policy)"];
    assert_eq!(allowed(&swapped.user), open, "a swap closes what the group let them, and nothing else");

    lab.publish(&alert("project-beta", ACCOUNT, "$2.00", "$2.40", "$2.57"), &[]).await;
    lab.runs_when(|runs| runs.len() == 2 && runs.iter().all(|run| run.state == RunState::Enforced)).await;
    let denied = lab.snapshot().await;
    assert_eq!(allowed(&denied.user), ["DescribeInstances"]);

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    let after = lab.snapshot().await;
    assert_eq!((after.groups, after.user), (before.groups, before.user));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_a_role_are_swapped_by_a_function_that_may_no_more() {
    let lab = Lab::with(&EXAMPLE.replace(SWAP, "swap-policy: { role: beta-deployer, detach: [AmazonEC2FullAccess] }"), 0.1).await;
    let before = lab.snapshot().await;
    lab.publish(&super::lab::real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let swapped = lab.snapshot().await;
    assert_eq!(swapped.user["RunInstances (role since before)"], Access::Denied);
    assert_eq!(swapped.user["RunInstances"], Access::Allowed);
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await.user, before.user);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_would_cut_the_way_back_is_not_deployed_or_planned() {
    let lab = Lab::new().await;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let deploy = async |file: String| {
        std::fs::write(lab.folder.path().join("guardrails.yaml"), file).unwrap();
        let output = lab.run(&["deploy", "--yes"]).await;
        (output.status.code(), text(&output.stderr))
    };
    let deny = |params: &str| EXAMPLE.replace(SWAP, &format!("deny-actions: {{ {params} }}"));

    // An operator who is in the group: the file does not say it, IAM does.
    let operator = EXAMPLE.replace("user/finops", &format!("user/{USER}"));
    let (code, said) = deploy(operator.clone()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("project-beta: group `{GROUP}` has the operator")), "{said}");
    let plan = lab.run(&["plan", "project-beta", "--file", "guardrails.yaml"]).await;
    assert!(text(&plan.stdout).contains("REFUSED swap-group-policy") && plan.status.code() == Some(4), "{plan:?}");

    // The stack's own roles.
    let roles = iam.list_roles().send().await.unwrap();
    let master = roles.roles().iter().map(aws_sdk_iam::types::Role::role_name).find(|name| name.contains("MasterRole")).unwrap();
    let (code, said) = deploy(deny(&format!("role: {master}"))).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("role `{master}` is of the guardrails' own stack")), "{said}");

    // The last administrator.
    let administrator = "arn:aws:iam::aws:policy/AdministratorAccess";
    iam.attach_user_policy().user_name(USER).policy_arn(administrator).send().await.unwrap();
    let (code, said) = deploy(deny("group: ProjectBeta")).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the last would be restricted who have AdministratorAccess"), "{said}");
    iam.attach_role_policy().role_name(ROLE).policy_arn(administrator).send().await.unwrap();
    let (code, said) = deploy(deny("group: ProjectBeta")).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_actions_never_restrict_the_last_administrators_together() {
    let both = format!("{SWAP}\n          - deny-actions: {{ role: {ROLE} }}");
    let lab = Lab::with(&EXAMPLE.replace(SWAP, &both), 0.1).await;
    // They become administrators after the deployment, which would be refused otherwise.
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let administrator = "arn:aws:iam::aws:policy/AdministratorAccess";
    iam.attach_user_policy().user_name(USER).policy_arn(administrator).send().await.unwrap();
    iam.attach_role_policy().role_name(ROLE).policy_arn(administrator).send().await.unwrap();
    let before = lab.snapshot().await;
    lab.publish(&super::lab::real_alert(), &[]).await;
    let run = lab.run_when(RunState::ApplyFailed).await;
    let lasts = run.parts.iter().filter_map(|part| match &part.plan {
        PartPlan::Failed { reason } => Some(reason.contains("the last would be restricted who have AdministratorAccess")),
        _ => None,
    });
    assert_eq!(lasts.collect::<Vec<_>>(), [true, true], "{:?}", run.parts);
    assert_eq!(lab.snapshot().await.groups, before.groups);
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_deny_policy_is_not_taken_from_the_stack() {
    let lab = Lab::with(TWO_STAGES, 0.1).await;
    lab.publish(&alert("project-beta", ACCOUNT, "$2.00", "$2.40", "$2.57"), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let file = TWO_STAGES.replace("role: beta-deployer }", "role: beta-deployer, also: [sts:AssumeRole] }");
    std::fs::write(lab.folder.path().join("guardrails.yaml"), file).unwrap();
    let output = lab.run(&["deploy", "--yes"]).await;
    assert!(
        text(&output.stderr).contains("put it back first, with `guardrails rollback project-beta`"),
        "{}",
        text(&output.stderr)
    );
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    lab.say(&["deploy", "--yes"]).await;

    let package = lab.run(&["package", "--out", "package"]).await;
    assert!(package.status.success(), "{}", text(&package.stderr));
    let template = std::fs::read_to_string(lab.folder.path().join("package/template.json")).unwrap();
    let template: Json = serde_json::from_str(&template).unwrap();
    let policies = template["Resources"].as_object().unwrap().iter().filter(|(name, _)| name.starts_with("DenyPolicy"));
    let denied: Vec<String> = policies.map(|(_, policy)| policy["Properties"]["PolicyDocument"].to_string()).collect();
    assert_eq!(denied.len(), 4, "the closing one, the list in two parts, and the version before's: {denied:?}");
    assert_eq!(denied.iter().filter(|document| document.contains("sts:AssumeRole")).count(), 2, "{denied:?}");
}
