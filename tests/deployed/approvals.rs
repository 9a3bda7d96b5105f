//! Runs that wait for a person, on the deployed stack: by the stage's wish, or because the alert is not believed.

use aws_sdk_ec2::types::Tag;
use aws_sdk_sfn::types::ExecutionStatus;
use guardrails_local_aws::walkthrough::{Access, Role};
use guardrails_model::record::{Run, RunState};
use serde_json::{Value as Json, json};

use super::doctor;
use super::lab::{EXAMPLE, Lab, alert, month, real_alert, text};

/// The example, whose enforcing stage asks for approval.
fn asking(rule: &str) -> String {
    let at = "      - at: 100% actual\n";
    assert!(EXAMPLE.contains(at));
    EXAMPLE.replace(at, &format!("{at}        approval: {rule}\n"))
}

/// Every execution has ended, and so.
async fn executions_ended(lab: &Lab, status: &ExecutionStatus) {
    let sfn = aws_sdk_sfn::Client::new(&lab.root);
    lab.eventually("the executions' end", || async {
        let listed = sfn.list_executions().state_machine_arn(&lab.outputs["StateMachineArn"]).send().await.unwrap();
        listed.executions.iter().all(|execution| execution.status() == status).then_some(())
    })
    .await;
}

fn said_by_a_person(run: &Run, words: &str) -> bool {
    run.events.iter().any(|event| event.what.contains(words) && event.by.starts_with("arn:aws:iam::123456789012:"))
}

