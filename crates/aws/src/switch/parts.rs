//! The parts of an action: one [`Switch`] or several, which share the stage's parameters. The resources of one unit are turned part by
//! part: forward in the order of the parts, and back in the reverse order.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError};
use guardrails_model::ids::FacetId;
use guardrails_model::record::Direction;

use super::acting::Acting;
use super::declaring::grants_of;
use super::params::Scope;
use super::{OptIn, Options, Switch};
use crate::context::Context;
use crate::declared::{About, Counted, Noun};
use crate::grants::Grant;

/// An action of several parts. A [`Switch`] with a name is one by itself.
pub trait Switches: Send + Sync + Sized + 'static {
    /// The action. Its kinds of facet are its parts'.
    const ABOUT: About;
    /// One of the resources, whichever part they are of.
    const NOUN: Noun;
    /// The word by which a stage agrees, where a change ends something for good.
    const OPT_IN: Option<OptIn> = None;
    /// Further keys in guardrails.yaml.
    type Options: Options;
    /// The parts, in their order within a unit: `(Scaling, Count)`.
    type Parts: Parts<Self::Options>;
}

impl<S: Switch> Switches for S {
    const ABOUT: About = {
        assert!(!S::ABOUT.name.is_empty(), "a switch that is an action by itself says its ABOUT");
        S::ABOUT
    };
    const NOUN: Noun = S::TARGET.noun;
    const OPT_IN: Option<OptIn> = S::OPT_IN;
    type Options = S::Options;
    type Parts = (S,);
}

/// Parts with the same options: a tuple of up to four.
pub trait Parts<O>: 'static {
    /// Their kinds of facet.
    const COUNTS: &'static [Counted];

    /// All of them, ready to work.
    fn make(scope: &Scope, options: &O, context: &Context<'_>) -> Vec<Box<dyn Part>>;

    /// Their rights, by the scopes of all stages.
    fn grants(scopes: &[&Scope]) -> Vec<Grant>;
}

/// One part at work. Of an action it answers for its own kind of facet; orders within a unit are not its business.
#[async_trait]
pub trait Part: Action {
    /// The first part of its facets' ids.
    fn kind(&self) -> &'static str;

    /// Is a resource that is left alone a reason to leave alone the rest of its unit?
    fn takes_along(&self) -> bool;

    /// Its place within a unit on the way back, where that is not the reverse of the way there.
    fn back(&self) -> Option<u8>;

    /// A plan of all parts begins, or ends.
    fn planning(&self, begins: bool);

    /// Those of these units whose resource of this part is left alone now, each with the reason.
    async fn left_alone(&self, units: &BTreeSet<String>) -> Result<BTreeMap<String, String>, ActionError>;

    /// The reason why the next part waits, after these facets were turned.
    async fn waits(&self, turned: &[FacetId], direction: Direction) -> Result<Option<String>, ActionError>;
}

macro_rules! parts {
    ($($part:ident),+) => {
        impl<O: Options, $($part: Switch<Options = O>),+> Parts<O> for ($($part,)+) {
            const COUNTS: &'static [Counted] = &[$($part::TARGET),+];

            fn make(scope: &Scope, options: &O, context: &Context<'_>) -> Vec<Box<dyn Part>> {
                vec![$(Box::new(Acting::<$part>::new(scope, options, context)) as Box<dyn Part>),+]
            }

            fn grants(scopes: &[&Scope]) -> Vec<Grant> {
                let several = Self::COUNTS.len() > 1;
                [$(grants_of::<$part>(scopes, several)),+].concat()
            }
        }
    };
}

parts!(A);
parts!(A, B);
parts!(A, B, C);
parts!(A, B, C, D);
