//! `cargo xtask functions`: the functions' program as Lambda starts it, whatever this machine's own C library is. Needs Rust and
//! Python only: the linker is zig's, from a Python package. And `cargo xtask reproduce`: the same sources give the same bytes.

mod reproduce;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use guardrails_local_aws::programs;
use guardrails_local_aws::venv::Venv;
use guardrails_template::artifacts::{self, Architecture, Artifact, PROGRAM, Runtime};

pub use self::reproduce::run as reproduce;

/// The C library of Lambda's `provided.al2023`.
const GLIBC: &str = "2.34";

/// The target of the build.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The processor that it is for.
    #[arg(long, value_enum, default_value_t = Architecture::X86_64)]
    architecture: Architecture,
}

/// Builds it, and puts it into target/functions/<architecture>.
///
/// # Errors
/// When it cannot be built, or Lambda would not start it.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let artifact = build(root, args)?;
    eprintln!("{} ({} KiB)", artifact.key, artifact.zip.len().div_ceil(1024));
    let folder = folder(root, args);
    eprintln!(
        "next: guardrails deploy --architecture {} --functions {}",
        args.architecture.name(),
        folder.strip_prefix(root).unwrap_or(&folder).display()
    );
    Ok(ExitCode::SUCCESS)
}

fn folder(checkout: &Path, args: &Args) -> PathBuf {
    checkout.join("target/functions").join(args.architecture.name())
}

/// Builds the functions of `checkout`, wherever that is, and packs the program that Lambda would start.
fn build(checkout: &Path, args: &Args) -> Result<Artifact> {
    let triple = match args.architecture {
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
    };
    has_standard_library(checkout, triple)?;
    let built = checkout.join("target/functions/build");
    let mut cargo = zigbuild(checkout, &built)?;
    cargo.args(["--release", "--locked", "--package", "guardrails-lambdas", "--target", &format!("{triple}.{GLIBC}")]);
    cargo.args(["--bin", PROGRAM]);
    let status = cargo.status().context("running cargo-zigbuild")?;
    ensure!(status.success(), "cargo-zigbuild ended with {status}");

    let folder = folder(checkout, args);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let program = built.join(triple).join("release").join(PROGRAM);
    fs::copy(&program, folder.join(PROGRAM)).with_context(|| format!("copying {}", program.display()))?;
    artifacts::pack(&folder, Runtime::Lambda(args.architecture))
}

/// cargo with zig for a linker, and nothing of this machine in its output: no path, no time, no flags of somebody's own.
fn zigbuild(checkout: &Path, built: &Path) -> Result<Command> {
    let venv = Venv::of(crate::root().join("xtask/requirements-functions.txt"), "ziglang").ensure()?;
    let venv = venv.parent().context("the virtual environment's Python is in no folder")?;
    let program = venv.join("cargo-zigbuild");
    let zig = said(Command::new(venv.join("python")).args([
        "-I",
        "-c",
        "import os, ziglang; print(os.path.dirname(ziglang.__file__))",
    ]))?;
    let mut cargo = Command::new(&program);
    programs::forget_caller(&mut cargo);
    cargo.arg("zigbuild").current_dir(checkout).stdin(Stdio::null());
    cargo.env("CARGO_ZIGBUILD_ZIG_PATH", Path::new(&zig).join("zig"));
    for cache in ["CARGO_ZIGBUILD_CACHE_DIR", "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"] {
        cargo.env(cache, built.join("zig"));
    }
    let registry = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let registry = registry
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
        .context("no CARGO_HOME and no HOME")?;
    // The last that fits counts: the target folder is within the checkout.
    let names = [(registry.as_path(), "/cargo"), (checkout, "/guardrails")];
    let flags = names.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    let compiler = names.map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env_remove("RUSTFLAGS");
    cargo.env("CFLAGS", compiler.join(" ")).env("SOURCE_DATE_EPOCH", "0").env("CARGO_INCREMENTAL", "0");
    cargo.arg("--target-dir").arg(built);
    Ok(cargo)
}

fn has_standard_library(checkout: &Path, triple: &str) -> Result<()> {
    let folder = said(Command::new("rustc").args(["--print", "target-libdir", "--target", triple]).current_dir(checkout))?;
    ensure!(
        Path::new(&folder).is_dir(),
        "Rust's standard library for {triple} is not installed\nhint: rustup target add {triple}"
    );
    Ok(())
}

/// The output of a program, which must succeed.
fn said(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
