//! The keys of `run-function` in guardrails.yaml.

use std::collections::BTreeMap;

use guardrails_model::config::{Duration, Tags};
use guardrails_model::principal::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::actions::deny_actions::Names;
use crate::iam::names;

/// Characters of the input, as JSON. Each run keeps its own copy.
const LONGEST_INPUT: usize = 8 * 1024;
/// How long a change may take that the program accepted, when the stage does not say.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The longest that a stage may say.
const LONGEST_PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// Calls a Lambda function of yours that keeps the contract of docs/run-function.md: it turns its own targets, and turns them back. The
/// function is in the account and the Region of the stack. A published version of it is called, which the plan writes down for the way
/// back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunFunction {
    /// The name of the function.
    pub(super) function: String,
    /// The published version that is called. The newest one, when neither this nor `alias` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub(super) version: Option<u32>,
    /// An alias. The plan writes down the version that it points to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) alias: Option<String>,
    /// Tags that the function is told.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(super) tags: Tags,
    /// Anything else that the function is told. The ledger keeps it as it is written: it may hold no secret.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub(super) input: Json,
    /// The principals that the function takes rights from. Operators are refused, and afterwards IAM is asked about the access that is left.
    #[serde(default, skip_serializing_if = "Restricts::is_empty")]
    pub(super) restricts: Restricts,
    /// Agrees that the function ends something for good, which rollback does not bring back. Without it such facets are left alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) terminates: bool,
    /// For how long a change that the function accepted is waited for: `10m` when left out, `6h` at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) patience: Option<Duration>,
}

/// The principals that a function takes rights from.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RestrictedPrincipals")]
pub(super) struct Restricts {
    /// Groups: a name, or a list of them.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    group: Names,
    /// Users: a name, or a list of them.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    user: Names,
    /// Roles: a name, or a list of them.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    role: Names,
}

impl Restricts {
    fn is_empty(&self) -> bool {
        self.principals().is_empty()
    }

    pub(super) fn principals(&self) -> Vec<Principal> {
        [self.group.of(Principal::Group), self.user.of(Principal::User), self.role.of(Principal::Role)].concat()
    }
}

impl RunFunction {
    /// Names the mistake in the parameters, if there is one.
    pub(super) fn check(&self) -> Result<(), String> {
        let named = |text: &str, longest: usize| {
            (1..=longest).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if !named(&self.function, 64) {
            return Err(format!(
                "`{}` is not the name of a function: 1 to 64 letters, digits, hyphens and underscores. It is in the account and the \
                 Region of the stack, so it needs no ARN",
                self.function
            ));
        }
        if self.version == Some(0) {
            return Err("Lambda counts versions from 1".to_owned());
        }
        if self.version.is_some() && self.alias.is_some() {
            return Err("an alias names a version: leave out `version`, or `alias`".to_owned());
        }
        if let Some(alias) = self.alias.as_deref().filter(|alias| !named(alias, 128) || alias.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(format!("`{alias}` is not the name of an alias. A version that is called by its number is `version: 3`"));
        }
        self.tags.check()?;
        let letters = self.input.to_string().len();
        if letters > LONGEST_INPUT {
            return Err(format!("`input` has {letters} characters, where {LONGEST_INPUT} are allowed"));
        }
        for principal in self.restricts.principals() {
            let of = match principal {
                Principal::Group(_) => Principal::Group,
                Principal::User(_) => Principal::User,
                Principal::Role(_) => Principal::Role,
            };
            names::principal(of, principal.name())?;
        }
        match self.patience.filter(|patience| *patience > LONGEST_PATIENCE) {
            Some(patience) => Err(format!("`patience` is {patience}, where {LONGEST_PATIENCE} is the longest")),
            None => Ok(()),
        }
    }

    /// Seconds for which an accepted change is waited for.
    pub(super) fn patience(&self) -> i64 {
        self.patience.unwrap_or(PATIENCE).seconds()
    }

    /// The tags as a call has them.
    pub(super) fn told_tags(&self) -> BTreeMap<String, Vec<String>> {
        let each = |(key, values): (&str, Vec<&str>)| (key.to_owned(), values.into_iter().map(str::to_owned).collect());
        self.tags.iter().map(each).collect()
    }
}
