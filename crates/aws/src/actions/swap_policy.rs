//! `swap-policy`: what `swap-group-policy` does for a group, for one user or one role. A swap on a role holds for the sessions
//! that were assumed before, too.

use std::collections::BTreeSet;

use guardrails_model::ids::{FacetId, Value};
use guardrails_model::principal::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ActionType, Context};
use crate::grants::Grant;
use crate::iam::attaching::{Attaching, wanted};
use crate::iam::attachments::Wish;
use crate::iam::{grants, names, swap};

/// Swaps the managed policies of an IAM user or an IAM role.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "Raw")]
#[schemars(with = "Raw")]
pub struct Params {
    #[serde(flatten)]
    of: Principal,
    detach: Vec<String>,
    attach: Vec<String>,
}

/// Swaps the managed policies of an IAM user or an IAM role: name one of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SwapPolicy")]
struct Raw {
    /// The user's name.
    user: Option<String>,
    /// The role's name.
    role: Option<String>,
    /// Policies to detach: names of AWS managed policies, or ARNs.
    #[serde(default)]
    detach: Vec<String>,
    /// Policies to attach: names of AWS managed policies, or ARNs.
    #[serde(default)]
    attach: Vec<String>,
}

impl TryFrom<Raw> for Params {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let of = match (&raw.user, &raw.role) {
            (Some(user), None) => names::principal(Principal::User, user)?,
            (None, Some(role)) => names::principal(Principal::Role, role)?,
            _ => return Err("expected one of `user` and `role`; for a group there is `swap-group-policy`".to_owned()),
        };
        let (detach, attach) = swap::checked(&of, &raw.detach, &raw.attach)?;
        Ok(Self { of, detach, attach })
    }
}

impl Params {
    fn wishes(&self) -> Vec<Wish> {
        swap::wishes(&self.of, &self.detach, &self.attach)
    }
}

/// The action.
pub type SwapPolicy = Attaching<Params>;

impl ActionType for SwapPolicy {
    const NAME: &'static str = "swap-policy";
    const CHANGES: &'static str = "detaches managed policies from an IAM user or role and attaches others";
    const PUTS_BACK: &'static str = "each attachment as it was";
    type Params = Params;

    fn wishes(params: &Params) -> Vec<(FacetId, Value)> {
        wanted(params.wishes())
    }

    fn restricts(params: &Params) -> Vec<Principal> {
        vec![params.of.clone()]
    }

    fn grants(all: &[Params]) -> Vec<Grant> {
        grants::of(&all.iter().flat_map(Params::wishes).collect::<Vec<_>>(), BTreeSet::new())
    }

    fn new(params: Params, context: &Context<'_>) -> Self {
        Attaching::new(Ok(params.wishes()), BTreeSet::new(), context)
    }
}
