//! Programs and libraries: the sections of an ELF file in which Go and Rust list what is linked in.

use object::elf::{FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader as _};
use object::{Endianness, ReadCache, ReadRef};

use super::file_body::FileBody;
use super::go::{self, GoBuild};
use super::rust;
use crate::formats::elf::ELF_MAGIC;
use crate::sbom::package::PackageFacts;

/// The largest section that is read.
const MAX_SECTION: u64 = 16 << 20;
/// The largest table of sections' names, and the most sections.
const MAX_NAMES: u64 = 4 << 20;
const MAX_SECTIONS: u32 = 0xffff;

/// The packages that a program lists.
pub(super) enum ProgramPackages {
    /// The packages that are linked in, by ecosystem.
    Go(Vec<PackageFacts>),
    /// The crates that are linked in.
    Rust(Vec<PackageFacts>),
    /// A list that cannot be read.
    Unread(&'static str),
    /// Nothing.
    Nothing,
}

/// The packages that the program in `body` lists.
pub(super) fn program(body: &FileBody) -> ProgramPackages {
    match (body.bytes(), body.file()) {
        (Some(bytes), _) => read(bytes),
        (None, Some(file)) => read(&ReadCache::new(file)),
        (None, None) => ProgramPackages::Nothing,
    }
}

fn read<'d>(data: impl ReadRef<'d>) -> ProgramPackages {
    if let Some(section) = section(data, rust::SECTION) {
        return rust::crates(section)
            .map_or(ProgramPackages::Unread("the list of its crates cannot be read"), ProgramPackages::Rust);
    }
    match section(data, go::SECTION).and_then(go::build_info) {
        Some(GoBuild::Modules(modules)) => ProgramPackages::Go(modules),
        Some(GoBuild::Older) => {
            ProgramPackages::Unread("it is a program of Go 1.17 or older, whose modules are not read")
        }
        None => ProgramPackages::Nothing,
    }
}

/// The content of the section `name` of an ELF file.
fn section<'d>(data: impl ReadRef<'d>, name: &str) -> Option<&'d [u8]> {
    let start = data.read_bytes_at(0, 5).ok()?;
    if start[..4] != ELF_MAGIC[..] {
        return None;
    }
    match start[4] {
        1 => section_of::<FileHeader32<Endianness>, _>(data, name),
        _ => section_of::<FileHeader64<Endianness>, _>(data, name),
    }
}

/// Names are compared within one table, because a hostile file has many sections, and names of any length.
fn section_of<'d, H: FileHeader<Endian = Endianness>, R: ReadRef<'d>>(
    data: R,
    name: &str,
) -> Option<&'d [u8]> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    if header.shnum(endian, data).ok()? > MAX_SECTIONS {
        return None;
    }
    let sections = header.section_headers(endian, data).ok()?;
    let names = sections.get(usize::try_from(header.shstrndx(endian, data).ok()?).ok()?)?;
    let content = |section: &H::SectionHeader, limit: u64| {
        let size: u64 = section.sh_size(endian).into();
        (size <= limit).then(|| section.data(endian, data).ok()).flatten()
    };
    let names = content(names, MAX_NAMES)?;
    let is_named = |section: &&H::SectionHeader| {
        let start = usize::try_from(section.sh_name(endian)).ok();
        let rest =
            start.and_then(|start| names.get(start..)).and_then(|rest| rest.strip_prefix(name.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    };
    content(sections.iter().find(is_named)?, MAX_SECTION)
}

#[cfg(any(test, feature = "testing"))]
pub(super) mod fixture {
    /// A little-endian 64-bit file with one section of this name and content.
    pub(crate) fn elf(name: &str, content: &[u8]) -> Vec<u8> {
        let names = format!("\0{name}\0");
        let sections = 64 + content.len() + names.len();
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        file.resize(40, 0);
        file.extend((sections as u64).to_le_bytes());
        file.extend([0, 0, 0, 0, 64, 0, 56, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
        file.extend(content);
        file.extend(names.bytes());
        let header = |name: u32, kind: u32, offset: usize, size: usize| {
            let mut header = [name.to_le_bytes(), kind.to_le_bytes()].concat();
            header.resize(24, 0);
            header.extend((offset as u64).to_le_bytes());
            header.extend((size as u64).to_le_bytes());
            header.resize(64, 0);
            header
        };
        file.extend(header(0, 0, 0, 0));
        file.extend(header(1, 1, 64, content.len()));
        file.extend(header(0, 3, 64 + content.len(), names.len()));
        file
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::elf;
    use super::*;

    fn packages(file: Vec<u8>) -> Option<Vec<PackageFacts>> {
        match program(&FileBody::Memory(file)) {
            ProgramPackages::Go(found) | ProgramPackages::Rust(found) => Some(found),
            ProgramPackages::Unread(_) | ProgramPackages::Nothing => None,
        }
    }

    #[test]
    fn sections_are_found_by_name_in_memory_and_on_disk() {
        let go = elf(go::SECTION, &go::fixture::section("go1.24.1", "mod\tx.com/a\tv1.0.0\n"));
        assert_eq!(packages(go.clone()).expect("modules").len(), 2);
        let list = r#"{"packages":[{"name":"a","version":"1.0.0","source":"crates.io"}]}"#;
        assert_eq!(packages(elf(rust::SECTION, &rust::fixture::section(list))).expect("crates").len(), 1);
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, &go).expect("written");
        assert!(matches!(program(&FileBody::Disk(file)), ProgramPackages::Go(found) if found.len() == 2));
    }

    #[test]
    fn cut_and_other_files_tell_nothing() {
        let go = elf(go::SECTION, &go::fixture::section("go1.24.1", "mod\tx.com/a\tv1.0.0\n"));
        for end in 0..go.len() {
            let _ = packages(go[..end].to_vec());
        }
        assert_eq!(packages(b"#!/bin/sh\n".to_vec()), None);
        assert!(matches!(
            program(&FileBody::Memory(elf(rust::SECTION, b"damaged"))),
            ProgramPackages::Unread(_)
        ));
    }
}
