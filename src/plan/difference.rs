//! The difference between a layer and the one of the same name in the last build.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::ser::{Error as _, SerializeSeq as _, SerializeStruct as _, Serializer};
use serde::{Deserialize, Serialize};

use crate::layer::{
    Compression, Content, ContentSource, Entry, EntryKind, EntryPath, FORMAT, LayerSpec, Xattrs,
};
use crate::types::digest::{ContentId, Key, KeyBuilder};

/// So many paths are named; the rest is counted.
const NAMED: usize = 5;

/// A summary of a layer, for comparing the next one with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The encoder, with the output format.
    encoder: String,
    /// In the order of the layer, which is that of the paths.
    entries: Vec<ListingEntry>,
}

/// One entry of a [`Listing`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ListingEntry {
    path: EntryPath,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: u64,
    /// The extended attributes, if there are any.
    xattrs: Option<Key>,
    /// Kind and content.
    what: Key,
    /// Whether `what` was derived from compressed bytes in an archive.
    is_archived: bool,
}

impl Listing {
    /// The listing of these entries; `None` if the identity of a file's content is missing in `ids`.
    #[must_use]
    pub fn new(compression: Compression, entries: &[Entry], ids: &[Option<ContentId>]) -> Option<Self> {
        let pairs = entries.iter().zip(ids);
        let entries = pairs.map(|(entry, id)| ListingEntry::new(entry, id.as_ref()));
        Some(Self { encoder: encoder(compression), entries: entries.collect::<Option<_>>()? })
    }
}

fn encoder(compression: Compression) -> String {
    format!("{compression}, layer format {FORMAT}")
}

/// A layer on its way into a record, as its [`Listing`]: entry by entry, since a whole listing of a large layer takes
/// tens of megabytes.
pub struct ListingRecord {
    compression: Compression,
    layer: LayerSpec,
    contents: Arc<Vec<Option<ContentId>>>,
}

impl ListingRecord {
    /// `contents` are the identities of the files, by entry; `None` if one is missing.
    #[must_use]
    pub fn new(
        compression: Compression,
        layer: &LayerSpec,
        contents: &Arc<Vec<Option<ContentId>>>,
    ) -> Option<Self> {
        let is_told = |(entry, id): (&Entry, &Option<ContentId>)| match &entry.kind {
            EntryKind::File(content) => id.is_some() || matches!(content.source, ContentSource::Bytes(_)),
            _ => true,
        };
        let are_told = layer.entries().len() == contents.len()
            && layer.entries().iter().zip(contents.iter()).all(is_told);
        are_told.then(|| Self { compression, layer: layer.clone(), contents: Arc::clone(contents) })
    }
}

/// As a [`Listing`] is written.
impl Serialize for ListingRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut listing = serializer.serialize_struct("Listing", 2)?;
        listing.serialize_field("encoder", &encoder(self.compression))?;
        listing.serialize_field("entries", &EntriesRecord(self))?;
        listing.end()
    }
}

struct EntriesRecord<'a>(&'a ListingRecord);

impl Serialize for EntriesRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ListingRecord { layer, contents, .. }) = self;
        let mut entries = serializer.serialize_seq(Some(layer.entries().len()))?;
        for (entry, id) in layer.entries().iter().zip(contents.iter()) {
            let listed = ListingEntry::new(entry, id.as_ref());
            entries.serialize_element(&listed.ok_or_else(|| S::Error::custom("an identity is missing"))?)?;
        }
        entries.end()
    }
}

/// Stands for extended attributes.
fn attributes(xattrs: &Xattrs) -> Key {
    let mut key = KeyBuilder::new("pack listed attributes");
    for (name, value) in xattrs {
        key.add(name.as_bytes());
        key.add(value);
    }
    key.finish()
}

