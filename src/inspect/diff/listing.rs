//! The content of a layer, entry by entry, in its own order: metadata and hashes, never a payload.
//!
//! Everything that is kept of all layers of a comparison draws on one budget.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::diff_ids::SAME_ENTRIES;
use super::report::{FieldDifference, FirstEntry, PathDifference};
use crate::formats::untar::TarEntry;
use crate::inspect::layer_reader::{LayerVisitor, ProgressReader, normal, read_layer};
use crate::inspect::reading_error::ReadingError;
use crate::oci::Descriptor;
use crate::runtime::budget::{Budget, OverBudget};
use crate::runtime::events::{Phase, Progress};
use crate::runtime::interrupt::Interrupt;
use crate::transport::Source;
use crate::types::digest::{Digest, Sha256};

/// Longer values of records are kept as their length and hash.
const SHORT: usize = 256;
/// The cost of an allocation beside its bytes, and a place in a tree.
const ALLOCATION: usize = 24;
const PLACE: usize = 48;

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListedKind {
    File,
    Directory,
    Symlink,
    HardLink,
    Character,
    Block,
    Fifo,
}

impl ListedKind {
    fn of(kind: tar::EntryType) -> Self {
        match kind {
            tar::EntryType::Directory => Self::Directory,
            tar::EntryType::Symlink => Self::Symlink,
            tar::EntryType::Link => Self::HardLink,
            tar::EntryType::Char => Self::Character,
            tar::EntryType::Block => Self::Block,
            tar::EntryType::Fifo => Self::Fifo,
            // The walk gives nothing else.
            _ => Self::File,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symbolic link",
            Self::HardLink => "hard link",
            Self::Character => "character device",
            Self::Block => "block device",
            Self::Fifo => "pipe",
        }
    }
}

/// An entry without its payload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EntryFacts {
    pub(super) kind: ListedKind,
    pub(super) size: u64,
    /// SHA-256 of the payload, if it may have one.
    pub(super) content: Option<Digest>,
    pub(super) link: Box<[u8]>,
    pub(super) mode: u32,
    pub(super) owner: (u64, u64),
    pub(super) owner_name: Box<str>,
    /// Seconds, with the fraction that a record may have.
    pub(super) mtime: Box<str>,
    pub(super) device: (u64, u64),
    /// Extended attributes and all other records, by name.
    pub(super) records: BTreeMap<Box<str>, RecordValue>,
}

/// The value of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RecordValue {
    Short(Box<[u8]>),
    Long { length: usize, hash: Digest },
}

impl RecordValue {
    fn of(bytes: Vec<u8>) -> Self {
        if bytes.len() <= SHORT {
            return Self::Short(bytes.into());
        }
        Self::Long { length: bytes.len(), hash: Digest::of(&bytes) }
    }

    fn shown(&self) -> String {
        match self {
            Self::Short(bytes) => shown(bytes),
            Self::Long { length, hash } => format!("{length} bytes, {hash}"),
        }
    }
}

/// A layer.
#[derive(Debug, Default)]
pub(super) struct LayerListing {
    /// In the layer's order.
    pub(super) entries: Vec<ListedEntry>,
    /// Where the last entry of each path is, which is the one that counts, in the order of paths.
    order: Vec<u32>,
}

/// An entry of a layer.
#[derive(Debug)]
pub(super) struct ListedEntry {
    /// Normalised: without `./` and slashes at either end. The root is empty.
    pub(super) path: Box<[u8]>,
    /// As it is written, where that is something else.
    spelling: Option<Box<[u8]>>,
    pub(super) node: EntryFacts,
    /// Of the header and the extension records before it, byte for byte.
    pub(super) raw: Digest,
}

impl LayerListing {
    /// Reads a layer to its end, so that its bytes are checked.
    pub(super) fn read(
        source: &dyn Source,
        layer: &Descriptor,
        budget: &Budget,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<Self, crate::types::error::BoxedError> {
        let stream = source.blob(layer)?;
        let task = progress.task(Phase::Read, format!("layer {}", layer.digest.short()), Some(layer.size));
        let counted = ProgressReader { inner: stream, advance: |bytes| task.advance(bytes) };
        let listing = Self::read_blob(counted, budget, interrupt)
            .map_err(|error| ReadingError::of(source.name(), layer, interrupt, error))?;
        task.finish("read");
        Ok(listing)
    }

    pub(super) fn read_blob(blob: impl Read, budget: &Budget, interrupt: &Interrupt) -> io::Result<Self> {
        let mut reader = ListingReader { listing: Self::default(), content: Sha256::new(), budget };
        read_layer(blob, budget, interrupt, &mut reader)?;
        let mut listing = reader.listing;
        listing.sort();
        Ok(listing)
    }

    fn sort(&mut self) {
        let path = |at: &u32| &self.entries[*at as usize].path;
        // The limit on entries of a layer is below that of 32 bits. Of equal paths the last comes first.
        let mut order: Vec<u32> = (0..self.entries.len() as u32).rev().collect();
        order.sort_by(|a, b| path(a).cmp(path(b)));
        order.dedup_by(|a, b| path(a) == path(b));
        self.order = order;
    }

    /// The paths of the layer in order, each with the entry that counts.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&[u8], &EntryFacts)> {
        let entries = self.order.iter().map(|at| &self.entries[*at as usize]);
        entries.map(|listed| (&*listed.path, &listed.node))
    }

