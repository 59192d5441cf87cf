//! The interpreter and the dynamic section of an ELF file.
//!
//! Only headers and tables are read. All strings are bounded, and so is their number.

use object::elf;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endian as _, Endianness, ReadRef};
use serde::{Deserialize, Serialize};

use super::machine::{HEAD, Machine};
use super::versions::{MAX_TABLE, SymbolVersions, VersionTable};

/// The kernel refuses programs with more bytes of program headers.
const MAX_HEADERS: u64 = 64 << 10;
/// A library's name or the loader's path is a file name; longer ones are an attack.
const MAX_STRING: u64 = 4096;
/// 65,536 dynamic entries; real programs have some dozens.
const MAX_SEGMENT: u64 = 1 << 20;
/// All strings of one file together, in bytes. Real programs have less than two kilobytes.
const MAX_STRINGS: usize = 256 << 10;

/// The statements of an ELF file about what is loaded with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dynamic {
    /// The loader that starts it (`PT_INTERP`): it is a program.
    pub interpreter: Option<String>,
    /// Its own name (`DT_SONAME`): it is a library.
    pub soname: Option<String>,
    /// The libraries that it is linked with (`DT_NEEDED`), in its order.
    pub needed: Vec<String>,
    /// The directories that it wants searched (`DT_RUNPATH`, else `DT_RPATH`), as they are written.
    pub run_path: Vec<String>,
    /// Whether these directories are also searched for the libraries of its libraries, as those of `DT_RPATH` are.
    pub is_inherited: bool,
    /// Why no loader loads it as a library.
    pub flaw: Option<LibraryFlaw>,
    /// The versions of symbols that it speaks of; `None` where nothing tells.
    pub versions: Option<SymbolVersions>,
}

/// Why an ELF file is no library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LibraryFlaw {
    /// It ends before a segment does.
    Truncated,
    /// It has no program headers, so that nothing of it would be loaded: the kernel does not start it either.
    NoSegments,
    /// No segment of it is one that the kernel or a loader can map: none is to be loaded, or one lies at an offset that does
    /// not fit its address.
    Unloadable,
    /// It is a program: one at a fixed address, or one that says that it is one (`DF_1_PIE`).
    Program,
}

impl LibraryFlaw {
    const NAMES: [(Self, &str); 4] = [
        (Self::Truncated, "truncated"),
        (Self::NoSegments, "no-segments"),
        (Self::Unloadable, "unloadable"),
        (Self::Program, "program"),
    ];

    /// The words of a message about a file that the kernel does not start.
    #[must_use]
    pub const fn of_program(self) -> Option<&'static str> {
        match self {
            Self::Truncated => Some("is truncated"),
            Self::NoSegments => Some("has no program headers, and the kernel starts no such file"),
            Self::Unloadable => Some("has no segments that the kernel can load"),
            Self::Program => None,
        }
    }

    /// The word that `build.lock` has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(flaw, _)| *flaw == self).map_or("", |(_, name)| name)
    }

    /// The flaw with this word.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, word)| *word == name).map(|(flaw, _)| *flaw)
    }
}

impl Dynamic {
    /// The statements of a file that a loader may load; `None` for what is no ELF file.
    ///
    /// # Errors
    /// When an ELF file is not understood, in words.
    pub fn of<'d>(data: impl ReadRef<'d>) -> Result<Option<Self>, String> {
        let length = data.len().map_err(|()| "its length is not known".to_owned())?;
        let head = data.read_bytes_at(0, length.min(HEAD as u64));
        let head = head.map_err(|()| "its first bytes cannot be read".to_owned())?;
        if Machine::of(head).is_none() {
            return Ok(None);
        }
        if is_cut_off(head, data) {
            return Ok(Some(Self { flaw: Some(LibraryFlaw::Truncated), ..Self::default() }));
        }
        ElfFile::read(data).map(|file| Some(file.dynamic))
    }

    /// Whether nothing is loaded with it, and nothing says that it is a library.
    #[must_use]
    pub fn is_static_program(&self) -> bool {
        let Self { interpreter, soname, needed, run_path, is_inherited: _, flaw, versions: _ } = self;
        let is_broken =
            matches!(flaw, Some(LibraryFlaw::Truncated | LibraryFlaw::NoSegments | LibraryFlaw::Unloadable));
        let says_nothing = needed.is_empty() && run_path.is_empty() && !is_broken;
        says_nothing && interpreter.is_none() && soname.is_none()
    }

    /// Without the versions that it needs of others: those of a base fit each other.
    #[must_use]
    pub fn without_needed_versions(mut self) -> Self {
        self.versions = self.versions.map(|all| SymbolVersions { needed: Vec::new(), ..all });
        self
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn cost(&self) -> usize {
        const EACH: usize = 32;
        let names = self.interpreter.iter().chain(&self.soname).chain(&self.needed).chain(&self.run_path);
        let versions = self.versions.as_ref().map_or(0, |versions| versions.cost(EACH));
        EACH * 4 + names.map(|name| EACH + name.len()).sum::<usize>() + versions
    }
}

