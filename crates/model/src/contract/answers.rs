//! The answers of a program, and the check of each. An answer is refused for any field that the contract does not have: a word that
//! is spelt wrong would otherwise be a silent default.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::text::{LONGEST_TARGET, PLACE, SHOWN, TARGET, check, check_some, is_target, quoted};
use super::{Breach, Call, VERSION};
use crate::ids::Place;

/// The most facets of a plan.
pub const MOST_FACETS: usize = 1_000;
/// The most places.
const MOST_PLACES: usize = 100;
/// Characters of a value, and of a label.
const LONGEST_VALUE: usize = 500;
/// Characters of a reason, and of a note.
const LONGEST_REASON: usize = 1_000;
/// Bytes of the answer about one facet.
const ABOUT_ONE: usize = 16 * 1024;
/// Bytes of a list, which is the longest answer.
pub const LONGEST_ANSWER: usize = 2 * 1024 * 1024;

/// An answer to one sort of call.
pub trait Answer: DeserializeOwned {
    /// The most bytes that it has.
    const LONGEST: usize;

    /// The version of the contract that it names.
    fn contract(&self) -> u32;

    /// Names the mistake in it, if there is one.
    ///
    /// # Errors
    /// When it does not fit `call`.
    fn check(&self, call: &Call) -> Result<(), Breach>;
}

/// The answer to `call` in `bytes`.
///
/// # Errors
/// When it is not as the contract has it.
pub fn read<A: Answer>(call: &Call, bytes: &[u8]) -> Result<A, Breach> {
    let in_words = |Breach(what)| Breach(format!("the answer to {}: {what}", call.words()));
    parse(call, bytes).map_err(in_words)
}

fn parse<A: Answer>(call: &Call, bytes: &[u8]) -> Result<A, Breach> {
    if bytes.len() > A::LONGEST {
        return Err(Breach(format!("it has {} bytes, where {} are allowed", bytes.len(), A::LONGEST)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Breach("it is not UTF-8".to_owned()))?;
    let answer: A = serde_json::from_str(text).map_err(|error| {
        Breach(format!("it does not fit the schema: {}: it begins {}", quoted(&error.to_string()), quoted(text)))
    })?;
    if answer.contract() != VERSION {
        return Err(Breach(format!("`contract` is {}, where {VERSION} is expected", answer.contract())));
    }
    answer.check(call).map(|()| answer)
}

/// The facet of an answer must be the one that was asked for.
fn same_facet(call: &Call, facet: &str) -> Result<(), Breach> {
    if call.facet.as_deref() == Some(facet) {
        return Ok(());
    }
    Err(Breach(format!("`facet` is {}: it was asked for another", quoted(facet))))
}

/// The answer to `places`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "The answer of a program to places")]
pub struct PlacesAnswer {
    /// The version of the contract: 1.
    #[schemars(extend("const" = 1))]
    pub contract: u32,
    /// The places, such as Regions: each 1 to 40 lower-case letters, digits and hyphens. Each gets a plan of its own. Empty, when it
    /// works everywhere at once.
    #[schemars(extend("maxItems" = MOST_PLACES, "uniqueItems" = true, "items" = json!({"type": "string", "pattern": PLACE})))]
    pub places: Vec<String>,
}

impl PlacesAnswer {
    /// The places.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        self.places.iter().filter_map(|place| place.parse().ok()).collect()
    }
}

impl Answer for PlacesAnswer {
    const LONGEST: usize = ABOUT_ONE;

    fn contract(&self) -> u32 {
        self.contract
    }

    fn check(&self, _: &Call) -> Result<(), Breach> {
        if self.places.len() > MOST_PLACES {
            return Err(Breach(format!("it has {} places, where {MOST_PLACES} are allowed", self.places.len())));
        }
        let mut known = BTreeSet::new();
        for place in &self.places {
            if place.parse::<Place>().is_err() {
                return Err(Breach(format!("{} is no place: 1 to 40 lower-case letters, digits and hyphens", quoted(place))));
            }
            if !known.insert(place) {
                return Err(Breach(format!("the place {} is in it twice", quoted(place))));
            }
        }
        Ok(())
    }
}

/// The answer to `plan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "The answer of a program to plan")]
pub struct PlanAnswer {
    /// The version of the contract: 1.
    #[schemars(extend("const" = 1))]
    pub contract: u32,
    /// The facets in scope.
    #[schemars(extend("maxItems" = MOST_FACETS))]
    pub facets: Vec<PlannedFacet>,
}

/// A facet in scope: one setting of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedFacet {
    /// Its name, by which all other calls ask for it: letters, digits and `_.:@=+,-`, with single slashes between. It never means
    /// another target later.
    #[schemars(length(min = 1, max = LONGEST_TARGET), regex(pattern = TARGET))]
    pub facet: String,
    /// Its present value.
    #[schemars(length(min = 1, max = LONGEST_VALUE), regex(pattern = SHOWN))]
    pub present: String,
    /// Its value while the budget is exceeded.
    #[schemars(length(min = 1, max = LONGEST_VALUE), regex(pattern = SHOWN))]
    pub wanted: String,
    /// Its name for people. `facet` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = LONGEST_VALUE), regex(pattern = SHOWN))]
    pub label: Option<String>,
    /// Why it is left alone, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = LONGEST_REASON), regex(pattern = SHOWN))]
    pub skip: Option<String>,
    /// Why it cannot be changed, if so: it is left alone, and the run counts it as one that could not be planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = LONGEST_REASON), regex(pattern = SHOWN))]
    pub refused: Option<String>,
    /// A note for people, before the change is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = LONGEST_REASON), regex(pattern = SHOWN))]
    pub note: Option<String>,
    /// Does the change end something for good, which `rollback` does not bring back? Then the stage must say `terminates: true`.
    #[serde(default, skip_serializing_if = "crate::omit::is_default")]
    pub terminates: bool,
}

