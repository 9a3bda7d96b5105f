//! The ledger's own promises: a record that is not understood stops everything, and nobody writes over a record that they have
//! not read.

use std::time::Duration;

use guardrails_model::clock::Clock;
use guardrails_model::engine::{Cursor, ExecutorError};
use guardrails_model::ids::Nonce;
use guardrails_model::ledger::memory::MemoryStore;
use guardrails_model::ledger::{Key, LedgerError, Move, Page, Store, Versioned, Write};
use guardrails_model::phase::Phase;
use guardrails_model::record::{Direction, RollbackRequest};
use guardrails_model::runs::RunError;
use serde_json::json;

use super::story::Story;
use crate::fake_action::facet;

#[tokio::test]
async fn record_of_a_newer_program_stops_everything_first() {
    for partition in ["RUN", "STEP#", "FACET#"] {
        for direction in [Direction::Apply, Direction::Rollback] {
            let story = Story::of("a: on");
            let run = story.enforce("beta 80%", "a: off").await;
            let again = story.open("beta 100%", "a: off").await;
            if direction == Direction::Rollback {
                story.harness.ask_back(&run, &[], false).await;
            }
            for pk in [
                partition.to_owned(),
                format!("{partition}{run}"),
                format!("{partition}{again}"),
                format!("{partition}lamp/a/light"),
            ] {
                renumber(&story, &pk).await;
            }
            story.harness.gate.disarm();
            let run = if direction == Direction::Apply { again } else { run };
            let action = story.toy.action("a: off");
            let error = story.harness.executor().advance(direction, &run, 0, Cursor::default(), &*action).await.unwrap_err();
            assert!(!error.is_retryable(), "{error:?}");
            let ExecutorError::Ledger(LedgerError::Unreadable { why, .. }) = error else { panic!("{error:?}") };
            assert!(why.contains("its format is 2, and this program knows format 1"), "{why}");
            assert!(!story.harness.gate.calls().iter().any(|call| call.starts_with("turn")), "{partition} {direction:?}");
        }
    }
}

/// Gives every record of a partition the number of a format that is not known yet.
async fn renumber(story: &Story, pk: &str) {
    let page = Page::whole(pk);
    for item in story.harness.memory.list(&page).await.unwrap() {
        let mut doc = item.doc.clone();
        doc["format"] = json!(2);
        let write = Write { key: item.key, expect: item.rev, doc };
        story.harness.memory.commit(&Nonce::fresh(), &[write]).await.unwrap();
    }
}

