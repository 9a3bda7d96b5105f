//! The approval of a run: why a person is asked, the list that they were shown, and their answer.

use jiff::Timestamp;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ApprovalRule, Otherwise};
use crate::ids::{ActionName, Nonce};

/// A run that changes nothing before a person said yes to its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Why a person is asked.
    pub why: Vec<String>,
    /// Whether it is the stage that asks.
    #[serde(default)]
    pub because: Because,
    /// The figure that is not believed, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<Decimal>,
    /// How: by the definition when the run began.
    pub rule: ApprovalRule,
    /// The present question, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// The answers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<ApprovalDecision>,
    /// The approved list: the plans of which the steps may be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Listed>,
    /// How many changes were begun beyond the approved list, within the bounds of the rule.
    #[serde(default)]
    pub exceeded: usize,
    /// Parts whose plan counts for good: work on them may have begun. The others are planned again after each approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<usize>,
    /// The actions that are carried out while a person is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meanwhile: Vec<ActionName>,
    /// The marks of steps that a person said yes to after the first list was approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<Nonce>,
    /// The marks of steps that a person said no to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Nonce>,
    /// Of those, the marks of steps that a person wants to be asked about once more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reopened: Vec<Nonce>,
    /// How many changes are asked about next. Set while the run carries out the steps that need no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
    /// The try whose execution carried that out: the question is next, however that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked: Option<u32>,
}

impl Approval {
    /// A person is to be asked, for these reasons.
    #[must_use]
    pub fn needed(why: Vec<String>, because: Because, rule: ApprovalRule) -> Self {
        Self {
            why,
            because,
            figure: None,
            rule,
            question: None,
            decisions: Vec::new(),
            approved: None,
            exceeded: 0,
            settled: Vec::new(),
            meanwhile: Vec::new(),
            granted: Vec::new(),
            refused: Vec::new(),
            reopened: Vec::new(),
            next: None,
            worked: None,
        }
    }

    /// The last that was said.
    #[must_use]
    pub fn decision(&self) -> Option<&ApprovalDecision> {
        self.decisions.last()
    }

    /// Did nobody answer, and no more was asked than whether to believe the alert?
    #[must_use]
    pub fn is_unanswered_doubt(&self) -> bool {
        self.because == Because::Doubt && self.decision().is_some_and(|decision| decision.silence && !decision.approved)
    }

    /// Is silence asked again, for as long as nobody answers? It is where people are asked whether to believe the alert, and said
    /// yes to nothing yet.
    #[must_use]
    pub fn is_asked_until_answered(&self) -> bool {
        self.because == Because::Doubt && self.approved.is_none() && self.rule.otherwise == Otherwise::Reject
    }

    /// Did a person say no, and only to the figure?
    #[must_use]
    pub fn is_discarded_figure(&self) -> bool {
        let no = |decision: &ApprovalDecision| !decision.silence && !decision.approved && !decision.for_the_period;
        self.because == Because::Doubt && self.decision().is_some_and(no)
    }
}

/// The reason why a person is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Because {
    /// The stage does, every time.
    #[default]
    Stage,
    /// Only that the alert is not believed.
    Doubt,
    /// Both.
    Both,
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// When it was first asked.
    pub at: Timestamp,
    /// Until when they may answer.
    pub until: Timestamp,
    /// Why it is asked again, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// The changes that would be made.
    pub list: Listed,
    /// The marks of the steps that are asked about, where other steps of their plans are carried out already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Nonce>,
    /// How often nobody answered in time.
    #[serde(default, skip_serializing_if = "crate::omit::is_default")]
    pub unanswered: u32,
    /// When people were told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
    /// The token that wakes the waiting execution. It does no more than that: the decision is read from this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// The changes that are planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    /// How many.
    pub changes: usize,
    /// SHA-256 of their facets and wanted values: an approval is for this.
    pub digest: String,
    /// The plans that they stand in.
    pub parts: Vec<ListedPart>,
}

/// The changes of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedPart {
    /// Its index.
    pub part: usize,
    /// The mark of its steps.
    pub token: Nonce,
    /// How many.
    pub changes: usize,
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalDecision {
    /// Yes?
    pub approved: bool,
    /// The ARN of the person; the function that applied the rule when nobody answered.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub why: String,
    /// [`Listed::digest`] of the list that they were shown.
    pub digest: String,
    /// Nobody answered: the rule was applied.
    #[serde(default, skip_serializing_if = "crate::omit::is_default")]
    pub silence: bool,
    /// The no releases the stage for the period, and is not only to the figure.
    #[serde(default, skip_serializing_if = "crate::omit::is_default")]
    pub for_the_period: bool,
}

impl ApprovalDecision {
    /// For people.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} by {}: {}", if self.approved { "approved" } else { "rejected" }, self.by, self.why)
    }
}
