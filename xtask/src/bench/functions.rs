//! The functions' programs: how large their zips are, and how soon they ask for their first invocation.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use guardrails_template::artifacts::{self, Local, Runtime};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::median;

const LIMIT: Duration = Duration::from_secs(30);
/// What a function finds in Lambda before its own variables.
const LAMBDA: [(&str, &str); 4] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
    ("AWS_REGION", "us-east-1"),
];

/// Measures each function.
pub async fn measure(folder: &Path, starts: usize, page: &mut String) -> Result<()> {
    writeln!(
        page,
        "\n## Functions\n\nFrom the start of the process to its first question to the Runtime API: the median of {starts} starts.\n"
    )?;
    writeln!(page, "| function | zip | starts in |\n| --- | ---: | ---: |")?;
    for artifact in artifacts::pack(folder, Runtime::ThisMachine(Local::proven()?))? {
        let mut times = Vec::new();
        for _ in 0..starts {
            times.push(start(&folder.join(artifact.function)).await?.as_secs_f64());
        }
        let kilobytes = artifact.zip.len().div_ceil(1024);
        writeln!(page, "| `{}` | {kilobytes} KiB | {:.1} ms |", artifact.function, median(times) * 1000.0)?;
    }
    Ok(())
}

/// Starts a function, and ends it when it has asked.
async fn start(program: &Path) -> Result<Duration> {
    let api = TcpListener::bind("127.0.0.1:0").await.context("listening")?;
    let mut command = Command::new(program);
    command.env_clear().envs(LAMBDA).env("AWS_LAMBDA_RUNTIME_API", api.local_addr()?.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let began = Instant::now();
    let mut function = command.spawn().with_context(|| format!("starting {}", program.display()))?;
    let asked = async {
        let (mut connection, _) = api.accept().await?;
        let mut request = [0; 1024];
        let length = connection.read(&mut request).await?;
        let elapsed = began.elapsed();
        anyhow::ensure!(request[..length].windows(16).any(|bytes| bytes == b"/invocation/next"), "it asked for something else");
        Ok(elapsed)
    };
    let elapsed = tokio::time::timeout(LIMIT, asked).await.context("it asked for nothing")??;
    function.kill().await.context("ending the function")?;
    Ok(elapsed)
}
