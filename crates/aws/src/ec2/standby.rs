//! Standby: a member that is set aside is neither checked nor replaced nor scaled in, whatever its group is told meanwhile. So
//! members enter it before they stop, and leave it when they run and are well. docs/groups.md says what else was weighed.
//!
//! The group's minimum goes to 0 first, since members enter Standby only above it. Each that enters takes one off the desired
//! capacity, and each that leaves puts one on. AWS lets nobody leave while Launch is suspended.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState};
use guardrails_model::action::{ActionError, Change, ChangeOutcome, Seen, Unit};
use guardrails_model::ids::{BadName, FacetId, Value};

use super::groups::{Groups, is_suspended, name, read, seen, suspended, unhealthy, written};
use crate::calls;
use crate::error::{Codes, Failure, FailureKind};

/// The kind of the facet: how small may the group get?
pub const MINIMUM: &str = "group-minimum";
/// The kind of the facet: how many does the group want, with those in Standby? It is held, and changed only on the way back.
pub const CAPACITY: &str = "group-capacity";
/// The kind of the facet: is the member in service, or in Standby?
pub const MEMBERSHIP: &str = "group-member";
/// The process without which nobody leaves Standby.
pub const LAUNCH: &str = "Launch";
/// Orders on the way back: when the members run, the capacity, so that Launch launches nobody; then Launch; then they come back.
pub const BACK: Orders = Orders { capacity: 10, launch: 11, members: 12, last: 16 };
/// Instances that one call moves.
const TWENTY: usize = 20;
/// Refusals of these calls: a group does one thing at a time.
const CODES: Codes = Codes { not_now: &["ResourceContention", "ScalingActivityInProgress"], no_room: &[], not_for_it: &[] };
/// A listing lags behind: it has moved already, or is not there yet.
const NOT_YET: [&str; 2] = ["is not in InService", "is not in Standby"];

/// The orders on the way back.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// The desired capacity.
    pub capacity: u8,
    /// The process Launch.
    pub launch: u8,
    /// The members.
    pub members: u8,
    /// The processes by which the group grows and shrinks.
    pub last: u8,
}

/// The value of a member that its group counts on.
#[must_use]
pub fn in_service() -> Value {
    Value::new("in service")
}

/// The value of a member that is set aside.
#[must_use]
pub fn standby() -> Value {
    Value::new("standby")
}

/// The minimum under which all members may be in Standby.
#[must_use]
pub fn no_minimum() -> Value {
    Value::new("0")
}

/// The value of a capacity that is known, which is all that the stage wants of it.
#[must_use]
pub fn kept() -> Value {
    Value::new("kept")
}

/// The facet of a group's minimum or capacity.
///
/// # Errors
/// When the group's name makes no facet.
pub fn size_facet(kind: &str, region: &str, group: &str) -> Result<FacetId, BadName> {
    FacetId::new(kind, region, &written(group))
}

/// The facet of a member.
///
/// # Errors
/// When the group's name makes no facet.
pub fn member_facet(region: &str, group: &str, id: &str) -> Result<FacetId, BadName> {
    FacetId::new(MEMBERSHIP, region, &format!("{id}/{}", written(group)))
}

/// The member and the group of a facet.
#[must_use]
pub fn member_of(facet: &FacetId) -> (&str, String) {
    let (id, group) = facet.parts().2.split_once('/').unwrap_or_default();
    (id, read(group))
}

/// Is it about a group's size or a member's place in it?
#[must_use]
pub fn is_standby(facet: &FacetId) -> bool {
    [MINIMUM, CAPACITY, MEMBERSHIP].contains(&facet.parts().0)
}

/// The group that a facet of [`is_standby`] is about.
#[must_use]
pub fn group_of(facet: &FacetId) -> String {
    if facet.parts().0 == MEMBERSHIP { member_of(facet).1 } else { read(facet.parts().2) }
}

/// Where the minimum, the capacity or a member stands in its group's order.
#[must_use]
pub fn unit(kind: &str, group: &str) -> Unit {
    let (forward, back) = match kind {
        CAPACITY => (0, BACK.capacity),
        MINIMUM => (1, BACK.last),
        _ => (2, BACK.members),
    };
    Unit { name: group.to_owned(), forward, back }
}