    /// The cost that it was charged for.
    pub(super) fn cost(&self) -> usize {
        self.entries.iter().map(ListedEntry::cost).sum()
    }

    /// The entry that counts for `path`.
    pub(super) fn get(&self, path: &[u8]) -> Option<&EntryFacts> {
        let at = self.order.binary_search_by(|at| (*self.entries[*at as usize].path).cmp(path)).ok()?;
        Some(&self.entries[self.order[at] as usize].node)
    }
}

/// Lists the entries of a layer, with the hash of each payload.
struct ListingReader<'a> {
    listing: LayerListing,
    content: Sha256,
    budget: &'a Budget,
}

impl LayerVisitor for ListingReader<'_> {
    fn piece(&mut self, bytes: &[u8]) {
        self.content.update(bytes);
    }

    fn entry(&mut self, entry: TarEntry) -> io::Result<()> {
        let content = std::mem::take(&mut self.content).finish();
        let listed = ListedEntry::new(entry, content);
        self.budget.keep(listed.cost())?;
        self.listing.entries.push(listed);
        Ok(())
    }
}

impl ListedEntry {
    fn new(entry: TarEntry, content: Digest) -> Self {
        let mut raw = Sha256::new();
        raw.update(&entry.extensions);
        raw.update(&entry.header[..]);
        let kind = ListedKind::of(entry.kind);
        let [uname, gname] = entry.owner_names;
        let mut records = entry.records;
        // A record takes the place of the header's field.
        let mut or = |name: &[u8], field: Vec<u8>| {
            String::from_utf8_lossy(&records.remove(name).unwrap_or(field)).into_owned()
        };
        let (user, group) = (or(b"uname", uname), or(b"gname", gname));
        let mtime = or(b"mtime", entry.mtime.to_string().into());
        let owner_name =
            if user.is_empty() && group.is_empty() { String::new() } else { format!("{user}:{group}") };
        let records = records
            .into_iter()
            .map(|(name, value)| (String::from_utf8_lossy(&name).into(), RecordValue::of(value)))
            .collect();
        let path = normal(&entry.path);
        Self {
            spelling: (entry.path != path).then(|| entry.path.into()),
            path: path.into(),
            node: EntryFacts {
                kind,
                size: entry.size,
                content: (kind == ListedKind::File).then_some(content),
                link: entry.link.into(),
                mode: entry.mode,
                owner: (entry.uid, entry.gid),
                owner_name: owner_name.into(),
                mtime: mtime.into(),
                device: if matches!(kind, ListedKind::Character | ListedKind::Block) {
                    entry.device
                } else {
                    (0, 0)
                },
                records,
            },
            raw: raw.finish(),
        }
    }

    /// The path as it is written.
    pub(super) fn written(&self) -> &[u8] {
        self.spelling.as_deref().unwrap_or(&self.path)
    }

    /// Its cost in memory, with its place in a tree.
    fn cost(&self) -> usize {
        let EntryFacts { link, owner_name, mtime, records, .. } = &self.node;
        let texts = [self.path.len(), link.len(), owner_name.len(), mtime.len()];
        let texts = texts.into_iter().chain(self.spelling.iter().map(|spelling| spelling.len()));
        let record = |name: &str, value: &RecordValue| {
            let value = if let RecordValue::Short(bytes) = value { bytes.len() } else { 0 };
            name.len() + value + 3 * PLACE
        };
        size_of::<Self>()
            + PLACE
            + texts.filter(|length| *length > 0).map(|length| length + ALLOCATION).sum::<usize>()
            + records.iter().map(|(name, value)| record(name, value)).sum::<usize>()
    }
}

/// Bytes as people read them; what is no text in hexadecimal.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("0x{}", crate::types::digest::hex(bytes)),
    }
}

