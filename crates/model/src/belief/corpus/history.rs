//! The corpus as it is written down.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};

use crate::config::{Amount, Budget, Guardrail, Period, Plausibility, Stage, StageAt};

/// One history.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) is: Label,
    pub(super) wanted: Outcome,
    pub(super) before: Outcome,
    budget: Amount,
    #[serde(default = "monthly")]
    period: Period,
    #[serde(default = "whole")]
    pub(super) at: StageAt,
    #[serde(default)]
    plausibility: Plausibility,
    pub(super) events: Vec<Event>,
}

/// The label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Label {
    TrueBreach,
    FalseFigure,
    CannotBeTold,
}

/// How the stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Enforced,
    Asked,
    Reported,
    Quiet,
}

/// Something that happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) on: Timestamp,
    #[serde(default, deserialize_with = "dollars")]
    pub(super) shows: Option<Decimal>,
    #[serde(default, deserialize_with = "dollars")]
    pub(super) expects: Option<Decimal>,
    #[serde(default, deserialize_with = "dollars")]
    pub(super) alert: Option<Decimal>,
    pub(super) dated: Option<Date>,
    #[serde(default, deserialize_with = "dollars")]
    pub(super) budgeted: Option<Decimal>,
    #[serde(default, deserialize_with = "dollars")]
    pub(super) limit: Option<Decimal>,
    pub(super) lamp: Option<Lamp>,
    pub(super) budgets: Option<Budgets>,
    #[serde(default, deserialize_with = "dollars")]
    pub(super) runs: Option<Decimal>,
    pub(super) says: Option<Says>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Lamp {
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Budgets {
    There,
    Gone,
    Unreachable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Says {
    Yes,
    No,
    NoForThePeriod,
    Nothing,
}

impl Event {
    /// Nothing but time.
    pub(super) fn at(on: Timestamp) -> Self {
        let (shows, expects, alert, dated, budgeted) = (None, None, None, None, None);
        let (limit, lamp, budgets, runs, says) = (None, None, None, None, None);
        Self { on, shows, expects, alert, dated, budgeted, limit, lamp, budgets, runs, says }
    }
}

impl History {
    /// One that nobody reported.
    pub(super) fn made(is: Label, wanted: Outcome, budget: Amount, events: Vec<Event>) -> Self {
        let (name, source) = ("made".to_owned(), "made".to_owned());
        let (period, at, plausibility) = (monthly(), whole(), Plausibility::default());
        Self { name, source, is, wanted, before: wanted, budget, period, at, plausibility, events }
    }

    pub(super) fn guardrail(&self) -> Guardrail {
        let budget = Budget::new(self.budget, self.period);
        let spec = crate::config::ActionSpec { name: "toy".parse().unwrap(), params: serde_json::json!({}) };
        let stages = vec![Stage::new(self.at, vec![vec![spec]])];
        Guardrail { plausibility: self.plausibility, ..Guardrail::new("beta".parse().unwrap(), budget, stages) }
    }
}

fn monthly() -> Period {
    Period::Monthly
}

fn whole() -> StageAt {
    "100% actual".parse().unwrap()
}

/// From the digits as they are written.
fn dollars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// All of them.
pub(super) fn all() -> Vec<History> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/histories");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let read = |file: &std::path::PathBuf| -> Vec<History> {
        let text = fs::read_to_string(file).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    files.iter().flat_map(read).collect()
}
