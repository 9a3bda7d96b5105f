//! `swap-group-policy`: detaches managed policies from an IAM group and attaches others, such as full access against read-only.
//! Each attachment is a facet. These stay open: members' inline policies, other groups, and role sessions.

use guardrails_model::principal::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::swap::{Swap, Whose};
use crate::declared::About;
use crate::iam::drift::Drift;
use crate::iam::names;

/// Swaps the managed policies of an IAM group. At least one policy under `detach` or `attach` is needed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SwapGroupPolicy")]
pub struct OfGroup {
    /// The group's name.
    group: String,
    /// Policies to detach: names of AWS managed policies, or ARNs.
    #[serde(default)]
    detach: Vec<String>,
    /// Policies to attach: names of AWS managed policies, or ARNs.
    #[serde(default)]
    attach: Vec<String>,
    /// The answer when somebody undoes the change while it is held: `report` tells people, `enforce` makes it again at the next round.
    #[serde(default, skip_serializing_if = "Drift::is_report")]
    drift: Drift,
}

/// The action.
pub type SwapGroupPolicy = Swap<OfGroup>;

impl Whose for OfGroup {
    const ABOUT: About = About::new(
        "swap-group-policy",
        "detaches managed policies from an IAM group and attaches others",
        "each attachment as it was",
    );

    fn principal(&self) -> Result<Principal, String> {
        names::principal(Principal::Group, &self.group)
    }

    fn policies(&self) -> (&[String], &[String]) {
        (&self.detach, &self.attach)
    }

    fn drift(&self) -> Drift {
        self.drift
    }

    fn with_policies(self, detach: Vec<String>, attach: Vec<String>) -> Self {
        Self { detach, attach, ..self }
    }
}
