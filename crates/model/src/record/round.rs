//! The findings and the work of a round, as the ledger keeps the last one. The operator of a deployment sees by it whether the
//! reconciler lives.

use std::fmt::{Display, Write as _};

use jiff::Timestamp;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::ids::{GuardrailName, RunId};

/// One round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Round {
    /// [`crate::record::FORMAT`].
    pub format: u32,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// The actor: a function and its request id.
    pub by: String,
    /// When the last round ended in which nothing went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean: Option<Timestamp>,
    /// Its findings, guardrail by guardrail.
    pub guardrails: Vec<Found>,
}

/// The findings of a round for one guardrail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The guardrail.
    pub guardrail: GuardrailName,
    /// The period that Budgets' figures are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// The most that is known to be spent in it, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<Decimal>,
    /// The budget, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Decimal>,
    /// The runs that were begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub began: Vec<RunId>,
    /// The measures that were taken.
    #[serde(default)]
    pub did: Vec<String>,
    /// The measures that were not taken, and why.
    #[serde(default)]
    pub said: Vec<String>,
    /// The errors.
    #[serde(default)]
    pub troubles: Vec<String>,
}

impl Found {
    pub(crate) fn of(guardrail: GuardrailName) -> Self {
        let (began, did, said, troubles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { guardrail, period: None, actual: None, limit: None, began, did, said, troubles }
    }

    /// Something went wrong: there is nothing to go on with.
    pub(crate) fn trouble<T>(&mut self, what: &dyn Display) -> Option<T> {
        self.troubles.push(what.to_string());
        None
    }
}

impl Round {
    /// The errors, each with its guardrail's name.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let of = |found: &Found| found.troubles.iter().map(|what| format!("{}: {what}", found.guardrail)).collect::<Vec<_>>();
        self.guardrails.iter().flat_map(of).collect()
    }

    /// In plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("round of {}, by {}\n", clock::words(self.ended), self.by);
        for found in &self.guardrails {
            let figures = match (found.period.as_ref(), found.actual, found.limit) {
                (Some(period), Some(actual), Some(limit)) => format!("${actual} of ${limit} in {period}"),
                _ => "nothing is known of its spend".to_owned(),
            };
            let _ = writeln!(text, "{}: {figures}", found.guardrail);
            let lines = [("did   ", &found.did), ("note  ", &found.said), ("FAILED", &found.troubles)];
            for (mark, line) in lines.iter().flat_map(|(mark, lines)| lines.iter().map(move |line| (mark, line))) {
                let _ = writeln!(text, "  {mark} {line}");
            }
        }
        text
    }
}
