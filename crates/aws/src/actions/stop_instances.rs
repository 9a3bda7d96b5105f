//! `stop-instances`: stops the running EC2 instances that carry the tags, in the stack's Region. Stopped, never terminated;
//! rollback starts just those that it stopped. Members of Auto Scaling groups are left alone: a group takes a stopped
//! member for unhealthy and terminates it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName};
use guardrails_model::action::{Action, ActionError, Answer, Change, Patience, Planned, Seen};
use guardrails_model::config::Tags;
use guardrails_model::ids::{FacetId, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ActionType, Context};
use crate::error::{Failure, FailureKind};
use crate::grants::{Grant, Use, sid};

const FACET: &str = "instance-power";
/// Instances a call: few enough that one refused instance costs few calls to find.
const BATCH: usize = 50;
/// Instances a page of a listing.
const PAGE: i32 = 1000;
/// Instances that one question to Auto Scaling takes.
const GROUP_PAGE: usize = 50;
/// The tag that Auto Scaling gives its members.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

/// Stops EC2 instances by tag.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "Raw")]
#[schemars(with = "Raw")]
pub struct Params {
    tag: Tags,
}

/// Stops the running EC2 instances that carry the tags, in the stack's Region.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StopInstances")]
struct Raw {
    /// The tags to select by: every key must match, with one of its values.
    tag: Tags,
}

impl TryFrom<Raw> for Params {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        raw.tag.check()?;
        if raw.tag.is_empty() {
            return Err("`tag` is empty: name at least one tag, such as `{Project: Beta}`".to_owned());
        }
        Ok(Self { tag: raw.tag })
    }
}

/// The action.
pub struct StopInstances {
    params: Params,
    region: String,
    ec2: Client,
    ec2_changes: Client,
    auto_scaling: aws_sdk_autoscaling::Client,
}

impl ActionType for StopInstances {
    const NAME: &'static str = "stop-instances";
    const CHANGES: &'static str = "stops the running EC2 instances that carry the tags, in the stack's Region";
    const PUTS_BACK: &'static str = "starts just the instances that it stopped";
    type Params = Params;

    fn wishes(_: &Params) -> Vec<(FacetId, Value)> {
        Vec::new()
    }

    fn grants(all: &[Params]) -> Vec<Grant> {
        if all.is_empty() {
            return Vec::new();
        }
        let mut grants = vec![Grant {
            sid: "FindInstances".to_owned(),
            uses: &[Use::Plan, Use::Apply, Use::Rollback],
            actions: &["ec2:DescribeInstances", "autoscaling:DescribeAutoScalingInstances"],
            resources: vec!["*".to_owned()],
            condition: json!(null),
            why_any: Some("AWS has no resource for these Describe calls"),
        }];
        // Volumes under a key of the account's own: EC2 gets a grant to it when the instance starts, in the caller's name.
        grants.push(Grant {
            sid: "StartEncrypted".to_owned(),
            uses: &[Use::Rollback],
            actions: &["kms:CreateGrant"],
            resources: vec!["arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*".to_owned()],
            condition: json!({
                "Bool": {"kms:GrantIsForAWSResource": "true"},
                "StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"},
            }),
            why_any: None,
        });
        let scopes: BTreeMap<String, &Params> = all.iter().map(|params| (json!(params.tag).to_string(), params)).collect();
        grants.extend(scopes.values().enumerate().map(|(index, params)| {
            let tags: BTreeMap<String, Vec<&str>> =
                params.tag.iter().map(|(key, values)| (format!("aws:ResourceTag/{key}"), values)).collect();
            Grant {
                sid: sid(&["StopAndStart", &index.to_string()]),
                uses: &[Use::Apply, Use::Rollback],
                actions: &["ec2:StopInstances", "ec2:StartInstances"],
                resources: vec!["arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:instance/*".to_owned()],
                condition: json!({"StringEquals": tags}),
                why_any: None,
            }
        }));
        grants
    }

    fn new(params: Params, context: &Context<'_>) -> Self {
        Self {
            params,
            region: context.region(),
            ec2: Client::new(context.sdk),
            ec2_changes: Client::new(&context.sdk_for_changes()),
            auto_scaling: aws_sdk_autoscaling::Client::new(context.sdk),
        }
    }
}

