//! The schemas of docs/contract refuse all that the checks refuse, as far as a JSON Schema can say it.

use guardrails_model::contract::{self, Answer, Call, ChangeAnswer, ObserveAnswer, Operation, PlacesAnswer, PlanAnswer};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

fn call(operation: Operation) -> Call {
    Call { facet: Some("hourly".to_owned()), ..Call::new(operation, Timestamp::UNIX_EPOCH) }
}

fn by_schema(name: &str, answer: &Json) -> bool {
    let (_, schema) = contract::schemas().into_iter().find(|(known, _)| *known == name).unwrap();
    jsonschema::validator_for(schema.as_value()).unwrap().is_valid(answer)
}

fn by_check<A: Answer>(operation: Operation, answer: &Json) -> bool {
    contract::read::<A>(&call(operation), answer.to_string().as_bytes()).is_ok()
}

fn both(name: &str, answer: &Json) -> (bool, bool) {
    let checked = match name {
        "places" => by_check::<PlacesAnswer>(Operation::Places, answer),
        "plan" => by_check::<PlanAnswer>(Operation::Plan, answer),
        "observe" => by_check::<ObserveAnswer>(Operation::Observe, answer),
        _ => by_check::<ChangeAnswer>(Operation::Apply, answer),
    };
    (checked, by_schema(name, answer))
}

fn planned(key: &str, value: Json) -> Json {
    let mut facet = json!({"facet": "hourly", "present": "a", "wanted": "b"});
    facet[key] = value;
    json!({"contract": 1, "facets": [facet]})
}

#[test]
fn schema_and_check_refuse_the_same_answers() {
    let observed = |more: Json| {
        let mut answer = json!({"contract": 1, "facet": "hourly"});
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer
    };
    let refused = [
        ("places", json!({"contract": 2, "places": []})),
        ("places", json!({"contract": 1, "places": ["Berlin"]})),
        ("places", json!({"contract": 1, "places": [""]})),
        ("places", json!({"contract": 1, "places": ["-a"]})),
        ("places", json!({"contract": 1, "places": ["a-"]})),
        ("places", json!({"contract": 1, "places": ["x".repeat(41)]})),
        ("places", json!({"contract": 1, "places": ["berlin", "berlin"]})),
        ("places", json!({"contract": 1, "places": (0..101).map(|n| format!("p{n}")).collect::<Vec<_>>()})),
        ("plan", planned("facet", json!("a b"))),
        ("plan", planned("facet", json!("x".repeat(401)))),
        ("plan", planned("present", json!(""))),
        ("plan", planned("wanted", json!("x".repeat(501)))),
        ("plan", planned("wanted", json!("a\nb"))),
        ("plan", planned("label", json!("a\u{202e}b"))),
        ("plan", planned("label", json!("a\u{ad}b"))),
        ("plan", planned("note", json!("\u{7f}"))),
        ("plan", planned("skip", json!("x".repeat(1001)))),
        ("plan", planned("more", json!(1))),
        ("observe", observed(json!({"state": "is"}))),
        ("observe", observed(json!({"state": "is", "value": null}))),
        ("observe", observed(json!({"state": "is", "value": "a", "reason": "so"}))),
        ("observe", observed(json!({"state": "moving", "reason": "so"}))),
        ("observe", observed(json!({"state": "gone"}))),
        ("observe", observed(json!({"state": "gone", "value": "a"}))),
        ("observe", observed(json!({"state": "gone", "value": "a", "reason": "so"}))),
        ("observe", observed(json!({"state": "is", "value": "a\u{1b}"}))),
        ("observe", observed(json!({"state": "is", "value": "a", "facet": "a b"}))),
        ("change", observed(json!({"outcome": "refused"}))),
        ("change", observed(json!({"outcome": "retry", "reason": null}))),
        ("change", observed(json!({"outcome": "skipped", "reason": ""}))),
        ("change", observed(json!({"outcome": "accepted", "reason": "a\u{2028}b"}))),
    ];
    for (name, answer) in refused {
        assert_eq!(both(name, &answer), (false, false), "{name}: (check, schema) of {answer}");
    }
    let taken = [
        ("places", json!({"contract": 1, "places": ["eu-west-1", "b"]})),
        ("plan", planned("label", json!("Zürich — 夜"))),
        ("plan", planned("label", json!(null))),
        ("plan", planned("present", json!("x".repeat(500)))),
        ("observe", observed(json!({"state": "is", "value": "a", "reason": null}))),
        ("observe", observed(json!({"state": "moving", "value": "a"}))),
        ("observe", observed(json!({"state": "gone", "reason": "it was deleted"}))),
        ("change", observed(json!({"outcome": "accepted"}))),
        ("change", observed(json!({"outcome": "refused", "reason": "no"}))),
    ];
    for (name, answer) in taken {
        assert_eq!(both(name, &answer), (true, true), "{name}: (check, schema) of {answer}");
    }
}
