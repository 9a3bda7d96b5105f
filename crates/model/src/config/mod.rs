//! What a guardrail is: a budget, a scope and stages. These types are what the ledger keeps and what decisions are
//! made from; [`file`] reads them from `guardrails.yaml`.

mod approval;
pub mod file;
mod verify;
mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use approval::{ApprovalRule, Otherwise, Plausibility, WhenUnreachable};
pub use verify::{Demand, Rule};
pub use words::{Amount, BadWord, Duration, Percent, Period, StageAt};

use crate::ids::{ActionName, GuardrailName};
use crate::pace::Pace;

/// The deployed guardrails and who must never be restricted by them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// ARNs of those who run the guardrails. No guardrail may restrict them, or the way back would be gone.
    pub operators: Vec<String>,
    /// How fast the account's services are asked.
    pub pace: Pace,
    /// How often AWS Budgets is compared with the ledger.
    #[serde(default)]
    pub reconcile: Reconcile,
    /// The guardrails, by name.
    pub guardrails: BTreeMap<GuardrailName, Guardrail>,
}

/// A budget and what happens at its thresholds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guardrail {
    /// Its name, which is also the AWS budget's.
    pub name: GuardrailName,
    /// What is budgeted.
    pub budget: Budget,
    /// The stages, in the order of the file.
    pub stages: Vec<Stage>,
    /// Which alerts are believed.
    #[serde(default)]
    pub plausibility: Plausibility,
    /// What happens to what is held at the end of the budget's period.
    #[serde(default, skip_serializing_if = "Release::is_usual")]
    pub release: Release,
}

impl Guardrail {
    /// One with the usual answers to what is not said.
    #[must_use]
    pub fn new(name: GuardrailName, budget: Budget, stages: Vec<Stage>) -> Self {
        Self { name, budget, stages, plausibility: Plausibility::default(), release: Release::default() }
    }
}

/// What happens to what is held at the end of the budget's period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// It is put back, as soon as the spend of the new period is known and below the stage's threshold.
    #[default]
    NewPeriod,
    /// It stays until a person puts it back.
    Manual,
}

impl Release {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_usual(&self) -> bool {
        *self == Self::NewPeriod
    }
}

/// How AWS Budgets is compared with the ledger: an alert may be lost, and a period ends without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// How often: whole minutes, from `5m` to `1d`.
    pub every: Duration,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self { every: Duration::from_secs(3600) }
    }
}

impl Reconcile {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    /// When it is no interval that the scheduler takes.
    pub fn check(&self) -> Result<(), String> {
        let seconds = self.every.seconds();
        if seconds % 60 == 0 && (300..=86_400).contains(&seconds) {
            return Ok(());
        }
        Err(format!("`every: {}` is not an interval of the reconciler: expected whole minutes, from `5m` to `1d`", self.every))
    }
}

/// The budget that AWS watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The amount a period, such as `100 USD`.
    pub amount: Amount,
    /// How often the budget begins anew.
    pub period: Period,
    /// AWS services that count, by their names in Cost Explorer, such as `Amazon Elastic Compute Cloud - Compute`.
    /// All services when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<String>,
    /// The cost allocation tag that counts: one key, and one value or several. It must be activated in the billing
    /// console; untagged cost is not watched.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tag: Tags,
}

/// A threshold and what is done there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Where, such as `100% actual`.
    pub at: StageAt,
    /// Groups of actions, one group after another; the actions of a group side by side. Empty when the stage only
    /// notifies.
    pub groups: Vec<Vec<ActionSpec>>,
    /// How a person is asked before anything is changed, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRule>,
    /// Whom it takes rights from, and what follows when they can still launch; nothing when it restricts nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Rule>,
    /// The outcome when a target in scope is left alone, or could not be planned.
    #[serde(default, skip_serializing_if = "crate::omit::is_default")]
    pub left_alone: Demand,
    /// An action of it cannot be undone in full, so it needs a figure that is less unusual.
    #[serde(default, skip_serializing_if = "crate::omit::is_default")]
    pub lossy: bool,
}

impl Stage {
    /// One that asks nobody.
    #[must_use]
    pub fn new(at: StageAt, groups: Vec<Vec<ActionSpec>>) -> Self {
        Self { at, groups, approval: None, verify: None, left_alone: Demand::Report, lossy: false }
    }
}

/// An action as a stage asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionSpec {
    /// The action's stable name.
    pub name: ActionName,
    /// Its parameters, checked by the action's own type.
    pub params: serde_json::Value,
}

impl Guardrail {
    /// The stage at `at`.
    #[must_use]
    pub fn stage(&self, at: StageAt) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.at == at)
    }
}

impl Stage {
    /// Does it do more than notify?
    #[must_use]
    pub fn changes_something(&self) -> bool {
        self.groups.iter().any(|group| !group.is_empty())
    }
}

/// Tags to select by: every key must match, with one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, TagValues>);

/// One value of a tag, or any of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    /// Which of them something does not carry, whose values `value_of` knows: for people, such as `Project=Beta, Stage=dev (or
    /// test)`. Nothing when it carries all of them.
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

    /// What is wrong with these tags, if anything.
    ///
    /// # Errors
    /// When a key has no value, or a key or value is empty, too long or reserved by AWS.
    pub fn check(&self) -> Result<(), String> {
        for (key, values) in self.iter() {
            if key.is_empty() || key.chars().count() > 128 || key.to_ascii_lowercase().starts_with("aws:") {
                return Err(format!("`{key}` is no tag key of yours: expected 1 to 128 characters, not beginning with `aws:`"));
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
}

impl<const N: usize> From<[(&str, &str); N]> for Tags {
    fn from(tags: [(&str, &str); N]) -> Self {
        Self(tags.into_iter().map(|(key, value)| (key.to_owned(), TagValues::One(value.to_owned()))).collect())
    }
}
