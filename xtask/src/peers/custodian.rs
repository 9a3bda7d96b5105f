//! Cloud Custodian, in a virtual environment of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use guardrails_local_aws::venv::Venv;
use guardrails_local_aws::{LocalAws, REGION};

use super::said;

/// An installed one.
pub struct Custodian {
    python: PathBuf,
    version: String,
    scratch: PathBuf,
}

impl Custodian {
    /// Installs the pinned version, unless it is there.
    pub fn install(root: &Path, scratch: &Path) -> Result<Self> {
        let pins = root.join("xtask/requirements-peers.txt");
        let text = std::fs::read_to_string(&pins).with_context(|| format!("reading {}", pins.display()))?;
        let version = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(str::split_whitespace)
            .find_map(|word| word.strip_prefix("c7n=="))
            .context("the pins have no c7n")?;
        let python = Venv::of(pins, "boto3, c7n").ensure()?;
        Ok(Self { python, version: version.to_owned(), scratch: scratch.to_owned() })
    }

    /// The Python that it is installed in.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Runs the policies of a file, and returns its log.
    pub fn run(&self, local: &LocalAws, policies: &Path) -> Result<String> {
        // Its script names the folder in which the virtual environment was made.
        let mut command = local.command(&self.python);
        command.args(["-I", "-m", "c7n.cli"]);
        command.env("HOME", &self.scratch).args(["run", "--verbose", "--region", REGION, "--cache-period", "0", "--output-dir"]);
        said(command.arg(&self.scratch).arg(policies))
    }
}
