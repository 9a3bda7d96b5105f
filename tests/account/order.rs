//! The order in which CloudFormation changes and deletes the stack's resources, as far as something hangs on it.

use std::collections::BTreeSet;

use guardrails_aws::actions::CATALOG;
use guardrails_template as template;
use serde_json::Value as Json;

const EXAMPLE: &str = include_str!("../../examples/guardrails.yaml");

fn rendered(file: &str) -> Json {
    let config = CATALOG.parse("guardrails.yaml", file).unwrap();
    template::render(&config, "functions.zip").unwrap()
}

/// The names that `value` refers to, in every way that CloudFormation knows.
fn referred(value: &Json, names: &mut BTreeSet<String>) {
    match value {
        Json::Array(all) => all.iter().for_each(|one| referred(one, names)),
        Json::Object(fields) => {
            for (key, one) in fields {
                match (key.as_str(), one) {
                    ("Ref" | "DependsOn", Json::String(name)) => names.extend([name.clone()]),
                    ("DependsOn", Json::Array(all)) => {
                        names.extend(all.iter().filter_map(|name| Some(name.as_str()?.to_owned())));
                    }
                    ("Fn::GetAtt", Json::Array(path)) => names.extend([path[0].as_str().unwrap().to_owned()]),
                    ("Fn::Sub", Json::String(text)) => {
                        let parts = text.split("${").skip(1);
                        names.extend(parts.map(|part| part.split(['.', '}']).next().unwrap_or_default().to_owned()));
                    }
                    _ => referred(one, names),
                }
            }
        }
        _ => {}
    }
}

/// The resources that must be there before `name`, directly or by way of others.
fn before(template: &Json, name: &str) -> BTreeSet<String> {
    let resources = template["Resources"].as_object().unwrap();
    let (mut found, mut left) = (BTreeSet::new(), vec![name.to_owned()]);
    while let Some(next) = left.pop() {
        let mut names = BTreeSet::new();
        referred(&resources[&next], &mut names);
        names.retain(|name| resources.contains_key(name) && found.insert(name.clone()));
        left.extend(names);
    }
    found
}

#[test]
fn open_runs_are_looked_at_before_their_resources_change() {
    let template = rendered(EXAMPLE);
    let first = before(&template, "OpenRuns");
    let (mut needed, mut after) = (BTreeSet::new(), 0);
    for (name, resource) in template["Resources"].as_object().unwrap() {
        let kind = resource["Type"].as_str().unwrap();
        if !kind.starts_with("AWS::IAM::") && kind != "AWS::Lambda::Function" && kind != "AWS::StepFunctions::StateMachine" {
            continue;
        }
        if first.contains(name) {
            needed.insert(name.as_str());
        } else {
            assert!(before(&template, name).contains("OpenRuns"), "{name} may change before open runs are looked at");
            after += 1;
        }
    }
    assert_eq!(needed, BTreeSet::from(["BudgetBoundary", "BudgetFunction", "BudgetRole"]));
    assert!(after > 2 * template::parts(&template).len(), "{after}");
}

#[test]
fn open_runs_are_looked_at_whenever_any_right_is_another() {
    let looked_at = |file: &str| rendered(file)["Resources"]["OpenRuns"]["Properties"].clone();
    let other = EXAMPLE.replace("user/finops", "user/others");
    assert_ne!(other, EXAMPLE);
    let (one, other) = (looked_at(EXAMPLE), looked_at(&other));
    assert_eq!(one["Scopes"].as_array().map(Vec::len), Some(2));
    assert_eq!((&one["Scopes"], &one["Guardrails"]), (&other["Scopes"], &other["Guardrails"]));
    assert_ne!(one["Rights"], other["Rights"]);
    assert_eq!(one, looked_at(EXAMPLE));
}

#[test]
fn a_deletion_asks_what_is_held_before_it_deletes_anything() {
    let template = rendered(EXAMPLE);
    let mut kept = before(&template, "NothingIsHeld");
    kept.insert("NothingIsHeld".to_owned());
    let all: BTreeSet<String> = template["Resources"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(kept, all, "what it does not need may be deleted before it");
}
