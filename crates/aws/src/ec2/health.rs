//! Whether members that were started again are well by every check that their group goes by.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{InstanceStateName, InstanceStatus, SummaryStatus};
use aws_sdk_elasticloadbalancing as classic;
use aws_sdk_elasticloadbalancingv2 as v2;
use aws_sdk_elasticloadbalancingv2::types::{TargetHealth, TargetHealthReasonEnum, TargetHealthStateEnum};
use guardrails_model::action::ActionError;
use guardrails_model::pace::Pacer;

use super::groups::{is_unhealthy, name};
use super::limits::DESCRIBE_REQUESTS;
use crate::error::Failure;

/// Instances that one question takes.
const INSTANCES: usize = 100;

/// Asks EC2 and the load balancers.
pub struct Checks<'a> {
    /// EC2 in the Region.
    pub ec2: &'a Client,
    /// Load balancers with target groups.
    pub balancers: &'a v2::Client,
    /// Classic load balancers.
    pub classic: &'a classic::Client,
    /// Keeps the pace.
    pub pacer: &'a Pacer,
}

/// Why the group's check cannot be waited for here, if it cannot: then its members are better left alone.
#[must_use]
pub fn unknown_check(group: &AutoScalingGroup) -> Option<String> {
    let named = group.health_check_type().unwrap_or_default();
    let check = named.split(',').map(str::trim).find(|check| !matches!(*check, "" | "EC2" | "ELB" | "EBS"))?;
    Some(format!("its Auto Scaling group {} goes by the check {check}, which is not known here", name(group)))
}

impl Checks<'_> {
    /// Why the group's check would not find all of `started` well now, if it would not. With `judged` the group's own verdict on
    /// them counts too.
    ///
    /// # Errors
    /// When a service does not say.
    pub async fn unwell(
        &self,
        group: &AutoScalingGroup,
        started: &BTreeSet<&str>,
        judged: bool,
    ) -> Result<Option<String>, ActionError> {
        // A group does not check those in standby.
        let in_service = |state: Option<&LifecycleState>| state == Some(&LifecycleState::InService);
        let members = group.instances().iter().filter(|member| in_service(member.lifecycle_state()));
        let members: Vec<_> = members.filter(|member| member.instance_id().is_some_and(|id| started.contains(id))).collect();
        let ids: Vec<&str> = members.iter().filter_map(|member| member.instance_id()).collect();
        if let Some(why) = self.by_ec2(&ids).await? {
            return Ok(Some(why));
        }
        if group.health_check_type().is_some_and(|checks| checks.contains("ELB"))
            && let Some(why) = self.by_load_balancers(group, &ids).await?
        {
            return Ok(Some(why));
        }
        let unhealthy = members.iter().find(|member| judged && is_unhealthy(member));
        Ok(unhealthy.map(|member| {
            let id = member.instance_id().unwrap_or_default();
            format!("the group finds {id} unhealthy, and does so until `aws autoscaling set-instance-health` says otherwise")
        }))
    }

    /// Why EC2 does not find all of them well, if it does not.
    ///
    /// # Errors
    /// When EC2 does not say.
    pub async fn by_ec2(&self, ids: &[&str]) -> Result<Option<String>, ActionError> {
        for batch in ids.chunks(INSTANCES) {
            let asked = Some(batch.iter().map(|id| (*id).to_owned()).collect());
            self.pacer.spend(DESCRIBE_REQUESTS, 1);
            let call = self.ec2.describe_instance_status().set_instance_ids(asked).include_all_instances(true);
            let answer = call.send().await.map_err(|error| Failure::of(&error).reading("asking for status checks"))?;
            for id in batch {
                let status = answer.instance_statuses().iter().find(|status| status.instance_id() == Some(id));
                match status {
                    None => return Ok(Some(format!("EC2 says nothing of {id} yet"))),
                    Some(status) => {
                        if let Some(why) = failing(status) {
                            return Ok(Some(format!("{id} {why}")));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    async fn by_load_balancers(&self, group: &AutoScalingGroup, ids: &[&str]) -> Result<Option<String>, ActionError> {
        // A group names its load balancers in a list of their own kind, and again among all its traffic sources.
        let behind = |names: &[String], kind: &str| {
            let sources = group.traffic_sources().iter().filter(|source| source.r#type() == Some(kind));
            let sources = sources.filter_map(|source| source.identifier().map(str::to_owned));
            names.iter().cloned().chain(sources).collect::<BTreeSet<_>>()
        };
        let target_groups = behind(group.target_group_arns(), "elbv2");
        for arn in target_groups {
            let answer = self.balancers.describe_target_health().target_group_arn(&arn).send().await;
            let answer = answer.map_err(|error| Failure::of(&error).reading("asking for target health"))?;
            for id in ids {
                let of_target = answer
                    .target_health_descriptions()
                    .iter()
                    .filter(|target| target.target().and_then(|target| target.id()) == Some(*id));
                if let Some(health) = of_target.filter_map(|target| target.target_health()).find(|health| !is_well(health)) {
                    let state = health.state().map_or("in no known state", TargetHealthStateEnum::as_str);
                    return Ok(Some(format!("{id} is {state} in its target group")));
                }
            }
        }
        for balancer in behind(group.load_balancer_names(), "elb") {
            let answer = self.classic.describe_instance_health().load_balancer_name(&balancer).send().await;
            let answer = answer.map_err(|error| Failure::of(&error).reading("asking for a load balancer's instances"))?;
            let states = answer.instance_states().iter();
            let mut out = states.filter(|state| state.instance_id().is_some_and(|id| ids.contains(&id)));
            if let Some(state) = out.find(|state| state.state() != Some("InService")) {
                let id = state.instance_id().unwrap_or_default();
                return Ok(Some(format!("{id} is {} at {balancer}", state.state().unwrap_or("unknown"))));
            }
        }
        Ok(None)
    }
}

/// A target group that no listener uses, or whose checks are off, checks nothing. A target that was stopped is unused too, but
/// for another reason.
fn is_well(health: &TargetHealth) -> bool {
    match health.state() {
        Some(TargetHealthStateEnum::Healthy | TargetHealthStateEnum::Unavailable) => true,
        Some(TargetHealthStateEnum::Unused) => health.reason() == Some(&TargetHealthReasonEnum::NotInUse),
        _ => false,
    }
}

/// The checks of EC2 that the instance does not pass.
fn failing(status: &InstanceStatus) -> Option<String> {
    let power = status.instance_state().and_then(|state| state.name());
    if power != Some(&InstanceStateName::Running) {
        return Some(format!("is {}", power.map_or("in no known state", InstanceStateName::as_str)));
    }
    let checks = [
        ("system", status.system_status().and_then(|check| check.status())),
        ("instance", status.instance_status().and_then(|check| check.status())),
        ("volume", status.attached_ebs_status().and_then(|check| check.status())),
    ];
    let bad = |status: &SummaryStatus| !matches!(status, SummaryStatus::Ok | SummaryStatus::NotApplicable);
    let bad = checks.into_iter().find_map(|(check, status)| Some((check, status.filter(|status| bad(status))?)))?;
    Some(format!("has a {} check that is {}", bad.0, bad.1.as_str()))
}
