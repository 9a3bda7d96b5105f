//! `stop-instances`: stops the running EC2 instances that carry the tags, in all Regions. Stopped, never terminated; rollback
//! starts just those that it stopped. An Auto Scaling group takes a stopped member for unhealthy and terminates it. So its processes are
//! suspended first, and the members enter Standby. All of it comes back when they are well again.

mod grants;
mod params;
mod plan;
mod tags;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_ec2::types::Instance;
use guardrails_model::action::{
    Action, ActionError, Allowance, Change, ChangeOutcome, ChangedBy, DriftPolicy, Patience, Planned, Ready, ReadyCheck, Seen,
    Unit,
};
use guardrails_model::clock::Clock;
use guardrails_model::config::{Duration, Tags};
use guardrails_model::ids::{FacetId, Place, Value};
use guardrails_model::record::Direction;
use jiff::Timestamp;

pub use self::params::StopInstances;
use crate::context::Context;
use crate::declared::{About, ActionType, Counted, Declared, Joins, Noun, Priced, Service, alike};
use crate::ec2::groups::{self, Groups, PROCESS};
use crate::ec2::instances::{self, Lister, POWER, instance_id, running, stopped};
use crate::ec2::limits::{self, START_INSTANCES, STOP_INSTANCES};
use crate::ec2::operators::Operators;
use crate::ec2::power::PowerSwitch;
use crate::ec2::standby::{self, CAPACITY, MEMBERSHIP, MINIMUM};
use crate::ec2::starters::{AT_ONCE, Starters};
use crate::grants::Grant;

/// Instances a call: few enough that one refused instance costs few calls to find.
const BATCH: usize = 50;
/// For how long an instance is started again that AWS has no capacity for, when the stage does not say.
const KEEP_TRYING: Duration = Duration::from_secs(6 * 3600);

/// Stops instances and starts them again, in one Region.
struct Stopping {
    params: StopInstances,
    region: String,
    lister: Lister,
    switch: PowerSwitch,
    groups: Groups,
    operators: Operators,
    /// The account that it works in, if it is known.
    account: Option<String>,
    clock: Arc<dyn Clock>,
    /// For clients that are seldom needed.
    sdk: SdkConfig,
}

impl ActionType for StopInstances {
    const ABOUT: About = About {
        counts: &[Counted {
            facet: POWER,
            noun: Noun { one: "instance", many: "instances" },
            doing: ("stopping", "starting again"),
            limits: Some((STOP_INSTANCES, START_INSTANCES)),
            price: Priced::ByKind,
        }],
        limits: &limits::ALL,
        services: &[
            Service {
                name: "EC2 instances",
                stops: "the instances by the hour",
                goes_on: "volumes, snapshots, Elastic IP addresses",
                lost: "public IPv4 addresses that AWS assigned, the memory unless it hibernates, data on instance stores",
            },
            Service {
                name: "Auto Scaling groups",
                stops: "the members by the hour; the group launches none meanwhile",
                goes_on: "volumes of the members, load balancers",
                lost: "as for instances; scheduled actions that fall due meanwhile do not happen later",
            },
        ],
        joins_stop_all: Some(Joins { ids: "i-", ..Joins::set(1) }),
        ..About::new(
            "stop-instances",
            "stops the running EC2 instances that carry the tags, in all Regions, members of Auto Scaling groups too",
            "starts just the instances that it stopped, and gives Auto Scaling groups back their members, sizes and processes",
        )
    };

    fn checked(self) -> Result<Self, String> {
        self.check().map(|()| self)
    }
}

#[async_trait]
impl Declared for StopInstances {
    fn make(&self, context: &Context<'_>) -> Box<dyn Action> {
        Box::new(Stopping::new(self.clone(), context))
    }

    fn grants(&self, all: &[&dyn Declared]) -> Vec<Grant> {
        grants::all(&alike(all))
    }

