//! The instances that are to be stopped, their groups, and when a group's next step may begin.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_ec2::types::Instance;
use guardrails_model::action::{ActionError, Planned, Ready, ReadyCheck, Seen};
use guardrails_model::config::Duration;
use guardrails_model::ids::{BadName, FacetId};
use guardrails_model::phase::Phase;

use super::Stopping;
use super::params::{InstanceStoreData, PartialGroups};
use crate::ec2::billing;
use crate::ec2::bystanders::{Bystanders, Facts};
use crate::ec2::foreign_keys::ForeignKeys;
use crate::ec2::groups::{self, HEALTH_CHECK, PROCESS, PROCESSES, SCHEDULED};
use crate::ec2::health::{Checks, unknown_check};
use crate::ec2::instances::{self, POWER, instance_id, running, stopped};
use crate::ec2::standby::{self, BACK, CAPACITY, LAUNCH, MEMBERSHIP, MINIMUM};

/// For how long a group's check is watched, when the stage does not say.
pub(super) const WATCH_HEALTH: Duration = Duration::from_secs(60);

impl Stopping {
    /// The keys of other accounts that volumes of those that run are encrypted under.
    pub(super) async fn foreign_keys(&self, instances: &[Instance]) -> ForeignKeys {
        let Some(account) = &self.account else { return ForeignKeys::default() };
        let on = instances.iter().filter(|instance| instances::state(instance) == Seen::Is(running()));
        let ids: Vec<&str> = on.filter_map(Instance::instance_id).collect();
        self.lister.foreign_keys(&ids, account).await
    }

    /// The planned changes of these instances, and of the groups of those that are members.
    pub(super) async fn plan_for(
        &self,
        instances: &[Instance],
        groups: &[AutoScalingGroup],
        keys: &ForeignKeys,
    ) -> Result<Vec<Planned>, ActionError> {
        let members = members(instances, groups);
        let all: Vec<&Instance> = instances.iter().collect();
        let facts = Facts::about(&all, &self.lister.ec2, &self.lister.pacer).await?;
        let controller = self.operators.controller(instances).await?;
        let by = Bystanders {
            exempt: &self.params.exempt,
            lose_data: self.params.instance_store_data == InstanceStoreData::Lose,
            controller: &controller,
            facts: &facts,
            members: &members,
            now: self.clock.now(),
        };
        let mut planned = Vec::new();
        let mut of_groups: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
        for instance in instances {
            if let Some(group) = instance.instance_id().and_then(|id| members.get(id)) {
                of_groups.entry(group).or_default().push(instance);
            } else {
                let out_of_scope = by.out_of_scope(instance);
                let spared = out_of_scope.is_some();
                let one = self.power(instance, out_of_scope.or_else(|| by.not_for_stopping(instance)), keys)?;
                let note = |one: &Planned| {
                    let notes: Vec<String> = one.note.clone().into_iter().chain(by.unproven(instance)).collect();
                    (!notes.is_empty()).then(|| notes.join("; "))
                };
                planned.extend(one.map(|one| Planned { note: note(&one), spared, ..one }));
            }
        }
        for (name, in_scope) in of_groups {
            if let Some(group) = groups.iter().find(|group| groups::name(group) == name) {
                planned.extend(self.plan_group(group, &in_scope, &by, keys).await?);
                continue;
            }
            let why = format!("it is a member of the Auto Scaling group {name}, which is not listed");
            for instance in in_scope {
                planned.extend(self.power(instance, Some(why.clone()), keys)?);
            }
        }
        Ok(planned)
    }

    /// The members of one group that carry the tags, and the processes that must be suspended before they stop.
    async fn plan_group(
        &self,
        group: &AutoScalingGroup,
        in_scope: &[&Instance],
        by: &Bystanders<'_>,
        keys: &ForeignKeys,
    ) -> Result<Vec<Planned>, ActionError> {
        let name = groups::name(group);
        let out_of_scope: Vec<Option<String>> = in_scope.iter().map(|instance| by.out_of_scope(instance)).collect();
        let ours: BTreeSet<&str> = in_scope
            .iter()
            .zip(&out_of_scope)
            .filter(|(_, why)| why.is_none())
            .filter_map(|(instance, _)| instance.instance_id())
            .collect();
        let all = group.instances().len();
        let others = group.instances().iter().filter(|member| member.instance_id().is_none_or(|id| !ours.contains(id))).count();
        let mut refusal = self.untagged(group);
        if refusal.is_none() {
            refusal = self.groups.refusal(group).await?.or_else(|| unknown_check(group));
        }
        if refusal.is_none() && others > 0 && self.params.partial_groups == PartialGroups::Leave {
            refusal = Some(format!(
                "only {} of the {all} members of its Auto Scaling group {name} are in scope (`partial-groups: stop` stops those)",
                all - others
            ));
        }
        let mut planned = Vec::new();
        let mut stopping = false;
        for (instance, out_of_scope) in in_scope.iter().zip(out_of_scope) {
            let id = instance.instance_id().unwrap_or_default();
            let unfit = || groups::unhealthy(group, id).or_else(|| groups::kept_aside(group, id));
            let spared = out_of_scope.is_some();
            let why = out_of_scope.or_else(|| by.not_for_stopping(instance)).or_else(|| refusal.clone()).or_else(unfit);
            let stops = why.is_none();
            let Some(member) = self.power(instance, why, keys)? else { continue };
            planned.push(Planned { unit: Some(groups::member_unit(name)), spared, ..member });
            if stops {
                stopping = true;
                planned.push(self.place(group, id)?);
            }
        }
        if stopping {
            planned.extend(self.of_group(group).await?);
        }
        Ok(planned)
    }

