//! `swap-group-policy`: detaches managed policies from an IAM group and attaches others, such as full access against
//! read-only. Each attachment is a facet. What it does not close: members' inline policies, other groups, and role sessions.

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

/// Swaps the managed policies of an IAM group.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "Raw")]
#[schemars(with = "Raw")]
pub struct Params {
    group: String,
    detach: Vec<String>,
    attach: Vec<String>,
}

/// Swaps the managed policies of an IAM group.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SwapGroupPolicy")]
struct Raw {
    /// The group's name.
    group: String,
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
        let group = names::principal(Principal::Group, &raw.group)?;
        let (detach, attach) = swap::checked(&group, &raw.detach, &raw.attach)?;
        Ok(Self { group: raw.group, detach, attach })
    }
}

impl Params {
    fn group(&self) -> Principal {
        Principal::Group(self.group.clone())
    }

    fn wishes(&self) -> Vec<Wish> {
        swap::wishes(&self.group(), &self.detach, &self.attach)
    }
}

/// The action.
pub type SwapGroupPolicy = Attaching<Params>;

impl ActionType for SwapGroupPolicy {
    const NAME: &'static str = "swap-group-policy";
    const CHANGES: &'static str = "detaches managed policies from an IAM group and attaches others";
    const PUTS_BACK: &'static str = "each attachment as it was";
    type Params = Params;

    fn wishes(params: &Params) -> Vec<(FacetId, Value)> {
        wanted(params.wishes())
    }

    fn restricts(params: &Params) -> Vec<Principal> {
        vec![params.group()]
    }

    fn grants(all: &[Params]) -> Vec<Grant> {
        grants::of(&all.iter().flat_map(Params::wishes).collect::<Vec<_>>(), BTreeSet::new())
    }

    fn new(params: Params, context: &Context<'_>) -> Self {
        Attaching::new(Ok(params.wishes()), BTreeSet::new(), context)
    }
}
