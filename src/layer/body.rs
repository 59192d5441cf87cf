//! Bodies: the pieces that a layer's tar is cut into, the unit of parallel work and of reuse.
//!
//! Where the cuts lie depends on the entries' paths, header lengths and sizes alone, never on content or
//! history, so that the same entries are cut alike everywhere, and a change moves only the cuts near it:
//!
//! * a cut always lies between an entry's header and its payload;
//! * a payload of [`LARGE`] bytes or more stands in [`BodyKind::Data`] bodies of [`PIECE`] bytes, which hold
//!   content only: a rename, a chmod or a move to another layer finds them again;
//! * the padding after it and the headers up to the next payload are a small [`BodyKind::Glue`] body;
//! * everything else is grouped: before a payload the open body is closed if it holds [`GROUP_MIN`] bytes
//!   and the path's hash says so (one path in [`GROUP_ODDS`]), or if it holds [`GROUP_MAX`] bytes;
//! * where every body is to be a gzip member, which other programs pick payloads from, the first payload of a
//!   body stands at its start, and the archive's end is left to what follows;
//! * entries without a payload never ask for a cut, but a body that reaches [`PIECE`] bytes is closed after
//!   such an entry, so that a hundred thousand links do not become one body.

use super::entry::Entry;
use super::tar::{self, TarError};

/// A payload of at least this many bytes stands in bodies of its own.
pub(crate) const LARGE: u64 = 256 << 10;
/// The size of those bodies, but for the last of a payload.
pub(crate) const PIECE: u64 = 1 << 20;
const GROUP_MIN: u64 = 64 << 10;
const GROUP_MAX: u64 = 256 << 10;
const GROUP_ODDS: u64 = 11;

/// The kind of content of a body; part of its cache key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BodyKind {
    /// A piece of one payload.
    Data,
    /// Padding and headers between two large payloads.
    Glue,
    /// Headers and small payloads.
    Group,
}

impl BodyKind {
    /// Its name in cache keys.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Glue => "glue",
            Self::Group => "group",
        }
    }
}

/// A run of bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The header of the entry with this index.
    Header(usize),
    /// A part of the entry's payload.
    Payload {
        /// Index of the entry.
        entry: usize,
        /// Where the part starts in the payload.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// So many zero bytes.
    Zeros(usize),
}

/// One body: what its bytes are, not the bytes themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// The kind of content.
    pub(crate) kind: BodyKind,
    /// Its bytes, in order.
    pub(crate) segments: Vec<Segment>,
    /// Its length in bytes.
    pub(crate) length: u64,
}

impl Body {
    const fn new(kind: BodyKind) -> Self {
        Self { kind, segments: Vec::new(), length: 0 }
    }

    fn push(&mut self, segment: Segment, length: u64) {
        if length > 0 {
            self.segments.push(segment);
            self.length += length;
        }
    }
}

/// Cuts the tar of `entries`, which are in canonical order, into bodies, one at a time.
pub(crate) struct Bodies<'a> {
    entries: &'a [Entry],
    next: usize,
    open: Body,
    /// The large payload under way: its entry and how far it is cut.
    large: Option<(usize, u64)>,
    /// Whether each body is to be a member of its own.
    members: bool,
    /// Whether the open body has a payload.
    has_payload: bool,
    ended: bool,
}

impl<'a> Bodies<'a> {
    /// Starts at the first entry.
    pub(crate) const fn new(entries: &'a [Entry]) -> Self {
        Self {
            entries,
            next: 0,
            open: Body::new(BodyKind::Group),
            large: None,
            members: false,
            has_payload: false,
            ended: false,
        }
    }

    /// The same, for bodies that become members; the archive has no end yet.
    pub(crate) fn of_members(entries: &'a [Entry]) -> Self {
        Self { members: true, ..Self::new(entries) }
    }

    /// The open body, which is followed by an empty one.
    fn close(&mut self) -> Body {
        self.has_payload = false;
        std::mem::replace(&mut self.open, Body::new(BodyKind::Group))
    }

    /// Adds entries to the open body until it must be closed; returns it unless it is empty.
    fn fill(&mut self) -> Result<Option<Body>, TarError> {
        while let Some(entry) = self.entries.get(self.next) {
            let index = self.next;
            let size = entry.payload_size();
            self.open.push(Segment::Header(index), tar::header_length(entry)?);
            self.next += 1;
            if size > 0 && self.must_cut(entry) {
                let closed = self.close();
                if size < LARGE {
                    self.push_payload(index, size);
                } else {
                    self.open.kind = BodyKind::Glue;
                    self.large = Some((index, 0));
                }
                return Ok(Some(closed));
            }
            self.push_payload(index, size);
            if size == 0 && self.open.length >= PIECE {
                return Ok(Some(self.close()));
            }
        }
        self.ended = true;
        if !self.members {
            self.open.push(Segment::Zeros(tar::END.len()), tar::END.len() as u64);
        }
        let last = self.close();
        Ok((last.length > 0).then_some(last))
    }

    fn must_cut(&self, entry: &Entry) -> bool {
        let held = self.open.length;
        entry.payload_size() >= LARGE
            || self.open.kind == BodyKind::Glue
            || (self.members && !self.has_payload && held > 0)
            || held >= GROUP_MAX
            || (held >= GROUP_MIN && path_hash(entry).is_multiple_of(GROUP_ODDS))
    }

    fn push_payload(&mut self, index: usize, size: u64) {
        self.has_payload |= size > 0;
        self.open.push(Segment::Payload { entry: index, offset: 0, length: size }, size);
        let padding = tar::padding(size);
        self.open.push(Segment::Zeros(padding), padding as u64);
    }

