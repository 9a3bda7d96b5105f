//! Tables of keys, from a JSON Schema of guardrails.yaml.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use serde_json::{Map, Value as Json};

/// Stands for the default of a key that has none.
const NONE: &str = "—";

/// A schema with its definitions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema<'a> {
    root: &'a Json,
}

/// One table: an object of the schema, and the path of its keys.
struct Section<'a> {
    path: String,
    object: &'a Json,
}

/// The sections of a page, and the path of each object that has one.
struct Page<'a> {
    schema: Schema<'a>,
    /// Stands before the paths of nested keys.
    prefix: String,
    open: VecDeque<Section<'a>>,
    known: BTreeMap<usize, String>,
}

impl<'a> Schema<'a> {
    pub(super) fn new(root: &'a Json) -> Self {
        Self { root }
    }

    /// A section for each object with keys of its own, from the top on.
    pub(super) fn sections(self, top: &str) -> String {
        format!("## {top}\n\n{}", self.page("").written(self.root))
    }

    /// The parameters of an action with their description, and a section for each object among them.
    pub(super) fn parameters(self, action: &str) -> Option<String> {
        let all = self.definition("Action")?["oneOf"].as_array()?;
        let params = all.iter().find_map(|one| one["properties"].get(action))?;
        let params = self.resolved(params);
        let table = self.page(&format!("{action}: ")).written(params);
        Some(format!("{}{table}", about(params)))
    }

    fn page(self, prefix: &str) -> Page<'a> {
        Page { schema: self, prefix: prefix.to_owned(), open: VecDeque::new(), known: BTreeMap::new() }
    }

    /// The object with keys that stands behind a value, alone or in a list or by name.
    fn inner(self, value: &'a Json) -> Option<&'a Json> {
        let value = self.resolved(value);
        if value["properties"].is_object() {
            return Some(value);
        }
        let within = if value["items"].is_object() { &value["items"] } else { &value["additionalProperties"] };
        if within.is_object() { self.inner(within) } else { None }
    }

    fn shape(self, value: &'a Json) -> String {
        let target = self.resolved(value);
        let described = !std::ptr::eq(value, target);
        let value = target;
        if let Some(words) = words_of(value) {
            return words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        }
        if let (true, Some(description)) = (described, value["description"].as_str()) {
            return lowered(&one_line(description));
        }
        if let Some(only) = value.get("const") {
            return format!("`{only}`");
        }
        match kind(value) {
            "boolean" => "`true` or `false`".to_owned(),
            "integer" => "a whole number".to_owned(),
            "number" => "a number".to_owned(),
            "array" => format!("a list: {}", self.shape(&value["items"])),
            "object" => format!("by name: {}", self.shape(&value["additionalProperties"])),
            _ => "text".to_owned(),
        }
    }

    /// The default as YAML has it. A key with keys of its own has theirs, where they have any.
    fn default(self, value: &'a Json) -> String {
        let target = self.resolved(value);
        match value.get("default").or_else(|| target.get("default")) {
            Some(Json::Null) => NONE.to_owned(),
            Some(default) => format!("`{}`", flow(default)),
            None if self.has_defaults(target) => "the defaults below".to_owned(),
            None => NONE.to_owned(),
        }
    }

    /// Has one of the object's keys a default?
    fn has_defaults(self, object: &'a Json) -> bool {
        object["properties"].as_object().into_iter().flatten().any(|(_, value)| self.default(value) != NONE)
    }

    /// The description, and that of each word that the key takes.
    fn meaning(self, value: &'a Json) -> String {
        let target = self.resolved(value);
        let own = value["description"].as_str().or_else(|| target["description"].as_str()).unwrap_or_default();
        let mut meaning = one_line(own);
        for (word, about) in words_of(target).unwrap_or_default() {
            // Many descriptions say the words themselves.
            if !meaning.contains(&format!("`{word}`")) {
                let _ = write!(meaning, " `{word}`: {}", lowered_first(&one_line(about)));
            }
        }
        meaning
    }

    /// Behind a reference, and behind "or nothing".
    fn resolved(self, value: &'a Json) -> &'a Json {
        if let Some(name) = value["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            return self.definition(name).map_or(value, |found| self.resolved(found));
        }
        let choices = value["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        match choices {
            [one, nothing] if nothing["type"] == "null" => self.resolved(one),
            _ => value,
        }
    }

    fn definition(self, name: &str) -> Option<&'a Json> {
        self.root["$defs"].get(name)
    }
}

impl<'a> Page<'a> {
    fn written(mut self, top: &'a Json) -> String {
        let mut text = self.table(top, "");
        while let Some(Section { path, object }) = self.open.pop_front() {
            let _ = write!(text, "\n### {path}\n\n{}", about(object));
            text += &self.table(object, &path);
        }
        text
    }

    fn table(&mut self, object: &'a Json, path: &str) -> String {
        let mut table = "| key | shape | when left out | meaning |\n| --- | --- | --- | --- |\n".to_owned();
        let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        for (key, value) in object["properties"].as_object().into_iter().flatten() {
            let shape = match self.schema.inner(value) {
                Some(inner) => self.keys(key, value, inner, path),
                None => self.schema.shape(value),
            };
            let default = if required.contains(&key.as_str()) { "required".to_owned() } else { self.schema.default(value) };
            let _ = writeln!(table, "| `{key}` | {} | {default} | {} |", cell(&shape), cell(&self.schema.meaning(value)));
        }
        table
    }

