//! The way back on the deployed stack, also when things went wrong meanwhile.

use guardrails_local_aws::walkthrough::{Access, FULL_ACCESS, GROUP, Role};
use guardrails_model::phase::Phase;
use guardrails_model::record::RunState;

use super::lab::{EXAMPLE, Lab, real_alert, text};

#[tokio::test(flavor = "multi_thread")]
async fn rollback_of_an_applying_run_ends_with_everything_as_before() {
    // Slow enough that the fleet is still stopping when the rollback is asked for.
    let lab = Lab::with(EXAMPLE, 3.0).await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    let applying = lab.runs_when(|runs| runs.len() == 1 && runs[0].state == RunState::Applying).await;
    lab.eventually("an instance that is stopping", || async {
        let steps = lab.steps(&applying[0]).await;
        steps.iter().any(|step| step.facet.as_str().starts_with("instance-power") && step.phase == Phase::Applying).then_some(())
    })
    .await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    lab.run_when(RunState::RolledBack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_of_two_rollbacks_at_once_is_told_of_the_first() {
    let lab = Lab::with(EXAMPLE, 2.0).await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let (one, other) = tokio::join!(
        lab.run(&["rollback", "project-beta", "--yes", "--why", "first"]),
        lab.run(&["rollback", "project-beta", "--yes", "--why", "second"])
    );
    assert!(one.status.success() && other.status.success(), "{}\n{}", text(&one.stderr), text(&other.stderr));
    let told = |output: &std::process::Output| text(&output.stderr).contains("is being put back already");
    assert_eq!(u8::from(told(&one)) + u8::from(told(&other)), 1, "{}\n{}", text(&one.stderr), text(&other.stderr));
    assert_eq!(lab.snapshot().await, before);
    let run = lab.ledger.run(&run.id).await.unwrap().unwrap().value;
    assert_eq!((run.state, run.attempts.rollback), (RunState::RolledBack, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn unstoppable_instance_is_left_alone_with_reason_others_stop() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let protected = &lab.world.with_role(Role::Fleet).nth(2).unwrap().id;
    let protect = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
    let ec2 = aws_sdk_ec2::Client::new(&lab.root);
    ec2.modify_instance_attribute().instance_id(protected).disable_api_stop(protect).send().await.unwrap();

    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let (_, message) = lab.told().await;
    assert!(message.contains("OperationNotPermitted"), "{message}");
    let states = lab.snapshot().await.instances;
    for instance in lab.world.with_role(Role::Fleet) {
        assert_eq!(states[&instance.id], if instance.id == *protected { "running" } else { "stopped" });
    }
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_action_is_loud_and_tried_again_at_the_next_alert() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let roles = iam.list_roles().send().await.unwrap().roles;
    let role = roles.iter().map(aws_sdk_iam::types::Role::role_name).find(|name| name.contains("SwapGroupPolicyRole")).unwrap();
    let closed =
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:AttachGroupPolicy", "Resource": "*"}]}"#;
    iam.put_role_policy().role_name(role).policy_name("closed").policy_document(closed).send().await.unwrap();

    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::ApplyFailed).await;
    let (subject, message) = lab.told().await;
    assert!(subject.contains("apply failed"), "{subject}");
    assert!(message.contains("FAILED") && message.contains("AttachGroupPolicy"), "{message}");
    let states = lab.snapshot().await.instances;
    assert!(lab.world.with_role(Role::Fleet).all(|instance| states[&instance.id] == "stopped"), "{states:?}");

    // The same run, and no second snapshot of the stopped instances.
    iam.delete_role_policy().role_name(role).policy_name("closed").send().await.unwrap();
    lab.publish(&real_alert().replace("$2.31", "$2.40"), &[]).await;
    lab.run_when(RunState::Enforced).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_deleted_meanwhile_is_said_and_the_rest_is_put_back() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let lost = &lab.world.with_role(Role::Fleet).next().unwrap().id;
    terminate(&lab, lost).await;

    let said = lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert!(said.contains("nothing to put back") && said.contains(lost), "{said}");
    let after = lab.snapshot().await;
    assert_eq!((&after.groups, &after.user), (&before.groups, &before.user));
    for instance in lab.world.with_role(Role::Fleet).filter(|instance| instance.id != *lost) {
        assert_eq!(after.instances[&instance.id], "running");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_is_put_back_and_the_rest_stays_held() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let fleet: Vec<_> = lab.world.with_role(Role::Fleet).collect();
    let facet = lab.steps(&run).await.into_iter().find(|step| step.facet.as_str().ends_with(&fleet[0].id)).unwrap().facet;

    let wrong = lab.run(&["rollback", "project-beta", "--only", "instance-power/us-east-1/i-0", "--yes"]).await;
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("has the facet"), "{}", text(&wrong.stderr));

    lab.say(&["rollback", "project-beta", "--only", facet.as_str(), "--yes"]).await;
    let partly = lab.snapshot().await;
    assert_eq!((partly.instances[&fleet[0].id].as_str(), partly.instances[&fleet[1].id].as_str()), ("running", "stopped"));
    assert_eq!(partly.user["RunInstances"], Access::Denied);
    lab.run_when(RunState::Enforced).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_that_a_person_put_back_meanwhile_is_left_as_it_is() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let policy = format!("arn:aws:iam::aws:policy/{FULL_ACCESS}");
    iam.attach_group_policy().group_name(GROUP).policy_arn(policy).send().await.unwrap();
    iam.attach_group_policy()
        .group_name(GROUP)
        .policy_arn("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
        .send()
        .await
        .unwrap();

    let said = lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert!(said.contains("somebody made it attached already"), "{said}");
    let after = lab.snapshot().await;
    let policies: Vec<_> = after.groups[GROUP].iter().map(String::as_str).collect();
    assert_eq!(policies, ["AmazonEC2FullAccess", "AmazonS3ReadOnlyAccess"], "what others attached stays");
    assert_eq!(after.instances, before.instances);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_yes_nothing_is_put_back() {
    let lab = Lab::new().await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    let enforced = lab.snapshot().await;
    let declined = lab.run(&["rollback", "project-beta"]).await;
    assert_eq!(declined.status.code(), Some(5));
    assert!(text(&declined.stderr).contains("add --yes"), "{}", text(&declined.stderr));
    assert_eq!(lab.snapshot().await, enforced);
}

#[allow(clippy::disallowed_methods, reason = "somebody else terminates it: that is what the test is about")]
async fn terminate(lab: &Lab, id: &str) {
    aws_sdk_ec2::Client::new(&lab.root).terminate_instances().instance_ids(id).send().await.unwrap();
}
