//! The messages between the state machine, CloudFormation and the functions. Each is understood or refused, never a panic, and
//! travels on as it came. A cursor, whatever it says, costs only time.

use std::collections::HashMap;
use std::sync::Arc;

use futures::executor::block_on;
use guardrails_model::config::Guardrail;
use guardrails_model::cursor::Cursor;
use guardrails_model::engine::Progress;
use guardrails_model::pace::{Allowance, Limit, Pace, Pacer};
use guardrails_model::record::{Direction, PartPlan};
use guardrails_model::runs::{Asked, Ended, Heard, Outcome, Places, WorkflowInput};
use guardrails_model::wire::{
    ActionOrder, End, GuardrailProperties, MasterOrder, NotifyOrder, OpenRunsProperties, Verified, VerifyOrder,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::carried::Lamps;

/// Runs are carried for the inputs whose length is a multiple of this.
const SELDOM: usize = 16;

/// Reads `text` as each function does.
///
/// # Panics
/// When an understood message does not travel on as it came, or an order leaves a run in which something is forgotten.
#[must_use]
pub fn check(text: &str) -> Vec<&'static str> {
    let Ok(value) = serde_json::from_str::<Json>(text) else { return Vec::new() };
    let mut understood = Vec::new();
    let mut tell = |name, is: bool| is.then(|| understood.push(name));
    tell("input", same::<WorkflowInput>(&value).is_some());
    tell("progress", same::<Progress>(&value).is_some());
    tell("notify", same::<NotifyOrder>(&value).is_some());
    tell("verify", same::<VerifyOrder>(&value).is_some());
    tell("verified", same::<Verified>(&value).is_some());
    tell("scope", same::<OpenRunsProperties>(&value).is_some());
    let order = same::<MasterOrder>(&value);
    tell("master", order.is_some());
    if let Some(order) = order.filter(|_| text.len().is_multiple_of(SELDOM)) {
        block_on(obeyed(order));
    }
    let order = same::<ActionOrder>(&value);
    tell("action", order.is_some());
    let cursor = order.and_then(|order| order.cursor).or_else(|| same::<Cursor>(&value));
    tell("cursor", cursor.is_some());
    if let Some(cursor) = cursor {
        paced(&cursor);
        // A run is carried to its end in a hundred times the time of all else here: one input in so many is enough.
        if text.len().is_multiple_of(SELDOM) {
            block_on(only_time(cursor));
        }
    }
    let properties = same::<GuardrailProperties>(&value);
    tell("properties", properties.is_some());
    if let Some(properties) = properties {
        let definition = serde_json::from_str::<Json>(&properties.definition).unwrap_or_default();
        tell("definition", same::<Guardrail>(&definition).is_some());
        let pace = properties.pace.as_deref().and_then(|pace| serde_json::from_str::<Pace>(pace).ok());
        tell("pace", pace.is_some_and(|pace| pace.check().is_ok()));
    }
    understood
}

fn same<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(value: &Json) -> Option<T> {
    let read = T::deserialize(value).ok()?;
    let written = serde_json::to_string(&read).expect("what was understood travels");
    assert_eq!(serde_json::from_str::<T>(&written).expect("what travels is understood"), read, "{written}");
    Some(read)
}

