//! Runs the fuzzer over every target, or keeps the needed inputs of its corpus. It needs cargo-fuzz, which nothing else does.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// The fuzzer's programs, a package of their own.
const FOLDER: &str = "verification/fuzz/targets";
/// As docs/verification.md has them.
const TARGETS: [&str; 4] = ["alert", "config", "ledger", "wire"];

/// The targets to run, and for how long.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these targets: alert, config, ledger, wire.
    targets: Vec<String>,
    /// How many inputs of each target.
    #[arg(long, default_value_t = 2_500_000)]
    runs: u64,
    /// Keep of each corpus as few inputs as reach the same code, and run nothing.
    #[arg(long)]
    minimise: bool,
}

pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let targets = if args.targets.is_empty() { TARGETS.map(str::to_owned).to_vec() } else { args.targets.clone() };
    for target in targets {
        let command = if args.minimise { "cmin" } else { "run" };
        let mut fuzz = Command::new("cargo");
        // The toolchain is a stable one; the fuzzer's counters need no other sanitizer.
        fuzz.current_dir(root).env("RUSTC_BOOTSTRAP", "1").args([
            "fuzz",
            command,
            "--fuzz-dir",
            FOLDER,
            "--sanitizer",
            "none",
            &target,
        ]);
        fuzz.arg(root.join("verification/fuzz/corpus").join(&target));
        if !args.minimise {
            fuzz.args(["--", &format!("-runs={}", args.runs), "-timeout=10", "-max_len=65536", "-print_final_stats=1"]);
        }
        let status = fuzz.status().context("running cargo; hint: cargo install cargo-fuzz")?;
        ensure!(
            status.success(),
            "`cargo fuzz {command} {target}` failed; hint: an input that failed is in {FOLDER}/artifacts/{target}, and \
             cargo-fuzz comes with `cargo install cargo-fuzz`"
        );
    }
    Ok(ExitCode::SUCCESS)
}
