//! Auto Scaling: groups that live by the clock, with their listings and their orders.

mod calls;
mod describe;
pub(crate) mod group;
mod life;
mod refresh;
mod refusals;
mod standby;

use jiff::Timestamp;

use group::Fleets;
pub use group::{Group, Member};

use super::account::Account;
use super::wire::{Call, Refusal};

/// Answers a call that only reads.
pub fn describe(fleets: &Fleets, page: usize, call: &Call) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "DescribeAutoScalingGroups" => describe::groups(fleets, page, call),
        "DescribeAutoScalingInstances" => describe::members(fleets, page, call),
        "DescribeScalingActivities" => describe::activities(fleets, page, call),
        "DescribeScheduledActions" => describe::scheduled(fleets, call),
        "DescribeInstanceRefreshes" => describe::refreshes(fleets, page, call),
        other => panic!("the double of Auto Scaling has no {other}"),
    }
}

/// Answers a call that changes something.
pub fn change(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    match call.operation.as_str() {
        "SuspendProcesses" => calls::suspend(account, call, now),
        "ResumeProcesses" => calls::resume(account, call, now),
        "SetInstanceHealth" => calls::set_health(account, call, now),
        "UpdateAutoScalingGroup" => calls::update(account, call, now),
        "SetDesiredCapacity" => calls::set_desired(account, call, now),
        "EnterStandby" => standby::enter(account, call, now),
        "ExitStandby" => standby::exit(account, call, now),
        "StartInstanceRefresh" => refresh::start(account, call, now),
        "DeleteAutoScalingGroup" => calls::delete(account, call, now),
        other => panic!("the double of Auto Scaling has no {other}"),
    }
}
