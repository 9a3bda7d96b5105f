//! The last known spend of each guardrail.

use super::typed::write;
use super::{Key, Ledger, LedgerError, Versioned};
use crate::ids::{GuardrailName, Nonce};
use crate::record::Spend;

impl Ledger {
    /// The last known spend of a guardrail.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn spend(&self, guardrail: &GuardrailName) -> Result<Option<Versioned<Spend>>, LedgerError> {
        self.one(&spend_key(guardrail)).await
    }

    /// Writes the last known spend of a guardrail.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when it was changed since it was read.
    pub async fn save_spend(&self, spend: &Versioned<Spend>) -> Result<(), LedgerError> {
        let write = write(spend_key(&spend.value.guardrail), spend.rev, &spend.value)?;
        self.store.commit(&Nonce::fresh(), &[write]).await
    }
}

fn spend_key(guardrail: &GuardrailName) -> Key {
    Key { pk: "SPEND".to_owned(), sk: guardrail.to_string() }
}