/// Is the member in Standby?
#[must_use]
pub fn is_aside(group: &AutoScalingGroup, id: &str) -> bool {
    let member = group.instances().iter().find(|member| member.instance_id() == Some(id));
    member.and_then(|member| member.lifecycle_state()) == Some(&LifecycleState::Standby)
}

/// The capacity that the group wants, with the members that are set aside.
#[must_use]
pub fn capacity(group: &AutoScalingGroup) -> Value {
    Value::new((desired(group) + Count::of(group).aside).to_string())
}

/// The smallest size of the group.
#[must_use]
pub fn minimum(group: &AutoScalingGroup) -> Value {
    Value::new(group.min_size().unwrap_or_default().to_string())
}

/// The place of a member.
#[must_use]
pub fn place(group: &AutoScalingGroup, id: &str) -> Seen {
    use LifecycleState as State;
    let member = group.instances().iter().find(|member| member.instance_id() == Some(id));
    match member.and_then(|member| member.lifecycle_state()) {
        Some(State::InService) => Seen::Is(in_service()),
        Some(State::Standby) => Seen::Is(standby()),
        Some(State::EnteringStandby) => Seen::Moving(standby()),
        Some(
            State::Pending
            | State::PendingWait
            | State::PendingProceed
            | State::ReplacingRootVolume
            | State::ReplacingRootVolumeWait
            | State::ReplacingRootVolumeProceed
            | State::RootVolumeReplaced,
        ) => Seen::Moving(in_service()),
        Some(other) => Seen::Gone(format!("{id} is {} in its group {}", other.as_str(), name(group))),
        None => Seen::Gone(format!("{id} is in the group {} no more", name(group))),
    }
}

fn desired(group: &AutoScalingGroup) -> usize {
    usize::try_from(group.desired_capacity().unwrap_or_default()).unwrap_or_default()
}

/// Members, by what the desired capacity counts.
struct Count {
    /// In Standby, or on their way there.
    aside: usize,
    /// In service, or on their way there.
    present: usize,
}

impl Count {
    fn of(group: &AutoScalingGroup) -> Self {
        let places: Vec<Seen> = group.instances().iter().filter_map(|member| Some(place(group, member.instance_id()?))).collect();
        let count =
            |value: Value| places.iter().filter(|place| matches!(place, Seen::Is(is) | Seen::Moving(is) if *is == value)).count();
        Self { aside: count(standby()), present: count(in_service()) }
    }
}