    /// A member's place in its group, which has to be Standby before it stops.
    fn place(&self, group: &AutoScalingGroup, id: &str) -> Result<Planned, ActionError> {
        let name = groups::name(group);
        let facet = standby::member_facet(&self.region, name, id).map_err(unnamed)?;
        let present = match standby::place(group, id) {
            Seen::Is(value)
            | Seen::FellBack(value, _)
            | Seen::Moving(value)
            | Seen::Behind(value, _)
            | Seen::NoRoom(value, _) => value,
            // A group that is not listed with it yet has only just launched it.
            Seen::Gone(_) | Seen::OutOfReach(_) | Seen::Unseen(_) => standby::in_service(),
        };
        let unit = Some(standby::unit(MEMBERSHIP, name));
        let with = Some(FacetId::new(POWER, &self.region, id).map_err(unnamed)?);
        Ok(Planned { unit, with, ..Planned::new(facet, format!("{id} of group {name}"), present, standby::standby()) })
    }

    /// The changes of the group itself.
    async fn of_group(&self, group: &AutoScalingGroup) -> Result<Vec<Planned>, ActionError> {
        let name = groups::name(group);
        let scheduled = self.groups.scheduled(name).await?;
        let missed = || {
            let each: Vec<String> = scheduled.iter().map(ToString::to_string).collect();
            format!("these do not happen while it is suspended, nor afterwards: {}", each.join(", "))
        };
        let mut planned = Vec::new();
        for (process, back) in PROCESSES {
            let facet = groups::process_facet(&self.region, name, process).map_err(unnamed)?;
            let is_suspended = groups::is_suspended(group, process);
            let present = if is_suspended { groups::suspended() } else { groups::working() };
            // It is suspended again once the members have left Standby, for which it has to work.
            let back = if process == LAUNCH && is_suspended { BACK.last } else { back };
            let unit = Some(groups::process_unit(name, back));
            let label = format!("{process} of group {name}");
            let is_missed = process == SCHEDULED && !is_suspended && !scheduled.is_empty();
            let note = is_missed.then(missed);
            let due = if is_missed { scheduled.clone() } else { Vec::new() };
            planned.push(Planned { unit, note, due, ..Planned::new(facet, label, present, groups::suspended()) });
        }
        let minimum = standby::size_facet(MINIMUM, &self.region, name).map_err(unnamed)?;
        let minimum = Planned::new(minimum, format!("minimum of group {name}"), standby::minimum(group), standby::no_minimum());
        planned.push(Planned { unit: Some(standby::unit(MINIMUM, name)), ..minimum });
        let capacity = standby::size_facet(CAPACITY, &self.region, name).map_err(unnamed)?;
        let capacity = Planned::new(capacity, format!("desired capacity of group {name}"), standby::kept(), standby::kept());
        planned.push(Planned { unit: Some(standby::unit(CAPACITY, name)), ..capacity });
        Ok(planned)
    }

    /// Whether an instance runs. Nothing of one that is about to be terminated.
    fn power(&self, instance: &Instance, skip: Option<String>, keys: &ForeignKeys) -> Result<Option<Planned>, ActionError> {
        let present = match instances::state(instance) {
            Seen::Is(value)
            | Seen::FellBack(value, _)
            | Seen::Moving(value)
            | Seen::Behind(value, _)
            | Seen::NoRoom(value, _) => value,
            Seen::Gone(_) | Seen::OutOfReach(_) | Seen::Unseen(_) => return Ok(None),
        };
        let facet = FacetId::new(POWER, &self.region, instance.instance_id().unwrap_or_default()).map_err(unnamed)?;
        let notes = [instances::note(instance), keys.note(instance.instance_id().unwrap_or_default())];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        let note = (!notes.is_empty() && present == running()).then(|| notes.join("; "));
        let planned = Planned::new(facet, instances::label(instance), present, stopped());
        Ok(Some(Planned { skip, kind: billing::kind(instance), note, ..planned }))
    }

