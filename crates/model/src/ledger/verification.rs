//! What IAM was asked after a run, and answered: a record of its own beside the run, so that whoever asks gets in nobody's way.

use super::typed::write;
use super::{Key, Ledger, LedgerError, Versioned};
use crate::ids::{Nonce, RunId};
use crate::verify::Verification;

impl Ledger {
    /// What IAM last said of who can still launch after a run.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn verification(&self, run: &RunId) -> Result<Option<Versioned<Verification>>, LedgerError> {
        self.one(&key(run)).await
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when it was changed since it was read.
    pub async fn save_verification(&self, asked: Versioned<Verification>) -> Result<Versioned<Verification>, LedgerError> {
        let write = write(key(&asked.value.run), asked.rev, &asked.value)?;
        self.store.commit(&Nonce::fresh(), &[write]).await?;
        Ok(Versioned { rev: asked.rev + 1, value: asked.value })
    }
}

fn key(run: &RunId) -> Key {
    Key { pk: format!("VERIFY#{run}"), sk: "VERIFY".to_owned() }
}
