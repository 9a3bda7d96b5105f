//! The orders to a group.

use jiff::Timestamp;

use super::group::{Group, Key, PROCESSES};
use super::refusals::{invalid, not_found};
use crate::account::Account;
use crate::ec2::instance::Instance;
use crate::wire::{Call, Refusal};

pub fn suspend(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let processes = processes(call)?;
    let deleting = "Processes may not be suspended while the AutoScaling group is pending delete";
    change(account, call, now, deleting, |group| {
        for process in processes {
            group.suspended.entry(process).or_insert_with(|| format!("User suspended at {now}"));
        }
        Ok(())
    })
}

pub fn resume(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let processes = processes(call)?;
    let deleting = "Processes may not be resumed while the AutoScaling group is pending delete";
    change(account, call, now, deleting, |group| {
        group.suspended.retain(|process, _| !processes.contains(process));
        Ok(())
    })
}

/// All processes, when none is named.
fn processes(call: &Call) -> Result<Vec<String>, Refusal> {
    let named = call.list("ScalingProcesses.member");
    if let Some(unknown) = named.iter().find(|process| !PROCESSES.contains(process)) {
        return Err(invalid(format!("1 validation error detected: {unknown} is no scaling process")));
    }
    let processes = if named.is_empty() { PROCESSES.to_vec() } else { named };
    Ok(processes.into_iter().map(str::to_owned).collect())
}

pub fn update(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let (min, max, desired) = (call.number("MinSize")?, call.number("MaxSize")?, call.number("DesiredCapacity")?);
    change(account, call, now, "The AutoScaling group may not be modified while it is pending delete", |group| {
        let (min, max) = (min.unwrap_or(group.min), max.unwrap_or(group.max));
        if min > max {
            return Err(invalid(format!("Max bound, {max}, must be greater than or equal to min bound, {min}")));
        }
        // Limits that are moved alone take the capacity with them.
        let desired = desired.unwrap_or(group.desired.clamp(min, max));
        if !(min..=max).contains(&desired) {
            let bounds = format!("must be between the specified min size:{min} and max size:{max}");
            return Err(invalid(format!("Desired capacity:{desired} {bounds}")));
        }
        (group.min, group.desired, group.max) = (min, desired, max);
        Ok(())
    })
}

pub fn set_desired(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let desired = call.number("DesiredCapacity")?.ok_or_else(|| invalid("DesiredCapacity is required".to_owned()))?;
    change(account, call, now, "The AutoScaling group may not be modified while it is pending delete", |group| {
        let (min, max) = (group.min, group.max);
        if !(min..=max).contains(&desired) {
            let bound = if desired < min { ("below min", min) } else { ("above max", max) };
            return Err(invalid(format!("New SetDesiredCapacity value {desired} is {} value {}", bound.0, bound.1)));
        }
        group.desired = desired;
        Ok(())
    })
}

/// With all its members, in each state: `ForceDelete` asks nobody.
pub fn delete(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let name = call.require("AutoScalingGroupName")?;
    let key: Key = (call.region.clone(), name.to_owned());
    account.remember_fleets(now);
    let group = account.fleets.get(&key).ok_or_else(|| not_found(name))?;
    let members: Vec<String> = group.members.keys().cloned().collect();
    if !members.is_empty() && call.get("ForceDelete") != Some("true") {
        let message = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still \
                       in the group.";
        return Err(Refusal(400, "ResourceInUse", message.to_owned()));
    }
    for id in members {
        account.terminate(&key, &id, "the group was deleted", now);
    }
    account.fleets.remove(&key);
    Ok(String::new())
}

/// Changes the group that a call names, unless it is being deleted; it sees the consequences at once.
pub(super) fn change(
    account: &mut Account,
    call: &Call,
    now: Timestamp,
    deleting: &str,
    how: impl FnOnce(&mut Group) -> Result<(), Refusal>,
) -> Result<String, Refusal> {
    let name = call.require("AutoScalingGroupName")?;
    let key: Key = (call.region.clone(), name.to_owned());
    account.remember_fleets(now);
    let group = account.fleets.get_mut(&key).ok_or_else(|| not_found(name))?;
    if group.status.is_some() {
        return Err(invalid(deleting.to_owned()));
    }
    how(group)?;
    account.touch(&key.0, name);
    account.reconcile(&key, now);
    account.wake(&key, now);
    Ok(String::new())
}

pub fn set_health(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let id = call.require("InstanceId")?;
    let healthy = match call.require("HealthStatus")? {
        "Healthy" => true,
        "Unhealthy" => false,
        other => return Err(invalid(format!("{other} is neither Healthy nor Unhealthy"))),
    };
    account.remember_fleets(now);
    let unmanaged = || invalid(format!("Instance Id not found - No managed instance found for instance ID {id}"));
    let key = account.instances.get(id).and_then(Instance::group_key).filter(|key| key.0 == call.region);
    let key = key.ok_or_else(unmanaged)?;
    let group = account.fleets.get_mut(&key).ok_or_else(unmanaged)?;
    let grace = group.grace;
    let member = group.members.get_mut(id).ok_or_else(unmanaged)?;
    if member.is("Terminating") {
        return Err(invalid(format!("Instance {id} is already terminating")));
    }
    let spared = call.get("ShouldRespectGracePeriod") != Some("false") && now.duration_since(member.since).as_secs() < grace;
    if healthy || !spared {
        member.healthy = healthy;
    }
    account.touch(&key.0, id);
    account.reconcile(&key, now);
    account.wake(&key, now);
    Ok(String::new())
}
