//! The statements of a zTOC about its layer, compared with the layer: every span is hashed and decoded by itself, and
//! the result is walked beside the table of contents (soci-snapshotter, `ztoc/fbs/ztoc.fbs` and
//! `ztoc/compression/gzip_zinfo.h`).

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::DeflateDecoder;
use tar::EntryType;

use super::flatbuffer::{Broken, FlatTable};
use super::hashing::HashingReader;
use super::report::{Disagreement, DisagreementKind, Findings};
use crate::formats::untar::{self, LAYER, ReadThrough, TarWalk};
use crate::oci::Descriptor;
use crate::runtime::budget::{Budget, MeteredReader, OverBudget};
use crate::transport::Source;
use crate::types::shown::shown_start;

/// A larger table is not looked into: it would be of a layer of some 8 GB.
const MAX_TABLE: u64 = 64 << 20;
/// The most memory that all tables that are compared at a time may take.
pub(super) const MAX_COST: u64 = 128 << 20;
/// Bytes before a checkpoint that later ones may refer to.
const WINDOW: usize = 32 << 10;
/// The bytes before the checkpoints: their number, and the length of a span.
const HEAD: usize = 4 + 8;
/// A checkpoint: its places in blob and tar, the bits of the byte before it, the window.
const CHECKPOINT: usize = 8 + 8 + 1 + WINDOW;
/// An empty final block (RFC 1951), which only the last span has.
const END: [u8; 2] = [3, 0];
/// The cost of a record of an entry in a map.
const RECORD: usize = 64;
/// An entry with more records is not looked into.
const MAX_RECORDS: usize = 100_000;
/// Bytes of a text that a message shows.
const SHOWN: usize = 200;
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Why a table is not known to be right.
#[derive(Debug)]
enum TableFault {
    /// It is wrong.
    Wrong(String),
    /// It is more than is looked at here.
    NotChecked(String),
}

impl From<String> for TableFault {
    fn from(message: String) -> Self {
        Self::Wrong(message)
    }
}

impl From<OverBudget> for TableFault {
    fn from(error: OverBudget) -> Self {
        Self::NotChecked(error.to_string())
    }
}

impl From<Broken> for TableFault {
    fn from(Broken: Broken) -> Self {
        Self::Wrong("the table of contents is no FlatBuffer that can be read".to_owned())
    }
}

/// The memory for the places of all entries of a table of so many bytes: an entry of an honest one has four times as many
/// bytes as its place. Entries are read one by one.
const fn room(bytes: u64) -> u64 {
    (1 << 20) + bytes
}

/// The work for reading all entries. Records may share their names.
const fn work(bytes: u64) -> u64 {
    (1 << 20) + 8 * bytes
}

/// The most memory for comparing a table, in bytes.
pub(super) fn cost(table: &Descriptor) -> u64 {
    table.size.min(MAX_TABLE) + room(table.size.min(MAX_TABLE))
}

/// The disagreements between `table` and its layer; none if either cannot be read, which is found elsewhere.
pub(super) fn check(
    source: &dyn Source,
    table: &Descriptor,
    layer: &Descriptor,
    budget: &Budget,
) -> Findings {
    let finding =
        |message: String| vec![Disagreement::new(DisagreementKind::Contents, table.digest, message)];
    match compare(source, table, layer, budget) {
        Ok(()) => Findings::default(),
        Err(TableFault::Wrong(message)) => Findings { problems: finding(message), ..Findings::default() },
        Err(TableFault::NotChecked(message)) => {
            Findings { warnings: finding(message), ..Findings::default() }
        }
    }
}

fn compare(
    source: &dyn Source,
    table: &Descriptor,
    layer: &Descriptor,
    budget: &Budget,
) -> Result<(), TableFault> {
    if table.size > MAX_TABLE {
        let message =
            format!("the table of contents has {} bytes; none above {MAX_TABLE} is read", table.size);
        return Err(TableFault::NotChecked(message));
    }
    let mut bytes = Vec::new();
    let read = source.blob(table).map(|mut stream| stream.read_to_end(&mut bytes));
    let (Ok(Ok(_)), Ok(blob)) = (read, source.blob(layer)) else { return Ok(()) };
    let contents = TableOfContents::parse(&bytes)?;
    if contents.blob != layer.size {
        let (found, size) = (contents.blob, layer.size);
        return Err(
            format!("the table of contents is of a layer of {found} bytes, this one has {size}").into()
        );
    }
    contents.compare(blob, budget)
}

