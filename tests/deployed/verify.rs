//! The people who can still launch after a stage took a group's rights: IAM is asked, and its answers are told.

use guardrails_local_aws::walkthrough::{Access, GROUP, ROLE, USER};
use guardrails_local_aws::{ACCOUNT, SdkConfig};
use guardrails_model::record::RunState;
use serde_json::{Value as Json, json};

use super::lab::{EXAMPLE, Lab, real_alert, text};

const FULL: &str = "arn:aws:iam::aws:policy/AmazonEC2FullAccess";

/// The example, whose second stage has this demand.
fn demanding(demand: &str) -> String {
    let at = "      - at: 100% actual\n";
    EXAMPLE.replace(at, &format!("{at}        verify: {demand}\n"))
}

fn allow(action: &str, resource: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}).to_string()
}

/// A role that trusts `whom` and may do everything with EC2.
async fn role(root: &SdkConfig, name: &str, whom: &str, condition: Json) {
    let mut statement = json!({"Effect": "Allow", "Principal": {"AWS": whom}, "Action": "sts:AssumeRole"});
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    let trust = json!({"Version": "2012-10-17", "Statement": [statement]});
    let iam = aws_sdk_iam::Client::new(root);
    iam.create_role().role_name(name).assume_role_policy_document(trust.to_string()).send().await.unwrap();
    iam.attach_role_policy().role_name(name).policy_arn(FULL).send().await.unwrap();
}

/// Takes away the user's rights beside those of the group.
async fn close_other_ways(root: &SdkConfig) {
    let iam = aws_sdk_iam::Client::new(root);
    iam.delete_user_policy().user_name(USER).policy_name("own").send().await.unwrap();
    iam.detach_role_policy().role_name(ROLE).policy_arn(FULL).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn run_that_demands_it_fails_and_names_those_who_can_launch() {
    let lab = Lab::with(&demanding("fail"), 0.2).await;
    close_other_ways(&lab.root).await;
    let before = lab.snapshot().await;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let shadow = allow("ec2:RunInstances", "*");
    iam.put_user_policy().user_name(USER).policy_name("shadow").policy_document(&shadow).send().await.unwrap();
    let own = format!("arn:aws:iam::{ACCOUNT}:user/{USER}");
    role(&lab.root, "Deploy", &own, Json::Null).await;
    // It leaves it to their own policies, which do not allow it.
    role(&lab.root, "Elsewhere", &format!("arn:aws:iam::{ACCOUNT}:root"), Json::Null).await;

    // Before: the plan's lines for now, and for afterwards.
    let plan = lab.say(&["plan", "project-beta", "--at", "100% actual"]).await;
    let line = plan.lines().find(|line| line.contains("user beta-developer: can launch")).unwrap_or_else(|| panic!("{plan}"));
    let (now, then) = line.split_once(" -> CAN STILL LAUNCH ").unwrap_or_else(|| panic!("{line}"));
    assert!(now.contains("AmazonEC2FullAccess"), "{plan}");
    assert!(
        then.contains("by inline policy shadow (ec2:RunInstances);")
            && then.contains("through role Deploy by AmazonEC2FullAccess"),
        "{plan}"
    );
    assert!(plan.contains("who can launch: now 1 of 1; then 1 still can"), "{plan}");
    assert!(!plan.contains("Elsewhere"), "{plan}");

    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::ApplyFailed).await;
    let (subject, message) = lab.told().await;
    assert!(subject.contains("apply failed"), "{subject}");
    let told = "user beta-developer: CAN STILL LAUNCH by inline policy shadow (ec2:RunInstances); through role Deploy by \
                AmazonEC2FullAccess (ec2:RunInstances and 6 more)";
    assert!(message.contains(told), "{message}");
    assert!(message.contains("1 of 1 can still launch") && message.contains("by IAM's policy simulator"), "{message}");
    assert!(message.contains("guardrails rearm project-beta"), "what to do next: {message}");
    assert_eq!(
        lab.snapshot().await.groups[GROUP].iter().collect::<Vec<_>>(),
        ["AmazonEC2ReadOnlyAccess"],
        "enforced all the same"
    );
    let status: Json = serde_json::from_str(&lab.say(&["status", "--run", run.id.as_str(), "--output", "json"]).await).unwrap();
    let ways = &status[0]["who_can_launch"]["people"][0]["ways"];
    assert_eq!(ways[0]["policies"], json!(["inline policy shadow"]), "{status}");
    assert_eq!(ways[1]["through"], "Deploy", "{status}");
    assert!(lab.say(&["history", "--run", run.id.as_str()]).await.contains("1 of 1 can still launch"));

    // The ways are closed, and the run is tried again.
    iam.delete_user_policy().user_name(USER).policy_name("shadow").send().await.unwrap();
    iam.detach_role_policy().role_name("Deploy").policy_arn(FULL).send().await.unwrap();
    let again = lab.run(&["rearm", "project-beta", "--yes"]).await;
    assert!(again.status.success(), "{}", text(&again.stderr));
    let run = lab.run_when(RunState::Enforced).await;
    let status = lab.say(&["status", "--run", run.id.as_str()]).await;
    assert!(status.contains("user beta-developer: cannot launch"), "{status}");
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await.groups, before.groups);
}

#[tokio::test(flavor = "multi_thread")]
async fn unclear_or_failed_verification_is_said_and_undoes_nothing() {
    let lab = Lab::new().await;
    close_other_ways(&lab.root).await;
    let own = format!("arn:aws:iam::{ACCOUNT}:user/{USER}");
    let external = json!({"StringEquals": {"sts:ExternalId": "12345"}});
    role(&lab.root, "Partner", &own, external).await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let (_, message) = lab.told().await;
    let told = "user beta-developer: cannot be told: role Partner: its trust policy has a condition: it asks for sts:ExternalId";
    assert!(message.contains(told), "{message}");
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    lab.told().await;

    // The function may not ask any more.
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let roles = iam.list_roles().send().await.unwrap().roles;
    let of_verify = roles.iter().map(aws_sdk_iam::types::Role::role_name).find(|name| name.contains("VerifyRole")).unwrap();
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:Simulate*", "Resource": "*"}]});
    let put = iam.put_role_policy().role_name(of_verify).policy_name("closed").policy_document(deny.to_string());
    put.send().await.unwrap();
    lab.say(&["rearm", "project-beta", "--yes"]).await;
    lab.publish(&real_alert(), &[("again", "1")]).await;
    let runs = lab.runs_when(|runs| runs.len() == 2 && runs[1].state == RunState::Enforced).await;
    assert_ne!(runs[1].id, run.id);
    let (_, message) = lab.told().await;
    assert!(message.contains("could not be verified") && message.contains("iam:SimulatePrincipalPolicy"), "{message}");
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied, "enforced all the same");
}
