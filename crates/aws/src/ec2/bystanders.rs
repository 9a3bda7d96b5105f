//! Which instances are left alone though they carry the tags, and why. Some are exempt. Some are looked after by a service that
//! would replace them. Some would lose data, or cannot be stopped. And the guardrails stand on some.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{DeviceType, Instance, InstanceLifecycleType, InstanceType, SpotInstanceType};
use guardrails_model::action::ActionError;
use guardrails_model::config::{Duration, Tags};
use guardrails_model::pace::Pacer;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instances::{carries, filter, tag};
use super::limits::DESCRIBE_REQUESTS;
use crate::error::Failure;

/// The tag with which people exempt an instance of theirs.
pub const EXEMPT_TAG: &str = "guardrails:exempt";
/// The tag with which people start an instance while it is held, and keep it running.
pub const RELEASE_TAG: &str = "guardrails:release";
/// Types, and spot requests, that one question takes.
const BATCH: usize = 100;

/// The tags of services that look after an instance and would replace a stopped one. A `*` at the end stands for anything.
const KEEPERS: [(&str, &str); 12] = [
    ("eks:*", "Amazon EKS"),
    ("aws:eks:*", "Amazon EKS"),
    ("karpenter.sh/*", "Karpenter"),
    ("kubernetes.io/cluster/*", "a Kubernetes cluster"),
    ("AmazonECSManaged", "Amazon ECS"),
    ("aws:ecs:*", "Amazon ECS"),
    ("aws:elasticmapreduce:*", "Amazon EMR"),
    ("AWSBatchServiceTag", "AWS Batch"),
    ("aws:batch:*", "AWS Batch"),
    ("elasticbeanstalk:*", "AWS Elastic Beanstalk"),
    ("aws:ec2spot:fleet-request-id", "a Spot Fleet"),
    ("parallelcluster:*", "AWS ParallelCluster"),
];
/// Tags that only AWS sets, on instances that Auto Scaling, a fleet or one of these services launched. Anybody can set keepers' other tags
/// at launch, so they count beside one of these only. Tags of CloudFormation and of launch templates do not name a keeper.
const PROOFS: [&str; 7] = [
    "aws:autoscaling:groupName",
    "aws:ec2:fleet-id",
    "aws:ec2spot:fleet-request-id",
    "aws:eks:*",
    "aws:ecs:*",
    "aws:batch:*",
    "aws:elasticmapreduce:*",
];
/// Auto Scaling's own fleets leave this tag on its members too.
const FLEET: (&str, &str) = ("aws:ec2:fleet-id", "an EC2 Fleet");

/// Instances that are left alone though they carry the tags.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Exempt {
    /// Instances that carry all of these tags. Those with the tag `guardrails:exempt` or `guardrails:release` always are.
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub tag: Tags,
    /// Instances with these ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub id: Vec<String>,
    /// Instances that were created a shorter time ago. A stop and a start make no instance younger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub younger_than: Option<Duration>,
    /// Instances that were created a longer time ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than: Option<Duration>,
}

impl Exempt {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    /// When a tag or an id is none; in words.
    pub fn check(&self) -> Result<(), String> {
        self.tag.check()?;
        let bad = self.id.iter().find(|id| !id.starts_with("i-"));
        bad.map_or(Ok(()), |id| Err(format!("`{id}` is no instance's id: expected one such as `i-0123456789abcdef0`")))
    }

    fn reason(&self, instance: &Instance, now: Timestamp) -> Option<String> {
        let id = instance.instance_id().unwrap_or_default();
        let says = |key: &&&str| tag(instance, key).is_some_and(|value| !value.eq_ignore_ascii_case("false"));
        if let Some(key) = [EXEMPT_TAG, RELEASE_TAG].iter().find(says) {
            return Some(format!("it carries the tag {key}"));
        }
        if self.id.iter().any(|exempt| exempt == id) {
            return Some("it is exempt by its id".to_owned());
        }
        if !self.tag.is_empty() && carries(instance, &self.tag) {
            return Some("it is exempt by its tags".to_owned());
        }
        let age = (now - created(instance)?).get_seconds();
        match (self.younger_than, self.older_than) {
            (Some(limit), _) if age < limit.seconds() => Some(format!("it was created less than {limit} ago")),
            (_, Some(limit)) if age > limit.seconds() => Some(format!("it was created more than {limit} ago")),
            _ => None,
        }
    }
}