impl PlannedFacet {
    fn check(&self) -> Result<(), Breach> {
        if !is_target(&self.facet) {
            return Err(Breach(format!("{} cannot be the name of a facet", quoted(&self.facet))));
        }
        let texts = || {
            check("present", &self.present, LONGEST_VALUE)?;
            check("wanted", &self.wanted, LONGEST_VALUE)?;
            check_some("label", self.label.as_ref(), LONGEST_VALUE)?;
            for (name, text) in [("skip", &self.skip), ("refused", &self.refused), ("note", &self.note)] {
                check_some(name, text.as_ref(), LONGEST_REASON)?;
            }
            Ok(())
        };
        texts().map_err(|Breach(what)| Breach(format!("facet {}: {what}", quoted(&self.facet))))
    }
}

impl Answer for PlanAnswer {
    const LONGEST: usize = LONGEST_ANSWER;

    fn contract(&self) -> u32 {
        self.contract
    }

    fn check(&self, _: &Call) -> Result<(), Breach> {
        if self.facets.len() > MOST_FACETS {
            return Err(Breach(format!("it has {} facets, where {MOST_FACETS} are allowed", self.facets.len())));
        }
        let mut known = BTreeSet::new();
        for facet in &self.facets {
            facet.check()?;
            if !known.insert(&facet.facet) {
                return Err(Breach(format!("the facet {} is in it twice", quoted(&facet.facet))));
            }
        }
        Ok(())
    }
}

/// The state of a facet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has `value`.
    Is,
    /// It is on its way to `value`.
    Moving,
    /// Its target is there no more, for the `reason` given. The program says so only where its service said so.
    Gone,
}

