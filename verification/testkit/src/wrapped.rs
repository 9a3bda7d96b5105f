//! An action in front of another: it does all that the inner one does, but for the methods that it changes.

use std::collections::HashMap;

use async_trait::async_trait;
use guardrails_model::action::{
    Action, ActionError, Allowance, Change, ChangeOutcome, ChangedBy, DriftPolicy, Patience, Planned, Ready, ReadyCheck, Seen,
    Unit,
};
use guardrails_model::ids::{FacetId, Place, Value};
use guardrails_model::record::Direction;
use jiff::Timestamp;

/// The methods of an [`Action`], each of which asks the inner action unless it is written anew.
#[async_trait]
pub trait Wrapper: Send + Sync {
    /// The action behind this one.
    fn inner(&self) -> &dyn Action;

    /// See [`Action::plan`].
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        self.inner().plan().await
    }

    /// See [`Action::observe`].
    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.inner().observe(facets).await
    }

    /// See [`Action::ready`].
    async fn ready(&self, gate: &ReadyCheck) -> Result<Ready, ActionError> {
        self.inner().ready(gate).await
    }

    /// See [`Action::apply`].
    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.inner().apply(changes).await
    }

    /// See [`Action::rollback`].
    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.inner().rollback(changes).await
    }
}

/// A [`Wrapper`] as an action.
#[derive(Debug)]
pub struct Wrapped<W>(pub W);

#[async_trait]
impl<W: Wrapper> Action for Wrapped<W> {
    async fn places(&self) -> Result<Vec<Place>, ActionError> {
        self.0.inner().places().await
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        self.0.plan().await
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.0.observe(facets).await
    }

    async fn ready(&self, gate: &ReadyCheck) -> Result<Ready, ActionError> {
        self.0.ready(gate).await
    }

    fn takes_time(&self, facet: &FacetId) -> bool {
        self.0.inner().takes_time(facet)
    }

    fn drift_policy(&self, facet: &FacetId) -> DriftPolicy {
        self.0.inner().drift_policy(facet)
    }

    fn drifted(&self, facet: &FacetId, since: Timestamp, turns_back: Option<Timestamp>) -> DriftPolicy {
        self.0.inner().drifted(facet, since, turns_back)
    }

    fn keeps(&self, facet: &FacetId, seen: &Value) -> bool {
        self.0.inner().keeps(facet, seen)
    }

    async fn changed_by(&self, facets: &[FacetId]) -> HashMap<FacetId, ChangedBy> {
        self.0.inner().changed_by(facets).await
    }

    async fn changed_by_others(&self, facet: &FacetId, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        self.0.inner().changed_by_others(facet, before, seen).await
    }

    fn is_loss(&self, facet: &FacetId, unit: Option<&Unit>) -> bool {
        self.0.inner().is_loss(facet, unit)
    }

    fn allowance(&self, direction: Direction, changes: usize) -> Allowance {
        self.0.inner().allowance(direction, changes)
    }

    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.0.apply(changes).await
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.0.rollback(changes).await
    }

    fn batch(&self) -> usize {
        self.0.inner().batch()
    }

    fn patience(&self) -> Patience {
        self.0.inner().patience()
    }
}
