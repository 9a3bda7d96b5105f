//! The part of a run that a person put back, or settled by hand, while the run holds the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Run, Scope};
use crate::ids::{ActionName, FacetId, Place, Selector};

/// The part of a run's scope that a person let go, as far as something may yet come there: the step of a single facet says itself
/// how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartialRollback {
    /// Only facets that begin so; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<Selector>,
    /// Of those, only the facets that these actions find; those of all actions when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionName>,
    /// Of those, only the facets in these places; those in all places when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

impl Run {
    /// A facet that comes to `scope` from now on is left alone, until the stage is armed again.
    pub fn leave_alone(&mut self, scope: Scope<'_>) {
        let piece = PartialRollback::of(scope).filter(|piece| !self.partial_rollbacks.contains(piece));
        self.partial_rollbacks.extend(piece);
    }
}

impl PartialRollback {
    /// The part that `scope` takes in, unless that is all, or nothing more can come there.
    fn of(scope: Scope<'_>) -> Option<Self> {
        let only: Vec<Selector> = scope.only.iter().filter(|selector| selector.means_more()).cloned().collect();
        let is_known = only.is_empty() && !scope.only.is_empty();
        let piece = || Self { only, actions: scope.actions.to_vec(), places: scope.places.to_vec() };
        (!scope.is_whole() && !is_known).then(piece)
    }

    /// Does it take in this facet, where the part of `run` with this index finds it?
    #[must_use]
    pub fn takes_in(&self, run: &Run, part: usize, facet: &FacetId) -> bool {
        Scope { only: &self.only, actions: &self.actions, places: &self.places }.takes_in(run, part, facet)
    }
}
