//! The content of a project's files in the last build: a record that is read as a whole and asked for nearly every
//! path in it, in nearly its order.
//!
//! Paths lie in one piece of memory and not in one each, and what is found again is marked and not copied: of ten
//! thousand files that is most of what a rebuild would have to ask memory for.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};

use super::learned::{LearnedContents, StampedContent};

/// The contents of files, by path; as a record, a map in the order of the paths.
#[derive(Clone, Default)]
pub(super) struct FileContents {
    /// The files of the last build, by path.
    before: Vec<FileRecord>,
    /// The paths of those, one after the other.
    paths: Vec<u8>,
    /// Which of them this build saw as they were.
    seen: Vec<bool>,
    /// The facts that this build learned.
    learned: LearnedContents,
    /// Behind the record that was asked for last.
    next: usize,
}

#[derive(Clone)]
struct FileRecord {
    path: Range<usize>,
    seen: StampedContent,
}

impl FileContents {
    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.learned.is_empty()
    }

    /// Whether nothing was known when this build began.
    pub(super) const fn began_empty(&self) -> bool {
        self.before.is_empty()
    }

    fn path(&self, record: &FileRecord) -> &[u8] {
        &self.paths[record.path.clone()]
    }

    /// The number of the record with this path. Who asks for one path mostly asks for the next one then, or, of a layer
    /// that is one of several, for one soon after it.
    fn find(&mut self, path: &[u8]) -> Option<usize> {
        let at = |number: usize| self.before.get(number).map(|record| self.path(record));
        let number = if at(self.next) == Some(path) { self.next } else { self.search(path)? };
        self.next = number + 1;
        Some(number)
    }

    /// Looks among ever more records behind the one that was asked for last, or among all before it.
    fn search(&self, path: &[u8]) -> Option<usize> {
        let is_before = |record: &FileRecord| self.path(record) < path;
        let asked = self.next.checked_sub(1).and_then(|last| self.before.get(last));
        let range = if asked.is_none_or(is_before) {
            let (mut start, mut step) = (self.next, 1);
            while self.before.get(start + step - 1).is_some_and(is_before) {
                start += step;
                step *= 2;
            }
            start..self.before.len().min(start + step)
        } else {
            0..self.next
        };
        let number = range.start + self.before.get(range)?.partition_point(is_before);
        self.before.get(number).filter(|record| self.path(record) == path).map(|_| number)
    }

    /// The facts about a file, from this build or the last.
    pub(super) fn get(&mut self, path: &[u8]) -> Option<StampedContent> {
        if let Some(seen @ (_, Some(_))) = self.learned.get(path) {
            return Some(*seen);
        }
        self.find(path).map(|number| self.before[number].seen)
    }

    /// This build saw a file as it was before.
    pub(super) fn mark(&mut self, path: &[u8]) {
        // It was asked for right before.
        let last = self.next.checked_sub(1).filter(|number| self.path(&self.before[*number]) == path);
        if let Some(number) = last.or_else(|| self.find(path)) {
            self.seen[number] = true;
        }
    }

    /// This build found out what a file holds.
    pub(super) fn learn(&mut self, path: &Arc<Path>, seen: StampedContent) {
        self.learned.insert(Arc::clone(path), seen);
    }

    /// Whether what the next build is to know is another record than this build began with.
    pub(super) fn is_changed(&self) -> bool {
        !self.learned.is_empty() || self.seen.contains(&false)
    }

    /// The files that this build saw, by path.
    fn current(&self) -> impl Iterator<Item = (&[u8], &StampedContent)> {
        let is_kept =
            |(record, seen): &(&FileRecord, &bool)| **seen && self.learned.get(self.path(record)).is_none();
        let kept = self.before.iter().zip(&self.seen).filter(is_kept);
        let mut kept = kept.map(|(record, _)| (self.path(record), &record.seen)).peekable();
        let mut learned = self.learned.iter().peekable();
        std::iter::from_fn(move || match (kept.peek(), learned.peek()) {
            (Some((old, _)), Some((new, _))) if old < new => kept.next(),
            (Some(_), None) => kept.next(),
            _ => learned.next(),
        })
    }
}

