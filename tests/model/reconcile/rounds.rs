//! Alerts that never arrived, executions that died, and rounds that meet alerts, each other and their end.

use futures::future::join_all;
use guardrails_model::config::ApprovalRule;
use guardrails_model::ids::RunId;
use guardrails_model::record::RunState;
use guardrails_model::runs::{AbandonRequest, Begun, Workflow, execution_name};
use jiff::SignedDuration;

use super::lab::Lab;
use crate::world::{Fault, Kind};

#[tokio::test]
async fn alert_that_never_arrived_is_enforced_and_round_says_so() {
    let lab = Lab::new().await;
    lab.says("2.31");
    let round = lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
    assert!(round.guardrails[0].did.iter().any(|did| did.contains("at 100% actual: its alert never arrived")), "{round:?}");
    assert_eq!((round.clean, round.troubles()), (Some(round.ended), Vec::new()));
    let all: Vec<RunId> = lab.all().await.into_iter().map(|run| run.id).collect();
    assert!(all.len() == 2 && all.iter().all(|run| round.guardrails[0].began.contains(run)), "{round:?}");
    assert_eq!(lab.harness.truth.round().await.unwrap(), Some(round));
    let run = lab.all().await.into_iter().find(|run| run.state == RunState::Enforced).unwrap();
    let alert = lab.harness.truth.alert(&run.alert).await.unwrap().unwrap();
    assert!(alert.text.contains("$2.31 are spent of $2") && alert.decision.contains("never arrived"), "{alert:?}");
}

#[tokio::test]
async fn doubted_figure_waits_for_a_person_as_that_of_an_alert_does() {
    let lab = Lab::new().await;
    lab.says("183965812157.54");
    lab.round().await;
    let run = lab.all().await.into_iter().find(|run| !run.parts.is_empty()).unwrap();
    assert_eq!((lab.lamp().as_str(), run.state), ("on", RunState::Waiting));
    assert!(run.approval.unwrap().why[0].contains("more than $10000, the most that is enforced of a budget of $2"));
}

#[tokio::test]
async fn stage_below_its_threshold_is_left_alone() {
    let lab = Lab::new().await;
    lab.says("1.59");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.all().await.len()), ("on", 0));
    lab.says("1.61");
    lab.round().await;
    let runs = lab.all().await;
    assert_eq!((lab.lamp().as_str(), runs.len(), runs[0].state), ("on", 1, RunState::Notified));
    lab.round().await;
    assert_eq!(lab.all().await.len(), 1, "a stage that only notifies notifies once");
}

#[tokio::test]
async fn rounds_and_the_alert_itself_at_once_are_one_run() {
    let lab = Lab::new().await;
    lab.says("2.31");
    let rounds = join_all((0..5).map(|_| lab.bare_round()));
    let target = lab.target("2026-11");
    let (_, alert) = futures::join!(rounds, lab.harness.alert(&target, &lab.guardrail));
    assert!(matches!(alert.unwrap(), Begun::Started(_) | Begun::Already(_)));
    lab.settle().await;
    assert_eq!(lab.runs().await, ["2026-11 enforced"]);
    assert!(matches!(lab.alert("2026-11").await, Begun::Already(_)), "the alert arrives late");
}

#[tokio::test]
async fn stage_released_by_a_person_stays_so_and_writes_nothing() {
    let lab = Lab::new().await;
    lab.says("2.31");
    lab.round().await;
    let run = lab.all().await.into_iter().find(|run| run.state == RunState::Enforced).unwrap();
    lab.harness.ask_back(&run.id, &[], false).await;
    lab.settle().await;
    let before = lab.all().await;
    for _ in 0..5 {
        lab.round().await;
        lab.harness.wait(3600).await;
    }
    assert_eq!((lab.lamp().as_str(), lab.all().await), ("on", before));
    assert!(lab.harness.runs().rearm(&run.target()).await.unwrap());
    lab.round().await;
    assert_eq!(lab.lamp(), "off", "rearmed, what is in alarm is enforced");
}

