//! The last rehearsal of each guardrail. They stand beside the reconciler's last round, where no run looks.

use super::typed::{read, write};
use super::{Key, Ledger, LedgerError, Page};
use crate::ids::{GuardrailName, Nonce};
use crate::record::Rehearsal;

const PARTITION: &str = "ROUND";
const PREFIX: &str = "REHEARSAL#";

impl Ledger {
    /// The last rehearsals, of guardrails that are no more too.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn rehearsals(&self) -> Result<Vec<Rehearsal>, LedgerError> {
        let mut rehearsals = Vec::new();
        let mut page = Page { prefix: PREFIX.to_owned(), ..Page::whole(PARTITION.to_owned()) };
        page.limit = Some(super::PAGE);
        loop {
            let items = self.store.list(&page).await?;
            let is_last = items.len() < super::PAGE;
            page.after = items.last().map(|item| item.key.sk.clone());
            for item in items {
                rehearsals.push(read::<Rehearsal>(item)?.value);
            }
            if is_last {
                return Ok(rehearsals);
            }
        }
    }

    /// Keeps a rehearsal in place of the one before.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn save_rehearsal(&self, rehearsal: &Rehearsal) -> Result<(), LedgerError> {
        let key = key(&rehearsal.guardrail);
        loop {
            let kept = self.one::<Rehearsal>(&key).await?;
            let write = write(key.clone(), kept.map_or(0, |kept| kept.rev), rehearsal)?;
            match self.store.commit(&Nonce::fresh(), &[write]).await {
                Err(LedgerError::Conflict) => {}
                other => return other,
            }
        }
    }
}

fn key(guardrail: &GuardrailName) -> Key {
    Key { pk: PARTITION.to_owned(), sk: format!("{PREFIX}{guardrail}") }
}
