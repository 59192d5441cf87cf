//! Tar archives, compressed by gzip or not, as archives of stored entries.
//!
//! A tar has no directory, and of a compressed one no part can be read without all before it. So it is read once, from
//! its beginning to its end: the contents of its files go into a nameless file, and everything else is as of a zip
//! archive: names are relative and normal, no file occurs twice, and nothing lies below a file or link.
//!
//! The size that an archive may unpack to is bounded: see [`limit_of`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use super::archive::ZipArchive;
use super::entry::{ArchiveEntry, ArchiveEntryKind, Method};
use super::error::{EntryProblem, ZipError};
use super::names::{NameBudget, normalise};
use crate::formats::untar::{ARTIFACT, ReadThrough, TarEntry, TarWalk, UntarError};
use crate::runtime::input;
use crate::types::stamp::Stamp;

const GZIP: &[u8] = &[0x1f, 0x8b];

/// Where the header of a tar says what it is, and what it says.
const MAGIC: (usize, &[u8]) = (257, b"ustar");

/// Any archive may unpack to so many bytes.
const FREE: u64 = 256 << 20;

/// A larger archive may unpack to so many times its size.
const RATIO: u64 = 32;

/// No archive may unpack to more.
const MOST: u64 = 8 << 30;

/// The most that an archive of `size` bytes may unpack to.
fn limit_of(size: u64) -> u64 {
    size.saturating_mul(RATIO).clamp(FREE, MOST)
}

impl ZipArchive {
    /// Whether `start`, the first bytes of a file, are those of a tar archive, compressed by gzip or not.
    #[must_use]
    pub fn is_tar(start: &[u8]) -> bool {
        let (at, magic) = MAGIC;
        if !start.starts_with(GZIP) {
            return start.get(at..at + magic.len()) == Some(magic);
        }
        let mut header = vec![0; at + magic.len()];
        MultiGzDecoder::new(start).read_exact(&mut header).is_ok() && &header[at..] == magic
    }

    /// Reads the tar archive at `path`, and keeps the contents of its files in a nameless file in `scratch`.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, unpacks to too much, has an entry that breaks an invariant of this module, or when
    /// there is no room.
    pub fn from_tar(path: &Path, scratch: &Path) -> Result<Self, ZipError> {
        let unreadable = |source| ZipError::Io { path: path.to_owned(), source };
        let (mut file, metadata) = input::open(path).map_err(unreadable)?;
        let stamp = Stamp::of(&metadata);
        let mut start = [0; GZIP.len()];
        let is_compressed = file.read_exact(&mut start).is_ok() && start == GZIP;
        io::Seek::rewind(&mut file).map_err(unreadable)?;
        let limit = if is_compressed { limit_of(stamp.size) } else { stamp.size };
        let mut input: Box<dyn Read> = match is_compressed {
            true => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(PIECE, &file))),
            false => Box::new(io::BufReader::with_capacity(PIECE, &file)),
        };
        // One byte more than it may have, so that a larger one shows.
        let mut bounded = (&mut input).take(limit + 1);
        let unpacked = unpack(path, scratch, &mut bounded);
        if bounded.limit() == 0 {
            return Err(ZipError::Inflated { path: path.to_owned(), limit });
        }
        drop(input);
        let now = file.metadata().map_err(unreadable)?;
        if Stamp::of(&now) != stamp {
            return Err(ZipError::Changed { path: path.to_owned() });
        }
        let (contents, entries) = unpacked?;
        Self::of_stored(path, stamp, contents, entries)
    }
}

/// How much is read or written at a time.
const PIECE: usize = 128 << 10;

