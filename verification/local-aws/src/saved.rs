//! The whole state of a local AWS in a folder: others begin with it, in a fraction of the time that it takes to come to it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, venv};

/// The launcher gives itself half of it to come to rest.
const LIMIT: Duration = Duration::from_mins(1);

/// A saved state. Its folder stays as long as this process runs, and the next process that saves one removes it.
#[derive(Debug)]
pub struct Saved {
    folder: PathBuf,
    /// Locked: somebody begins with the state yet.
    _lock: File,
}

impl Saved {
    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has the launcher at `endpoint` save its state.
    pub(crate) fn of(endpoint: &str) -> Result<Self, Error> {
        let all = venv::folder().join("saved");
        fs::create_dir_all(&all).map_err(Error::path("making", &all))?;
        remove_forgotten(&all)?;
        let folder =
            tempfile::Builder::new().prefix("state-").tempdir_in(&all).map_err(Error::path("making a folder in", &all))?;
        let lock = folder.path().join("lock");
        let lock = File::create(&lock).map_err(Error::path("writing", &lock))?;
        lock.lock().map_err(Error::path("locking", folder.path()))?;
        save(endpoint, folder.path())?;
        Ok(Self { folder: folder.keep(), _lock: lock })
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the states whose process has ended: the lock of each is free.
fn remove_forgotten(all: &Path) -> Result<(), Error> {
    for folder in fs::read_dir(all).map_err(Error::path("reading", all))?.flatten() {
        let lock = File::open(folder.path().join("lock"));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            // Another process may be about to remove it too.
            let _ = fs::remove_dir_all(folder.path());
        }
    }
    Ok(())
}

/// Asks the launcher. Nothing of AWS's is called, so no client of the SDK is there for it.
fn save(endpoint: &str, folder: &Path) -> Result<(), Error> {
    let body = folder.display().to_string();
    let address = endpoint.trim_start_matches("http://");
    let request = format!(
        "POST /_guardrails/save HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(Error::io("having the local AWS save its state"))?;
    if answer.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    let message = answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(_, body)| body).to_owned();
    Err(Error::Call { doing: "saving the state of the local AWS".to_owned(), message })
}
