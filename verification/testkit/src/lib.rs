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

mod clock;
pub mod fake_action;
mod fault_injector;
pub mod harness;
mod store;
mod workflow;
mod wrapped;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use clock::ManualClock;
pub use fault_injector::{Effect, Ending, Fault, FaultInjector, Kind};
pub use store::{AppendOnlyStore, FaultyStore};
pub use workflow::FakeWorkflow;
pub use wrapped::{Wrapped, Wrapper};

/// A test that panicked while it held a lock is reported by its own message, not by the lock's.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets other tasks go on. Tokio's own waits for a runtime of Tokio, and the fuzzer has none.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
