//! People with the policies that the documents give them, and no other rights.

use std::process::Output;

use guardrails_local_aws::SdkConfig;
use guardrails_model::record::RunState;

use super::lab::{EXAMPLE, Lab, real_alert, text};

/// A user who may do what `policy` says: their access key and its secret.
async fn user(root: &SdkConfig, name: &str, policy: &str) -> (String, String) {
    let iam = aws_sdk_iam::Client::new(root);
    iam.create_user().user_name(name).send().await.unwrap();
    iam.put_user_policy().user_name(name).policy_name(name).policy_document(policy).send().await.unwrap();
    let key = iam.create_access_key().user_name(name).send().await.unwrap().access_key.unwrap();
    (key.access_key_id, key.secret_access_key)
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
async fn who_has_the_deployer_s_policy_deploys_and_no_more() {
    let lab = Lab::bare(EXAMPLE).await;
    let deployer = user(&lab.root, "deployer", include_str!("../../policies/deployer.json")).await;
    let said = may(&lab, &deployer, &["deploy", "--yes"]).await;
    assert!(said.contains("guardrails-123456789012-us-east-1") || said.contains("LedgerTable"), "{said}");
    assert!(!said.contains("AccessDenied") && !said.contains("not authorized"), "{said}");
    let again = may(&lab, &deployer, &["deploy", "--yes"]).await;
    assert!(again.contains("nothing to change"), "{again}");
    // A parameter stays; and the same rights alone do not do, since the topics would refuse somebody else halfway.
    let parameter = ["deploy", "--yes", "--parameter", "LogRetentionDays=365"];
    let other = user(&lab.root, "other", include_str!("../../policies/deployer.json")).await;
    let refused = run_as(&lab, &other, &parameter).await;
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("user/other is neither an operator"), "{said}");
    assert!(said.contains("let an operator or the last deployer add you to `operators` and deploy"), "{said}");
    assert!(may(&lab, &deployer, &parameter).await.contains("Modify"));
    assert!(may(&lab, &deployer, &["deploy", "--yes"]).await.contains("nothing to change"), "it fell back to its default");
    let simulated = run_as(&lab, &deployer, &["simulate", "project-beta", "--yes"]).await;
    assert!(text(&simulated.stderr).contains("sns:Publish"), "{}", text(&simulated.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_operator_s_policy_does_all_of_a_day_s_work_and_no_more() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let operator = user(&lab.root, "finops", include_str!("../../policies/operator.json")).await;
    may(&lab, &operator, &["plan", "project-beta"]).await;
    may(&lab, &operator, &["simulate", "project-beta", "--yes"]).await;
    may(&lab, &operator, &["rollback", "project-beta", "--yes"]).await;
    lab.publish(&real_alert(), &[]).await;
    lab.runs_when(|runs| runs.iter().any(|run| run.state == RunState::Enforced)).await;
    for arguments in
        [&["status"][..], &["history"], &["reconcile"], &["rollback", "project-beta", "--yes"], &["rearm", "project-beta"]]
    {
        may(&lab, &operator, arguments).await;
    }
    assert_eq!(lab.snapshot().await, before);
    // The doctor has findings here, and lacks no right to look.
    let doctor = run_as(&lab, &operator, &["doctor", "--all", "--output", "json"]).await;
    let said = text(&doctor.stdout);
    assert!(said.contains("\"verdict\"") && !said.contains("lacks"), "{said}");
    let deployed = run_as(&lab, &operator, &["deploy", "--yes"]).await;
    assert!(!deployed.status.success(), "{}", text(&deployed.stderr));
}
