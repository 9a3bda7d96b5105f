//! RDS: DB instances, and the clusters of Aurora, Neptune and `DocumentDB`. It refuses as AWS documents that it refuses, takes its time,
//! and starts a stopped database after seven days.

mod calls;
pub(crate) mod database;
mod describe;
mod life;

use jiff::Timestamp;

pub use database::{Database, Kind};
pub(crate) use describe::told;

use super::account::Account;
use super::wire::{Call, Refusal};

/// Answers a call that only reads, by the databases as they are listed at that moment.
pub fn describe(account: &Account, databases: &database::Databases, call: &Call) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "DescribeDBInstances" => describe::databases(account, databases, call, Kind::Instance),
        "DescribeDBClusters" => describe::databases(account, databases, call, Kind::Cluster),
        "DescribeGlobalClusters" => describe::global_clusters(account, call),
        "DescribeBlueGreenDeployments" => describe::deployments(account, call),
        other => panic!("the double of RDS has no {other}"),
    }
}

/// Answers a call that changes something.
pub fn change(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "StopDBInstance" => calls::stop(account, call, now, Kind::Instance),
        "StartDBInstance" => calls::start(account, call, now, Kind::Instance),
        "StopDBCluster" => calls::stop(account, call, now, Kind::Cluster),
        "StartDBCluster" => calls::start(account, call, now, Kind::Cluster),
        other => panic!("the double of RDS has no {other}"),
    }
}
