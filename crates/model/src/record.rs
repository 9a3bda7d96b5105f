//! The records of the ledger: runs, their steps, the facets they hold, and each stage's state in a period. Every record carries
//! the number of its format; a format that this program does not know is an error before anything runs.

mod approval;
mod changed_by;
mod due;
mod log;
mod partial_rollback;
mod rehearsal;
mod request;
mod round;
mod spend;
mod stage_state;
mod step;
mod target;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use self::approval::{Approval, ApprovalDecision, Because, Listed, ListedPart, Question};
pub use self::changed_by::ChangedBy;
pub use self::due::Due;
pub(crate) use self::log::short;
pub use self::log::{Event, Log, Repeats};
use self::log::{counts_on, same_words};
pub use self::partial_rollback::PartialRollback;
pub use self::rehearsal::{Rehearsal, RehearsedStage, Tally};
pub use self::request::{RollbackRequest, Scope};
pub use self::round::{Found, Round};
pub use self::spend::Spend;
pub use self::stage_state::{AlertEntry, AlertRecord, MOST_DISCARDED, Released, StageState};
pub use self::step::{Facet, Holder, Lease, Step, StepEvent, UNDONE};
pub use self::target::Target;
use crate::config::{Budget, Demand, Rule, StageAt};
use crate::cursor::Cursor;
pub use crate::direction::Direction;
use crate::ids::{ActionName, GuardrailName, Nonce, Place, RunId};
use crate::omit::is_default;
use crate::pace::Pace;
use crate::phase::Phase;
use crate::principal::Principal;

/// The format of the records that this program writes.
pub const FORMAT: u32 = 1;

/// Letters that are kept of one event of a run.
const LONGEST_NOTE: usize = 2000;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RunState {
    /// Its plan is being written; its steps are inert.
    Opening,
    /// Its plan is written, and waits for a person's approval; its steps are inert.
    Waiting,
    /// The plan is whole and being carried out.
    Applying,
    /// Every step is applied or skipped.
    Enforced,
    /// Carried out as far as it went; some step failed.
    ApplyFailed,
    /// Being put back.
    RollingBack,
    /// Put back as far as it went; some step failed, and it can be tried again.
    RollbackFailed,
    /// All is put back.
    RolledBack,
    /// A stage that only notifies has notified.
    Notified,
    /// A person said no, or nobody said yes in time: nothing was changed.
    Rejected,
    /// A person settled by hand the changes that it still held, and it lets go.
    Abandoned,
}

impl RunState {
    /// Does the run hold, or may it yet hold, a facet?
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::RolledBack | Self::Notified | Self::Rejected | Self::Abandoned)
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Opening => "planning",
            Self::Waiting => "waiting for approval",
            Self::Applying => "applying",
            Self::Enforced => "enforced",
            Self::ApplyFailed => "apply failed",
            Self::RollingBack => "rolling back",
            Self::RollbackFailed => "rollback failed",
            Self::RolledBack => "rolled back",
            Self::Notified => "notified",
            Self::Rejected => "rejected",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One enforcement of one stage. It keeps its own copy of the definition: a rollback needs nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// [`FORMAT`].
    pub format: u32,
    /// Its id.
    pub id: RunId,
    /// The guardrail.
    pub guardrail: GuardrailName,
    /// The stage.
    pub stage: StageAt,
    /// The budget's period.
    pub period: String,
    /// Not started by a real alert.
    pub simulated: bool,
    /// The budget at the time.
    pub budget: Budget,
    /// The principals that no action may restrict.
    pub operators: Vec<String>,
    /// How fast it works.
    #[serde(default)]
    pub pace: Pace,
    /// When the alert that began it was received.
    pub began: Timestamp,
    /// Digest of the alert that began it.
    pub alert: String,
    /// Where it stands.
    pub state: RunState,
    /// Its direction.
    pub direction: Direction,
    /// How many executions there were, each way: an execution's name has its number.
    pub attempts: Attempts,
    /// How many times it was asked for, each way: a try may take several executions, and a step that failed waits for the next.
    pub tries: Attempts,
    /// The stage's actions, flattened in order; one that works in several places has a part for each.
    pub parts: Vec<Part>,
    /// When the present try was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<Timestamp>,
    /// A person is asked before anything is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The token that wakes an execution that waited for a person about a figure, and need not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<String>,
    /// The first remarks for people about a figure that was enforced, and is unusual or not confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The principals that IAM is asked about once the plan is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Rule>,
    /// The outcome when a target in scope is left alone, or could not be planned.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left_alone: Demand,
    /// Set when the present try looks again at the run's holds: the state of the run before.
    #[serde(default, rename = "looking", skip_serializing_if = "Option::is_none")]
    pub rescanning: Option<RunState>,
    /// The last try forward whose execution was closed. A plan that is left over from it writes nothing any more, and people were
    /// not told yet of the findings of tries after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<u32>,
    /// The parts that people put back, or settled by hand, while the run holds the rest. A resource that comes there is left
    /// alone until the stage is armed again, however often the run is tried meanwhile.
    #[serde(default, rename = "pieces", skip_serializing_if = "Vec::is_empty")]
    pub partial_rollbacks: Vec<PartialRollback>,
    /// The person who asked for it to be put back, and how much of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackRequest>,
    /// The changes that others undid and a look made again, since people were last told of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforced_again: Option<EnforcedAgain>,
    /// The events of the run, in order.
    pub events: Log<RunEvent>,
}