impl Groups {
    /// The present value of each minimum, capacity and member.
    ///
    /// # Errors
    /// When Auto Scaling does not say.
    pub async fn observe_standby(&self, facets: &[&FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let groups = self.named(facets.iter().map(|facet| group_of(facet))).await?;
        let of = |facet: &&&FacetId| {
            let called = group_of(facet);
            let group = groups.get(&called);
            match (facet.parts().0, group) {
                (MEMBERSHIP, Some(group)) if super::groups::going(group).is_none() => place(group, member_of(facet).0),
                (kind, group) => seen(&called, group, |group| if kind == MINIMUM { minimum(group) } else { capacity(group) }),
            }
        };
        Ok(facets.iter().map(|facet| ((*facet).clone(), of(&facet))).collect())
    }

    /// The capacity that a group gets on the way back, where others changed it. More than before is theirs, and so is a group that
    /// has more members than before: nobody is terminated for it.
    ///
    /// # Errors
    /// When Auto Scaling does not say.
    pub async fn capacity_changed_by_others(&self, facet: &FacetId, before: &Value, seen: &Value) -> Result<Value, ActionError> {
        let called = group_of(facet);
        let groups = self.named([called.clone()]).await?;
        let Some(group) = groups.get(&called) else { return Ok(seen.clone()) };
        let before: usize = before.as_str().parse().unwrap_or_default();
        let count = Count::of(group);
        Ok(Value::new(before.max(desired(group)).max(count.present + count.aside).to_string()))
    }

    /// Changes minimums, capacities and members' places. Of members that leave Standby only those that are `running`: its group
    /// would terminate another.
    pub async fn turn_standby(&self, changes: &[&Change], running: &BTreeSet<String>) -> Vec<ChangeOutcome> {
        let mut answers = vec![ChangeOutcome::Unknown("no answer".to_owned()); changes.len()];
        let mut moves: BTreeMap<(String, bool), Vec<usize>> = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            match change.facet.parts().0 {
                MINIMUM => answers[index] = self.set_minimum(change).await,
                CAPACITY => answers[index] = self.set_capacity(change).await,
                _ if change.to == standby() => moves.entry((group_of(&change.facet), true)).or_default().push(index),
                _ if running.contains(member_of(&change.facet).0) => {
                    moves.entry((group_of(&change.facet), false)).or_default().push(index);
                }
                _ => {
                    let why = "it does not run, and its group would terminate it: start it, and roll back again";
                    answers[index] = ChangeOutcome::Refused(why.to_owned());
                }
            }
        }
        for ((group, enter), indexes) in moves {
            let found = match self.named([group.clone()]).await {
                Ok(found) => found,
                Err(error) => {
                    for index in indexes {
                        answers[index] = error.clone().into();
                    }
                    continue;
                }
            };
            // A member that was ill before would come back as if it were well.
            let ill = |index: usize| unhealthy(found.get(&group)?, member_of(&changes[index].facet).0).filter(|_| enter);
            let (well, ill): (Vec<usize>, Vec<(usize, String)>) =
                indexes.into_iter().fold(Default::default(), |(mut well, mut all), index| {
                    match ill(index) {
                        Some(why) => all.push((index, why)),
                        None => well.push(index),
                    }
                    (well, all)
                });
            for (index, why) in ill {
                answers[index] = ChangeOutcome::Skipped(why);
            }
            if !enter
                && let Some(group) = found.get(&group)
                && let Err(answer) = self.let_leave(group, changes[well[0]]).await
            {
                for index in well {
                    answers[index] = answer.clone();
                }
                continue;
            }
            let mut batches: Vec<Vec<usize>> = well.chunks(TWENTY).map(<[usize]>::to_vec).collect();
            while let Some(mut batch) = batches.pop() {
                let of: Vec<&Change> = batch.iter().map(|index| changes[*index]).collect();
                match self.move_members(&group, enter, &of).await {
                    // One that is refused fails the whole call: it is halved until that one is found.
                    Err(failure) if (failure.kind == FailureKind::Refused || is_elsewhere(&failure)) && batch.len() > 1 => {
                        let second = batch.split_off(batch.len() / 2);
                        batches.extend([second, batch]);
                    }
                    answer => {
                        let is_there = |index: &usize| {
                            let there = found.get(&group).map(|group| place(group, member_of(&changes[*index].facet).0));
                            there == Some(Seen::Is(changes[*index].to.clone()))
                        };
                        let answer = match answer {
                            Ok(()) => ChangeOutcome::Accepted,
                            Err(failure) if is_elsewhere(&failure) && batch.iter().all(is_there) => ChangeOutcome::Accepted,
                            Err(failure) => failure.answer(),
                        };
                        for index in batch {
                            answers[index] = answer.clone();
                        }
                    }
                }
            }
        }
        answers
    }

    async fn move_members(&self, group: &str, enter: bool, changes: &[&Change]) -> Result<(), Failure> {
        let ids = Some(changes.iter().map(|change| member_of(&change.facet).0.to_owned()).collect());
        let all = changes.iter().copied();
        let moved = if enter {
            let call = self.changes.enter_standby().auto_scaling_group_name(group).set_instance_ids(ids);
            let call = call.should_decrement_desired_capacity(true);
            calls::make("autoscaling:EnterStandby", all, call.send()).await.map(drop)
        } else {
            let call = self.changes.exit_standby().auto_scaling_group_name(group).set_instance_ids(ids);
            calls::make("autoscaling:ExitStandby", all, call.send()).await.map(drop)
        };
        moved.map_err(|failure| {
            let failure = failure.judged(&CODES);
            if is_elsewhere(&failure) { Failure { kind: FailureKind::Later, ..failure } } else { failure }
        })
    }

