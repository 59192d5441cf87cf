//! Walks the headers of a tar of unknown origin, within limits.
//!
//! Container tools read a layer with Go's reader, people with GNU tar or Python, and a header can be written so that
//! each of them sees another file. Where they read the same, this walk reads it too; where they differ, or one of
//! them refuses, the walk refuses the entry, with its number, its place and the field ([`TarError::Ambiguous`]). A
//! differential test holds the walk to this. Payloads are skipped or handed on, never kept.

#[cfg(test)]
mod differential;
mod header;
mod records;
mod sparse;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use tar::EntryType;

use header::{Block, Dispute, Header};
use records::Extensions;

use crate::types::shown::Foreign;

/// The unit of a tar.
pub(crate) const BLOCK: u64 = 512;

/// Limits for one tar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Entries.
    pub(crate) entries: u64,
    /// Bytes of a path or link target.
    pub(crate) path: usize,
    /// Bytes of one extension record.
    pub(crate) extension: u64,
    /// Whether GNU's sparse files may be among them: their payload is not their content.
    pub(crate) sparse: bool,
}

/// For the tar of an image: a handful of files for each layer.
pub(crate) const ARCHIVE: Limits = Limits { entries: 20_000, path: 4096, extension: 64 << 10, sparse: false };
/// For the tar of a layer: a whole file system. No path is longer where it is unpacked (`PATH_MAX`), and Go's
/// reader takes no longer records.
pub(crate) const LAYER: Limits = Limits { entries: 20_000_000, path: 4096, extension: 1 << 20, sparse: true };

/// Why a tar cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// Reading failed, or the tar ends early.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A header is none.
    #[error("there is no tar header at byte {at}: {}", Foreign::new(why))]
    Header {
        /// Where.
        at: u64,
        /// The reason.
        why: String,
    },
    /// Tools do not read an entry alike, so what it is depends on who looks.
    #[error(
        "tools read entry {entry} of the tar, at byte {at}, in different ways: `{field}`: {}",
        Foreign::new(why)
    )]
    Ambiguous {
        /// Its number, from 1.
        entry: u64,
        /// Where the header is.
        at: u64,
        /// The field of the header, or the record, that it is about.
        field: &'static str,
        /// The fault.
        why: String,
    },
    /// Over a limit.
    #[error("the tar has {what}, more than {limit}")]
    Limit {
        /// The resource that ran out.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// GNU's sparse files, whose payload is not their content.
    #[error("`{}` is a sparse file in GNU's format", Foreign::new(.0))]
    Sparse(String),
}

impl TarError {
    /// The error of a reader of the tar, which keeps this one as its cause.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        }
    }

    /// Whether `error` says that tools do not read a tar alike.
    pub(crate) fn is_ambiguous(error: &io::Error) -> bool {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        matches!(inner, Some(Self::Ambiguous { .. }))
    }
}

/// Input that can pass over bytes.
pub(crate) trait Skip: Read {
    /// Passes over `bytes`.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;

    /// Passes over `bytes`, or says that the input ends before.
    fn skip_if_there(&mut self, bytes: u64) -> io::Result<bool>;
}

/// Skips by reading, for what must be read anyway.
pub(crate) struct ReadThrough<R>(pub(crate) R);

impl<R: Read> Read for ReadThrough<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Skip for ReadThrough<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if !self.skip_if_there(bytes)? {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends within a file"));
        }
        Ok(())
    }

    fn skip_if_there(&mut self, bytes: u64) -> io::Result<bool> {
        Ok(io::copy(&mut (&mut self.0).take(bytes), &mut io::sink())? == bytes)
    }
}

/// Skips by seeking. Whether the bytes exist is for the caller to compare with the file's length.
pub(crate) struct Seeking<R>(pub(crate) R);

