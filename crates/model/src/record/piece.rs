//! What a person put back of a run that holds the rest.

use serde::{Deserialize, Serialize};

use super::{RollbackRequest, Run, Scope};
use crate::ids::{ActionName, FacetId, Place, Selector};

/// The part of a run's scope that a rollback asked for, as far as something may yet come there: a single facet's step says
/// itself that it was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Only facets that begin so; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<Selector>,
    /// Of those, only what these actions find; what all do when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionName>,
    /// Of those, only what is in these places; in all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

impl Piece {
    /// What `request` asks for, unless that is all, or nothing more can come there.
    #[must_use]
    pub fn of(request: &RollbackRequest) -> Option<Self> {
        let only: Vec<Selector> = request.only.iter().filter(|selector| selector.means_more()).cloned().collect();
        let is_known = only.is_empty() && !request.only.is_empty();
        let piece = || Self { only, actions: request.actions.clone(), places: request.places.clone() };
        (!request.is_whole() && !is_known).then(piece)
    }

    /// Does it take in this facet, where the part of `run` with this index finds it?
    #[must_use]
    pub fn takes_in(&self, run: &Run, part: usize, facet: &FacetId) -> bool {
        Scope { only: &self.only, actions: &self.actions, places: &self.places }.takes_in(run, part, facet)
    }
}
