//! Stores of a ledger: one whose calls pass the gate like those to AWS, and one that holds its writers to their promises.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use guardrails_model::clock::Clock;
use guardrails_model::ids::Nonce;
use guardrails_model::ledger::{Item, Key, LedgerError, Page, Store, Write, memory::MemoryStore};
use guardrails_model::record::{Event, Log, RunEvent, StepEvent};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{Effect, Ending, FaultInjector, ManualClock, lock};

/// Commits on their way, each with the time at which it lands.
pub type Late = Vec<(Timestamp, Nonce, Vec<Write>)>;

/// A store behind the gate.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    gate: Arc<FaultInjector>,
    clock: Arc<ManualClock>,
    late: Mutex<Late>,
}

impl FaultyStore {
    /// One whose calls pass `gate` before they reach `inner`.
    pub fn new(inner: Arc<dyn Store>, gate: Arc<FaultInjector>, clock: Arc<ManualClock>) -> Self {
        Self { inner, gate, clock, late: Mutex::default() }
    }

    /// The commits that are on their way.
    pub fn late(&self) -> Late {
        lock(&self.late).clone()
    }

    /// These commits are on their way, and no others.
    pub fn set_late(&self, late: Late) {
        *lock(&self.late) = late;
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

/// Lets others in before every call, so that callers side by side meet in each other's middle; and holds every writer to it that
/// events are only ever appended.
pub struct AppendOnlyStore(Arc<MemoryStore>);

impl AppendOnlyStore {
    /// One over `memory`.
    #[must_use]
    pub fn over(memory: Arc<MemoryStore>) -> Self {
        Self(memory)
    }
}

#[async_trait]
impl Store for AppendOnlyStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError> {
        crate::yield_now().await;
        self.0.get(keys).await
    }

    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError> {
        crate::yield_now().await;
        self.0.list(page).await
    }

    async fn commit(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        crate::yield_now().await;
        for write in writes.iter().filter(|write| write.expect > 0) {
            let present = self.0.get(std::slice::from_ref(&write.key)).await?.remove(0);
            if let Some(present) = present.filter(|present| present.rev == write.expect) {
                only_appends(&write.key, &present.doc, &write.doc);
            }
        }
        self.0.commit(nonce, writes).await
    }
}

/// Of every record that any test here writes: no event that was written before is changed or lost.
fn only_appends(key: &Key, present: &Json, next: &Json) {
    fn extends<E: Event + DeserializeOwned>(present: &Json, next: &Json) -> bool {
        let log = |doc: &Json| serde_json::from_value::<Log<E>>(doc["events"].clone()).expect("a log");
        log(next).extends(&log(present))
    }
    let extends = match key.pk.split('#').next() {
        Some("STEP") => extends::<StepEvent>(present, next),
        Some("RUN") => extends::<RunEvent>(present, next),
        _ => true,
    };
    assert!(extends, "{key:?}: events were changed\n{}\n{}", present["events"], next["events"]);
}
