//! What an action is: a kind of change with its way back. It reads, and it makes single changes when told to; when to do
//! what, and what to write down first, is [`crate::drive`]'s alone.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::ids::{FacetId, Value};

/// An action with its parameters and its clients, ready to work.
#[async_trait]
pub trait Action: Send + Sync {
    /// The facets in scope, as they are and as they are wanted. Reads only.
    async fn plan(&self) -> Result<Vec<Planned>, ActionError>;

    /// What each of `facets` is now. Reads only. Every one of them is in the answer: one that is not there is
    /// [`Seen::Gone`], and only after the service itself said so.
    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError>;

    /// Makes the changes, or finishes them: never assumes a fresh start. One answer for each.
    async fn apply(&self, changes: &[Change]) -> Vec<Answer>;

    /// Makes the changes back to Before, in whichever order is safest that way round. One answer for each.
    async fn rollback(&self, changes: &[Change]) -> Vec<Answer>;

    /// How many steps may be worked on in one go.
    fn batch(&self) -> usize;

    /// How many seconds to wait between looks at a change that takes its time, and how long to wait in all.
    fn patience(&self) -> Patience;
}

/// How long a change may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Seconds between two looks.
    pub poll: i64,
    /// Seconds until it has failed.
    pub limit: i64,
}

/// A facet in scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub facet: FacetId,
    /// The target as people know it.
    pub label: String,
    /// What it is.
    pub present: Value,
    /// What it shall be.
    pub wanted: Value,
    /// Why it is left alone, if it is.
    pub skip: Option<String>,
}

/// What a facet was seen to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// This.
    Is(Value),
    /// On its way to this.
    Moving(Value),
    /// There is no such target any more, for the reason given.
    Gone(String),
}

/// One change to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of which facet.
    pub facet: FacetId,
    /// To what.
    pub to: Value,
}

/// What came of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The service took it. Whether the world follows is observed, not believed.
    Accepted,
    /// The service refused it for good, for this reason, and did nothing.
    Refused(String),
    /// The service did nothing, and may be asked again.
    Later(String),
    /// The answer was lost: it may have been done, or may yet be.
    Unknown(String),
}

/// Why an action could not plan or observe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// Asking again may help.
    #[error("{0}")]
    Retryable(String),
    /// It must not or cannot be done; asking again does not help.
    #[error("{0}")]
    Refused(String),
}