#[tokio::test(flavor = "multi_thread")]
async fn run_changes_nothing_before_approval_and_comes_back_exactly() {
    let lab = Lab::with(&asking("{ within: 1h }"), 0.2).await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Waiting).await.id.to_string();
    let (subject, asked) = lab.told().await;
    assert_eq!(subject, format!("Budget Guardrails: project-beta: waiting for approval at 100% actual in {}", month()));
    for words in [
        "the stage asks for approval",
        "silence rejects it",
        &format!("guardrails approve {run} --reason"),
        &format!("guardrails reject {run} --reason"),
        "beta-1",
        "ACTUAL Amount: $2.31",
    ] {
        assert!(asked.contains(words), "no {words:?} in:\n{asked}");
    }
    assert!(lab.say(&["status"]).await.contains("waiting for approval"));

    let declined = lab.run(&["approve", &run, "--reason", "looked at it"]).await;
    assert_eq!(declined.status.code(), Some(5), "{}", text(&declined.stderr));
    assert!(text(&declined.stderr).contains("beta-1"), "{}", text(&declined.stderr));
    assert_eq!(lab.snapshot().await, before);

    lab.say(&["approve", &run, "--reason", "looked at it", "--yes"]).await;
    let enforced = lab.run_when(RunState::Enforced).await;
    assert!(said_by_a_person(&enforced, "looked at it"), "{:?}", enforced.events);
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);
    let again = lab.run(&["approve", &run, "--reason", "once more", "--yes"]).await;
    assert!(again.status.success() && text(&again.stderr).contains("looked at it already"), "{}", text(&again.stderr));
    let late = lab.run(&["reject", &run, "--reason", "no", "--yes"]).await;
    assert_eq!(late.status.code(), Some(1));
    assert!(
        text(&late.stderr).contains("does not wait for an approval, it is enforced: it was approved by"),
        "{}",
        text(&late.stderr)
    );
    let (_, report) = lab.told().await;
    assert!(report.contains("approved by") && report.contains("looked at it"), "{report}");

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
    executions_ended(&lab, &ExecutionStatus::Succeeded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_run_changes_nothing_and_releases_stage_until_rearm() {
    let lab = Lab::with(&asking("{}"), 0.2).await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Waiting).await.id.to_string();
    lab.told().await;
    lab.say(&["reject", &run, "--reason", "the load test", "--yes"]).await;
    let rejected = lab.run_when(RunState::Rejected).await;
    assert!(said_by_a_person(&rejected, "the load test"), "{:?}", rejected.events);
    let (subject, report) = lab.told().await;
    assert!(
        subject.contains("rejected at 100% actual") && report.contains("guardrails rearm project-beta"),
        "{subject}\n{report}"
    );
    executions_ended(&lab, &ExecutionStatus::Succeeded).await;

    lab.publish(&real_alert(), &[]).await;
    let recorded = |run: &Run| run.events.iter().any(|event| event.what.contains("recorded, not enforced"));
    lab.runs_when(|runs| runs.len() == 1 && recorded(&runs[0])).await;
    assert!(lab.say(&["rearm", "project-beta", "--yes"]).await.contains("100% actual"));
    lab.publish(&real_alert(), &[]).await;
    lab.runs_when(|runs| runs.len() == 2 && runs[1].state == RunState::Waiting).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_rejects_or_approves_as_the_stage_says() {
    for (otherwise, state) in [("reject", RunState::Rejected), ("approve", RunState::Enforced)] {
        let lab = Lab::with(&asking(&format!("{{ within: 2s, otherwise: {otherwise} }}")), 0.2).await;
        let before = lab.snapshot().await;
        lab.publish(&real_alert(), &[]).await;
        lab.run_when(state).await;
        assert!(lab.told().await.0.contains("waiting for approval"));
        let (_, report) = lab.told().await;
        assert!(report.contains("nobody answered within 2s"), "{report}");
        assert_eq!(lab.snapshot().await == before, otherwise == "reject");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doubted_alert_waits_says_why_and_can_be_put_back() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    // As AWS sent it in July 2026, and Budgets itself says the same.
    lab.publish(&alert("project-beta", "123456789012", "$2.00", "$2.00", "$183,965,812,157.54"), &[]).await;
    let run = lab.run_when(RunState::Waiting).await;
    let (_, asked) = lab.told().await;
    assert!(asked.contains("$183965812157.54 is more than $10000, the most that is enforced of a budget of $2"), "{asked}");
    lab.say(&["rollback", "project-beta", "--yes", "--run", run.id.as_str()]).await;
    lab.run_when(RunState::RolledBack).await;
    executions_ended(&lab, &ExecutionStatus::Succeeded).await;

    lab.say(&["rearm", "project-beta", "--yes"]).await;
    lab.publish(&alert("project-beta", "123456789012", "$2.00", "$2.00", "$183,965,812,157.55"), &[]).await;
    let runs = lab.runs_when(|runs| runs.len() == 2 && runs[1].state == RunState::Waiting).await;
    let why = runs[1].approval.as_ref().unwrap().why.join("\n");
    assert!(why.contains("$183965812157.55 is more than $10000"), "{why}");
    assert_eq!(lab.snapshot().await, before);
    lab.say(&["approve", runs[1].id.as_str(), "--reason", "the console says so", "--yes"]).await;
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn swap_is_made_while_a_person_is_asked_and_undone_after_a_no() {
    let at = "      - at: 100% actual\n";
    let lab = Lab::with(&EXAMPLE.replace(at, &format!("{at}        meanwhile: swap\n")), 0.2).await;
    let before = lab.snapshot().await;
    lab.publish(&alert("project-beta", "123456789012", "$2.00", "$2.00", "$183,965,812,157.54"), &[]).await;
    let run = lab.run_when(RunState::Waiting).await;
    let (_, asked) = lab.told().await;
    assert!(asked.contains("swap-group-policy is in force meanwhile, and is put back after a no"), "{asked}");
    let meanwhile = lab.snapshot().await;
    assert_eq!(meanwhile.user["RunInstances"], Access::Denied);
    assert_eq!(meanwhile.instances, before.instances, "nobody said yes to stopping them");
    lab.say(&["reject", run.id.as_str(), "--reason", "a wrong price", "--yes"]).await;
    lab.run_when(RunState::RolledBack).await;
    assert_eq!(lab.snapshot().await, before);
    executions_ended(&lab, &ExecutionStatus::Succeeded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simulation_that_waits_for_a_person_has_its_own_exit_code() {
    let lab = Lab::with(&asking("{ within: 1h }"), 0.2).await;
    let before = lab.snapshot().await;
    let simulated = lab.run(&["simulate", "project-beta", "--yes"]).await;
    assert_eq!(simulated.status.code(), Some(6), "{}", text(&simulated.stderr));
    assert!(text(&simulated.stdout).contains("waiting for approval"), "{}", text(&simulated.stdout));
    assert_eq!(lab.snapshot().await, before);
}

/// Holds each execution of the deployed machine before it asks for approval, until the task whose token comes to the queue
/// succeeds. The queue's URL.
async fn hold_before_asking(lab: &Lab) -> String {
    let queue = aws_sdk_sqs::Client::new(&lab.root).create_queue().queue_name("held").send().await.unwrap().queue_url.unwrap();
    let sfn = aws_sdk_sfn::Client::new(&lab.root);
    let arn = &lab.outputs["StateMachineArn"];
    let machine = sfn.describe_state_machine().state_machine_arn(arn).send().await.unwrap();
    let mut definition: Json = serde_json::from_str(machine.definition()).unwrap();
    let asks = definition["States"]["MustAsk"]["Choices"].as_array_mut().unwrap().iter_mut();
    let ask = asks.map(|choice| &mut choice["Next"]).find(|next| **next == "AskForApproval").expect("a choice asks for approval");
    *ask = json!("HoldBack");
    definition["States"]["HoldBack"] = json!({
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Next": "AskForApproval",
        "Arguments": {"QueueUrl": queue, "MessageBody": "{% $states.context.Task.Token %}"}, "Output": "{% $states.input %}",
    });
    sfn.update_state_machine().state_machine_arn(arn).definition(definition.to_string()).send().await.unwrap();
    let role = machine.role_arn().rsplit('/').next().unwrap();
    let held = format!("arn:aws:sqs:{}:{}:held", guardrails_local_aws::REGION, guardrails_local_aws::ACCOUNT);
    let statement = json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": held});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let iam = aws_sdk_iam::Client::new(&lab.root);
    iam.put_role_policy().role_name(role).policy_name("test").policy_document(policy).send().await.unwrap();
    // The boundary allows the machine's own calls only.
    iam.delete_role_permissions_boundary().role_name(role).send().await.unwrap();
    queue
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_before_the_wait_is_no_error() {
    let lab = Lab::with(&asking("{ within: 1h }"), 0.2).await;
    let queue = hold_before_asking(&lab).await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Waiting).await.id.to_string();
    let sqs = aws_sdk_sqs::Client::new(&lab.root);
    let token = lab
        .eventually("the held execution", || async {
            let received = sqs.receive_message().queue_url(&queue).send().await.unwrap();
            received.messages.unwrap_or_default().into_iter().next()?.body
        })
        .await;

    let arguments = ["approve", &run, "--reason", "quicker than the question", "--yes"];
    let wait_after_the_approval = async {
        lab.run_when(RunState::Opening).await;
        let sfn = aws_sdk_sfn::Client::new(&lab.root);
        sfn.send_task_success().task_token(token).output("{}").send().await.unwrap();
    };
    let (approved, ()) = tokio::join!(lab.run(&arguments), wait_after_the_approval);
    assert!(approved.status.success(), "{}", text(&approved.stderr));
    lab.run_when(RunState::Enforced).await;
    executions_ended(&lab, &ExecutionStatus::Succeeded).await;

    let sfn = aws_sdk_sfn::Client::new(&lab.root);
    let listed = sfn.list_executions().state_machine_arn(&lab.outputs["StateMachineArn"]).send().await.unwrap().executions;
    let [execution] = listed.as_slice() else { panic!("{listed:?}") };
    let pages = sfn.get_execution_history().execution_arn(execution.execution_arn()).into_paginator().items().send();
    let events = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    let failed: Vec<_> = events.iter().filter(|event| event.r#type().as_str().ends_with("Failed")).collect();
    assert!(failed.is_empty(), "{failed:?}");
    doctor::logs_are_without_errors(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_added_after_the_question_is_asked_about_again() {
    let lab = Lab::with(&asking("{ beyond: 5% }"), 0.2).await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Waiting).await.id.to_string();
    lab.told().await;
    let other = &lab.world.with_role(Role::Untagged).next().unwrap().id;
    let tag = Tag::builder().key("Project").value("Beta").build();
    aws_sdk_ec2::Client::new(&lab.root).create_tags().resources(other).tags(tag).send().await.unwrap();

    let approved = lab.run(&["approve", &run, "--reason", "fine", "--yes"]).await;
    assert_eq!(approved.status.code(), Some(6), "{}", text(&approved.stderr));
    let between = lab.snapshot().await;
    assert_eq!(between.instances[other], before.instances[other], "nobody said yes to it");
    assert_eq!(between.user["RunInstances"], Access::Denied, "the approved steps are done at once");
    let (_, asked) = lab.told().await;
    assert!(asked.contains("more than the 5% that may be beyond them") && asked.contains(other.as_str()), "{asked}");
    lab.say(&["approve", &run, "--reason", "that one too", "--yes"]).await;
    assert_eq!(lab.snapshot().await.instances[other], "stopped");
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn alert_waits_while_budgets_cannot_be_asked() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let iam = aws_sdk_iam::Client::new(&lab.root);
    let roles = iam.list_roles().send().await.unwrap().roles;
    let master =
        roles.iter().map(aws_sdk_iam::types::Role::role_name).find(|name| name.contains("Master")).expect("master's role");
    let looks = async |effect: &str| {
        let statement = json!({"Effect": effect, "Action": "budgets:ViewBudget", "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        iam.put_role_policy().role_name(master).policy_name("test").policy_document(policy).send().await.unwrap();
    };
    looks("Deny").await;
    lab.publish(&real_alert(), &[]).await;
    // A message that needs no look at Budgets is told as ever.
    lab.publish("please stop everything", &[]).await;
    let run = lab.run_when(RunState::Waiting).await;
    let why = run.approval.as_ref().unwrap().why.join("\n");
    assert!(why.contains("AWS Budgets cannot be asked"), "{why}");
    let told = [lab.told().await.0, lab.told().await.0];
    assert!(told.iter().any(|subject| subject.ends_with("was not enforced")), "{told:?}");
    assert_eq!(lab.snapshot().await, before);

    looks("Allow").await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
}
