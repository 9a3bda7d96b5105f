//! Long lists that several guardrails have, such as the actions that a Deny denies: each stands once in the template, in a mapping. 200
//! guardrails with a list of their own would be longer than CloudFormation takes.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

/// The mapping, and the one key of each of its entries.
const MAPPING: &str = "Lists";
const TEXT: &str = "Text";
/// Letters of a list that is worth an entry.
const LONG: usize = 500;

/// The long lists that stand more than once in `definitions`, as they are written there.
pub(super) fn shared<'a>(definitions: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for definition in definitions {
        let definition: Json = serde_json::from_str(definition).unwrap_or_default();
        count(&definition, &mut found);
    }
    found.into_iter().filter(|(_, times)| *times > 1).map(|(list, _)| list).collect()
}

/// Puts them into the template.
pub(super) fn add(template: &mut Json, shared: &[String]) {
    for list in shared {
        template["Mappings"][MAPPING][name(list)] = json!({ TEXT: list });
    }
}

/// The text of a definition, where a shared list is looked up.
pub(super) fn written(definition: &str, shared: &[String]) -> Json {
    let mut parts = vec![json!(definition)];
    for list in shared {
        let cut = parts.into_iter().flat_map(|part| match part.as_str() {
            Some(text) => between(text, list),
            None => vec![part],
        });
        parts = cut.collect();
    }
    if parts.len() == 1 { parts.remove(0) } else { json!({"Fn::Join": ["", parts]}) }
}

/// The pieces of `text` around `list`, with a look-up in its place.
fn between(text: &str, list: &str) -> Vec<Json> {
    let lookup = json!({"Fn::FindInMap": [MAPPING, name(list), TEXT]});
    let mut pieces = Vec::new();
    for (at, piece) in text.split(list).enumerate() {
        if at > 0 {
            pieces.push(lookup.clone());
        }
        if !piece.is_empty() {
            pieces.push(json!(piece));
        }
    }
    pieces
}

fn name(list: &str) -> String {
    format!("List{}", &format!("{:x}", Sha256::digest(list))[..10])
}

fn count(value: &Json, found: &mut BTreeMap<String, usize>) {
    match value {
        Json::Array(all) => {
            let text = value.to_string();
            if text.len() >= LONG && all.iter().all(Json::is_string) {
                *found.entry(text).or_default() += 1;
            } else {
                for one in all {
                    count(one, found);
                }
            }
        }
        Json::Object(fields) => fields.values().for_each(|one| count(one, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text as CloudFormation makes it.
    fn resolved(value: &Json, template: &Json) -> String {
        match value {
            Json::String(text) => text.clone(),
            _ if value["Fn::Join"].is_array() => {
                value["Fn::Join"][1].as_array().unwrap().iter().map(|part| resolved(part, template)).collect()
            }
            _ => {
                let [map, name, key] = value["Fn::FindInMap"].as_array().unwrap().as_slice() else { panic!("{value}") };
                let [map, name, key] = [map, name, key].map(|one| one.as_str().unwrap());
                template["Mappings"][map][name][key].as_str().unwrap().to_owned()
            }
        }
    }

    #[test]
    fn a_list_that_two_guardrails_have_stands_once() {
        let list: Vec<String> = (0..50).map(|number| format!("ec2:Action{number}")).collect();
        let definition = |name: &str| json!({"name": name, "stages": [{"actions": list}, {"actions": list}]}).to_string();
        let definitions = [definition("beta"), definition("gamma"), json!({"name": "small", "actions": ["a"]}).to_string()];
        let shared = shared(definitions.iter());
        assert_eq!(shared.len(), 1);
        let mut template = json!({});
        add(&mut template, &shared);
        for definition in &definitions {
            let value = written(definition, &shared);
            assert_eq!(resolved(&value, &template), *definition);
            assert!(value.to_string().len() < 300, "{value}");
        }
        assert!(shared_by_one_is_left(&definitions[0]));
    }

    fn shared_by_one_is_left(definition: &str) -> bool {
        let alone = definition.replacen("\"actions\"", "\"others\"", 1);
        let once: Json = serde_json::from_str(&alone).unwrap();
        let only = json!({"actions": once["stages"][1]["actions"]}).to_string();
        shared(std::iter::once(&only)).is_empty()
    }
}