impl ListingEntry {
    fn new(entry: &Entry, id: Option<&ContentId>) -> Option<Self> {
        let metadata = &entry.metadata;
        let what = KeyBuilder::new("pack listed");
        let what = match &entry.kind {
            EntryKind::File(content) => {
                let id = match &content.source {
                    ContentSource::Bytes(bytes) => ContentId::of(bytes),
                    _ => *id?,
                };
                what.part(b"file").number(content.size).part(&id.0)
            }
            EntryKind::Symlink(target) => what.part(b"symlink").part(target),
            EntryKind::Hardlink(path) => what.part(b"hardlink").part(path.as_bytes()),
            EntryKind::Directory => what.part(b"directory"),
            EntryKind::Fifo => what.part(b"fifo"),
            EntryKind::CharacterDevice(major, minor) => {
                what.part(b"character").number(u64::from(*major)).number(u64::from(*minor))
            }
            EntryKind::BlockDevice(major, minor) => {
                what.part(b"block").number(u64::from(*major)).number(u64::from(*minor))
            }
        };
        let is_archived = matches!(
            &entry.kind,
            EntryKind::File(Content { source: ContentSource::Zip(..) | ContentSource::Repacked(_), .. })
        );
        Some(Self {
            path: entry.path.clone(),
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            mtime: metadata.mtime,
            xattrs: (!metadata.xattrs.is_empty()).then(|| attributes(&metadata.xattrs)),
            what: what.finish(),
            is_archived,
        })
    }

    fn changes(&self, now: &Self) -> Vec<EntryChange> {
        let mut changes = Vec::new();
        if self.what != now.what {
            // Compressed bytes say less: the same content may have been packed in another way.
            changes.push(if self.is_archived || now.is_archived {
                EntryChange::Archived
            } else {
                EntryChange::Content
            });
        }
        if self.mode != now.mode {
            changes.push(EntryChange::Mode { from: octal(self.mode), to: octal(now.mode) });
        }
        if (self.uid, self.gid) != (now.uid, now.gid) {
            let owner = |listed: &Self| format!("{}:{}", listed.uid, listed.gid);
            changes.push(EntryChange::Owner { from: owner(self), to: owner(now) });
        }
        // Another content has another time.
        if self.mtime != now.mtime && self.what == now.what {
            changes.push(EntryChange::Mtime { from: self.mtime, to: now.mtime });
        }
        if self.xattrs != now.xattrs {
            changes.push(EntryChange::Xattrs);
        }
        changes
    }
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

/// A difference at a path that was there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum EntryChange {
    /// Its content or what kind of thing it is.
    Content,
    /// Its compressed bytes in an archive; the content may be the same.
    Archived,
    /// Its permissions, octal.
    Mode {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Its owner and group, by number.
    Owner {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Its modification time in the image, seconds since the epoch.
    Mtime {
        /// Before.
        from: u64,
        /// Now.
        to: u64,
    },
    /// Its extended attributes.
    Xattrs,
}

impl std::fmt::Display for EntryChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Content => f.write_str("content"),
            Self::Archived => f.write_str("compressed bytes in the archive"),
            Self::Mode { from, to } => write!(f, "mode {from} to {to}"),
            Self::Owner { from, to } => write!(f, "owner {from} to {to}"),
            Self::Mtime { from, to } => write!(f, "time {from} to {to}"),
            Self::Xattrs => f.write_str("extended attributes"),
        }
    }
}

/// How a path differs from the last build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "lowercase")]
pub enum PathStatus {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Something about it is different.
    Changed {
        /// What, at least one thing.
        changes: Vec<EntryChange>,
    },
}

impl PathStatus {
    fn is_content(&self) -> bool {
        let of_content =
            |change: &EntryChange| matches!(change, EntryChange::Content | EntryChange::Archived);
        matches!(self, Self::Changed { changes } if changes.iter().any(of_content))
    }
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathChange {
    /// The path in the image.
    pub path: String,
    /// How it differs.
    #[serde(flatten)]
    pub how: PathStatus,
}

impl std::fmt::Display for PathChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.how {
            PathStatus::Added => write!(f, "{} added", self.path),
            PathStatus::Removed => write!(f, "{} removed", self.path),
            PathStatus::Changed { changes } => {
                let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
                write!(f, "{} changed: {}", self.path, changes.join(", "))
            }
        }
    }
}

