//! Runs and slots as version 5e03290 wrote them: what opened, waited or was rejected goes on under the new rules.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use serde::Deserialize;

use super::history::{Event, History, Label, Outcome};
use super::player::play_on;
use crate::ids::Nonce;
use crate::ledger::memory::MemoryStore;
use crate::ledger::{Key, Ledger, Store, Write};

#[derive(Deserialize)]
struct Item {
    pk: String,
    sk: String,
    doc: serde_json::Value,
}

fn ledger(name: &str) -> Ledger {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/fixtures/runs-of-5e03290/{name}.json"));
    let items: Vec<Item> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let write = |item: Item| Write { key: Key { pk: item.pk, sk: item.sk }, expect: 0, doc: item.doc };
    let writes: Vec<Write> = items.into_iter().map(write).collect();
    let store = MemoryStore::default();
    block_on(store.commit(&Nonce::fresh(), &writes)).unwrap();
    Ledger::new(Arc::new(store))
}

/// How the stage stands after `shown`, with an alert of it or without.
fn after(name: &str, shown: &str, alarmed: bool) -> Outcome {
    let shown = Some(shown.parse().unwrap());
    let event = Event { shows: shown, alert: shown.filter(|_| alarmed), ..Event::at("2026-07-20T08:00:00Z".parse().unwrap()) };
    let history = History::made(Label::CannotBeTold, Outcome::Quiet, "100 USD".parse().unwrap(), vec![event]);
    play_on(&history, &ledger(name)).outcome
}

const WRONG: &str = "183965812157.54";

#[test]
fn doubted_runs_of_5e03290_go_on_when_believed() {
    for name in ["opening", "waiting"] {
        for alarmed in [true, false] {
            assert_eq!(after(name, "103.00", alarmed), Outcome::Enforced, "{name}");
            assert_eq!(after(name, WRONG, alarmed), Outcome::Asked, "{name}");
        }
        assert_eq!(after(name, "48.00", false), Outcome::Asked, "{name}: a person may answer yet");
    }
}

#[test]
fn periods_rejected_by_5e03290_for_a_figure_are_armed() {
    for alarmed in [true, false] {
        assert_eq!(after("rejected", "103.00", alarmed), Outcome::Enforced);
        assert_eq!(after("rejected", WRONG, alarmed), Outcome::Quiet, "a no to this figure stands");
        assert_eq!(after("unanswered", "103.00", alarmed), Outcome::Enforced);
        assert_eq!(after("unanswered", WRONG, alarmed), Outcome::Asked);
    }
}
