//! zTOC: a table of contents beside a gzip layer, for runtimes that start a container before its image is there
//! ([SOCI](https://github.com/awslabs/soci-snapshotter), `ztoc/fbs/ztoc.fbs` and `ztoc/compression/gzip_zinfo.h`).
//!
//! It says where in the tar every file is, and at which places of the blob decoding can begin: *checkpoints*, each
//! with the 32 KiB of tar before it that later bytes may refer back to. Bodies refer to nothing before them, so a
//! checkpoint is any place between two bodies, and what stands before it is never needed: those 32 KiB are zeros.
//! The layer is the same as without: nothing of it changes.

mod flatbuffer;

use serde::{Deserialize, Serialize};

use self::flatbuffer::{BufferOffset, Builder, Field, VectorPart};
use super::entry::{Entry, EntryKind};
use super::gzip;
use super::spec::LayerSpec;
use super::tar::{self, TarError};
use crate::types::digest::{Digest, Sha256};
use crate::types::time::rfc3339;

/// A smaller blob has none: pulling it whole is faster than piece by piece. The value is that of SOCI's own tool.
pub(super) const MIN_BLOB: u64 = 10 << 20;
/// The shortest run of tar between two checkpoints; likewise.
const SPAN: u64 = 4 << 20;
/// There are about as many spans at most: each costs 32 KiB.
const MAX_SPANS: u64 = 1024;
/// So far back may DEFLATE refer (RFC 1951).
const WINDOW: usize = 32 << 10;
/// The version of the format.
const VERSION: &[u8] = b"0.9";
/// Who wrote it.
const TOOL: &[u8] = b"pack";

/// The facts about a layer's zTOC, which is a blob of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ztoc {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The shortest run of tar between two of its checkpoints, in bytes.
    pub span: u64,
}

/// A part of a blob that is decoded by itself.
struct ZtocSpan {
    /// Where it begins in the blob.
    blob: u64,
    /// Where it begins in the tar.
    tar: u64,
    digest: Digest,
}

/// The spans of a blob, hashed while it is written.
pub(super) struct Spans {
    /// The shortest.
    length: u64,
    finished: Vec<ZtocSpan>,
    hasher: Sha256,
    /// Where the open one begins, in the blob and in the tar.
    begun: (u64, u64),
    /// The ends of both so far.
    ends: (u64, u64),
}

impl Spans {
    /// Of a layer with so many bytes of payload.
    pub(super) fn new(payload: u64) -> Self {
        let mut length = SPAN;
        while payload / length >= MAX_SPANS {
            length *= 2;
        }
        let start = (gzip::HEADER.len() as u64, 0);
        Self { length, finished: Vec::new(), hasher: Sha256::new(), begun: start, ends: start }
    }

    /// Takes the next body, which is so long before it is encoded.
    pub(super) fn body(&mut self, encoded: &[u8], plain_length: u64) {
        if self.ends.1 - self.begun.1 >= self.length {
            self.close();
        }
        self.hasher.update(encoded);
        self.ends.0 += encoded.len() as u64;
        self.ends.1 += plain_length;
    }

    fn close(&mut self) {
        let digest = std::mem::take(&mut self.hasher).finish();
        self.finished.push(ZtocSpan { blob: self.begun.0, tar: self.begun.1, digest });
        self.begun = self.ends;
    }

    /// The zTOC of `layer`, whose blob ends with `epilogue`.
    ///
    /// # Errors
    /// When it would be larger than its own format allows.
    pub(super) fn finish(mut self, layer: &LayerSpec, epilogue: &[u8]) -> Result<ZtocBlob, ZtocError> {
        self.hasher.update(epilogue);
        self.ends.0 += epilogue.len() as u64;
        self.close();
        let bytes = table(layer, &self)?;
        let ztoc = Ztoc { digest: Digest::of(&bytes), size: bytes.len() as u64, span: self.length };
        Ok(ZtocBlob { ztoc, bytes })
    }
}