    /// A link to the section of `inner`, which is opened where there is none yet.
    fn keys(&mut self, key: &str, value: &'a Json, inner: &'a Json, path: &str) -> String {
        let own = match path {
            // All is of a guardrail there.
            "" | "guardrails" => format!("{}{key}", self.prefix),
            _ => format!("{path}.{key}"),
        };
        let known = self.known.entry(std::ptr::from_ref(inner).addr()).or_insert_with(|| {
            self.open.push_back(Section { path: own.clone(), object: inner });
            own
        });
        let keys = format!("the keys of [{known}](#{})", anchor(known));
        let value = self.schema.resolved(value);
        if value["items"].is_object() {
            format!("a list; each has {keys}")
        } else if value["additionalProperties"].is_object() {
            format!("by name; each has {keys}")
        } else {
            keys
        }
    }
}

/// The description of an object as a paragraph, where it has one.
fn about(object: &Json) -> String {
    object["description"].as_str().map(|about| format!("{}\n\n", one_line(about))).unwrap_or_default()
}

/// The words that the value may be, each with its description.
fn words_of(value: &Json) -> Option<Vec<(&str, &str)>> {
    value["oneOf"].as_array()?.iter().map(|one| Some((one["const"].as_str()?, one["description"].as_str()?))).collect()
}

fn kind(value: &Json) -> &str {
    value["type"].as_str().or_else(|| value["type"].as_array()?.first()?.as_str()).unwrap_or("string")
}

/// As YAML has it in one line.
fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => pairs(map),
        other => other.to_string(),
    }
}

fn pairs(map: &Map<String, Json>) -> String {
    let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Within a sentence: `a length of time` of `A length of time.`
fn lowered(text: &str) -> String {
    lowered_first(text.trim_end_matches('.'))
}

fn lowered_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_have_shape_default_and_meaning() {
        let root = json!({
            "properties": {
                "at": {"$ref": "#/$defs/At", "description": "The threshold."},
                "drift": {"$ref": "#/$defs/Drift"},
                "names": {"type": "array", "items": {"type": "string"}, "default": []},
                "adopt": {"type": "string"},
            },
            "required": ["at"],
            "$defs": {
                "At": {"type": "string", "description": "A threshold, such as `100% actual`."},
                "Drift": {
                    "description": "The answer.",
                    "default": "report",
                    "oneOf": [{"const": "report", "description": "People are told."}, {"const": "enforce", "description": "It is made again."}],
                },
            },
        });
        let page = Schema::new(&root).sections("The file");
        for row in [
            "| `at` | a threshold, such as `100% actual` | required | The threshold. |\n",
            "| `drift` | `report` or `enforce` | `report` | The answer. `report`: people are told. `enforce`: it is made again. |\n",
            "| `names` | a list: text | `[]` |  |\n",
            "| `adopt` | text | — |  |\n",
        ] {
            assert!(page.contains(row), "{page}");
        }
    }

    #[test]
    fn object_has_one_section_that_all_link_to() {
        let root = json!({
            "properties": {
                "first": {"anyOf": [{"$ref": "#/$defs/Rule"}, {"type": "null"}]},
                "guardrails": {"type": "object", "additionalProperties": {"properties": {"rule": {"$ref": "#/$defs/Rule"}}}},
            },
            "$defs": {"Rule": {"description": "A rule.", "properties": {"within": {"type": "string", "default": "1d"}}}},
        });
        let page = Schema::new(&root).sections("The file");
        assert!(page.contains("| `first` | the keys of [first](#first) | the defaults below | A rule. |\n"), "{page}");
        assert!(page.contains("\n### first\n\nA rule.\n\n| key |"), "{page}");
        assert!(page.contains("| `guardrails` | by name; each has the keys of [guardrails](#guardrails) |"), "{page}");
        assert!(page.contains("| `rule` | the keys of [first](#first) |"), "{page}");
        assert_eq!(page.matches("### first\n").count(), 1, "{page}");
    }

    #[test]
    fn key_that_is_off_when_left_out_has_a_dash() {
        let root = json!({
            "properties": {
                "asks": {"anyOf": [{"$ref": "#/$defs/Rule"}, {"type": "null"}], "default": null},
                "buckets": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Rule"}},
            },
            "$defs": {"Rule": {"properties": {"within": {"type": "string", "default": "1d"}}}},
        });
        let page = Schema::new(&root).sections("The file");
        assert!(page.contains("| `asks` | the keys of [asks](#asks) | — |"), "{page}");
        assert!(page.contains("| `buckets` | by name; each has the keys of [asks](#asks) | — |"), "{page}");
    }

    #[test]
    fn parameters_stand_under_their_description() {
        let root = json!({
            "$defs": {
                "Action": {"oneOf": [{"properties": {"stop": {"$ref": "#/$defs/Stop"}}}]},
                "Stop": {"description": "Stops\nsomething.", "properties": {"tag": {"type": "string"}}},
            },
        });
        let page = Schema::new(&root).parameters("stop").unwrap();
        assert!(page.starts_with("Stops something.\n\n| key |"), "{page}");
    }
}
