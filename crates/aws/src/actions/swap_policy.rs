//! `swap-policy`: like `swap-group-policy`, for one user or one role. A swap on a role holds for the sessions
//! that were assumed before, too.

use guardrails_model::principal::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::swap::{Swap, Whose};
use crate::declared::About;
use crate::iam::drift::Drift;
use crate::iam::names;

/// Swaps the managed policies of an IAM user or an IAM role. Exactly one of `user` and `role` is needed, and at least one policy under
/// `detach` or `attach`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SwapPolicy")]
pub struct OfUserOrRole {
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The role's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
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
pub type SwapPolicy = Swap<OfUserOrRole>;

impl Whose for OfUserOrRole {
    const ABOUT: About = About::new(
        "swap-policy",
        "detaches managed policies from an IAM user or role and attaches others",
        "each attachment as it was",
    );

    fn principal(&self) -> Result<Principal, String> {
        match (&self.user, &self.role) {
            (Some(user), None) => names::principal(Principal::User, user),
            (None, Some(role)) => names::principal(Principal::Role, role),
            _ => Err("expected one of `user` and `role`; for a group there is `swap-group-policy`".to_owned()),
        }
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
