//! EC2: instances, their status, their types and volumes, and the Regions.

mod filters;
pub(crate) mod instance;
mod listing;
mod power;
mod status;
mod volumes;

use jiff::Timestamp;

pub use instance::{Address, Check, Instance, Power, Spot};

use super::account::Account;
use super::wire::{Call, Refusal};

/// Answers a call that only reads, with instances as they were at `then`.
pub fn describe(account: &Account, call: &Call, then: Timestamp, now: Timestamp) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "DescribeInstances" => listing::describe_instances(account, call, then),
        "DescribeInstanceStatus" => status::describe_status(account, call, then, now),
        "DescribeInstanceTypes" => listing::describe_types(call),
        "DescribeSpotInstanceRequests" => listing::describe_spot_requests(account, call),
        "DescribeVolumes" => volumes::describe_volumes(account, call),
        "DescribeRegions" => listing::describe_regions(account, call),
        other => panic!("the double of EC2 has no {other}"),
    }
}

/// Answers a call that changes something.
pub fn change(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "StopInstances" => power::stop(account, call, now),
        "StartInstances" => power::start(account, call, now),
        other => panic!("the double of EC2 has no {other}"),
    }
}
