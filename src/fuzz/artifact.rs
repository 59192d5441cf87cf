//! Artifacts: applications in files that a text lists, and programs.
//!
//! An application is a text of parts that begin with a line `=== PATH`. A path with a `!` is that of an entry in an archive,
//! and one that begins with `@` that of a symbolic link. So one text has all the small files that tell what an application is:
//! manifests, indexes, locks, metadata, scripts.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::artifact::{AppOptions, AppRoot, Artifact, ArtifactLayout, Search, detect, propose, requirements};
use crate::formats::elf::{Dynamic, ElfFile, StreamedElf};
use crate::formats::zip::fixture::{Item, write};
use crate::layer::EntryPath;
use crate::layer::scan::Scanner;
use crate::types::error::{Explain, Kind};

/// The line that begins a part.
const PART: &[u8] = b"=== ";

/// The most parts of a text.
const PARTS: usize = 64;

/// The file that is the artifact; without it, the directory is.
const FILE: &str = "app.jar";

/// Writes the files of a text below `directory`.
fn lay_out(directory: &Path, text: &[u8]) {
    let mut archives: BTreeMap<&[u8], Vec<Item>> = BTreeMap::new();
    let mut starts: Vec<usize> = memchr::memmem::find_iter(text, PART).collect();
    starts.retain(|start| *start == 0 || text[start - 1] == b'\n');
    starts.truncate(PARTS);
    let ends: Vec<usize> = starts.iter().copied().skip(1).chain([text.len()]).collect();
    for (start, end) in starts.into_iter().zip(ends) {
        let part = &text[start + PART.len()..end];
        let line = memchr::memchr(b'\n', part).unwrap_or(part.len());
        let (path, content) = (&part[..line], part.get(line + 1..).unwrap_or_default());
        match path.iter().position(|byte| *byte == b'!') {
            Some(at) => archives.entry(&path[..at]).or_default().push(entry(&path[at + 1..], content)),
            None => write_file(directory, path, content),
        }
    }
    for (path, items) in archives {
        write_file(directory, path, &write(&items));
    }
}

fn entry(name: &[u8], content: &[u8]) -> Item {
    match name.strip_prefix(b"@") {
        Some(name) => Item::stored(name, content.trim_ascii_end()).unix(0o120_777),
        None => Item::stored(name, if name.ends_with(b"/") { b"" } else { content }),
    }
}

/// Writes a file or link, where its path stays below the directory. One that the system refuses is left out.
fn write_file(directory: &Path, path: &[u8], content: &[u8]) {
    let (path, is_link) = path.strip_prefix(b"@").map_or((path, false), |path| (path, true));
    let Ok(path) = EntryPath::new(path) else { return };
    let place = directory.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
    // A link of the text may stand above it.
    let parent = place.parent().and_then(|parent| {
        std::fs::create_dir_all(parent).ok()?;
        std::fs::canonicalize(parent).ok()
    });
    if !parent.is_some_and(|parent| parent.starts_with(directory)) {
        return;
    }
    let _ = match is_link {
        true => std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(content.trim_ascii_end()), &place),
        // Never through a link that stands there.
        false => std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&place)
            .and_then(|mut file| std::io::Write::write_all(&mut file, content)),
    };
}

/// An error is the input's fault, is said in one line, and has a way out.
fn explained(error: &(impl Explain + std::fmt::Debug)) {
    let said = error.to_string();
    assert!(!said.is_empty() && !said.chars().any(char::is_control), "{said:?}");
    assert_ne!(error.kind(), Kind::Bug, "{said}");
    let is_of_system = std::error::Error::source(error).is_some();
    let hint = error.hint();
    assert!(is_of_system || hint.is_some(), "no way out: {said}");
    assert!(hint.iter().all(|hint| !hint.is_empty() && !hint.contains('\n')), "{hint:?}");
}

/// Any application is refused with a way out, or becomes layers that are the same every time.
pub(super) fn application(data: &[u8]) {
    let Ok(place) = tempfile::tempdir().and_then(|place| Ok((place.path().canonicalize()?, place))) else {
        return;
    };
    let (directory, _place) = place;
    lay_out(&directory, data);
    let file = directory.join(FILE);
    match detect(if file.is_file() { &file } else { &directory }, &directory) {
        Ok(artifact) => {
            let layouts = artifact.kind.layouts().iter().copied().map(Some);
            for layout in std::iter::once(None).chain(layouts) {
                proposed(&artifact, layout);
            }
        }
        Err(error) => explained(&error),
    }
}

fn proposed(artifact: &Artifact, layout: Option<ArtifactLayout>) {
    let root = EntryPath::new(b"srv/app").ok();
    let options =
        AppOptions { layout, root: root.clone().map(AppRoot::At), into_root: true, ..AppOptions::default() };
    let scanner = Scanner::default();
    let once = || propose(artifact, &options, None, &scanner);
    match once() {
        Ok(proposal) => {
            assert!(!proposal.layers.is_empty(), "no layers");
            assert_eq!(
                format!("{proposal:?}"),
                format!("{:?}", once().ok().unwrap_or_default()),
                "not the same"
            );
            let said = proposal.notes.iter().chain(&proposal.warnings);
            for text in said.chain(proposal.layers.iter().map(|layer| &layer.why)) {
                assert!(!text.chars().any(char::is_control), "{text:?}");
            }
            let mut all = std::collections::BTreeSet::new();
            for layer in &proposal.layers {
                let paths = || layer.entries.iter().map(|entry| &entry.path);
                assert!(
                    paths().is_sorted_by(|one, next| one < next),
                    "a layer is not sorted: {:?}",
                    layer.entries
                );
                assert!(paths().all(|path| path.as_bytes().starts_with(b"srv/app")), "not below its root");
                let files = layer.entries.iter().filter(|entry| !entry.is_directory());
                for entry in files {
                    assert!(all.insert(&entry.path), "{:?} is in two layers", entry.path);
                }
            }
        }
        Err(error) => explained(&error),
    }
    for search in [Search::on(None)] {
        if let Err(error) = requirements(artifact, &options, search, &scanner) {
            explained(&error);
        }
    }
    if let Err(error) = artifact.companions() {
        explained(&error);
    }
}

/// All readers of an ELF file agree, and what they keep of it is bounded.
pub(super) fn elf(data: &[u8]) {
    /// The most that strings may take, with the loader's path.
    const MOST: usize = 4 << 20;
    let dynamic = Dynamic::of(data);
    if let Ok(Some(dynamic)) = &dynamic {
        assert!(dynamic.cost() <= MOST);
    }
    if let Ok(file) = ElfFile::read(data) {
        let is_whole = ElfFile::check_whole(data).is_ok();
        let of_file = dynamic.as_ref().ok().and_then(Option::as_ref);
        assert!(!is_whole || of_file == Some(&file.dynamic), "two readers of one file");
    }
    let mut streamed = StreamedElf::new(data.len() as u64);
    data.chunks(37).for_each(|piece| streamed.push(piece));
    let (_, of_stream) = streamed.finish();
    assert_eq!(of_stream, dynamic.ok().flatten(), "read as it streams by");
}
