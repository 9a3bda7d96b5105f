//! An action on one kind of resource with one setting: a stage turns it down, rollback turns it back. Its file says how the
//! resources are listed and by which call the setting is changed. All the rest is [`Switched`]'s, once for all of them:
//! parameters and their schema, Regions, exemptions, the plan, the check before the change, rollback, pace, receipts and rights.
//! An action on several kinds, or on several settings of one resource, has a [`Switch`] for each: see [`Switches`].

mod acting;
mod declaring;
mod params;
mod parts;
mod together;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use guardrails_model::action::{ActionError, Change, Patience, Seen};
use guardrails_model::config::Tags;
use guardrails_model::ids::Value;
use guardrails_model::record::Direction;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::declaring::Reach;
pub use self::params::{Exempt, Scope, Switched};
pub use self::parts::{Part, Parts, Switches};
use crate::calls::{self, RequestId};
use crate::context::Context;
use crate::declared::{About, Counted};
use crate::error::{Codes, Failure, Sent};
use crate::grants::{Grant, Reasons};

/// A kind of resource with one setting.
#[async_trait]
pub trait Switch: Send + Sync + Sized + 'static {
    /// The action. Kinds of facet are not counted here but by [`Switch::TARGET`]. One of several parts of an action has none.
    const ABOUT: About = About::new("", "", "");
    /// One of the resources: its kind of facet, its noun, its limits and its price.
    const TARGET: Counted;
    /// The resources as IAM knows them.
    const RESOURCE: Resource;
    /// Actions that read a resource, granted by the stage's tags: their answers are not for everybody. A refusal costs the resource alone.
    const READS_BY_TAG: &'static [&'static str] = &[];
    /// The meaning of the service's own error codes.
    const CODES: Codes = Codes::NONE;
    /// The drift policy: a resource is found otherwise while a run holds it.
    const DRIFT: Drift = Drift::Reapply;
    /// The word by which a stage agrees, where the change ends something for good.
    const OPT_IN: Option<OptIn> = None;
    /// How long a change may take.
    const PATIENCE: Patience;
    /// Does a change that the service took go on for a while?
    const TAKES_TIME: bool = true;
    /// How many resources are worked on in one go.
    const BATCH: usize = 20;
    /// Does IAM know a resource's new tags some minutes late? A call that is denied meanwhile is asked for again.
    const TAGS_LAG: bool = false;
    /// Has it a [`Switch::ready`] of its own?
    const ASKS_READY: bool = false;
    /// Is a resource that is left alone a reason to leave alone the rest of its unit? Then its id is the name of its unit.
    const TAKES_ALONG: bool = false;
    /// Is a resource planned that is busy? Its change waits, as that of one which became busy after the plan.
    const PLANS_BUSY: bool = false;
    /// Its place among the parts of its unit on the way back, where that is not the reverse of the way there.
    const BACK: Option<u8> = None;
    /// Is it a failure when a resource is to be left alone after another part of its unit was turned?
    const NEEDS_ALL: bool = false;
    /// Further keys in guardrails.yaml; [`NoOptions`] when there are none.
    type Options: Options;
    /// A resource as the service describes it.
    type Item: Send + Sync;

    /// Ready to work in the account and Region of `context`. Calls that change go through `context.sdk_for_changes()`.
    fn new(context: &Context<'_>, options: &Self::Options) -> Self;

    /// The resources that `which` asks for, from all pages. It may answer with more. Asked by ids, it leaves out one only when
    /// the service itself said that there is none. Reads only.
    ///
    /// # Errors
    /// When the service does not list them.
    async fn list(&self, which: &Which<'_>) -> Result<Vec<Self::Item>, ActionError>;

    /// The same resources, with all that a check before a change needs to know besides, asked for all of them together. Reads only.
    ///
    /// # Errors
    /// When the service does not say.
    async fn closer(&self, items: Vec<Self::Item>) -> Result<Vec<Self::Item>, ActionError> {
        Ok(items)
    }

    /// The resource as the action sees it. Pure: [`Switch::against`] may make further calls.
    fn found(&self, item: &Self::Item) -> Found;

    /// A reason to leave the resource alone that takes a call to know. Asked in the plan, and again before the change.
    ///
    /// # Errors
    /// When the service does not say.
    async fn against(&self, item: &Self::Item) -> Result<Option<String>, ActionError> {
        let _ = item;
        Ok(None)
    }

    /// Asked where [`Switch::ASKS_READY`]: the reason why the next part of its unit may not begin yet, though this resource was turned in `direction` and has its value.
    ///
    /// # Errors
    /// When the service does not say.
    async fn ready(&self, item: &Self::Item, direction: Direction) -> Result<Option<String>, ActionError> {
        let _ = (item, direction);
        Ok(None)
    }

    /// Sets the setting of the resource with this id, in either direction: the one call that changes anything, made by
    /// [`Calling::make`].
    ///
    /// # Errors
    /// When the service refused the call, or did not answer.
    async fn set(&self, id: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure>;

    /// The value on the way back, where others made it `seen` while it was held: `seen` is left as it is. None, where only a person can
    /// say.
    ///
    /// # Errors
    /// When the service does not say.
    async fn changed_by_others(&self, id: &str, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        let _ = (id, before, seen);
        Ok(None)
    }

    /// Rights besides those that follow from [`Switch::RESOURCE`], in the stages' Regions.
    #[must_use]
    fn more_grants(reach: &Reach<'_>) -> Vec<Grant> {
        let _ = reach;
        Vec::new()
    }
}

/// Resources as IAM knows them. Actions are IAM's, such as `rds:StopDBInstance`.
#[derive(Debug, Clone, Copy)]
pub struct Resource {
    /// The service in their ARNs, such as `rds`.
    pub service: &'static str,
    /// How their ARNs end, such as `db:*`.
    pub arn: &'static str,
    /// Actions that list them and for which IAM knows no resource, and how one says so.
    pub lists: &'static [&'static str],
    /// Actions that read them by their ARN.
    pub reads: &'static [&'static str],
    /// Why some of these read all of the kind: only then it is known which carry the tags.
    pub wide: Reasons,
    /// Actions that change them, granted by the stage's tags.
    pub turns: &'static [&'static str],
}