/// Reads a tar to its end: the contents of its files, one after the other, and its entries.
fn unpack(path: &Path, scratch: &Path, input: &mut impl Read) -> Result<(File, Vec<ArchiveEntry>), ZipError> {
    let room = |source| ZipError::Room { path: path.to_owned(), scratch: scratch.to_owned(), source };
    let damaged = |source: UntarError| ZipError::Tar { path: path.to_owned(), source };
    let mut contents = StoredContents {
        file: BufWriter::with_capacity(PIECE, tempfile::tempfile_in(scratch).map_err(room)?),
        size: 0,
    };
    let mut budget = NameBudget::new(path);
    let mut entries: Vec<ArchiveEntry> = Vec::new();
    // Where hard links may lead: the last file of each name.
    let mut files: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut walk = TarWalk::new(ReadThrough(&mut *input), ARTIFACT);
    while let Some(entry) = walk.next().map_err(damaged)? {
        let problem = |problem| ZipError::Entry { path: path.to_owned(), name: entry.path.clone(), problem };
        let name = normalise(&entry.path).map_err(problem)?;
        if name.is_empty() {
            if entry.kind == EntryType::Directory {
                continue;
            }
            return Err(problem(EntryProblem::EmptyName));
        }
        budget.take(name.len())?;
        let mut own = ArchiveEntry {
            name,
            size: 0,
            kind: kind_of(&entry).map_err(problem)?,
            mode: Some(entry.mode & 0o7777),
            crc32: 0,
            method: Method::Stored,
            compressed_size: 0,
            written_name: 0,
            header_offset: contents.size,
            limit: contents.size,
        };
        if entry.kind == EntryType::Link {
            let target = normalise(&entry.link).ok().and_then(|target| files.get(&target));
            let target = target.ok_or_else(|| problem(EntryProblem::LinkTarget(entry.link.clone())))?;
            let ArchiveEntry { size, crc32, compressed_size, header_offset, limit, .. } = entries[*target];
            own = ArchiveEntry { size, crc32, compressed_size, header_offset, limit, ..own };
        } else if own.kind == ArchiveEntryKind::Symlink {
            own.crc32 = contents
                .add(|take| {
                    take(&entry.link);
                    Ok(())
                })
                .map_err(damaged)?
                .map_err(room)?;
        } else {
            own.crc32 = contents.add(|take| walk.payload(take)).map_err(damaged)?.map_err(room)?;
        }
        if entry.kind != EntryType::Link {
            own.size = contents.size - own.header_offset;
            (own.compressed_size, own.limit) = (own.size, contents.size);
        }
        if own.kind == ArchiveEntryKind::File {
            files.insert(own.name.clone(), entries.len());
        }
        entries.push(own);
    }
    // The checksum of a compressed one stands at its end, and so may another archive, which some programs unpack.
    walk.finish().map_err(damaged)?;
    let file = contents.file.into_inner().map_err(|error| room(error.into_error()))?;
    Ok((file, entries))
}

/// The contents of files, one after the other.
struct StoredContents {
    file: BufWriter<File>,
    size: u64,
}

