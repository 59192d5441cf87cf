//! The headers of an ELF program: its platform, and what it needs at run time.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use memchr::memmem;
use object::elf;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, ReadCache, ReadRef as _};

use super::error::ArtifactError;
use crate::bases::{Libc, loaders};
use crate::oci::ConfigFile;
use crate::runtime::input;
use crate::types::finding::{Finding, Rule, Severity};
use crate::types::platform::Platform;

/// The facts in the headers of an ELF program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfFacts {
    /// The platform that it runs on. For `arm` without a word on the variant, that is `arm/v7`.
    pub platform: Platform,
    /// The dynamic loader that it asks for.
    pub interpreter: Option<String>,
    /// The shared libraries that it asks for, in its order.
    pub needed: Vec<String>,
    /// Directories that it wants searched first (`DT_RUNPATH` or `DT_RPATH`).
    pub run_path: Vec<String>,
    /// Whether it needs neither loader nor libraries.
    pub is_static: bool,
}

/// A library's name or the loader's path is a file name; longer ones are an attack.
const MAX_STRING: u64 = 4096;

/// 65,536 dynamic entries; real programs have some dozens.
const MAX_SEGMENT: u64 = 1 << 20;

impl ElfFacts {
    /// The C library, where the loader lies in its usual place: one in a place of its own, such as Nix has, comes with its
    /// library.
    pub(super) fn usual_libc(&self) -> Option<Libc> {
        let architecture = self.platform.architecture();
        let is_usual = |libc: &Libc, path: &String| loaders(*libc, architecture).any(|usual| usual == path);
        self.libc().filter(|libc| self.interpreter.as_ref().is_none_or(|path| is_usual(libc, path)))
    }

    /// The C library that the program is linked with, as far as the names of its loader and libraries tell.
    pub(super) fn libc(&self) -> Option<Libc> {
        let loader = self.interpreter.as_deref().unwrap_or_default();
        let file = loader.rsplit('/').next().unwrap_or_default();
        let needs = |start: &str| self.needed.iter().any(|name| name.starts_with(start));
        if file.starts_with("ld-musl-") || needs("libc.musl-") {
            Some(Libc::Musl)
        } else if file.starts_with("ld-linux") || file.starts_with("ld64.so") || needs("libc.so.6") {
            Some(Libc::Glibc)
        } else {
            None
        }
    }

    /// Whether a library is the loader itself, as musl's C library is.
    pub(super) fn is_loader(&self, library: &str) -> bool {
        self.interpreter.as_deref().is_some_and(|loader| {
            loader.rsplit('/').next() == Some(library)
                || (loader.contains("/ld-musl-") && library.starts_with("libc.musl-"))
        })
    }
}

/// Whether a program on an empty base looks for certificates that are not there.
pub(super) fn findings(
    path: &Path,
    facts: &ElfFacts,
    base: Option<&ConfigFile>,
) -> Result<Vec<Finding>, ArtifactError> {
    if base.is_some() || !facts.is_static || !mentions_certificates(path)? {
        return Ok(Vec::new());
    }
    let message = "The program looks for certificates in `/etc/ssl/certs`, and the base is empty";
    let finding = Finding::not_met(Rule::CaCertificates, message.to_owned()).at(Severity::Warning);
    Ok(vec![finding.hint("if it is a TLS client, add `/etc/ssl/certs/ca-certificates.crt` in a `[[layer]]`")])
}

/// Go, OpenSSL and rustls-native-certs all have this path in their data; programs that bring their own
/// certificates do not need it.
fn mentions_certificates(path: &Path) -> Result<bool, ArtifactError> {
    const NEEDLE: &[u8] = b"/etc/ssl/certs";
    const PIECE: usize = 1 << 20;
    let io = |source| ArtifactError::Io { path: path.to_owned(), source };
    let finder = memmem::Finder::new(NEEDLE);
    let (mut file, _) = input::open(path).map_err(io)?;
    let mut buffer = vec![0; PIECE + NEEDLE.len()];
    let mut kept = 0;
    loop {
        let count = file.read(&mut buffer[kept..]).map_err(io)?;
        if count == 0 {
            return Ok(false);
        }
        let filled = kept + count;
        if finder.find(&buffer[..filled]).is_some() {
            return Ok(true);
        }
        // The needle may lie across two pieces.
        kept = filled.min(NEEDLE.len() - 1);
        buffer.copy_within(filled - kept..filled, 0);
    }
}

/// Reads the headers and tables of the program at `path`.
pub(super) fn read_facts(path: &Path) -> Result<ElfFacts, ArtifactError> {
    let (file, _) =
        input::open(path).map_err(|source| ArtifactError::Io { path: path.to_owned(), source })?;
    let not_a_program = |why: String| ArtifactError::NotAProgram { path: path.to_owned(), why };
    // Only the headers and tables that are looked at are read.
    let data = ReadCache::new(file);
    let class = data.read_bytes_at(4, 1).map_err(|()| not_a_program("the file is truncated".to_owned()))?;
    let facts = match class {
        [1] => facts_of::<elf::FileHeader32<Endianness>>(&data),
        [2] => facts_of::<elf::FileHeader64<Endianness>>(&data),
        _ => Err("its class is neither 32 nor 64 bits".to_owned()),
    };
    facts.map_err(not_a_program)
}

