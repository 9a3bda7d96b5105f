//! A program that keeps the contract, and programs that break it in one operation.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Memory, Program, Said};

/// A program that keeps the contract: it pauses every target.
pub fn keeping() -> Program {
    Arc::new(answer)
}

/// The same, but for one operation, whose answer `instead` gives. It is handed the answer that would have been right.
pub fn breaking(operation: &'static str, instead: impl Fn(&mut Memory, &Json, Json) -> Said + Send + Sync + 'static) -> Program {
    Arc::new(move |memory, call, now| match answer(memory, call, now) {
        Said::Text(right) if call["operation"] == operation => {
            instead(memory, call, serde_json::from_str(&right).expect("an answer in JSON"))
        }
        right => right,
    })
}

fn answer(memory: &mut Memory, call: &Json, now: Timestamp) -> Said {
    let facet = call["facet"].as_str().unwrap_or_default();
    Said::json(&match call["operation"].as_str().expect("an operation") {
        "places" => json!({"contract": 1, "places": memory.places}),
        "plan" => {
            let shown = |(name, value): (&String, &String)| json!({"facet": name, "present": value, "wanted": "paused"});
            json!({"contract": 1, "facets": memory.targets.iter().map(shown).collect::<Vec<_>>()})
        }
        "observe" => match memory.targets.get(facet) {
            Some(value) => json!({"contract": 1, "facet": facet, "state": "is", "value": value}),
            None => json!({"contract": 1, "facet": facet, "state": "gone", "reason": "it was deleted"}),
        },
        _ => turn(memory, call, facet, now),
    })
}

fn turn(memory: &mut Memory, call: &Json, facet: &str, now: Timestamp) -> Json {
    let superseded = |why: &str| json!({"contract": 1, "facet": facet, "outcome": "superseded", "reason": why});
    let deadline: Timestamp = call["deadline"].as_str().and_then(|text| text.parse().ok()).expect("a deadline");
    if now > deadline {
        return superseded("the deadline is over");
    }
    let number = call["fencing"].as_u64().expect("a fencing number");
    let highest = memory.numbers.entry(facet.to_owned()).or_default();
    if number < *highest {
        return superseded("a newer call came before it");
    }
    *highest = number;
    let to = call["to"].as_str().expect("a value");
    memory.targets.insert(facet.to_owned(), to.to_owned());
    json!({"contract": 1, "facet": facet, "outcome": "accepted"})
}
