//! The content and the words of a report of ten thousand steps.

use std::sync::Arc;

use guardrails_model::config::{Budget, Demand};
use guardrails_model::ids::{FacetId, Nonce, Place, Value};
use guardrails_model::ledger::Ledger;
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::pace::Pace;
use guardrails_model::phase::Phase;
use guardrails_model::record::{
    Attempts, Direction, FORMAT, Part, PartPlan, RollbackRequest, Run, RunEvent, RunState, Step, StepEvent,
};
use guardrails_model::report::{Keep, Report, line};
use jiff::Timestamp;
use serde_json::json;

const SHOWN: Keep = Keep { whole: 40, most: 20 };
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
const OF_EACH: usize = 5000;

fn part(region: Option<&str>, plan: PartPlan) -> Part {
    let place = region.map(|region| region.parse::<Place>().unwrap());
    Part {
        wave: 0,
        action: "stop-instances".parse().unwrap(),
        params: json!({}),
        place,
        plan,
        cursor: None,
        late: false,
        unseen: None,
    }
}

fn run(parts: Vec<Part>) -> Run {
    let budget: Budget = serde_json::from_value(json!({"amount": "2 USD", "period": "monthly"})).unwrap();
    let event =
        RunEvent { at: Timestamp::UNIX_EPOCH, by: "test".to_owned(), what: "begun by an alert".to_owned(), repeats: None };
    Run {
        format: FORMAT,
        id: "r-20261123-014653-7f3k9q".parse().unwrap(),
        guardrail: "beta".parse().unwrap(),
        stage: "100% actual".parse().unwrap(),
        period: "2026-11".to_owned(),
        simulated: false,
        budget,
        operators: Vec::new(),
        pace: Pace::default(),
        began: Timestamp::UNIX_EPOCH,
        alert: String::new(),
        state: RunState::Applying,
        direction: Direction::Apply,
        attempts: Attempts { apply: 1, rollback: 0 },
        tries: Attempts { apply: 1, rollback: 0 },
        parts,
        tried_at: None,
        approval: None,
        verify: None,
        left_alone: Demand::Report,
        wake: None,
        remarks: Vec::new(),
        rescanning: None,
        closed: None,
        partial_rollbacks: Vec::new(),
        enforced_again: None,
        rollback: None,
        events: event.into(),
    }
}

/// The instance `number` of a part: of every hundred one failed, two wait, ten were left alone.
fn step(run: &Run, part: usize, token: &Nonce, number: usize) -> Step {
    let id = format!("i-{number:017}");
    let (phase, reason) = match number % 100 {
        0 => (Phase::ApplyFailed, Some(format!("OperationNotPermitted: {id} may not be stopped"))),
        1 | 2 => (Phase::Applying, Some("InsufficientInstanceCapacity".to_owned())),
        3..=12 => (Phase::Skipped, Some(format!("it is of the spot request sir-{number}"))),
        _ => (Phase::Applied, None),
    };
    let again_at = (phase == Phase::Applying).then(|| "2026-11-23T12:34:56Z".parse().unwrap());
    let event = StepEvent::new(Timestamp::UNIX_EPOCH, "test", phase, reason.clone());
    Step {
        format: FORMAT,
        run: run.id.clone(),
        part,
        token: token.clone(),
        facet: FacetId::new("instance-power", REGIONS[part], &id).unwrap(),
        label: id,
        kind: Some("t3.micro".to_owned()),
        note: Some(format!("its public address 203.0.113.{number} will be another")),
        due: Vec::new(),
        identity: None,
        known_by: None,
        program: None,
        unplanned: false,
        spared: false,
        unit: None,
        late: false,
        present: Value::new("running"),
        wanted: Value::new("stopped"),
        before: Some(Value::new("running")),
        phase,
        reason,
        attempt: 1,
        since: Timestamp::UNIX_EPOCH,
        put_back: false,
        let_go: false,
        lost: false,
        accepted: None,
        again_at,
        delays: 0,
        awaits: None,
        undone_by: None,
        turns_back: None,
        again_as_wanted: None,
        events: event.into(),
    }
}

/// A run over ten thousand instances in two Regions, and one that came late.
async fn large() -> (Ledger, Run) {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let mut run = run(REGIONS.iter().map(|region| part(Some(region), PartPlan::Missing)).collect());
    for part in 0..REGIONS.len() {
        let token = Nonce::fresh();
        let steps: Vec<Step> = (0..OF_EACH).map(|number| step(&run, part, &token, number)).collect();
        let written = ledger.write_plan(token.clone(), &steps).await.unwrap();
        run.parts[part].plan = PartPlan::Written(written);
        if part == 0 {
            let late = Step { late: true, ..step(&run, part, &token, OF_EACH + 50) };
            ledger.add_steps(&[late]).await.unwrap();
        }
    }
    (ledger, run)
}