/// The kind of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfKind {
    /// A program at a fixed address.
    Program,
    /// A library, or a program that runs at any address.
    Shared,
    /// An object file, a core dump, or something else.
    Other,
}

/// An ELF file.
#[derive(Clone, Debug)]
pub struct ElfFile {
    /// The machine that it is for.
    pub machine: Machine,
    /// Its kind.
    pub kind: ElfKind,
    /// The number of its ABI (`EI_OSABI`).
    pub abi: u8,
    /// Where it starts; 0 for most libraries.
    pub entry: u64,
    /// Whether it says that it is a program (`DF_1_PIE`).
    pub is_pie: bool,
    /// Its interpreter and dynamic section.
    pub dynamic: Dynamic,
    /// Where the names of its symbols and libraries are: offset and size in bytes.
    pub strings: Option<(u64, u64)>,
    /// The level of x86-64 that its loader asks the processor for: 1 to 4.
    pub level: u32,
}

impl ElfFile {
    /// Reads the headers and tables of the file `data`.
    ///
    /// # Errors
    /// When it is no ELF file, or they are not in it, in words.
    pub fn read<'d>(data: impl ReadRef<'d>) -> Result<Self, String> {
        let head = data.read_bytes_at(0, HEAD as u64).map_err(|()| "the file is truncated".to_owned())?;
        let machine = Machine::of(head).ok_or("it has no ELF magic")?;
        match head[4] {
            1 => read::<elf::FileHeader32<Endianness>>(machine, data),
            2 => read::<elf::FileHeader64<Endianness>>(machine, data),
            _ => Err("its class is neither 32 nor 64 bits".to_owned()),
        }
    }

    /// Refuses a file that ends before what its headers speak of: it was cut off while it was written or copied.
    ///
    /// # Errors
    /// For such a file, in words.
    pub fn check_whole<'d>(data: impl ReadRef<'d>) -> Result<(), String> {
        match data.read_bytes_at(4, 1) {
            Ok([1]) => check_whole::<elf::FileHeader32<Endianness>>(data),
            Ok([2]) => check_whole::<elf::FileHeader64<Endianness>>(data),
            Ok(_) => Err("its class is neither 32 nor 64 bits".to_owned()),
            Err(()) => Err(format!("{TRUNCATED}: it ends within its header")),
        }
    }
}

/// Whether a file ends before its headers or segments do. Sections do not count: no loader reads them.
fn is_cut_off<'d>(head: &[u8], data: impl ReadRef<'d>) -> bool {
    fn is_cut_off<'d, H: FileHeader<Endian = Endianness>>(data: impl ReadRef<'d>) -> bool {
        let length = data.len().unwrap_or_default();
        if length < size_of::<H>() as u64 {
            return true;
        }
        let Ok(header) = H::parse(data) else { return false };
        let Ok(endian) = header.endian() else { return false };
        let size = u64::from(header.e_phentsize(endian)) * u64::from(header.e_phnum(endian));
        if header.e_phoff(endian).into().saturating_add(size) > length {
            return true;
        }
        if check_headers(header, endian).is_err() {
            return false;
        }
        let segments = header.program_headers(endian, data).unwrap_or_default();
        segments.iter().any(|segment| {
            let size: u64 = segment.p_filesz(endian).into();
            let end = segment.p_offset(endian).into().saturating_add(size);
            segment.p_type(endian) == elf::PT_LOAD && size > 0 && end > length
        })
    }
    match head.get(4) {
        Some(1) => is_cut_off::<elf::FileHeader32<Endianness>>(data),
        Some(2) => is_cut_off::<elf::FileHeader64<Endianness>>(data),
        _ => false,
    }
}

