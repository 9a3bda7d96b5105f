//! A plan for programs: the output of `plan --output json`, and of a dry run.

use std::collections::BTreeMap;

use guardrails_model::config::StageAt;
use guardrails_model::decide::Target;
use guardrails_model::ids::{GuardrailName, Place};
use guardrails_model::record::Step;
use guardrails_model::verify::{Counts as People, Left, Person};
use schemars::JsonSchema;
use serde::Serialize;

use super::beyond::Beyond;
use super::goes_on::GoesOn;
use super::launch::{Look, counts};
use super::made::{Made, Outcome, PartMade};
use super::savings::Savings;
use super::words::Counts;
use crate::estimate::Estimate;

/// The plan of a stage.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Shown<'a> {
    guardrail: &'a GuardrailName,
    stage: StageAt,
    /// Warnings before the stage does this.
    warnings: Vec<&'a str>,
    /// Each action, in each place that it works in.
    parts: Vec<PartShown<'a>>,
    /// The actions that could not be planned, with the reasons.
    refused: Vec<String>,
    /// The actions that the account's organisation lets nobody do in a place.
    skipped: Vec<String>,
    /// The reads that failed, each with the reason and the right that it takes.
    unread: Vec<String>,
    /// The actions that nothing is in scope of.
    unmatched: Vec<String>,
    /// How long the run would take. Null when nothing with limits is changed.
    estimate: Option<Estimate>,
    /// Null without a price list.
    savings: Option<&'a Savings>,
    /// Null when the stage restricts nobody.
    who_can_launch: Option<LookShown<'a>>,
    steps: Vec<&'a Step>,
    /// With `--cost-explorer`: the money that goes to services which no action stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) goes_on: Option<GoesOnShown>,
}

/// The plans of several stages.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SurveyShown<'a> {
    pub(super) stack: StackShown<'a>,
    pub(super) plans: Vec<Shown<'a>>,
    /// The resources that carry a budget's tag and that no stage reaches.
    pub(super) beyond: &'a [Beyond],
    /// The faults of the file's operators.
    pub(super) operators: &'a [String],
    /// The reads that failed, beside those of the plans.
    pub(super) unread: &'a [String],
    /// With `--cost-explorer`: for each guardrail, the money that goes to services which no action stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) goes_on: Option<BTreeMap<String, GoesOnShown>>,
}

/// The stack that the plans are of.
#[derive(Serialize, JsonSchema)]
pub(super) struct StackShown<'a> {
    pub(super) name: &'a str,
    /// False: the plans are of its first deployment.
    pub(super) deployed: bool,
}

/// The counts of an action in a place.
#[derive(Serialize, JsonSchema)]
struct PartShown<'a> {
    title: String,
    place: Option<&'a Place>,
    to_change: usize,
    as_wanted: usize,
    left_alone: usize,
    refused: usize,
    unread: usize,
}

/// IAM's answers about the people whom the stage restricts.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum LookShown<'a> {
    /// IAM could not be asked, with the reason.
    NotAsked { not_asked: &'a str },
    /// Each person now, and after the plan, in the same order.
    Asked { now: Vec<&'a Person>, then: Vec<&'a Left>, counts: People, counts_then: People, notes: &'a [String] },
}

/// The services that go on costing money.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum GoesOnShown {
    /// By the costs of the last 30 days.
    Known(GoesOn),
    /// Cost Explorer did not answer, with the reason.
    NotKnown { not_known: String },
}

impl From<Result<GoesOn, String>> for GoesOnShown {
    fn from(found: Result<GoesOn, String>) -> Self {
        found.map_or_else(|not_known| Self::NotKnown { not_known }, Self::Known)
    }
}

impl<'a> From<&'a Look> for LookShown<'a> {
    fn from(look: &'a Look) -> Self {
        match look {
            Look::NotAsked(not_asked) => Self::NotAsked { not_asked },
            Look::Asked(both, notes) => {
                let (before, after) = counts(both);
                let (now, then) = both.iter().map(|(now, then)| (now, then)).unzip();
                Self::Asked { now, then, counts: before, counts_then: after, notes }
            }
        }
    }
}

impl Made {
    pub(super) fn shown<'a>(&'a self, target: &'a Target, savings: Option<&'a Savings>, look: Option<&'a Look>) -> Shown<'a> {
        let titled = |made: &PartMade, why: &str| format!("{}: {why}", made.part.title());
        let refused = self.parts.iter().filter_map(|made| match &made.outcome {
            Outcome::Refused(why) => Some(titled(made, why)),
            _ => None,
        });
        let skipped = self.parts.iter().filter_map(|made| match &made.outcome {
            Outcome::Skipped(why) => Some(titled(made, why)),
            _ => None,
        });
        Shown {
            guardrail: &target.guardrail,
            stage: target.stage,
            warnings: self.warnings(),
            parts: self.parts.iter().map(PartShown::from).collect(),
            refused: refused.collect(),
            skipped: skipped.collect(),
            unread: self.unread(),
            unmatched: self.unmatched(),
            estimate: self.estimate(),
            savings,
            who_can_launch: look.map(LookShown::from),
            steps: self.parts.iter().flat_map(PartMade::steps).collect(),
            goes_on: None,
        }
    }
}

impl<'a> From<&'a PartMade> for PartShown<'a> {
    fn from(made: &'a PartMade) -> Self {
        let counts = Counts::of(made.steps());
        Self {
            title: made.part.title(),
            place: made.part.place.as_ref(),
            to_change: counts.changes.len(),
            as_wanted: counts.as_wanted.len(),
            left_alone: counts.left_alone.len(),
            refused: counts.refused.len(),
            unread: counts.unread.len(),
        }
    }
}