#[tokio::test]
async fn rejected_or_abandoned_stage_stays_so_until_rearm() {
    for abandoned in [false, true] {
        let mut lab = Lab::new().await;
        lab.guardrail.stages[1].approval = (!abandoned).then(ApprovalRule::default);
        lab.deploy().await;
        lab.says("2.31");
        lab.round().await;
        let run = lab.latest().await;
        if abandoned {
            let (by, at, why) = ("ann".to_owned(), lab.bench_now(), "settled by hand".to_owned());
            let all = AbandonRequest { by, at, why, only: Vec::new(), actions: Vec::new(), places: Vec::new() };
            lab.harness.runs().abandon(&run.id, &all).await.unwrap();
        } else {
            lab.reject(&run).await;
            lab.harness.workflow.end_all();
        }
        let ended = lab.latest().await.state;
        assert_eq!(ended, if abandoned { RunState::Abandoned } else { RunState::Rejected });
        lab.round().await;
        assert_eq!(lab.latest().await.id, run.id, "a person let it go");
        assert!(lab.harness.runs().rearm(&run.target()).await.unwrap());
        lab.harness.wait(60).await;
        lab.round().await;
        assert_ne!(lab.latest().await.id, run.id, "{ended:?} and rearmed, what is in alarm is enforced");
    }
}

#[tokio::test]
async fn true_but_early_alert_is_enforced_though_nobody_answered() {
    let lab = Lab::new().await;
    // A deployment updated the budget just before.
    lab.says_since("0", lab.bench_now());
    lab.take_doubted_alert("$2.31").await;
    lab.round().await;
    let run = lab.latest().await;
    assert_eq!(run.state, RunState::Waiting);
    lab.harness.wait(86_400).await;
    lab.nobody_answers(&run).await;
    lab.round().await;
    assert_eq!(lab.runs().await, ["2026-11 waiting for approval"], "it is shown to be below yet");
    lab.says("2.31");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
}

#[tokio::test]
async fn figure_that_is_never_believed_is_asked_about_once_a_day() {
    let mut lab = Lab::new().await;
    lab.guardrail.plausibility.approval.within = "2h".parse().unwrap();
    lab.deploy().await;
    lab.says("183965812157.54");
    lab.round().await;
    let run = lab.latest().await;
    lab.harness.wait(7200).await;
    lab.nobody_answers(&run).await;
    for times in 1..=3 {
        let asked_at = lab.bench_now();
        let round = lab.round().await;
        let again = lab.latest().await;
        assert_eq!((again.state, &again.id, lab.lamp().as_str()), (RunState::Waiting, &run.id, "on"));
        assert!(round.troubles()[0].contains(&format!("nobody answered {times} times")), "silence is told louder: {round:?}");
        let question = again.approval.as_ref().unwrap().question.as_ref().unwrap();
        let day = SignedDuration::from_hours(24);
        assert_eq!((question.unanswered, question.told, question.until), (times, None, asked_at + day), "people are told again");
        lab.harness.wait(86_400).await;
        if times < 3 {
            lab.nobody_answers(&again).await;
        }
    }
    let again = lab.latest().await;
    lab.reject(&again).await;
    lab.harness.workflow.end_all();
    for _ in 0..3 {
        lab.harness.wait(86_400).await;
        lab.round().await;
        assert_eq!(lab.latest().await.id, again.id, "a person said no");
    }
}

#[tokio::test]
async fn a_simulated_run_is_no_enforcement() {
    let lab = Lab::new().await;
    let mut target = lab.target("2026-11");
    target.simulated = true;
    lab.harness.alert(&target, &lab.guardrail).await.unwrap();
    lab.settle().await;
    lab.says("2.31");
    lab.round().await;
    let mut runs = lab.runs().await;
    runs.sort();
    assert_eq!(runs, ["2026-11 enforced", "2026-11 enforced simulated"]);
}