/// The statements of a zTOC.
struct TableOfContents<'a> {
    blob: u64,
    tar: u64,
    spans: Vec<TableSpan<'a>>,
    /// In the order of the tar.
    files: Vec<FilePlace>,
    /// The whole table.
    bytes: &'a [u8],
    /// For what is read of the entries.
    budget: Budget,
}

/// The statements about an entry, which are read when the walk is there.
struct FilePlace {
    /// Where its payload begins in the tar.
    offset: u64,
    /// Where in the table they are.
    at: u32,
}

struct TableSpan<'a> {
    /// Where it begins in the blob.
    blob: u64,
    /// Where it begins in the tar.
    tar: u64,
    digest: &'a [u8],
}

/// The statements about one entry.
#[derive(Debug, PartialEq, Eq)]
struct File<'a> {
    offset: u64,
    size: u64,
    name: &'a [u8],
    kind: &'a [u8],
    link: &'a [u8],
    mode: u64,
    owner: (u64, u64),
    modified: &'a [u8],
    xattrs: BTreeMap<&'a [u8], &'a [u8]>,
}

impl<'a> TableOfContents<'a> {
    /// Reads a table. Its parts may be named many times over, so what is made of them is bounded by its size.
    fn parse(bytes: &'a [u8]) -> Result<Self, TableFault> {
        let size = bytes.len() as u64;
        let budget = Budget::new("the table of contents", room(size), work(size));
        let root = FlatTable::root(bytes)?;
        let compression = root.table(5)?;
        if root.text(0)? != b"0.9" {
            let version = shown_start(root.text(0)?, SHOWN);
            return Err(format!(
                "the table of contents has the version `{version}`, which no reader supports"
            )
            .into());
        }
        if compression.byte(0)?.unwrap_or(1) != 1 {
            return Err(TableFault::NotChecked("the table of contents is not of a gzip layer".to_owned()));
        }
        let digests = compression.vector(2)?;
        budget.keep(digests.len().saturating_mul(size_of::<(&[u8], TableSpan<'_>)>()))?;
        let digests: Vec<&[u8]> = digests.texts().collect::<Result<_, _>>()?;
        if digests.is_empty() || compression.int(1)? != digests.len() as i64 - 1 {
            let (digests, last) = (digests.len(), compression.int(1)?);
            return Err(format!("there are {digests} digests of spans, and {last} is the last span").into());
        }
        let checkpoints = compression.text(3)?;
        let expected = HEAD + digests.len() * CHECKPOINT;
        if checkpoints.len() != expected {
            let found = checkpoints.len();
            return Err(
                format!("the checkpoints are {found} bytes, not the {expected} of their number").into()
            );
        }
        let mut spans = Vec::new();
        for (checkpoint, digest) in checkpoints[HEAD..].chunks_exact(CHECKPOINT).zip(digests) {
            let (blob, tar) = (number(checkpoint, 0)?, number(checkpoint, 8)?);
            if checkpoint[16..].iter().any(|byte| *byte != 0) {
                let what = "depends on what stands before it: the table of contents is not compared";
                return Err(TableFault::NotChecked(format!("the checkpoint at {blob} {what}")));
            }
            spans.push(TableSpan { blob, tar, digest });
        }
        let entries = root.table(4)?.vector(0)?;
        budget.keep(entries.len().saturating_mul(size_of::<FilePlace>()))?;
        let mut files: Vec<FilePlace> = Vec::with_capacity(entries.len());
        for entry in entries.tables() {
            let entry = entry?;
            let at = u32::try_from(entry.position()).map_err(|_| Broken)?;
            files.push(FilePlace { offset: File::offset(&entry)?, at });
        }
        if !files.is_sorted_by_key(|file| file.offset) {
            files.sort_by_key(|file| file.offset);
        }
        let (blob, tar) = (root.long(2)?.try_into(), root.long(3)?.try_into());
        let (Ok(blob), Ok(tar)) = (blob, tar) else { return Err(Broken.into()) };
        Ok(Self { blob, tar, spans, files, bytes, budget })
    }

    /// The statements at a place.
    fn file(&self, place: &FilePlace) -> Result<File<'a>, TableFault> {
        File::parse(&FlatTable::at(self.bytes, place.at as usize), &self.budget)
    }

    /// Reads the layer by its spans.
    fn compare(&self, blob: impl Read, budget: &Budget) -> Result<(), TableFault> {
        let mut plain = SpanReader::new(blob, self)?;
        let walked = self.walk(MeteredReader::new(&mut plain, budget));
        let rest = io::copy(&mut MeteredReader::new(&mut plain, budget), &mut io::sink());
        // A fault below explains a fault above.
        match (plain.failure, walked, rest) {
            (Some(why), ..) => Err(why.into()),
            (None, Err(why), _) => Err(why),
            (None, Ok(()), Err(error)) => Err(error.to_string().into()),
            (None, Ok(()), Ok(_)) => Ok(()),
        }
    }

    fn walk(&self, plain: impl Read) -> Result<(), TableFault> {
        let mut walk = TarWalk::new(ReadThrough(plain), LAYER);
        let mut files = self.files.iter();
        while let Some(entry) = walk.next().map_err(|error| error.to_string())? {
            let shown = String::from_utf8_lossy(&entry.path).into_owned();
            let place = files.next().ok_or_else(|| format!("`{shown}` is not in the table of contents"))?;
            let file = self.file(place)?;
            let times = entry.records.contains_key(&b"mtime"[..]);
            let mut expected = File::of(&entry);
            // Another module finds times that are invalid.
            let mtime = u64::try_from(entry.mtime).ok();
            let modified =
                mtime.and_then(|mtime| crate::types::time::rfc3339(mtime).ok()).unwrap_or_default();
            // Another tool's may have parts of seconds.
            expected.modified = if times { file.modified } else { modified.as_bytes() };
            if let Some(difference) = file.difference(&expected) {
                let message = format!("`{shown}` is not what the table of contents says: {difference}");
                return Err(message.into());
            }
        }
        match files.next() {
            Some(place) => {
                let name = shown_start(self.file(place)?.name, SHOWN);
                Err(format!("the table of contents has `{name}`, and the layer has not").into())
            }
            None => Ok(()),
        }
    }
}

fn natural(number: i64) -> Result<u64, Broken> {
    u64::try_from(number).map_err(|_| Broken)
}

fn number(bytes: &[u8], at: usize) -> Result<u64, Broken> {
    let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or(Broken)?;
    Ok(u64::from_le_bytes(bytes))
}

impl<'a> File<'a> {
    fn parse(table: &FlatTable<'a>, budget: &Budget) -> Result<Self, TableFault> {
        let records = table.vector(13)?;
        if records.len() > MAX_RECORDS {
            let count = records.len();
            return Err(TableFault::NotChecked(format!(
                "an entry of the table of contents has {count} records"
            )));
        }
        let mut xattrs = BTreeMap::new();
        for record in records.tables() {
            let record = record?;
            let name = record.text(0)?;
            budget.step(RECORD + name.len())?;
            if name.starts_with(XATTR) {
                xattrs.insert(name, record.text(1)?);
            }
        }
        Ok(Self {
            name: table.text(0)?,
            kind: table.text(1)?,
            offset: Self::offset(table)?,
            size: natural(table.long(3)?)?,
            link: table.text(4)?,
            mode: natural(table.long(5)?)? & 0o7777,
            owner: (natural(table.int(6)?)?, natural(table.int(7)?)?),
            modified: table.text(10)?,
            xattrs,
        })
    }

    /// Where its payload begins in the tar.
    fn offset(table: &FlatTable<'_>) -> Result<u64, Broken> {
        natural(table.long(2)?)
    }

    /// The first field that is another in `expected`.
    fn difference(&self, expected: &Self) -> Option<String> {
        let text = |bytes: &[u8]| shown_start(bytes, SHOWN);
        let fields = |it: &Self| {
            [
                ("offset", it.offset.to_string()),
                ("size", it.size.to_string()),
                ("name", text(it.name)),
                ("type", text(it.kind)),
                ("link target", text(it.link)),
                ("mode", format!("{:04o}", it.mode)),
                ("owner", format!("{}:{}", it.owner.0, it.owner.1)),
                ("time", text(it.modified)),
            ]
        };
        if self == expected {
            return None;
        }
        let both = fields(self).into_iter().zip(fields(expected));
        let different = both.into_iter().find(|((_, said), (_, is))| said != is);
        Some(different.map_or_else(
            || "its attributes are others".to_owned(),
            |((name, said), (_, is))| format!("its {name} is `{is}`, not `{said}`"),
        ))
    }

    /// The expected statement, without the time.
    fn of(entry: &'a untar::TarEntry) -> Self {
        let kind: &[u8] = match entry.kind {
            EntryType::Directory => b"dir",
            EntryType::Symlink => b"symlink",
            EntryType::Link => b"hardlink",
            EntryType::Char => b"char",
            EntryType::Block => b"block",
            EntryType::Fifo => b"fifo",
            _ => b"reg",
        };
        let xattrs = entry.records.iter().filter(|(key, _)| key.starts_with(XATTR));
        Self {
            offset: entry.offset,
            size: entry.size,
            name: &entry.path,
            kind,
            link: &entry.link,
            mode: u64::from(entry.mode),
            owner: (entry.uid, entry.gid),
            modified: b"",
            xattrs: xattrs.map(|(key, value)| (&key[..], &value[..])).collect(),
        }
    }
}

/// The tar, each span of it decoded by itself.
struct SpanReader<'c, R: Read> {
    contents: &'c TableOfContents<'c>,
    next: usize,
    state: SpanState<R>,
    /// Bytes that came of the open span.
    decoded: u64,
    failure: Option<String>,
}

enum SpanState<R: Read> {
    Between(R),
    Within(Box<DeflateDecoder<SpanBytes<R>>>),
    Done,
}

/// The bytes of a span, with an end where it has none.
type SpanBytes<R> = io::Chain<HashingReader<'static, io::Take<R>>, &'static [u8]>;

impl<'c, R: Read> SpanReader<'c, R> {
    fn new(mut blob: R, contents: &'c TableOfContents<'c>) -> Result<Self, String> {
        let first = contents.spans.first().map_or(0, |span| span.blob);
        let begun = io::copy(&mut blob.by_ref().take(first), &mut io::sink());
        if begun.is_ok_and(|read| read == first) {
            return Ok(Self {
                contents,
                next: 0,
                state: SpanState::Between(blob),
                decoded: 0,
                failure: None,
            });
        }
        Err(format!("the first span begins at {first}, and the layer ends before"))
    }

