//! Faults at calls to the ledger and the state machine, in an order that a seed decides. A caller tries again, as SNS and the state
//! machine do.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::ids::Nonce;
use crate::ledger::memory::MemoryStore;
use crate::ledger::{Item, Key, LedgerError, Page, Store, Write};

/// One call in so many fails.
const ONE_IN: u64 = 8;
/// More tries than any call needs.
const MOST_TRIES: usize = 1000;

/// A store whose calls fail.
pub(super) struct Chaos {
    truth: Arc<MemoryStore>,
    state: Mutex<u64>,
    struck: Mutex<usize>,
}

impl Chaos {
    pub(super) fn new(truth: Arc<MemoryStore>, seed: u64) -> Self {
        Self { truth, state: Mutex::new(seed), struck: Mutex::new(0) }
    }

    /// Does a fault meet this call?
    pub(super) fn strikes(&self) -> bool {
        let strikes = self.roll().is_multiple_of(ONE_IN);
        *self.struck.lock().unwrap() += usize::from(strikes);
        strikes
    }

    /// How many calls failed.
    pub(super) fn struck(&self) -> usize {
        *self.struck.lock().unwrap()
    }

    /// The next number of `SplitMix64`.
    fn roll(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = *state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }
}

fn unavailable<T>() -> Result<T, LedgerError> {
    Err(LedgerError::Unavailable("no answer".into()))
}

#[async_trait]
impl Store for Chaos {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError> {
        if self.strikes() { unavailable() } else { self.truth.get(keys).await }
    }

    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError> {
        if self.strikes() { unavailable() } else { self.truth.list(page).await }
    }

    async fn commit(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        if !self.strikes() {
            return self.truth.commit(nonce, writes).await;
        }
        if self.roll().is_multiple_of(2) {
            // The write has its effect, and its answer is lost.
            self.truth.commit(nonce, writes).await?;
        }
        unavailable()
    }
}

/// Makes `call` until it does not fail.
pub(super) async fn insist<T, E: Debug>(mut call: impl AsyncFnMut() -> Result<T, E>) -> T {
    let mut last = None;
    for _ in 0..MOST_TRIES {
        match call().await {
            Ok(done) => return done,
            Err(error) => last = Some(error),
        }
    }
    panic!("it fails for ever: {last:?}")
}
