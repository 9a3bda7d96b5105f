//! The functions' zip: all functions run one program. The same program gives the same bytes, and the key says which.

mod elf;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;
use guardrails_aws::actions;
use guardrails_aws::clients::{LOCAL_ONLY, reaches_only_this_machine};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The functions that every stack has, whatever actions there are.
pub const FIXED_FUNCTIONS: &[&str] = &["master", "notify", "verify", "budget", "reconcile"];

/// The program of all functions, as cargo names it.
pub const PROGRAM: &str = "guardrails-functions";

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
    FIXED_FUNCTIONS.iter().copied().chain(actions::ALL.iter().map(|action| action.name)).collect()
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

/// What is to start the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Lambda, with its `provided.al2023`.
    Lambda(Architecture),
    /// This machine, where a local AWS runs what was built here: nothing is checked.
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
    // Of what stands under it, with a name that no other version uses for anything else.
    let hash = format!("{:x}", Sha256::digest(&zip));
    Ok(Artifact { key: format!("guardrails/functions-{}.zip", &hash[..20]), zip })
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
    writer.start_file("bootstrap", options)?;
    writer.write_all(program)?;
    Ok(writer.finish()?.into_inner())
}
