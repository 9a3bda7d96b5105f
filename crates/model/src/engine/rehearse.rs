//! A plan without a run: the tally of the steps that a part would have. Nothing is written.

use super::{Executor, ExecutorError, Nonce};
use crate::action::{Action, ActionError};
use crate::census::OfKind;
use crate::ids::Place;
use crate::record::{Run, Tally};

impl Executor<'_> {
    /// The tally of a plan of a part of `draft`, made now in the place of `action`.
    pub async fn rehearse(&self, draft: &Run, part: usize, action: &dyn Action) -> Tally {
        match self.steps(draft, part, &Nonce::fresh(), action).await {
            Ok(steps) => Tally::of(&steps),
            Err(ExecutorError::Action { source: ActionError::OutOfBounds(_), .. }) => Tally { closed: 1, ..Tally::default() },
            Err(ExecutorError::Action { source: ActionError::Refused(why), action, .. }) => {
                Tally::refused(&format!("{action}: {why}"))
            }
            Err(error) => Tally::untried(&crate::reconcile::chain(&error)),
        }
    }

    /// The resources of a part of `draft` that run and have a kind, by a plan made now in the place of `action`.
    ///
    /// # Errors
    /// When nothing could be planned; in words. A place where nobody may work has no resources.
    pub async fn running(
        &self,
        draft: &Run,
        part: usize,
        place: Option<&Place>,
        action: &dyn Action,
    ) -> Result<Vec<OfKind>, String> {
        match self.steps(draft, part, &Nonce::fresh(), action).await {
            Ok(steps) => Ok(OfKind::of(&steps, place)),
            Err(ExecutorError::Action { source: ActionError::OutOfBounds(_), .. }) => Ok(Vec::new()),
            Err(error) => Err(crate::reconcile::chain(&error)),
        }
    }
}
