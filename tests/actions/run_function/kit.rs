//! The contract kit finds out each sort of program that breaks the contract.

use std::sync::Mutex;

use async_trait::async_trait;
use guardrails_model::clock::Clock;
use guardrails_model::contract::kit::{self, Holds, Kit, Point};
use guardrails_model::contract::{Call, Operation};
use serde_json::json;

use super::TARGETS;
use crate::world::{ManualClock, Program, Said, UserFunction, breaking, keeping, lock};

/// A program that is called here.
struct Here {
    function: Mutex<UserFunction>,
    clock: ManualClock,
}

#[async_trait]
impl kit::Program for Here {
    async fn call(&self, call: &Call) -> Result<Vec<u8>, String> {
        let event = serde_json::to_value(call).unwrap();
        match lock(&self.function).call(1, &event, self.clock.now()) {
            Said::Text(text) => Ok(text.into_bytes()),
            Said::Failed(why) => Err(why),
        }
    }

    async fn rest(&self) {
        self.clock.advance(5);
    }
}

async fn points(program: Program, target: Option<&str>) -> Vec<Point> {
    let here = Here { function: Mutex::new(UserFunction::of(&TARGETS).publish("one", program)), clock: ManualClock::default() };
    let like = Call::new(Operation::Places, here.clock.now());
    let target = target.map(str::to_owned);
    let kit = Kit { program: &here, clock: &here.clock, like, run: "r-1".parse().unwrap(), target, fencing: 1 };
    let points = kit.run().await;
    assert_eq!(lock(&here.function).memory.targets["hourly"], "running", "it is changed back, also by a broken program");
    points
}

/// The points that do not hold.
async fn broken(program: Program) -> Vec<&'static str> {
    let points = points(program, Some("hourly")).await;
    points.into_iter().filter(|point| point.holds == Holds::No).map(|point| point.point).collect()
}

#[tokio::test]
async fn every_point_holds_for_a_program_that_keeps_the_contract() {
    let points = points(keeping(), Some("hourly")).await;
    assert!(points.len() == 12 && points.iter().all(|point| point.holds == Holds::Yes), "{points:?}");
}

#[tokio::test]
async fn nothing_is_changed_without_a_target_that_can_change() {
    for target in [None, Some("nobody"), Some("weekly")] {
        let points = points(keeping(), target).await;
        let tried = points.iter().filter(|point| point.holds != Holds::NotTried).count();
        assert_eq!((tried, points.len()), (5, 12), "{target:?}: {points:?}");
    }
}

#[tokio::test]
async fn each_breach_is_found_by_its_point() {
    let number = |key: &'static str| {
        breaking("rollback", move |memory, call, right| {
            // It knows no numbers, or no deadlines, and does whatever it is told.
            let is_over = call["deadline"] == "1970-01-01T00:00:00Z";
            if right["outcome"] == "superseded" && is_over == (key == "deadline") {
                memory.targets.insert("hourly".to_owned(), "running".to_owned());
                return Said::json(&json!({"contract": 1, "facet": "hourly", "outcome": "accepted"}));
            }
            Said::json(&right)
        })
    };
    let lies = breaking("apply", |memory, _, right| {
        memory.targets.insert("hourly".to_owned(), "running".to_owned());
        Said::json(&right)
    });
    let forgets = breaking("apply", |memory, _, right| {
        memory.numbers.clear();
        Said::json(&right)
    });
    let changing = breaking("plan", |memory, _, right| {
        memory.targets.insert(format!("new-{}", memory.calls.len()), "running".to_owned());
        Said::json(&right)
    });
    let floods = breaking("observe", |_, _, _| Said::Text("x".repeat(1_000_000)));
    let invents = breaking("observe", |_, call, right| {
        let facet = &call["facet"];
        if right["state"] != "gone" {
            return Said::json(&right);
        }
        Said::json(&json!({"contract": 1, "facet": facet, "state": "is", "value": "running"}))
    });
    let places = breaking("places", |_, _, _| Said::Failed("KeyError: 'places'".to_owned()));
    assert!(broken(number("number")).await.contains(&"a call with a lower fencing number is superseded, and changes nothing"));
    assert!(broken(number("deadline")).await.contains(&"a call after its deadline is superseded, and changes nothing"));
    assert!(broken(lies).await.contains(&"`apply` is accepted, and `observe` sees the wanted value"));
    let numberless = breaking("apply", |memory, call, _| {
        memory.targets.insert("hourly".to_owned(), call["to"].as_str().unwrap().to_owned());
        memory.numbers.clear();
        Said::json(&json!({"contract": 1, "facet": "hourly", "outcome": "accepted"}))
    });
    let late = broken(numberless).await;
    assert!(late.contains(&"the first `apply` that comes once more after the way back is superseded"), "{late:?}");
    assert!(broken(forgets).await.contains(&"a call with a lower fencing number is superseded, and changes nothing"));
    assert_eq!(broken(changing).await, ["`plan` called twice names the same facets with the same values"]);
    assert!(broken(floods).await.contains(&"`observe` sees each facet as `plan` did"));
    assert_eq!(broken(invents).await, ["`observe` says that an unknown facet is gone"]);
    assert_eq!(broken(places).await, ["`places` keeps the schema"]);
}

#[tokio::test]
async fn facet_that_would_end_for_good_is_not_changed() {
    let ends = breaking("plan", |_, _, mut right| {
        right["facets"][0]["terminates"] = json!(true);
        Said::json(&right)
    });
    let points = points(ends, Some("hourly")).await;
    assert!(points.iter().filter(|point| point.holds == Holds::NotTried).count() == 7, "{points:?}");
}