/// Of what this build saw.
impl Serialize for FileContents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.current().count()))?;
        for (path, seen) in self.current() {
            map.serialize_entry(&RecordBytes(path), seen)?;
        }
        map.end()
    }
}

struct RecordBytes<'a>(&'a [u8]);

impl Serialize for RecordBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for FileContents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = FileContents;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from paths")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FileContents, A::Error> {
                let mut files = FileContents::default();
                while let Some(path) = map.next_key_seed(AppendedRange(&mut files.paths))? {
                    files.before.push(FileRecord { path, seen: map.next_value()? });
                }
                files.seen = vec![false; files.before.len()];
                if !files.before.is_sorted_by(|one, other| files.path(one) < files.path(other)) {
                    return Err(serde::de::Error::custom("not in order"));
                }
                Ok(files)
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// Bytes that are appended to others; where they are then.
struct AppendedRange<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for AppendedRange<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Range<usize>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for AppendedRange<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Range<usize>, E> {
        let start = self.0.len();
        self.0.extend_from_slice(bytes);
        Ok(start..self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::ffi::OsStrExt as _;

    use proptest::prelude::*;

    use super::*;
    use crate::layer::Stamp;
    use crate::types::digest::ContentId;

    fn seen(number: i64) -> StampedContent {
        let stamp = Stamp { size: 1, mtime_ns: number, ctime_ns: number, inode: 1, device: 1 };
        (stamp, (number % 3 != 0).then(|| ContentId::of(&number.to_le_bytes())))
    }

    fn stored(files: &BTreeMap<Vec<u8>, StampedContent>) -> Vec<u8> {
        postcard::to_stdvec(files).expect("encodes")
    }

    fn loaded(record: &[u8]) -> FileContents {
        postcard::from_bytes(record).expect("decodes")
    }

    proptest! {
        /// As a plain map does it.
        #[test]
        fn what_one_build_saw_the_next_one_knows(
            before: BTreeMap<Vec<u8>, i64>,
            asked in proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>()), 0..40),
            learned: Vec<(Vec<u8>, i64)>,
        ) {
            let before: BTreeMap<Vec<u8>, StampedContent> = before.into_iter().map(|(path, n)| (path, seen(n))).collect();
            let record = stored(&before);
            let mut files = loaded(&record);
            let mut expected = BTreeMap::new();
            for (index, marks) in asked {
                let Some((path, known)) = before.iter().nth(index.index(before.len().max(1))) else { break };
                prop_assert_eq!(files.get(path), Some(*known));
                if marks {
                    files.mark(path);
                    expected.insert(path.clone(), *known);
                }
            }
            for (path, number) in learned {
                files.learn(&Path::new(std::ffi::OsStr::from_bytes(&path)).into(), seen(number));
                let is_trusted = seen(number).1.is_some();
                let known = if is_trusted { Some(seen(number)) } else { before.get(&path).copied() };
                prop_assert_eq!(files.get(&path), known);
                expected.insert(path, seen(number));
            }
            prop_assert_eq!(files.is_empty(), before.is_empty() && expected.is_empty());
            let saved = postcard::to_stdvec(&files).expect("encodes");
            prop_assert_eq!(&saved, &stored(&expected));
            prop_assert!(files.is_changed() || saved == record);
        }
    }

    #[test]
    fn a_build_that_saw_the_same_has_nothing_to_save() {
        let before: BTreeMap<Vec<u8>, StampedContent> =
            (0..9).map(|n: i64| (n.to_string().into_bytes(), seen(n))).collect();
        let mut files = loaded(&stored(&before));
        before.keys().for_each(|path| files.mark(path));
        assert!(!files.is_changed());
        assert!(!FileContents::default().is_changed());
    }

    #[test]
    fn a_record_out_of_order_is_none() {
        let pairs = [(b"b".to_vec(), seen(1)), (b"a".to_vec(), seen(2))];
        let record = postcard::to_stdvec(&pairs.to_vec()).expect("encodes");
        assert!(postcard::from_bytes::<FileContents>(&record).is_err());
    }
}
