//! Calls that change something, and how Redshift refuses them. The codes are those of its API. No emulator gives them: the one that
//! knows Redshift pauses a paused cluster, and modifies one.

use jiff::{SignedDuration, Timestamp};

use super::describe::{named, shown, shown_schedule};
use super::{Redshift, Warehouse};
use crate::account::Account;
use crate::wire::{Call, Refusal};

/// Hours after which a snapshot is not recent any more.
const RECENT: i64 = 24;

pub fn pause(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let warehouse = named(&account.redshift, call)?;
    refusal_to_pause(warehouse, now)?;
    turn(account, call, "pausing", "paused", now)
}

pub fn resume(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let warehouse = named(&account.redshift, call)?;
    refusal_to_resume(&account.redshift, warehouse)?;
    turn(account, call, "resuming", "available", now)
}

/// A paused cluster cannot be modified. Of the others nothing is changed here: no action modifies one.
pub fn modify(account: &mut Account, call: &Call) -> Result<String, Refusal> {
    let warehouse = named(&account.redshift, call)?;
    if warehouse.status != "available" {
        return Err(wrong_state(format!("You can't modify the cluster {} while it is {}", warehouse.name, warehouse.status)));
    }
    Ok(format!("<Cluster>{}</Cluster>", shown(warehouse)))
}

pub fn modify_schedule(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let name = call.require("ScheduledActionName")?.to_owned();
    let key = (call.region.clone(), name.clone());
    let Some(schedule) = account.redshift.schedules.get(&key) else {
        return Err(Refusal(400, "ScheduledActionNotFound", format!("Scheduled action {name} not found.")));
    };
    if !account.redshift.warehouses.contains_key(&(call.region.clone(), schedule.cluster.clone())) {
        return Err(Refusal(404, "ClusterNotFound", format!("Cluster {} not found.", schedule.cluster)));
    }
    let others: Vec<(&str, &str)> = call.under("").into_iter().filter(|(name, _)| !KNOWN.contains(name)).collect();
    assert!(others.is_empty(), "a modification that sends more than whether it is active: {others:?}");
    remember(account, now);
    account.touch(&call.region, &name);
    let schedule = account.redshift.schedules.get_mut(&key).expect("it was found");
    schedule.state = if call.require("Enable")? == "true" { "ACTIVE" } else { "DISABLED" };
    Ok(shown_schedule(schedule))
}

/// The parameters of a call that enables or disables.
const KNOWN: &[&str] = &["Action", "Version", "ScheduledActionName", "Enable"];

/// Why a cluster is not paused, if so.
pub fn refusal_to_pause(warehouse: &Warehouse, now: Timestamp) -> Result<(), Refusal> {
    let Warehouse { name, status, .. } = warehouse;
    if warehouse.multi_az || warehouse.hsm || warehouse.unsupported {
        return Err(Refusal(400, "UnsupportedOperation", format!("The cluster {name} can't be paused")));
    }
    if *status != "available" {
        return Err(wrong_state(format!("The cluster {name} is {status}: it is not available")));
    }
    if warehouse.retention == 0 {
        return Err(wrong_state(format!("You can't pause cluster {name}: automated snapshots are turned off")));
    }
    let since = now - SignedDuration::from_hours(RECENT);
    if !warehouse.snapshots.iter().any(|(at, status)| *at >= since && *status == "available") {
        return Err(wrong_state(format!("You can't pause cluster {name} because no recently available backup was found.")));
    }
    Ok(())
}

/// Why a cluster is not resumed, if so.
pub fn refusal_to_resume(redshift: &Redshift, warehouse: &Warehouse) -> Result<(), Refusal> {
    let Warehouse { name, status, .. } = warehouse;
    if *status != "paused" {
        return Err(wrong_state(format!("The cluster {name} is {status}: it is not paused")));
    }
    if redshift.no_capacity {
        let message = format!("There are not enough {} nodes for {name}", warehouse.node_type);
        return Err(Refusal(400, "InsufficientClusterCapacity", message));
    }
    Ok(())
}

fn wrong_state(message: String) -> Refusal {
    Refusal(400, "InvalidClusterState", message)
}

fn turn(account: &mut Account, call: &Call, via: &'static str, to: &'static str, now: Timestamp) -> Result<String, Refusal> {
    let key = named(&account.redshift, call)?.key();
    remember(account, now);
    account.touch(&key.0, &key.1);
    account.turn_warehouse(&key, via, to, now);
    Ok(format!("<Cluster>{}</Cluster>", shown(&account.redshift.warehouses[&key])))
}

fn remember(account: &mut Account, now: Timestamp) {
    if account.lag > 0 {
        let before = account.redshift.clone();
        account.past_redshift.remember(now, account.lag, before);
    }
}