/// The order as the master carries it out, whichever run it names: two lamps that a run has opened, and one that it has not.
/// After every order the run's holds are still put back.
async fn obeyed(order: MasterOrder) {
    let lamps = Lamps::on(2);
    let run = lamps.begun().await;
    let runs = lamps.runs();
    match order {
        MasterOrder::Spread { places, .. } => {
            let found = places
                .into_iter()
                .flatten()
                .map(|result| (result.part, result.failed.map_or(Places::Found(result.places), Places::Unknown)));
            let found: Vec<(usize, Places)> = found.take(50).collect();
            let spread = runs.spread(&run.id, &found).await.expect("the ledger is sound");
            assert!(spread.parts.len() >= run.parts.len(), "no part is lost");
        }
        MasterOrder::Open { plans, .. } => {
            let plans: Vec<(usize, PartPlan)> = plans.into_iter().flatten().map(|result| (result.part, result.plan)).collect();
            // A plan whose steps are not there is refused.
            if let Ok(opened) = runs.open(&run.id, &plans).await {
                let kept =
                    plans.iter().all(|(part, _)| opened.parts.get(*part).is_none_or(|part| part.plan != PartPlan::Missing));
                assert!(kept || plans.iter().any(|(_, plan)| *plan == PartPlan::Missing), "a plan was lost");
            }
        }
        // Nobody is asked about this run: it neither waits nor is anything heard of it.
        MasterOrder::Ask { attempt, token, .. } => {
            assert_eq!(runs.ask(&run.id, attempt, &token).await.expect("the ledger is sound"), Asked::Over);
        }
        MasterOrder::Hear { attempt, .. } => {
            let heard = runs.hear(&run.id, attempt).await.expect("the ledger is sound");
            assert!(matches!(heard, Heard::Plan { .. } | Heard::Over { outcome: Outcome::Superseded }), "{heard:?}");
        }
        MasterOrder::Close { direction, try_number, results, .. } => {
            let run = lamps.opened(&run).await;
            let carried = lamps.carry(Direction::Apply, &run.id, Cursor::default(), 1).await;
            assert!(carried.is_some(), "nothing is left to do");
            let results = || results.iter().flatten();
            let unfinished = results().filter(|result| result.end == End::Unfinished);
            let ended = Ended {
                direction,
                try_number,
                failures: results().filter(|result| result.end == End::Failed).map(|r| format!("{:?}", r.why)).collect(),
                unfinished: unfinished.map(|result| (result.part, result.cursor.clone())).collect(),
            };
            let closed = runs.close(&run.id, &ended).await.expect("the ledger is sound");
            assert!(closed.run.state.is_open(), "what holds something is open, whatever is said of it");
            let superseded = closed.outcome == Outcome::Superseded;
            assert_eq!(superseded, direction == Direction::Rollback, "{:?}", closed.outcome);
            lamps.ask_back(&run.id).await;
            let carried = lamps.carry(Direction::Rollback, &run.id, Cursor::default(), 20).await;
            assert!(carried.is_some() && lamps.are_as_before(), "what was held is put back");
        }
    }
}

/// Limits as an action declares them: of calls, and of things in them.
const LIMITS: [(Limit, Limit); 2] = [
    (Limit::new("stop-requests", 50.0, 5.0), Limit::new("stop-instances", 1000.0, 20.0)),
    (Limit::new("start-requests", 5.0, 2.0), Limit::new("start-instances", 1000.0, 2.0)),
];

/// A pacer that goes on from a cursor's levels asks for calls within the bounds, or for a wait within them.
fn paced(cursor: &Cursor) {
    let pacer = Pacer::new(Pace::default(), Arc::new(guardrails_testkit::ManualClock::default()), cursor.levels.clone());
    for (requests, limit) in LIMITS {
        let Allowance { changes, again } = pacer.allowance(requests, limit, 50);
        assert!(changes <= 50 && (0..=60).contains(&again) && (changes > 0 || again > 0), "{changes} {again}");
        pacer.spend(limit, changes);
        pacer.empty(requests);
    }
    let levels: HashMap<String, Json> =
        serde_json::from_value(serde_json::to_value(pacer.levels()).expect("JSON")).expect("JSON");
    assert!(levels.len() >= 4);
}

/// Work that goes on from any cursor comes to the same end.
async fn only_time(cursor: Cursor) {
    let lamps = Lamps::on(2);
    let run = lamps.begun().await;
    let run = lamps.opened(&run).await;
    for direction in [Direction::Apply, Direction::Rollback] {
        if direction == Direction::Rollback {
            lamps.ask_back(&run.id).await;
        }
        // A cursor of the present request may pass over steps: the run says so at its end, and the next try finds them.
        let first = lamps.carry(direction, &run.id, cursor.clone(), 20).await;
        assert!(first.is_some(), "it comes to an end");
        assert!(lamps.carry(direction, &run.id, Cursor::default(), 20).await.is_some(), "it comes to an end");
        assert_eq!(lamps.are_as_before(), direction == Direction::Rollback, "{direction:?}");
    }
}
