//! This product, as people run it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use guardrails_local_aws::LocalAws;

use super::said;

const GUARDRAIL: &str = "beta";

/// A deployed one.
pub struct Product {
    guardrails: PathBuf,
}

impl Product {
    /// Deploys the stack.
    pub fn deploy(local: &LocalAws, guardrails: PathBuf, file: &Path) -> Result<Self> {
        let product = Self { guardrails };
        said(product.command(local).args(["deploy", "--yes", "--file"]).arg(file))?;
        Ok(product)
    }

    /// Enforces the stage, and returns the output of the command.
    pub fn stop(&self, local: &LocalAws) -> Result<String> {
        said(self.command(local).args(["simulate", GUARDRAIL, "--at", "100% actual", "--yes"]))
    }

    /// Rolls it back.
    pub fn roll_back(&self, local: &LocalAws) -> Result<String> {
        said(self.command(local).args(["rollback", GUARDRAIL, "--yes", "--reason", "the way back is compared"]))
    }

    fn command(&self, local: &LocalAws) -> Command {
        let mut command = local.command(&self.guardrails);
        command.current_dir(crate::root()).stdin(std::process::Stdio::null());
        command
    }
}
