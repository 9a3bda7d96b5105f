//! `stop-instances`: stops the running EC2 instances that carry the tags, in all Regions. Stopped, never terminated; rollback
//! starts just those that it stopped. The processes of an Auto Scaling group are suspended before its members stop, and
//! resumed when all of them are well again: otherwise the group would take them for unhealthy and terminate them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_ec2::types::Instance;
use guardrails_model::action::{Action, ActionError, Answer, Change, Gate, Patience, Planned, Ready, Room, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::config::{Duration, Tags};
use guardrails_model::ids::{BadName, FacetId, Place, Value};
use guardrails_model::phase::Phase;
use guardrails_model::record::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ActionType, Context};
use crate::ec2::bystanders::{Bystanders, Exempt, Facts};
use crate::ec2::groups::{self, Groups, HEALTH_CHECK, PROCESS, PROCESSES};
use crate::ec2::health::{Checks, unknown_check};
use crate::ec2::instances::{self, Lister, POWER, instance_id, running, stopped};
use crate::ec2::operators::{self, Operators};
use crate::ec2::power::Switch;
use crate::ec2::regions::Regions;
use crate::grants::{Grant, Use, sid};

/// Instances a call: few enough that one refused instance costs few calls to find.
const BATCH: usize = 50;
/// For how long a group's check is watched, when the stage does not say.
const WATCH_HEALTH: Duration = Duration::from_secs(60);
const LONGEST_WATCH: Duration = Duration::from_secs(15 * 60);
/// For how long an instance is started again that AWS has no capacity for, when the stage does not say.
const KEEP_TRYING: Duration = Duration::from_secs(6 * 3600);

/// Stops EC2 instances by tag.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", try_from = "Raw")]
#[schemars(with = "Raw")]
pub struct Params {
    tag: Tags,
    #[serde(skip_serializing_if = "is_default")]
    regions: Regions,
    #[serde(skip_serializing_if = "is_default")]
    exempt: Exempt,
    #[serde(skip_serializing_if = "is_default")]
    partial_groups: PartialGroups,
    #[serde(skip_serializing_if = "is_default")]
    instance_store_data: InstanceStoreData,
    #[serde(skip_serializing_if = "is_default")]
    hibernate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_trying: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    watch_health: Option<Duration>,
}

/// Stops the running EC2 instances that carry the tags.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "StopInstances")]
struct Raw {
    /// The tags to select by: every key must match, with one of its values.
    tag: Tags,
    /// Where: `all` Regions that are enabled in the account, or a list of them.
    #[serde(default)]
    regions: Regions,
    /// What is left alone though it carries the tags.
    #[serde(default)]
    exempt: Exempt,
    /// What to do with an Auto Scaling group of which only some members are in scope.
    #[serde(default)]
    partial_groups: PartialGroups,
    /// What to do with instances whose instance-store volumes lose their data on a stop.
    #[serde(default)]
    instance_store_data: InstanceStoreData,
    /// Hibernate the instances that can, so that they go on where they were.
    #[serde(default)]
    hibernate: bool,
    /// For how long to start an instance again that AWS has no capacity for: 6 hours when left out.
    #[serde(default)]
    keep_trying: Option<Duration>,
    /// For how long an Auto Scaling group's resumed health check is watched before the group may replace members again: a
    /// minute when left out.
    #[serde(default)]
    watch_health: Option<Duration>,
}

/// What to do with an Auto Scaling group of which only some members are in scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum PartialGroups {
    /// Leave all of them alone.
    #[default]
    Leave,
    /// Suspend the group, and stop those in scope.
    Stop,
}

/// What to do with instances whose instance-store volumes lose their data on a stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum InstanceStoreData {
    /// Leave them alone.
    #[default]
    Keep,
    /// Stop them all the same: what is on these volumes is gone.
    Lose,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TryFrom<Raw> for Params {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        raw.tag.check()?;
        raw.exempt.check()?;
        if raw.tag.is_empty() {
            return Err("`tag` is empty: name at least one tag, such as `{Project: Beta}`".to_owned());
        }
        if raw.watch_health.is_some_and(|watch| watch > LONGEST_WATCH) {
            return Err(format!("`watch-health` is longer than {LONGEST_WATCH}, and a group is given up after half an hour"));
        }
        let Raw { tag, regions, exempt, partial_groups, instance_store_data, hibernate, keep_trying, watch_health } = raw;
        Ok(Self { tag, regions, exempt, partial_groups, instance_store_data, hibernate, keep_trying, watch_health })
    }
}

