//! AWS's names for a change: an action writes on the receipt of each change which calls were made for it, and the engine puts
//! that into the step's events.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Calls that are kept one by one of a change: beyond these, calls of one outcome are counted.
const MOST_CALLS: usize = 5;

/// A call that was made to change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Call {
    /// The operation, such as `ec2:StopInstances`.
    pub operation: String,
    /// AWS's id of the request, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// AWS's error code where it refused, `no answer` where none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many calls of this operation and outcome it stands for; the id is that of the last.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub times: u32,
}

impl Call {
    /// One call.
    #[must_use]
    pub fn new(operation: impl Into<String>, request_id: Option<String>, error: Option<String>) -> Self {
        Self { operation: operation.into(), request_id, error, times: 1 }
    }

    /// Did it ask the same, and get the same answer?
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.operation, &self.error) == (&other.operation, &other.error)
    }
}

/// Where the calls for one change are written down. All clones of a change share one.
#[derive(Debug, Clone, Default)]
pub struct Receipt(Arc<Mutex<Vec<Call>>>);

/// Two changes are the same, whichever calls were made for them.
impl PartialEq for Receipt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Receipt {}

impl Receipt {
    /// This call was made for the change.
    pub fn add(&self, call: Call) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= MOST_CALLS
            && let Some(like) = calls.iter_mut().rev().find(|known| known.is_like(&call))
        {
            like.times += call.times;
            like.request_id = call.request_id;
        } else if calls.len() < 2 * MOST_CALLS {
            calls.push(call);
        } else if let Some(last) = calls.last_mut() {
            *last = Call { times: last.times + call.times, ..call };
        }
    }

    /// The calls that were made since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_one(value: &u32) -> bool {
    *value == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_keeps_a_few_calls_and_counts_all_others() {
        let receipt = Receipt::default();
        for number in 0..1000 {
            let operation = if number % 2 == 0 { "a:One".to_owned() } else { format!("a:Other{number}") };
            receipt.add(Call::new(operation, Some(number.to_string()), None));
        }
        let calls = receipt.take();
        assert!(calls.len() <= 2 * MOST_CALLS, "{}", calls.len());
        assert_eq!(calls.iter().map(|call| call.times).sum::<u32>(), 1000);
        assert!(receipt.take().is_empty());
    }
}
