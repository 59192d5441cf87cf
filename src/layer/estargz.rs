//! eStargz: a gzip layer whose files can be fetched one by one, for runtimes that start a container before its
//! image is there ([specification](https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md)).
//!
//! Every body is a gzip member of its own. The tar's last entry is a table of contents that says in which member
//! a file's bytes begin (`offset`), where in it (`innerOffset`) and what they hash to; a footer says where that is.
//! To everybody else it is a layer like any other, with two small files more.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::entry::{Content, ContentSource, Entry, EntryKind, EntryPath, Metadata};
use super::record::BodyRecord;
use super::spec::LayerSpec;
use super::{gzip, tar};
use crate::formats::deflate;
use crate::types::digest::{Digest, Sha256};
use crate::types::time::{TooLate, rfc3339};

/// The table of contents: the tar's last entry.
const CONTENTS: &str = "stargz.index.json";
/// The file that says that no file should be fetched before it is asked for.
const LANDMARK: &str = ".no.prefetch.landmark";
/// That other file which runtimes look for.
const PREFETCH: &str = ".prefetch.landmark";
/// The digest of the table of contents, in the layer's descriptor.
const TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";
/// The size of the tar, for `containers/storage`.
const TAR_SIZE: &str = "io.containers.estargz.uncompressed-size";
/// So much of the table of contents is encoded at a time.
const PIECE: usize = 1 << 20;

/// The statements of an eStargz layer's descriptor beside those of every layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toc {
    /// The digest of the table of contents.
    pub digest: Digest,
    /// The size of the tar in bytes.
    pub tar_size: u64,
}

impl Toc {
    /// As annotations of the layer's descriptor.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let all = [(TOC_DIGEST, self.digest.to_string()), (TAR_SIZE, self.tar_size.to_string())];
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// From those annotations.
    #[must_use]
    pub fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let digest = annotations.get(TOC_DIGEST)?.parse().ok()?;
        let tar_size = annotations.get(TAR_SIZE)?.parse().ok()?;
        Some(Self { digest, tar_size })
    }
}

/// A run of a file's bytes in a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    entry: usize,
    /// Where it begins in the file.
    offset: u64,
    length: u64,
    /// Where it begins in the body.
    inner: u64,
    digest: Digest,
}

impl Chunk {
    /// `bytes`, which begin at `offset` of the file and at `inner` of the body.
    pub(super) fn new(entry: usize, offset: u64, inner: usize, bytes: &[u8]) -> Self {
        Self { entry, offset, length: bytes.len() as u64, inner: inner as u64, digest: Digest::of(bytes) }
    }
}

/// The bytes of all files, gathered body by body.
#[derive(Default)]
pub(super) struct FileDigests {
    /// With the number of the body.
    chunks: Vec<(usize, Chunk)>,
    /// Of the files that have several chunks.
    digests: BTreeMap<usize, Digest>,
    /// The one under way.
    open: Option<Sha256>,
}

impl FileDigests {
    /// Takes the chunks of the next body, `plain`, in order.
    pub(super) fn take(&mut self, body: usize, chunks: &[Chunk], plain: &[u8], layer: &LayerSpec) {
        for chunk in chunks {
            self.chunks.push((body, *chunk));
            let size = layer.entries()[chunk.entry].payload_size();
            if chunk.length == size {
                continue;
            }
            let mut hasher = self.open.take().filter(|_| chunk.offset > 0).unwrap_or_default();
            let start = chunk.inner as usize;
            hasher.update(&plain[start..start + chunk.length as usize]);
            if chunk.offset + chunk.length == size {
                self.digests.insert(chunk.entry, hasher.finish());
            } else {
                self.open = Some(hasher);
            }
        }
    }
}

/// Appends `bytes` as a gzip member.
pub(super) fn member(
    level: deflate::DeflateLevel,
    bytes: &[u8],
    scratch: &mut deflate::DeflateScratch,
    out: &mut Vec<u8>,
) {
    // As a layer's that is one member.
    out.extend_from_slice(&gzip::HEADER);
    for piece in bytes.chunks(PIECE) {
        deflate::encode(level, piece, scratch, out);
    }
    out.extend_from_slice(&gzip::trailer(crc32fast::hash(bytes), bytes.len() as u64));
}

