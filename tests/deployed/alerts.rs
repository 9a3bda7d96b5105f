//! The messages on the topic, and their effect.

use guardrails_local_aws::walkthrough::{AUTO_SCALING_GROUP, Access, GROUP, OTHER_GROUP, Role};
use guardrails_model::phase::Phase;
use guardrails_model::record::{Run, RunState};

use super::lab::{EXAMPLE, Lab, alert, month, real_alert, text};

#[tokio::test(flavor = "multi_thread")]
async fn alert_swaps_group_and_stops_fleet_and_rollback_undoes_all() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;

    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let enforced = lab.snapshot().await;
    assert_eq!(enforced.groups[GROUP].iter().collect::<Vec<_>>(), ["AmazonEC2ReadOnlyAccess"]);
    assert_eq!(enforced.groups[OTHER_GROUP], before.groups[OTHER_GROUP]);
    for instance in &lab.world.instances {
        let stopped = matches!(instance.role, Role::Fleet | Role::AutoScalingMember);
        let wanted = if stopped { "stopped" } else { &before.instances[&instance.id] };
        assert_eq!(enforced.instances[&instance.id], wanted, "{}", instance.name);
    }
    assert_eq!((enforced.user["RunInstances"], enforced.user["DescribeInstances"]), (Access::Denied, Access::Allowed));
    assert!(!run.simulated);
    let (subject, text) = lab.told().await;
    assert_eq!(subject, format!("Budget Guardrails: project-beta: enforced at 100% actual in {}", month()));
    assert!(text.contains(&format!("guardrails rollback project-beta --run {}", run.id)), "{text}");
    assert_eq!(enforced.scaling[AUTO_SCALING_GROUP].len(), 8, "or it would terminate its member");
    assert!(text.contains("guardrails:exempt"), "{text}");
    assert!(text.contains("ACTUAL Amount: $2.31"), "{text}");

    lab.say(&["rollback", "project-beta", "--yes", "--why", "the money is back"]).await;
    assert_eq!(lab.snapshot().await, before);
    let exempt = lab.world.with_role(Role::Exempt).next().unwrap();
    let steps = lab.steps(&lab.run_when(RunState::RolledBack).await).await;
    let of_exempt = steps.iter().find(|step| step.facet.as_str().ends_with(&exempt.id)).unwrap();
    assert_eq!((of_exempt.phase, of_exempt.events.len()), (Phase::Skipped, 1), "it was never touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_the_same_alert_at_once_is_one_run() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    let alert = real_alert();
    let ten = (0..10).map(|_| lab.publish(&alert, &[]));
    futures::future::join_all(ten).await;
    let run = lab.run_when(RunState::Enforced).await;
    assert_eq!(run.attempts.apply, 1, "one execution: {:?}", run.events);
    for step in lab.steps(&run).await.iter().filter(|step| step.phase == Phase::Applied) {
        let changes: usize = step.events.iter().map(|event| event.calls.len()).sum();
        // A group's capacity is only kept, and so is a minimum of 0: members change the capacity as they enter Standby.
        let is_kept = step.facet.parts().0 == "group-capacity" || step.before.as_ref() == Some(&step.wanted);
        let expected = usize::from(!is_kept);
        assert_eq!(changes, expected, "{}: {:?}", step.facet, step.events);
    }
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_message_is_told_to_people_and_changes_nothing() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    for (message, why) in [
        ("please stop everything".to_owned(), "the first line is not"),
        ("{\"budgetName\": \"project-beta\", \"actualAmount\": \"900\"}".to_owned(), "the first line is not"),
        (alert("project-gamma", "123456789012", "$2.00", "$2.00", "$2.31"), "no guardrail has the budget `project-gamma`"),
        (alert("project-beta", "123456789012", "$2.00", "$1.50", "$2.31"), "has no stage at $1.50"),
        (alert("project-beta", "123456789012", "$3.00", "$3.00", "$3.31"), "it speaks of a budget of $3.00"),
        (alert("project-beta", "999999999999", "$2.00", "$2.00", "$2.31"), "account 999999999999"),
        (alert("project-beta", "123456789012", "$2.00", "$2.00", "$0.10"), "below its threshold"),
    ] {
        lab.publish(&message, &[]).await;
        let (subject, text) = lab.told().await;
        assert!(subject.ends_with("was not enforced"), "{subject}");
        assert!(text.contains(why) && text.contains(&message), "{text}");
    }
    lab.publish("This is a mock notification", &[("guardrail", "project-gamma")]).await;
    assert!(lab.told().await.1.contains("`project-gamma`, which does not exist"));
    assert!(lab.ledger.runs(None).await.unwrap().is_empty());
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_run_is_marked_and_never_swallows_a_real_alert() {
    let lab = Lab::new().await;
    let before = lab.snapshot().await;
    lab.publish("This is a mock notification", &[]).await;
    let simulated = lab.run_when(RunState::Enforced).await;
    assert!(simulated.simulated);
    assert!(lab.told().await.0.contains("[simulated]"));
    assert!(lab.say(&["status"]).await.contains("[simulated]"));

    lab.publish(&real_alert(), &[]).await;
    let runs = lab.runs_when(|runs| runs.len() == 2 && runs[1].state == RunState::Enforced).await;
    let enforced = lab.snapshot().await;
    assert!(!runs[1].simulated);
    assert!(!lab.told().await.0.contains("[simulated]"));

    lab.say(&["rollback", "project-beta", "--run", runs[0].id.as_str(), "--yes"]).await;
    let held = lab.snapshot().await;
    assert_eq!(held, enforced, "the real run still holds everything");
    lab.say(&["rollback", "project-beta", "--run", runs[1].id.as_str(), "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn second_stage_takes_no_snapshot_and_last_one_puts_all_back() {
    let more = EXAMPLE.to_owned()
        + "      - at: 150% actual\n        do: [[stop-instances: { tag: { Project: Beta }, watch-health: 1s }, \
        swap-group-policy: { group: ProjectBeta, detach: [AmazonEC2FullAccess], attach: [AmazonEC2ReadOnlyAccess] }]]\n";
    let lab = Lab::with(&more, 0.2).await;
    let before = lab.snapshot().await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    lab.publish(&alert("project-beta", "123456789012", "$2.00", "$3.00", "$3.31"), &[]).await;
    let runs = lab.runs_when(|runs| runs.len() == 2 && runs[1].state == RunState::Enforced).await;
    let enforced = lab.snapshot().await;

    let first = runs[0].id.to_string();
    lab.say(&["rollback", "project-beta", "--run", &first, "--yes"]).await;
    assert_eq!(lab.snapshot().await, enforced, "the second stage still holds everything");
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(lab.snapshot().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_after_a_rollback_are_only_recorded_until_rearm() {
    let lab = Lab::new().await;
    lab.publish(&real_alert(), &[]).await;
    lab.run_when(RunState::Enforced).await;
    lab.say(&["rollback", "project-beta", "--yes"]).await;
    let released = lab.snapshot().await;
    let said = text(&lab.run(&["status"]).await.stderr);
    assert!(said.contains("`project-beta` at 100% actual is released"), "{said}");

    let again = real_alert().replace("$2.31", "$2.57");
    lab.publish(&again, &[]).await;
    let recorded = |run: &Run| run.events.iter().any(|event| event.what.contains("recorded, not enforced"));
    lab.runs_when(|runs| runs.len() == 1 && recorded(&runs[0])).await;
    assert_eq!(lab.snapshot().await, released);

    assert!(lab.say(&["rearm", "project-beta", "--yes"]).await.contains("100% actual"));
    lab.publish(&again, &[]).await;
    lab.runs_when(|runs| runs.len() == 2 && runs[1].state == RunState::Enforced).await;
    assert_eq!(lab.snapshot().await.user["RunInstances"], Access::Denied);
}
