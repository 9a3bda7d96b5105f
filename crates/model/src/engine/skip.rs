//! Steps that need no change: they were as wanted before, or another run has just made them so.

use std::collections::HashMap;

use super::end::End;
use super::{AFTER_CONFLICT, Executor, ExecutorError, sooner};
use crate::ids::FacetId;
use crate::ledger::{Move, News, Versioned};
use crate::phase::Phase;
use crate::record::{Facet, Run, Step};

impl Executor<'_> {
    /// Leaves alone the steps that were seen to need no change. Between the read of `facets` and the look another run may have
    /// taken its hold and made the change. Then the facet needs us as a holder, or it comes back while we count on it. So the
    /// books are read again after the look: where they moved, the step is looked at again.
    pub(super) async fn leave_alone(
        &self,
        run: &Run,
        steps: Vec<(&Versioned<Step>, News)>,
        facets: &HashMap<FacetId, Versioned<Facet>>,
        end: &mut End,
    ) -> Result<Vec<Move>, ExecutorError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<FacetId> = steps.iter().map(|(step, _)| step.value.facet.clone()).collect();
        let after = self.ledger.facets(&ids).await?;
        let mut alone = Vec::with_capacity(steps.len());
        for (step, news) in steps {
            let facet = facets.get(&step.value.facet);
            if after.get(&step.value.facet).map(|facet| facet.rev) == facet.map(|facet| facet.rev) {
                alone.push(self.let_go(run, step, facet, Phase::Skipped, news)?);
            } else {
                sooner(&mut end.due, AFTER_CONFLICT);
            }
        }
        Ok(alone)
    }
}