impl<R: Read> Read for Seeking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read + Seek> Skip for Seeking<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
        self.0.seek(SeekFrom::Current(bytes)).map(|_| ())
    }

    fn skip_if_there(&mut self, bytes: u64) -> io::Result<bool> {
        self.skip(bytes).map(|()| true)
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its path, as it is written.
    pub(crate) path: Vec<u8>,
    /// Where it links to; empty unless it is a link.
    pub(crate) link: Vec<u8>,
    /// The kind of entry: a file, a link, a device, a pipe or a directory.
    pub(crate) kind: EntryType,
    /// Bytes of payload.
    pub(crate) size: u64,
    /// Bytes of content, if the payload is a sparse file's in GNU's format, and so not its content.
    pub(crate) sparse: Option<u64>,
    /// Where the payload begins.
    pub(crate) offset: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Numeric owner.
    pub(crate) uid: u64,
    /// Numeric group.
    pub(crate) gid: u64,
    /// Seconds since the epoch, without the fraction that a record may have.
    pub(crate) mtime: i64,
    /// Major and minor number of a device.
    pub(crate) device: (u64, u64),
    /// Names of owner and group in the header; records may have others.
    pub(crate) owner_names: [Vec<u8>; 2],
    /// The header itself.
    pub(crate) header: Box<Block>,
    /// Records about more than path, link, size, owners and holes: times, attributes.
    pub(crate) records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The extension records as they are written, each after its type.
    pub(crate) extensions: Vec<u8>,
}

/// A walk over entries.
pub(crate) struct Walk<R> {
    input: R,
    limits: Limits,
    position: u64,
    pending: u64,
    padding: u64,
    entries: u64,
    terminated: bool,
}

impl<R: Skip> Walk<R> {
    /// Starts at the first byte of `input`.
    pub(crate) fn new(input: R, limits: Limits) -> Self {
        Self { input, limits, position: 0, pending: 0, padding: 0, entries: 0, terminated: false }
    }

    /// How many entries were seen.
    pub(crate) const fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether the end was marked as it should be, by a block of zeros.
    pub(crate) const fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TarError> {
        let mut extensions = Extensions::default();
        loop {
            self.input.skip(self.pending)?;
            // Go writers that are not closed leave out the last padding, and Go readers do not miss it.
            let is_cut = !self.input.skip_if_there(self.padding)?;
            self.position += std::mem::take(&mut self.pending) + std::mem::take(&mut self.padding);
            let at = self.position;
            let mut block = [0; BLOCK as usize];
            if is_cut || !fill(&mut self.input, &mut block)? {
                return self.end(at, &extensions);
            }
            self.position += BLOCK;
            if block == [0; BLOCK as usize] {
                self.check_end()?;
                self.terminated = true;
                return self.end(at, &extensions);
            }
            header::check_sum(&block).map_err(|why| TarError::Header { at, why: why.to_owned() })?;
            let header = Header::parse(&block).map_err(|dispute| self.ambiguous(at, dispute))?;
            let read = match header.kind() {
                b'x' | b'L' | b'K' => self.extension(&header, &mut extensions)?,
                b'g' if !extensions.is_empty() => {
                    let why = "a global header stands between an entry and what extends it";
                    Err(Dispute::new("type", why))
                }
                b'g' => records::check_global(&self.record(header.size)?.0),
                _ => {
                    self.entries += 1;
                    if self.entries > self.limits.entries {
                        return Err(TarError::Limit { what: "too many entries", limit: self.limits.entries });
                    }
                    return self.entry(at, &header, &block, extensions).map(Some);
                }
            };
            read.map_err(|dispute| self.ambiguous(at, dispute))?;
        }
    }

    fn ambiguous(&self, at: u64, dispute: Dispute) -> TarError {
        TarError::Ambiguous { entry: self.entries + 1, at, field: dispute.field, why: dispute.why }
    }

    /// Nothing follows.
    fn end(&self, at: u64, extensions: &Extensions) -> Result<Option<Entry>, TarError> {
        if extensions.is_empty() {
            return Ok(None);
        }
        Err(self.ambiguous(at, Dispute::new("type", "no entry follows what extends it")))
    }

    /// Reads what extends the next entry.
    fn extension(
        &mut self,
        header: &Header<'_>,
        extensions: &mut Extensions,
    ) -> Result<Result<(), Dispute>, TarError> {
        let (record, padding) = self.record(header.size)?;
        if (extensions.raw.len() + record.len()) as u64 > 3 * self.limits.extension {
            let limit = self.limits.extension;
            return Err(TarError::Limit { what: "too many extension records", limit });
        }
        extensions.raw.push(header.kind());
        extensions.raw.extend_from_slice(&record);
        Ok(match header.kind() {
            b'x' => extensions.add_records(&record),
            b'L' => extensions.add_long_name(&record, &padding),
            _ => extensions.add_long_link(&record, &padding),
        })
    }