/// The action.
pub struct StopInstances {
    params: Params,
    region: String,
    lister: Lister,
    switch: Switch,
    groups: Groups,
    operators: Operators,
    clock: Arc<dyn Clock>,
    /// For clients that are seldom needed.
    sdk: SdkConfig,
}

impl ActionType for StopInstances {
    const NAME: &'static str = "stop-instances";
    const CHANGES: &'static str =
        "stops the running EC2 instances that carry the tags, in all Regions, members of Auto Scaling groups too";
    const PUTS_BACK: &'static str = "starts just the instances that it stopped, and resumes just the processes that it suspended";
    const LIMIT: Option<(guardrails_model::pace::Limit, guardrails_model::pace::Limit)> =
        Some((guardrails_model::pace::Limit::StopInstances, guardrails_model::pace::Limit::StartInstances));
    type Params = Params;

    fn wishes(_: &Params) -> Vec<(FacetId, Value)> {
        Vec::new()
    }

    fn grants(all: &[Params]) -> Vec<Grant> {
        if all.is_empty() {
            return Vec::new();
        }
        let arns = |params: &mut dyn Iterator<Item = &Params>, service: &str, kind: &str| {
            let arns: BTreeSet<String> = params.flat_map(|params| params.regions.arns(service, kind)).collect();
            let all = arns.iter().find(|arn| arn.contains(&format!(":{service}:*:"))).cloned();
            all.map_or_else(|| arns.into_iter().collect(), |all| vec![all])
        };
        let mut grants = vec![
            Grant {
                sid: "Look".to_owned(),
                uses: &[Use::Plan, Use::Apply, Use::Rollback],
                actions: &[
                    "ec2:DescribeRegions",
                    "ec2:DescribeInstances",
                    "ec2:DescribeInstanceTypes",
                    "ec2:DescribeSpotInstanceRequests",
                    "ec2:DescribeInstanceStatus",
                    "autoscaling:DescribeAutoScalingGroups",
                    "autoscaling:DescribeAutoScalingInstances",
                    "autoscaling:DescribeInstanceRefreshes",
                    "autoscaling:DescribeScalingActivities",
                    "elasticloadbalancing:DescribeTargetHealth",
                    "elasticloadbalancing:DescribeInstanceHealth",
                ],
                resources: vec!["*".to_owned()],
                condition: json!(null),
                why_any: Some("AWS has no resource for these Describe calls"),
            },
            operators::grant(),
            // A group need not carry its members' tags, so it cannot be told by them.
            Grant {
                sid: "SuspendAndResume".to_owned(),
                uses: &[Use::Apply, Use::Rollback],
                actions: &["autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses", "autoscaling:SetInstanceHealth"],
                resources: arns(&mut all.iter(), "autoscaling", "autoScalingGroup:*:autoScalingGroupName/*"),
                condition: json!(null),
                why_any: None,
            },
            // Volumes under a key of the account's own: EC2 gets a grant to it when the instance starts, in the caller's name.
            Grant {
                sid: "StartEncrypted".to_owned(),
                uses: &[Use::Rollback],
                actions: &["kms:CreateGrant"],
                resources: arns(&mut all.iter(), "kms", "key/*"),
                condition: json!({
                    "Bool": {"kms:GrantIsForAWSResource": "true"},
                    "StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"},
                }),
                why_any: None,
            },
        ];
        let mut scopes: BTreeMap<String, Vec<&Params>> = BTreeMap::new();
        for params in all {
            scopes.entry(json!(params.tag).to_string()).or_default().push(params);
        }
        grants.extend(scopes.values().enumerate().map(|(index, of_tag)| {
            let tags = of_tag[0].tag.iter().map(|(key, values)| (format!("aws:ResourceTag/{key}"), values));
            let tags: BTreeMap<String, Vec<&str>> = tags.collect();
            Grant {
                sid: sid(&["StopAndStart", &index.to_string()]),
                uses: &[Use::Apply, Use::Rollback],
                actions: &["ec2:StopInstances", "ec2:StartInstances"],
                resources: arns(&mut of_tag.iter().copied(), "ec2", "instance/*"),
                condition: json!({"StringEquals": tags}),
                why_any: None,
            }
        }));
        grants
    }

    fn new(params: Params, context: &Context<'_>) -> Self {
        let changes = context.sdk_for_changes();
        let ec2 = aws_sdk_ec2::Client::new(&context.sdk);
        Self {
            params,
            region: context.region(),
            lister: Lister { ec2, pacer: Arc::clone(&context.pacer) },
            switch: Switch { ec2: aws_sdk_ec2::Client::new(&changes), pacer: Arc::clone(&context.pacer) },
            groups: Groups {
                client: aws_sdk_autoscaling::Client::new(&context.sdk),
                changes: aws_sdk_autoscaling::Client::new(&changes),
            },
            operators: Operators::new(context),
            clock: Arc::clone(&context.clock),
            sdk: context.sdk.clone(),
        }
    }
}