    fn caution(&self) -> Option<&'static str> {
        (self.instance_store_data != params::InstanceStoreData::Lose).then_some(
            "stop-instances leaves alone every type with instance-store volumes, which most GPU types have: they go on costing money. \
             `instance-store-data: lose` stops them, and their local data is lost",
        )
    }

    fn selects(&self) -> Option<&Tags> {
        Some(&self.tag)
    }

    fn regions(&self) -> &[Place] {
        self.regions.named()
    }

    async fn out_of_reach(&self, facets: &[FacetId], sdk: &SdkConfig) -> Result<Vec<String>, ActionError> {
        self.groups_out_of_reach(facets, sdk).await
    }
}

impl Stopping {
    fn new(params: StopInstances, context: &Context<'_>) -> Self {
        let changes = context.sdk_for_changes();
        let ec2 = aws_sdk_ec2::Client::new(&context.sdk);
        Self {
            params,
            region: context.region(),
            lister: Lister { ec2, pacer: Arc::clone(&context.pacer) },
            switch: PowerSwitch { ec2: aws_sdk_ec2::Client::new(&changes), pacer: Arc::clone(&context.pacer) },
            groups: Groups {
                client: aws_sdk_autoscaling::Client::new(&context.sdk),
                changes: aws_sdk_autoscaling::Client::new(&changes),
            },
            operators: Operators::new(context.operators, context.stack.clone(), context.sdk.clone()),
            account: context.account.as_ref().map(|account| account.id.clone()),
            clock: Arc::clone(&context.clock),
            sdk: context.sdk.clone(),
        }
    }
}

#[async_trait]
impl Action for Stopping {
    async fn places(&self) -> Result<Vec<Place>, ActionError> {
        self.params.regions.places(&self.lister.ec2).await
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let instances = self.lister.tagged(&self.params.tag).await?;
        if instances.is_empty() {
            return Ok(Vec::new());
        }
        let groups = self.groups.all().await?;
        let keys = self.foreign_keys(&instances).await;
        self.plan_for(&instances, &groups, &keys).await
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let (of_groups, instances): (Vec<&FacetId>, Vec<&FacetId>) = facets.iter().partition(|facet| groups::is_of_group(facet));
        let (aside, processes): (Vec<&FacetId>, Vec<&FacetId>) =
            of_groups.into_iter().partition(|facet| standby::is_standby(facet));
        let mut seen = HashMap::new();
        if !aside.is_empty() {
            seen.extend(self.groups.observe_standby(&aside).await?);
            self.tell_terminated(&mut seen).await?;
        }
        if !instances.is_empty() {
            seen.extend(self.lister.observe(&instances).await?);
        }
        if !processes.is_empty() {
            seen.extend(self.groups.observe(&processes).await?);
        }
        Ok(seen)
    }

    async fn ready(&self, gate: &ReadyCheck) -> Result<Ready, ActionError> {
        let groups = self.groups.named([gate.unit.clone()]).await?;
        // The end of its members is seen one by one.
        let Some(group) = groups.get(&gate.unit) else { return Ok(Ready::Go(Vec::new())) };
        match gate.direction {
            Direction::Apply => self.ready_to_stop(group, gate.order).await,
            Direction::Rollback => self.ready_to_resume(group, gate).await,
        }
    }

    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        // An instance may have joined a group since the plan, or somebody resumed a suspended process.
        let harm = match self.harm(changes).await {
            Ok(harm) => harm,
            Err(error) => return vec![error.into(); changes.len()],
        };
        let free: Vec<Change> = changes.iter().filter(|change| !harm.contains_key(&change.facet)).cloned().collect();
        let mut answers: HashMap<FacetId, ChangeOutcome> = harm;
        let mut turned = self.turn(&free).await;
        self.tell_lost_tags(&free, &mut turned, "`guardrails rearm`").await;
        answers.extend(free.into_iter().map(|change| change.facet).zip(turned));
        let lost = || ChangeOutcome::Unknown("no answer".to_owned());
        changes.iter().map(|change| answers.remove(&change.facet).unwrap_or_else(lost)).collect()
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let mut answers = self.turn(changes).await;
        self.tell_lost_tags(changes, &mut answers, "roll back again").await;
        answers
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn patience(&self) -> Patience {
        let give_up = self.params.keep_trying.unwrap_or(KEEP_TRYING).seconds();
        Patience { poll: 5, limit: 1800, give_up }
    }

    fn takes_time(&self, facet: &FacetId) -> bool {
        [POWER, MEMBERSHIP].contains(&facet.parts().0)
    }