impl StoredContents {
    /// Adds what `read` hands on, and tells its CRC-32: an error of `read`, else one of writing.
    fn add<E>(
        &mut self,
        read: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<io::Result<u32>, E> {
        let mut crc = crc32fast::Hasher::new();
        let mut written = Ok(());
        read(&mut |bytes| {
            crc.update(bytes);
            if written.is_ok() {
                written = self.file.write_all(bytes);
                self.size += bytes.len() as u64;
            }
        })?;
        Ok(written.map(|()| crc.finalize()))
    }
}

/// The kind of an entry in a zip archive.
fn kind_of(entry: &TarEntry) -> Result<ArchiveEntryKind, EntryProblem> {
    Ok(match entry.kind {
        EntryType::Regular | EntryType::Link => ArchiveEntryKind::File,
        EntryType::Directory => ArchiveEntryKind::Directory,
        EntryType::Symlink => ArchiveEntryKind::Symlink,
        EntryType::Char => return Err(EntryProblem::Special { kind: 0o020_000 }),
        EntryType::Block => return Err(EntryProblem::Special { kind: 0o060_000 }),
        _ => return Err(EntryProblem::Special { kind: 0o010_000 }),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::types::error::Explain as _;

    /// An entry: kind, name, content or target.
    type Item<'a> = (EntryType, &'a str, &'a str);

    fn header(kind: EntryType, name: &str, content: &str) -> (tar::Header, Vec<u8>) {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(if name.ends_with(".sh") { 0o755 } else { 0o644 });
        let is_file = kind == EntryType::Regular;
        header.set_size(if is_file { content.len() as u64 } else { 0 });
        if matches!(kind, EntryType::Link | EntryType::Symlink) {
            header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        (header, if is_file { content.as_bytes().to_vec() } else { Vec::new() })
    }

    fn tar_of(items: &[Item<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, name, content) in items {
            let (header, payload) = header(*kind, name, content);
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(&payload);
            out.resize(out.len().next_multiple_of(512), 0);
        }
        out.resize(out.len() + 1024, 0);
        out
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn opened(bytes: &[u8]) -> Result<ZipArchive, ZipError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("app.tar.gz");
        std::fs::write(&path, bytes).expect("written");
        let scratch = tempfile::tempdir().expect("a directory");
        let archive = ZipArchive::from_tar(&path, scratch.path());
        assert_eq!(std::fs::read_dir(scratch.path()).expect("there").count(), 0, "no name is left");
        archive
    }

    const FILE: EntryType = EntryType::Regular;
    const GOOD: [Item<'_>; 7] = [
        (EntryType::Directory, "./", ""),
        (EntryType::Directory, "./shop/", ""),
        (FILE, "./shop/run.sh", "#!/bin/sh\n"),
        (EntryType::Symlink, "shop/link", "run.sh"),
        (EntryType::Link, "shop/same", "./shop/run.sh"),
        (FILE, "shop/empty", ""),
        (FILE, "shop/b", "bbb"),
    ];

    #[test]
    fn a_tar_has_the_entries_of_a_zip_archive() {
        for bytes in [tar_of(&GOOD), gzip(&tar_of(&GOOD))] {
            assert!(ZipArchive::is_tar(&bytes[..bytes.len().min(512)]));
            let archive = opened(&bytes).expect("a tar");
            let all: Vec<(String, ArchiveEntryKind, Option<u32>, Vec<u8>)> = (0..archive.entries().len())
                .map(|index| {
                    let entry = &archive.entries()[index];
                    let name = String::from_utf8_lossy(&entry.name).into_owned();
                    (name, entry.kind, entry.mode, archive.read(index, 100).expect("read"))
                })
                .collect();
            let (file, link) = (ArchiveEntryKind::File, ArchiveEntryKind::Symlink);
            let script = b"#!/bin/sh\n".to_vec();
            assert_eq!(
                all,
                [
                    ("shop".to_owned(), ArchiveEntryKind::Directory, Some(0o644), Vec::new()),
                    ("shop/run.sh".to_owned(), file, Some(0o755), script.clone()),
                    ("shop/link".to_owned(), link, Some(0o644), b"run.sh".to_vec()),
                    ("shop/same".to_owned(), file, Some(0o644), script),
                    ("shop/empty".to_owned(), file, Some(0o644), Vec::new()),
                    ("shop/b".to_owned(), file, Some(0o644), b"bbb".to_vec()),
                ]
            );
            archive.check_unchanged().expect("nothing changes it");
        }
    }

    #[test]
    fn an_entry_that_no_directory_could_have_is_refused() {
        for (more, says) in [
            ((FILE, "shop/b", "twice"), "`shop/b` in `"),
            ((FILE, "/etc/passwd", ""), "has an absolute path"),
            ((FILE, "shop/../../x", ""), "has a `..`"),
            ((FILE, "shop/link/x", ""), "lies below `shop/link`"),
            ((EntryType::Fifo, "shop/pipe", ""), "is neither file"),
            ((EntryType::Link, "shop/l", "shop/later"), "hard link to `shop/later`"),
            ((EntryType::Link, "shop/l", "/etc/passwd"), "hard link to `/etc/passwd`"),
            ((EntryType::Link, "shop/l", "shop/link"), "hard link to `shop/link`"),
        ] {
            let error = opened(&gzip(&tar_of(&[&GOOD[..], &[more]].concat()))).expect_err(more.1);
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.hint().is_some(), "{error}");
        }
    }

    #[test]
    fn a_damaged_one_is_refused() {
        let whole = gzip(&tar_of(&GOOD));
        for length in [whole.len() - 1, whole.len() - 9, whole.len() / 2, 30] {
            let error = opened(&whole[..length]).expect_err("cut");
            assert!(error.to_string().starts_with("cannot unpack `"), "{error}");
        }
        let mut changed = whole.clone();
        let checksum = whole.len() - 8;
        changed[checksum] ^= 1;
        opened(&changed).expect_err("another checksum");
        // Two members are one stream.
        let tar = tar_of(&GOOD);
        for behind in [&b"x"[..], &tar_of(&GOOD[5..6]), &[&[0; 4096][..], b"x"].concat()] {
            for bytes in [
                [&tar[..], behind].concat(),
                gzip(&[&tar[..], behind].concat()),
                [gzip(&tar), gzip(behind)].concat(),
            ] {
                let error = opened(&bytes).expect_err("something is behind it");
                let ZipError::Tar { source, .. } = &error else { panic!("{error}") };
                assert!(source.to_string().contains("behind the end"), "{source}");
                assert!(error.hint().is_some());
            }
        }
        // GNU tar fills 10 KiB, and others 512 bytes more or less.
        for zeros in [1, 512, 10 << 10] {
            opened(&gzip(&[&tar[..], &vec![0; zeros][..]].concat())).expect("zeros");
        }
        let (a, b) = tar.split_at(700);
        assert_eq!(opened(&[gzip(a), gzip(b)].concat()).expect("two members").entries().len(), 6);
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_the_disk() {
        assert_eq!((limit_of(0), limit_of(1 << 30)), (FREE, MOST));
        assert_eq!(limit_of(10 << 20), 320 << 20);
        let size = 400 << 20;
        let mut header = header(FILE, "big", "").0;
        header.set_size(size);
        header.set_cksum();
        let zeros = gzip(&vec![0; 1 << 20]);
        let mut bomb = gzip(header.as_bytes());
        for _ in 0..400 {
            bomb.extend_from_slice(&zeros);
        }
        let error = opened(&bomb).expect_err("a bomb");
        assert!(matches!(error, ZipError::Inflated { limit: FREE, .. }), "{error}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn without_room_it_says_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("app.tar");
        std::fs::write(&path, tar_of(&GOOD)).expect("written");
        let error = ZipArchive::from_tar(&path, &directory.path().join("none")).expect_err("no room");
        assert!(matches!(error, ZipError::Room { .. }), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("TMPDIR")), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read_or_refused(at in 0_usize..4096, byte: u8, is_compressed: bool) {
            let mut bytes = tar_of(&GOOD);
            if is_compressed {
                bytes = gzip(&bytes);
            }
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = ZipArchive::is_tar(&bytes[..bytes.len().min(512)]);
            if let Ok(archive) = opened(&bytes) {
                for index in 0..archive.entries().len() {
                    archive.read(index, 1 << 20).expect("the contents are those that were checked");
                }
            }
        }
    }
}