/// A change of the modification time of several paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimesChange {
    /// Before, seconds since the epoch.
    pub from: u64,
    /// Now.
    pub to: u64,
    /// How many paths.
    pub paths: usize,
}

/// The difference of a layer from its last build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// How many paths differ.
    pub paths: usize,
    /// How many of them are new.
    pub added: usize,
    /// How many are gone.
    pub removed: usize,
    /// How many have another content.
    pub content: usize,
    /// The number of paths that differ only in mode, owner, time or extended attributes.
    pub metadata: usize,
    /// The first few, by path.
    pub first: Vec<PathChange>,
    /// The change of modification times, where several paths have one and all of them the same.
    pub times: Option<TimesChange>,
    /// The encoder before and now, if it changed; then every byte changes.
    pub encoder: Option<(String, String)>,
}

/// The first path in short, for a table.
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((from, to)) = &self.encoder {
            return write!(f, "compression changed: {from} to {to}");
        }
        let Some(first) = self.first.first() else { return Ok(()) };
        let how = match &first.how {
            PathStatus::Added => "added",
            PathStatus::Removed => "removed",
            PathStatus::Changed { .. } if first.how.is_content() => "changed",
            PathStatus::Changed { .. } => "changed in metadata",
        };
        write!(f, "{} {how}", first.path)?;
        match self.paths {
            0 | 1 => Ok(()),
            2 => f.write_str(", and 1 more path"),
            paths => write!(f, ", and {} more paths", paths - 1),
        }
    }
}