/// Where the dynamic section of the file that begins with `head` is: offset and size in bytes.
pub(super) fn place_of_dynamic(head: &[u8]) -> Option<(u64, u64)> {
    fn place<H: FileHeader<Endian = Endianness>>(head: &[u8]) -> Option<(u64, u64)> {
        let header = H::parse(head).ok()?;
        let endian = header.endian().ok()?;
        let segments = header.program_headers(endian, head).ok()?;
        let dynamic = segments.iter().find(|segment| segment.p_type(endian) == elf::PT_DYNAMIC)?;
        let size = dynamic.p_filesz(endian).into();
        (size <= MAX_SEGMENT).then(|| (dynamic.p_offset(endian).into(), size))
    }
    match head.get(4)? {
        1 => place::<elf::FileHeader32<Endianness>>(head),
        2 => place::<elf::FileHeader64<Endianness>>(head),
        _ => None,
    }
}

/// How the reason begins where a file was cut off.
pub const TRUNCATED: &str = "the file is truncated";

fn text(error: object::read::Error) -> String {
    error.to_string()
}

fn read<'d, H: FileHeader<Endian = Endianness>>(
    machine: Machine,
    data: impl ReadRef<'d>,
) -> Result<ElfFile, String> {
    let header = H::parse(data).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let kind = match header.e_type(endian) {
        elf::ET_EXEC => ElfKind::Program,
        elf::ET_DYN => ElfKind::Shared,
        _ => ElfKind::Other,
    };
    check_headers(header, endian)?;
    let segments = header.program_headers(endian, data).map_err(text)?;
    let mut found = Dynamic::default();
    let mut dynamic: &[H::Dyn] = &[];
    let mut level = 1;
    let mut seen = Vec::new();
    for segment in segments {
        let kind = segment.p_type(endian);
        let is_read = kind == elf::PT_INTERP || kind == elf::PT_DYNAMIC;
        if is_read && seen.contains(&kind) {
            return Err("it has two interpreters or two dynamic sections".to_owned());
        }
        if is_read {
            seen.push(kind);
        }
        if is_read && segment.p_filesz(endian).into() > MAX_SEGMENT {
            return Err("its dynamic section or interpreter is absurdly large".to_owned());
        }
        if kind == elf::PT_INTERP && segment.p_filesz(endian).into() > MAX_STRING {
            return Err("its dynamic section or interpreter is absurdly large".to_owned());
        }
        if let Some(bytes) = segment.interpreter(endian, data).map_err(text)? {
            found.interpreter = Some(String::from_utf8_lossy(bytes).into_owned());
        }
        if let Some(table) = segment.dynamic(endian, data).map_err(text)? {
            dynamic = table;
        }
        let is_amd64 = machine.name() == Some("amd64");
        if is_amd64 && kind == elf::PT_GNU_PROPERTY && segment.p_filesz(endian).into() <= MAX_STRING {
            let offset = segment.p_offset(endian).into();
            let notes = data.read_bytes_at(offset, segment.p_filesz(endian).into());
            level = notes.map_or(level, level_in);
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
    let mut left = MAX_STRINGS;
    let mut string = |at: u64| -> Result<String, String> {
        let start = strings.and_then(|strings| strings.checked_add(at));
        let start = start.ok_or("its string table is outside the file")?;
        let end = start.saturating_add(MAX_STRING).min(data.len().unwrap_or_default());
        let bytes =
            data.read_bytes_at_until(start..end, 0).map_err(|()| "a library's name is outside the file")?;
        left = left.checked_sub(bytes.len() + 1).ok_or("its names of libraries are absurdly long")?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    };
    let mut strings_of = |tag| {
        let entries = dynamic.iter().filter(move |entry| entry.tag(endian) == tag);
        entries.map(|entry| string(entry.val(endian))).collect::<Result<Vec<_>, _>>()
    };
    found.needed = strings_of(elf::DT_NEEDED)?;
    let mut run_path = strings_of(elf::DT_RUNPATH)?;
    if run_path.is_empty() {
        run_path = strings_of(elf::DT_RPATH)?;
        found.is_inherited = !run_path.is_empty();
    }
    found.run_path = run_path.iter().flat_map(|path| path.split(':')).map(str::to_owned).collect();
    found.soname = strings_of(elf::DT_SONAME)?.into_iter().next();
    // The bytes of a table, as far as it is read: its length stands nowhere.
    let table = |tag, count| -> Option<VersionTable<'d>> {
        let offset = value(tag).and_then(offset_of)?;
        let size = data.len().ok()?.checked_sub(offset)?.min(MAX_TABLE);
        let bytes = data.read_bytes_at(offset, size).ok()?;
        Some(VersionTable { bytes, is_little: endian.is_little_endian(), count: value(count)? })
    };
    let mut versions = Some(SymbolVersions::default());
    if value(elf::DT_VERNEED).is_some() {
        let needed = table(elf::DT_VERNEED, elf::DT_VERNEEDNUM).and_then(|table| table.needed(&mut string));
        versions = needed.map(|needed| SymbolVersions { needed, ..SymbolVersions::default() });
    }
    if value(elf::DT_VERDEF).is_some() {
        let defined = table(elf::DT_VERDEF, elf::DT_VERDEFNUM).and_then(|table| table.defined(&mut string));
        versions = versions.and_then(|all| Some(SymbolVersions { defined: defined?, ..all }));
    }
    found.versions = versions;
    // A page of every processor has at least this size.
    let is_mapped = |segment: &&H::ProgramHeader| {
        let (address, offset): (u64, u64) = (segment.p_vaddr(endian).into(), segment.p_offset(endian).into());
        segment.p_filesz(endian).into() == 0 || address % PAGE == offset % PAGE
    };
    let mut loaded = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD).peekable();
    let is_loadable = loaded.peek().is_some() && loaded.all(|segment| is_mapped(&segment));
    let is_pie = value(elf::DT_FLAGS_1).is_some_and(|flags| flags & elf::DF_1_PIE.0 != 0);
    found.flaw = match kind {
        ElfKind::Program | ElfKind::Shared if segments.is_empty() => Some(LibraryFlaw::NoSegments),
        ElfKind::Program | ElfKind::Shared if !is_loadable => Some(LibraryFlaw::Unloadable),
        ElfKind::Program => Some(LibraryFlaw::Program),
        _ => is_pie.then_some(LibraryFlaw::Program),
    };
    Ok(ElfFile {
        machine,
        kind,
        abi: header.e_ident().os_abi.0,
        entry: header.e_entry(endian).into(),
        is_pie,
        dynamic: found,
        strings: strings.zip(value(elf::DT_STRSZ)),
        level,
    })
}

