//! Stops and starts. One instance that cannot be stopped or started fails the whole call.

use jiff::{SignedDuration, Timestamp};

use super::filters::check_ids;
use super::instance::{Instance, Power, Quirk, Spot};
use super::listing::ACCOUNT;
use crate::account::Account;
use crate::wire::{Call, Refusal, list, tag};

pub fn stop(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let ids = call.list("InstanceId");
    check_ids(account, call, &ids)?;
    let hibernate = call.get("Hibernate") == Some("true");
    for id in &ids {
        check_stop(&account.instances[*id], hibernate)?;
    }
    for id in &ids {
        let instance = account.instances.get_mut(*id).expect("its id was checked");
        if instance.power == Power::Running {
            instance.hibernated = hibernate;
        }
    }
    Ok(turn(account, call, Power::Running, Power::Stopping, now, |_| Power::Stopped))
}

fn check_stop(instance: &Instance, hibernate: bool) -> Result<(), Refusal> {
    let id = &instance.id;
    let refused = |code, message| Err(Refusal(400, code, message));
    if matches!(instance.power, Power::Pending | Power::ShuttingDown | Power::Terminated) {
        return Err(wrong_state(id, "stopped"));
    }
    if let Some(principal) = &instance.operator {
        return refused(
            "OperationNotPermitted",
            format!("The instance '{id}' is managed by {principal} and may not be stopped."),
        );
    }
    if instance.has(Quirk::Protected) {
        let message =
            format!("The instance '{id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.");
        return refused("OperationNotPermitted", message);
    }
    if instance.has(Quirk::StoreRoot) {
        let message = format!("The instance '{id}' does not have an 'ebs' root device type and cannot be stopped.");
        return refused("UnsupportedOperation", message);
    }
    match instance.spot {
        Some(Spot::OneTime | Spot::Cancelled) => {
            let why = "it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with \
                       persistent Spot Instance requests.";
            return refused("UnsupportedOperation", format!("You can't stop the Spot Instance '{id}' because {why}"));
        }
        Some(Spot::Fleet) => {
            let why = "it is associated with a Spot Fleet request.";
            return refused("UnsupportedOperation", format!("You can't stop the Spot Instance '{id}' because {why}"));
        }
        Some(Spot::Persistent) | None => {}
    }
    if hibernate && !instance.has(Quirk::Hibernates) {
        let message = format!("The instance '{id}' is not enabled for hibernation.");
        return refused("UnsupportedHibernationConfiguration", message);
    }
    if hibernate && instance.has(Quirk::NotReadyToHibernate) {
        return refused("UnsupportedOperation", format!("Instance '{id}' is not ready to hibernate yet."));
    }
    Ok(())
}

pub fn start(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let ids = call.list("InstanceId");
    check_ids(account, call, &ids)?;
    for id in &ids {
        check_start(account.instances.get_mut(*id).expect("its id was checked"), now)?;
    }
    // Without a grant to its volume's key, a start is accepted, and the instance falls back.
    let shared = account.shared_keys.clone();
    let may_use = |key: &String| key.contains(ACCOUNT) || shared.contains(key);
    let to = |instance: &Instance| {
        let starts = !instance.has(Quirk::KeyDisabled) && instance.key.as_ref().is_none_or(may_use);
        if starts { Power::Running } else { Power::Stopped }
    };
    Ok(turn(account, call, Power::Stopped, Power::Pending, now, to))
}

fn check_start(instance: &mut Instance, now: Timestamp) -> Result<(), Refusal> {
    match instance.power {
        Power::Stopping | Power::ShuttingDown | Power::Terminated => return Err(wrong_state(&instance.id, "started")),
        Power::Pending | Power::Running => return Ok(()),
        Power::Stopped => {}
    }
    if instance.no_capacity > 0 {
        instance.no_capacity -= 1;
        let (kind, region) = (&instance.kind, &instance.region);
        let message = format!(
            "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({region}a). Our \
             system will be working on provisioning additional capacity."
        );
        return Err(Refusal(500, "InsufficientInstanceCapacity", message));
    }
    let (until, times) = &mut instance.no_vcpus;
    if now < *until || *times > 0 {
        *times = times.saturating_sub(1);
        let message = "You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket \
                       that the specified instance type belongs to.";
        return Err(Refusal(400, "VcpuLimitExceeded", message.to_owned()));
    }
    Ok(())
}

/// Turns those instances of a call that are `from`; the others are on that way or there already.
fn turn(account: &mut Account, call: &Call, from: Power, via: Power, now: Timestamp, to: impl Fn(&Instance) -> Power) -> String {
    let (region, ids) = (&call.region, call.list("InstanceId"));
    let until = now + SignedDuration::from_secs(account.takes);
    let previous: Vec<Power> = ids.iter().map(|id| account.instances[*id].power).collect();
    for (id, previous) in ids.iter().zip(&previous) {
        if *previous == from {
            let to = to(&account.instances[*id]);
            account.turn(id, via, until, to, now);
            account.touch(region, id);
        }
    }
    account.settle(now);
    let changes = ids.iter().zip(previous).map(|(id, previous)| {
        let states = format!("{}{}", account.instances[*id].power.xml("currentState"), previous.xml("previousState"));
        format!("{}{states}", tag("instanceId", id))
    });
    list("instancesSet", "item", changes)
}

fn wrong_state(id: &str, done: &str) -> Refusal {
    let message = format!("The instance '{id}' is not in a state from which it can be {done}.");
    Refusal(400, "IncorrectInstanceState", message)
}
