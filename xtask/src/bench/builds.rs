//! How long the functions take to build, and how large the folder of debug builds becomes: of this checkout, and of another beside it.
//! Each checkout builds by its own `cargo xtask functions`, so that each version is built as it builds itself.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use guardrails_local_aws::programs;

/// The crates of which the functions are made, besides their dependencies.
const OWN: [&str; 3] = ["guardrails-model", "guardrails-aws", "guardrails-lambdas"];

/// Measures `checkouts`, one after the other; a debug build of everything too, where `debug` says so.
///
/// # Errors
/// When one cannot be built.
pub fn measure(checkouts: &[PathBuf], debug: bool, page: &mut String) -> Result<()> {
    writeln!(
        page,
        "\n## Builds\n\n`cargo xtask functions` from nothing, and again after only the product's own crates were removed; and the folder of a\n\
         debug build of everything, tests included.\n"
    )?;
    writeln!(page, "| checkout | from nothing | dependencies built | debug folder |\n| --- | ---: | ---: | ---: |")?;
    for checkout in checkouts {
        let (whole, again) = functions(checkout)?;
        let folder = if debug { format!("{} MiB", debug_folder(checkout)? >> 20) } else { "-".to_owned() };
        let name = checkout.file_name().unwrap_or_default().to_string_lossy();
        writeln!(page, "| {name} | {:.0} s | {:.0} s | {folder} |", whole.as_secs_f64(), again.as_secs_f64())?;
    }
    Ok(())
}

/// How long the functions take from nothing, and with their dependencies built.
fn functions(checkout: &Path) -> Result<(Duration, Duration)> {
    // The build of the builder is no part of it.
    timed(cargo(checkout).args(["build", "--package", "xtask"]))?;
    let built = checkout.join("target/functions");
    if built.exists() {
        fs::remove_dir_all(&built).with_context(|| format!("removing {}", built.display()))?;
    }
    let whole = timed(cargo(checkout).args(["xtask", "functions"]))?;
    let mut clean = cargo(checkout);
    clean.args(["clean", "--release", "--target", "x86_64-unknown-linux-gnu", "--target-dir"]).arg(built.join("build"));
    timed(clean.args(OWN.iter().flat_map(|name| ["--package", name])))?;
    Ok((whole, timed(cargo(checkout).args(["xtask", "functions"]))?))
}

/// The bytes of a debug build of everything, in a folder of its own.
fn debug_folder(checkout: &Path) -> Result<u64> {
    let folder = checkout.join("target/bench-debug");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    timed(cargo(checkout).args(["build", "--workspace", "--all-targets", "--target-dir"]).arg(&folder))?;
    let bytes = size(&folder)?;
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    Ok(bytes)
}

/// The bytes of all files in `folder`. One that has two names counts once.
fn size(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;

    let (mut folders, mut seen, mut bytes) = (vec![folder.to_owned()], std::collections::BTreeSet::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                folders.push(entry.path());
            } else if seen.insert(meta.ino()) {
                bytes += meta.len();
            }
        }
    }
    Ok(bytes)
}

fn cargo(checkout: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    programs::forget_caller(&mut cargo);
    cargo.current_dir(checkout).stdin(Stdio::null());
    cargo
}

fn timed(command: &mut Command) -> Result<Duration> {
    let began = Instant::now();
    let status = command.status().with_context(|| format!("running {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(began.elapsed())
}
