//! What a layer contains, entry by entry, in its own order: metadata and hashes, never a payload.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Cursor, Read};

use super::{DiffError, Field};
use crate::digest::{Digest, Sha256};
use crate::image::Descriptor;
use crate::interrupt::Interrupt;
use crate::observer::{Phase, Progress};
use crate::transport::{BlobStream, Source};
use crate::untar::{Entry, LAYER, ReadThrough, TarError, Walk};

/// A layer may have so many entries.
const MAX_ENTRIES: usize = 4_000_000;
/// A layer may unpack to so many bytes.
const MAX_UNPACKED: u64 = 64 << 30;
/// How often to look whether the user interrupted, in entries.
const GLANCE: usize = 256;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Character,
    Block,
    Fifo,
    Other(u8),
}

impl Kind {
    fn of(kind: tar::EntryType) -> Self {
        match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous => Self::File,
            tar::EntryType::Directory => Self::Directory,
            tar::EntryType::Symlink => Self::Symlink,
            tar::EntryType::Link => Self::HardLink,
            tar::EntryType::Char => Self::Character,
            tar::EntryType::Block => Self::Block,
            tar::EntryType::Fifo => Self::Fifo,
            other => Self::Other(other.as_byte()),
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::File => "file".to_owned(),
            Self::Directory => "directory".to_owned(),
            Self::Symlink => "symbolic link".to_owned(),
            Self::HardLink => "hard link".to_owned(),
            Self::Character => "character device".to_owned(),
            Self::Block => "block device".to_owned(),
            Self::Fifo => "pipe".to_owned(),
            Self::Other(kind) => format!("entry of type {}", char::from(kind).escape_default()),
        }
    }
}

/// An entry without its payload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) size: u64,
    /// SHA-256 of the payload, if it may have one.
    pub(super) content: Option<Digest>,
    pub(super) link: Vec<u8>,
    /// Numbers as text: what cannot be read is `?`, and differs from what can.
    pub(super) mode: String,
    pub(super) owner: String,
    pub(super) owner_name: String,
    pub(super) mtime: String,
    pub(super) device: String,
    /// Extended attributes and all other records, by name.
    pub(super) records: BTreeMap<String, Vec<u8>>,
}

/// A layer.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the layer's order.
    pub(super) entries: Vec<Listed>,
    /// The last entry of each path, which is the one that counts.
    pub(super) by_path: BTreeMap<Vec<u8>, usize>,
}

/// An entry of a layer.
#[derive(Debug)]
pub(super) struct Listed {
    /// Normalised: without `./` and slashes at either end. The root is empty.
    pub(super) path: Vec<u8>,
    /// As it is written.
    pub(super) written: Vec<u8>,
    pub(super) node: Node,
    /// Of the header and the extension records before it, byte for byte.
    pub(super) raw: Digest,
}

impl Listing {
    /// Reads a layer to its end, so that its bytes are checked.
    pub(super) fn read(
        source: &dyn Source,
        layer: &Descriptor,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self, crate::error::BoxedError> {
        let stream = source.blob(layer)?;
        let task = progress.task(Phase::Read, format!("layer {}", layer.digest.short()), Some(layer.size));
        let counted = Counted { inner: stream, advance: |bytes| task.advance(bytes) };
        let failed = |source_error: io::Error| DiffError::Layer {
            place: source.name(),
            layer: layer.digest,
            source: source_error,
        };
        let listing = Self::read_blob(counted, interrupt).map_err(|error| {
            if interrupt.is_triggered() {
                DiffError::Interrupted(crate::interrupt::Interrupted)
            } else {
                failed(error)
            }
        })?;
        task.finish("read");
        Ok(listing)
    }

    pub(super) fn read_blob(mut blob: impl Read, interrupt: &Interrupt) -> io::Result<Self> {
        let mut start = Vec::new();
        (&mut blob).take(4).read_to_end(&mut start)?;
        let magic: [u8; 4] = std::array::from_fn(|at| start.get(at).copied().unwrap_or(0));
        let packed = BufReader::with_capacity(128 << 10, Cursor::new(start).chain(&mut blob));
        let listing = match magic {
            [0x1f, 0x8b, ..] => Self::read_tar(flate2::bufread::MultiGzDecoder::new(packed), interrupt),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                Self::read_tar(zstd::stream::read::Decoder::with_buffer(packed)?, interrupt)
            }
            _ => Self::read_tar(packed, interrupt),
        }?;
        // Whoever checks the digest has to see all of it.
        io::copy(&mut blob, &mut io::sink())?;
        Ok(listing)
    }

