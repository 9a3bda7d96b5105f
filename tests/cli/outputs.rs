//! The output for programs: each command's real one is as docs/output.schema.json has it, and the schema only grows.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use guardrails_cli::schemas;
use serde_json::{Value as Json, json};

use crate::deployed::guardrails;

/// The schema as it was published. A version's next one has all of it. Copy docs/output.schema.json over it when that is published.
const PUBLISHED: &str = "cli/output-published.schema.json";

/// Commands whose output is JSON, whatever `--output` says.
const ALWAYS: [&str; 1] = ["explain"];

/// Holds the output of a command against its schema, where the output is for programs. A field that the schema lacks is a mistake too.
pub fn hold(arguments: &[&str], stdout: &[u8]) {
    let is_json = arguments.windows(2).any(|two| matches!(two[0], "--output" | "-o") && two[1] == "json");
    let Some(command) = arguments.first().filter(|command| is_json || ALWAYS.contains(*command)) else { return };
    let name = if *command == "prices" { "prices-fetch" } else { command };
    let text = String::from_utf8_lossy(stdout);
    if text.trim().is_empty() {
        return;
    }
    let is_in_lines = *command == "explain" || arguments.contains(&"--watch");
    let values = if is_in_lines { text.lines().map(str::to_owned).collect() } else { vec![text.into_owned()] };
    let mut schema = schemas::output().to_value();
    let mut open = HashSet::new();
    parts_of_others(&schema, &mut open);
    let definitions = schema["$defs"].as_object_mut().unwrap().iter_mut();
    definitions.filter(|(name, _)| !open.contains(*name)).for_each(|(_, definition)| strict(definition));
    schema["$ref"] = json!(format!("#/$defs/{name}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    for value in values {
        let value: Json = serde_json::from_str(&value).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {value}"));
        let mistakes: Vec<String> =
            validator.iter_errors(&value).map(|mistake| format!("{}: {mistake}", mistake.instance_path())).collect();
        assert!(mistakes.is_empty(), "{arguments:?}: {}", mistakes.join("\n").chars().take(3000).collect::<String>());
    }
}

/// The definitions that others take in beside properties of their own: they cannot be closed.
fn parts_of_others(schema: &Json, open: &mut HashSet<String>) {
    match schema {
        Json::Object(object) => {
            if let (Some(Json::String(name)), true) = (object.get("$ref"), object.contains_key("properties")) {
                open.insert(name.trim_start_matches("#/$defs/").to_owned());
            }
            object.values().for_each(|schema| parts_of_others(schema, open));
        }
        Json::Array(all) => all.iter().for_each(|schema| parts_of_others(schema, open)),
        _ => {}
    }
}

/// Lets an object have the known properties only.
fn strict(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            object.values_mut().for_each(strict);
            let is_closed =
                ["additionalProperties", "oneOf", "anyOf", "allOf", "$ref"].iter().any(|key| object.contains_key(*key));
            if object.get("properties").is_some_and(Json::is_object) && object.contains_key("type") && !is_closed {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Json::Array(all) => all.iter_mut().for_each(strict),
        _ => {}
    }
}

#[test]
fn outputs_that_need_no_aws_are_as_their_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (example, every) = (root.join("examples/guardrails.yaml"), root.join("examples/all-actions.yaml"));
    let program = root.join("examples/run-function/pause_queues.py");
    std::fs::write(folder.path().join("alert"), "This is a mock notification").unwrap();
    for arguments in [
        &["check", example.to_str().unwrap(), "--output", "json"][..],
        &["check", every.to_str().unwrap(), "-o", "json"],
        &["man", "pages", "--output", "json"],
        &["explain", "alert"],
        &["contract", "--program", program.to_str().unwrap(), "--output", "json"],
    ] {
        let mut command = Command::new(guardrails());
        let output = command.args(arguments).current_dir(folder.path()).env_remove("AWS_ENDPOINT_URL").output().unwrap();
        assert!(!output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        hold(arguments, &output.stdout);
    }
}

#[test]
#[should_panic(expected = "check")]
fn output_with_an_unknown_field_is_a_mistake() {
    hold(
        &["check", "--output", "json"],
        br#"{"operators": [], "pace": {"share": 0.5}, "reconcile": {"every": "1h"}, "guardrails": {}, "new": 1}"#,
    );
}

#[test]
fn schema_of_outputs_only_grows() {
    let published = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PUBLISHED)).unwrap();
    let published: Json = serde_json::from_str(&published).unwrap();
    let (now, mut broken) = (schemas::output().to_value(), Vec::new());
    assert_eq!(published["$id"], now["$id"], "a new version has its own published schema");
    for (name, schema) in published["$defs"].as_object().unwrap().iter().filter(|(name, _)| name.starts_with(char::is_lowercase))
    {
        Growth { old: &published, new: &now, seen: HashSet::new() }.compare(name, schema, &now["$defs"][name], &mut broken);
    }
    assert!(broken.is_empty(), "readers of version {} would break:\n{}", schemas::VERSION, broken.join("\n"));
}

