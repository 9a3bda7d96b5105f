//! Answers of Lambda that several parts of the action ask for in one plan. They are kept for that plan alone: a check before a change
//! asks anew.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Answers by the name of the thing that was asked about, while a plan is made.
pub(super) struct Kept<T>(Mutex<Option<BTreeMap<String, T>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Kept<T> {
    /// A plan begins, or ends. Nothing is kept beyond it.
    pub(super) fn planning(&self, begins: bool) {
        *self.lock() = begins.then(BTreeMap::new);
    }

    /// The kept answer about `name`, or that of `ask`.
    ///
    /// # Errors
    /// As `ask`, whose failures are not kept.
    pub(super) async fn or<E>(&self, name: &str, ask: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        if let Some(known) = self.known(name) {
            return Ok(known);
        }
        let answer = ask.await?;
        if let Some(all) = self.lock().as_mut() {
            all.insert(name.to_owned(), answer.clone());
        }
        Ok(answer)
    }

    fn known(&self, name: &str) -> Option<T> {
        self.lock().as_ref()?.get(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<String, T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
