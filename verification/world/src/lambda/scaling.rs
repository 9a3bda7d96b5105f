//! Application Auto Scaling over provisioned concurrency. At each update of a target it changes a number outside the bounds.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{Key, Lambda, Provisioned};
use crate::account::Account;
use crate::ecs::ScalableTarget;
use crate::wire::{Call, Refusal, page};

impl Account {
    /// Alarms ask for provisioned concurrency, where scale-out is not suspended. Lambda refuses more than is reserved.
    pub(crate) fn settle_function_alarms(&mut self, now: Timestamp) {
        let wanted: Vec<(Key, usize)> = self.lambda.alarms.iter().map(|(key, wanted)| (key.clone(), *wanted)).collect();
        for (key, wanted) in wanted {
            let Some(target) = self.lambda.targets.get(&key).filter(|target| !target.suspended[1]) else { continue };
            let wanted = wanted.max(target.min).min(target.max);
            provision(self, &key, now, |is| is.max(wanted));
        }
    }
}

/// Sets the number of a target's alias, unless Lambda would refuse it.
fn provision(account: &mut Account, (region, id): &Key, now: Timestamp, change: impl Fn(usize) -> usize) {
    let (name, qualifier) = id.split_once(':').expect("a function and an alias");
    let takes = account.takes;
    let Some(function) = account.lambda.functions.get_mut(&(region.clone(), name.to_owned())) else { return };
    let is = function.provisioned.get(qualifier).map_or(0, |provisioned| provisioned.requested);
    let requested = change(is);
    let has_room = function.reserved.is_none_or(|reserved| function.all_provisioned(qualifier) + requested <= reserved);
    if requested != is && has_room {
        function.provisioned.insert(qualifier.to_owned(), Provisioned { requested, since: now, takes, failed: None });
    }
}

pub(super) fn describe(account: &Account, lambda: &Lambda, call: &Call) -> String {
    let asked: Option<Vec<&str>> = call.json["ResourceIds"].as_array().map(|ids| ids.iter().filter_map(Json::as_str).collect());
    assert!(asked.as_ref().is_none_or(|ids| ids.len() <= 50), "a question about more than 50 targets");
    let all = lambda.targets.iter().filter(|(key, _)| key.0 == call.region);
    let all = all.map(|(key, target)| (format!("function:{}", key.1), target));
    let all: Vec<_> = all.filter(|(id, _)| asked.as_ref().is_none_or(|ids| ids.contains(&id.as_str()))).collect();
    let (some, next) = page(all, call.json["NextToken"].as_str(), account.page);
    let shown = some.into_iter().map(|(id, target)| {
        json!({"ServiceNamespace": "lambda", "ResourceId": id, "ScalableDimension": "lambda:function:ProvisionedConcurrency",
            "MinCapacity": target.min, "MaxCapacity": target.max, "RoleARN": "arn:aws:iam::123456789012:role/aws-service-role",
            "CreationTime": 0, "SuspendedState": {"DynamicScalingInSuspended": target.suspended[0],
            "DynamicScalingOutSuspended": target.suspended[1], "ScheduledScalingSuspended": target.suspended[2]}})
    });
    json!({"ScalableTargets": shown.collect::<Vec<_>>(), "NextToken": next}).to_string()
}

/// `RegisterScalableTarget`. That a number below the new minimum is raised at once is in its API reference.
pub(super) fn register(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let id = call.json["ResourceId"].as_str().unwrap_or_default();
    let Some(id) = id.strip_prefix("function:").map(str::to_owned) else {
        return Err(Refusal(400, "ValidationException", format!("{id} is no function")));
    };
    let (name, qualifier) = id.split_once(':').unwrap_or((id.as_str(), ""));
    let function = account.lambda.functions.get(&(call.region.clone(), name.to_owned()));
    if !function.is_some_and(|function| function.has(qualifier)) {
        return Err(Refusal(400, "ValidationException", format!("the function {id} doesn't exist")));
    }
    let number = |name: &str| call.json[name].as_u64().and_then(|number| usize::try_from(number).ok()).expect("both bounds");
    let flag = |name: &str| call.json["SuspendedState"][name].as_bool().expect("all three flags");
    let names = ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"];
    let target = ScalableTarget { min: number("MinCapacity"), max: number("MaxCapacity"), suspended: names.map(flag) };
    let key = (call.region.clone(), id.clone());
    account.lambda.targets.insert(key.clone(), target);
    provision(account, &key, now, |is| is.clamp(target.min, target.max));
    account.touch(&call.region, &id);
    let arn = format!("arn:aws:application-autoscaling:{}:123456789012:scalable-target/0", call.region);
    Ok(json!({"ScalableTargetARN": arn}).to_string())
}
