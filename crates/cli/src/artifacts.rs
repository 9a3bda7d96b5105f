//! The functions' zips: the same program gives the same bytes, and the key says which.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use guardrails_aws::actions;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The functions that every stack has, whatever actions there are.
pub const FIXED_FUNCTIONS: &[&str] = &["master", "notify", "verify", "budget", "reconcile"];

/// The code of one function.
pub struct Artifact {
    /// The function.
    pub function: &'static str,
    /// Its key in the bucket: the content's hash is in it, so that a stack sees a change.
    pub key: String,
    /// The zip.
    pub zip: Vec<u8>,
}

/// Every function's name.
#[must_use]
pub fn functions() -> Vec<&'static str> {
    FIXED_FUNCTIONS.iter().copied().chain(actions::ALL.iter().map(|action| action.name)).collect()
}

/// Where the functions' programs are when nobody says: beside this program.
///
/// # Errors
/// When this program does not know where it is.
pub fn beside_this_program() -> Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program")?;
    program.parent().map(Path::to_owned).ok_or_else(|| anyhow!("this program has no folder"))
}

/// Makes the zips of the programs in `folder`.
///
/// # Errors
/// When a program is not there, or is not one that Lambda could start.
pub fn pack(folder: &Path) -> Result<Vec<Artifact>> {
    functions().into_iter().map(|function| pack_one(folder, function)).collect()
}

fn pack_one(folder: &Path, function: &'static str) -> Result<Artifact> {
    let path = folder.join(function);
    let program = std::fs::read(&path).map_err(|error| {
        anyhow!(
            "the function `{function}` has no program at {}: {error}\nhint: build them with `cargo build --release -p \
             guardrails-lambdas`, or say with --functions where they are",
            path.display()
        )
    })?;
    // An ELF file for x86_64, by its magic and its machine number.
    if !program.starts_with(b"\x7fELF") || program.get(18..20) != Some(&[62, 0]) {
        return Err(anyhow!("{} is not a program for Linux on x86_64: build the functions for that", path.display()));
    }
    // The hash of what goes in, with the name: two functions never share a key.
    let hash = format!("{:x}", Sha256::digest(&program));
    let zip = zip(&program).with_context(|| format!("packing {function}"))?;
    Ok(Artifact { function, key: format!("guardrails/{function}-{}.zip", &hash[..20]), zip })
}

fn zip(program: &[u8]) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(if cfg!(debug_assertions) { 1 } else { 9 }))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("bootstrap", options)?;
    writer.write_all(program)?;
    Ok(writer.finish()?.into_inner())
}
