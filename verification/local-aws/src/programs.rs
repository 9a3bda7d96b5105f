//! The product's own programs, as cargo builds them: the functions stand beside the command, where it looks for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

use crate::Error;

/// One line of cargo's, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    executable: Option<PathBuf>,
}

/// The packages that are built: the functions, the command, and the one that has the features that the tests need besides.
pub const PACKAGES: [&str; 3] = ["guardrails-lambdas", "guardrails-cli", "xtask"];

/// Builds the functions and the command, and says where the command is.
///
/// # Errors
/// When cargo cannot build them; its output is on stderr.
pub fn build() -> Result<PathBuf, Error> {
    guardrails(&cargo().stderr(Stdio::inherit()).output().map_err(Error::io("running cargo"))?)
}

/// The cargo that builds the functions and the command: its stdout is for [`guardrails`] to read. The packages are the same
/// each time, so that their dependencies' features are too, and nothing is compiled twice.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("build").args(PACKAGES.into_iter().flat_map(|package| ["--package", package]));
    cargo.args(["--message-format", "json-render-diagnostics"]);
    // As this program was built: the demo leaves out services that it has nothing of.
    if !cfg!(feature = "all-services") {
        cargo.args(["--no-default-features", "--features", "demo-services"]);
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    forget_caller(&mut cargo);
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).stdin(Stdio::null());
    cargo
}

/// Takes the variables of `cargo run` about the calling package out of `cargo`'s environment: build scripts that look at them
/// would take them for theirs, and build again. They look at `RUSTC_BOOTSTRAP` too, with which `cargo xtask flaky` runs the
/// tests.
pub fn forget_caller(cargo: &mut Command) {
    cargo.env_remove("RUSTC_BOOTSTRAP");
    for (name, _) in std::env::vars_os() {
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b"CARGO_PKG_") || bytes.starts_with(b"CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
}

/// Where the command is, after [`cargo`] ended.
///
/// # Errors
/// When cargo could not build it.
pub fn guardrails(output: &Output) -> Result<PathBuf, Error> {
    let failed = |message: String| Error::Call { doing: "building the functions and the command".to_owned(), message };
    if !output.status.success() {
        return Err(failed(format!("cargo ended with {}", output.status)));
    }
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut built = lines.filter_map(|line| serde_json::from_slice::<Message>(line).ok()?.executable);
    let command = built.find(|path| path.file_stem().is_some_and(|name| name == "guardrails"));
    command.ok_or_else(|| failed("cargo built no `guardrails`".to_owned()))
}