#[tokio::test]
async fn changed_limit_counts_by_percentage_and_alarms() {
    for (limit, spent, lamp) in [("5", "2.31", "on"), ("5", "5.01", "off"), ("1", "1.01", "off"), ("2.004", "2.005", "off")] {
        let lab = Lab::new().await;
        lab.says(spent);
        lab.is_changed(limit, &[]);
        let round = lab.round().await;
        assert_eq!(lab.lamp(), lamp, "${spent} of ${limit}");
        let trouble = round.troubles();
        assert!(trouble[0].contains(&format!("its limit is ${limit} in AWS Budgets and $2 in the file")), "{trouble:?}");
        assert_eq!(round.clean, None, "the alarm rings");
    }
}

#[tokio::test]
async fn changed_budget_is_trouble_in_each_round() {
    let lab = Lab::new().await;
    lab.says("1.20");
    lab.is_changed("2", &["its budget has no notification at 100% actual: deploy again"]);
    for _ in 0..2 {
        let round = lab.round().await;
        assert_eq!(round.troubles(), ["beta: its budget has no notification at 100% actual: deploy again"]);
    }
    lab.is_changed("2", &[]);
    assert_eq!(lab.round().await.troubles(), Vec::<String>::new());
}

#[tokio::test]
async fn spend_over_the_threshold_without_alarm_is_enforced() {
    let lab = Lab::new().await;
    lab.says("95.92");
    lab.lamp_off();
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
}

#[tokio::test]
async fn no_to_a_figure_leaves_the_stage_armed_for_others() {
    let lab = Lab::new().await;
    lab.says("183965812157.54");
    lab.round().await;
    let run = lab.latest().await;
    lab.reject(&run).await;
    lab.harness.workflow.end_all();
    let slot = lab.harness.truth.stage_state(&run.target()).await.unwrap().unwrap().value;
    assert_eq!((slot.released, slot.discarded.len()), (None, 1));
    let round = lab.round().await;
    assert!(round.guardrails[0].said.iter().any(|said| said.contains("a person said no to the figure")), "{round:?}");
    assert_eq!(lab.latest().await.id, run.id, "the same figure");
    // Runs of one second have no order.
    lab.harness.wait(60).await;
    lab.says("2.31");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.latest().await.state), ("off", RunState::Enforced));
}

#[tokio::test]
async fn no_for_the_period_releases_the_stage() {
    let lab = Lab::new().await;
    lab.says("183965812157.54");
    lab.round().await;
    let run = lab.latest().await;
    lab.reject_for_the_period(&run).await;
    lab.harness.workflow.end_all();
    lab.says("2.31");
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.latest().await.id), ("on", run.id.clone()));
    assert!(lab.harness.runs().rearm(&run.target()).await.unwrap());
    lab.round().await;
    assert_eq!(lab.lamp(), "off");
}

#[tokio::test]
async fn rearm_forgets_discarded_figures() {
    let lab = Lab::new().await;
    lab.says("183965812157.54");
    lab.round().await;
    let run = lab.latest().await;
    lab.reject(&run).await;
    lab.harness.workflow.end_all();
    assert!(lab.harness.runs().rearm(&run.target()).await.unwrap());
    lab.harness.wait(86_400).await;
    lab.round().await;
    assert_ne!(lab.latest().await.id, run.id, "the figure is asked about again");
}

#[tokio::test]
async fn rounds_append_points_of_spend() {
    let lab = Lab::new().await;
    for (spent, doubted) in [("0.40", false), ("0.40", false), ("183965812157.54", true), ("0.90", false)] {
        lab.says(spent);
        lab.round().await;
        lab.harness.wait(3600).await;
        let points = lab.harness.truth.points(&lab.guardrail.name).await.unwrap();
        let last = points[0].last().unwrap();
        assert_eq!((last.actual.to_string().as_str(), last.doubted), (spent, doubted));
    }
    let points = lab.harness.truth.points(&lab.guardrail.name).await.unwrap();
    assert_eq!((points.len(), points[0].period.as_str(), points[0].points.len()), (1, "2026-11", 3), "{points:?}");
}

