//! When a person is asked before anything is changed, how long they have, and the bounds of a believed amount.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::words::{Amount, BadWord, Duration, Percent};

/// The longest that a person may be waited for: an execution of the state machine ends a day later.
const LONGEST: i64 = 7 * 86_400;

/// A person is asked before anything is changed, with `guardrails approve` and `guardrails reject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalRule {
    /// The time that people have to answer, up to `7d`.
    pub within: Duration,
    /// The meaning of silence.
    pub otherwise: Otherwise,
    /// By how much the plan after the approval may exceed the approved list. Steps beyond that are asked about again.
    pub beyond: Percent,
}

impl Default for ApprovalRule {
    fn default() -> Self {
        Self { within: Duration::from_secs(86_400), otherwise: Otherwise::Reject, beyond: Percent::ZERO }
    }
}

impl ApprovalRule {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    /// When it waits for too long; in words.
    pub fn check(&self) -> Result<(), String> {
        if self.within.seconds() > LONGEST {
            return Err(format!("`within: {}` is too long: expected at most `7d`", self.within));
        }
        Ok(())
    }
}

/// The restriction that a stage makes while a person is asked: one that is undone at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Meanwhile {
    /// Its actions that deny.
    Deny,
    /// Its actions that swap policies.
    Swap,
}

impl Meanwhile {
    /// As the file has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Swap => "swap",
        }
    }
}

/// The meaning of silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// Nothing is changed.
    Reject,
    /// It is enforced.
    Approve,
}

/// How a figure is believed. One that is not waits for a person's approval, also where the stage asks for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Plausibility {
    /// A figure of up to so many times the budget is enforced, if AWS Budgets confirms it: a whole number from 2 on.
    pub factor: u32,
    /// A figure of up to this sum a period is enforced too, if AWS Budgets confirms it. The larger of the two bounds counts. Beyond it
    /// evidence is needed, or a person.
    #[schemars(extend("default" = "10000 USD"))]
    #[serde(skip_serializing_if = "is_usual_sum")]
    pub enforce_up_to: Amount,
    /// When AWS Budgets cannot be asked, an alert within the bound counts alone after so long, if the last figure was believed. With
    /// `never` a person is asked.
    #[schemars(extend("default" = "1h"))]
    #[serde(skip_serializing_if = "WhenUnreachable::is_usual")]
    pub when_unreachable: WhenUnreachable,
    /// How a person is asked about a figure that is not believed. `otherwise` takes only `reject` here. Silence is asked again.
    pub approval: ApprovalRule,
}

impl Default for Plausibility {
    fn default() -> Self {
        Self {
            factor: 10,
            enforce_up_to: Amount::TEN_THOUSAND,
            when_unreachable: WhenUnreachable::default(),
            approval: ApprovalRule::default(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_usual_sum(sum: &Amount) -> bool {
    *sum == Amount::TEN_THOUSAND
}

impl Plausibility {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    /// When a number is out of its range; in words.
    pub fn check(&self) -> Result<(), String> {
        if self.factor < 2 {
            return Err(format!("a factor of {} would believe no alert: expected a whole number from 2 on", self.factor));
        }
        if self.approval.otherwise == Otherwise::Approve {
            return Err(
                "`otherwise: approve` would enforce an alert that is not believed when nobody answers: leave it out".to_owned()
            );
        }
        self.approval.check()
    }
}

/// When an alert counts alone, because AWS Budgets cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WhenUnreachable(Option<Duration>);

impl WhenUnreachable {
    /// After so long; nothing: never.
    #[must_use]
    pub fn after(self) -> Option<Duration> {
        self.0
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for WhenUnreachable {
    fn default() -> Self {
        Self(Some(Duration::from_secs(3600)))
    }
}

impl TryFrom<String> for WhenUnreachable {
    type Error = BadWord;

    fn try_from(given: String) -> Result<Self, BadWord> {
        if given == "never" { Ok(Self(None)) } else { given.parse().map(|after| Self(Some(after))) }
    }
}

impl From<WhenUnreachable> for String {
    fn from(when: WhenUnreachable) -> Self {
        when.0.map_or_else(|| "never".to_owned(), |after| after.to_string())
    }
}

impl JsonSchema for WhenUnreachable {
    fn schema_name() -> Cow<'static, str> {
        "WhenUnreachable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([1-9][0-9]*[smhd]|never)$",
            "description": "A length of time, such as `1h`, or `never`."
        })
    }
}