#[async_trait]
impl Action for StopInstances {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let tags = self.params.tag.iter().map(|(key, values)| filter(&format!("tag:{key}"), values));
        // The stopped too: an earlier stage may hold them, and then this one must hold them as well.
        let states = filter("instance-state-name", ["pending", "running", "stopping", "stopped"]);
        let mut instances = self.find(tags.chain([states]).collect()).await?;
        // In a filter `*` and `?` match anything; in guardrails.yaml they are themselves.
        instances.retain(|instance| self.params.tag.iter().all(|(key, values)| has_tag(instance, key, &values)));
        let ids: Vec<&str> = instances.iter().filter_map(Instance::instance_id).collect();
        let mut members = self.group_members(&ids).await?;
        // The tag helps where a member was just launched.
        for instance in &instances {
            let group = instance.tags().iter().find(|tag| tag.key() == Some(GROUP_TAG)).and_then(|tag| tag.value());
            if let (Some(id), Some(group)) = (instance.instance_id(), group) {
                members.insert(id.to_owned(), group.to_owned());
            }
        }
        let planned = instances.iter().filter_map(|instance| {
            let id = instance.instance_id()?;
            let present = match state(instance) {
                Seen::Is(value) | Seen::Moving(value) => value,
                Seen::Gone(_) => return None,
            };
            let skip = members.get(id).filter(|_| present == running()).map(|group| in_a_group(group));
            let facet = FacetId::new(FACET, &self.region, id).map_err(|error| ActionError::Refused(error.to_string()));
            Some(facet.map(|facet| Planned { facet, label: label(instance), present, wanted: stopped(), skip }))
        });
        planned.collect()
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let mut seen = HashMap::new();
        for batch in facets.chunks(200) {
            let ids: Vec<&str> = batch.iter().map(instance_id).collect();
            let found = self.find(vec![filter("instance-id", ids)]).await?;
            let found: HashMap<&str, Seen> =
                found.iter().filter_map(|instance| Some((instance.instance_id()?, state(instance)))).collect();
            for facet in batch {
                let id = instance_id(facet);
                let what = match found.get(id) {
                    Some(seen) => seen.clone(),
                    // A listing is eventually consistent: that an instance is gone is believed only when EC2 says so of it.
                    None => self.ask_for(id).await?,
                };
                seen.insert(facet.clone(), what);
            }
        }
        Ok(seen)
    }

    async fn apply(&self, changes: &[Change]) -> Vec<Answer> {
        // An instance may have joined a group since the plan.
        let ids: Vec<&str> = changes.iter().map(|change| instance_id(&change.facet)).collect();
        let members = match self.group_members(&ids).await {
            Ok(members) => members,
            Err(ActionError::Refused(why)) => return vec![Answer::Refused(why); changes.len()],
            Err(ActionError::Retryable(why)) => return vec![Answer::Later(why); changes.len()],
        };
        let (joined, free): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| members.contains_key(instance_id(&change.facet)));
        let free: Vec<Change> = free.into_iter().cloned().collect();
        let mut answers = self.turn(&free).await.into_iter();
        let refused = |change: &Change| Answer::Refused(in_a_group(&members[instance_id(&change.facet)]));
        let lost = || Answer::Unknown("no answer".to_owned());
        let answer =
            |change: &Change| if joined.contains(&change) { refused(change) } else { answers.next().unwrap_or_else(lost) };
        changes.iter().map(answer).collect()
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<Answer> {
        self.turn(changes).await
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn patience(&self) -> Patience {
        Patience { poll: 5, limit: 1800 }
    }
}