fn facts_of<H: FileHeader<Endian = Endianness>>(data: &ReadCache<File>) -> Result<ElfFacts, String> {
    let text = |error: object::read::Error| error.to_string();
    let header = H::parse(data).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let abi = header.e_ident().os_abi;
    if abi != elf::ELFOSABI_NONE && abi != elf::ELFOSABI_GNU {
        return Err(format!("its ABI is that of another system ({})", abi.0));
    }
    let kind = header.e_type(endian);
    if kind != elf::ET_EXEC && kind != elf::ET_DYN {
        return Err("it is an object or core file, not an executable".to_owned());
    }
    let machine = header.e_machine(endian);
    let platform = platform(machine, endian, header.is_class_64())
        .ok_or_else(|| format!("machine {} has no platform name", machine.0))?;
    let segments = header.program_headers(endian, data).map_err(text)?;
    check_whole(header, endian, segments, data.len().unwrap_or_default())?;

    let mut interpreter = None;
    let mut dynamic: &[H::Dyn] = &[];
    for segment in segments {
        let kind = segment.p_type(endian);
        let is_read = kind == elf::PT_INTERP || kind == elf::PT_DYNAMIC;
        if is_read && segment.p_filesz(endian).into() > MAX_SEGMENT {
            return Err("its dynamic section or interpreter is absurdly large".to_owned());
        }
        if let Some(bytes) = segment.interpreter(endian, data).map_err(text)? {
            interpreter = Some(String::from_utf8_lossy(bytes).into_owned());
        }
        if let Some(table) = segment.dynamic(endian, data).map_err(text)? {
            dynamic = table;
        }
    }
    let end = dynamic.iter().position(|entry| entry.tag(endian) == elf::DT_NULL).unwrap_or(dynamic.len());
    let dynamic = &dynamic[..end];
    let value = |tag| dynamic.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
    // Addresses in memory become offsets in the file by the segment that is loaded there.
    let offset_of = |address: u64| {
        segments.iter().find_map(|segment| {
            let loaded = segment.p_type(endian) == elf::PT_LOAD;
            let delta = address.checked_sub(segment.p_vaddr(endian).into())?;
            (loaded && delta < segment.p_filesz(endian).into())
                .then(|| delta.checked_add(segment.p_offset(endian).into()))?
        })
    };
    let strings = value(elf::DT_STRTAB).and_then(offset_of);
    let string = |at: u64| -> Result<String, String> {
        let start = strings.and_then(|strings| strings.checked_add(at));
        let start = start.ok_or("its string table is outside the file")?;
        let end = start.saturating_add(MAX_STRING).min(data.len().unwrap_or_default());
        let bytes =
            data.read_bytes_at_until(start..end, 0).map_err(|()| "a library's name is outside the file")?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    };
    let strings_of = |tag| {
        let entries = dynamic.iter().filter(move |entry| entry.tag(endian) == tag);
        entries.map(|entry| string(entry.val(endian))).collect::<Result<Vec<_>, _>>()
    };
    let needed = strings_of(elf::DT_NEEDED)?;
    let mut run_path = strings_of(elf::DT_RUNPATH)?;
    if run_path.is_empty() {
        run_path = strings_of(elf::DT_RPATH)?;
    }
    let run_path = run_path.iter().flat_map(|path| path.split(':')).map(str::to_owned).collect();

    let pie = value(elf::DT_FLAGS_1).is_some_and(|flags| flags & elf::DF_1_PIE.0 != 0);
    let entry: u64 = header.e_entry(endian).into();
    if kind == elf::ET_DYN && interpreter.is_none() && !pie && (entry == 0 || value(elf::DT_SONAME).is_some())
    {
        return Err("it is a shared library".to_owned());
    }
    let is_static = interpreter.is_none() && needed.is_empty();
    Ok(ElfFacts { platform, interpreter, needed, run_path, is_static })
}

/// Refuses a file that ends before what its headers speak of: it was cut off while it was written or copied.
fn check_whole<H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    segments: &[H::ProgramHeader],
    length: u64,
) -> Result<(), String> {
    let is_in = |start: u64, size: u64| start.checked_add(size).is_some_and(|end| end <= length);
    let sections = (header.e_shoff(endian).into(), u64::from(header.e_shnum(endian)));
    let size = u64::from(header.e_shentsize(endian)) * sections.1;
    if sections.0 != 0 && !is_in(sections.0, size) {
        return Err("the file is truncated: its section headers are beyond its end".to_owned());
    }
    for segment in segments {
        let (start, size) = (segment.p_offset(endian).into(), segment.p_filesz(endian).into());
        if size > 0 && !is_in(start, size) {
            return Err("the file is truncated: a segment is beyond its end".to_owned());
        }
    }
    Ok(())
}

/// Go's name for the machine.
fn platform(machine: elf::Machine, endian: Endianness, wide: bool) -> Option<Platform> {
    let little = endian == Endianness::Little;
    let architecture = match (machine, wide, little) {
        (elf::EM_X86_64, true, _) => "amd64",
        (elf::EM_386, ..) => "386",
        (elf::EM_AARCH64, true, true) => "arm64",
        (elf::EM_ARM, _, true) => "arm",
        (elf::EM_PPC64, _, true) => "ppc64le",
        (elf::EM_PPC64, _, false) => "ppc64",
        (elf::EM_S390, true, _) => "s390x",
        (elf::EM_RISCV, true, _) => "riscv64",
        (elf::EM_LOONGARCH, true, _) => "loong64",
        (elf::EM_MIPS, true, true) => "mips64le",
        (elf::EM_MIPS, true, false) => "mips64",
        (elf::EM_MIPS, false, true) => "mipsle",
        (elf::EM_MIPS, false, false) => "mips",
        _ => return None,
    };
    Platform::new("linux", architecture, None).ok()
}