#[test]
fn changed_or_removed_field_is_noticed() {
    let old = json!({"$defs": {"a": {"$ref": "#/$defs/A"}, "A": {"properties": {"x": {"type": "string"}}, "required": ["x"]}}});
    let broken = |change: &str, value: Json| {
        let mut new = old.clone();
        *new.pointer_mut(change).unwrap() = value;
        let mut broken = Vec::new();
        Growth { old: &old, new: &new, seen: HashSet::new() }.compare("a", &old["$defs"]["a"], &new["$defs"]["a"], &mut broken);
        broken
    };
    assert_eq!(broken("/$defs/A/properties", json!({"y": {}})), ["a.x is gone"]);
    assert_eq!(broken("/$defs/A/properties/x/type", json!("number")), ["a.x: type is \"number\", and was \"string\""]);
    assert_eq!(broken("/$defs/A/required", json!([])), ["a: x may be left out"]);
    let grown = json!({"x": {"type": "string", "description": "new words"}, "y": {}});
    assert!(broken("/$defs/A/properties", grown).is_empty(), "a new field and new words break nobody");
}

/// Compares the schemas of two versions from a place in them on.
struct Growth<'a> {
    old: &'a Json,
    new: &'a Json,
    seen: HashSet<(String, String)>,
}

impl<'a> Growth<'a> {
    fn compare(&mut self, at: &str, old: &'a Json, new: &'a Json, broken: &mut Vec<String>) {
        if let (Some(one), Some(other)) = (old["$ref"].as_str(), new["$ref"].as_str())
            && !self.seen.insert((one.to_owned(), other.to_owned()))
        {
            return;
        }
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        let Some(keys) = old.as_object() else {
            if old != new {
                broken.push(format!("{at} is {new}, and was {old}"));
            }
            return;
        };
        for (key, value) in keys {
            match key.as_str() {
                "$ref" | "description" | "title" | "default" => {}
                "properties" => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        match new["properties"].get(name) {
                            Some(now) => self.compare(&format!("{at}.{name}"), value, now, broken),
                            None => broken.push(format!("{at}.{name} is gone")),
                        }
                    }
                }
                "required" => {
                    let has = |name: &Json| new["required"].as_array().is_some_and(|now| now.contains(name));
                    let lost = value.as_array().into_iter().flatten().filter(|name| !has(name));
                    broken.extend(lost.map(|name| format!("{at}: {} may be left out", name.as_str().unwrap_or_default())));
                }
                "items" | "additionalProperties" if value.is_object() => {
                    self.compare(&format!("{at}[]"), value, &new[key], broken);
                }
                "oneOf" | "anyOf" | "prefixItems" => {
                    let (was, now) = (value.as_array().unwrap(), new[key].as_array().map(Vec::as_slice).unwrap_or_default());
                    for old in was {
                        let found = now.iter().any(|new| {
                            let mut broken = Vec::new();
                            let mut inner = Self { old: self.old, new: self.new, seen: self.seen.clone() };
                            inner.compare(at, old, new, &mut broken);
                            broken.is_empty()
                        });
                        if !found {
                            broken.push(format!("{at}: one of its forms is gone: {old}"));
                        }
                    }
                }
                "enum" | "type" if value.is_array() => {
                    let now = new[key].as_array().map(Vec::as_slice).unwrap_or_default();
                    let lost = value.as_array().into_iter().flatten().filter(|word| !now.contains(word));
                    broken.extend(lost.map(|word| format!("{at}: {word} is gone")));
                }
                _ if new[key] != *value => broken.push(format!("{at}: {key} is {}, and was {value}", new[key])),
                _ => {}
            }
        }
    }
}

/// The schema itself, where this refers to one.
fn resolved<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    let mut schema = schema;
    while let Some(name) = schema["$ref"].as_str() {
        schema = root.pointer(name.trim_start_matches('#')).unwrap_or(&Json::Null);
    }
    schema
}
