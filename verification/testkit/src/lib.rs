//! What stands in for an account, for the state machine and for time wherever the product is tried without AWS: switches that a
//! test sets, a clock that it moves, a ledger's store and a state machine in memory, and faults at any call to them. The tests,
//! the explorer and the fuzzer share it. It knows no AWS, so the fuzzer builds in a minute.

#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "doubles are used by tests alone, and panic where a test is to fail"
)]

pub mod bench;
mod clock;
mod gate;
mod store;
pub mod toy;
mod workflow;
mod wrapped;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use clock::VirtualClock;
pub use gate::{Effect, Ending, Fault, Gate, Kind};
pub use store::{AppendOnlyStore, FaultyStore};
pub use workflow::FakeWorkflow;
pub use wrapped::{Wrapped, Wrapper};

/// A test that panicked while it held a lock is reported by its own message, not by the lock's.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