    fn read_tar(tar: impl Read, interrupt: &Interrupt) -> io::Result<Self> {
        let mut tar = tar.take(MAX_UNPACKED + 1);
        let mut listing = Self::default();
        let mut walk = Walk::new(ReadThrough(&mut tar), LAYER);
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let broken = |error: TarError| match error {
            TarError::Io(error) => error,
            error => invalid(error.to_string()),
        };
        while let Some(entry) = walk.next().map_err(broken)? {
            if entry.sparse {
                return Err(broken(TarError::Sparse(String::from_utf8_lossy(&entry.path).into_owned())));
            }
            if listing.entries.len() >= MAX_ENTRIES {
                return Err(invalid(format!("the layer has more than {MAX_ENTRIES} entries")));
            }
            if listing.entries.len().is_multiple_of(GLANCE) {
                interrupt.check().map_err(crate::error::carry)?;
            }
            let mut hasher = Sha256::new();
            walk.payload(|piece| hasher.update(piece)).map_err(broken)?;
            listing.add(Listed::new(entry, hasher.finish()));
        }
        io::copy(&mut tar, &mut io::sink())?;
        if tar.limit() == 0 {
            return Err(invalid(format!("the layer unpacks to more than {MAX_UNPACKED} bytes")));
        }
        Ok(listing)
    }

    pub(super) fn add(&mut self, listed: Listed) {
        self.by_path.insert(listed.path.clone(), self.entries.len());
        self.entries.push(listed);
    }

    /// The entry that counts for `path`.
    pub(super) fn get(&self, path: &[u8]) -> Option<&Node> {
        Some(&self.entries[*self.by_path.get(path)?].node)
    }
}

impl Listed {
    fn new(entry: Entry, content: Digest) -> Self {
        let header = &entry.header;
        let mut raw = Sha256::new();
        raw.update(&entry.extensions);
        raw.update(header.as_bytes());
        let kind = Kind::of(entry.kind);
        let number = |result: io::Result<u64>| result.map_or_else(|_| "?".to_owned(), |it| it.to_string());
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let mut records: BTreeMap<String, Vec<u8>> = entry
            .records
            .into_iter()
            .map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), value))
            .collect();
        // A record takes the place of the header's field.
        let mut or = |name: &str, field: String| {
            records.remove(name).map_or(field, |value| String::from_utf8_lossy(&value).into_owned())
        };
        let (uid, gid) = (or("uid", number(header.uid())), or("gid", number(header.gid())));
        let user = or("uname", text(header.username_bytes()));
        let group = or("gname", text(header.groupname_bytes()));
        let mtime = or("mtime", number(header.mtime()));
        let mode = header.mode().map_or_else(|_| "?".to_owned(), |mode| format!("{:04o}", mode & 0o7777));
        let device = match kind {
            Kind::Character | Kind::Block => {
                let part = |part: io::Result<Option<u32>>| number(part.map(|it| it.unwrap_or(0).into()));
                format!("{}:{}", part(header.device_major()), part(header.device_minor()))
            }
            _ => String::new(),
        };
        let has_content = matches!(kind, Kind::File | Kind::Other(_));
        Self {
            path: normal(&entry.path),
            written: entry.path,
            node: Node {
                kind,
                size: entry.size,
                content: has_content.then_some(content),
                link: entry.link,
                mode,
                owner: format!("{uid}:{gid}"),
                owner_name: if user.is_empty() && group.is_empty() {
                    String::new()
                } else {
                    format!("{user}:{group}")
                },
                mtime,
                device,
                records,
            },
            raw: raw.finish(),
        }
    }
}

