//! How much of a run a person asks for: which of its steps they speak of, and the way in which these shall end.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Part, Run, Step};
use crate::ids::{ActionName, FacetId, Place, Selector};
use crate::omit::is_default;

/// The request for a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackRequest {
    /// The ARN of the person.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub why: String,
    /// Only these facets; all when empty.
    #[serde(default)]
    pub only: Vec<Selector>,
    /// Of those, only the facets that these actions changed; those of all actions when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionName>,
    /// Of those, only the facets in these places; those in all places when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// Put back also the facets that a person changed meanwhile.
    #[serde(default)]
    pub force: bool,
    /// The stage is not let go: the next alert of its period is enforced.
    #[serde(default, skip_serializing_if = "is_default")]
    pub armed: bool,
}

impl RollbackRequest {
    /// For all that a run holds, except the facets that a person changed meanwhile.
    #[must_use]
    pub fn whole(by: impl Into<String>, at: Timestamp, why: impl Into<String>) -> Self {
        let (by, why) = (by.into(), why.into());
        Self { by, at, why, only: Vec::new(), actions: Vec::new(), places: Vec::new(), force: false, armed: false }
    }

    /// Does it ask for this step of `run`?
    #[must_use]
    pub fn covers(&self, run: &Run, step: &Step) -> bool {
        self.scope().covers(run, step)
    }

    /// The steps that it asks for.
    #[must_use]
    pub fn scope(&self) -> Scope<'_> {
        Scope { only: &self.only, actions: &self.actions, places: &self.places }
    }

    /// Does it ask for all that the run holds?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.scope().is_whole()
    }
}

/// The steps of a run that somebody speaks of: those that are in each of these.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Facets; all when empty.
    pub only: &'a [Selector],
    /// Actions; all when empty.
    pub actions: &'a [ActionName],
    /// Places; all when empty.
    pub places: &'a [Place],
}

impl Scope<'_> {
    /// Does it take in all there is?
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.only.is_empty() && self.actions.is_empty() && self.places.is_empty()
    }

    /// Does it take in this step of `run`?
    #[must_use]
    pub fn covers(self, run: &Run, step: &Step) -> bool {
        self.takes_in(run, step.part, &step.facet)
    }

    /// Does it take in this facet, where the part of `run` with this index finds it?
    #[must_use]
    pub fn takes_in(self, run: &Run, part: usize, facet: &FacetId) -> bool {
        let part = run.parts.get(part);
        let of_action = |part: &Part| self.actions.contains(&part.action);
        let in_place = |part: &Part| part.place.as_ref().is_some_and(|place| self.places.contains(place));
        (self.only.is_empty() || self.only.iter().any(|selector| selector.means(facet)))
            && (self.actions.is_empty() || part.is_some_and(of_action))
            && (self.places.is_empty() || part.is_some_and(in_place))
    }
}