/// The answer to `observe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "The answer of a program to observe", extend("oneOf" = value_or_reason()))]
pub struct ObserveAnswer {
    /// The version of the contract: 1.
    #[schemars(extend("const" = 1))]
    pub contract: u32,
    /// The facet of the call.
    #[schemars(length(min = 1, max = LONGEST_TARGET), regex(pattern = TARGET))]
    pub facet: String,
    /// Its state.
    pub state: State,
    /// Its value, with `is` and `moving`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = LONGEST_VALUE), regex(pattern = SHOWN))]
    pub value: Option<String>,
    /// The reason, with `gone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = LONGEST_REASON), regex(pattern = SHOWN))]
    pub reason: Option<String>,
}

/// The fields that go with each state, as a JSON Schema.
fn value_or_reason() -> Json {
    let none = json!({"type": "null"});
    let text = json!({"type": "string"});
    json!([
        {"required": ["value"], "properties": {"state": {"enum": ["is", "moving"]}, "value": text, "reason": none}},
        {"required": ["reason"], "properties": {"state": {"const": "gone"}, "reason": text, "value": none}},
    ])
}

/// A facet as a program sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It has this value.
    Is(String),
    /// It is on its way to this value.
    Moving(String),
    /// Its target is there no more, for this reason.
    Gone(String),
}

impl ObserveAnswer {
    /// The facet as the program sees it.
    #[must_use]
    pub fn observed(self) -> Observed {
        let value = self.value.unwrap_or_default();
        match self.state {
            State::Is => Observed::Is(value),
            State::Moving => Observed::Moving(value),
            State::Gone => Observed::Gone(self.reason.unwrap_or_default()),
        }
    }
}

impl Answer for ObserveAnswer {
    const LONGEST: usize = ABOUT_ONE;

    fn contract(&self) -> u32 {
        self.contract
    }

    fn check(&self, call: &Call) -> Result<(), Breach> {
        same_facet(call, &self.facet)?;
        let (has, lacks) = match (self.state, &self.value, &self.reason) {
            (State::Is | State::Moving, Some(value), None) => return check("value", value, LONGEST_VALUE),
            (State::Gone, None, Some(reason)) => return check("reason", reason, LONGEST_REASON),
            (State::Is | State::Moving, ..) => ("value", "reason"),
            (State::Gone, ..) => ("reason", "value"),
        };
        Err(Breach(format!("with this `state` it has `{has}`, and no `{lacks}`")))
    }
}

/// The outcome of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The change is made, or under way. `observe` tells when it is there.
    Accepted,
    /// It cannot be made, for good, and nothing was changed.
    Refused,
    /// The target is not one for this change: it is left alone, and nothing was changed.
    Skipped,
    /// Nothing was changed, and asking again soon may help.
    Retry,
    /// The call is too old, by its fencing number or its deadline, and nothing was changed.
    Superseded,
}

/// The fields that go with each outcome, as a JSON Schema.
fn accepted_or_reason() -> Json {
    json!([
        {"properties": {"outcome": {"const": "accepted"}}},
        {"required": ["reason"], "properties": {"reason": {"type": "string"}}},
    ])
}

/// The answer to `apply` and to `rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "The answer of a program to apply and rollback", extend("anyOf" = accepted_or_reason()))]
pub struct ChangeAnswer {
    /// The version of the contract: 1.
    #[schemars(extend("const" = 1))]
    pub contract: u32,
    /// The facet of the call.
    #[schemars(length(min = 1, max = LONGEST_TARGET), regex(pattern = TARGET))]
    pub facet: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason, which every outcome but `accepted` has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = LONGEST_REASON), regex(pattern = SHOWN))]
    pub reason: Option<String>,
}

impl Answer for ChangeAnswer {
    const LONGEST: usize = ABOUT_ONE;

    fn contract(&self) -> u32 {
        self.contract
    }

    fn check(&self, call: &Call) -> Result<(), Breach> {
        same_facet(call, &self.facet)?;
        if self.outcome != Outcome::Accepted && self.reason.is_none() {
            return Err(Breach("with this `outcome` it has a `reason`".to_owned()));
        }
        check_some("reason", self.reason.as_ref(), LONGEST_REASON)
    }
}