/// When the instance was created. EC2 does not say: its launch time is that of the last start. But the primary network interface stays
/// attached for life, and the root volume mostly does.
fn created(instance: &Instance) -> Option<Timestamp> {
    let root = instance.block_device_mappings().iter().filter(|device| device.device_name() == instance.root_device_name());
    let root = root.filter_map(|device| device.ebs()?.attach_time());
    let attached = instance.network_interfaces().iter().filter_map(|interface| interface.attachment());
    let primary = attached.filter(|attachment| attachment.device_index() == Some(0)).filter_map(|primary| primary.attach_time());
    let known = root.chain(primary).chain(instance.launch_time()).map(aws_sdk_ec2::primitives::DateTime::secs).min()?;
    Timestamp::from_second(known).ok()
}

/// The instances on which the guardrails themselves stand, and which they must not stop.
#[derive(Debug, Clone, Default)]
pub struct Controller {
    /// The guardrails' own CloudFormation stack.
    pub stack: Option<String>,
    /// ARNs of the instance profiles with which an operator's instance works.
    pub profiles: BTreeSet<String>,
}

/// The facts that EC2 has of types and of spot requests, for the instances in scope.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Types whose instances have volumes that lose their data on a stop.
    instance_store: BTreeSet<String>,
    /// Types that EC2 does not know here: whether they have such volumes cannot be told.
    unknown: BTreeSet<String>,
    /// Spot requests that start a stopped instance again, rather than replace it.
    persistent: BTreeSet<String>,
}

impl Facts {
    /// Asks EC2 about the types and the spot requests of `instances`.
    ///
    /// # Errors
    /// When EC2 does not say.
    pub async fn about(instances: &[&Instance], ec2: &Client, pacer: &Pacer) -> Result<Self, ActionError> {
        let types: BTreeSet<_> = instances.iter().filter_map(|instance| instance.instance_type().cloned()).collect();
        let requests: BTreeSet<_> = instances.iter().filter_map(|instance| instance.spot_instance_request_id()).collect();
        let mut facts = Self::default();
        for batch in types.into_iter().collect::<Vec<_>>().chunks(BATCH) {
            if facts.learn_types(batch, ec2, pacer).await? {
                continue;
            }
            // One type that EC2 does not know fails the question about all of them.
            for one in batch {
                if !facts.learn_types(std::slice::from_ref(one), ec2, pacer).await? {
                    facts.unknown.insert(one.as_str().to_owned());
                }
            }
        }
        for batch in requests.into_iter().collect::<Vec<_>>().chunks(BATCH) {
            // EC2 forgets requests that were cancelled: by ids, one of them would fail the call.
            let named = filter("spot-instance-request-id", batch.iter().copied());
            pacer.spend(DESCRIBE_REQUESTS, 1);
            let answer = ec2.describe_spot_instance_requests().filters(named).send().await;
            let answer = answer.map_err(|error| Failure::of(&error).reading("asking about spot requests"))?;
            let lasting =
                answer.spot_instance_requests().iter().filter(|request| request.r#type() == Some(&SpotInstanceType::Persistent));
            facts.persistent.extend(lasting.filter_map(|request| request.spot_instance_request_id().map(str::to_owned)));
        }
        Ok(facts)
    }

    /// Asks EC2 about types. Says whether it knows all of them.
    async fn learn_types(&mut self, types: &[InstanceType], ec2: &Client, pacer: &Pacer) -> Result<bool, ActionError> {
        pacer.spend(DESCRIBE_REQUESTS, 1);
        match ec2.describe_instance_types().set_instance_types(Some(types.to_vec())).send().await {
            Ok(answer) => {
                let with = answer.instance_types().iter().filter(|of_type| of_type.instance_storage_supported() == Some(true));
                self.instance_store.extend(with.filter_map(|of_type| Some(of_type.instance_type()?.as_str().to_owned())));
                Ok(true)
            }
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("InvalidInstanceType") { Ok(false) } else { Err(failure.reading("asking about instance types")) }
            }
        }
    }
}