/// Changes that others undid, and that a look made again: people are told once, and then once a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnforcedAgain {
    /// When people were last told.
    pub told: Timestamp,
    /// How many were made again since.
    #[serde(default)]
    pub since: u32,
}

impl Run {
    /// The stage and period that it enforces.
    #[must_use]
    pub fn target(&self) -> Target {
        Target { guardrail: self.guardrail.clone(), stage: self.stage, period: self.period.clone(), simulated: self.simulated }
    }

    /// The principals that its stage takes rights from.
    #[must_use]
    pub fn restricted(&self) -> &[Principal] {
        self.verify.as_ref().map_or(&[], |rule| &rule.of)
    }

    /// The present attempt in its direction.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        match self.direction {
            Direction::Apply => self.attempts.apply,
            Direction::Rollback => self.attempts.rollback,
        }
    }

    /// The present try in its direction.
    #[must_use]
    pub fn try_number(&self) -> u32 {
        match self.direction {
            Direction::Apply => self.tries.apply,
            Direction::Rollback => self.tries.rollback,
        }
    }

    /// Does the plan of `part` count for good? Its steps may hold facets, so it is never replaced. One that waits for an
    /// approval is planned again after it.
    #[must_use]
    pub fn is_settled(&self, part: usize) -> bool {
        let written = self.parts.get(part).is_some_and(|part| matches!(part.plan, PartPlan::Written(_)));
        written && self.approval.as_ref().is_none_or(|approval| approval.settled.contains(&part))
    }

    /// May the step be carried out, as far as people's answers go? Its plan counts, and no answer is needed for it, or it was a yes.
    #[must_use]
    pub fn allows(&self, step: &Step) -> bool {
        let granted = |mark: &Nonce| self.approval.as_ref().is_none_or(|approval| approval.granted.contains(mark));
        self.is_settled(step.part) && step.awaits.as_ref().is_none_or(granted)
    }

    /// Is the part carried out while a person is asked about the others?
    #[must_use]
    pub fn is_meanwhile(&self, part: usize) -> bool {
        let action = self.parts.get(part).map(|part| &part.action);
        let meanwhile = self.approval.as_ref().map(|approval| &approval.meanwhile);
        action.zip(meanwhile).is_some_and(|(action, meanwhile)| meanwhile.contains(action))
    }

    /// Is a person still to be asked about the step?
    #[must_use]
    pub fn is_to_ask(&self, step: &Step) -> bool {
        let is_change = step.phase == Phase::Planned && step.present != step.wanted;
        is_change && !self.allows(step) && !self.refuses(step)
    }

    /// Did a person say no to the step?
    #[must_use]
    pub fn refuses(&self, step: &Step) -> bool {
        let is_refused = |approval: &Approval| step.awaits.as_ref().is_some_and(|mark| approval.refused.contains(mark));
        step.phase == Phase::Planned && self.approval.as_ref().is_some_and(is_refused)
    }

    /// Does it wait, or plan to wait, for a person only because its figure is not believed?
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        let undecided = matches!(self.state, RunState::Opening | RunState::Waiting);
        undecided
            && self.approval.as_ref().is_some_and(|approval| approval.because != Because::Stage && approval.approved.is_none())
    }

    /// When its present work was asked for.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        let requested = self.rollback.as_ref().map(|request| request.at);
        self.tried_at.max(requested).unwrap_or(self.began)
    }

    /// The same for people's eyes: without the token by which a waiting execution is woken.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        if let Some(question) = self.approval.as_mut().and_then(|approval| approval.question.as_mut()) {
            question.token = None;
        }
        self.wake = None;
        self
    }

    /// Writes down that something happened.
    pub fn note(&mut self, at: Timestamp, by: &str, what: impl Into<String>) {
        self.events.append(RunEvent { at, by: by.to_owned(), what: short(what.into(), LONGEST_NOTE), repeats: None });
    }
}

