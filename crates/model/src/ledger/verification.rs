//! IAM's answers after a run: records of their own beside the run, so that a reader of them gets in no writer's way. One record
//! lists the people who can still launch and how far asking has come; the answers about roles stand in pages of their own.

use super::typed::{read_own, write};
use super::{Key, Ledger, LedgerError, Page, Versioned};
use crate::ids::{Nonce, RunId};
use crate::verify::{RolePage, Verification};

const PAGES: &str = "ROLES#";

impl Ledger {
    /// IAM's last answers about the people who can still launch after a run.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn verification(&self, run: &RunId) -> Result<Option<Versioned<Verification>>, LedgerError> {
        self.one(&key(run)).await
    }

    /// All pages of answers about roles, in their order; those of earlier rounds too, until they are written over.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn role_pages(&self, run: &RunId) -> Result<Vec<Versioned<RolePage>>, LedgerError> {
        let pages = Page { prefix: PAGES.to_owned(), ..Page::whole(partition(run)) };
        let own = |page: &RolePage| page_key(&page.run, page.page);
        self.store.list(&pages).await?.into_iter().map(|item| read_own(item, own)).collect()
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when it was changed since it was read.
    pub async fn save_verification(&self, asked: Versioned<Verification>) -> Result<Versioned<Verification>, LedgerError> {
        self.save_verification_with(asked, &[]).await
    }

    /// Writes it together with pages of answers about roles: all of them, or nothing.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when one of them was changed since it was read.
    pub async fn save_verification_with(
        &self,
        asked: Versioned<Verification>,
        pages: &[Versioned<RolePage>],
    ) -> Result<Versioned<Verification>, LedgerError> {
        let mut writes = vec![write(key(&asked.value.run), asked.rev, &asked.value)?];
        for page in pages {
            writes.push(write(page_key(&page.value.run, page.value.page), page.rev, &page.value)?);
        }
        self.store.commit(&Nonce::fresh(), &writes).await?;
        Ok(Versioned { rev: asked.rev + 1, value: asked.value })
    }
}

fn key(run: &RunId) -> Key {
    Key { pk: partition(run), sk: "VERIFY".to_owned() }
}

fn page_key(run: &RunId, page: usize) -> Key {
    Key { pk: partition(run), sk: format!("{PAGES}{page:05}") }
}

fn partition(run: &RunId) -> String {
    format!("VERIFY#{run}")
}