impl Difference {
    /// The difference between two listings; `None` if they are equal.
    #[must_use]
    pub fn between(before: &Listing, now: &Listing) -> Option<Self> {
        let mut difference = Self::default();
        if before.encoder != now.encoder {
            difference.encoder = Some((before.encoder.clone(), now.encoder.clone()));
        }
        let mut times = std::collections::BTreeMap::new();
        let (mut before, mut now) = (before.entries.iter().peekable(), now.entries.iter().peekable());
        loop {
            let order = match (before.peek(), now.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(now)) => before.path.cmp(&now.path),
            };
            let before = if order.is_le() { before.next() } else { None };
            let now = if order.is_ge() { now.next() } else { None };
            match (before, now) {
                (Some(before), Some(now)) => {
                    if before.mtime != now.mtime && before.what == now.what {
                        *times.entry((before.mtime, now.mtime)).or_insert(0) += 1;
                    }
                    let changes = before.changes(now);
                    if !changes.is_empty() {
                        difference.count(&now.path, PathStatus::Changed { changes });
                    }
                }
                (Some(before), None) => difference.count(&before.path, PathStatus::Removed),
                (None, Some(now)) => difference.count(&now.path, PathStatus::Added),
                (None, None) => break,
            }
        }
        difference.times = match times.pop_first() {
            Some(((from, to), paths)) if paths > 1 && times.is_empty() => {
                Some(TimesChange { from, to, paths })
            }
            _ => None,
        };
        (difference.paths > 0 || difference.encoder.is_some()).then_some(difference)
    }

    fn count(&mut self, path: &EntryPath, how: PathStatus) {
        self.paths += 1;
        *match &how {
            PathStatus::Added => &mut self.added,
            PathStatus::Removed => &mut self.removed,
            PathStatus::Changed { .. } if how.is_content() => &mut self.content,
            PathStatus::Changed { .. } => &mut self.metadata,
        } += 1;
        if self.first.len() < NAMED {
            self.first.push(PathChange { path: path.to_string(), how });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_written_as_its_listing() {
        let path = |path: &str| EntryPath::new(path.as_bytes()).expect("a path");
        let mut entries = vec![Entry::directory(path("a"))];
        entries.push(Entry::bytes(path("a/b"), Metadata::file(false), b"b"));
        entries[1].metadata.xattrs.insert("user.a".to_owned(), b"1".to_vec());
        let layer = LayerSpec::new("layer", entries).expect("a layer");
        let compression = Compression::default();
        let contents = Arc::new(vec![None, None]);
        let record = ListingRecord::new(compression, &layer, &contents).expect("nothing is missing");
        let written = postcard::to_stdvec(&record).expect("encodes");
        let listing = Listing::new(compression, layer.entries(), &contents);
        assert_eq!(postcard::from_bytes::<Listing>(&written).ok(), listing);
        assert!(ListingRecord::new(compression, &layer, &Arc::from(vec![None])).is_none());
    }
    use crate::layer::Metadata;

    fn listing(compression: Compression, files: &[(&str, u32, u64, &[u8])]) -> Listing {
        let entry = |(path, mode, mtime, bytes): &(&str, u32, u64, &[u8])| {
            let metadata = Metadata { mtime: *mtime, ..Metadata::with_mode(*mode) };
            Entry::bytes(EntryPath::new(path.as_bytes()).expect("path"), metadata, bytes)
        };
        let entries: Vec<Entry> = files.iter().map(entry).collect();
        Listing::new(compression, &entries, &vec![None; files.len()]).expect("nothing is missing")
    }

    fn gzip(files: &[(&str, u32, u64, &[u8])]) -> Listing {
        listing(Compression::default(), files)
    }

    #[test]
    fn every_path_is_told_with_how_it_differs() {
        let before = gzip(&[
            ("a", 0o644, 1, b"1"),
            ("b", 0o644, 1, b"1"),
            ("c", 0o644, 1, b"1"),
            ("e", 0o644, 1, b"1"),
        ]);
        let now = gzip(&[
            ("a", 0o644, 1, b"1"),
            ("c", 0o644, 1, b"2"),
            ("d", 0o644, 1, b"1"),
            ("e", 0o755, 7, b"1"),
        ]);
        let found = Difference::between(&before, &now).expect("differs");
        assert_eq!(found.to_string(), "/b removed, and 3 more paths");
        let first: Vec<String> = found.first.iter().map(ToString::to_string).collect();
        assert_eq!(
            first,
            ["/b removed", "/c changed: content", "/d added", "/e changed: mode 0644 to 0755, time 1 to 7"]
        );
        assert_eq!((found.paths, found.added, found.removed, found.content, found.metadata), (4, 1, 1, 1, 1));
        assert_eq!(found.times, None);
        assert_eq!(Difference::between(&before, &before), None);
    }

    #[test]
    fn a_rule_for_times_is_told_as_one_change() {
        let before = gzip(&[("a", 0o644, 1, b"1"), ("b", 0o644, 1, b"1")]);
        let now = gzip(&[("a", 0o644, 9, b"1"), ("b", 0o644, 9, b"1"), ("c", 0o644, 9, b"1")]);
        let found = Difference::between(&before, &now).expect("differs");
        assert_eq!(found.times, Some(TimesChange { from: 1, to: 9, paths: 2 }));
        let one = gzip(&[("a", 0o644, 1, b"1"), ("b", 0o644, 9, b"1")]);
        assert_eq!(Difference::between(&before, &one).expect("differs").times, None);
        let others = gzip(&[("a", 0o644, 9, b"1"), ("b", 0o644, 8, b"1")]);
        assert_eq!(Difference::between(&before, &others).expect("differs").times, None);
    }

    #[test]
    fn another_encoder_alone_is_a_difference() {
        let files: &[(&str, u32, u64, &[u8])] = &[("a", 0o644, 1, b"1")];
        let found = Difference::between(&gzip(files), &listing(Compression::None, files)).expect("differs");
        assert_eq!(found.paths, 0);
        assert!(found.to_string().ends_with("to none, layer format 1"), "{found}");
    }

    #[test]
    fn only_the_first_paths_are_named() {
        let names: Vec<String> = (0..20).map(|number| format!("f{number:02}")).collect();
        let files: Vec<(&str, u32, u64, &[u8])> =
            names.iter().map(|name| (&name[..], 0o644, 1, &b"x"[..])).collect();
        let found = Difference::between(&gzip(&[]), &gzip(&files)).expect("differs");
        assert_eq!((found.paths, found.added, found.first.len()), (20, 20, NAMED));
    }
}
