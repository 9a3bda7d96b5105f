//! An action: a kind of change with its way back. It reads, and it makes single changes when told to. [`crate::engine`] alone
//! decides when a change is made, and which records are written before it.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::direction::Direction;
use crate::ids::{FacetId, Place, RunId, Value};
pub use crate::pace::Allowance;
use crate::phase::Phase;
use crate::receipt::Receipt;
pub use crate::record::{ChangedBy, Due};

/// An action with its parameters and its clients, ready to work.
#[async_trait]
pub trait Action: Send + Sync {
    /// The places that it works in side by side, such as Regions: each gets a part of the run, and an action of its own that
    /// was made for that place. None, when it works everywhere at once. Reads only.
    async fn places(&self) -> Result<Vec<Place>, ActionError> {
        Ok(Vec::new())
    }

    /// The facets in scope, as they are and as they are wanted. Reads only.
    async fn plan(&self) -> Result<Vec<Planned>, ActionError>;

    /// The present state of each of `facets`. Reads only. Every one of them is in the answer: one that is not there is
    /// [`Seen::Gone`], and only after the service itself said so.
    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError>;

    /// The same, where `identities` has the identities of targets that the plan wrote down. A name is no identity: its target may have
    /// been renamed, or deleted and made anew.
    async fn observe_known(
        &self,
        facets: &[FacetId],
        identities: &HashMap<FacetId, String>,
    ) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let _ = identities;
        self.observe(facets).await
    }

    /// The same, with all that the engine knows of the facets. It asks in this way alone.
    async fn observe_for(&self, facets: &[FacetId], known: &Known) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.observe_known(facets, &known.identities).await
    }

    /// Asked between two orders of a unit, when all of the earlier ones are done: may the next begin? Reads only.
    async fn ready(&self, gate: &ReadyCheck) -> Result<Ready, ActionError> {
        let _ = gate;
        Ok(Ready::Go(Vec::new()))
    }

    /// Makes the changes, or finishes them: never assumes a fresh start. One answer for each.
    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome>;

    /// Makes the changes back to Before, in whichever order is safest that way round. One answer for each.
    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome>;

    /// How many steps may be worked on in one go.
    fn batch(&self) -> usize;

    /// How long the work on one batch may take, beyond a few seconds. A change that is begun later than this before the end of an
    /// invocation would outlive its lease.
    fn longest_call(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// How many seconds to wait between looks at a change that takes its time, and how long to wait in all.
    fn patience(&self) -> Patience;

    /// Does a change of `facet` that the service took go on for a while? Then nobody looks for its end at once.
    fn takes_time(&self, facet: &FacetId) -> bool {
        let _ = facet;
        false
    }

    /// The policy for `facet` when it drifts while a run holds it, or comes into scope only then.
    fn drift_policy(&self, facet: &FacetId) -> DriftPolicy {
        let _ = facet;
        DriftPolicy::Report
    }

    /// The same of a facet that has stood as the run wants it since `since`, or was left alone: some services turn things back by themselves after a time.
    /// `turns_back` is that time, where the service said it.
    fn drifted(&self, facet: &FacetId, since: Timestamp, turns_back: Option<Timestamp>) -> DriftPolicy {
        let _ = (since, turns_back);
        self.drift_policy(facet)
    }

    /// Is `facet`, which was seen to be `seen`, held though it needs no change? Its Before is then its value when the run took it.
    fn keeps(&self, facet: &FacetId, seen: &Value) -> bool {
        let _ = (facet, seen);
        false
    }

    /// The value that `facet` gets on the way back, where others changed it while it was held: `seen` is left as it is. None, where
    /// only a person can say. Reads only.
    async fn changed_by_others(&self, facet: &FacetId, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        let _ = (facet, before, seen);
        Ok(None)
    }

    /// The principals that undid the changes of these held facets last, as far as they can be asked for now. Reads only, and fails nothing.
    async fn changed_by(&self, facets: &[FacetId]) -> HashMap<FacetId, ChangedBy> {
        let _ = facets;
        HashMap::new()
    }

    /// Is it a loss when a held `facet`, of a unit or of none, is there no more? Then its step fails, until a person settles it.
    fn is_loss(&self, facet: &FacetId, unit: Option<&Unit>) -> bool {
        let _ = (facet, unit);
        false
    }

    /// Why a step that was planned by the program `own` may not join the hold of a change that was made by `held`, when the one sees the
    /// facet otherwise than the other made it. Both are of [`Planned::program`].
    fn clash(&self, held: &str, own: &str) -> Option<String> {
        let _ = (held, own);
        None
    }

    /// How many of `changes` more changes the service's limits leave room for now.
    fn allowance(&self, direction: Direction, changes: usize) -> Allowance {
        let _ = direction;
        Allowance { changes, again: 0 }
    }
}