/// A path without `.`, empty parts and slashes at either end.
pub(super) fn normal(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.collect::<Vec<_>>().join(&b'/')
}

/// Bytes as people read them; what is no text in hexadecimal.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("0x{}", crate::digest::hex(bytes)),
    }
}

impl Node {
    /// Everything in which two nodes differ, the weightiest first.
    pub(super) fn differences(&self, other: &Self) -> Vec<Field> {
        let mut fields = Vec::new();
        let mut field = |name: &str, a: String, b: String| {
            if a != b {
                let some = |text: String| (!text.is_empty()).then_some(text);
                fields.push(Field { name: name.to_owned(), a: some(a), b: some(b) });
            }
        };
        field("type", self.kind.name(), other.kind.name());
        field("link", shown(&self.link), shown(&other.link));
        if self.kind == other.kind {
            field("size", self.size.to_string(), other.size.to_string());
            let digest = |digest: Option<Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
            field("content", digest(self.content), digest(other.content));
        }
        field("mode", self.mode.clone(), other.mode.clone());
        field("owner", self.owner.clone(), other.owner.clone());
        field("mtime", self.mtime.clone(), other.mtime.clone());
        field("device", self.device.clone(), other.device.clone());
        let names: std::collections::BTreeSet<&String> =
            self.records.keys().chain(other.records.keys()).collect();
        for name in names {
            let value = |node: &Self| node.records.get(name).map(|value| shown(value)).unwrap_or_default();
            let label = match name.strip_prefix("SCHILY.xattr.") {
                Some(attribute) => format!("xattr {attribute}"),
                None => format!("record {name}"),
            };
            let has = |node: &Self| node.records.contains_key(name);
            if has(self) == has(other) {
                field(&label, value(self), value(other));
            } else {
                let of = |node: &Self| if has(node) { format!("`{}`", value(node)) } else { String::new() };
                field(&label, of(self), of(other));
            }
        }
        field("owner name", self.owner_name.clone(), other.owner_name.clone());
        fields
    }
}

/// The first thing that makes two tars different, with the path that it is about.
pub(super) fn first_difference(a: &Listing, b: &Listing) -> String {
    let shown = |path: &[u8]| if path.is_empty() { "/".to_owned() } else { shown(path) };
    for (x, y) in a.entries.iter().zip(&b.entries) {
        if x.path == y.path {
            if let Some(field) = x.node.differences(&y.node).first() {
                return format!("{}: {field}", shown(&x.path));
            }
            if x.written != y.written {
                let (x, y) = (shown(&x.written), shown(&y.written));
                return format!("{x}: the name is written as `{y}`");
            }
            if x.raw != y.raw {
                return format!("{}: the tar header is written differently", shown(&x.path));
            }
            continue;
        }
        let (in_a, in_b) = (a.by_path.contains_key(&y.path), b.by_path.contains_key(&x.path));
        return match (in_a, in_b) {
            (true, true) => format!("the order: {} comes before {}", shown(&x.path), shown(&y.path)),
            (_, false) => format!("{}: only in A", shown(&x.path)),
            (false, true) => format!("{}: only in B", shown(&y.path)),
        };
    }
    let (longer, whose) = if a.entries.len() > b.entries.len() { (a, "A") } else { (b, "B") };
    match longer.entries.get(a.entries.len().min(b.entries.len())) {
        Some(listed) => format!("{}: only in {whose}", shown(&listed.path)),
        None => "the entries are the same, padding or the end of the tar is not".to_owned(),
    }
}

/// Tells how much of a blob was read.
struct Counted<F> {
    inner: BlobStream,
    advance: F,
}

impl<F: Fn(u64)> Read for Counted<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        (self.advance)(read as u64);
        Ok(read)
    }
}