/// The drift policy. A resource is found otherwise while a run holds it, or comes into scope only then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// It is somebody's change: people are told of it, and it stays.
    Report,
    /// The same of a resource that a run holds. One that comes into scope only then is changed.
    ReportHeld,
    /// It is changed again.
    Reapply,
    /// The service itself turns it back, at the time that it says ([`Found::turns_back`]), or after so many seconds, such as seven days.
    /// From a quarter of an hour before that it is changed again, and until then it is somebody's change.
    ReapplyAfter(i64),
}

/// The word by which a stage agrees to a loss that no rollback brings back.
#[derive(Debug, Clone, Copy)]
pub struct OptIn {
    /// The key in guardrails.yaml, which must be `true`.
    pub key: &'static str,
    /// Its description in the schema.
    pub means: &'static str,
    /// The refusal where it is missing or `false`.
    pub refusal: &'static str,
}

/// Further keys of an action in guardrails.yaml. A key that is left out has its default.
pub trait Options: std::fmt::Debug + Clone + Default + DeserializeOwned + Serialize + JsonSchema + Send + Sync + 'static {
    /// Names the mistake in them, if there is one.
    ///
    /// # Errors
    /// In words for people.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// No further keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

impl Options for NoOptions {}

/// The resources that are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Those that carry all these tags.
    Tagged(&'a Tags),
    /// Those with these ids, each once.
    Ids(&'a BTreeSet<String>),
}

/// A resource as it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its id, unique in its Region: part of the facet's id.
    pub id: String,
    /// The identity that the service gave it, where its id is a name that may be given again. Another resource under the name
    /// has a facet of its own.
    pub identity: Option<String>,
    /// The unit with whose other parts it is turned in order, such as `cluster/service`.
    pub unit: Option<String>,
    /// Resources that are changed with it. One that is exempt exempts it.
    pub members: Vec<Member>,
    /// When the service turns it back by itself, where it says so.
    pub turns_back: Option<Timestamp>,
    /// Its name for people.
    pub label: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its setting. A state that this version does not know is [`Seen::Moving`]: it is waited for.
    pub seen: Seen,
    /// The setting that the stage wants.
    pub off: Value,
    /// The kind by which a price list knows it.
    pub kind: Option<String>,
    /// A note for people, before the change is made.
    pub note: Option<String>,
    /// Why it is left alone, if it is.
    pub left_alone: Option<String>,
    /// Why it is left alone now, though not for long: a plan leaves it alone, and a change waits for its end.
    pub busy: Option<String>,
    /// The state by which the resource is known to be on its way to its end.
    pub ending: Option<String>,
    /// The state in which nothing can turn it until a person mends it. It is left alone, and if it is held, rollback fails with this.
    pub broken: Option<String>,
}

/// A resource that is changed with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id or name.
    pub id: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Found {
    /// A resource that nothing more is to be said of.
    #[must_use]
    pub fn new(id: impl Into<String>, label: impl Into<String>, seen: Seen, off: Value) -> Self {
        let (id, label) = (id.into(), label.into());
        Self {
            id,
            identity: None,
            unit: None,
            members: Vec::new(),
            turns_back: None,
            label,
            tags: BTreeMap::new(),
            seen,
            off,
            kind: None,
            note: None,
            left_alone: None,
            busy: None,
            ending: None,
            broken: None,
        }
    }
}

/// One change under way: calls that are made through it stand on its receipt.
pub struct Calling<'a> {
    change: &'a Change,
}

impl Calling<'_> {
    /// Makes the call, such as `rds:StopDBInstance`.
    ///
    /// # Errors
    /// When the service refused the call, or did not answer.
    pub async fn make<O: RequestId, E: Sent>(
        &self,
        operation: &str,
        call: impl Future<Output = crate::error::Answered<O, E>> + Send,
    ) -> Result<O, Failure> {
        calls::make(operation, [self.change], call).await
    }
}

/// The meaning of a service's names for states. A state in neither list is on its way: it is waited for.
#[derive(Debug, Clone, Copy)]
pub struct States {
    /// The states that last, each with the setting's value.
    pub settled: &'static [(&'static str, &'static str)],
    /// The states of a resource that is gone, or about to go.
    pub ended: &'static [&'static str],
}

impl States {
    /// The setting in a state.
    #[must_use]
    pub fn seen(&self, state: &str) -> Seen {
        let settled = self.settled.iter().find(|(name, _)| *name == state);
        let moving = || Seen::Moving(Value::new(state.to_ascii_lowercase().replace('_', " ")));
        settled.map_or_else(moving, |(_, value)| Seen::Is(Value::new(*value)))
    }

    /// The words for a resource that is on its way to its end, if it is.
    #[must_use]
    pub fn ending(&self, state: &str) -> Option<String> {
        self.ended.contains(&state).then(|| format!("it is {}", state.to_ascii_lowercase().replace('_', " ")))
    }
}
