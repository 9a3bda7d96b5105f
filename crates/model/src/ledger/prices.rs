//! The deployed price list: one item, which the custom resource of the list writes.

use serde::{Deserialize, Serialize};

use super::typed::write;
use super::{Key, Ledger, LedgerError};
use crate::ids::Nonce;
use crate::prices::PriceList;
use crate::record::FORMAT;

const PRICES: &str = "PRICES";

/// The list; none where it was taken out of the file again.
#[derive(Serialize, Deserialize)]
struct Deployed {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<PriceList>,
}

impl Ledger {
    /// The deployed price list, if there is one.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn prices(&self) -> Result<Option<PriceList>, LedgerError> {
        Ok(self.one::<Deployed>(&key()).await?.and_then(|deployed| deployed.value.list))
    }

    /// Deploys a price list in place of the one before, or takes it out of use.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn save_prices(&self, list: Option<PriceList>) -> Result<(), LedgerError> {
        let deployed = Deployed { format: FORMAT, list };
        loop {
            let rev = self.one::<Deployed>(&key()).await?.map_or(0, |present| present.rev);
            match self.store.commit(&Nonce::fresh(), &[write(key(), rev, &deployed)?]).await {
                Err(LedgerError::Conflict) => {}
                other => return other,
            }
        }
    }
}

fn key() -> Key {
    Key { pk: PRICES.to_owned(), sk: PRICES.to_owned() }
}
