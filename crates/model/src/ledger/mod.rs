//! The ledger: the state before is written here before the first change. [`Store`] has the few operations that a database must
//! offer; [`Ledger`] has those that the rest of the program calls.

pub mod memory;
mod points;
mod prices;
mod read;
mod rehearsal;
mod round;
mod spend;
mod typed;
mod verification;

use async_trait::async_trait;
use serde_json::Value as Json;

use crate::ids::Nonce;

pub use read::PAGE;
pub(crate) use typed::step_place;
pub use typed::{Ledger, Move, News, Versioned, sortable, step_digest};

/// Where an item stands: a partition and a place in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The place in it.
    pub sk: String,
}

/// An item as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where.
    pub key: Key,
    /// Its revision: one more at every write.
    pub rev: u64,
    /// Of its last write.
    pub nonce: Nonce,
    /// Its content.
    pub doc: Json,
}

/// One item to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Where.
    pub key: Key,
    /// The revision that it must have now; 0 when it must not be there.
    pub expect: u64,
    /// Its content afterwards.
    pub doc: Json,
}

/// The part of a partition to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The partition.
    pub pk: String,
    /// Places that begin so.
    pub prefix: String,
    /// Only places after this one.
    pub after: Option<String>,
    /// Newest (greatest) place first.
    pub newest_first: bool,
    /// At most so many; all when `None`.
    pub limit: Option<usize>,
}

impl Page {
    /// All of a partition, in the order of its places.
    #[must_use]
    pub fn whole(pk: impl Into<String>) -> Self {
        Self { pk: pk.into(), prefix: String::new(), after: None, newest_first: false, limit: None }
    }
}

/// The most items of one commit, as DynamoDB has it.
pub const MOST_WRITES: usize = 100;

/// The most bytes of one item, as DynamoDB has it.
pub const MOST_BYTES: usize = 400 * 1024;

/// A database that the ledger can stand on. Reads are strongly consistent.
#[async_trait]
pub trait Store: Send + Sync {
    /// The items at `keys`, in their order.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError>;

    /// The items of a page, in the order of their places.
    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError>;

    /// All of `writes` (at most [`MOST_WRITES`]) or none. A store whose answer was lost may find its own write on the
    /// next try: it recognises it by `nonce` and says success.
    async fn commit(&self, nonce: &Nonce, writes: &[Write]) -> Result<(), LedgerError>;
}

/// Why the ledger did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody wrote in between: read again and decide again.
    #[error("the record was changed meanwhile")]
    Conflict,
    /// The database did not answer, or said to come back later.
    #[error("the ledger cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database refused for good.
    #[error("the ledger refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record is not as this program writes it.
    #[error("the ledger's record {key} cannot be read: {why}")]
    Unreadable {
        /// The key of the record.
        key: String,
        /// Why.
        why: String,
    },
    /// A phase was asked for that may not follow.
    #[error("`{facet}` cannot go from `{from}` to `{to}`")]
    IllegalMove {
        /// The facet of the step.
        facet: String,
        /// Its phase.
        from: crate::phase::Phase,
        /// The phase that was asked for.
        to: crate::phase::Phase,
    },
}

impl LedgerError {
    /// Is it worth trying again as it is?
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict)
    }
}
