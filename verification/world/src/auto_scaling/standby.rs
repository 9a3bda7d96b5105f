//! Members that a group sets aside, and takes back. A member that does not run when it comes back is terminated, though Terminate is
//! suspended: that protects members in service alone.

use jiff::Timestamp;

use super::calls::change;
use super::group::{Doing, Group, Key};
use super::refusals::invalid;
use crate::account::Account;
use crate::wire::{Call, Refusal};

/// Instances that a call takes.
const MOST: usize = 20;
const DELETING: &str = "The AutoScaling group may not be modified while it is pending delete";

pub fn enter(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let ids = ids(call)?;
    let decrement = call.require("ShouldDecrementDesiredCapacity")? == "true";
    moved(account, call, now, &ids, Doing::EnterStandby, |group| {
        all_are(group, &ids, "InService")?;
        if decrement {
            let after = group.desired.saturating_sub(ids.len());
            if group.desired < ids.len() || after < group.min {
                let sizes = format!("min-size={}, max-size={}, and desired-size={}", group.min, group.max, group.desired);
                let place = format!("To place into standby {} instance(s), please update the sizes appropriately.", ids.len());
                return Err(invalid(format!("AutoScalingGroup {} has {sizes}. {place}", group.name)));
            }
            group.desired = after;
        }
        set(group, &ids, "EnteringStandby");
        Ok(())
    })
}

pub fn exit(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let ids = ids(call)?;
    moved(account, call, now, &ids, Doing::ExitStandby, |group| {
        if group.is_suspended("Launch") {
            return Err(invalid(format!("The Launch process of AutoScalingGroup {} is suspended", group.name)));
        }
        all_are(group, &ids, "Standby")?;
        let after = group.desired + ids.len();
        if after > group.max {
            return Err(invalid(format!("New SetDesiredCapacity value {after} is above max value {}", group.max)));
        }
        group.desired = after;
        set(group, &ids, "Pending");
        Ok(())
    })
}

fn ids(call: &Call) -> Result<Vec<String>, Refusal> {
    let ids: Vec<String> = call.list("InstanceIds.member").into_iter().map(str::to_owned).collect();
    if ids.is_empty() || ids.len() > MOST {
        return Err(invalid(format!("The number of instance ids must be between 1 and {MOST}")));
    }
    Ok(ids)
}

fn moved(
    account: &mut Account,
    call: &Call,
    now: Timestamp,
    ids: &[String],
    doing: Doing,
    how: impl FnOnce(&mut Group) -> Result<(), Refusal>,
) -> Result<String, Refusal> {
    let key: Key = (call.region.clone(), call.require("AutoScalingGroupName")?.to_owned());
    change(account, call, now, DELETING, how)?;
    for id in ids {
        account.begin(&key, doing, id, "in response to a user request", now);
        account.touch(&key.0, id);
    }
    Ok(String::new())
}

fn all_are(group: &Group, ids: &[String], lifecycle: &str) -> Result<(), Refusal> {
    let odd = ids.iter().find(|id| !group.members.get(*id).is_some_and(|member| member.is(lifecycle)));
    odd.map_or(Ok(()), |id| Err(invalid(format!("The instance {id} is not in {lifecycle}."))))
}

fn set(group: &mut Group, ids: &[String], lifecycle: &str) {
    for id in ids {
        if let Some(member) = group.members.get_mut(id) {
            lifecycle.clone_into(&mut member.lifecycle);
        }
    }
}
