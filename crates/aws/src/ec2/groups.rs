//! Auto Scaling groups. A group takes a stopped member for unhealthy, terminates it and launches another. So before its
//! members stop, every process that could do either is suspended, and they enter Standby ([`super::standby`]). It is resumed in an
//! order in which the group never judges a member before that member is well again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::types::{
    AutoScalingGroup, InstanceRefreshStatus, LifecycleState, ScalingActivityStatusCode as Activity,
};
use guardrails_model::action::{ActionError, Change, ChangeOutcome, Due, Seen, Unit};
use guardrails_model::ids::{BadName, FacetId, Value};
use jiff::Timestamp;

use super::instances::{POWER, instance_id};
use super::standby::{BACK, LAUNCH, MEMBERSHIP, is_standby, member_of};
use crate::calls;
use crate::error::Failure;

/// The kind of the facet: is the process of the group suspended?
pub const PROCESS: &str = "group-process";
/// The tag that Auto Scaling gives its members.
pub const MEMBER_TAG: &str = "aws:autoscaling:groupName";
/// Every process that could terminate a stopped member or launch another, with its order on the way back. The check comes first,
/// which must find all well; then the processes that act on it; last those that make the group grow and shrink. Launch comes
/// before all of them, so that members may leave Standby.
pub const PROCESSES: [(&str, u8); 8] = [
    (HEALTH_CHECK, CHECKED),
    ("ReplaceUnhealthy", WATCHED),
    ("Terminate", 15),
    (LAUNCH, BACK.launch),
    ("AZRebalance", BACK.last),
    ("AlarmNotification", BACK.last),
    (SCHEDULED, BACK.last),
    ("InstanceRefresh", BACK.last),
];
/// The orders of the health check and of its consequences.
const CHECKED: u8 = 13;
const WATCHED: u8 = 14;
/// The same in runs of versions without Standby: their steps keep them.
const CHECKED_BEFORE: u8 = 1;
const WATCHED_BEFORE: u8 = 2;
/// The process that changes sizes by the clock.
pub const SCHEDULED: &str = "ScheduledActions";
/// The process that finds members unhealthy.
pub const HEALTH_CHECK: &str = "HealthCheck";
/// The order of the processes on the way forward, and of the members after them.
const FORWARD: (u8, u8) = (0, 3);
/// Groups a page of a listing, and names that one question takes.
const PAGE: i32 = 100;
const NAMES: usize = 50;
/// Instances that one question takes.
const INSTANCES: usize = 50;

/// The value of a process that works.
#[must_use]
pub fn working() -> Value {
    Value::new("working")
}

/// The value of a process that is suspended.
#[must_use]
pub fn suspended() -> Value {
    Value::new("suspended")
}

/// The facet of a group's process.
///
/// # Errors
/// When the group's name makes no facet.
pub fn process_facet(region: &str, group: &str, process: &str) -> Result<FacetId, BadName> {
    FacetId::new(PROCESS, region, &format!("{process}/{}", written(group)))
}

/// Process and group of a facet.
#[must_use]
pub fn process_of(facet: &FacetId) -> (&str, String) {
    let (process, group) = facet.parts().2.split_once('/').unwrap_or_default();
    (process, read(group))
}

