//! Builds the functions twice, here and in another folder with nothing built yet, and compares the zip byte by byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Args, build, said};

/// Where the second build is: a path of another length, in case one is written where it should not be.
const ELSEWHERE: &str = "target/reproduce/another-checkout-of-the-same-sources";

/// Says whether both builds are the same.
///
/// # Errors
/// When a build fails.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let elsewhere = root.join(ELSEWHERE);
    copy(root, &elsewhere)?;
    let here = build(root, args)?;
    eprintln!("the same sources once more, in {ELSEWHERE}");
    let there = build(&elsewhere, args)?;
    let same = here.key == there.key && here.zip == there.zip;
    println!("{:<9} {} {}", if same { "same" } else { "DIFFERENT" }, here.key, if same { "" } else { &there.key });
    if !same {
        eprintln!("the programs are in target/functions here and in {ELSEWHERE}");
        return Ok(ExitCode::FAILURE);
    }
    fs::remove_dir_all(&elsewhere).with_context(|| format!("removing {}", elsewhere.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Copies the files that git tracks, as they are here, and nothing that was built.
fn copy(root: &Path, elsewhere: &Path) -> Result<()> {
    if elsewhere.exists() {
        fs::remove_dir_all(elsewhere).with_context(|| format!("removing {}", elsewhere.display()))?;
    }
    let mut git = Command::new("git");
    let files = said(git.args(["ls-files", "-z"]).current_dir(root).stdin(Stdio::null()))?;
    let files: Vec<&str> = files.split('\0').filter(|file| !file.is_empty()).collect();
    ensure!(!files.is_empty(), "git tracks nothing in {}", root.display());
    for file in files {
        let (from, to): (PathBuf, PathBuf) = (root.join(file), elsewhere.join(file));
        to.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::copy(&from, &to).map(|_| ()))
            .with_context(|| format!("copying {file}"))?;
    }
    Ok(())
}
