//! The reconciler's last round.

use super::typed::write;
use super::{Key, Ledger, LedgerError};
use crate::ids::Nonce;
use crate::record::Round;

impl Ledger {
    /// The reconciler's last round, if there was any.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn round(&self) -> Result<Option<Round>, LedgerError> {
        Ok(self.one(&round_key()).await?.map(|round| round.value))
    }

    /// Keeps a round, unless one that ended later is kept already; and when the last one went well.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn save_round(&self, mut round: Round) -> Result<Round, LedgerError> {
        loop {
            let kept = self.one::<Round>(&round_key()).await?;
            let clean_before = kept.as_ref().and_then(|kept| kept.value.clean);
            round.clean = if round.troubles().is_empty() { clean_before.max(Some(round.ended)) } else { clean_before };
            if kept.as_ref().is_some_and(|kept| kept.value.ended > round.ended) {
                return Ok(round);
            }
            let write = write(round_key(), kept.map_or(0, |kept| kept.rev), &round)?;
            match self.store.commit(&Nonce::fresh(), &[write]).await {
                Err(LedgerError::Conflict) => {}
                other => return other.map(|()| round),
            }
        }
    }
}

fn round_key() -> Key {
    Key { pk: "ROUND".to_owned(), sk: "ROUND".to_owned() }
}