/// A group's name as part of a facet: it may hold slashes, also at its end.
#[must_use]
pub fn written(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

/// The name that was [`written`].
#[must_use]
pub fn read(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

/// Does the health check come next, on the way back?
#[must_use]
pub fn is_check_next(order: u8) -> bool {
    matches!(order, CHECKED | CHECKED_BEFORE)
}

/// Does that come next which acts on the health check?
#[must_use]
pub fn is_watch_next(order: u8) -> bool {
    matches!(order, WATCHED | WATCHED_BEFORE)
}

/// Is it still before members leave Standby, on the way back?
#[must_use]
pub fn is_before_service(order: u8) -> bool {
    (BACK.capacity..=BACK.members).contains(&order)
}

/// Is the facet about a group, rather than about an instance?
#[must_use]
pub fn is_of_group(facet: &FacetId) -> bool {
    facet.parts().0 == PROCESS || is_standby(facet)
}

/// Is a unit with this facet an Auto Scaling group? The units of other services have neither groups nor instances.
#[must_use]
pub fn is_in_group(facet: &FacetId) -> bool {
    is_of_group(facet) || facet.parts().0 == POWER
}

/// The group of a facet of [`is_of_group`].
#[must_use]
pub fn group_of(facet: &FacetId) -> String {
    if facet.parts().0 == PROCESS { process_of(facet).1 } else { super::standby::group_of(facet) }
}

/// The member that a facet is about, where it is about one's place in its group.
#[must_use]
pub fn moved(facet: &FacetId) -> Option<&str> {
    (facet.parts().0 == MEMBERSHIP).then(|| member_of(facet).0)
}

/// Where a process stands in its group's order.
#[must_use]
pub fn process_unit(group: &str, back: u8) -> Unit {
    Unit { name: group.to_owned(), forward: FORWARD.0, back }
}

/// Where a member stands in its group's order: stopped last, started first.
#[must_use]
pub fn member_unit(group: &str) -> Unit {
    Unit { name: group.to_owned(), forward: FORWARD.1, back: 0 }
}

/// The groups of a Region.
#[derive(Clone)]
pub struct Groups {
    /// Asks.
    pub client: Client,
    /// Changes, without retries of its own.
    pub changes: Client,
}

impl Groups {
    /// Every group.
    ///
    /// # Errors
    /// When Auto Scaling does not list them.
    pub async fn all(&self) -> Result<Vec<AutoScalingGroup>, ActionError> {
        self.list(None).await
    }

    /// The groups of these names, those that there are.
    ///
    /// # Errors
    /// When Auto Scaling does not list them.
    pub async fn named(&self, names: impl IntoIterator<Item = String>) -> Result<HashMap<String, AutoScalingGroup>, ActionError> {
        let names: Vec<String> = names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = HashMap::new();
        for batch in names.chunks(NAMES) {
            let groups = self.list(Some(batch.to_vec())).await?;
            found.extend(groups.into_iter().map(|group| (name(&group).to_owned(), group)));
        }
        Ok(found)
    }

    async fn list(&self, names: Option<Vec<String>>) -> Result<Vec<AutoScalingGroup>, ActionError> {
        let call = self.client.describe_auto_scaling_groups().max_records(PAGE).set_auto_scaling_group_names(names);
        let mut pages = call.into_paginator().send();
        let mut groups = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::of(&error).reading("listing Auto Scaling groups"))?;
            groups.extend(page.auto_scaling_groups.unwrap_or_default());
        }
        Ok(groups)
    }

    /// The group of each instance that is in one.
    ///
    /// # Errors
    /// When Auto Scaling does not say.
    pub async fn of_instances(&self, ids: &[&str]) -> Result<HashMap<String, String>, ActionError> {
        let mut members = HashMap::new();
        for batch in ids.chunks(INSTANCES) {
            let ids = batch.iter().map(|id| (*id).to_owned()).collect();
            let mut pages = self.client.describe_auto_scaling_instances().set_instance_ids(Some(ids)).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| Failure::of(&error).reading("asking Auto Scaling for members"))?;
                for member in page.auto_scaling_instances() {
                    let id = member.instance_id().unwrap_or_default().to_owned();
                    members.insert(id, member.auto_scaling_group_name().unwrap_or_default().to_owned());
                }
            }
        }
        Ok(members)
    }

    /// Why nobody should touch the group's members now, if there is a reason that does not pass by itself.
    ///
    /// # Errors
    /// When Auto Scaling does not say.
    pub async fn refusal(&self, group: &AutoScalingGroup) -> Result<Option<String>, ActionError> {
        let called = name(group);
        if let Some(going) = going(group) {
            return Ok(Some(format!("its {going}")));
        }
        if let Some(operator) = group.operator() {
            let who = operator.principal().unwrap_or("another service");
            return Ok(Some(format!("{who} operates its Auto Scaling group {called}, and nobody else may change it")));
        }
        if group.warm_pool_configuration().is_some() {
            return Ok(Some(format!(
                "its Auto Scaling group {called} has a warm pool, whose instances come and go by themselves"
            )));
        }
        let refreshing = self.refreshing(called).await?;
        Ok(refreshing.then(|| format!("an instance refresh of its Auto Scaling group {called} is under way")))
    }

    /// Is an instance refresh of the group under way?
    ///
    /// # Errors
    /// When Auto Scaling does not say.
    pub async fn refreshing(&self, group: &str) -> Result<bool, ActionError> {
        use InstanceRefreshStatus as Status;
        let call = self.client.describe_instance_refreshes().auto_scaling_group_name(group).max_records(PAGE);
        let answer = call.send().await.map_err(|error| Failure::of(&error).reading("asking for instance refreshes"))?;
        let over = |status: &Status| {
            matches!(
                status,
                Status::Successful | Status::Failed | Status::Cancelled | Status::RollbackFailed | Status::RollbackSuccessful
            )
        };
        Ok(answer.instance_refreshes().iter().filter_map(|refresh| refresh.status()).any(|status| !over(status)))
    }

    /// The group's present activity on its members, if there is one: an activity that was begun runs to its end, also when its
    /// process is suspended meanwhile.
    ///
    /// # Errors
    /// When Auto Scaling does not say.
    pub async fn activity(&self, group: &AutoScalingGroup) -> Result<Option<String>, ActionError> {
        let moving = group.instances().iter().find(|member| member.lifecycle_state().is_some_and(is_moving));
        if let Some(member) = moving {
            let state = member.lifecycle_state().map(LifecycleState::as_str).unwrap_or_default();
            return Ok(Some(format!("{} is {state}", member.instance_id().unwrap_or("a member"))));
        }
        let call = self.client.describe_scaling_activities().auto_scaling_group_name(name(group)).max_records(PAGE);
        let answer = call.send().await.map_err(|error| Failure::of(&error).reading("asking for scaling activities"))?;
        // The warm-up after a launch changes no member any more.
        let over = |status: &Activity| {
            matches!(status, Activity::Successful | Activity::Failed | Activity::Cancelled | Activity::WaitingForInstanceWarmup)
        };
        let busy = answer.activities().iter().find(|activity| activity.status_code().is_some_and(|status| !over(status)));
        Ok(busy.map(|activity| activity.description().unwrap_or("a scaling activity is in progress").to_owned()))
    }

    /// The group's scheduled actions: none of them happens while their process is suspended. Auto Scaling shows as the start of one that
    /// recurs when it happens next.
    ///
    /// # Errors
    /// When Auto Scaling does not say.
    pub async fn scheduled(&self, group: &str) -> Result<Vec<Due>, ActionError> {
        let call = self.client.describe_scheduled_actions().auto_scaling_group_name(group).max_records(PAGE);
        let mut pages = call.into_paginator().send();
        let mut due = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::of(&error).reading("asking for scheduled actions"))?;
            due.extend(page.scheduled_update_group_actions().iter().map(|action| Due {
                name: action.scheduled_action_name().unwrap_or_default().to_owned(),
                recurrence: action.recurrence().map(str::to_owned),
                at: action.start_time().and_then(|at| Timestamp::from_second(at.secs()).ok()),
            }));
        }
        Ok(due)
    }

    /// The present state of each process.
    ///
    /// # Errors
    /// When Auto Scaling does not say.
    pub async fn observe(&self, facets: &[&FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let groups = self.named(facets.iter().map(|facet| process_of(facet).1)).await?;
        let seen = facets.iter().map(|facet| {
            let (process, group) = process_of(facet);
            let state = |group: &AutoScalingGroup| if is_suspended(group, process) { suspended() } else { working() };
            let seen = seen(&group, groups.get(&group), state);
            ((*facet).clone(), seen)
        });
        Ok(seen.collect())
    }

    /// Suspends or resumes. Members that this run stopped and started again are called healthy before the group's check is
    /// resumed: a member that a group found unhealthy once never recovers by itself.
    pub async fn turn(&self, changes: &[&Change]) -> Vec<ChangeOutcome> {
        let mut calls: BTreeMap<(String, bool), Vec<usize>> = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            calls.entry((process_of(&change.facet).1, change.to == suspended())).or_default().push(index);
        }
        let mut answers = vec![ChangeOutcome::Unknown("no answer".to_owned()); changes.len()];
        for ((group, suspend), indexes) in calls {
            let of_group: Vec<&Change> = indexes.iter().map(|index| changes[*index]).collect();
            let answer = self.turn_group(&group, suspend, &of_group).await;
            for index in indexes {
                answers[index] = answer.clone();
            }
        }
        answers
    }

    async fn turn_group(&self, group: &str, suspend: bool, changes: &[&Change]) -> ChangeOutcome {
        let processes: Vec<String> = changes.iter().map(|change| process_of(&change.facet).0.to_owned()).collect();
        if suspend {
            let call = self.changes.suspend_processes().auto_scaling_group_name(group).set_scaling_processes(Some(processes));
            let suspended = calls::make("autoscaling:SuspendProcesses", changes.iter().copied(), call.send()).await;
            return suspended.map_or_else(Failure::answer, |_| ChangeOutcome::Accepted);
        }
        if let Some(check) = changes.iter().find(|change| process_of(&change.facet).0 == HEALTH_CHECK)
            && let Err(answer) = self.call_healthy(group, check).await
        {
            return answer;
        }
        let call = self.changes.resume_processes().auto_scaling_group_name(group).set_scaling_processes(Some(processes));
        let resumed = calls::make("autoscaling:ResumeProcesses", changes.iter().copied(), call.send()).await;
        resumed.map_or_else(Failure::answer, |_| ChangeOutcome::Accepted)
    }

    async fn call_healthy(&self, group: &str, check: &Change) -> Result<(), ChangeOutcome> {
        let groups = self.named([group.to_owned()]).await.map_err(ChangeOutcome::from)?;
        let turned = check.others.iter().filter(|facet| facet.parts().0 == super::instances::POWER);
        let ours: BTreeSet<&str> = turned.map(instance_id).collect();
        let members = groups.get(group).map(AutoScalingGroup::instances).unwrap_or_default();
        for id in members.iter().filter(|member| is_unhealthy(member)).filter_map(|member| member.instance_id()) {
            if ours.contains(id) {
                let call = self.changes.set_instance_health().instance_id(id).health_status("Healthy");
                let call = call.should_respect_grace_period(false).send();
                calls::make("autoscaling:SetInstanceHealth", [check], call).await.map_err(Failure::answer)?;
            }
        }
        Ok(())
    }
}

