//! How long an execution's history is: counted in the state machine's own definition, state by state, as Step Functions
//! documents its events.

use guardrails_model::record::Direction;
use guardrails_model::runs::WorkflowInput;
use serde_json::Value as Json;

const MACHINE: &str = include_str!("../../../statemachine/guardrails.asl.json");

/// The work of an execution: by waves, how many rounds each part took.
pub struct Rounds {
    pub waves: Vec<Vec<usize>>,
    /// Some part had more to do than the execution had rounds.
    pub continued: bool,
}

/// The events of an execution of `input` that nothing went wrong in.
///
/// - the execution: `ExecutionStarted`, and `ExecutionSucceeded` or `ExecutionFailed`
/// - every state: `…StateEntered`, and `…StateExited` unless it is `Fail`
/// - a task: also `TaskScheduled`, `TaskStarted`, `TaskSucceeded`
/// - a map: also `MapStateStarted`, `MapStateSucceeded`; and for each item `MapIterationStarted`, `MapIterationSucceeded`
pub fn events(direction: Direction, input: &WorkflowInput, rounds: &Rounds) -> usize {
    let machine: Json = serde_json::from_str(MACHINE).expect("the state machine is JSON");
    let planned: Vec<Vec<usize>> = input.waves.iter().map(|wave| vec![1; wave.len()]).collect();
    2 + walk(&machine, direction, &planned, rounds, &[], &mut Vec::new())
}

/// The states outside of all maps that an execution goes through that ends well.
pub fn path(direction: Direction) -> Vec<String> {
    let machine: Json = serde_json::from_str(MACHINE).expect("the state machine is JSON");
    let mut path = Vec::new();
    walk(&machine, direction, &[], &Rounds { waves: Vec::new(), continued: false }, &[], &mut path);
    path
}

/// The events of the states from `StartAt` to the end: `at` is the place in the maps around them, `path` the states that were
/// gone through.
fn walk(
    machine: &Json,
    direction: Direction,
    planned: &[Vec<usize>],
    rounds: &Rounds,
    at: &[usize],
    path: &mut Vec<String>,
) -> usize {
    let mut name = machine["StartAt"].as_str().expect("a first state");
    let mut events = 0;
    loop {
        let state = &machine["States"][name];
        let waves = if name.starts_with("Work") { &rounds.waves[..] } else { planned };
        events += match state["Type"].as_str().expect("a type") {
            "Task" => 5,
            "Choice" | "Wait" | "Pass" | "Succeed" => 2,
            "Fail" => 1,
            "Map" => {
                let items = at.first().map_or(waves.len(), |wave| waves[*wave].len());
                let inner = |item: usize| {
                    let at = [at, &[item]].concat();
                    2 + walk(&state["ItemProcessor"], direction, planned, rounds, &at, &mut Vec::new())
                };
                4 + (0..items).map(inner).sum::<usize>()
            }
            other => panic!("what events does a {other} make?"),
        };
        path.push(name.to_owned());
        let round = path.iter().filter(|name| *name == "WorkOnPart").count();
        let next = match name {
            "WhichWay" => Some(if direction == Direction::Apply { "FindPlaces" } else { "Work" }),
            "IsSettled" if round < rounds.waves[at[0]][at[1]] => Some("LetItSettle"),
            "IsSettled" => Some("PartDone"),
            "MustAsk" => Some("Work"),
            "MustVerify" => Some(if direction == Direction::Apply { "Verify" } else { "Close" }),
            "IsVerified" => Some("Close"),
            "WhoIsTold" => Some(if rounds.continued { "Done" } else { "Tell" }),
            "HowDidItEnd" => Some("Done"),
            _ => state["Next"].as_str(),
        };
        match next {
            Some(next) => name = next,
            None => return events,
        }
    }
}
