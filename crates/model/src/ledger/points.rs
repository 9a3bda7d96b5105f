//! The points of spend of each guardrail, one item a period.

use super::typed::{read, write};
use super::{Key, Ledger, LedgerError, Page, Versioned};
use crate::belief::{Point, Points};
use crate::ids::{GuardrailName, Nonce};

/// Periods that are read: a year of months, and some.
const PERIODS: usize = 14;

impl Ledger {
    /// The points of the latest periods of a guardrail, latest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn points(&self, guardrail: &GuardrailName) -> Result<Vec<Points>, LedgerError> {
        let page = Page { newest_first: true, limit: Some(PERIODS), ..Page::whole(partition(guardrail)) };
        self.store.list(&page).await?.into_iter().map(|item| Ok(read(item)?.value)).collect()
    }

    /// Appends a point of a period. A round that was quicker has written one already: then this one is not needed.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn append_point(&self, guardrail: &GuardrailName, period: &str, point: Point) -> Result<(), LedgerError> {
        let key = Key { pk: partition(guardrail), sk: period.to_owned() };
        let present = self.one::<Points>(&key).await?;
        let none = || Versioned { rev: 0, value: Points::none(guardrail.clone(), period.to_owned()) };
        let mut points = present.unwrap_or_else(none);
        if !points.value.append(point) {
            return Ok(());
        }
        match self.store.commit(&Nonce::fresh(), &[write(key, points.rev, &points.value)?]).await {
            Ok(()) | Err(LedgerError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn partition(guardrail: &GuardrailName) -> String {
    format!("POINTS#{guardrail}")
}
