//! The calls that a run makes, against the least that could do: counted by a test, in an AWS inside its process.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

const TEST: &str = "size::calls::a_run_makes_few_more_calls_than_the_least_that_could_do";

/// Has the test count, and quotes it.
pub async fn measure(root: &Path, page: &mut String) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut test = Command::new(cargo);
    test.args(["test", "--test", "all", "--", "--exact", TEST, "--nocapture"]).current_dir(root).stderr(Stdio::inherit());
    let output = test.output().await.context("running the test that counts calls")?;
    ensure!(output.status.success(), "the test that counts calls failed");
    writeln!(
        page,
        "\n## Calls\n\nOne run over instances of one Region, there and back, with limits that never make it wait. The least is explained\nin \
         [tests/actions/size/calls.rs](../tests/actions/size/calls.rs).\n"
    )?;
    writeln!(page, "| instances | operation | calls | least | ratio |\n| ---: | --- | ---: | ---: | ---: |")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<&str> = said.lines().filter_map(|line| line.find("| ").map(|at| &line[at..])).collect();
    ensure!(!rows.is_empty(), "the test that counts calls said nothing");
    writeln!(page, "{}", rows.join("\n"))?;
    Ok(())
}