/// The group's name.
#[must_use]
pub fn name(group: &AutoScalingGroup) -> &str {
    group.auto_scaling_group_name().unwrap_or_default()
}

/// The value of the group's own tag.
#[must_use]
pub fn tag<'a>(group: &'a AutoScalingGroup, key: &str) -> Option<&'a str> {
    group.tags().iter().find(|tag| tag.key() == Some(key)).map(|tag| tag.value().unwrap_or_default())
}

/// Is the process suspended, by whomever?
#[must_use]
pub fn is_suspended(group: &AutoScalingGroup, process: &str) -> bool {
    group.suspended_processes().iter().any(|suspended| suspended.process_name() == Some(process))
}

/// The first process that could harm a stopped member now.
#[must_use]
pub fn harmful(group: &AutoScalingGroup) -> Option<&'static str> {
    PROCESSES.into_iter().map(|(process, _)| process).find(|process| !is_suspended(group, process))
}

/// Does the group find its member unhealthy, and may it be called healthy again? Those on their way out may not.
#[must_use]
pub fn is_unhealthy(member: &aws_sdk_autoscaling::types::Instance) -> bool {
    let healthy = member.health_status().is_some_and(|status| status.eq_ignore_ascii_case("Healthy"));
    member.lifecycle_state() == Some(&LifecycleState::InService) && !healthy
}

