//! The functions' zip: all functions run one program. The same program gives the same bytes, and the key says which.

mod elf;

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;
use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::Catalog;
use guardrails_aws::clients::{LOCAL_ONLY, reaches_only_this_machine};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// The functions that every stack has, whatever actions there are.
pub const FIXED_FUNCTIONS: &[&str] = &["master", "notify", "verify", "budget", "reconcile"];

/// The program of all functions, as cargo names it.
pub const PROGRAM: &str = "guardrails-functions";

/// Where all code stands in the bucket: nobody but the operators and the deployer may write there.
pub const PREFIX: &str = "guardrails/";
/// The program in a zip, as Lambda looks for it.
const BOOTSTRAP: &str = "bootstrap";
/// Where AWS Signer adds its signature.
const SIGNATURES: &str = "META-INF/";

/// The code of all functions.
pub struct Artifact {
    /// Its key in the bucket: the content's hash is in it, so that a stack sees a change.
    pub key: String,
    /// The zip.
    pub zip: Vec<u8>,
}

/// Every function's name.
#[must_use]
pub fn functions() -> Vec<&'static str> {
    functions_of(&CATALOG)
}

/// The same where the actions are those of `catalog`.
#[must_use]
pub fn functions_of(catalog: &Catalog) -> Vec<&'static str> {
    FIXED_FUNCTIONS.iter().copied().chain(catalog.entries().iter().map(|action| action.name)).collect()
}

/// Where the functions' program is when nobody says: beside this program.
///
/// # Errors
/// When this program does not know where it is.
pub fn beside_this_program() -> Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program")?;
    program.parent().map(Path::to_owned).ok_or_else(|| anyhow!("this program has no folder"))
}

/// A processor that Lambda has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Architecture {
    /// Intel's and AMD's.
    #[value(name = "x86_64")]
    X86_64,
    /// AWS's own, Graviton.
    Arm64,
}

impl Architecture {
    /// As templates and this command's arguments name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The system that is to start the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Lambda, with its `provided.al2023`.
    Lambda(Architecture),
    /// This machine, where a local AWS runs the programs that were built here: nothing is checked.
    ThisMachine(Local),
}

/// That this process reaches no AWS but one on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local(());

impl Local {
    /// # Errors
    /// When it may reach the real one.
    pub fn proven() -> Result<Self> {
        ensure!(
            reaches_only_this_machine(),
            "programs that are not checked are for a local AWS, and this command may reach the real one\nhint: leave out \
             `--runtime this-machine` and GUARDRAILS_RUNTIME, or set {LOCAL_ONLY}=1"
        );
        Ok(Self(()))
    }
}

/// Makes the zip of the program in `folder`.
///
/// # Errors
/// When it is not there, or is not one that `runtime` starts.
pub fn pack(folder: &Path, runtime: Runtime) -> Result<Artifact> {
    let path = folder.join(PROGRAM);
    let program = std::fs::read(&path).map_err(|error| {
        anyhow!(
            "the functions have no program at {}: {error}\nhint: build it with `cargo xtask functions`, and say with --functions \
             in which folder it is",
            path.display()
        )
    })?;
    if let Runtime::Lambda(architecture) = runtime {
        let name = architecture.name();
        let (major, minor) = elf::GLIBC;
        elf::check(&program, architecture).map_err(|found| {
            anyhow!(
                "{} would not start on Lambda: {found:#}\nexpected: a 64-bit Linux program for {name}, static or linked against \
                 glibc {major}.{minor} or older\nhint: `cargo xtask functions --architecture {name}` builds such a program in \
                 target/functions/{name}; --functions says where it is, --architecture for what it is",
                path.display()
            )
        })?;
    }
    let level = match runtime {
        // Large, unstripped, packed at every start of the demo and the tests, and it goes no further than this machine.
        Runtime::ThisMachine(_) if cfg!(debug_assertions) => 1,
        Runtime::ThisMachine(_) | Runtime::Lambda(_) => SMALLEST,
    };
    let zip = zip(&program, level).context("packing the functions")?;
    // The hash is of the zip itself, so that no other version uses the name for anything else.
    let hash = format!("{:x}", Sha256::digest(&zip));
    Ok(Artifact { key: format!("{PREFIX}functions-{}.zip", &hash[..HASH]), zip })
}

/// Letters of the content's hash in a key.
const HASH: usize = 20;

/// The beginning of the SHA-256, in hexadecimal, of the zip that was packed under `key`; none for a key of somebody else's making,
/// such as that of a signed zip.
#[must_use]
pub fn hash_in(key: &str) -> Option<&str> {
    let hash = key.strip_prefix(PREFIX)?.strip_prefix("functions-")?.strip_suffix(".zip")?;
    let is_hash = hash.len() == HASH && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some(hash)
}

/// Holds a zip that AWS Signer made against the one that was packed here: it adds its signature, and changes nothing.
///
/// # Errors
/// When the signed zip holds another program, or anything besides the program and signatures.
pub fn check_signed(signed: &[u8], packed: &[u8]) -> Result<()> {
    let (of_signed, executable, others) = contents(signed).context("reading the signed zip")?;
    let (of_packed, ..) = contents(packed).context("reading the packed zip")?;
    let others: Vec<String> = others.into_iter().filter(|name| !name.starts_with(SIGNATURES)).collect();
    ensure!(others.is_empty(), "the signed zip holds more than the program: {}", others.join(", "));
    ensure!(of_signed == of_packed, "the program in the signed zip is not the one that was packed here");
    ensure!(executable, "the program in the signed zip may not be executed");
    Ok(())
}

/// The program in a zip, whether it may be executed, and the names of all other entries.
fn contents(zip: &[u8]) -> Result<(Vec<u8>, bool, Vec<String>)> {
    let mut archive = ZipArchive::new(Cursor::new(zip))?;
    let names = archive.file_names().map(|name| Ok(name?.into_owned())).collect::<Result<Vec<String>>>()?;
    let others = names.into_iter().filter(|name| name != BOOTSTRAP).collect();
    let mut entry = archive.by_name(BOOTSTRAP)?;
    let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
    let mut program = Vec::new();
    entry.read_to_end(&mut program)?;
    Ok((program, executable, others))
}

/// The level of compression that takes longest.
pub const SMALLEST: i64 = 9;

/// The zip that Lambda unpacks and starts: the same bytes for the same program and level, wherever and whenever it is packed.
///
/// # Errors
/// When it cannot be packed.
pub fn zip(program: &[u8], level: i64) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(BOOTSTRAP, options)?;
    writer.write_all(program)?;
    Ok(writer.finish()?.into_inner())
}