    /// The next piece of the large payload of `index`.
    fn piece(&mut self, index: usize, offset: u64) -> Body {
        let size = self.entries[index].payload_size();
        let length = PIECE.min(size - offset);
        let mut body = Body::new(BodyKind::Data);
        body.push(Segment::Payload { entry: index, offset, length }, length);
        self.large = if offset + length < size {
            Some((index, offset + length))
        } else {
            let padding = tar::padding(size);
            self.open.push(Segment::Zeros(padding), padding as u64);
            None
        };
        body
    }
}

impl Iterator for Bodies<'_> {
    type Item = Result<Body, TarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((index, offset)) = self.large {
            return Some(Ok(self.piece(index, offset)));
        }
        if self.ended { None } else { self.fill().transpose() }
    }
}

/// First eight bytes, little endian, of the path's BLAKE3.
fn path_hash(entry: &Entry) -> u64 {
    let hash = blake3::hash(entry.path.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layer::{Content, ContentSource, EntryKind, EntryPath, Metadata};

    fn file(path: &str, size: u64) -> Entry {
        let source = ContentSource::Bytes([].into());
        Entry {
            path: EntryPath::new(path.as_bytes()).expect("path"),
            metadata: Metadata::file(false),
            kind: EntryKind::File(Content { size, source }),
        }
    }

    fn cut(entries: &[Entry]) -> Vec<Body> {
        Bodies::new(entries).map(|body| body.expect("body")).collect()
    }

    #[test]
    fn nothing_is_one_body_with_the_end() {
        let bodies = cut(&[]);
        assert_eq!(bodies.len(), 1);
        assert_eq!(bodies[0].length, 1024);
    }

    #[test]
    fn a_large_payload_stands_alone_between_glue() {
        let entries = [file("a", 10), file("b", PIECE * 2 + 1), file("c", LARGE), file("d", 5), file("e", 0)];
        let bodies = cut(&entries);
        let shape: Vec<(BodyKind, u64)> = bodies.iter().map(|body| (body.kind, body.length)).collect();
        assert_eq!(
            shape,
            [
                (BodyKind::Group, 512 * 3),
                (BodyKind::Data, PIECE),
                (BodyKind::Data, PIECE),
                (BodyKind::Data, 1),
                (BodyKind::Glue, 511 + 512),
                (BodyKind::Data, LARGE),
                (BodyKind::Glue, 512),
                (BodyKind::Group, 512 + 512 + 1024),
            ]
        );
    }

    #[test]
    fn small_files_are_grouped_near_the_intended_size() {
        let entries: Vec<Entry> = (0..5000).map(|i| file(&format!("f{i:05}"), 9000)).collect();
        let bodies = cut(&entries);
        let mean = bodies.iter().map(|body| body.length).sum::<u64>() / bodies.len() as u64;
        assert!((100_000..220_000).contains(&mean), "{mean}");
        assert!(bodies.iter().all(|body| body.length < GROUP_MAX + LARGE + 2048));
    }

    #[test]
    fn entries_without_payload_are_bounded_too() {
        let entries: Vec<Entry> = (0..10_000).map(|i| file(&format!("f{i:05}"), 0)).collect();
        let bodies = cut(&entries);
        assert_eq!(bodies.len(), 5);
        assert!(bodies.iter().all(|body| body.length <= PIECE + 1024));
    }

    #[test]
    fn a_change_moves_only_the_cuts_near_it() {
        let mut entries: Vec<Entry> = (0..3000).map(|i| file(&format!("f{i:05}"), 3000 + i % 7000)).collect();
        let sizes = |entries: &[Entry]| -> Vec<u64> { cut(entries).iter().map(|body| body.length).collect() };
        let before = sizes(&entries);
        entries.insert(1500, file("f01499x", 100_000));
        let after = sizes(&entries);
        let head = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
        let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(before.len() - head - tail <= 5, "{} bodies differ", before.len() - head - tail);
    }

    proptest! {
        #[test]
        fn bodies_cover_the_tar_exactly_once(sizes in prop::collection::vec(
            prop_oneof![Just(0u64), 1u64..2000, 60_000u64..300_000, (PIECE - 2)..(3 * PIECE)], 0..40)
        ) {
            let entries: Vec<Entry> =
                sizes.iter().enumerate().map(|(i, size)| file(&format!("{i:03}"), *size)).collect();
            let mut position = Vec::new();
            let mut total = 0;
            for body in cut(&entries) {
                prop_assert!(body.length > 0);
                let length: u64 = body.segments.iter().map(|segment| match segment {
                    Segment::Header(_) => 512,
                    Segment::Payload { length, .. } => *length,
                    Segment::Zeros(length) => *length as u64,
                }).sum();
                prop_assert_eq!(length, body.length);
                total += length;
                position.extend(body.segments);
            }
            let expected: u64 = sizes.iter().map(|size| 512 + size.div_ceil(512) * 512).sum();
            prop_assert_eq!(total, expected + 1024);
            let mut at = 0u64;
            let mut entry = 0usize;
            for segment in position {
                match segment {
                    Segment::Header(index) => { prop_assert_eq!(index, entry); at = 0; entry += 1; }
                    Segment::Payload { entry: index, offset, length } => {
                        prop_assert_eq!(index + 1, entry);
                        prop_assert_eq!(offset, at);
                        at += length;
                    }
                    Segment::Zeros(_) => {}
                }
            }
            prop_assert_eq!(entry, entries.len());
        }
    }
}
