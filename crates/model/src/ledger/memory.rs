//! A store in memory: for tests, and for planning without writing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;

use super::{Item, Key, LedgerError, MOST_BYTES, MOST_WRITES, Page, Store, Write};
use crate::ids::Nonce;

/// Items in a map. Every call is atomic.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<Key, Item>>);

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.items().clone()))
    }
}

impl MemoryStore {
    /// All items are as in `saved`, a clone of an earlier moment.
    pub fn restore(&self, saved: &Self) {
        self.items().clone_from(&saved.items());
    }

    fn items(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Item>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError> {
        let items = self.items();
        Ok(keys.iter().map(|key| items.get(key).cloned()).collect())
    }

    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError> {
        let items = self.items();
        let at = |sk: &str| Key { pk: page.pk.clone(), sk: sk.to_owned() };
        let inside = |item: &&Item| item.key.pk == page.pk && item.key.sk.starts_with(&page.prefix);
        let most = page.limit.unwrap_or(usize::MAX);
        if page.newest_first {
            let all = items.range(at(&page.prefix)..).map(|(_, item)| item).take_while(inside);
            let found: Vec<&Item> = all.filter(|item| page.after.as_ref().is_none_or(|after| item.key.sk < *after)).collect();
            return Ok(found.into_iter().rev().take(most).cloned().collect());
        }
        let from = page.after.as_ref().map_or(Bound::Included(at(&page.prefix)), |after| Bound::Excluded(at(after)));
        let found = items.range((from, Bound::Unbounded)).map(|(_, item)| item).take_while(inside);
        Ok(found.take(most).cloned().collect())
    }

    async fn commit(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        assert!(writes.len() <= MOST_WRITES, "a commit of {} items", writes.len());
        if let Some(large) = writes.iter().find(|write| write.doc.to_string().len() > MOST_BYTES) {
            let why = format!("{} {}: an item may take {MOST_BYTES} bytes", large.key.pk, large.key.sk);
            return Err(LedgerError::Refused(why.into()));
        }
        let mut items = self.items();
        let current = |key: &Key| items.get(key).map_or(0, |item| item.rev);
        if writes.iter().any(|write| current(&write.key) != write.expect) {
            let ours = writes.iter().all(|write| items.get(&write.key).is_some_and(|item| item.nonce == *nonce));
            return if ours { Ok(()) } else { Err(LedgerError::Conflict) };
        }
        for write in writes {
            let item = Item { key: write.key.clone(), rev: write.expect + 1, nonce: nonce.clone(), doc: write.doc.clone() };
            items.insert(write.key.clone(), item);
        }
        Ok(())
    }
}
