//! A plan without a run: the tally of the steps that a part would have. Nothing is written.

use super::{Executor, ExecutorError, Nonce};
use crate::action::{Action, ActionError};
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
}
