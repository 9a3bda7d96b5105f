//! EC2's token buckets: per Region and call, as its documentation has them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::wire::Call;

/// The tokens in the buckets. A bucket that nobody has touched is full.
#[derive(Debug, Clone, Default)]
pub struct Buckets(BTreeMap<(String, String), (Timestamp, i64)>);

/// A bucket in thousandths of a token: its name, how much it holds, how much comes in a second, how much a call takes.
struct Limit(String, i64, i64, i64);

impl Buckets {
    /// The limits that EC2 documents, all buckets full.
    pub fn documented() -> Self {
        Self::default()
    }

    /// Takes the cost of a call. When one bucket has too little, nothing is taken from any.
    pub fn take(&mut self, call: &Call, now: Timestamp) -> bool {
        let mut left = Vec::new();
        for Limit(name, holds, refill, cost) in limits(call) {
            let key = (call.region.clone(), name);
            let (since, was) = self.0.get(&key).copied().unwrap_or((now, holds));
            let fresh = milliseconds(now.duration_since(since)).saturating_mul(refill) / 1000;
            let is = was.saturating_add(fresh).min(holds) - cost;
            if is < 0 {
                return false;
            }
            left.push((key, (now, is)));
        }
        self.0.extend(left);
        true
    }
}

fn limits(call: &Call) -> Vec<Limit> {
    let requests = |holds: i64, refill: i64| Limit(format!("{} requests", call.operation), holds * 1000, refill * 1000, 1000);
    let count = i64::try_from(call.list("InstanceId").len()).expect("a number of instances");
    let resources =
        |holds: i64, refill: i64| Limit(format!("{} resources", call.operation), holds * 1000, refill * 1000, count * 1000);
    match call.operation.as_str() {
        "StopInstances" => vec![requests(50, 5), resources(1000, 20)],
        "StartInstances" => vec![requests(5, 2), resources(1000, 2)],
        _ if call.is_narrowed() => vec![requests(100, 20)],
        other => vec![Limit(format!("{other} requests for everything"), 50_000, 10_000, 1000)],
    }
}

fn milliseconds(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