#[async_trait]
impl Action for StopInstances {
    async fn places(&self) -> Result<Vec<Place>, ActionError> {
        self.params.regions.places(&self.lister.ec2).await
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let instances = self.lister.tagged(&self.params.tag).await?;
        if instances.is_empty() {
            return Ok(Vec::new());
        }
        let groups = self.groups.all().await?;
        self.plan_for(&instances, &groups).await
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let (processes, instances): (Vec<&FacetId>, Vec<&FacetId>) = facets.iter().partition(|facet| facet.parts().0 == PROCESS);
        let mut seen = HashMap::new();
        if !instances.is_empty() {
            seen.extend(self.lister.observe(&instances).await?);
        }
        if !processes.is_empty() {
            seen.extend(self.groups.observe(&processes).await?);
        }
        Ok(seen)
    }

    async fn ready(&self, gate: &Gate) -> Result<Ready, ActionError> {
        let groups = self.groups.named([gate.unit.clone()]).await?;
        // What became of its members is seen one by one.
        let Some(group) = groups.get(&gate.unit) else { return Ok(Ready::Go(Vec::new())) };
        match gate.direction {
            Direction::Apply => self.ready_to_stop(group).await,
            Direction::Rollback => self.ready_to_resume(group, gate).await,
        }
    }