    /// Instances that were launched or started while the stage is enforced are stopped too. Members enter Standby for it, above a minimum
    /// of 0. A process that somebody resumed is theirs, and harms nobody in Standby.
    fn drift_policy(&self, facet: &FacetId) -> DriftPolicy {
        match facet.parts().0 {
            POWER | MEMBERSHIP => DriftPolicy::Reapply,
            // Their number, whatever it is: it only waits until the members are back.
            MINIMUM => DriftPolicy::Adopt,
            _ => DriftPolicy::Report,
        }
    }

    fn keeps(&self, facet: &FacetId, seen: &Value) -> bool {
        let process = (facet.parts().0 == PROCESS).then(|| groups::process_of(facet).0);
        standby::keeps(facet, process, seen)
    }

    async fn changed_by_others(&self, facet: &FacetId, before: &Value, seen: &Value) -> Result<Option<Value>, ActionError> {
        match facet.parts().0 {
            MINIMUM => Ok(Some(seen.clone())),
            CAPACITY => self.groups.capacity_changed_by_others(facet, before, seen).await.map(Some),
            // It was suspended before, and resumed for members to leave Standby.
            PROCESS => Ok(Some(before.clone())),
            _ => Ok(None),
        }
    }

    async fn changed_by(&self, facets: &[FacetId]) -> HashMap<FacetId, ChangedBy> {
        if !self.params.who_started {
            return HashMap::new();
        }
        let powers: Vec<&FacetId> = facets.iter().filter(|facet| facet.parts().0 == POWER).take(AT_ONCE).collect();
        let ids: Vec<&str> = powers.iter().map(|facet| instance_id(facet)).collect();
        // It is nothing that a look hangs on.
        let listed = self.lister.with_ids(&ids).await.unwrap_or_default();
        let started = powers.into_iter().filter_map(|facet| {
            let instance = listed.iter().find(|instance| instance.instance_id() == Some(instance_id(facet)))?;
            Some((facet.clone(), Timestamp::from_second(instance.launch_time()?.secs()).ok()?))
        });
        let started: Vec<(FacetId, Timestamp)> = started.collect();
        let found = Starters { client: aws_sdk_cloudtrail::Client::new(&self.sdk) }.of(&started, self.clock.now()).await;
        // Those that this look did not come to are asked about by the next.
        let all = facets.iter().filter(|facet| facet.parts().0 == POWER);
        all.map(|facet| (facet.clone(), found.get(facet).cloned().unwrap_or(ChangedBy::NotYet))).collect()
    }

    /// Its group terminated it, or a person or a pipeline did.
    fn is_loss(&self, facet: &FacetId, unit: Option<&Unit>) -> bool {
        facet.parts().0 == POWER && unit.is_some()
    }

    fn allowance(&self, direction: Direction, changes: usize) -> Allowance {
        self.switch.allowance(direction, changes)
    }
}

impl Stopping {
    /// The instances that must not be stopped now, because their group would terminate them.
    async fn harm(&self, changes: &[Change]) -> Result<HashMap<FacetId, ChangeOutcome>, ActionError> {
        let instances: Vec<&Change> = changes.iter().filter(|change| change.facet.parts().0 == POWER).collect();
        let ids: Vec<&str> = instances.iter().map(|change| instance_id(&change.facet)).collect();
        let members = self.groups.of_instances(&ids).await?;
        let groups = self.groups.named(members.values().cloned()).await?;
        let mut harm = HashMap::new();
        for change in instances {
            let id = instance_id(&change.facet);
            let Some(group) = members.get(id) else { continue };
            let answer = match groups.get(group).filter(|_| change.unit.as_ref() == Some(group)) {
                Some(group) => {
                    let entered = change.others.iter().any(|other| groups::moved(other) == Some(id));
                    self.untagged(group).map(ChangeOutcome::Refused).or_else(|| harm_by(group, id, entered))
                }
                None => Some(ChangeOutcome::Skipped(format!("it joined the Auto Scaling group {group} after the plan"))),
            };
            harm.extend(answer.map(|answer| (change.facet.clone(), answer)));
        }
        Ok(harm)
    }