/// Why the group finds this member unhealthy, in words, if it does.
#[must_use]
pub fn unhealthy(group: &AutoScalingGroup, id: &str) -> Option<String> {
    let member = group.instances().iter().find(|member| member.instance_id() == Some(id));
    member.is_some_and(is_unhealthy).then(|| format!("its Auto Scaling group {} finds it unhealthy already", name(group)))
}

/// Why a member in this state of its life is left alone, if it is: a service or a person keeps it there.
#[must_use]
pub fn kept_aside(group: &AutoScalingGroup, id: &str) -> Option<String> {
    let member = group.instances().iter().find(|member| member.instance_id() == Some(id))?;
    let state = member.lifecycle_state().map(LifecycleState::as_str).filter(|state| is_kept(state))?;
    Some(format!("it is {state} in its Auto Scaling group {}, which does not count on it", name(group)))
}

/// Retained after a hook was abandoned, or quarantined: the group leaves it so until a person acts.
fn is_kept(state: &str) -> bool {
    state.ends_with(":Retained") || state == "Quarantined"
}

/// That the group is being deleted, if it is: nothing of it can be changed any more.
#[must_use]
pub fn going(group: &AutoScalingGroup) -> Option<String> {
    let status = group.status().filter(|status| !status.is_empty())?;
    Some(format!("Auto Scaling group {} is going ({status})", name(group)))
}

/// The state of a thing that belongs to a group of this name.
pub fn seen(name: &str, group: Option<&AutoScalingGroup>, state: impl FnOnce(&AutoScalingGroup) -> Value) -> Seen {
    match group.map(|group| (group, going(group))) {
        None => Seen::Gone(format!("the Auto Scaling group {name} is there no more")),
        Some((_, Some(going))) => Seen::Gone(format!("the {going}")),
        Some((group, None)) => Seen::Is(state(group)),
    }
}

/// Is a member on its way in or out?
fn is_moving(state: &LifecycleState) -> bool {
    use LifecycleState as State;
    !matches!(state, State::InService | State::Standby | State::Detached | State::Terminated) && !is_kept(state.as_str())
}