    fn entry(
        &mut self,
        at: u64,
        header: &Header<'_>,
        block: &Block,
        mut extensions: Extensions,
    ) -> Result<Entry, TarError> {
        let number = self.entries;
        let ambiguous = |Dispute { field, why }| TarError::Ambiguous { entry: number, at, field, why };
        let mut entry = describe(header, block, &mut extensions).map_err(ambiguous)?;
        if !extensions.sparse.is_empty() || entry.kind == EntryType::GNUSparse {
            if !self.limits.sparse {
                return Err(TarError::Sparse(String::from_utf8_lossy(&entry.path).into_owned()));
            }
            self.sparse(&mut entry, header, block, &extensions)?.map_err(ambiguous)?;
        } else {
            self.payload_of(at, entry.size)?;
        }
        if entry.path.len().max(entry.link.len()) > self.limits.path {
            let limit = self.limits.path as u64;
            return Err(TarError::Limit { what: "a path that is too long", limit });
        }
        entry.offset = self.position;
        entry.size = self.pending;
        entry.records = extensions.others;
        entry.extensions = extensions.raw;
        Ok(entry)
    }

    fn payload_of(&mut self, at: u64, size: u64) -> Result<(), TarError> {
        let padding = padding(size)
            .ok_or_else(|| TarError::Header { at, why: "its size is larger than any file".to_owned() })?;
        (self.pending, self.padding) = (size, padding);
        Ok(())
    }

    /// Reads the map of a sparse file, which stands before or at the beginning of its payload.
    fn sparse(
        &mut self,
        entry: &mut Entry,
        header: &Header<'_>,
        block: &Block,
        extensions: &Extensions,
    ) -> Result<Result<(), Dispute>, TarError> {
        let at = self.position - BLOCK;
        if entry.kind == EntryType::GNUSparse {
            if !extensions.sparse.is_empty() || extensions.size.is_some() {
                return Ok(Err(Dispute::new("sparse map", "two records say it in different ways")));
            }
            let mut map = sparse::Map::default();
            let mut next = map.add_header(header, block);
            let mut passed = 0;
            while let Ok(true) = next {
                passed += BLOCK;
                self.check_map(passed)?;
                next = map.add_block(&self.block()?);
            }
            self.payload_of(at, entry.size)?;
            entry.kind = EntryType::Regular;
            return Ok(next.and_then(|_| {
                let real = sparse::Map::real_size(block)?;
                entry.sparse = Some(real);
                map.check(real, entry.size)
            }));
        }
        if entry.kind != EntryType::Regular {
            return Ok(Err(Dispute::new("sparse map", "only files can have one")));
        }
        let told = match sparse::Told::parse(&extensions.sparse) {
            Ok(told) => told,
            Err(dispute) => return Ok(Err(dispute)),
        };
        self.payload_of(at, entry.size)?;
        if let Some(name) = told.name {
            entry.path = name;
        }
        entry.sparse = Some(told.real_size);
        if entry.path.ends_with(b"/") {
            return Ok(Err(Dispute::new("path", "the name of a file ends in a slash")));
        }
        if let Some(map) = told.map {
            return Ok(map.check(told.real_size, entry.size));
        }
        let mut lines = sparse::Lines::default();
        let mut passed = 0;
        loop {
            passed += BLOCK;
            self.check_map(passed)?;
            if self.pending < BLOCK {
                return Ok(Err(Dispute::new("sparse map", "it does not end")));
            }
            let block = self.block()?;
            self.pending -= BLOCK;
            match lines.add(&block) {
                Ok(Some(map)) => return Ok(map.check(told.real_size, self.pending)),
                Ok(None) => {}
                Err(dispute) => return Ok(Err(dispute)),
            }
        }
    }

    fn check_map(&self, bytes: u64) -> Result<(), TarError> {
        let limit = self.limits.extension;
        if bytes > limit {
            return Err(TarError::Limit { what: "a sparse map that is too long", limit });
        }
        Ok(())
    }

    /// Reads a block that must be there.
    fn block(&mut self) -> Result<Block, TarError> {
        let mut block = [0; BLOCK as usize];
        if !fill(&mut self.input, &mut block)? {
            return Err(early_end().into());
        }
        self.position += BLOCK;
        Ok(block)
    }