/// The policy for a facet that drifts while a run holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftPolicy {
    /// It is somebody's change: people are told of it, and it stays.
    Report,
    /// It is enforced again. A person who wants it otherwise exempts it.
    Reapply,
    /// It is enforced again, and their value is its Before from now on: it is theirs to say, and only waits until the way back.
    Adopt,
}

impl DriftPolicy {
    /// Is it enforced again?
    #[must_use]
    pub fn reapplies(self) -> bool {
        self != Self::Report
    }
}

/// How long a change may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Seconds between two looks.
    pub poll: i64,
    /// Seconds from the service's taking the change until it has failed, and that a unit may take to get ready.
    pub limit: i64,
    /// Seconds for which a change is asked for again that the service has no room for.
    pub give_up: i64,
}

/// A facet in scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The facet.
    pub facet: FacetId,
    /// The target as people know it.
    pub label: String,
    /// Its present value.
    pub present: Value,
    /// Its value after the change.
    pub wanted: Value,
    /// Why it is left alone, if it is.
    pub skip: Option<String>,
    /// Why it cannot be changed, if so: its step fails from the start, and the others go on.
    pub refused: Option<String>,
    /// The unit whose order it keeps, if it has one.
    pub unit: Option<Unit>,
    /// The facet for whose sake it is changed: where that is done with another unit, or by itself, it is left out.
    pub with: Option<FacetId>,
    /// The sort of its target, such as an instance's type. Price lists go by it.
    pub kind: Option<String>,
    /// A note for people, said before the change is made.
    pub note: Option<String>,
    /// Events of the target that fall due by the clock, and do not happen while the change is held.
    pub due: Vec<Due>,
    /// The identity that the service gave its target, where a name may mean another one later.
    pub identity: Option<String>,
    /// A fact by which the target is known again, where its service gives it no identity.
    pub known_by: Option<String>,
    /// The version of the program that planned it, where that is not this one, with all else that a call of it needs. It makes the change
    /// and the way back.
    pub program: Option<String>,
    /// When the service turns it back by itself, where it says so.
    pub turns_back: Option<Timestamp>,
    /// It is left alone because it could not be planned: it is missing, or nobody may or can change it.
    pub unplanned: bool,
    /// It is left alone because people said so, or somebody else is changed in its place.
    pub spared: bool,
}

impl Planned {
    /// A facet that stands for itself.
    #[must_use]
    pub fn new(facet: FacetId, label: impl Into<String>, present: Value, wanted: Value) -> Self {
        Self {
            facet,
            label: label.into(),
            present,
            wanted,
            skip: None,
            refused: None,
            unit: None,
            with: None,
            kind: None,
            note: None,
            due: Vec::new(),
            identity: None,
            known_by: None,
            program: None,
            turns_back: None,
            unplanned: false,
            spared: false,
        }
    }

    /// The same, which could not be planned for this reason.
    #[must_use]
    pub fn without_plan(self, why: String) -> Self {
        Self { skip: Some(why), unplanned: true, ..self }
    }
}

/// The place of a facet among those that are turned in order, such as a group's processes and its members: a lower order is
/// done before a higher one is begun. The two ways have orders of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unit {
    /// The name of the unit.
    pub name: String,
    /// Its order when the stage is applied.
    pub forward: u8,
    /// Its order back.
    pub back: u8,
}

impl Unit {
    /// Its order in `direction`.
    #[must_use]
    pub fn order(&self, direction: Direction) -> u8 {
        match direction {
            Direction::Apply => self.forward,
            Direction::Rollback => self.back,
        }
    }
}