    /// Where a span begins and ends, in blob and tar.
    fn bounds(&self, number: usize) -> Option<[u64; 4]> {
        let span = self.contents.spans.get(number)?;
        let next = self.contents.spans.get(number + 1);
        let (blob, tar) = next.map_or((self.contents.blob, self.contents.tar), |next| (next.blob, next.tar));
        Some([span.blob, blob, span.tar, tar])
    }

    /// Opens the next span; `false` after the last.
    fn open(&mut self, blob: R) -> Result<bool, String> {
        let Some([start, end, ..]) = self.bounds(self.next) else { return Ok(false) };
        let length = end.checked_sub(start).filter(|length| *length > 0);
        let length = length.ok_or_else(|| format!("span {} ends before it begins", self.next))?;
        let inner = HashingReader::new(blob.take(length), None);
        let is_last = self.next + 1 == self.contents.spans.len();
        let end: &[u8] = if is_last { &[] } else { &END };
        self.state = SpanState::Within(Box::new(DeflateDecoder::new(inner.chain(end))));
        self.decoded = 0;
        Ok(true)
    }

    /// Compares the open span with what is said of it.
    fn close(&mut self, mut bytes: HashingReader<'static, io::Take<R>>) -> Result<R, String> {
        io::copy(&mut bytes, &mut io::sink()).map_err(|error| error.to_string())?;
        let number = self.next;
        let found = bytes.digest().to_string();
        let expected = self.contents.spans[number].digest;
        if found.as_bytes() != expected {
            let expected = shown_start(expected, SHOWN);
            return Err(format!("span {number} has the digest {found}, and should have {expected}"));
        }
        let [.., start, end] = self.bounds(number).unwrap_or_default();
        if start.checked_add(self.decoded) != Some(end) {
            let decoded = self.decoded;
            return Err(format!(
                "span {number} is {decoded} bytes of tar, from {start} it should reach {end}"
            ));
        }
        self.next += 1;
        Ok(bytes.inner.into_inner())
    }

