//! The next task of one step, from its records and from the state that was seen. Pure, and the whole of the judgement: [`super`]
//! only carries it out.

use jiff::Timestamp;

use crate::action::{DriftPolicy, Planned, Seen, Unit};
use crate::ids::Value;
use crate::phase::Phase;
use crate::record::{Direction, Facet, Step, UNDONE};

/// The next task of a step that is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyNext {
    /// It is settled for this attempt.
    Nothing,
    /// Write that there is nothing to do, and hold nothing.
    Skip(String),
    /// Write that it is as wanted, and hold it.
    Settled,
    /// Hold it as it is, with this Before.
    Keep(Value),
    /// Write down Before and the intent, then change it.
    Change {
        /// The value that rollback will put back.
        before: Value,
    },
    /// Write that it cannot be done.
    Refuse(String),
    /// Look again: when the world has moved on, or at the moment given.
    Wait(Option<Timestamp>),
}

/// The next task of a step that is rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollbackNext {
    /// It is settled for this attempt.
    Nothing,
    /// It was never begun: write so.
    Skip,
    /// Write that there is nothing (more) to put back, and let go.
    Settled(Option<String>),
    /// Write down the intent, then put Before back.
    PutBack,
    /// It is as it was held, which counts when its turn comes: let go then.
    Kept,
    /// Somebody made it this meanwhile: ask the action for the value that it gets, and refuse for this reason if there is none.
    Changed(Value, String),
    /// Write that it is lost, and keep the hold.
    Lost(String),
    /// It was put back and did not stay, for this reason: ask again in a while.
    Later(String),
    /// Write that it cannot be put back, and keep the hold.
    Refuse(String),
    /// Look again: when the world has moved on, or at the moment given.
    Wait(Option<Timestamp>),
}

/// The next task of a step that a rescan finds while a run holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgainNext {
    /// It is as it is written down, or not for this run any more.
    Nothing,
    /// Write the remark about it, or that there is nothing more to remark on.
    Say(Option<String>),
    /// Write that it is to be changed again. The hold and its Before stay.
    Enforce(String),
    /// Write that it is to be changed after all. Its value at that time will be its Before.
    Plan(String),
}

/// Judges a step of a run that holds, by what a plan made now finds.
#[must_use]
pub fn again(step: &Step, facet: Option<&Facet>, found: &Planned, policy: DriftPolicy) -> AgainNext {
    let is_otherwise = found.present != step.wanted;
    let unit = |unit: Option<&Unit>| unit.map(|unit| unit.name.clone());
    // One that joined another unit since is for that unit's order, which this step does not know.
    let enforced = policy.reapplies() && found.skip.is_none() && unit(found.unit.as_ref()) == unit(step.unit.as_ref());
    let is_another = step.identity.is_some() && found.identity.is_some() && step.identity != found.identity;
    match step.phase {
        Phase::Applied if is_another => AgainNext::Say(Some(
            "it was deleted, and another was made under its name: this run changed nothing of that".to_owned(),
        )),
        Phase::Applied if !facet.is_some_and(|facet| facet.holders.contains_key(&step.holder())) => AgainNext::Nothing,
        Phase::Applied if is_otherwise && enforced => AgainNext::Enforce(format!("{UNDONE} {} meanwhile", found.present)),
        Phase::Applied => AgainNext::Say(is_otherwise.then(|| {
            let why = found.skip.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            format!("{UNDONE} {} meanwhile: it is left so{why}", found.present)
        })),
        Phase::Skipped if is_otherwise && enforced && !step.let_go => AgainNext::Plan(format!("it is {} now", found.present)),
        Phase::Skipped
        | Phase::Planned
        | Phase::Applying
        | Phase::ApplyFailed
        | Phase::RollingBack
        | Phase::RolledBack
        | Phase::RollbackFailed
        | Phase::Abandoned => AgainNext::Nothing,
    }
}

