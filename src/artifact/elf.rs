//! The headers of an ELF program: its platform, and what it needs at run time.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use memchr::memmem;
use object::{ReadCache, ReadRef as _};

use super::error::ArtifactError;
use super::requirement::Search;
use crate::formats::elf::{Dynamic, ELF_MAGIC, ElfFile, ElfKind, LibraryFlaw, Machine};
use crate::runtime::input;
use crate::runtime::tree_reader::{TreeReader, leads_out};
use crate::types::finding::{Finding, Severity};
use crate::types::platform::Platform;
use crate::types::rule::Rule;

/// The facts in the headers of an ELF program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfFacts {
    /// The platform that it runs on. For `arm` without a word on the variant, that is `arm/v7`.
    pub platform: Platform,
    /// The names and search paths of its libraries.
    pub dynamic: Dynamic,
    /// Whether it needs neither loader nor libraries.
    pub is_static: bool,
    /// The level of x86-64 that its loader asks the processor for: 1 to 4.
    level: u32,
    /// Of an addon of Node.js, the version of the interface that it is for, where its symbols say it.
    pub(super) node_interface: Option<u32>,
}

impl ElfFacts {
    /// Its platform, with the level of instructions that it needs.
    pub(super) fn needed_platform(&self) -> Platform {
        let Self { platform, level, .. } = self;
        let leveled = (*level > 1)
            .then(|| Platform::new(platform.os(), platform.architecture(), Some(&format!("v{level}"))));
        leveled.and_then(Result::ok).unwrap_or_else(|| platform.clone())
    }
}

