//! The file that the history is written to before anything is removed. It never replaces a file of somebody else.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ledger::Ledger;
use tempfile::Builder;

use crate::commands::history;
use crate::output;

/// The file, whole or not there.
pub(super) struct HistoryFile {
    path: PathBuf,
    written: bool,
}

impl HistoryFile {
    /// A file at `path`, or under a name with the stack and the time, to the millisecond.
    ///
    /// # Errors
    /// When there is such a file, or no such folder.
    pub(super) fn free(path: Option<PathBuf>, stack: &str) -> Result<Self> {
        let path = path.unwrap_or_else(|| {
            PathBuf::from(format!("guardrails-history-{stack}-{}.json", SystemClock.now().strftime("%Y%m%dT%H%M%S%.3fZ")))
        });
        ensure!(
            std::fs::symlink_metadata(&path).is_err(),
            "there is a file {} already, and the history is not written over it\nhint: --history names another file",
            path.display()
        );
        ensure!(
            folder(&path).is_dir(),
            "there is no folder {} for the history\nhint: make it, or --history names a file elsewhere",
            folder(&path).display()
        );
        Ok(Self { path, written: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its path, once it is there.
    pub(super) fn written(&self) -> Option<&Path> {
        self.written.then_some(self.path.as_path())
    }

    /// Writes all that the ledger has. A second time it replaces its own file.
    ///
    /// # Errors
    /// When the ledger cannot be read, or the file cannot be written. There is no half of a file then.
    pub(super) async fn write(&mut self, ledger: &Ledger) -> Result<()> {
        let said = || format!("writing the history to {}", self.path.display());
        let mut file = Builder::new().prefix(".guardrails-history-").tempfile_in(folder(&self.path)).with_context(said)?;
        let entries = history::write_all(ledger, BufWriter::new(file.as_file_mut())).await?;
        file.flush().and_then(|()| file.as_file().sync_all()).with_context(said)?;
        let kept = if self.written { file.persist(&self.path) } else { file.persist_noclobber(&self.path) };
        kept.map_err(|error| anyhow!("{}: {}", said(), error.error))?;
        self.written = true;
        output::tell(&format!("the history is in {} ({entries} entries)", self.path.display()));
        Ok(())
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_is_there_is_never_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.json");
        assert!(HistoryFile::free(Some(path.clone()), "beta").is_ok());
        std::fs::write(&path, "mine").unwrap();
        let error = HistoryFile::free(Some(path), "beta").err().unwrap().to_string();
        assert!(error.contains("is not written over it") && error.contains("--history"), "{error}");
    }

    #[test]
    fn missing_folder_is_said_before_anything_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let error = HistoryFile::free(Some(folder.path().join("none/history.json")), "beta").err().unwrap().to_string();
        assert!(error.contains("there is no folder"), "{error}");
    }

    #[test]
    fn name_has_the_stack_and_the_time() {
        let file = HistoryFile::free(None, "beta").unwrap();
        let name = file.path().to_str().unwrap();
        assert!(name.starts_with("guardrails-history-beta-2") && name.ends_with("Z.json"), "{name}");
    }
}
