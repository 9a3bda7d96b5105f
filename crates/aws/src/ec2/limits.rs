//! EC2's token buckets, as AWS documents them for each account and Region.

use guardrails_model::pace::Limit;

/// Calls that list, filtered or page by page.
pub const DESCRIBE_REQUESTS: Limit = Limit::new("describe-requests", 100.0, 20.0);
/// Calls of `StopInstances`.
pub const STOP_REQUESTS: Limit = Limit::new("stop-requests", 50.0, 5.0);
/// Instances in them.
pub const STOP_INSTANCES: Limit = Limit::new("stop-instances", 1000.0, 20.0);
/// Calls of `StartInstances`.
pub const START_REQUESTS: Limit = Limit::new("start-requests", 5.0, 2.0);
/// Instances in them.
pub const START_INSTANCES: Limit = Limit::new("start-instances", 1000.0, 2.0);
/// All of them.
pub const ALL: [Limit; 5] = [DESCRIBE_REQUESTS, STOP_REQUESTS, STOP_INSTANCES, START_REQUESTS, START_INSTANCES];
