//! As little as a run needs, for those who try the product without an account: lamps for an account, a clock that is moved by
//! hand, and a state machine that starts whatever it is asked to. Nothing goes wrong here.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Answer, Change, Patience, Planned, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::runs::{Started, Woken, Workflow, WorkflowError, WorkflowInput};
use jiff::{SignedDuration, Timestamp};

/// Lamps, and what each is.
#[derive(Debug, Default)]
pub struct Lamps(Mutex<BTreeMap<FacetId, Value>>);

impl Lamps {
    /// What every lamp is wanted to be.
    pub const OFF: &str = "off";

    /// These lamps, all of them `is`.
    #[must_use]
    pub fn new(lamps: impl IntoIterator<Item = FacetId>, is: &str) -> Self {
        Self(Mutex::new(lamps.into_iter().map(|lamp| (lamp, Value::new(is))).collect()))
    }

    /// Are all of them `value`?
    #[must_use]
    pub fn are(&self, value: &str) -> bool {
        lock(&self.0).values().all(|is| is.as_str() == value)
    }

    fn turn(&self, changes: &[Change]) -> Vec<Answer> {
        lock(&self.0).extend(changes.iter().map(|change| (change.facet.clone(), change.to.clone())));
        vec![Answer::Accepted; changes.len()]
    }
}

#[async_trait]
impl Action for Lamps {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let lamps = lock(&self.0).clone();
        let off = || Value::new(Self::OFF);
        Ok(lamps.into_iter().map(|(lamp, is)| Planned::new(lamp.clone(), lamp.to_string(), is, off())).collect())
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let lamps = lock(&self.0);
        let seen = |lamp: &FacetId| lamps.get(lamp).map_or(Seen::Gone("there is none".to_owned()), |is| Seen::Is(is.clone()));
        Ok(facets.iter().map(|lamp| (lamp.clone(), seen(lamp))).collect())
    }

    async fn apply(&self, changes: &[Change]) -> Vec<Answer> {
        self.turn(changes)
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<Answer> {
        self.turn(changes)
    }

    fn batch(&self) -> usize {
        1
    }

    fn patience(&self) -> Patience {
        Patience { poll: 5, limit: 600, give_up: 600 }
    }
}

/// A clock that is moved by hand.
#[derive(Debug)]
pub struct Hand(Mutex<Timestamp>);

impl Hand {
    /// It is `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// So many seconds pass.
    pub fn pass(&self, seconds: i64) {
        *lock(&self.0) += SignedDuration::from_secs(seconds);
    }
}

impl Default for Hand {
    fn default() -> Self {
        Self::at(Timestamp::constant(1_795_398_413, 0))
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }
}

/// A state machine that starts whatever it is asked to.
#[derive(Debug)]
pub struct Executions;

#[async_trait]
impl Workflow for Executions {
    async fn start(&self, _: &str, _: &WorkflowInput) -> Result<Started, WorkflowError> {
        Ok(Started::Running)
    }

    async fn is_running(&self, _: &str) -> Result<bool, WorkflowError> {
        Ok(false)
    }

    async fn wake(&self, _: &str) -> Result<Woken, WorkflowError> {
        Ok(Woken::Woken)
    }
}

/// What is behind a lock, whoever died with it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