impl EntryFacts {
    /// Everything in which two nodes differ, the weightiest first.
    pub(super) fn differences(&self, other: &Self) -> Vec<FieldDifference> {
        let mut fields = Vec::new();
        if self == other {
            return fields;
        }
        let mut field = |name: &str, a: String, b: String| {
            if a != b {
                let some = |text: String| (!text.is_empty()).then_some(text);
                fields.push(FieldDifference { name: name.to_owned(), a: some(a), b: some(b) });
            }
        };
        field("type", self.kind.name().to_owned(), other.kind.name().to_owned());
        field("link", shown(&self.link), shown(&other.link));
        if self.kind == other.kind {
            field("size", self.size.to_string(), other.size.to_string());
            let digest = |digest: Option<Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
            field("content", digest(self.content), digest(other.content));
        }
        let mode = |node: &Self| format!("{:04o}", node.mode);
        let pair = |(a, b): (u64, u64)| format!("{a}:{b}");
        field("mode", mode(self), mode(other));
        field("owner", pair(self.owner), pair(other.owner));
        field("mtime", self.mtime.to_string(), other.mtime.to_string());
        field("device", pair(self.device), pair(other.device));
        let names: std::collections::BTreeSet<&Box<str>> =
            self.records.keys().chain(other.records.keys()).collect();
        for name in names {
            let label = match name.strip_prefix("SCHILY.xattr.") {
                Some(attribute) => format!("xattr {attribute}"),
                None => format!("record {name}"),
            };
            match (self.records.get(name), other.records.get(name)) {
                (Some(a), Some(b)) => field(&label, a.shown(), b.shown()),
                (a, b) => {
                    let of = |value: Option<&RecordValue>| {
                        value.map(|value| format!("`{}`", value.shown())).unwrap_or_default()
                    };
                    field(&label, of(a), of(b));
                }
            }
        }
        field("owner name", self.owner_name.to_string(), other.owner_name.to_string());
        fields
    }
}

/// Pays for a difference of a layer or of a tree.
pub(super) fn charge(budget: &Budget, change: &PathDifference) -> Result<(), OverBudget> {
    let of = |text: &Option<String>| text.as_ref().map_or(0, |text| text.len() + ALLOCATION);
    let field = |field: &FieldDifference| {
        size_of::<FieldDifference>() + field.name.len() + ALLOCATION + of(&field.a) + of(&field.b)
    };
    let fields: usize = change.fields.iter().map(field).sum();
    let path = change.path.text.len() + ALLOCATION + of(&change.path.bytes);
    budget.keep(size_of::<PathDifference>() + path + of(&change.kind) + fields)
}

/// The first thing that makes two tars different.
pub(super) struct FirstDifference {
    /// With the path that it is about.
    pub(super) text: String,
    /// The entry that it is about.
    pub(super) entry: Option<FirstEntry>,
}

/// The first thing that makes two tars different.
pub(super) fn first_difference(a: &LayerListing, b: &LayerListing) -> FirstDifference {
    let shown = |path: &[u8]| if path.is_empty() { "/".to_owned() } else { shown(path) };
    let found = |position: usize, path: &[u8], field: Option<FieldDifference>, text: String| {
        FirstDifference { text, entry: Some(FirstEntry { path: path.into(), field, position }) }
    };
    for (position, (x, y)) in a.entries.iter().zip(&b.entries).enumerate() {
        if x.path == y.path {
            if let Some(field) = x.node.differences(&y.node).into_iter().next() {
                let text = format!("{}: {field}", shown(&x.path));
                return found(position, &x.path, Some(field), text);
            }
            if x.written() != y.written() {
                let (one, other) = (shown(x.written()), shown(y.written()));
                return found(position, &x.path, None, format!("{one}: the name is written as `{other}`"));
            }
            if x.raw != y.raw {
                let text = format!("{}: the tar header is written differently", shown(&x.path));
                return found(position, &x.path, None, text);
            }
            continue;
        }
        let (in_a, in_b) = (a.get(&y.path).is_some(), b.get(&x.path).is_some());
        let (path, text) = match (in_a, in_b) {
            (true, true) => {
                (&x.path, format!("the order: {} comes before {}", shown(&x.path), shown(&y.path)))
            }
            (_, false) => (&x.path, format!("{}: only in A", shown(&x.path))),
            (false, true) => (&y.path, format!("{}: only in B", shown(&y.path))),
        };
        return found(position, path, None, text);
    }
    let (longer, whose) = if a.entries.len() > b.entries.len() { (a, "A") } else { (b, "B") };
    let position = a.entries.len().min(b.entries.len());
    match longer.entries.get(position) {
        Some(listed) => {
            found(position, &listed.path, None, format!("{}: only in {whose}", shown(&listed.path)))
        }
        None => FirstDifference { text: SAME_ENTRIES.to_owned(), entry: None },
    }
}