/// A finished zTOC.
pub(super) struct ZtocBlob {
    pub(super) ztoc: Ztoc,
    pub(super) bytes: Vec<u8>,
}

/// Why there is no zTOC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZtocError {
    /// It has more bytes than its offsets can say.
    #[error("a SOCI table of contents for {0} files would be larger than 2 GiB, which its format forbids")]
    TooLarge(usize),
    /// An entry cannot be told.
    #[error(transparent)]
    Tar(#[from] TarError),
}

/// The whole of it.
fn table(layer: &LayerSpec, spans: &Spans) -> Result<Vec<u8>, ZtocError> {
    let mut out = Builder::default();
    let (version, tool) = (out.string(VERSION), out.string(TOOL));
    let files = files(&mut out, layer)?;
    let files = out.vector(&files);
    let contents = out.table(&[Field::To(files)]);

    let checkpoints = checkpoints(&mut out, spans);
    let digests: Vec<BufferOffset> =
        spans.finished.iter().map(|span| out.string(span.digest.to_string().as_bytes())).collect();
    let digests = out.vector(&digests);
    let last = spans.finished.len() as i32 - 1;
    // The first field is the algorithm, which is gzip unless it says otherwise.
    let compression = out.table(&[Field::None, Field::Int(last), Field::To(digests), Field::To(checkpoints)]);
    let (blob, tar) = spans.ends;
    let root = out.table(&[
        Field::To(version),
        Field::To(tool),
        Field::Long(blob as i64),
        Field::Long(tar as i64),
        Field::To(contents),
        Field::To(compression),
    ]);
    out.finish(root).map_err(|_| ZtocError::TooLarge(layer.entries().len()))
}

/// `struct gzip_zinfo` as it is written: how many checkpoints, the length of spans, and for each the places in blob
/// and tar, the bits of the byte before that belong to it, and the window.
fn checkpoints(out: &mut Builder, spans: &Spans) -> BufferOffset {
    let head = [&(spans.finished.len() as u32).to_le_bytes()[..], &spans.length.to_le_bytes()].concat();
    let places: Vec<[u8; 17]> = spans
        .finished
        .iter()
        .map(|span| {
            let mut bytes = [0; 17];
            bytes[..8].copy_from_slice(&span.blob.to_le_bytes());
            bytes[8..16].copy_from_slice(&span.tar.to_le_bytes());
            bytes
        })
        .collect();
    let each = places.iter().flat_map(|place| [VectorPart::Bytes(place), VectorPart::Zeros(WINDOW)]);
    let parts: Vec<VectorPart<'_>> = std::iter::once(VectorPart::Bytes(&head)).chain(each).collect();
    out.bytes(&parts)
}

/// The tar's statements about each entry, and the place of its payload.
fn files(out: &mut Builder, layer: &LayerSpec) -> Result<Vec<BufferOffset>, TarError> {
    let mut at = 0;
    let mut places = Vec::with_capacity(layer.entries().len());
    for entry in layer.entries() {
        let size = entry.payload_size();
        let records = tar::records(entry)?;
        at += tar::length_with(&records);
        places.push(file(out, entry, &records, at)?);
        at += size + tar::padding(size) as u64;
    }
    Ok(places)
}