    async fn turn(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        let (of_groups, instances): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| groups::is_of_group(&change.facet));
        let (aside, processes): (Vec<&Change>, Vec<&Change>) =
            of_groups.into_iter().partition(|change| standby::is_standby(&change.facet));
        let mut of_standby = match self.running(&aside).await {
            Ok(running) => self.groups.turn_standby(&aside, &running).await.into_iter(),
            Err(error) => vec![error.into(); aside.len()].into_iter(),
        };
        let hibernates = self.hibernating(&instances).await;
        let mut of_processes = self.groups.turn(&processes).await.into_iter();
        let mut of_instances = match hibernates {
            Ok(hibernates) => self.switch.turn(&instances, &hibernates).await.into_iter(),
            Err(error) => vec![error.into(); instances.len()].into_iter(),
        };
        let lost = || ChangeOutcome::Unknown("no answer".to_owned());
        let next = |change: &Change| {
            let answer = match change.facet.parts().0 {
                PROCESS => of_processes.next(),
                POWER => of_instances.next(),
                _ => of_standby.next(),
            };
            answer.unwrap_or_else(lost)
        };
        changes.iter().map(next).collect()
    }

    /// A group shows a member in Standby for a while after it was terminated.
    async fn tell_terminated(&self, seen: &mut HashMap<FacetId, Seen>) -> Result<(), ActionError> {
        let aside = seen.iter().filter(|(_, seen)| **seen == Seen::Is(standby::standby()));
        let ids: Vec<&str> = aside.filter_map(|(facet, _)| groups::moved(facet)).collect();
        let gone = self.lister.gone(&ids).await?;
        for (facet, seen) in seen.iter_mut() {
            if let Some(why) = groups::moved(facet).and_then(|id| gone.get(id)) {
                *seen = Seen::Gone(why.clone());
            }
        }
        Ok(())
    }

    /// Those of the members that are to leave Standby that run.
    async fn running(&self, changes: &[&Change]) -> Result<BTreeSet<String>, ActionError> {
        let leaving = changes.iter().filter(|change| change.to == standby::in_service());
        let ids: Vec<&str> = leaving.filter_map(|change| groups::moved(&change.facet)).collect();
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let listed = self.lister.with_ids(&ids).await?;
        let runs = |instance: &&Instance| matches!(instances::state(instance), Seen::Is(is) if is == running());
        Ok(listed.iter().filter(runs).filter_map(|instance| instance.instance_id().map(str::to_owned)).collect())
    }

    /// Those of the instances that are to be hibernated, and can be.
    async fn hibernating(&self, changes: &[&Change]) -> Result<BTreeSet<String>, ActionError> {
        let stopping = changes.iter().filter(|change| change.to == stopped());
        let ids: Vec<&str> = stopping.map(|change| instance_id(&change.facet)).collect();
        if !self.params.hibernate || ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let listed = self.lister.with_ids(&ids).await?;
        let can = |instance: &&Instance| {
            instance.hibernation_options().and_then(aws_sdk_ec2::types::HibernationOptions::configured) == Some(true)
        };
        Ok(listed.iter().filter(can).filter_map(|instance| instance.instance_id().map(str::to_owned)).collect())
    }
}

/// Why a member must not be stopped now, if it must not. One that `entered` Standby for this run has to be there.
fn harm_by(group: &AutoScalingGroup, id: &str, entered: bool) -> Option<ChangeOutcome> {
    if let Some(going) = groups::going(group) {
        return Some(ChangeOutcome::Skipped(format!("its {going}")));
    }
    if standby::is_aside(group, id) {
        return None;
    }
    if entered {
        let name = groups::name(group);
        return Some(ChangeOutcome::Refused(format!(
            "somebody took it out of Standby in its Auto Scaling group {name}, which would terminate it"
        )));
    }
    // Of a run that an earlier version planned, whose members stop in service.
    if let Some(process) = groups::harmful(group) {
        let name = groups::name(group);
        return Some(ChangeOutcome::Refused(format!(
            "somebody resumed {process} of its Auto Scaling group {name}, which would terminate it"
        )));
    }
    groups::unhealthy(group, id).map(ChangeOutcome::Skipped)
}