    /// A block of zeros ends a tar, and a second one stands behind it unless all ends there. Entries behind a
    /// single one are read by some readers and not by others.
    fn check_end(&mut self) -> Result<(), TarError> {
        let mut block = [0; BLOCK as usize];
        if fill(&mut self.input, &mut block)? && block != [0; BLOCK as usize] {
            let why = "it follows a single block of zeros".to_owned();
            return Err(TarError::Header { at: self.position, why });
        }
        Ok(())
    }

    /// Reads the payload of the entry that came last, piece by piece.
    pub(crate) fn payload(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), TarError> {
        let mut buffer = [0; 16 << 10];
        while self.pending > 0 {
            let length = usize::try_from(self.pending).unwrap_or(usize::MAX).min(buffer.len());
            let read = match self.input.read(&mut buffer[..length]) {
                Ok(0) => {
                    return Err(
                        io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends within a file").into()
                    );
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            take(&buffer[..read]);
            self.pending -= read as u64;
            self.position += read as u64;
        }
        Ok(())
    }

    /// Reads an extension record and the padding after it.
    fn record(&mut self, size: u64) -> Result<(Vec<u8>, Vec<u8>), TarError> {
        if size > self.limits.extension {
            let limit = self.limits.extension;
            return Err(TarError::Limit { what: "an extension record that is too long", limit });
        }
        let length = size.next_multiple_of(BLOCK);
        let mut record = Vec::new();
        (&mut self.input).take(length).read_to_end(&mut record)?;
        if record.len() as u64 != length {
            return Err(early_end().into());
        }
        self.position += length;
        let padding = record.split_off(usize::try_from(size).unwrap_or(0));
        Ok((record, padding))
    }
}

/// The entry that header and records describe, without its place.
fn describe(header: &Header<'_>, block: &Block, extensions: &mut Extensions) -> Result<Entry, Dispute> {
    let mut kind = header::entry_type(header.kind())?;
    let path = extensions.take_path()?.unwrap_or_else(|| header.name());
    let link = extensions.take_link()?;
    let size = extensions.size.unwrap_or(header.size);
    let slash = path.ends_with(b"/");
    match header.kind() {
        // In old archives the slash makes a directory. Some look for it in the header, some in the whole path.
        0 if slash != header.ends_in_slash() => {
            return Err(Dispute::new("name", "one name of the entry ends in a slash, another does not"));
        }
        0 if slash => kind = EntryType::Directory,
        0 | b'0' | b'S' if slash => {
            return Err(Dispute::new("name", "the name of a file ends in a slash"));
        }
        _ => {}
    }
    let has_payload = match kind {
        EntryType::Regular | EntryType::GNUSparse => true,
        // All pass over what the header says; of a link, not over what a record says.
        EntryType::Directory if header.kind() == b'5' => false,
        EntryType::Link if extensions.size.is_none_or(|size| size == 0) => false,
        _ if size == 0 => false,
        _ => return Err(Dispute::new("size", "it is not 0, of an entry without content")),
    };
    if matches!(kind, EntryType::Char | EntryType::Block) {
        header.check_device()?;
    }
    let is_link = matches!(kind, EntryType::Link | EntryType::Symlink);
    Ok(Entry {
        path,
        link: if is_link { link.unwrap_or_else(|| header.link()) } else { Vec::new() },
        kind,
        size: if has_payload { size } else { 0 },
        sparse: None,
        offset: 0,
        mode: header.mode,
        uid: extensions.uid.unwrap_or(header.uid),
        gid: extensions.gid.unwrap_or(header.gid),
        mtime: seconds(&extensions.others).unwrap_or(header.mtime),
        device: header.device,
        owner_names: header.owner_names().map(<[u8]>::to_vec),
        header: Box::new(*block),
        records: BTreeMap::new(),
        extensions: Vec::new(),
    })
}

/// The whole seconds of the time in a record, which was checked: those before the fraction, downwards.
fn seconds(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<i64> {
    let text = std::str::from_utf8(records.get(&b"mtime"[..])?).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let has_fraction = fraction.bytes().any(|digit| digit != b'0');
    Some(if text.starts_with('-') && has_fraction { seconds.saturating_sub(1) } else { seconds })
}

/// No file is larger than Linux has them, so no sum of offsets overflows.
fn padding(size: u64) -> Option<u64> {
    (size <= i64::MAX as u64 / 2).then(|| size.next_multiple_of(BLOCK) - size)
}

fn early_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends within a header")
}

/// Fills a block; `false` at the very end.
fn fill(input: &mut impl Read, block: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(early_end()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(bytes: &[u8], limits: Limits) -> Result<Vec<Entry>, TarError> {
        let mut walk = Walk::new(ReadThrough(bytes), limits);
        let mut found = Vec::new();
        while let Some(entry) = walk.next()? {
            found.push(entry);
        }
        Ok(found)
    }

    fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *content).expect("appended");
        }
        builder.into_inner().expect("finished")
    }

