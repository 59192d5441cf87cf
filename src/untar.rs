//! Walks the headers of a tar of unknown origin, within limits.
//!
//! The `tar` crate parses the header blocks; the loop around it is ours, because the crate reads extension
//! records of any length into memory. Payloads are skipped, never kept.

use std::io::{self, Read, Seek, SeekFrom};

use tar::EntryType;

use crate::shown::Foreign;

/// The unit of a tar.
pub(crate) const BLOCK: u64 = 512;
/// Where a block of a sparse map says that another one follows.
const SPARSE_EXTENDED: usize = 504;

/// What a tar may ask for.
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
/// For the tar of a layer: a whole file system. Extended attributes make long records.
pub(crate) const LAYER: Limits =
    Limits { entries: 20_000_000, path: 16 << 10, extension: 4 << 20, sparse: true };

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
        /// What is wrong.
        why: String,
    },
    /// Over a limit.
    #[error("the tar has {what}, more than {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// GNU's sparse files, whose payload is not their content.
    #[error("`{}` is a sparse file in GNU's format", Foreign::new(.0))]
    Sparse(String),
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
    /// What it is.
    pub(crate) kind: EntryType,
    /// Bytes of payload.
    pub(crate) size: u64,
    /// Whether that payload is a sparse file's in GNU's format, and so not its content.
    pub(crate) sparse: bool,
    /// Where the payload begins.
    pub(crate) offset: u64,
    /// The header itself, for what only few want to know.
    pub(crate) header: tar::Header,
    /// What extension records say beyond path, link and size, in their order: times, owners, attributes.
    pub(crate) records: Vec<(Vec<u8>, Vec<u8>)>,
    /// The extension records as they are written, each after its type.
    pub(crate) extensions: Vec<u8>,
}

