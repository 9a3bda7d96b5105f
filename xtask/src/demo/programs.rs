//! The product's own programs: built by cargo, and run as people run them.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use guardrails_local_aws::{LocalAws, programs};
use serde::Deserialize;
use tokio::process::Command;

use super::{FILE, GUARDRAIL, SECOND, say};

const LIMIT: Duration = Duration::from_mins(2);

/// The programs, as cargo built them. The functions stand beside the command, where it looks for them.
pub struct Programs {
    /// The `guardrails` command.
    pub guardrails: PathBuf,
}

/// The outputs of the deployed stack.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Outputs {
    /// Where alerts arrive.
    #[serde(rename = "AlertTopicArn")]
    pub alert_topic: String,
    /// The ledger.
    pub ledger_table: String,
}

/// Builds the command and the functions.
pub async fn build() -> Result<Programs> {
    say("building the functions and the command");
    let mut cargo = Command::from(programs::cargo());
    cargo.kill_on_drop(true);
    let output = output(cargo).await.context("running cargo")?;
    Ok(Programs { guardrails: programs::guardrails(&output)? })
}

impl Programs {
    /// `guardrails deploy`.
    pub async fn deploy(&self, local: &LocalAws) -> Result<Outputs> {
        let command = self.command(local, &["deploy", "--file", FILE, "--yes", "--output", "json"]);
        let output = bounded(output(command)).await.context("running guardrails deploy")?;
        if !output.status.success() {
            return Err(anyhow!("guardrails deploy ended with {}", output.status));
        }
        serde_json::from_slice(&output.stdout).context("reading what guardrails deploy says of the stack")
    }

    /// `guardrails simulate` of the second stage. Its output is shown.
    pub async fn simulate(&self, local: &LocalAws) -> Result<()> {
        let mut command = self.command(local, &["simulate", GUARDRAIL, "--at", SECOND, "--yes"]);
        let status = bounded(command.stdout(std::io::stderr()).status()).await.context("running guardrails simulate")?;
        if status.success() { Ok(()) } else { Err(anyhow!("guardrails simulate ended with {status}")) }
    }

    /// `guardrails rollback`. Its output is shown; the answer is whether all was put back.
    pub async fn roll_back(&self, local: &LocalAws) -> Result<bool> {
        let mut command = self.command(local, &["rollback", GUARDRAIL, "--yes", "--reason", "the demo shows the way back"]);
        let status = bounded(command.stdout(std::io::stderr()).status()).await.context("running guardrails rollback")?;
        Ok(status.success())
    }

    fn command(&self, local: &LocalAws, arguments: &[&str]) -> Command {
        let mut command = Command::from(local.command(&self.guardrails));
        command.args(arguments).current_dir(crate::root()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// The command waits for AWS as long as that takes; here something is wrong when it takes long.
async fn bounded<T>(running: impl Future<Output = std::io::Result<T>>) -> Result<T> {
    let ended = tokio::time::timeout(LIMIT, running).await;
    Ok(ended.map_err(|_| anyhow!("it did not end within {} s", LIMIT.as_secs()))??)
}

/// The command's output on stdout. Its output on stderr is for people, and shown as it comes.
async fn output(mut command: Command) -> std::io::Result<Output> {
    command.stdout(Stdio::piped()).spawn()?.wait_with_output().await
}