impl StopInstances {
    async fn find(&self, filters: Vec<Filter>) -> Result<Vec<Instance>, ActionError> {
        let mut pages = self.ec2.describe_instances().set_filters(Some(filters)).max_results(PAGE).into_paginator().send();
        let mut instances = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::of(&error).reading("listing instances"))?;
            let reservations = page.reservations.unwrap_or_default().into_iter();
            instances.extend(reservations.flat_map(|reservation| reservation.instances.unwrap_or_default()));
        }
        Ok(instances)
    }

    async fn ask_for(&self, id: &str) -> Result<Seen, ActionError> {
        match self.ec2.describe_instances().instance_ids(id).send().await {
            Ok(answer) => {
                let instance = answer.reservations().iter().flat_map(aws_sdk_ec2::types::Reservation::instances).next();
                instance.map(state).ok_or_else(|| ActionError::Retryable(format!("EC2 did not say what became of {id}")))
            }
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("InvalidInstanceID.NotFound") {
                    Ok(Seen::Gone(format!("the instance {id} is there no more")))
                } else {
                    Err(failure.reading(&format!("looking at instance {id}")))
                }
            }
        }
    }

    /// The Auto Scaling group of each instance that is in one.
    async fn group_members(&self, ids: &[&str]) -> Result<HashMap<String, String>, ActionError> {
        let mut members = HashMap::new();
        for batch in ids.chunks(GROUP_PAGE) {
            let ids = batch.iter().map(|id| (*id).to_owned()).collect();
            let call = self.auto_scaling.describe_auto_scaling_instances().set_instance_ids(Some(ids));
            let mut pages = call.into_paginator().send();
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

    /// Stops or starts. One bad instance fails a whole call, so a refused call is halved until the one is found; the others
    /// are never dropped.
    async fn turn(&self, changes: &[Change]) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = vec![None; changes.len()];
        let to_stop: Vec<usize> = (0..changes.len()).filter(|index| changes[*index].to == stopped()).collect();
        let to_start: Vec<usize> = (0..changes.len()).filter(|index| changes[*index].to == running()).collect();
        let mut pending: Vec<(bool, Vec<usize>)> = vec![(true, to_stop), (false, to_start)];
        while let Some((stop, mut batch)) = pending.pop() {
            let ids: BTreeSet<&str> = batch.iter().map(|index| instance_id(&changes[*index].facet)).collect();
            if ids.is_empty() {
                continue;
            }
            match self.call(stop, ids).await {
                Some(failure) if is_of_one(&failure) && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    pending.extend([(stop, second), (stop, batch)]);
                }
                failure => {
                    let answer = failure.map_or(Answer::Accepted, Failure::answer);
                    for index in batch {
                        answers[index] = Some(answer.clone());
                    }
                }
            }
        }
        let unknown = |change: &Change| Answer::Refused(format!("`{}` is neither running nor stopped", change.to));
        answers.into_iter().zip(changes).map(|(answer, change)| answer.unwrap_or_else(|| unknown(change))).collect()
    }

    async fn call(&self, stop: bool, ids: BTreeSet<&str>) -> Option<Failure> {
        let ids = Some(ids.into_iter().map(str::to_owned).collect());
        if stop {
            self.ec2_changes.stop_instances().set_instance_ids(ids).send().await.err().map(|error| Failure::of(&error))
        } else {
            self.ec2_changes.start_instances().set_instance_ids(ids).send().await.err().map(|error| Failure::of(&error))
        }
    }
}

fn in_a_group(group: &str) -> String {
    format!("it is a member of the Auto Scaling group {group}, which would take it for unhealthy and terminate it")
}

fn has_tag(instance: &Instance, key: &str, values: &[&str]) -> bool {
    let tag = instance.tags().iter().find(|tag| tag.key() == Some(key));
    tag.is_some_and(|tag| values.contains(&tag.value().unwrap_or_default()))
}

/// May the failure be of one instance of the call alone? Throttling is of the call.
fn is_of_one(failure: &Failure) -> bool {
    failure.kind == FailureKind::Refused || failure.is("IncorrectInstanceState") || failure.is_of_capacity()
}

fn state(instance: &Instance) -> Seen {
    match instance.state().and_then(|state| state.name()) {
        Some(InstanceStateName::Running) => Seen::Is(running()),
        Some(InstanceStateName::Stopped) => Seen::Is(stopped()),
        Some(InstanceStateName::Pending) => Seen::Moving(running()),
        Some(InstanceStateName::Stopping) => Seen::Moving(stopped()),
        other => {
            let state = other.map_or("in no known state", InstanceStateName::as_str);
            Seen::Gone(format!("the instance {} is {state}", instance.instance_id().unwrap_or_default()))
        }
    }
}

fn label(instance: &Instance) -> String {
    let id = instance.instance_id().unwrap_or_default();
    let name = instance.tags().iter().find(|tag| tag.key() == Some("Name")).and_then(|tag| tag.value());
    name.map_or_else(|| id.to_owned(), |name| format!("{id} ({name})"))
}

fn instance_id(facet: &FacetId) -> &str {
    facet.parts().2
}

fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(str::to_owned).collect())).build()
}

fn running() -> Value {
    Value::new("running")
}

fn stopped() -> Value {
    Value::new("stopped")
}