#[tokio::test]
async fn record_under_the_wrong_key_is_refused_before_any_change() {
    let other_run = json!("r-20260101-000000-aaaaaa");
    for (partition, field, other) in [
        ("RUN", "id", other_run.clone()),
        ("STEP", "run", other_run),
        ("STEP", "facet", json!("lamp/z/light")),
        ("FACET", "facet", json!("lamp/z/light")),
    ] {
        let story = Story::of("a: on");
        let run = story.enforce("beta 80%", "a: off").await;
        let pk = match partition {
            "RUN" => "RUN".to_owned(),
            "STEP" => format!("STEP#{run}"),
            _ => format!("FACET#{}", facet("a")),
        };
        let mut item = story.harness.memory.list(&Page::whole(&pk)).await.unwrap().remove(0);
        item.doc[field] = other;
        let write = Write { key: item.key, expect: item.rev, doc: item.doc };
        story.harness.memory.commit(&Nonce::fresh(), &[write]).await.unwrap();
        story.harness.gate.disarm();
        let request = RollbackRequest::whole("ann", story.harness.clock.now(), "because");
        let put_back = async {
            match story.harness.runs().roll_back(&run, &request).await {
                Err(RunError::Ledger(error)) => return Some(error),
                other => drop(other.unwrap()),
            }
            let action = story.toy.action("a: off");
            match story.harness.executor().advance(Direction::Rollback, &run, 0, Cursor::default(), &*action).await {
                Err(ExecutorError::Ledger(error)) => Some(error),
                _ => None,
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(5), put_back).await.expect("it tries for ever");
        let Some(LedgerError::Unreadable { why, .. }) = &ended else { panic!("{partition} {field}: {ended:?}") };
        assert!(why.contains("it says that it is"), "{partition} {field}: {why}");
        assert!(!story.harness.gate.calls().iter().any(|call| call.starts_with("turn")), "{partition} {field}");
    }
}

#[tokio::test]
async fn a_writer_whose_answer_was_lost_recognises_its_own_write() {
    let store = MemoryStore::default();
    let write = |sk: &str, expect| Write { key: Key { pk: "p".into(), sk: sk.into() }, expect, doc: json!({"format": 1}) };
    let (ours, theirs) = (Nonce::fresh(), Nonce::fresh());
    store.commit(&ours, &[write("a", 0), write("b", 0)]).await.unwrap();
    store.commit(&ours, &[write("a", 0), write("b", 0)]).await.unwrap();
    let other = store.commit(&theirs, &[write("a", 0)]).await;
    assert!(matches!(other, Err(LedgerError::Conflict)), "{other:?}");
    store.commit(&theirs, &[write("b", 1)]).await.unwrap();
    let late = store.commit(&ours, &[write("a", 0), write("b", 0)]).await;
    assert!(matches!(late, Err(LedgerError::Conflict)), "{late:?}");
}

#[tokio::test]
async fn a_commit_is_whole_or_not_at_all() {
    let store = MemoryStore::default();
    let key = |sk: &str| Key { pk: "p".into(), sk: sk.into() };
    let write = |sk: &str, expect| Write { key: key(sk), expect, doc: json!({"format": 1}) };
    store.commit(&Nonce::fresh(), &[write("a", 0)]).await.unwrap();
    let torn = store.commit(&Nonce::fresh(), &[write("b", 0), write("a", 0)]).await;
    assert!(matches!(torn, Err(LedgerError::Conflict)), "{torn:?}");
    let there = store.get(&[key("a"), key("b")]).await.unwrap();
    assert_eq!(there.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn a_phase_that_may_not_follow_is_refused() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    let run = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    let step = story.harness.truth.steps(&run, 0).await.unwrap().remove(0);
    for phase in [Phase::Planned, Phase::Skipped, Phase::ApplyFailed] {
        let error = Move::advance(step.clone(), None, phase, None, run.began, "test").unwrap_err();
        assert!(matches!(error, LedgerError::IllegalMove { from: Phase::Applied, to, .. } if to == phase), "{error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn only_moves_that_met_another_writer_fail() {
    let story = Story::of("a: on, b: on");
    let run = story.open("beta 80%", "a: off, b: off").await;
    let run = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    let steps = story.harness.truth.steps(&run, 0).await.unwrap();
    let skip = |step: &Versioned<_>| Move::advance(step.clone(), None, Phase::Skipped, None, run.began, "test").unwrap();
    story.harness.truth.save_moves(vec![skip(&steps[0])]).await.unwrap().remove(0).unwrap();
    let outcomes = story.harness.truth.save_moves(steps.iter().map(skip).collect()).await.unwrap();
    assert!(matches!(outcomes.as_slice(), [Err(LedgerError::Conflict), Ok(_)]), "{outcomes:?}");
}

#[tokio::test]
async fn a_step_tells_all_that_happened_to_it_in_order() {
    let story = Story::of("a: on");
    let run = story.enforce("beta 80%", "a: off").await;
    story.put_back(&run).await;
    let run = story.harness.truth.run(&run).await.unwrap().unwrap().value;
    let step = story.harness.truth.steps(&run, 0).await.unwrap().remove(0).value;
    let phases: Vec<String> = step.events.iter().map(|event| event.phase.to_string()).collect();
    assert_eq!(phases, ["planned", "applying", "applied", "rolling back", "rolled back"]);
    assert_eq!(step.before.as_ref().map(guardrails_model::ids::Value::as_str), Some("on"));
}