/// A count for each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempts {
    /// Towards the values that the stage wants.
    pub apply: u32,
    /// Back.
    pub rollback: u32,
}

/// One action of a run's stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Parts of one wave run side by side, waves one after another.
    #[serde(rename = "group")]
    pub wave: usize,
    /// The action's stable name.
    pub action: ActionName,
    /// Its parameters.
    pub params: Json,
    /// Where it works; everywhere at once when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Its plan.
    pub plan: PartPlan,
    /// Where an execution left it that grew too long: the next one goes on there, and knows how full the buckets are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// There may be steps that came after the plan.
    #[serde(default, skip_serializing_if = "is_default")]
    pub late: bool,
    /// Why it could not be planned again, the last time that this was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
}

impl Part {
    /// The action, and the place where it has one, for people.
    #[must_use]
    pub fn title(&self) -> String {
        self.place.as_ref().map_or_else(|| self.action.to_string(), |place| format!("{} in {place}", self.action))
    }

    /// Is there anything to work on?
    #[must_use]
    pub fn has_steps(&self) -> bool {
        matches!(&self.plan, PartPlan::Written(written) if written.steps > 0 || self.late)
    }
}

/// The plan of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum PartPlan {
    /// Not there yet.
    Missing,
    /// Written down whole.
    Written(Written),
    /// There is nothing to do there: the account's organisation lets nobody work in that place.
    Skipped {
        /// In AWS's words.
        reason: String,
    },
    /// The action refused, or could not plan.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A plan as its writer left it: steps under other tokens are left-overs of an opening that died, and inert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// The mark of its steps.
    pub token: Nonce,
    /// How many steps.
    pub steps: usize,
    /// SHA-256 of their facets, their present values and their wanted values.
    pub digest: String,
    /// The mark of its steps that a person is to be asked about. No more steps are written under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Nonce>,
}

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunEvent {
    /// When.
    pub at: Timestamp,
    /// The actor: a person's ARN, or a function and its request id.
    pub by: String,
    /// The event, in words.
    pub what: String,
    /// How often the same happened again, if it did so very often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
}

impl RunEvent {
    /// A person, or a function without its request id.
    fn who(&self) -> &str {
        self.by.split(' ').next().unwrap_or_default()
    }
}

impl Event for RunEvent {
    fn at(&self) -> Timestamp {
        self.at
    }

    fn repeats(&self) -> Option<&Repeats> {
        self.repeats.as_ref()
    }

    fn says_the_same(&self, later: &Self) -> bool {
        self.who() == later.who() && same_words(&self.what, &later.what)
    }

    fn is_like(&self, later: &Self) -> bool {
        // A person's deed is told for itself.
        self.who() == later.who() && !self.by.starts_with("arn:")
    }

    fn count(&mut self, later: Self) {
        self.repeats = Some(Repeats::once_more(self.repeats.as_ref(), later.at));
    }

    fn is(&self, earlier: &Self) -> bool {
        let first = |event: &Self| Self { repeats: None, ..event.clone() };
        first(self) == first(earlier) && counts_on(self.repeats.as_ref(), earlier.repeats.as_ref())
    }
}