#[tokio::test]
async fn lamps_turned_on_or_new_are_turned_off_by_the_next_round() {
    let lab = Lab::new().await;
    lab.says("2.31");
    lab.round().await;
    lab.toy.set("a: on, b: on");
    lab.round().await;
    let is: Vec<String> = lab.toy.snapshot().values().map(ToString::to_string).collect();
    assert_eq!((is, lab.runs().await), (vec!["off".to_owned(); 2], vec!["2026-11 enforced".to_owned()]));
}

#[tokio::test]
async fn a_run_whose_execution_died_is_taken_up() {
    let lab = Lab::new().await;
    lab.says("2.31");
    lab.bare_round().await;
    assert_eq!(lab.bare_round().await.guardrails[0].did, Vec::<String>::new(), "it runs");
    lab.harness.workflow.end_all();
    let round = lab.round().await;
    assert!(round.guardrails[0].did.iter().any(|did| did.starts_with("took up run")), "{round:?}");
    assert_eq!(lab.runs().await, ["2026-11 enforced"]);
    let run = lab.all().await.into_iter().find(|run| run.state == RunState::Enforced).unwrap();
    lab.harness.ask_back(&run.id, &[], false).await;
    lab.harness.workflow.end_all();
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("on", vec!["2026-11 rolled back".to_owned()]));
}

#[tokio::test]
async fn failed_run_is_tried_again_once_a_day() {
    let lab = Lab::new().await;
    lab.toy.lamps().by_name.get_mut("a").unwrap().refuses = Some("glued");
    lab.says("2.31");
    lab.round().await;
    assert_eq!(lab.runs().await, ["2026-11 apply failed"]);
    let executions = lab.harness.workflow.names().len();
    for _ in 0..23 {
        lab.harness.wait(3600).await;
        lab.round().await;
    }
    assert_eq!(lab.harness.workflow.names().len(), executions);
    lab.toy.lamps().by_name.get_mut("a").unwrap().refuses = None;
    lab.harness.wait(3600).await;
    lab.round().await;
    assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]));
}

#[tokio::test]
async fn unreadable_guardrail_is_named_and_costs_others_nothing() {
    let mut lab = Lab::new().await;
    lab.says("2.31");
    let clean = lab.round().await.clean;
    lab.guardrail.name = "alpha".parse().unwrap();
    lab.deploy().await;
    lab.says_nothing("alpha");
    lab.toy.set("a: on");
    let round = lab.round().await;
    assert_eq!(round.troubles(), ["alpha: reading the budget: AccessDenied"]);
    assert_eq!((round.clean, lab.lamp().as_str()), (clean, "off"));
    // Held facets are looked after also where Budgets says nothing.
    lab.says_nothing("beta");
    lab.toy.set("a: on");
    lab.round().await;
    assert_eq!(lab.lamp(), "off");
}

#[tokio::test]
async fn a_round_that_dies_anywhere_is_finished_by_the_next() {
    for at in 1.. {
        let lab = Lab::new().await;
        lab.says("2.31");
        lab.harness.gate.arm(Fault { at, kind: Kind::DieAfter });
        let ended = lab.harness.gate.until_death(Box::pin(lab.bare_round())).await;
        lab.harness.gate.disarm();
        if ended.is_some() {
            assert!(at > 5, "the fault was never met");
            break;
        }
        lab.round().await;
        lab.settle().await;
        assert_eq!((lab.lamp().as_str(), lab.runs().await), ("off", vec!["2026-11 enforced".to_owned()]), "dead at call {at}");
        for run in lab.all().await {
            let running = lab.harness.workflow.is_running(&execution_name(&run)).await.unwrap();
            assert!(!running, "dead at call {at}: {run:?}");
        }
    }
}