/// Goes through the reasons for leaving an instance alone.
pub struct Bystanders<'a> {
    /// The exempt instances.
    pub exempt: &'a Exempt,
    /// Whether instances may lose the data on their instance-store volumes.
    pub lose_data: bool,
    /// The instances on which the guardrails stand.
    pub controller: &'a Controller,
    /// The facts that EC2 has.
    pub facts: &'a Facts,
    /// The group of each instance that is in one.
    pub members: &'a HashMap<String, String>,
    /// The present moment.
    pub now: Timestamp,
}

impl Bystanders<'_> {
    /// The reason of people or of the guardrails why the instance is out of scope, if there is one.
    #[must_use]
    pub fn out_of_scope(&self, instance: &Instance) -> Option<String> {
        let profile = instance.iam_instance_profile().and_then(|profile| profile.arn());
        if profile.is_some_and(|arn| self.controller.profiles.contains(arn)) {
            return Some("an operator works from it: the way back would be cut".to_owned());
        }
        let stack = tag(instance, "aws:cloudformation:stack-name");
        if stack.is_some() && stack == self.controller.stack.as_deref() {
            return Some("the guardrails themselves run on it".to_owned());
        }
        self.exempt.reason(instance, self.now)
    }

    /// Why the instance should not or cannot be stopped by itself, if it is so.
    #[must_use]
    pub fn not_for_stopping(&self, instance: &Instance) -> Option<String> {
        if let Some(keeper) = self.keeper(instance) {
            return Some(format!("{keeper} looks after it, and would replace it"));
        }
        if instance.root_device_type() == Some(&DeviceType::InstanceStore) {
            return Some("its root volume is an instance store: it can only be terminated".to_owned());
        }
        if instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot) {
            let lasting = instance.spot_instance_request_id().is_some_and(|id| self.facts.persistent.contains(id));
            if !lasting {
                return Some("it is a one-time Spot Instance, which cannot be stopped".to_owned());
            }
        }
        if instance.instance_lifecycle() == Some(&InstanceLifecycleType::CapacityBlock) {
            return Some("it runs in a Capacity Block, which is paid for already and would not be given back".to_owned());
        }
        let of_type = instance.instance_type().map(aws_sdk_ec2::types::InstanceType::as_str).unwrap_or_default();
        if !self.lose_data && self.facts.instance_store.contains(of_type) {
            return Some(format!(
                "an {of_type} has instance-store volumes, and they lose their data on a stop (`instance-store-data: lose` \
                 stops it all the same)"
            ));
        }
        if !self.lose_data && self.facts.unknown.contains(of_type) {
            return Some(format!(
                "EC2 does not know the type {of_type} here, so whether its data would be lost on a stop cannot be told \
                 (`instance-store-data: lose` stops it all the same)"
            ));
        }
        None
    }

    /// The service that looks after the instance and would replace it, beside an Auto Scaling group.
    #[must_use]
    pub fn keeper(&self, instance: &Instance) -> Option<String> {
        if let Some(operator) = instance.operator().filter(|operator| operator.managed() == Some(true)) {
            return Some(operator.principal().unwrap_or("another service").to_owned());
        }
        let member = instance.instance_id().is_some_and(|id| self.members.contains_key(id));
        let is_proven = member || PROOFS.iter().any(|key| has_key(instance, key));
        let believed = |(key, _): &&(&str, &str)| has_key(instance, key) && (is_proven || key.starts_with("aws:"));
        if let Some((_, keeper)) = KEEPERS.iter().find(believed) {
            return Some((*keeper).to_owned());
        }
        (!member && tag(instance, FLEET.0).is_some()).then(|| FLEET.1.to_owned())
    }

    /// A note on an instance that carries a keeper's tag, and is not left alone for it.
    #[must_use]
    pub fn unproven(&self, instance: &Instance) -> Option<String> {
        let (key, keeper) = KEEPERS.iter().find(|(key, _)| has_key(instance, key))?;
        self.keeper(instance).is_none().then(|| {
            format!("its tag {key} is {keeper}'s, and anybody can set it: no tag of AWS's own says that {keeper} launched it")
        })
    }
}

/// Does the instance carry this key, or one that begins so where it ends in `*`?
fn has_key(instance: &Instance, key: &str) -> bool {
    let is_it = |of: &str| key.strip_suffix('*').map_or(of == key, |beginning| of.starts_with(beginning));
    instance.tags().iter().filter_map(|tag| tag.key()).any(is_it)
}