    /// The processes are suspended: once nothing is in progress any more, what are the members now? Before they stop, all of them
    /// were in Standby a moment ago.
    pub(super) async fn ready_to_stop(&self, group: &AutoScalingGroup, order: u8) -> Result<Ready, ActionError> {
        if order == groups::member_unit("").forward {
            return Ok(Ready::Go(Vec::new()));
        }
        // Each member is told so when its turn comes.
        if groups::going(group).is_some() {
            return Ok(Ready::Go(Vec::new()));
        }
        if let Some(activity) = self.groups.activity(group).await? {
            return Ok(Ready::NotYet(activity));
        }
        let ids: Vec<&str> = group.instances().iter().filter_map(|member| member.instance_id()).collect();
        let mut members = self.lister.with_ids(&ids).await?;
        members.retain(|member| instances::carries(member, &self.params.tag));
        // Those that were planned have their notes, and one that comes late waits for no more calls.
        let mut planned = self.plan_for(&members, std::slice::from_ref(group), &ForeignKeys::default()).await?;
        // Processes that runs of versions without Standby lack come late too.
        planned.retain(|planned| planned.facet.parts().0 != PROCESS);
        Ok(Ready::Go(planned))
    }

    /// The members are started: are they well by every check that the group goes by?
    pub(super) async fn ready_to_resume(&self, group: &AutoScalingGroup, gate: &ReadyCheck) -> Result<Ready, ActionError> {
        let started = gate.steps.iter().filter(|(facet, phase)| facet.parts().0 == POWER && *phase == Phase::RolledBack);
        let ids: Vec<&str> = started.map(|(facet, _)| instance_id(facet)).collect();
        // Those that somebody terminated meanwhile never become well, and the group's answer to that is its own affair.
        let listed = self.lister.with_ids(&ids).await?;
        let there = listed.iter().filter(|instance| !matches!(instances::state(instance), Seen::Gone(_)));
        let started: BTreeSet<&str> = there.filter_map(Instance::instance_id).collect();
        let first = groups::is_check_next(gate.order);
        let checks = Checks {
            ec2: &self.lister.ec2,
            balancers: &aws_sdk_elasticloadbalancingv2::Client::new(&self.sdk),
            classic: &aws_sdk_elasticloadbalancing::Client::new(&self.sdk),
            pacer: &self.lister.pacer,
        };
        // Others may set it at any moment. It is lowered for the members only when it stands in the record.
        let minimum = gate.befores.iter().find(|(facet, _)| facet.parts().0 == MINIMUM).map(|(_, before)| before.clone());
        let theirs = Some(standby::minimum(group)).filter(|theirs| *theirs != standby::no_minimum());
        if gate.order == BACK.capacity && minimum.is_some() && theirs.is_some() && theirs != minimum {
            return Ok(Ready::In(1, "its minimum, which others set meanwhile, is written down first".to_owned()));
        }
        if groups::is_before_service(gate.order) {
            let ours = gate.steps.iter().filter(|(_, phase)| *phase != Phase::Skipped);
            let ours: Vec<&str> = ours.filter_map(|(facet, _)| groups::moved(facet)).filter(|id| started.contains(id)).collect();
            return Ok(checks.by_ec2(&ours).await?.map_or_else(|| Ready::Go(Vec::new()), Ready::NotYet));
        }
        if let Some(why) = checks.unwell(group, &started, !first).await? {
            return Ok(Ready::NotYet(why));
        }
        // The check has only just been resumed: it must have had the time to find somebody unhealthy.
        let left = self.params.watch_health.unwrap_or(WATCH_HEALTH).seconds() - gate.waited;
        if !first && left > 0 && !started.is_empty() && judges(gate) {
            return Ok(Ready::In(left, "its resumed health check is watched".to_owned()));
        }
        Ok(Ready::Go(Vec::new()))
    }
}

/// Has the check been resumed by this run just now? One that somebody had suspended stays so, and judges nobody.
fn judges(gate: &ReadyCheck) -> bool {
    let check = |facet: &FacetId| facet.parts().0 == PROCESS && groups::process_of(facet).0 == HEALTH_CHECK;
    groups::is_watch_next(gate.order) && gate.steps.iter().any(|(facet, phase)| check(facet) && *phase == Phase::RolledBack)
}

/// The group of each instance that is in one: as the groups say, and as its tag says where it was just launched.
fn members(instances: &[Instance], groups: &[AutoScalingGroup]) -> HashMap<String, String> {
    let tagged = instances.iter().filter_map(|instance| {
        Some((instance.instance_id()?.to_owned(), instances::tag(instance, groups::MEMBER_TAG)?.to_owned()))
    });
    let listed = groups.iter().flat_map(|group| {
        let ids = group.instances().iter().filter_map(|member| member.instance_id());
        ids.map(|id| (id.to_owned(), groups::name(group).to_owned()))
    });
    tagged.chain(listed).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
fn unnamed(error: BadName) -> ActionError {
    ActionError::Refused(error.to_string())
}