    /// A layer that unpacks to more bytes than announced is not read on, even if few bytes were read for it.
    fn check_length(&self) -> Result<(), String> {
        let [.., start, end] = self.bounds(self.next).unwrap_or_default();
        if end.checked_sub(start).is_none_or(|length| self.decoded > length) {
            return Err(format!("span {} is more bytes of tar than from {start} to {end}", self.next));
        }
        Ok(())
    }

    fn step(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        loop {
            match std::mem::replace(&mut self.state, SpanState::Done) {
                SpanState::Done => return Ok(0),
                SpanState::Between(blob) => {
                    if !self.open(blob)? {
                        return Ok(0);
                    }
                }
                SpanState::Within(mut decoder) => {
                    let read = decoder.read(buffer).map_err(|error| {
                        format!("span {} cannot be decoded by itself: {error}", self.next)
                    })?;
                    if read > 0 {
                        self.decoded += read as u64;
                        self.state = SpanState::Within(decoder);
                        self.check_length()?;
                        return Ok(read);
                    }
                    let (bytes, _) = decoder.into_inner().into_inner();
                    let blob = self.close(bytes)?;
                    self.state = SpanState::Between(blob);
                }
            }
        }
    }
}

impl<R: Read> Read for SpanReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.step(buffer).map_err(|why| {
            self.failure.get_or_insert_with(|| why.clone());
            io::Error::other(why)
        })
    }
}

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use super::*;

    /// Whatever a table says, reading it ends, and a layer that it is not of is not found to agree.
    pub(crate) fn table(data: &[u8]) {
        let Ok(contents) = TableOfContents::parse(data) else { return };
        let budget = Budget::new("the input", 0, 1 << 20);
        assert!(contents.compare(io::empty(), &budget).is_err(), "no layer is empty");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that counts what is taken from it.
    struct Counting<'a>(&'a [u8], &'a std::cell::Cell<usize>);

    impl Read for Counting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(buffer)?;
            self.1.set(self.1.get() + read);
            Ok(read)
        }
    }

    #[test]
    fn a_span_that_unpacks_without_end_is_stopped() {
        use std::io::Write as _;
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        (0..64).for_each(|_| encoder.write_all(&[0; 1 << 20]).expect("encodes"));
        let bomb = encoder.finish().expect("encodes");
        let span = TableSpan { blob: 0, tar: 0, digest: b"" };
        let contents = TableOfContents {
            blob: bomb.len() as u64,
            tar: 1024,
            spans: vec![span],
            files: Vec::new(),
            bytes: &[],
            budget: Budget::new("the table", 0, 0),
        };
        let taken = std::cell::Cell::new(0);
        let budget = Budget::new("the test", 0, u64::MAX);
        let Err(TableFault::Wrong(why)) = contents.compare(Counting(&bomb, &taken), &budget) else {
            panic!("it is longer");
        };
        assert!(why.contains("span 0 is more bytes of tar"), "{why}");
        assert!(taken.get() < bomb.len(), "{} of {} bytes were read", taken.get(), bomb.len());
    }
}
