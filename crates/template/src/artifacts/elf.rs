//! Would Lambda start this program? Read from the ELF file itself: on a machine with a newer C library it starts, and says nothing.

use anyhow::{Context, Result, anyhow, bail, ensure};
use object::LittleEndian;
use object::elf::{
    DT_NEEDED, ELFOSABI_GNU, ELFOSABI_NONE, EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64, Machine, OsAbi, VER_FLG_WEAK,
};
use object::read::elf::{FileHeader, ProgramHeader};

use super::Architecture;

/// The C library of Lambda's `provided.al2023`.
pub const GLIBC: (u16, u16) = (2, 34);
/// The parts of the C library, and what the compiler needs of its own: all that the runtime is known to have.
const LIBRARIES: [&str; 8] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
];

type Header = FileHeader64<LittleEndian>;

/// Checks that `provided.al2023` on `wanted` starts `program`.
///
/// # Errors
/// When it would not, with what was found.
pub fn check(program: &[u8], wanted: Architecture) -> Result<()> {
    ensure!(program.starts_with(b"\x7fELF"), "it is no ELF file");
    ensure!(program.get(4) == Some(&2), "it is not 64-bit");
    ensure!(program.get(5) == Some(&1), "it is not little-endian");
    let header = Header::parse(program).context("its header cannot be read")?;
    let system = header.e_ident().os_abi;
    ensure!([ELFOSABI_NONE, ELFOSABI_GNU].contains(&system), "it is for another system than Linux ({})", named(system));
    let machine = header.e_machine(LittleEndian);
    ensure!(machine == wanted.machine(), "it is for {}", machine_name(machine));
    let kind = header.e_type(LittleEndian);
    ensure!([ET_EXEC, ET_DYN].contains(&kind) && header.e_entry(LittleEndian) != 0, "it is a library or an object file");
    let needs = Needs::read(header, program).context("it cannot be read to its end")?;
    match &needs.interpreter {
        None if needs.libraries.is_empty() => return Ok(()),
        None => bail!("it is a library, or lacks the program that loads it"),
        Some(loader) => ensure!(loader == wanted.loader(), "it is loaded by {loader}: it is linked against another C library"),
    }
    if let Some(other) = needs.libraries.iter().find(|library| !LIBRARIES.contains(&library.as_str())) {
        bail!("it needs {other}");
    }
    let glibc = needs.versions.iter().filter_map(|version| version.strip_prefix("GLIBC_"));
    // Each program is given its start by the C library, with a version: without any, nothing is known of what it needs.
    ensure!(glibc.clone().count() > 0, "it does not say which versions of the C library it needs");
    let newer: Vec<&str> = glibc.filter(|version| number(version).is_none_or(|number| number > GLIBC)).collect();
    newer.last().map_or(Ok(()), |newest| Err(anyhow!("it needs GLIBC_{newest}")))
}

/// `2.34`, and `2.2.5` as 2.2; nothing for what is no number, such as `PRIVATE` or `ABI_DT_RELR`.
fn number(version: &str) -> Option<(u16, u16)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// The needs of a program from the system that starts it.
struct Needs {
    interpreter: Option<String>,
    libraries: Vec<String>,
    /// Of all libraries, the oldest first.
    versions: Vec<String>,
}

impl Needs {
    fn read(header: &Header, program: &[u8]) -> object::read::Result<Self> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut interpreter = None;
        for segment in header.program_headers(LittleEndian, program)? {
            interpreter = segment.interpreter(LittleEndian, program)?.map(text).or(interpreter);
        }
        let sections = header.sections(LittleEndian, program)?;
        let dynamic = sections.dynamic_table(LittleEndian, program)?;
        let needed = dynamic.iter().filter(|entry| entry.tag == DT_NEEDED);
        let libraries = needed.map(|entry| dynamic.string(entry).map(text)).collect::<object::read::Result<_>>()?;
        let mut versions = Vec::new();
        if let Some((mut files, strings)) = sections.gnu_verneed(LittleEndian, program)? {
            let strings = sections.strings(LittleEndian, program, strings)?;
            while let Some((_, mut wanted)) = files.next()? {
                while let Some(version) = wanted.next()? {
                    // The loader goes on without a weak one.
                    if (version.vna_flags.get(LittleEndian) & VER_FLG_WEAK).0 == 0 {
                        versions.push(text(version.name(LittleEndian, strings)?));
                    }
                }
            }
        }
        versions.sort_by_key(|version| version.strip_prefix("GLIBC_").and_then(number));
        Ok(Self { interpreter, libraries, versions })
    }
}

impl Architecture {
    fn machine(self) -> Machine {
        match self {
            Self::X86_64 => EM_X86_64,
            Self::Arm64 => EM_AARCH64,
        }
    }

    fn loader(self) -> &'static str {
        match self {
            Self::X86_64 => "/lib64/ld-linux-x86-64.so.2",
            Self::Arm64 => "/lib/ld-linux-aarch64.so.1",
        }
    }
}

fn machine_name(machine: Machine) -> String {
    match machine {
        EM_X86_64 => "x86_64".to_owned(),
        EM_AARCH64 => "arm64".to_owned(),
        other => format!("another processor ({other:?})"),
    }
}

fn named(system: OsAbi) -> String {
    format!("{system:?}")
}