fn file(
    out: &mut Builder,
    entry: &Entry,
    records: &[tar::PaxField],
    at: u64,
) -> Result<BufferOffset, TarError> {
    let metadata = &entry.metadata;
    let (kind, device) = match entry.kind {
        EntryKind::File(_) => (&b"reg"[..], (0, 0)),
        EntryKind::Directory => (&b"dir"[..], (0, 0)),
        EntryKind::Symlink(_) => (&b"symlink"[..], (0, 0)),
        EntryKind::Hardlink(_) => (&b"hardlink"[..], (0, 0)),
        EntryKind::CharacterDevice(major, minor) => (&b"char"[..], (major, minor)),
        EntryKind::BlockDevice(major, minor) => (&b"block"[..], (major, minor)),
        EntryKind::Fifo => (&b"fifo"[..], (0, 0)),
    };
    let records: Vec<BufferOffset> = records
        .iter()
        .map(|(key, value)| {
            let fields = [Field::To(out.shared(key)), Field::To(out.string(value))];
            out.table(&fields)
        })
        .collect();
    let records = if records.is_empty() { Field::None } else { Field::To(out.vector(&records)) };
    let name = out.string(&tar::full_name(entry));
    let link = tar::link_name(entry);
    let link = if link.is_empty() { Field::None } else { Field::To(out.shared(link)) };
    let kind = out.shared(kind);
    let modified = rfc3339(metadata.mtime).map_err(|late| TarError::Time(entry.path.clone(), late.0))?;
    let modified = out.shared(modified.as_bytes());
    Ok(out.table(&[
        Field::To(name),
        Field::To(kind),
        Field::Long(at as i64),
        Field::Long(entry.payload_size() as i64),
        link,
        Field::Long(i64::from(metadata.mode & 0o7777)),
        Field::Uint(metadata.uid as u32),
        Field::Uint(metadata.gid as u32),
        Field::None,
        Field::None,
        Field::To(modified),
        Field::Long(i64::from(device.0)),
        Field::Long(i64::from(device.1)),
        records,
    ]))
}

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use super::*;
    use crate::layer::{EntryPath, Metadata};

    /// The zTOC of a small layer in spans of two bodies each.
    pub(crate) fn seed() -> Vec<u8> {
        let entry = |path: &str, kind| Entry {
            path: EntryPath::new(path.as_bytes()).unwrap_or_else(|_| unreachable!("a constant")),
            metadata: Metadata::symlink(),
            kind,
        };
        let entries =
            vec![entry("d", EntryKind::Directory), entry("d/ü", EntryKind::Symlink(b"to".to_vec()))];
        let layer = LayerSpec::new("l", entries).unwrap_or_else(|_| unreachable!("a constant"));
        let mut spans = Spans { length: 2, ..Spans::new(0) };
        for body in 0..5 {
            spans.body(&[body; 3], 1);
        }
        spans.close();
        table(&layer, &spans).unwrap_or_else(|_| unreachable!("it is small"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(spans: &Spans) -> Vec<(u64, u64)> {
        spans.finished.iter().map(|span| (span.blob, span.tar)).collect()
    }

    #[test]
    fn a_span_ends_with_the_body_that_makes_it_long_enough() {
        let mut spans = Spans::new(0);
        for (encoded, plain) in [(&b"ab"[..], SPAN - 1), (b"c", 1), (b"defg", SPAN + 5), (b"h", 1), (b"i", 1)]
        {
            spans.body(encoded, plain);
        }
        spans.close();
        assert_eq!(places(&spans), [(10, 0), (13, SPAN), (17, 2 * SPAN + 5)]);
        let digests = spans.finished.iter().map(|span| span.digest);
        assert!(digests.eq([&b"abc"[..], b"defg", b"hi"].map(Digest::of)));
        assert_eq!(spans.ends, (19, 2 * SPAN + 7));
    }

    #[test]
    fn long_layers_have_longer_spans() {
        for (payload, length) in
            [(0, SPAN), (MAX_SPANS * SPAN - 1, SPAN), (MAX_SPANS * SPAN, 2 * SPAN), (100 << 30, 32 * SPAN)]
        {
            let spans = Spans::new(payload);
            assert_eq!(spans.length, length, "{payload}");
            assert!(payload / spans.length < MAX_SPANS);
        }
    }

    #[test]
    fn the_end_of_the_blob_belongs_to_the_last_span() {
        let layer = LayerSpec::new("l", Vec::new()).expect("a layer");
        let mut spans = Spans::new(0);
        spans.body(b"body", 1);
        let table = spans.finish(&layer, b"end").expect("small");
        let digest = Digest::of(b"bodyend").to_string();
        let is_there = table.bytes.windows(digest.len()).any(|window| window == digest.as_bytes());
        assert!(is_there && table.ztoc.size == table.bytes.len() as u64);
    }
}
