//! Application Auto Scaling: the scalable targets of services. At each update of one, it changes a count outside the bounds.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Ecs, Key};
use crate::account::Account;
use crate::wire::{Call, Refusal, page};

/// Resource ids that one question takes.
const ASKED: usize = 50;

/// A scalable target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScalableTarget {
    /// The lower bound.
    pub min: usize,
    /// The upper bound.
    pub max: usize,
    /// Suspended: scale-in, scale-out, scheduled scaling.
    pub suspended: [bool; 3],
}

impl ScalableTarget {
    /// A target that works.
    #[must_use]
    pub fn new(min: usize, max: usize) -> Self {
        Self { min, max, suspended: [false; 3] }
    }

    /// The same, with these suspended by an operator: scale-in, scale-out, scheduled scaling.
    #[must_use]
    pub fn suspended(self, suspended: [bool; 3]) -> Self {
        Self { suspended, ..self }
    }
}

impl fmt::Display for ScalableTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |index: usize| if self.suspended[index] { "suspended" } else { "running" };
        write!(f, "min {}, max {}, in {}, out {}, scheduled {}", self.min, self.max, word(0), word(1), word(2))
    }
}

impl Account {
    /// Scheduled scaling sets the bounds of a service's target, unless it is suspended.
    pub fn scheduled_scaling(&mut self, service: &str, min: usize, max: usize) {
        let (key, now) = (self.ecs_key(service), self.now);
        let target = self.ecs.targets.get_mut(&key).expect("a scalable target");
        if !target.suspended[2] {
            (target.min, target.max) = (min, max);
            self.pull(&key, now);
        }
    }

    /// Alarms ask for tasks, where scale-out is not suspended: up to the minimum at least.
    pub(crate) fn settle_alarms(&mut self, now: Timestamp) {
        for (key, target) in &self.ecs.targets {
            let Some(service) = self.ecs.services.get_mut(key) else { continue };
            let Some(alarm) = service.alarm.filter(|_| !target.suspended[1] && service.status == "ACTIVE") else { continue };
            let wanted = alarm.max(target.min).min(target.max);
            if service.desired < wanted {
                service.set(wanted, now);
            }
        }
    }

    /// Puts the count of an active service into the bounds of its target.
    fn pull(&mut self, key: &Key, now: Timestamp) {
        let (Some(target), Some(service)) = (self.ecs.targets.get(key), self.ecs.services.get_mut(key)) else { return };
        if service.status == "ACTIVE" {
            service.set(service.desired.clamp(target.min, target.max), now);
        }
    }
}

/// `DescribeScalableTargets`.
pub(super) fn describe(account: &Account, ecs: &Ecs, call: &Call) -> Result<String, Refusal> {
    let asked: Option<Vec<&str>> = call.json["ResourceIds"].as_array().map(|ids| ids.iter().filter_map(Json::as_str).collect());
    if asked.as_ref().is_some_and(|ids| ids.len() > ASKED) {
        let message = "1 validation error detected: Value at 'resourceIds' failed to satisfy constraint: length of at most 50";
        return Err(Refusal(400, "ValidationException", message.to_owned()));
    }
    let all = ecs.targets.iter().filter(|(key, _)| key.0 == call.region);
    let all = all.map(|(key, target)| (format!("service/{}/{}", key.1, key.2), target));
    let all: Vec<_> = all.filter(|(id, _)| asked.as_ref().is_none_or(|ids| ids.contains(&id.as_str()))).collect();
    let (some, next) = page(all, call.json["NextToken"].as_str(), account.page);
    let shown = some.into_iter().map(|(id, target)| {
        json!({"ServiceNamespace": "ecs", "ResourceId": id, "ScalableDimension": "ecs:service:DesiredCount",
            "MinCapacity": target.min, "MaxCapacity": target.max, "RoleARN": "arn:aws:iam::123456789012:role/aws-service-role",
            "CreationTime": 0, "SuspendedState": {"DynamicScalingInSuspended": target.suspended[0],
            "DynamicScalingOutSuspended": target.suspended[1], "ScheduledScalingSuspended": target.suspended[2]}})
    });
    Ok(json!({"ScalableTargets": shown.collect::<Vec<_>>(), "NextToken": next}).to_string())
}

/// `RegisterScalableTarget`. Parameters that are not sent stay; flags that a sent `SuspendedState` leaves out are false, which
/// AWS does not document, and an emulator does.
pub(super) fn register(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let invalid = |message: String| Err(Refusal(400, "ValidationException", message));
    let id = call.json["ResourceId"].as_str().unwrap_or_default();
    if call.json["ServiceNamespace"] != "ecs" || call.json["ScalableDimension"] != "ecs:service:DesiredCount" {
        return invalid("Unsupported service namespace, resource type or scalable dimension".to_owned());
    }
    let Some((cluster, name)) = id.strip_prefix("service/").and_then(|id| id.split_once('/')) else {
        return invalid(format!("{id} is no resource of ECS"));
    };
    let key = (call.region.clone(), cluster.to_owned(), name.to_owned());
    if !account.ecs.services.contains_key(&key) {
        return invalid(format!("ECS service doesn't exist: {id}"));
    }
    let number = |name: &str| call.json[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let known = account.ecs.targets.get(&key).copied();
    let bounds = (number("MinCapacity").or(known.map(|old| old.min)), number("MaxCapacity").or(known.map(|old| old.max)));
    let (Some(min), Some(max)) = bounds else {
        return invalid("MinCapacity and MaxCapacity are required for a new scalable target".to_owned());
    };
    if min > max {
        return invalid("Maximum capacity cannot be less than minimum capacity".to_owned());
    }
    let state = &call.json["SuspendedState"];
    let flag = |name: &str| state[name].as_bool().unwrap_or_default();
    let suspended = if state.is_null() {
        known.map(|old| old.suspended).unwrap_or_default()
    } else {
        [flag("DynamicScalingInSuspended"), flag("DynamicScalingOutSuspended"), flag("ScheduledScalingSuspended")]
    };
    account.ecs.targets.insert(key.clone(), ScalableTarget { min, max, suspended });
    account.pull(&key, now);
    account.touch(&call.region, &format!("{cluster}/{name}"));
    let arn = format!("arn:aws:application-autoscaling:{}:123456789012:scalable-target/0", call.region);
    Ok(json!({"ScalableTargetARN": arn}).to_string())
}
