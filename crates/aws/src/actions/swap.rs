//! A swap of managed policies: detaches some from a principal and attaches others. Each attachment is a facet. Two actions are
//! made of it, which differ in the principals that they name.

use std::collections::BTreeSet;

use guardrails_model::action::Action;
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::principal::Principal;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::declared::{About, ActionType, Declared, alike};
use crate::grants::Grant;
use crate::iam::attaching::{Attaching, wanted};
use crate::iam::attachments::Desired;
use crate::iam::drift::Drift;
use crate::iam::{grants, swap};

/// The parameters of a swap, with the principal as one of the two actions names it.
pub trait Whose: DeserializeOwned + Serialize + JsonSchema + Send + Sync + 'static {
    /// The action.
    const ABOUT: About;

    /// The principal.
    ///
    /// # Errors
    /// When there is none, or IAM gives no such names; in words for people.
    fn principal(&self) -> Result<Principal, String>;

    /// The policies to detach, and those to attach.
    fn policies(&self) -> (&[String], &[String]);

    /// The answer to somebody who undoes it.
    fn drift(&self) -> Drift;

    /// The same with these instead.
    #[must_use]
    fn with_policies(self, detach: Vec<String>, attach: Vec<String>) -> Self;
}

/// A swap of managed policies.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent, bound = "W: Whose")]
pub struct Swap<W>(W);

impl<W: Whose> ActionType for Swap<W> {
    const ABOUT: About = W::ABOUT;

    /// Policies by their ARNs.
    fn checked(self) -> Result<Self, String> {
        let (detach, attach) = self.0.policies();
        let (detach, attach) = swap::checked(&self.0.principal()?, detach, attach)?;
        Ok(Self(self.0.with_policies(detach, attach)))
    }
}

impl<W: Whose> Swap<W> {
    fn wanted(&self) -> Vec<Desired> {
        let (detach, attach) = self.0.policies();
        self.0.principal().map(|principal| swap::desired(&principal, detach, attach)).unwrap_or_default()
    }
}

impl<W: Whose> Declared for Swap<W> {
    fn make(&self, context: &Context<'_>) -> Box<dyn Action> {
        Box::new(Attaching::new(Ok(self.wanted()), BTreeSet::new(), context).on_drift(self.0.drift()))
    }

    fn grants(&self, all: &[&dyn Declared]) -> Vec<Grant> {
        let desired: Vec<Desired> = alike::<Self>(all).into_iter().flat_map(Self::wanted).collect();
        grants::of(&desired, BTreeSet::new())
    }

    fn desired(&self) -> Vec<(FacetId, Value)> {
        wanted(self.wanted())
    }

    fn restricts(&self) -> Vec<Principal> {
        self.0.principal().into_iter().collect()
    }
}