/// Is there nothing left to do for a step on its way forward, in the run's `attempt`-th try?
#[must_use]
pub fn is_applied(step: &Step, attempt: u32) -> bool {
    match step.phase {
        Phase::Planned | Phase::Applying => false,
        Phase::ApplyFailed => step.attempt >= attempt,
        Phase::Applied | Phase::Skipped | Phase::RollingBack | Phase::RolledBack | Phase::RollbackFailed | Phase::Abandoned => {
            true
        }
    }
}

/// Is there nothing left to do for a step on its way back, in the run's `attempt`-th try?
#[must_use]
pub fn is_rolled_back(step: &Step, attempt: u32) -> bool {
    match step.phase {
        Phase::Skipped | Phase::RolledBack | Phase::Abandoned => true,
        Phase::RollbackFailed => step.attempt >= attempt,
        Phase::Planned | Phase::Applying | Phase::Applied | Phase::ApplyFailed | Phase::RollingBack => false,
    }
}

/// Judges a step on its way forward, in the run's `attempt`-th try. `keeps` says that it is held though it needs no change.
#[must_use]
pub fn apply(step: &Step, facet: Option<&Facet>, seen: &Seen, keeps: bool, attempt: u32, now: Timestamp) -> ApplyNext {
    if is_applied(step, attempt) {
        return ApplyNext::Nothing;
    }
    if let Some(reason) = facet.and_then(|facet| opposite_desire(facet, &step.holder(), &step.wanted)) {
        return ApplyNext::Refuse(reason);
    }
    if let Some(until) = claimed(facet, Direction::Rollback, now) {
        return ApplyNext::Wait(Some(until));
    }
    // A change that was asked for and had no room, in this phase.
    let asked_later = step.again_at.filter(|again| step.phase == Phase::Applying && *again > now);
    let me = step.holder();
    let ours = facet.filter(|facet| facet.holders.contains_key(&me));
    let theirs = facet.filter(|facet| facet.holders.keys().any(|holder| *holder != me));
    match seen {
        Seen::Gone(why) => ApplyNext::Skip(why.clone()),
        Seen::OutOfReach(why) => ApplyNext::Refuse(why.clone()),
        Seen::Unseen(_) => ApplyNext::Wait(None),
        Seen::Is(value) | Seen::FellBack(value, _) if keeps || *value == step.wanted => {
            if ours.or(theirs).is_some() {
                ApplyNext::Settled
            } else if keeps {
                ApplyNext::Keep(value.clone())
            } else {
                ApplyNext::Skip(format!("it was {value} already"))
            }
        }
        Seen::Moving(value) if *value == step.wanted && ours.or(theirs).is_none() => {
            ApplyNext::Skip(format!("it was becoming {value} already"))
        }
        Seen::Moving(value) if *value != step.wanted || ours.is_some() => ApplyNext::Wait(None),
        Seen::Behind(value, _) | Seen::NoRoom(value, _) if *value == step.wanted => match (ours, theirs) {
            (Some(_), _) => ApplyNext::Wait(None),
            (None, Some(_)) => ApplyNext::Settled,
            (None, None) => ApplyNext::Skip(format!("it was {value} already")),
        },
        _ if asked_later.is_some() => ApplyNext::Wait(asked_later),
        Seen::Is(value) | Seen::FellBack(value, _) | Seen::Moving(value) | Seen::Behind(value, _) | Seen::NoRoom(value, _) => {
            ApplyNext::Change { before: ours.or(theirs).map_or(value, |facet| &facet.before).clone() }
        }
    }
}

/// The terms on which a step on its way back is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// A person wants Before, whatever others made of it.
    pub force: bool,
    /// It was held though there was nothing to change.
    pub keeps: bool,
    /// It is a loss when its target is there no more.
    pub is_loss: bool,
    /// The run's try.
    pub attempt: u32,
}

