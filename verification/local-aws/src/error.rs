//! Why there is no local AWS, and what to do about it.

use std::path::PathBuf;

use guardrails_aws::clients::LoadError;

/// Why there is no local AWS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no Python.
    #[error("this needs `python3`, version 3.10 or newer, on the PATH: install it")]
    NoPython(#[source] std::io::Error),
    /// It is too old, or does not run.
    #[error("this needs Python 3.10 or newer, and `python3` is {found}: put a newer one first on the PATH")]
    OldPython {
        /// Its word for itself.
        found: String,
    },
    /// No virtual environment could be made.
    #[error("`python3 -m venv` failed: install Python's venv module (on Debian and Ubuntu: apt install python3-venv)\n{output}")]
    NoVenv {
        /// Its output.
        output: String,
    },
    /// The packages could not be installed.
    #[error(
        "pip could not install what this needs: it takes a package index (see PIP_INDEX_URL, and HTTPS_PROXY behind a proxy) \
         with the versions that are pinned\n{output}"
    )]
    Pip {
        /// Its output.
        output: String,
    },
    /// It did not come up.
    #[error("the local AWS did not start: {why}. The end of its log:\n{tail}")]
    NotReady {
        /// The state that was seen.
        why: String,
        /// The last lines of its log.
        tail: String,
    },
    /// A call was refused.
    #[error("{doing}: {message}")]
    Call {
        /// The task that failed.
        doing: String,
        /// The service's message.
        message: String,
    },
    /// A client would dial elsewhere.
    #[error(transparent)]
    Endpoint(#[from] LoadError),
    /// A file or a process.
    #[error("{doing}")]
    Io {
        /// The task that failed.
        doing: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn path(doing: &str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        Self::io(format!("{doing} {}", path.into().display()))
    }
}