/// The bytes after a layer's bodies.
pub(super) struct Tail {
    /// In the tar.
    pub(super) tar: Vec<u8>,
    /// In the blob.
    pub(super) blob: Vec<u8>,
    pub(super) toc: Toc,
}

/// Why a layer has no table of contents: what cannot be said in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// JSON is text.
    #[error("{0} is not UTF-8, which an eStargz layer's table of contents must be")]
    NotUtf8(String),
    /// Its name means something else.
    #[error("an eStargz layer cannot have a file {0} of its own")]
    Reserved(EntryPath),
    /// A time that the table of contents cannot have.
    #[error(transparent)]
    Time(#[from] TooLate),
}

#[derive(Serialize)]
struct Contents<'a> {
    version: u32,
    entries: Vec<TocEntry<'a>>,
}

/// An entry of the table of contents. Whatever is zero or empty is left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TocEntry<'a> {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    size: u64,
    #[serde(rename = "modtime", skip_serializing_if = "String::is_empty")]
    modified: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    link_name: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    mode: u64,
    #[serde(skip_serializing_if = "is_zero")]
    uid: u64,
    #[serde(skip_serializing_if = "is_zero")]
    gid: u64,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    inner_offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    dev_major: u64,
    #[serde(skip_serializing_if = "is_zero")]
    dev_minor: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "is_zero")]
    chunk_offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    chunk_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_digest: Option<Digest>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Finds what could not be said of a layer when all else is done.