#[tokio::test]
async fn report_of_ten_thousand_steps_counts_all_and_holds_few() {
    let (ledger, run) = large().await;
    let report = Report::of(&ledger, run, SHOWN).await.unwrap();
    let counts = report.counts;
    assert_eq!((counts.all(), counts.failed, counts.waiting, counts.skipped, counts.late), (10_001, 100, 200, 1000, 1));
    assert_eq!((report.parts[0].counts.all(), report.parts[1].counts.failed), (5001, 50));
    assert_eq!(counts.to_go, 200);

    assert_eq!((report.steps.len(), report.more), (20, 281));
    assert!(report.steps.iter().all(|step| step.phase == Phase::ApplyFailed), "those that failed come first");
    let size = serde_json::to_string(&report).unwrap().len();
    assert!(size < 30_000, "{size} bytes as JSON");

    let text = report.text();
    assert!(text.lines().count() < 40, "{text}");
    for words in [
        "  stop-instances in eu-west-1: 4351 applied (1 came after the plan), 100 under way (100 wait for AWS to have room), 50 \
         FAILED, 500 left alone\n",
        "  FAILED  i-00000000000000000: running -> stopped: apply failed (OperationNotPermitted",
        "  ... and 281 more: guardrails status --run r-20261123-014653-7f3k9q --all\n",
        "    1000: it is of the spot request … -- i-0000000000000000",
        "    9001: its public address … will be another -- ",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[tokio::test]
async fn every_step_is_there_when_it_is_asked_for() {
    let (ledger, run) = large().await;
    let report = Report::of(&ledger, run, Keep::ALL).await.unwrap();
    assert_eq!((report.steps.len(), report.more), (10_001, 0));
    assert!(report.steps.is_sorted_by_key(|step| (step.part, step.facet.as_str().to_owned())));
    let text = report.text();
    assert!(text.lines().count() > 10_001);
    assert!(text.contains("running -> stopped: applying (InsufficientInstanceCapacity); asked for again at 12:34:56 UTC"));
    assert!(text.contains("; it came after the plan"));
}

#[tokio::test]
async fn steps_to_go_of_a_rollback_are_those_asked_for() {
    let (ledger, run) = large().await;
    let rollback = RollbackRequest {
        by: "arn".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        why: "test".to_owned(),
        only: vec!["instance-power/us-east-1/".parse().unwrap()],
        actions: Vec::new(),
        places: Vec::new(),
        force: false,
        armed: false,
    };
    let run = Run { direction: Direction::Rollback, state: RunState::RollingBack, rollback: Some(rollback), ..run };
    let report = Report::of(&ledger, run, Keep::NONE).await.unwrap();
    assert_eq!((report.parts[0].counts.to_go, report.parts[1].counts.to_go), (0, 4500));
    assert!(report.steps.is_empty());
}

#[tokio::test]
async fn small_run_is_shown_by_step_and_closed_places_are_said() {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    let skipped = PartPlan::Skipped { reason: "explicit deny in a service control policy".to_owned() };
    let mut run = run(vec![part(Some("eu-west-1"), PartPlan::Missing), part(Some("us-west-2"), skipped)]);
    let token = Nonce::fresh();
    let steps: Vec<Step> = (0..3).map(|number| step(&run, 0, &token, number)).collect();
    run.parts[0].plan = PartPlan::Written(ledger.write_plan(token, &steps).await.unwrap());
    let text = Report::of(&ledger, run, SHOWN).await.unwrap().text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[2],
        "  SKIPPED stop-instances in us-west-2: the account's organisation lets nobody work there: explicit deny in a service \
         control policy"
    );
    assert!(
        lines[3].contains("FAILED  i-00000000000000000") && lines[5].contains("its public address 203.0.113.2 will be"),
        "{text}"
    );
}

#[tokio::test]
async fn runs_are_read_newest_first_by_page_and_only_as_many_as_asked() {
    let ledger = Ledger::new(Arc::new(MemoryStore::default()));
    for number in 0..1200 {
        let guardrail = if number % 600 == 0 { "rare" } else { "beta" };
        let id = format!("r-20261123-{number:06}-a").parse().unwrap();
        let run = Run { id, guardrail: guardrail.parse().unwrap(), ..run(Vec::new()) };
        ledger.save_run(guardrails_model::ledger::Versioned { rev: 0, value: run }, None).await.unwrap();
    }
    let ids = async |guardrail: Option<&str>, limit| -> Vec<String> {
        let guardrail = guardrail.map(|name| name.parse().unwrap());
        let runs = ledger.newest_runs(guardrail.as_ref(), limit).await.unwrap();
        runs.iter().map(|run| run.id.to_string()).collect()
    };
    assert_eq!(ids(None, 2).await, ["r-20261123-001199-a", "r-20261123-001198-a"]);
    assert_eq!(ids(None, 5000).await.len(), 1200);
    assert_eq!(ids(Some("rare"), 5).await, ["r-20261123-000600-a", "r-20261123-000000-a"]);
    assert_eq!(ids(Some("none"), 5).await, Vec::<String>::new());
}

#[test]
fn held_step_without_a_change_shows_one_value() {
    let run = run(vec![part(None, PartPlan::Missing)]);
    let was = |value: &str, phase: Phase| {
        let step = step(&run, 0, &Nonce::fresh(), 0);
        line(&Step { before: Some(Value::new(value)), phase, reason: None, again_at: None, note: None, ..step })
    };
    assert!(was("stopped", Phase::Applied).ends_with(": stopped: applied"));
    assert!(was("stopped", Phase::RolledBack).ends_with(": stopped: rolled back"));
    assert!(was("running", Phase::Applied).ends_with(": running -> stopped: applied"));
}