    async fn apply(&self, changes: &[Change]) -> Vec<Answer> {
        // An instance may have joined a group since the plan, or somebody resumed what was suspended.
        let harm = match self.harm(changes).await {
            Ok(harm) => harm,
            Err(ActionError::Retryable(why)) => return vec![Answer::Later(why); changes.len()],
            Err(ActionError::Refused(why) | ActionError::OutOfBounds(why)) => return vec![Answer::Refused(why); changes.len()],
        };
        let free: Vec<Change> = changes.iter().filter(|change| !harm.contains_key(&change.facet)).cloned().collect();
        let mut answers: HashMap<FacetId, Answer> = harm;
        let turned = self.turn(&free).await;
        answers.extend(free.into_iter().map(|change| change.facet).zip(turned));
        let lost = || Answer::Unknown("no answer".to_owned());
        changes.iter().map(|change| answers.remove(&change.facet).unwrap_or_else(lost)).collect()
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<Answer> {
        self.turn(changes).await
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn patience(&self) -> Patience {
        let give_up = self.params.keep_trying.unwrap_or(KEEP_TRYING).seconds();
        Patience { poll: 5, limit: 1800, give_up }
    }

    fn takes_time(&self, facet: &FacetId) -> bool {
        facet.parts().0 == POWER
    }

    fn room(&self, direction: Direction, changes: usize) -> Room {
        self.switch.room(direction, changes)
    }
}

impl StopInstances {
    /// What is to be done with these instances, and with the groups of those that are members.
    async fn plan_for(&self, instances: &[Instance], groups: &[AutoScalingGroup]) -> Result<Vec<Planned>, ActionError> {
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
            match instance.instance_id().and_then(|id| members.get(id)) {
                Some(group) => of_groups.entry(group).or_default().push(instance),
                None => {
                    let why = by.out_of_scope(instance).or_else(|| by.not_for_stopping(instance));
                    planned.extend(self.power(instance, why)?);
                }
            }
        }
        for (name, in_scope) in of_groups {
            if let Some(group) = groups.iter().find(|group| groups::name(group) == name) {
                planned.extend(self.plan_group(group, &in_scope, &by).await?);
                continue;
            }
            let why = format!("it is a member of the Auto Scaling group {name}, which is not listed");
            for instance in in_scope {
                planned.extend(self.power(instance, Some(why.clone()))?);
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
        let mut refusal = self.groups.refusal(group).await?.or_else(|| unknown_check(group));
        if refusal.is_none() && others > 0 && self.params.partial_groups == PartialGroups::Leave {
            refusal = Some(format!(
                "only {} of the {all} members of its Auto Scaling group {name} are in scope (`partial-groups: stop` stops those)",
                all - others
            ));
        }
        let mut planned = Vec::new();
        let mut stopping = false;
        for (instance, out_of_scope) in in_scope.iter().zip(out_of_scope) {
            let unhealthy = || groups::unhealthy(group, instance.instance_id().unwrap_or_default());
            let why = out_of_scope.or_else(|| by.not_for_stopping(instance)).or_else(|| refusal.clone()).or_else(unhealthy);
            stopping |= why.is_none();
            let member = self.power(instance, why)?;
            planned.extend(member.map(|member| Planned { unit: Some(groups::member_unit(name)), ..member }));
        }
        if stopping {
            for (process, back) in PROCESSES {
                let facet = groups::process_facet(&self.region, name, process).map_err(unnamed)?;
                let present = if groups::is_suspended(group, process) { groups::suspended() } else { groups::working() };
                let label = format!("{process} of group {name}");
                let unit = Some(groups::process_unit(name, back));
                planned.push(Planned { unit, ..Planned::new(facet, label, present, groups::suspended()) });
            }
        }
        Ok(planned)
    }

    /// Whether an instance runs. Nothing of one that is about to be terminated.
    fn power(&self, instance: &Instance, skip: Option<String>) -> Result<Option<Planned>, ActionError> {
        let present = match instances::state(instance) {
            Seen::Is(value) | Seen::FellBack(value, _) | Seen::Moving(value) => value,
            Seen::Gone(_) => return Ok(None),
        };
        let facet = FacetId::new(POWER, &self.region, instance.instance_id().unwrap_or_default()).map_err(unnamed)?;
        let note = instances::note(instance).filter(|_| present == running());
        let planned = Planned::new(facet, instances::label(instance), present, stopped());
        Ok(Some(Planned { skip, kind: instances::kind(instance), note, ..planned }))
    }

    /// The processes are suspended: once nothing is in progress any more, what are the members now?
    async fn ready_to_stop(&self, group: &AutoScalingGroup) -> Result<Ready, ActionError> {
        // Each member is told so when its turn comes.
        if groups::going(group).is_some() {
            return Ok(Ready::Go(Vec::new()));
        }
        if let Some(process) = groups::harmful(group) {
            return Ok(Ready::NotYet(format!("{process} of group {} is not suspended", groups::name(group))));
        }
        if let Some(activity) = self.groups.activity(group).await? {
            return Ok(Ready::NotYet(activity));
        }
        let ids: Vec<&str> = group.instances().iter().filter_map(|member| member.instance_id()).collect();
        let mut members = self.lister.with_ids(&ids).await?;
        members.retain(|member| instances::carries(member, &self.params.tag));
        let mut planned = self.plan_for(&members, std::slice::from_ref(group)).await?;
        planned.retain(|planned| planned.facet.parts().0 == POWER);
        Ok(Ready::Go(planned))
    }

    /// The members are started: are they well by every check that the group goes by?
    async fn ready_to_resume(&self, group: &AutoScalingGroup, gate: &Gate) -> Result<Ready, ActionError> {
        let started = gate.steps.iter().filter(|(facet, phase)| facet.parts().0 == POWER && *phase == Phase::RolledBack);
        let ids: Vec<&str> = started.map(|(facet, _)| instance_id(facet)).collect();
        // Those that somebody terminated meanwhile never become well, and what the group does about them is its own affair.
        let listed = self.lister.with_ids(&ids).await?;
        let there = listed.iter().filter(|instance| !matches!(instances::state(instance), Seen::Gone(_)));
        let started: BTreeSet<&str> = there.filter_map(Instance::instance_id).collect();
        let first = PROCESSES.iter().find(|(process, _)| *process == HEALTH_CHECK).is_some_and(|(_, order)| *order == gate.order);
        let checks = Checks {
            ec2: &self.lister.ec2,
            balancers: &aws_sdk_elasticloadbalancingv2::Client::new(&self.sdk),
            classic: &aws_sdk_elasticloadbalancing::Client::new(&self.sdk),
            pacer: &self.lister.pacer,
        };
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

    /// Which instances must not be stopped now, because their group would terminate them.
    async fn harm(&self, changes: &[Change]) -> Result<HashMap<FacetId, Answer>, ActionError> {
        let instances: Vec<&Change> = changes.iter().filter(|change| change.facet.parts().0 == POWER).collect();
        let ids: Vec<&str> = instances.iter().map(|change| instance_id(&change.facet)).collect();
        let members = self.groups.of_instances(&ids).await?;
        let groups = self.groups.named(members.values().cloned()).await?;
        let mut harm = HashMap::new();
        for change in instances {
            let id = instance_id(&change.facet);
            let Some(group) = members.get(id) else { continue };
            let answer = match groups.get(group).filter(|_| change.unit.as_ref() == Some(group)) {
                Some(group) => harm_by(group, id),
                None => Some(Answer::LeftAlone(format!("it joined the Auto Scaling group {group} after the plan"))),
            };
            harm.extend(answer.map(|answer| (change.facet.clone(), answer)));
        }
        Ok(harm)
    }

    async fn turn(&self, changes: &[Change]) -> Vec<Answer> {
        let (processes, instances): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| change.facet.parts().0 == PROCESS);
        let hibernates = self.hibernating(&instances).await;
        let mut of_processes = self.groups.turn(&processes).await.into_iter();
        let mut of_instances = match hibernates {
            Ok(hibernates) => self.switch.turn(&instances, &hibernates).await.into_iter(),
            Err(why) => vec![Answer::Later(why); instances.len()].into_iter(),
        };
        let lost = || Answer::Unknown("no answer".to_owned());
        let next = |change: &Change| {
            if change.facet.parts().0 == PROCESS { of_processes.next() } else { of_instances.next() }.unwrap_or_else(lost)
        };
        changes.iter().map(next).collect()
    }

    /// Those of the instances that are to be hibernated, and can be.
    async fn hibernating(&self, changes: &[&Change]) -> Result<BTreeSet<String>, String> {
        let stopping = changes.iter().filter(|change| change.to == stopped());
        let ids: Vec<&str> = stopping.map(|change| instance_id(&change.facet)).collect();
        if !self.params.hibernate || ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let listed = self.lister.with_ids(&ids).await.map_err(|error| error.to_string())?;
        let can = |instance: &&Instance| {
            instance.hibernation_options().and_then(aws_sdk_ec2::types::HibernationOptions::configured) == Some(true)
        };
        Ok(listed.iter().filter(can).filter_map(|instance| instance.instance_id().map(str::to_owned)).collect())
    }
}

/// Why a member must not be stopped now, if it must not.
fn harm_by(group: &AutoScalingGroup, id: &str) -> Option<Answer> {
    if let Some(going) = groups::going(group) {
        return Some(Answer::LeftAlone(format!("its {going}")));
    }
    if let Some(process) = groups::harmful(group) {
        let name = groups::name(group);
        return Some(Answer::Refused(format!(
            "somebody resumed {process} of its Auto Scaling group {name}, which would terminate it"
        )));
    }
    groups::unhealthy(group, id).map(Answer::LeftAlone)
}

/// Has the check been resumed by this run just now? One that somebody had suspended stays so, and judges nobody.
fn judges(gate: &Gate) -> bool {
    let check = |facet: &FacetId| facet.parts().0 == PROCESS && groups::process_of(facet).0 == HEALTH_CHECK;
    gate.order == 2 && gate.steps.iter().any(|(facet, phase)| check(facet) && *phase == Phase::RolledBack)
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
