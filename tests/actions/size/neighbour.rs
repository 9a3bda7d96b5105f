//! Somebody else in the account who takes half of each of EC2's buckets, and no more.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use crate::world::{HOME, Instance, Power, World, lock};

/// An operation, how much of it half a bucket holds and gets back a second: requests, and instances.
const HALVES: [(&str, [f64; 2], [f64; 2]); 3] = [
    ("StopInstances", [25.0, 2.5], [500.0, 10.0]),
    ("StartInstances", [2.5, 1.0], [500.0, 1.0]),
    ("DescribeInstances", [50.0, 10.0], [f64::MAX, 0.0]),
];
/// Instances in a call.
const MOST: f64 = 200.0;

pub struct Neighbour {
    world: Arc<World>,
    state: Mutex<State>,
}

struct State {
    left: [[f64; 2]; 3],
    calls: usize,
    refused: Vec<String>,
}

impl Neighbour {
    /// One with instances of their own.
    pub fn of(world: &Arc<World>) -> Self {
        for number in 0..200 {
            world.account().instance(Instance::new(&format!("i-other-{number}"), Power::Running, "Project=Alpha"));
        }
        let left = HALVES.map(|(_, requests, instances)| [requests[0], instances[0]]);
        Self { world: Arc::clone(world), state: Mutex::new(State { left, calls: 0, refused: Vec::new() }) }
    }

    /// So many seconds have passed: they take all that their half holds.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small, not negative"
    )]
    pub fn take(&self, seconds: i64) {
        let seconds = seconds as f64;
        let mut state = lock(&self.state);
        for (index, (operation, requests, instances)) in HALVES.into_iter().enumerate() {
            let [mut calls, mut tokens] = state.left[index];
            calls = (calls + requests[1] * seconds).min(requests[0]);
            tokens = (tokens + instances[1] * seconds).min(instances[0]);
            while calls >= 1.0 && tokens >= 1.0 {
                let count = if operation == "DescribeInstances" { 0.0 } else { tokens.min(MOST).floor() };
                let status = self.world.ask(HOME, &form(operation, count as usize));
                state.calls += 1;
                if status == 503 {
                    state.refused.push(operation.to_owned());
                }
                (calls, tokens) = (calls - 1.0, tokens - count);
            }
            state.left[index] = [calls, tokens];
        }
    }

    /// How many calls they made, and which of them were throttled.
    pub fn calls(&self) -> (usize, Vec<String>) {
        let state = lock(&self.state);
        (state.calls, state.refused.clone())
    }
}

fn form(operation: &str, instances: usize) -> String {
    let mut form = format!("Action={operation}&Version=2016-11-15");
    if operation == "DescribeInstances" {
        form.push_str("&MaxResults=5&Filter.1.Name=instance-id&Filter.1.Value.1=i-other-0");
    }
    for number in 0..instances {
        let _ = write!(form, "&InstanceId.{}=i-other-{number}", number + 1);
    }
    form
}