/// Judges a step on its way back.
#[must_use]
pub fn rollback(step: &Step, facet: Option<&Facet>, seen: &Seen, how: Back, now: Timestamp) -> RollbackNext {
    let Back { force, keeps, is_loss, attempt } = how;
    if is_rolled_back(step, attempt) {
        return RollbackNext::Nothing;
    }
    if step.phase == Phase::Planned {
        return RollbackNext::Skip;
    }
    let me = step.holder();
    let Some(facet) = facet.filter(|facet| facet.holders.contains_key(&me)) else {
        return if step.phase == Phase::ApplyFailed {
            RollbackNext::Settled(Some("nothing was changed".to_owned()))
        } else {
            RollbackNext::Refuse("the ledger holds no Before for it: see its history and put it back by hand".to_owned())
        };
    };
    if let Some(until) = claimed(Some(facet), Direction::Apply, now) {
        return RollbackNext::Wait(Some(until));
    }
    if let Some((_, other)) = facet.holders.iter().find(|(holder, _)| **holder != me) {
        return RollbackNext::Settled(Some(format!("left as it is: `{}` still holds it ({})", other.guardrail, other.run)));
    }
    let value = match seen {
        Seen::Gone(why) if is_loss => return RollbackNext::Lost(why.clone()),
        Seen::Gone(why) => return RollbackNext::Settled(Some(format!("nothing to put back: {why}"))),
        Seen::OutOfReach(why) => return RollbackNext::Refuse(why.clone()),
        Seen::Moving(_) | Seen::Unseen(_) => return RollbackNext::Wait(None),
        // Only after we had put it back: a reason that was there before says nothing of that.
        Seen::FellBack(value, why) if *value != facet.before && step.phase == Phase::RollingBack && step.accepted.is_some() => {
            return RollbackNext::Later(why.clone());
        }
        // It has its setting back, and counts once its target has followed.
        Seen::Behind(value, why) | Seen::NoRoom(value, why)
            if *value == facet.before && step.phase == Phase::RollingBack && step.put_back =>
        {
            return match step.again_at.filter(|again| *again > now) {
                // A person does not wait for it: it may never follow, as it did not before.
                _ if force => RollbackNext::Settled(Some(why.clone())),
                Some(again) => RollbackNext::Wait(Some(again)),
                None if matches!(seen, Seen::NoRoom(..)) => RollbackNext::Later(why.clone()),
                None => RollbackNext::Wait(None),
            };
        }
        Seen::Is(value) | Seen::FellBack(value, _) | Seen::Behind(value, _) | Seen::NoRoom(value, _) => value,
    };
    if *value == facet.before {
        return match step.phase {
            Phase::Applied if keeps => RollbackNext::Kept,
            Phase::Applied => RollbackNext::Settled(Some(format!("somebody made it {value} already"))),
            _ if step.put_back && !is_behind(seen) => RollbackNext::Settled(None),
            // Our change was asked for and never seen: a listing may lag behind it. Putting back a value that is there already
            // does no harm.
            _ => RollbackNext::PutBack,
        };
    }
    if let Some(again) = step.again_at.filter(|again| step.phase == Phase::RollingBack && *again > now) {
        return RollbackNext::Wait(Some(again));
    }
    if *value == facet.wanted || force {
        return RollbackNext::PutBack;
    }
    let why = format!(
        "somebody made it {value} meanwhile; we had made it {} and before it was {}: roll back with --force to put that back \
         all the same",
        facet.wanted, facet.before
    );
    RollbackNext::Changed(value.clone(), why)
}

/// Has the target not followed its setting yet?
fn is_behind(seen: &Seen) -> bool {
    matches!(seen, Seen::Behind(..) | Seen::NoRoom(..))
}

/// Until when calls of `direction` may still land.
fn claimed(facet: Option<&Facet>, direction: Direction, now: Timestamp) -> Option<Timestamp> {
    let lease = facet.and_then(|facet| facet.lease.as_ref()).filter(|lease| lease.direction == direction)?;
    Some(lease.ends()).filter(|until| *until > now)
}

/// Why `me` cannot have `wanted`: somebody holds the facet who wants something else.
pub(crate) fn opposite_desire(facet: &Facet, me: &str, wanted: &Value) -> Option<String> {
    let (_, other) = facet.holders.iter().find(|(holder, _)| *holder != me)?;
    (facet.wanted != *wanted).then(|| {
        let (guardrail, run) = (&other.guardrail, &other.run);
        format!("`{guardrail}` holds it ({run}) and wants it {}: opposite wishes are refused", facet.wanted)
    })
}
