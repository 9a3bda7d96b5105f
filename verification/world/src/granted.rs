//! What a function's policy lets it change: instances and groups by their tag, as `aws:ResourceTag` has it.

use super::account::Account;
use super::wire::{Call, Refusal, Service};

/// Why IAM refuses a function's call, if it does.
pub fn refusal(account: &Account, call: &Call) -> Option<Refusal> {
    let (key, value) = account.granted?;
    let member = || account.instances.get(call.get("InstanceId")?)?.group_key();
    let group = |name: &str| account.fleets.get(&(call.region.clone(), name.to_owned()));
    let is_granted = match call.operation.as_str() {
        "StopInstances" | "StartInstances" => {
            let mut asked = call.list("InstanceId").into_iter().filter_map(|id| account.instances.get(id));
            asked.all(|instance| instance.tags.get(key).is_some_and(|is| is == value))
        }
        "SuspendProcesses" | "ResumeProcesses" | "SetInstanceHealth" => {
            let asked = call.get("AutoScalingGroupName").map_or_else(|| account.fleets.get(&member()?), group);
            asked.is_none_or(|group| group.tags.iter().any(|(name, is, _)| name == key && is == value))
        }
        _ => true,
    };
    if is_granted {
        return None;
    }
    let user = "User: arn:aws:sts::123456789012:assumed-role/guardrails/session";
    Some(if call.service == Service::Ec2 {
        let what = format!("{user} is not authorized to perform: ec2:{}", call.operation);
        Refusal(403, "UnauthorizedOperation", format!("You are not authorized to perform this operation. {what}"))
    } else {
        Refusal(403, "AccessDenied", format!("{user} is not authorized to perform: autoscaling:{}", call.operation))
    })
}
