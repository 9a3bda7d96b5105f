//! The contract between `run-function` and a program of the user's, which is an action in any language. The program is given one
//! [`Call`] as JSON, and gives one answer as JSON. docs/contract has the schemas, and docs/run-function.md the rules.
//!
//! The program knows its service. All the rest is this side's: write-ahead, holds, leases, the order of things, and the way back.

mod answers;
pub mod kit;
mod text;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value as Json;

pub use self::answers::{
    Answer, ChangeAnswer, LONGEST_ANSWER, MOST_FACETS, ObserveAnswer, Observed, Outcome, PlacesAnswer, PlanAnswer, PlannedFacet,
    State, read,
};
pub use self::text::{is_target, quoted};
use crate::ids::RunId;

/// The longest timeout of a program's function. A look, a change and another look fit into the invocation that makes them.
pub const LONGEST_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);
/// The version of the contract, in each call and in each answer.
pub const VERSION: u32 = 1;

/// The answer is not as the contract has it; in words that name the operation and the mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its program broke the contract: {0}")]
pub struct Breach(pub String);

/// An operation of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Lists the places that it works in side by side. It changes nothing.
    Places,
    /// Lists the facets in scope, each with its present and its wanted value. It changes nothing.
    Plan,
    /// Says the value of one facet. It changes nothing.
    Observe,
    /// Changes one facet to its wanted value.
    Apply,
    /// Changes one facet back to the value that it had.
    Rollback,
}

impl Operation {
    /// Its name in a call.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Places => "places",
            Self::Plan => "plan",
            Self::Observe => "observe",
            Self::Apply => "apply",
            Self::Rollback => "rollback",
        }
    }
}

/// A call of a program: the event of the function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A call of a program of run-function")]
pub struct Call {
    /// The version of the contract: 1.
    #[schemars(extend("const" = 1))]
    pub contract: u32,
    /// The operation. `apply` and `rollback` are the two directions.
    pub operation: Operation,
    /// The program changes nothing after this time, in UTC: the other direction may begin then.
    #[serde(serialize_with = "in_seconds")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub deadline: Timestamp,
    /// The place, where `places` named some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The run of the guardrails, in `observe`, `apply` and `rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub run: Option<RunId>,
    /// The facet, in `observe`, `apply` and `rollback`: as `plan` named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facet: Option<String>,
    /// The value that the facet gets, in `apply` and `rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The fencing number of `apply` and `rollback`. It rises with every call for this facet. The program keeps the highest one, and
    /// refuses a lower one. The same number again is the same call again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing: Option<u64>,
    /// The tags in guardrails.yaml, each with the values that count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// The input in guardrails.yaml.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub input: Json,
}

impl Call {
    /// A call that is about no facet.
    #[must_use]
    pub fn new(operation: Operation, deadline: Timestamp) -> Self {
        Self {
            contract: VERSION,
            operation,
            deadline,
            place: None,
            run: None,
            facet: None,
            to: None,
            fencing: None,
            tags: BTreeMap::new(),
            input: Json::Null,
        }
    }

    /// The call in the words of an error, such as `apply of "nightly"`.
    #[must_use]
    pub fn words(&self) -> String {
        let of = self.facet.as_deref().map_or_else(String::new, |facet| format!(" of {}", quoted(facet)));
        format!("`{}`{of}", self.operation.as_str())
    }
}

/// In whole seconds, such as `2026-11-30T21:00:00Z`, which every language reads.
fn in_seconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

/// The JSON Schema of each part of the contract, by the name of its file.
#[must_use]
pub fn schemas() -> [(&'static str, Schema); 5] {
    [
        ("call", schemars::schema_for!(Call)),
        ("places", schemars::schema_for!(PlacesAnswer)),
        ("plan", schemars::schema_for!(PlanAnswer)),
        ("observe", schemars::schema_for!(ObserveAnswer)),
        ("change", schemars::schema_for!(ChangeAnswer)),
    ]
}
