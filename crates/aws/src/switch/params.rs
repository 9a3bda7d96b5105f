//! The parameters of an action on resources: `tag`, `regions`, `exempt`, the word by which a stage agrees where one
//! is needed, and the action's own keys. Read key by key, so that an error is shown at its place in the file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use guardrails_model::config::Tags;
use guardrails_model::near;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use super::{Options, Switches};
use crate::ec2::bystanders::{EXEMPT_TAG, RELEASE_TAG};
use crate::ec2::regions::Regions;
use crate::grants::sid;

/// An action on one kind of resource or several, with the parameters of a stage.
pub struct Switched<S: Switches> {
    pub(super) scope: Scope,
    pub(super) agreed: bool,
    pub(super) options: S::Options,
    of: PhantomData<fn() -> S>,
}

/// The resources that a stage is for.
#[derive(Debug, Clone)]
pub struct Scope {
    pub(super) tag: Tags,
    pub(super) regions: Regions,
    pub(super) exempt: Exempt,
}

/// Targets that are left alone though they carry the tags.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ExemptTargets")]
pub struct Exempt {
    /// Those that carry all of these tags. Those with the tag `guardrails:exempt` or `guardrails:release` always are.
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub tag: Tags,
    /// Those with these ids or names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub id: Vec<String>,
}

impl Exempt {
    /// Why the resource is exempt, if it is.
    pub(super) fn reason(&self, id: &String, tags: &BTreeMap<String, String>) -> Option<String> {
        let value = |key: &str| tags.get(key).map(String::as_str);
        let says = |key: &&&str| value(key).is_some_and(|value| !value.eq_ignore_ascii_case("false"));
        if let Some(key) = [EXEMPT_TAG, RELEASE_TAG].iter().find(says) {
            return Some(format!("it carries the tag {key}"));
        }
        if self.id.contains(id) {
            return Some("it is exempt by its id".to_owned());
        }
        (!self.tag.is_empty() && self.tag.missing(value).is_none()).then(|| "it is exempt by its tags".to_owned())
    }
}

impl<S: Switches> Switched<S> {
    /// Names the mistake in the parameters, if there is one.
    pub(super) fn check(&self) -> Result<(), String> {
        self.scope.tag.check()?;
        self.scope.exempt.tag.check()?;
        if self.scope.tag.is_empty() {
            let of = S::NOUN.many;
            return Err(format!("`tag` is empty: name at least one tag of the {of}, such as `{{Project: Beta}}`"));
        }
        match S::OPT_IN.filter(|_| !self.agreed) {
            Some(word) => Err(word.refusal.to_owned()),
            None => self.options.check(),
        }
    }

    /// The keys that an action of this kind takes.
    fn keys() -> Vec<String> {
        let own = schemars::schema_for!(S::Options).to_value();
        let own = own["properties"].as_object().into_iter().flat_map(Map::keys).cloned();
        let common = ["tag", "regions", "exempt"].into_iter().chain(S::OPT_IN.map(|word| word.key));
        common.map(str::to_owned).chain(own).collect()
    }
}

impl<S: Switches> Clone for Switched<S> {
    fn clone(&self) -> Self {
        let Self { scope, agreed, options, of } = self;
        Self { scope: scope.clone(), agreed: *agreed, options: options.clone(), of: *of }
    }
}

impl<S: Switches> fmt::Debug for Switched<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", S::ABOUT.name, json!(self))
    }
}

impl<S: Switches> Serialize for Switched<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut map = serializer.serialize_map(None)?;
        let Scope { tag, regions, exempt } = &self.scope;
        map.serialize_entry("tag", tag)?;
        if *regions != Regions::All {
            map.serialize_entry("regions", regions)?;
        }
        if *exempt != Exempt::default() {
            map.serialize_entry("exempt", exempt)?;
        }
        if let Some(word) = S::OPT_IN {
            map.serialize_entry(word.key, &self.agreed)?;
        }
        if let Json::Object(options) = json!(self.options) {
            for (key, value) in &options {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

impl<'de, S: Switches> Deserialize<'de> for Switched<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Parameters(PhantomData))
    }
}

struct Parameters<S>(PhantomData<fn() -> S>);

impl<'de, S: Switches> Visitor<'de> for Parameters<S> {
    type Value = Switched<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the parameters of `{}`", S::ABOUT.name)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Switched<S>, M::Error> {
        let (mut tag, mut regions, mut exempt, mut agreed) = (None, None, None, None);
        let keys = Switched::<S>::keys();
        let mut own = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let is_new = match key.as_str() {
                "tag" => tag.replace(map.next_value()?).is_none(),
                "regions" => regions.replace(map.next_value()?).is_none(),
                "exempt" => exempt.replace(map.next_value()?).is_none(),
                word if S::OPT_IN.is_some_and(|opt_in| opt_in.key == word) => agreed.replace(map.next_value()?).is_none(),
                _ if keys.contains(&key) => own.insert(key.clone(), map.next_value()?).is_none(),
                _ => {
                    let known: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                    let meant = near::nearest(&key, &keys.iter().map(String::as_str).collect::<Vec<_>>())
                        .map(|near| format!("; did you mean `{near}`?"))
                        .unwrap_or_default();
                    return Err(M::Error::custom(format!("unknown field `{key}`, expected one of {}{meant}", known.join(", "))));
                }
            };
            if !is_new {
                return Err(M::Error::custom(format!("duplicate field `{key}`")));
            }
        }
        let options = S::Options::deserialize(Json::Object(own)).map_err(M::Error::custom)?;
        Ok(Switched {
            scope: Scope {
                tag: tag.ok_or_else(|| M::Error::missing_field("tag"))?,
                regions: regions.unwrap_or_default(),
                exempt: exempt.unwrap_or_default(),
            },
            agreed: match (agreed, S::OPT_IN) {
                (None, Some(word)) => return Err(M::Error::missing_field(word.key)),
                (agreed, _) => agreed.unwrap_or_default(),
            },
            options,
            of: PhantomData,
        })
    }
}

impl<S: Switches> JsonSchema for Switched<S> {
    fn schema_name() -> Cow<'static, str> {
        sid(&S::ABOUT.name.split('-').collect::<Vec<_>>()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("{}::Switched<{}>", module_path!(), S::ABOUT.name).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let nouns = S::NOUN.many;
        let mut properties = json!({
            "tag": described::<Tags>(generator, &format!("The {nouns}' own tags to select by: every key must match, with one of its values.")),
            "regions": described::<Regions>(generator, "Where: `all` Regions that are enabled in the account, or a list of them."),
            "exempt": described::<Exempt>(generator, "Targets that are left alone though they carry the tags."),
        });
        let mut required = vec!["tag"];
        if let Some(word) = S::OPT_IN {
            properties[word.key] = json!({"description": word.means, "type": "boolean", "const": true});
            required.push(word.key);
        }
        if let Some(Json::Object(own)) = S::Options::json_schema(generator).as_object().and_then(|all| all.get("properties")) {
            own.iter().for_each(|(key, schema)| properties[key] = schema.clone());
        }
        json_schema!({
            "description": format!("It {}.", S::ABOUT.changes),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

fn described<T: JsonSchema>(generator: &mut SchemaGenerator, description: &str) -> Json {
    let mut schema = generator.subschema_for::<T>();
    schema.insert("description".to_owned(), json!(description));
    schema.to_value()
}
