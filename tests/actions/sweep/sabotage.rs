//! The controls: a ledger that lies in one way each. A sweep that finds nothing wrong with these finds nothing at all.

use std::sync::Arc;

use async_trait::async_trait;
use guardrails_model::ids::Nonce;
use guardrails_model::ledger::{Item, Key, LedgerError, Page, Store, Write};
use serde_json::json;

/// The way in which the ledger lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// It acknowledges the write that comes before a change, and keeps nothing of it.
    NoWriteAhead,
    /// It shows failed and half-done steps to a rollback as if they had never been begun.
    FailedStepsAreNotUndone,
    /// It forgets until when calls may land.
    NoLease,
}

/// A store that lies.
pub struct Sabotaged {
    inner: Arc<dyn Store>,
    how: Sabotage,
}

impl Sabotaged {
    pub fn store(inner: Arc<dyn Store>, how: Sabotage) -> Arc<dyn Store> {
        Arc::new(Self { inner, how })
    }

    /// Is the run whose steps this page lists on its way back?
    async fn goes_back(&self, page: &Page) -> Result<bool, LedgerError> {
        let Some(run) = page.pk.strip_prefix("STEP#") else { return Ok(false) };
        let run = self.inner.get(&[Key { pk: "RUN".to_owned(), sk: run.to_owned() }]).await?.remove(0);
        Ok(run.is_some_and(|run| run.doc["direction"] == "rollback"))
    }
}

#[async_trait]
impl Store for Sabotaged {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError> {
        self.inner.get(keys).await
    }

    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError> {
        let mut items = self.inner.list(page).await?;
        if self.how == Sabotage::FailedStepsAreNotUndone && self.goes_back(page).await? {
            for item in &mut items {
                if item.doc["phase"] == "Applying" || item.doc["phase"] == "ApplyFailed" {
                    item.doc["phase"] = json!("Skipped");
                }
            }
        }
        Ok(items)
    }

    async fn commit(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        if self.how == Sabotage::NoWriteAhead && writes.iter().any(|write| write.doc["phase"] == "Applying") {
            let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
            let present = self.inner.get(&keys).await?.into_iter().zip(writes);
            // The present item is written once more, so that a later writer of the swallowed item is told of no older record.
            let same = present.filter_map(|(item, write)| Some(Write { doc: item?.doc, ..write.clone() }));
            return self.inner.commit(nonce, &same.collect::<Vec<_>>()).await;
        }
        let mut writes = writes.to_vec();
        if self.how == Sabotage::NoLease {
            for write in &mut writes {
                write.doc.as_object_mut().expect("a document").remove("lease");
            }
        }
        self.inner.commit(nonce, &writes).await
    }
}