/// What extension records say about the entry after them.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
    /// The true path of a sparse file, whose header and `path` name a stand-in.
    sparse_name: Option<Vec<u8>>,
    others: Vec<(Vec<u8>, Vec<u8>)>,
    raw: Vec<u8>,
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
            if !self.input.skip_if_there(self.padding)? {
                return Ok(None);
            }
            self.position += std::mem::take(&mut self.pending) + std::mem::take(&mut self.padding);
            let at = self.position;
            let mut block = [0; BLOCK as usize];
            if !fill(&mut self.input, &mut block)? {
                return Ok(None);
            }
            self.position += BLOCK;
            if block == [0; BLOCK as usize] {
                self.check_end()?;
                self.terminated = true;
                return Ok(None);
            }
            let broken = |why: String| TarError::Header { at, why };
            check(&block).map_err(broken)?;
            let header = tar::Header::from_byte_slice(&block);
            let size = header.entry_size().map_err(|error| broken(error.to_string()))?;
            match header.entry_type() {
                kind @ (EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink) => {
                    let record = self.record(size)?;
                    if (extensions.raw.len() + record.len()) as u64 > 3 * self.limits.extension {
                        let limit = self.limits.extension;
                        return Err(TarError::Limit { what: "too many extension records", limit });
                    }
                    extensions.raw.push(kind.as_byte());
                    extensions.raw.extend_from_slice(&record);
                    match kind {
                        EntryType::XHeader => pax(&record, &mut extensions).map_err(broken)?,
                        EntryType::GNULongName => extensions.path = Some(until_nul(record)),
                        _ => extensions.link = Some(until_nul(record)),
                    }
                }
                EntryType::XGlobalHeader => {
                    (self.pending, self.padding) = (size, padding(size).ok_or_else(|| too_large(at))?);
                }
                kind => {
                    self.entries += 1;
                    if self.entries > self.limits.entries {
                        return Err(TarError::Limit { what: "too many entries", limit: self.limits.entries });
                    }
                    let path = extensions
                        .sparse_name
                        .or(extensions.path)
                        .unwrap_or_else(|| header.path_bytes().into_owned());
                    let link = extensions.link.unwrap_or_else(|| {
                        header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default()
                    });
                    if path.len().max(link.len()) > self.limits.path {
                        let limit = self.limits.path as u64;
                        return Err(TarError::Limit { what: "a path that is too long", limit });
                    }
                    let sparse = extensions.sparse || kind == EntryType::GNUSparse;
                    if sparse && !self.limits.sparse {
                        return Err(TarError::Sparse(String::from_utf8_lossy(&path).into_owned()));
                    }
                    // As Go's reader has it, which every container tool uses.
                    let has_payload = !matches!(
                        kind,
                        EntryType::Link
                            | EntryType::Symlink
                            | EntryType::Char
                            | EntryType::Block
                            | EntryType::Directory
                            | EntryType::Fifo
                    );
                    let size = if has_payload { extensions.size.unwrap_or(size) } else { 0 };
                    (self.pending, self.padding) = (size, padding(size).ok_or_else(|| too_large(at))?);
                    let header = header.clone();
                    if kind == EntryType::GNUSparse {
                        self.sparse_map(&header)?;
                    }
                    return Ok(Some(Entry {
                        path,
                        link,
                        kind,
                        size,
                        sparse,
                        offset: self.position,
                        header,
                        records: extensions.others,
                        extensions: extensions.raw,
                    }));
                }
            }
        }
    }

    /// A block of zeros ends a tar, and a second one stands behind it unless all ends there. Entries behind a
    /// single one are read by some readers and not by others.
    fn check_end(&mut self) -> Result<(), TarError> {
        let mut block = [0; BLOCK as usize];
        match fill(&mut self.input, &mut block) {
            Ok(true) if block != [0; BLOCK as usize] => Err(TarError::Header {
                at: self.position,
                why: "it follows a single block of zeros".to_owned(),
            }),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Passes over the blocks of holes that stand between the header of an old sparse file and its payload.
    fn sparse_map(&mut self, header: &tar::Header) -> Result<(), TarError> {
        let mut extended = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        let mut passed = 0;
        while extended {
            passed += BLOCK;
            if passed > self.limits.extension {
                let limit = self.limits.extension;
                return Err(TarError::Limit { what: "a sparse map that is too long", limit });
            }
            let mut block = [0; BLOCK as usize];
            if !fill(&mut self.input, &mut block)? {
                return Err(early_end().into());
            }
            self.position += BLOCK;
            extended = block[SPARSE_EXTENDED] == 1;
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
    fn record(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
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
        record.truncate(usize::try_from(size).unwrap_or(0));
        Ok(record)
    }
}

fn too_large(at: u64) -> TarError {
    TarError::Header { at, why: "its size is beyond any file".to_owned() }
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

/// The checksum takes its own field for blanks. Some old writers summed signed bytes.
fn check(block: &[u8; BLOCK as usize]) -> Result<(), String> {
    let stated = tar::Header::from_byte_slice(block).cksum().map_err(|error| error.to_string())?;
    let bytes = || block[..148].iter().chain(&[b' '; 8]).chain(&block[156..]);
    let unsigned: u32 = bytes().map(|byte| u32::from(*byte)).sum();
    let signed: i32 = bytes().map(|byte| i32::from(byte.cast_signed())).sum();
    if stated == unsigned || i64::from(stated) == i64::from(signed) {
        Ok(())
    } else {
        Err("the checksum is wrong".to_owned())
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// Parses `length key=value\n` records, of which only those that a walk needs are kept.
fn pax(mut records: &[u8], extensions: &mut Extensions) -> Result<(), String> {
    let malformed = || "its extension records are malformed".to_owned();
    // Some writers pad the last record with NULs.
    while !records.is_empty() && records[0] != 0 {
        let blank = records.iter().take(12).position(|byte| *byte == b' ').ok_or_else(malformed)?;
        let length: usize = std::str::from_utf8(&records[..blank])
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(malformed)?;
        let record = records.get(blank + 1..length).ok_or_else(malformed)?;
        let record = record.strip_suffix(b"\n").ok_or_else(malformed)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => extensions.path = Some(value.to_vec()),
            b"linkpath" => extensions.link = Some(value.to_vec()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                extensions.size = Some(size.ok_or_else(malformed)?);
            }
            b"GNU.sparse.name" => {
                extensions.sparse = true;
                extensions.sparse_name = Some(value.to_vec());
            }
            _ if key.starts_with(b"GNU.sparse.") => extensions.sparse = true,
            _ => extensions.others.push((key.to_vec(), value.to_vec())),
        }
        records = &records[length..];
    }
    Ok(())
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
        assert_eq!(found[0].records, [(b"mtime".to_vec(), b"1.5".to_vec())]);
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

        #[test]
        fn foreign_records_never_panic(bytes: Vec<u8>, text in "[0-9]{1,3} ?[a-z]{0,4}=?[a-z]{0,4}\n?") {
            let _ = pax(&bytes, &mut Extensions::default());
            let _ = pax(text.as_bytes(), &mut Extensions::default());
        }
    }
}
