//! Redshift: clusters, and the scheduled actions that act on them. It refuses as AWS documents that it refuses, takes its time, and
//! carries out scheduled actions. None of it was tried on AWS.

mod calls;
mod describe;
mod life;
mod warehouse;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub(crate) use describe::told;
pub use warehouse::{Does, Schedule, Warehouse};

use super::account::Account;
use super::wire::{Call, Refusal};

/// A Region and a name.
pub(crate) type Key = (String, String);

/// All of Redshift.
#[derive(Debug, Clone, Default)]
pub struct Redshift {
    /// Clusters.
    pub warehouses: BTreeMap<Key, Warehouse>,
    /// Scheduled actions.
    pub schedules: BTreeMap<Key, Schedule>,
    /// Reserved nodes: how many of which type, and their state.
    pub reserved: Vec<(i32, &'static str, &'static str)>,
    /// Is there no capacity to resume a cluster?
    pub no_capacity: bool,
}

/// Answers a call that only reads, by Redshift as it is listed at that moment.
pub fn describe(account: &Account, redshift: &Redshift, call: &Call) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "DescribeClusters" => describe::clusters(account, redshift, call),
        "DescribeScheduledActions" => describe::schedules(account, redshift, call),
        "DescribeClusterSnapshots" => describe::snapshots(account, redshift, call),
        "DescribeReservedNodes" => describe::reserved(account, redshift, call),
        other => panic!("the double of Redshift has no {other}"),
    }
}

/// Answers a call that changes something.
pub fn change(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "PauseCluster" => calls::pause(account, call, now),
        "ResumeCluster" => calls::resume(account, call, now),
        "ModifyScheduledAction" => calls::modify_schedule(account, call, now),
        "ModifyCluster" => calls::modify(account, call),
        other => panic!("the double of Redshift has no {other}"),
    }
}