/// Whether a program on an empty base looks for certificates that are not there.
pub(super) fn findings(path: &Path, facts: &ElfFacts, search: Search) -> Result<Vec<Finding>, ArtifactError> {
    if !search.is_base_empty || !facts.is_static || !mentions_certificates(path)? {
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

/// The section of a native image that GraalVM makes: the objects that exist when it starts.
const NATIVE_IMAGE: &[u8] = b".svm_heap";

/// The libraries that `native-image` writes beside a program that uses AWT, sound or preferences. The program looks for
/// them in its own directory.
const OF_NATIVE_IMAGES: [&str; 17] = [
    "libawt.so",
    "libawt_headless.so",
    "libawt_xawt.so",
    "libfontmanager.so",
    "libfreetype.so",
    "libjava.so",
    "libjavajpeg.so",
    "libjawt.so",
    "libjsound.so",
    "libjvm.so",
    "liblcms.so",
    "libmlib_image.so",
    "libnet.so",
    "libnio.so",
    "libprefs.so",
    "libsplashscreen.so",
    "libzip.so",
];

/// The files beside a native image of GraalVM that it loads: their names, and where each lies; `None` for another
/// program.
///
/// # Errors
/// When the program or its directory cannot be read, or one of them is a link that leads out of the directory.
pub(super) fn native_image_libraries(
    path: &Path,
) -> Result<Option<Vec<(&'static str, PathBuf)>>, ArtifactError> {
    let io = |source| ArtifactError::Io { path: path.to_owned(), source };
    let (file, _) = input::open(path).map_err(io)?;
    let is_native_image = section_names(&file)
        .is_some_and(|names| names.split(|byte| *byte == 0).any(|name| name == NATIVE_IMAGE));
    if !is_native_image {
        return Ok(None);
    }
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut libraries = Vec::new();
    for name in OF_NATIVE_IMAGES {
        match TreeReader::new(directory).resolve(name.as_ref()) {
            Ok((library, metadata)) if metadata.is_file() => libraries.push((name, library)),
            Err(error) if leads_out(&error) => {
                let why = format!("`{name}` beside it is a link that leads out of their directory");
                let hint = "put the library itself beside the program".to_owned();
                return Err(ArtifactError::Unfit { path: path.to_owned(), why, hint });
            }
            _ => {}
        }
    }
    Ok(Some(libraries))
}

/// The names of the sections of a 64-bit little-endian program, each with a NUL at its end; `None` where there are none, or
/// the program is of another form, which GraalVM does not make.
fn section_names(file: &File) -> Option<Vec<u8>> {
    /// GraalVM and the linker name some forty sections.
    const MAX_NAMES: u64 = 64 << 10;
    const CLASS_64_LITTLE: [u8; 2] = [2, 1];
    let read = |offset: u64, length: usize| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
    };
    let number = |bytes: &[u8], at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let half =
        |bytes: &[u8], at: usize| Some(u64::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let header = read(0, 64)?;
    if header[4..6] != CLASS_64_LITTLE {
        return None;
    }
    let (table, size, index) = (number(&header, 40)?, half(&header, 58)?, half(&header, 62)?);
    let section = read(table.checked_add(size.checked_mul(index)?)?, 64)?;
    let (offset, length) = (number(&section, 24)?, number(&section, 32)?);
    read(offset, usize::try_from(length.min(MAX_NAMES)).ok()?)
}

/// Reads the headers and tables of the program at `path`.
pub(super) fn read_facts(path: &Path) -> Result<ElfFacts, ArtifactError> {
    let (file, _) =
        input::open(path).map_err(|source| ArtifactError::Io { path: path.to_owned(), source })?;
    read_open(file, path, ElfRole::Program)
}

/// The same of a shared library that a program loads; `None` if it is no ELF file.
pub(super) fn read_module_facts(path: &Path) -> Result<Option<ElfFacts>, ArtifactError> {
    let io = |source| ArtifactError::Io { path: path.to_owned(), source };
    let (file, _) = input::open(path).map_err(io)?;
    let is_addon = path.extension().is_some_and(|end| end == "node");
    let role = if is_addon { ElfRole::Addon } else { ElfRole::Library };
    let mut head = [0; ELF_MAGIC.len()];
    match file.read_exact_at(&mut head, 0) {
        Ok(()) if head == *ELF_MAGIC => read_open(file, path, role).map(Some),
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(io(error)),
    }
}

/// How a file is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ElfRole {
    /// It is started.
    Program,
    /// A program loads it.
    Library,
    /// Node.js loads it.
    Addon,
}

fn read_open(file: File, path: &Path, role: ElfRole) -> Result<ElfFacts, ArtifactError> {
    // Only the headers and tables that are looked at are read.
    facts_of(&ReadCache::new(file), role)
        .map_err(|why| ArtifactError::NotAProgram { path: path.to_owned(), why })
}

fn facts_of(data: &ReadCache<File>, role: ElfRole) -> Result<ElfFacts, String> {
    ElfFile::check_whole(data)?;
    let file = ElfFile::read(data)?;
    if ![ABI_NONE, ABI_GNU].contains(&file.abi) {
        return Err(format!("its ABI is that of another system ({})", file.abi));
    }
    if file.kind == ElfKind::Other {
        return Err("it is an object or core file, not an executable".to_owned());
    }
    let platform = platform(file.machine)
        .ok_or_else(|| format!("machine {} has no platform name", file.machine.number()))?;
    let dynamic = file.dynamic;
    if let Some(flaw) = dynamic.flaw.and_then(LibraryFlaw::of_program).filter(|_| role == ElfRole::Program) {
        return Err(format!("it {flaw}"));
    }
    let starts =
        dynamic.interpreter.is_some() || file.is_pie || (file.entry != 0 && dynamic.soname.is_none());
    if file.kind == ElfKind::Shared && !starts && role == ElfRole::Program {
        return Err("it is a shared library".to_owned());
    }
    let is_static = dynamic.interpreter.is_none() && dynamic.needed.is_empty();
    let strings = file.strings.filter(|_| role == ElfRole::Addon);
    let strings = strings.and_then(|(at, size)| data.read_bytes_at(at, size.min(MAX_STRINGS)).ok());
    let node_interface = strings.and_then(node_interface);
    Ok(ElfFacts { platform, dynamic, is_static, level: file.level, node_interface })
}

/// The names of symbols of large addons have less.
const MAX_STRINGS: u64 = 4 << 20;

/// The number in the name of the function that Node.js registers an addon by, unless it has the one of Node-API.
fn node_interface(strings: &[u8]) -> Option<u32> {
    const REGISTER: &[u8] = b"node_register_module_v";
    if memmem::find(strings, b"napi_register_module_v").is_some() {
        return None;
    }
    let rest = &strings[memmem::find(strings, REGISTER)? + REGISTER.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// `EI_OSABI` of programs for Linux.
const ABI_NONE: u8 = 0;
const ABI_GNU: u8 = 3;

/// The platform with Go's name for the machine. Those that Go has no name for are none.
fn platform(machine: Machine) -> Option<Platform> {
    let architecture = machine.name().filter(|name| !["x32", "arm64be"].contains(name))?;
    Platform::new("linux", architecture, None).ok()
}