    /// Resumes Launch where it is suspended, by a person or for another stage: AWS lets nobody leave Standby without it. A
    /// process that a person had suspended is suspended again at the end.
    async fn let_leave(&self, group: &AutoScalingGroup, change: &Change) -> Result<(), ChangeOutcome> {
        if !is_suspended(group, LAUNCH) {
            return Ok(());
        }
        let called = name(group);
        let missing = desired(group).saturating_sub(Count::of(group).present);
        if missing > 0 {
            return Err(ChangeOutcome::Refused(format!(
                "{LAUNCH} of its group {called} is suspended, and it would launch {missing} more when that is resumed for it: lower \
                 its desired capacity, or resume {LAUNCH}, and roll back again"
            )));
        }
        let call = self.changes.resume_processes().auto_scaling_group_name(called).scaling_processes(LAUNCH).send();
        calls::make("autoscaling:ResumeProcesses", [change], call).await.map(drop).map_err(Failure::answer)
    }

    async fn set_minimum(&self, change: &Change) -> ChangeOutcome {
        let Ok(minimum) = change.to.as_str().parse() else { return refused(&change.to) };
        let call = self.changes.update_auto_scaling_group().auto_scaling_group_name(group_of(&change.facet)).min_size(minimum);
        let set = calls::make("autoscaling:UpdateAutoScalingGroup", [change], call.send()).await;
        set.map_or_else(|failure| failure.judged(&CODES).answer(), |_| ChangeOutcome::Accepted)
    }

    /// So that the group wants as many as `change` says, with those in Standby; never fewer than it has.
    async fn set_capacity(&self, change: &Change) -> ChangeOutcome {
        let Ok(wanted) = change.to.as_str().parse::<usize>() else { return refused(&change.to) };
        let called = group_of(&change.facet);
        let groups = match self.named([called.clone()]).await {
            Ok(groups) => groups,
            Err(error) => return error.into(),
        };
        let Some(group) = groups.get(&called) else { return ChangeOutcome::Accepted };
        let count = Count::of(group);
        let wanted = wanted.saturating_sub(count.aside).max(count.present);
        let Ok(wanted) = i32::try_from(wanted) else { return refused(&change.to) };
        // A minimum that somebody set meanwhile would launch as many beside those that come back. It is written down as its own Before
        // by now, and comes back after them.
        let set = if group.min_size().unwrap_or_default() > wanted {
            let call = self.changes.update_auto_scaling_group().auto_scaling_group_name(called);
            let call = call.min_size(0).desired_capacity(wanted).send();
            calls::make("autoscaling:UpdateAutoScalingGroup", [change], call).await.map(drop)
        } else {
            let call = self.changes.set_desired_capacity().auto_scaling_group_name(called);
            let call = call.desired_capacity(wanted).honor_cooldown(false).send();
            calls::make("autoscaling:SetDesiredCapacity", [change], call).await.map(drop)
        };
        set.map_or_else(|failure| failure.judged(&CODES).answer(), |()| ChangeOutcome::Accepted)
    }
}

/// Was a member not where it was to be moved from?
fn is_elsewhere(failure: &Failure) -> bool {
    NOT_YET.iter().any(|said| failure.message.contains(said))
}

fn refused(to: &Value) -> ChangeOutcome {
    ChangeOutcome::Refused(format!("`{to}` is no size of a group"))
}

/// Is `facet` held as it was `seen`? The capacity is, and a minimum of 0, which others may raise. So is a suspended Launch: it is
/// suspended again once the members have left Standby.
#[must_use]
pub fn keeps(facet: &FacetId, process: Option<&str>, seen: &Value) -> bool {
    match facet.parts().0 {
        CAPACITY => true,
        MINIMUM => *seen == no_minimum(),
        _ => process == Some(LAUNCH) && *seen == suspended(),
    }
}