///
/// # Errors
/// When a name is taken or no text.
pub(super) fn check(layer: &LayerSpec) -> Result<(), ContentsError> {
    for entry in layer.entries() {
        let path = entry.path.as_bytes();
        if [CONTENTS, LANDMARK, PREFETCH].iter().any(|name| path == name.as_bytes()) {
            return Err(ContentsError::Reserved(entry.path.clone()));
        }
        text(path)?;
        rfc3339(entry.metadata.mtime)?;
        match &entry.kind {
            EntryKind::Symlink(target) => drop(text(target)?),
            EntryKind::Hardlink(path) => drop(text(path.as_bytes())?),
            _ => {}
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, ContentsError> {
    std::str::from_utf8(bytes)
        .map_err(|_| ContentsError::NotUtf8(format!("`{}`", String::from_utf8_lossy(bytes).escape_debug())))
}

/// The landmark, the table of contents and the footer, after bodies with these records.
///
/// # Errors
/// As [`check`].
pub(super) fn tail(
    layer: &LayerSpec,
    level: deflate::DeflateLevel,
    files: &FileDigests,
    records: &[BodyRecord],
) -> Result<Tail, ContentsError> {
    let mut starts = Vec::with_capacity(records.len());
    let (mut blob_at, mut tar_at) = (0, 0);
    for record in records {
        starts.push(blob_at);
        blob_at += u64::from(record.encoded_length);
        tar_at += u64::from(record.plain_length);
    }
    let mut scratch = deflate::DeflateScratch::default();
    let (mut tar, mut blob) = (Vec::new(), Vec::new());
    let mut add = |plain: &[u8], blob: &mut Vec<u8>| {
        let start = blob_at + blob.len() as u64;
        member(level, plain, &mut scratch, blob);
        tar.extend_from_slice(plain);
        start
    };

    let (landmark, payload) = file(LANDMARK, &[0x0f]);
    add(&landmark.1, &mut blob);
    let at = add(&payload, &mut blob);
    let digest = Digest::of(&[0x0f]);
    let mut entries = lines(layer, files, &starts)?;
    let line = line(&landmark.0)?;
    entries.push(TocEntry { size: 1, offset: at, digest: Some(digest), chunk_digest: Some(digest), ..line });

    let contents = serde_json::to_vec(&Contents { version: 1, entries })
        .unwrap_or_else(|error| unreachable!("text and numbers: {error}"));
    let (header, payload) = file(CONTENTS, &contents);
    let start = add(&[&header.1[..], &payload, &tar::END].concat(), &mut blob);
    blob.extend_from_slice(&footer(start));
    let toc = Toc { digest: Digest::of(&contents), tar_size: tar_at + tar.len() as u64 };
    Ok(Tail { tar, blob, toc })
}

/// A file at the top of the tar: its entry with its header, and its payload with what pads it.
fn file(name: &str, bytes: &[u8]) -> ((Entry, Vec<u8>), Vec<u8>) {
    let content = Content { size: bytes.len() as u64, source: ContentSource::Bytes(bytes.into()) };
    let entry = Entry {
        path: EntryPath::new(name.as_bytes()).unwrap_or_else(|_| unreachable!("a constant")),
        metadata: Metadata::file(false),
        kind: EntryKind::File(content),
    };
    let mut header = Vec::new();
    tar::write_header(&entry, &mut header)
        .unwrap_or_else(|error| unreachable!("a short name and no attributes: {error}"));
    let mut payload = bytes.to_vec();
    payload.resize(bytes.len() + tar::padding(bytes.len() as u64), 0);
    ((entry, header), payload)
}

/// The table of contents: every entry, with every chunk of its bytes.
fn lines<'a>(
    layer: &'a LayerSpec,
    files: &FileDigests,
    starts: &[u64],
) -> Result<Vec<TocEntry<'a>>, ContentsError> {
    let mut chunks = files.chunks.iter().peekable();
    let mut lines = Vec::with_capacity(layer.entries().len() + 1);
    for (number, entry) in layer.entries().iter().enumerate() {
        let mut line = line(entry)?;
        while let Some((body, chunk)) = chunks.next_if(|(_, chunk)| chunk.entry == number) {
            let is_last = chunk.offset + chunk.length == entry.payload_size();
            let place = TocEntry {
                offset: starts[*body],
                inner_offset: chunk.inner,
                chunk_offset: chunk.offset,
                // The last one goes to the end of the file.
                chunk_size: if is_last { 0 } else { chunk.length },
                chunk_digest: Some(chunk.digest),
                ..TocEntry::default()
            };
            if chunk.offset == 0 {
                let digest = files.digests.get(&number).copied().unwrap_or(chunk.digest);
                let TocEntry { offset, inner_offset, chunk_size, chunk_digest, .. } = place;
                let size = entry.payload_size();
                line = TocEntry {
                    size,
                    digest: Some(digest),
                    offset,
                    inner_offset,
                    chunk_size,
                    chunk_digest,
                    ..line
                };
            } else {
                let chunk = TocEntry { name: line.name.clone(), kind: "chunk", ..place };
                lines.push(std::mem::replace(&mut line, chunk));
            }
        }
        lines.push(line);
    }
    Ok(lines)
}

/// The line of an entry, without its bytes.
fn line(entry: &Entry) -> Result<TocEntry<'_>, ContentsError> {
    let metadata = &entry.metadata;
    let (kind, link_name, device) = match &entry.kind {
        EntryKind::File(_) => ("reg", "", (0, 0)),
        EntryKind::Directory => ("dir", "", (0, 0)),
        EntryKind::Symlink(target) => ("symlink", text(target)?, (0, 0)),
        EntryKind::Hardlink(path) => ("hardlink", text(path.as_bytes())?, (0, 0)),
        EntryKind::CharacterDevice(major, minor) => ("char", "", (*major, *minor)),
        EntryKind::BlockDevice(major, minor) => ("block", "", (*major, *minor)),
        EntryKind::Fifo => ("fifo", "", (0, 0)),
    };
    let xattrs = metadata.xattrs.iter().map(|(name, value)| (name.as_str(), BASE64.encode(value)));
    Ok(TocEntry {
        name: text(&tar::full_name(entry))?.to_owned(),
        kind,
        modified: rfc3339(metadata.mtime)?,
        link_name,
        mode: u64::from(metadata.mode),
        uid: metadata.uid,
        gid: metadata.gid,
        dev_major: u64::from(device.0),
        dev_minor: u64::from(device.1),
        xattrs: xattrs.collect(),
        ..TocEntry::default()
    })
}

/// An empty gzip member that says where the table of contents begins.
fn footer(contents: u64) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, b'S', b'G', 22, 0];
    bytes.extend_from_slice(format!("{contents:016x}STARGZ").as_bytes());
    // A final stored block of nothing, its CRC-32 and its length.
    bytes.extend_from_slice(&[1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}
