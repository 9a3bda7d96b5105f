//! A step and its facet: the value of one switch before, its wanted value, its holders, and its events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Direction;
use super::changed_by::ChangedBy;
use super::due::Due;
use super::log::{Event, Log, Repeats, counts_on, same_words, short};
use crate::action::Unit;
use crate::ids::{FacetId, GuardrailName, Nonce, RunId, Value};
use crate::omit::is_default;
use crate::phase::Phase;
use crate::receipt::Call;

/// Letters of a reason that an event keeps; the step has the whole.
const LONGEST_REASON: usize = 1000;

/// How the reason of a step begins whose change somebody undid.
pub const UNDONE: &str = "somebody made it";

/// One facet in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, under a name that stored records have")]
pub struct Step {
    /// [`FORMAT`].
    pub format: u32,
    /// The run.
    pub run: RunId,
    /// The index of its part.
    pub part: usize,
    /// The plan it belongs to.
    pub token: Nonce,
    /// The facet.
    pub facet: FacetId,
    /// The target as people know it, such as `i-0abc (web-1)`.
    pub label: String,
    /// The sort of its target, such as an instance's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A note for people about the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Events of the target that do not happen while the change is held. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub due: Vec<Due>,
    /// The identity that the service gave its target. Records of earlier versions have none, and go by the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// A fact by which its target is known again, where its service gives it no identity. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_by: Option<String>,
    /// The version of the program that makes its change and the way back, where that is not this one. Records of earlier versions have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// It is left alone because it could not be planned.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unplanned: bool,
    /// It is left alone because people said so, or somebody else is changed in its place.
    #[serde(default, skip_serializing_if = "is_default")]
    pub spared: bool,
    /// The unit whose order it keeps, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// It was not in the plan: it came to its unit after that.
    #[serde(default, skip_serializing_if = "is_default")]
    pub late: bool,
    /// Its value when the plan was made.
    pub present: Value,
    /// The value that the stage wants.
    pub wanted: Value,
    /// The value that rollback puts back: that before the first run that holds it changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Where it stands.
    pub phase: Phase,
    /// Why, where that needs saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The try, in the direction of its phase, that worked on it last.
    #[serde(default)]
    pub attempt: u32,
    /// When the present phase began, or an attempt took it up again: it bounds the waiting for the world.
    pub since: Timestamp,
    /// Putting Before back was accepted: when it is then seen, it is no old listing.
    #[serde(default)]
    pub put_back: bool,
    /// A person let it go before it was begun: it is not taken up again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub let_go: bool,
    /// Its target was there no more when Before was to be put back, and that is a loss.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
    /// No person has said yes to it yet: the mark under which it is asked about. It is inert until that mark is granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits: Option<Nonce>,
    /// The principal that undid its change last, where the action asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<ChangedBy>,
    /// When the service turns it back by itself, as it said when it was last seen as wanted. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns_back: Option<Timestamp>,
    /// When it was seen as wanted again, after others had undone it. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_as_wanted: Option<Timestamp>,
    /// When the service last took the change: from then on the world is given its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Timestamp>,
    /// Not before then is the change asked for again: the service had no room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at: Option<Timestamp>,
    /// How many times the service had no room for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub delays: u32,
    /// Its events, in order; only ever appended.
    pub events: Log<StepEvent>,
}

impl Step {
    /// The name by which its facet knows its holder: two actions of one stage may meet at one facet.
    #[must_use]
    pub fn holder(&self) -> String {
        format!("{}#{}", self.run, self.part)
    }
}

/// Something that happened to a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepEvent {
    /// When.
    pub at: Timestamp,
    /// A function and its request id, or a person's ARN.
    pub by: String,
    /// The phase it brought.
    pub phase: Phase,
    /// Why, where that needs saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The value that was seen when the change was intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value that was seen when nothing was to be changed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The calls that decided it, as AWS knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// How often the same happened again, if it did so very often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
    /// The calls of the last of these times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_calls: Vec<Call>,
}

impl Step {
    /// Was it left alone, though it is not as the stage wants it and nobody said that it is to be?
    #[must_use]
    pub fn is_still_on(&self) -> bool {
        if self.phase != Phase::Skipped || self.let_go || self.unplanned || self.spared {
            return false;
        }
        // The plan left it alone, or the work did: then the seen value stands in its last event.
        let seen = self.events.latest().and_then(|event| event.after.as_ref());
        if self.attempt == 0 { self.present != self.wanted } else { seen.is_some_and(|seen| *seen != self.wanted) }
    }

    /// When its change was last begun. For one that was never changed, since when it stands as it does.
    #[must_use]
    pub fn changed(&self) -> Timestamp {
        let begun = self.events.iter().filter(|event| event.phase == Phase::Applying);
        let last = begun.map(|event| event.repeats.as_ref().map_or(event.at, |repeats| repeats.until)).max();
        last.unwrap_or(self.since)
    }
}

