//! A program on this machine. It is held to the time and the output of a function: one that hangs or floods fails its point of the
//! contract, and does not hold up the kit.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use async_trait::async_trait;
use guardrails_model::contract::kit::Program;
use guardrails_model::contract::{Call, LONGEST_ANSWER, LONGEST_TIMEOUT};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::REST;

/// Bytes of its errors that are kept. The rest is read and forgotten, so that it can go on.
const MOST_ERRORS: u64 = 16 * 1024;

pub(super) struct Local {
    program: PathBuf,
    /// So long may one call take.
    limit: Duration,
}

impl Local {
    pub(super) fn new(program: PathBuf) -> Self {
        Self { program, limit: LONGEST_TIMEOUT.unsigned_abs() }
    }

    async fn ask(&self, call: &[u8]) -> Result<Vec<u8>> {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        let late = |_| anyhow!("it gave no answer within {} s, as long as a function has: it was ended", self.limit.as_secs());
        tokio::time::timeout(self.limit, answer(child, call)).await.map_err(late)?
    }
}

/// The answer of a program that was started. It ends when this is dropped.
async fn answer(mut child: Child, call: &[u8]) -> Result<Vec<u8>> {
    let stdin = child.stdin.take();
    let tell = async {
        if let Some(mut stdin) = stdin {
            // A program that ends without reading has an error of its own to tell.
            stdin.write_all(call).await.ok();
        }
        anyhow::Ok(())
    };
    let (said, errors) = (child.stdout.take(), child.stderr.take());
    let ((), said, errors) = tokio::try_join!(tell, bounded(said), begun(errors))?;
    let status = child.wait().await.context("waiting for its end")?;
    ensure!(status.success(), "{status}: {}", String::from_utf8_lossy(&errors).trim_end());
    Ok(said)
}

/// All that it prints, which may not be more than the longest answer.
async fn bounded(from: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>> {
    let (mut said, most) = (Vec::new(), u64::try_from(LONGEST_ANSWER).unwrap_or(u64::MAX));
    if let Some(from) = from {
        from.take(most + 1).read_to_end(&mut said).await.context("reading its answer")?;
    }
    ensure!(said.len() <= LONGEST_ANSWER, "it printed more than {LONGEST_ANSWER} bytes, which no answer has: it was ended");
    Ok(said)
}

/// The beginning of its errors, when they have ended.
async fn begun(from: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>> {
    let mut errors = Vec::new();
    if let Some(mut from) = from {
        (&mut from).take(MOST_ERRORS).read_to_end(&mut errors).await.context("reading its errors")?;
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await.context("reading its errors")?;
    }
    Ok(errors)
}

#[async_trait]
impl Program for Local {
    async fn call(&self, call: &Call) -> Result<Vec<u8>, String> {
        let call = serde_json::to_vec(call).map_err(|error| error.to_string())?;
        self.ask(&call).await.map_err(|error| format!("{error:#}"))
    }

    async fn rest(&self) {
        tokio::time::sleep(REST).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of a shell, to which a call is its commands.
    async fn shell(commands: &str, limit: Duration) -> Result<String, String> {
        let local = Local { limit, ..Local::new("sh".into()) };
        let said = local.ask(commands.as_bytes()).await.map_err(|error| format!("{error:#}"))?;
        Ok(String::from_utf8(said).unwrap())
    }

    #[tokio::test]
    async fn program_that_hangs_is_ended_at_its_limit() {
        let said = shell("exec tail -f /dev/null", Duration::ZERO).await.unwrap_err();
        assert_eq!(said, "it gave no answer within 0 s, as long as a function has: it was ended");
    }

    #[tokio::test]
    async fn program_that_floods_is_ended_at_its_bound() {
        let said = shell("exec yes", Duration::from_mins(10)).await.unwrap_err();
        assert_eq!(said, "it printed more than 2097152 bytes, which no answer has: it was ended");
    }

    #[tokio::test]
    async fn program_with_many_errors_still_gives_its_answer() {
        let commands = "yes | head -n 200000 >&2; echo done";
        assert_eq!(shell(commands, Duration::from_mins(10)).await.unwrap(), "done\n");
        let failed = shell(&format!("{commands}; exit 3"), Duration::from_mins(10)).await.unwrap_err();
        assert!(failed.starts_with("exit status: 3: y\ny") && failed.len() < 20_000, "{}", failed.len());
    }
}
