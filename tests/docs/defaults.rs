//! The schema of guardrails.yaml has the default of each key, and docs/configuration.md shows it. A key with its default is as good as
//! no key.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use guardrails_aws::actions::CATALOG;
use guardrails_model::config::Config;
use serde_json::{Value as Json, json};

use super::documents::root;

/// Keys whose value is stored as it was written. The code takes the same constant for the schema and where they are left out.
const STORED: [&str; 2] = ["keep-trying", "watch-health"];

/// A walk through the schema beside a file.
struct Walk {
    schema: Json,
    found: BTreeSet<String>,
    /// Keys that some place does not take, with the reason. Another place must take them.
    refused: BTreeMap<String, String>,
    wrong: Vec<String>,
}

#[test]
fn key_with_its_default_is_as_good_as_none() {
    let text = fs::read_to_string(root().join("examples/all-actions.yaml")).unwrap();
    let file: Json = serde_saphyr::from_str(&text).unwrap();
    let schema = CATALOG.schema().to_value();
    let mut walk = Walk { schema: schema.clone(), found: BTreeSet::new(), refused: BTreeMap::new(), wrong: Vec::new() };
    walk.object(&schema, &file, "");
    assert!(walk.wrong.is_empty(), "{}", walk.wrong.join("\n"));
    walk.refused.retain(|key, _| !walk.found.contains(key));
    assert!(walk.refused.is_empty(), "{:#?}", walk.refused);
    for key in ["share", "factor", "enforce-up-to", "beyond", "drift", "partial-groups", "regions", "credits", "left-alone"] {
        assert!(walk.found.contains(key), "the walk did not come to {key}: {:?}", walk.found);
    }
}

fn parsed(file: &Json) -> Result<Config, String> {
    // JSON is YAML.
    CATALOG.parse("guardrails.yaml", &file.to_string()).map_err(|error| error.to_string())
}

impl Walk {
    /// Each key of the object that stands at `at` in the file.
    fn object(&mut self, schema: &Json, file: &Json, at: &str) {
        for (key, value) in schema["properties"].as_object().into_iter().flatten() {
            let (there, target) = (format!("{at}/{key}"), self.resolved(value));
            if file.pointer(&there).is_some() {
                self.value(&target, file, &there);
                continue;
            }
            let default = value.get("default").or_else(|| target.get("default"));
            if let Some(default) = default.filter(|_| !STORED.contains(&key.as_str())) {
                match parsed(&with(file, &there, default)) {
                    Ok(config) if Ok(&config) == parsed(file).as_ref() => {
                        self.found.insert(key.clone());
                    }
                    Ok(_) => self.wrong.push(format!("{there}: {default} is not the default")),
                    // A stage that restricts nobody takes no `verify`.
                    Err(error) => {
                        self.refused.insert(key.clone(), error);
                    }
                }
            }
            let empty = with(file, &there, &json!({}));
            if target["properties"].is_object() && parsed(&empty).is_ok() {
                self.object(&target, &empty, &there);
            }
        }
    }

    /// A value that the file has.
    fn value(&mut self, schema: &Json, file: &Json, at: &str) {
        match file.pointer(at) {
            Some(Json::Array(items)) => {
                let item = self.resolved(&schema["items"]);
                for number in 0..items.len() {
                    self.value(&item, file, &format!("{at}/{number}"));
                }
            }
            Some(Json::Object(named)) if schema["additionalProperties"].is_object() => {
                let each = self.resolved(&schema["additionalProperties"]);
                for name in named.keys() {
                    self.value(&each, file, &format!("{at}/{name}"));
                }
            }
            Some(Json::Object(action)) if schema["properties"].is_null() => {
                // An item of `do`: an action by its name.
                let all = self.schema["$defs"]["Action"]["oneOf"].as_array().unwrap().clone();
                for name in action.keys() {
                    let params = all.iter().find_map(|one| one["properties"].get(name)).unwrap();
                    let params = self.resolved(params);
                    self.object(&params, file, &format!("{at}/{name}"));
                }
            }
            Some(Json::Object(_)) => self.object(schema, file, at),
            _ => {}
        }
    }

    fn resolved(&self, value: &Json) -> Json {
        let reference =
            value["$ref"].as_str().or_else(|| value["anyOf"][0]["$ref"].as_str().filter(|_| value["anyOf"][1]["type"] == "null"));
        match reference.and_then(|reference| reference.strip_prefix("#/$defs/")) {
            Some(name) => self.resolved(&self.schema["$defs"][name]),
            None => value.clone(),
        }
    }
}

fn with(file: &Json, at: &str, value: &Json) -> Json {
    let mut file = file.clone();
    let (parent, key) = at.rsplit_once('/').unwrap();
    file.pointer_mut(parent).unwrap()[key] = value.clone();
    file
}