impl Step {
    /// Since when it has stood as the run wants it. That is `now` while people are told that somebody undid its change: a service that
    /// turns it back by itself cannot have done so. One that the run left alone has no such time: it is in scope from its change on.
    #[must_use]
    pub fn stands_since(&self, now: Timestamp) -> Timestamp {
        if self.phase == Phase::Skipped {
            return Timestamp::MIN;
        }
        if self.is_told_undone() {
            return now;
        }
        self.again_as_wanted.map_or_else(|| self.changed(), |again| again.max(self.changed()))
    }

    /// Are people told that somebody undid its change, which was not made again?
    #[must_use]
    pub fn is_told_undone(&self) -> bool {
        self.phase == Phase::Applied && self.reason.as_ref().is_some_and(|reason| reason.starts_with(UNDONE))
    }

    /// How often somebody undid its change and it was made again, and when that was last.
    #[must_use]
    pub fn enforced_again(&self) -> Option<(u32, Timestamp)> {
        let again = self.events.iter().filter(|event| event.is_again());
        again.fold(None, |so_far: Option<(u32, Timestamp)>, event| {
            let (times, until) = event.repeats.as_ref().map_or((1, event.at), |more| (more.times.saturating_add(1), more.until));
            Some(so_far.map_or((times, until), |(before, last)| (before.saturating_add(times), last.max(until))))
        })
    }
}

impl StepEvent {
    fn is_again(&self) -> bool {
        self.phase == Phase::Applying && self.reason.as_ref().is_some_and(|reason| reason.starts_with(UNDONE))
    }

    /// An event that says no more than this.
    #[must_use]
    pub fn new(at: Timestamp, by: &str, phase: Phase, reason: Option<String>) -> Self {
        Self {
            at,
            by: by.to_owned(),
            phase,
            reason: reason.map(|reason| short(reason, LONGEST_REASON)),
            before: None,
            after: None,
            calls: Vec::new(),
            repeats: None,
            last_calls: Vec::new(),
        }
    }
}

impl Event for StepEvent {
    fn at(&self) -> Timestamp {
        self.at
    }

    fn repeats(&self) -> Option<&Repeats> {
        self.repeats.as_ref()
    }

    fn says_the_same(&self, later: &Self) -> bool {
        let words = |event: &Self| event.reason.clone().unwrap_or_default();
        let calls = self.calls.len() == later.calls.len();
        self.is_like(later)
            && (&self.before, &self.after) == (&later.before, &later.after)
            && same_words(&words(self), &words(later))
            && calls
            && self.calls.iter().zip(&later.calls).all(|(one, other)| one.is_like(other))
    }

    fn is_like(&self, later: &Self) -> bool {
        self.phase == later.phase
    }

    fn count(&mut self, later: Self) {
        self.repeats = Some(Repeats::once_more(self.repeats.as_ref(), later.at));
        self.last_calls = later.calls;
    }

    fn is(&self, earlier: &Self) -> bool {
        let first = |event: &Self| Self { repeats: None, last_calls: Vec::new(), ..event.clone() };
        first(self) == first(earlier) && counts_on(self.repeats.as_ref(), earlier.repeats.as_ref())
    }
}

/// A facet, while runs hold it: the unit of snapshot, hold, drift and rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facet {
    /// [`FORMAT`].
    pub format: u32,
    /// Its id.
    pub facet: FacetId,
    /// Its value before the first holder's change. Means nothing while nobody holds it.
    pub before: Value,
    /// The value that the holders want.
    pub wanted: Value,
    /// Its holders, by [`Step::holder`]. The last to leave puts Before back.
    pub holders: BTreeMap<String, Holder>,
    /// A writer's claim, while its calls may land.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The number of the last change that was begun, by which a program tells an older call. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fencing: Option<u64>,
    /// The fact by which the target of the first holder's change is known again. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_by: Option<String>,
    /// The version of the program that made the first holder's change, where that is not this one. Records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// A run's claim on a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// The guardrail of the run.
    pub guardrail: GuardrailName,
    /// Since when.
    pub since: Timestamp,
}

/// While it runs, calls of its direction may land, even from a caller that died: the other direction waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The direction of the calls.
    pub direction: Direction,
    /// The last writer.
    pub owner: Nonce,
    /// Until when the owner's calls may land.
    pub until: Timestamp,
    /// Until when the calls of earlier owners may land.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_until: Option<Timestamp>,
}

impl Lease {
    /// Until when calls may land, whoever's.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        self.earlier_until.map_or(self.until, |earlier| earlier.max(self.until))
    }
}
