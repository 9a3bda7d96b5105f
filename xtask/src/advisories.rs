//! Holds the dependencies against the advisories of `RustSec`. The database comes from GitHub, so no test and no step of CI does it.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

pub fn run(root: &Path) -> Result<ExitCode> {
    // The one that .ci/run installed, where there is one.
    let installed = root.join("target/ci/policies/bin/cargo-deny");
    let program = if installed.exists() { installed } else { "cargo-deny".into() };
    let checked = Command::new(program).current_dir(root).args(["check", "advisories"]).status();
    let status = checked.context("running cargo-deny; hint: cargo install cargo-deny")?;
    ensure!(status.success(), "`cargo-deny check advisories` failed; hint: it needs https://github.com/rustsec/advisory-db");
    Ok(ExitCode::SUCCESS)
}