/// The question whether a unit's steps of `order` may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyCheck {
    /// The direction of the run.
    pub direction: Direction,
    /// The unit's name.
    pub unit: String,
    /// The order that is to begin.
    pub order: u8,
    /// Seconds since the last of the earlier steps was done.
    pub waited: i64,
    /// Every step of the unit, and where it stands.
    pub steps: Vec<(FacetId, Phase)>,
    /// The value to put back of each facet that is held. It is empty when a person forces the rollback.
    pub befores: HashMap<FacetId, Value>,
}

/// May a unit's next steps begin?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// Yes; and these belong to the unit, of which those that were not planned become steps too.
    Go(Vec<Planned>),
    /// Not before so many seconds have passed, for this reason.
    In(i64, String),
    /// Not yet, for this reason.
    NotYet(String),
}

/// Facts of the ledger about facets that are observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The run that they are observed for.
    pub run: RunId,
    /// The end of the invocation that asks.
    pub deadline: Timestamp,
    /// The identities of their targets that the plan wrote down.
    pub identities: HashMap<FacetId, String>,
    /// The facts by which their targets are known again, where the plan wrote some down.
    pub known_by: HashMap<FacetId, String>,
    /// The versions of the program that makes their changes, where that is not this one.
    pub programs: HashMap<FacetId, String>,
}

/// The state in which a facet was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// This.
    Is(Value),
    /// This; and it did not stay as it was last made, for the reason that the service gives.
    FellBack(Value, String),
    /// On its way to this.
    Moving(Value),
    /// This by its setting, which its target has not followed yet, for the reason given. It may be changed again at once.
    Behind(Value, String),
    /// The same for want of capacity or quota: it may take long until the target follows.
    NoRoom(Value, String),
    /// There is no such target any more, for the reason given.
    Gone(String),
    /// The target is there, and this action cannot reach it, for the reason given: its name is another now.
    OutOfReach(String),
    /// It could not be seen now, for the reason given. It is looked at again.
    Unseen(String),
}

/// One change to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The facet that is changed.
    pub facet: FacetId,
    /// The value that it gets.
    pub to: Value,
    /// The identity of its target, where the plan wrote it down.
    pub identity: Option<String>,
    /// The fact by which its target is known again, where the plan wrote one down.
    pub known_by: Option<String>,
    /// The unit that it is done with in order, if it is.
    pub unit: Option<String>,
    /// The other facets of its unit that this run has turned, both ways.
    pub others: Vec<FacetId>,
    /// Where the calls that are made for it are written down.
    pub receipt: Receipt,
    /// The run that makes it.
    pub run: RunId,
    /// The end of the invocation that makes it. Its lease ends [`crate::engine::LEASE_MARGIN`] later.
    pub deadline: Timestamp,
    /// A number that rises with every change of the facet that was begun, in either direction.
    pub fencing: u64,
    /// The version of the program that makes it, where that is not this one.
    pub program: Option<String>,
}

/// The outcome of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The service took it. Whether the world follows is observed, not believed.
    Accepted,
    /// The service refused it for good, for this reason, and did nothing.
    Refused(String),
    /// The service did nothing: this target is not for it, for this reason, and is to be left alone.
    Skipped(String),
    /// The service did nothing, and may be asked again soon.
    Retry(String),
    /// The service did nothing, for want of capacity or quota, and may be asked again in a while.
    NoCapacity(String),
    /// The service did nothing, because of one of those that were asked for together: to be asked again soon, without the
    /// others.
    RetryAlone(String),
    /// The answer was lost: it may have been done, or may yet be.
    Unknown(String),
    /// The answer cannot be read, for this reason: the change may have been made, or may yet be. It is not asked for again in this try.
    Broken(String),
}

/// The outcome of a change that could not be asked for, because the account could not be read first.
impl From<ActionError> for ChangeOutcome {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::Retryable(why) => Self::Retry(why),
            ActionError::Refused(why) | ActionError::OutOfBounds(why) => Self::Refused(why),
        }
    }
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
    /// The account's organisation lets nobody work in this place: there is nothing to do there.
    #[error("{0}")]
    OutOfBounds(String),
}
