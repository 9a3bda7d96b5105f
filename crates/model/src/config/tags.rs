//! Tags that resources are selected by, and budgets filtered by.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The words for a value that YAML takes for a number, a Boolean or nothing. The reader of the file adds the value as it is written.
pub(super) const UNQUOTED: &str = "a tag's value is text: write it in quotes";

/// Tags to select by: every key must match, with one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, TagValues>);

/// One value of a tag, or any of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
enum TagValues {
    One(String),
    Any(Vec<String>),
}

impl Tags {
    /// No tag at all: selects nothing, never everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each key with the values that count.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.0.iter().map(|(key, values)| match values {
            TagValues::One(value) => (key.as_str(), vec![value.as_str()]),
            TagValues::Any(values) => (key.as_str(), values.iter().map(String::as_str).collect()),
        })
    }

    /// The tags that something lacks, whose values `value_of` knows: for people, such as `Project=Beta, Stage=dev (or test)`.
    /// Nothing when it carries all of them.
    pub fn missing<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let missing = self.iter().filter(|(key, values)| value_of(key).is_none_or(|value| !values.contains(&value)));
        let told = missing.map(|(key, values)| match values.split_first() {
            Some((first, [])) => format!("{key}={first}"),
            Some((first, others)) => format!("{key}={first} (or {})", others.join(", ")),
            None => key.to_owned(),
        });
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// The mistake in these tags, if there is one. Stored tags are held to it too, so it grows no stricter.
    ///
    /// # Errors
    /// When a key has no value, or a key or value is too long.
    pub fn check(&self) -> Result<(), String> {
        for (key, values) in self.iter() {
            if key.is_empty() || key.chars().count() > 128 {
                return Err(format!("`{key}` is no tag key: expected 1 to 128 characters"));
            }
            if values.is_empty() {
                return Err(format!("the tag `{key}` has no value: name one, or a list of them"));
            }
            if let Some(long) = values.iter().find(|value| value.chars().count() > 256) {
                return Err(format!("a value of the tag `{key}` is longer than 256 characters: `{long}`"));
            }
        }
        Ok(())
    }

    /// The mistake in tags that are newly written into a file, if there is one.
    ///
    /// # Errors
    /// When they would select other costs than resources.
    pub fn check_new(&self) -> Result<(), String> {
        for (key, values) in self.iter() {
            if key.contains('$') {
                return Err(format!(
                    "the tag key `{key}` has a `$`, by which AWS Budgets tells a key from its value: such a tag cannot be budgeted; \
                     use another tag"
                ));
            }
            if values.contains(&"") {
                return Err(format!(
                    "the tag `{key}` has an empty value. To AWS Budgets that is the cost of everything that does not carry the tag; to \
                     EC2 it is a tag without a value. Name a value"
                ));
            }
        }
        Ok(())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Tags {
    fn from(tags: [(&str, &str); N]) -> Self {
        Self(tags.into_iter().map(|(key, value)| (key.to_owned(), TagValues::One(value.to_owned()))).collect())
    }
}

impl<'de> Deserialize<'de> for TagValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrAny)
    }
}

struct OneOrAny;

impl<'de> Visitor<'de> for OneOrAny {
    type Value = TagValues;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tag's value, or a list of them")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<TagValues, E> {
        Ok(TagValues::One(value.to_owned()))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<TagValues, S::Error> {
        let mut values = Vec::new();
        while let Some(Text(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(TagValues::Any(values))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<TagValues, E> {
        Err(E::custom(UNQUOTED))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<TagValues, E> {
        Err(E::custom(UNQUOTED))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<TagValues, E> {
        Err(E::custom(UNQUOTED))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<TagValues, E> {
        Err(E::custom(UNQUOTED))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<TagValues, E> {
        Err(E::custom(UNQUOTED))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<TagValues, E> {
        Err(E::custom(UNQUOTED))
    }

    fn visit_unit<E: de::Error>(self) -> Result<TagValues, E> {
        Err(E::custom(UNQUOTED))
    }

    fn visit_none<E: de::Error>(self) -> Result<TagValues, E> {
        Err(E::custom(UNQUOTED))
    }
}

/// A value in a list.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match TagValues::deserialize(deserializer)? {
            TagValues::One(value) => Ok(Self(value)),
            TagValues::Any(_) => Err(de::Error::custom("a list within a list of a tag's values: expected a value")),
        }
    }
}
