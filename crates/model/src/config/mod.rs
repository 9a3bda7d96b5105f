//! A guardrail: a budget, a scope and stages. The ledger keeps these types, and decisions are made from them; [`file`] reads them
//! from `guardrails.yaml`.

mod approval;
mod budget;
pub mod file;
mod period;
pub mod regions;
pub mod scopes;
mod services;
mod tags;
mod verify;
mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use approval::{ApprovalRule, Meanwhile, Otherwise, Plausibility, WhenUnreachable};
pub use budget::{Budget, Costs, Counts};
pub use period::{Period, day};
pub use tags::Tags;
pub use verify::{Demand, Rule};
pub use words::{Amount, BadWord, Duration, Percent, StageAt};

use crate::ids::{ActionName, BudgetName, GuardrailName};
use crate::pace::Pace;
use crate::prices::PriceList;

/// The deployed guardrails, and the operators, whom they must never restrict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    /// ARNs of those who run the guardrails. No guardrail may restrict them, or the way back would be gone.
    pub operators: Vec<String>,
    /// How fast the account's services are asked.
    pub pace: Pace,
    /// How often AWS Budgets is compared with the ledger.
    #[serde(default)]
    pub reconcile: Reconcile,
    /// The file with the price list, as guardrails.yaml names it. A relative path is from the folder of guardrails.yaml.
    #[serde(default, rename = "price-file", skip_serializing_if = "Option::is_none")]
    pub price_file: Option<String>,
    /// The price list itself, once it was read. The deployed one stands in the ledger beside the guardrails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<PriceList>,
    /// The guardrails, by name.
    pub guardrails: BTreeMap<GuardrailName, Guardrail>,
}

/// A budget and the stages at its thresholds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Guardrail {
    /// Its name, which is also the AWS budget's, unless it adopted one.
    pub name: GuardrailName,
    /// The budget that is watched.
    pub budget: Budget,
    /// The stages, in the order of the file.
    pub stages: Vec<Stage>,
    /// The bounds within which alerts are believed.
    #[serde(default)]
    pub plausibility: Plausibility,
    /// The end of the budget's period, for changes that are held.
    #[serde(default, skip_serializing_if = "Release::is_usual")]
    pub release: Release,
}

impl Guardrail {
    /// A guardrail with the defaults for all other settings.
    #[must_use]
    pub fn new(name: GuardrailName, budget: Budget, stages: Vec<Stage>) -> Self {
        Self { name, budget, stages, plausibility: Plausibility::default(), release: Release::default() }
    }
}

/// The end of the budget's period, for changes that are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// They are rolled back, as soon as the spend of the new period is known and below the stage's threshold.
    #[default]
    NewPeriod,
    /// They stay until a person rolls them back.
    Manual,
}

impl Release {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_usual(&self) -> bool {
        *self == Self::NewPeriod
    }
}

/// The comparison of AWS Budgets with the ledger: an alert may be lost, and a period ends without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// The interval of the rounds: whole minutes, from `5m` to `1d`.
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

/// A threshold and its actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// Where, such as `100% actual`.
    pub at: StageAt,
    /// Waves of actions, one wave after another; the actions of a wave side by side. Empty when the stage only
    /// notifies.
    #[serde(rename = "groups")]
    pub waves: Vec<Vec<ActionSpec>>,
    /// How a person is asked before anything is changed, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRule>,
    /// The principals it takes rights from, and the outcome when they can still launch; nothing when it restricts nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Rule>,
    /// The actions that are carried out while a person is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meanwhile: Vec<ActionName>,
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
    pub fn new(at: StageAt, waves: Vec<Vec<ActionSpec>>) -> Self {
        Self { at, waves, approval: None, verify: None, meanwhile: Vec::new(), left_alone: Demand::Report, lossy: false }
    }
}

/// An action as a stage asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    /// The name of its budget in AWS Budgets: its own, or that of the budget which it adopted.
    #[must_use]
    pub fn budget_name(&self) -> &str {
        self.budget.adopt.as_ref().map_or(self.name.as_str(), BudgetName::as_str)
    }
}

impl Stage {
    /// Does it do more than notify?
    #[must_use]
    pub fn changes_something(&self) -> bool {
        self.waves.iter().any(|wave| !wave.is_empty())
    }
}
