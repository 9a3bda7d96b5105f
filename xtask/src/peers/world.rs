//! The resources that both programs work on: world.py makes and reads them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use guardrails_local_aws::LocalAws;
use serde::de::DeserializeOwned;

/// Each resource and its state, in the order of the page.
pub type States = Vec<(String, String)>;

/// The resources of one local AWS.
pub struct World {
    python: PathBuf,
    script: PathBuf,
    /// The ids of the Auto Scaling groups' first members.
    first: Vec<String>,
}

impl World {
    /// Makes them.
    pub fn seed(local: &LocalAws, python: &Path, folder: &Path) -> Result<Self> {
        let mut world = Self { python: python.to_owned(), script: folder.join("world.py"), first: Vec::new() };
        world.first = read(world.command(local).arg("seed"))?;
        Ok(world)
    }

    /// Their states now.
    pub fn states(&self, local: &LocalAws) -> Result<States> {
        read(self.command(local).arg("states").args(&self.first))
    }

    fn command(&self, local: &LocalAws) -> Command {
        let mut command = local.command(&self.python);
        command.arg("-B").arg(&self.script);
        command
    }
}

fn read<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).with_context(|| format!("reading the output of {command:?}"))
}