/// The size of the smallest page of memory.
const PAGE: u64 = 4096;

/// The level of x86-64 in a note of properties (System V ABI, AMD64 supplement: `GNU_PROPERTY_X86_ISA_1_NEEDED`).
fn level_in(note: &[u8]) -> u32 {
    /// Lengths of name and content, kind, and the name `GNU`.
    const HEAD: usize = 16;
    const NEEDED: u32 = 0xc000_8002;
    let word =
        |at: usize| -> Option<u32> { Some(u32::from_le_bytes(note.get(at..at + 4)?.try_into().ok()?)) };
    let mut at = HEAD;
    while let (Some(kind), Some(size), Some(bits)) = (word(at), word(at + 4), word(at + 8)) {
        if kind == NEEDED && size == 4 {
            return (u32::BITS - (bits & 0xf).leading_zeros()).max(1);
        }
        at += 8 + (size as usize).next_multiple_of(8);
    }
    1
}

/// Refuses a table of program headers that Linux would not read.
fn check_headers<H: FileHeader<Endian = Endianness>>(header: &H, endian: Endianness) -> Result<(), String> {
    let size = u64::from(header.e_phentsize(endian)) * u64::from(header.e_phnum(endian));
    if size > MAX_HEADERS {
        return Err(format!("its program headers have {size} bytes, and Linux reads {MAX_HEADERS} of them"));
    }
    Ok(())
}

fn check_whole<'d, H: FileHeader<Endian = Endianness>>(data: impl ReadRef<'d>) -> Result<(), String> {
    let length = data.len().unwrap_or_default();
    if length < size_of::<H>() as u64 {
        return Err(format!("{TRUNCATED}: it ends within its header"));
    }
    let header = H::parse(data).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let size = u64::from(header.e_phentsize(endian)) * u64::from(header.e_phnum(endian));
    let end = Into::<u64>::into(header.e_phoff(endian)).saturating_add(size);
    if end > length {
        return Err(format!("{TRUNCATED}: its program headers are beyond its end"));
    }
    check_headers(header, endian)?;
    let segments = header.program_headers(endian, data).map_err(text)?;
    let is_in = |start: u64, size: u64| start.checked_add(size).is_some_and(|end| end <= length);
    let sections = (header.e_shoff(endian).into(), u64::from(header.e_shnum(endian)));
    let size = u64::from(header.e_shentsize(endian)) * sections.1;
    if sections.0 != 0 && !is_in(sections.0, size) {
        return Err(format!("{TRUNCATED}: its section headers are beyond its end"));
    }
    for segment in segments {
        let (start, size) = (segment.p_offset(endian).into(), segment.p_filesz(endian).into());
        if size > 0 && !is_in(start, size) {
            return Err(format!("{TRUNCATED}: a segment is beyond its end"));
        }
    }
    Ok(())
}
