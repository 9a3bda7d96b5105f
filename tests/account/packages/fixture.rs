//! Small ELF files, as linkers write them as far as it matters here.

use object::Endianness;
use object::elf;
use object::write::elf::{FileHeader, ProgramHeader, Vernaux, Verneed, Writer};

pub const GLIBC_2_34: &str = "GLIBC_2.34";

/// The content of the file.
pub struct Sample {
    pub is_64: bool,
    pub little_endian: bool,
    /// 0 for Linux, as linkers write it; 9 is FreeBSD's.
    pub system: u8,
    pub machine: elf::Machine,
    pub entry: u64,
    pub interpreter: Option<&'static str>,
    pub libraries: Vec<&'static str>,
    pub versions: Vec<&'static str>,
    pub weak_versions: Vec<&'static str>,
}

impl Sample {
    pub fn x86_64() -> Self {
        Self {
            is_64: true,
            little_endian: true,
            system: 0,
            machine: elf::EM_X86_64,
            entry: 0x1000,
            interpreter: Some("/lib64/ld-linux-x86-64.so.2"),
            libraries: vec!["libc.so.6"],
            versions: vec![GLIBC_2_34],
            weak_versions: Vec::new(),
        }
    }

    pub fn arm64() -> Self {
        Self { machine: elf::EM_AARCH64, interpreter: Some("/lib/ld-linux-aarch64.so.1"), ..Self::x86_64() }
    }

    pub fn static_x86_64() -> Self {
        Self { interpreter: None, libraries: Vec::new(), versions: Vec::new(), ..Self::x86_64() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let endian = if self.little_endian { Endianness::Little } else { Endianness::Big };
        let all: Vec<(&str, elf::VersionFlags)> = self.versions.iter().map(|name| (*name, elf::VersionFlags(0))).collect();
        let all: Vec<_> = all.into_iter().chain(self.weak_versions.iter().map(|name| (*name, elf::VER_FLG_WEAK))).collect();
        let interpreter = self.interpreter.map(|path| format!("{path}\0"));
        let mut bytes = Vec::new();
        let mut file = Writer::new(endian, self.is_64, &mut bytes);

        // Where everything will be.
        let libraries: Vec<_> = self.libraries.iter().map(|name| file.add_dynamic_string(name.as_bytes())).collect();
        let versions: Vec<_> = all.iter().map(|(name, _)| file.add_dynamic_string(name.as_bytes())).collect();
        let library = file.add_dynamic_string(b"libc.so.6");
        file.reserve_file_header();
        file.reserve_program_headers(interpreter.iter().count().try_into().unwrap());
        let place = interpreter.as_ref().map(|path| file.reserve(path.len() as u64, 1));
        file.reserve_null_section_index();
        file.reserve_dynstr_section_index();
        file.reserve_dynstr().unwrap();
        if !libraries.is_empty() {
            file.reserve_dynamic_section_index();
            file.reserve_dynamic(libraries.len() + 1);
        }
        let needs = u16::from(!all.is_empty());
        if needs > 0 {
            file.reserve_gnu_verneed_section_index();
            file.reserve_gnu_verneed(needs, all.len());
        }
        file.reserve_shstrtab_section_index();
        file.reserve_shstrtab().unwrap();
        file.reserve_section_headers();

        // The kind of the file.
        let header = FileHeader {
            os_abi: elf::OsAbi(self.system),
            abi_version: 0,
            e_type: elf::ET_DYN,
            e_machine: self.machine,
            e_entry: self.entry,
            e_flags: elf::FileFlags(0),
        };
        file.write_file_header(&header).unwrap();
        if let (Some(path), Some(place)) = (&interpreter, place) {
            file.write_align_program_headers();
            let size = path.len() as u64;
            file.write_program_header(&ProgramHeader {
                p_type: elf::PT_INTERP,
                p_flags: elf::PF_R,
                p_offset: place,
                p_vaddr: place,
                p_paddr: place,
                p_filesz: size,
                p_memsz: size,
                p_align: 1,
            });
            file.write(path.as_bytes());
        }
        file.write_dynstr();
        if !libraries.is_empty() {
            file.write_align_dynamic();
            for name in libraries {
                file.write_dynamic_string(elf::DT_NEEDED, name).unwrap();
            }
            file.write_dynamic(elf::DT_NULL, 0).unwrap();
        }
        if needs > 0 {
            file.write_align_gnu_verneed();
            let library = file.dynamic_string_offset(Some(library));
            file.write_gnu_verneed(&Verneed { version: 1, aux_count: all.len().try_into().unwrap(), file: library });
            for (id, (name, flags)) in versions.into_iter().zip(&all) {
                let place = file.dynamic_string_offset(Some(id));
                let hash = elf::hash(name.as_bytes());
                file.write_gnu_vernaux(&Vernaux { flags: *flags, index: elf::VersionIndex(2), name: place, hash });
            }
        }
        file.write_shstrtab();
        file.write_null_section_header();
        file.write_dynstr_section_header(0);
        file.write_dynamic_section_header(0);
        file.write_gnu_verneed_section_header(0);
        file.write_shstrtab_section_header();
        drop(file);
        bytes
    }
}
