//! A ledger's store whose calls pass the gate like those to AWS.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use guardrails_model::clock::Clock;
use guardrails_model::ids::Nonce;
use guardrails_model::ledger::{Item, Key, LedgerError, Page, Store, Write};
use jiff::Timestamp;

use super::clock::VirtualClock;
use super::gate::{Effect, Ending, Gate};
use super::lock;

/// A store behind the gate.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    gate: Arc<Gate>,
    clock: Arc<VirtualClock>,
    late: Mutex<Vec<(Timestamp, Nonce, Vec<Write>)>>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn Store>, gate: Arc<Gate>, clock: Arc<VirtualClock>) -> Self {
        Self { inner, gate, clock, late: Mutex::default() }
    }

    /// Commits that were under way when their caller died and have come through since. They may conflict: nobody hears of it.
    pub async fn settle(&self) {
        let now = self.clock.now();
        let due: Vec<_> = lock(&self.late).extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, nonce, writes) in due {
            let _ = self.inner.commit(&nonce, &writes).await;
        }
    }

    async fn ended<T>(&self, ending: Ending, result: Option<Result<T, LedgerError>>) -> Result<T, LedgerError> {
        match (ending, result) {
            (Ending::Answer, Some(result)) => result,
            (Ending::Death, _) => self.gate.die().await,
            (ending, _) => Err(LedgerError::Unavailable(format!("{ending:?}").into())),
        }
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError> {
        let (effect, ending) = self.gate.pass("ledger get", self.clock.now()).await;
        self.settle().await;
        let result = if effect == Effect::Now { Some(self.inner.get(keys).await) } else { None };
        self.ended(ending, result).await
    }

    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError> {
        let (effect, ending) = self.gate.pass("ledger list", self.clock.now()).await;
        self.settle().await;
        let result = if effect == Effect::Now { Some(self.inner.list(page).await) } else { None };
        self.ended(ending, result).await
    }

    async fn commit(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        let (effect, ending) = self.gate.pass(&format!("ledger commit of {}", writes.len()), self.clock.now()).await;
        self.settle().await;
        let result = match effect {
            Effect::Now => Some(self.inner.commit(nonce, writes).await),
            Effect::At(at) => {
                lock(&self.late).push((at, nonce.clone(), writes.to_vec()));
                None
            }
            Effect::Never => None,
        };
        self.ended(ending, result).await
    }
}