    #[test]
    fn finds_what_the_tar_crate_wrote() {
        let long = "d/".repeat(200) + "file";
        let bytes = tar_of(&[("a", b"one"), (&long, &[7; 1000]), ("empty", b"")]);
        for found in [entries(&bytes, ARCHIVE).expect("read"), {
            let mut walk = Walk::new(Seeking(io::Cursor::new(&bytes)), ARCHIVE);
            std::iter::from_fn(|| walk.next().expect("read")).collect()
        }] {
            let names: Vec<_> = found.iter().map(|entry| String::from_utf8_lossy(&entry.path)).collect();
            assert_eq!(names, ["a", long.as_str(), "empty"]);
            let start = usize::try_from(found[1].offset).expect("small");
            assert_eq!(bytes[start..start + 1000], [7; 1000]);
        }
    }

    #[test]
    fn understands_pax() {
        let mut builder = tar::Builder::new(Vec::new());
        builder
            .append_pax_extensions([("path", "ä".as_bytes()), ("mtime", b"1.5"), ("linkpath", b"x")])
            .expect("appended");
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_entry_type(EntryType::Symlink);
        header.set_cksum();
        builder.append(&header, io::empty()).expect("appended");
        let found = entries(&builder.into_inner().expect("finished"), ARCHIVE).expect("read");
        assert_eq!((found[0].path.as_slice(), found[0].link.as_slice()), ("ä".as_bytes(), &b"x"[..]));
        assert_eq!(found[0].records, [(b"mtime".to_vec(), b"1.5".to_vec())].into());
        assert_eq!(found[0].mtime, 1);
    }

    #[test]
    fn a_payload_is_read_or_passed_over() {
        let bytes = tar_of(&[("a", b"one"), ("b", &[7; 40_000]), ("c", b"three")]);
        for read in [[true, true, true], [false, true, false], [true, false, true]] {
            let mut walk = Walk::new(ReadThrough(&bytes[..]), ARCHIVE);
            let mut found = Vec::new();
            for read in read {
                walk.next().expect("read").expect("an entry");
                let mut payload = Vec::new();
                if read {
                    walk.payload(|piece| payload.extend_from_slice(piece)).expect("read");
                }
                found.push(payload);
            }
            assert!(walk.next().expect("read").is_none());
            let all = [b"one".to_vec(), vec![7; 40_000], b"three".to_vec()];
            for ((found, all), read) in found.iter().zip(&all).zip(read) {
                assert!(if read { found == all } else { found.is_empty() });
            }
        }
    }

    #[test]
    fn limits_are_errors() {
        let small = Limits { entries: 1, path: 10, extension: 100, sparse: false };
        assert!(entries(&tar_of(&[("a", b"")]), small).is_ok());
        for files in
            [&[("a", &b""[..]), ("b", b"")][..], &[("much-too-long", b"")], &[(&"x".repeat(200), b"")]]
        {
            assert!(matches!(entries(&tar_of(files), small), Err(TarError::Limit { .. })), "{files:?}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = tar_of(&[("a", b"one")]);
        let mut flipped = bytes.clone();
        flipped[3] ^= 1;
        assert!(matches!(entries(&flipped, ARCHIVE), Err(TarError::Header { at: 0, .. })));
        assert!(entries(&bytes[..100], ARCHIVE).is_err());
        assert!(entries(&bytes[..514], ARCHIVE).is_err());
        assert!(entries(&bytes[..515], ARCHIVE).is_ok(), "only padding is missing");
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 512..2048), kind in "[0-9xLKgS]") {
            bytes[156] = kind.as_bytes()[0];
            let sum: u32 = bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..512]).map(|byte| u32::from(*byte)).sum();
            bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let _ = entries(&bytes, ARCHIVE);
        }
    }
}
