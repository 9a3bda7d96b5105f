//! Doubles of an account, of the state machine and of time, for trials of the product without AWS. A test sets their switches and
//! moves their clock. The ledger's store and the state machine are in memory, and any call to them may fail. The tests, the
//! explorer and the fuzzer share it. It knows no AWS, so the fuzzer builds in a minute.

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
