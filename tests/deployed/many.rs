//! 200 guardrails in one deployed stack, each with a tag value and a group of its own. One of them is enforced and put back, while the
//! local AWS enforces IAM.

use guardrails_local_aws::ACCOUNT;
use guardrails_local_aws::walkthrough::Access;
use guardrails_model::record::RunState;

use super::lab::{EXAMPLE, Lab, alert};

/// The example's guardrail, and so many others.
fn file(others: usize) -> String {
    let (head, one) = EXAMPLE.split_once("guardrails:\n").unwrap();
    let other = |number: usize| {
        one.replace("project-beta", &format!("project-{number:03}"))
            .replace("Project: Beta", &format!("Project: Number-{number:03}"))
            .replace(
                "swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }",
                &format!("deny-actions: {{ group: Team-Of-Project-{number:03} }}"),
            )
    };
    let deny =
        one.replace("          - stop-instances", "          - deny-actions: { group: ProjectBeta }\n          - stop-instances");
    format!("{head}guardrails:\n{deny}{}", (0..others).map(other).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_hundred_guardrails_is_enforced_and_put_back() {
    let lab = Lab::with(&file(199), 0.1).await;
    let before = lab.snapshot().await;
    lab.publish(&alert("project-beta", ACCOUNT, "$2.00", "$2.00", "$2.31"), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    // Two policies of the swap, two of the Deny, and the instances.
    assert!(lab.steps(&run).await.len() > 4);
    let enforced = lab.snapshot().await;
    assert!(enforced.user["RunInstances"] == Access::Denied && enforced != before);
    // Another guardrail joins while the run is open: its way back stays.
    std::fs::write(lab.folder.path().join("guardrails.yaml"), file(200)).unwrap();
    lab.say(&["deploy", "--yes"]).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}
