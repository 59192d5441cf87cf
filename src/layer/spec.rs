//! A layer before it is built: named, sorted, checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::{Entry, EntryKind, EntryPath, Metadata};
use super::tar;

/// A layer to build: its entries in canonical order, without duplicates. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LayerSpec {
    name: Arc<str>,
    entries: Arc<Vec<Entry>>,
}

/// Why entries are not a layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A path twice.
    #[error("layer `{layer}` has {path} twice")]
    Duplicate {
        /// The layer.
        layer: String,
        /// The path.
        path: EntryPath,
    },
    /// Something below what is no directory.
    #[error("layer `{layer}` has {path} below {parent}, which is not a directory")]
    NotADirectory {
        /// The layer.
        layer: String,
        /// The entry.
        path: EntryPath,
        /// The entry above it.
        parent: EntryPath,
    },
    /// A name that unpackers read as a deletion.
    #[error("layer `{layer}` has {path}: names that start with `.wh.` mean a deletion in a layer")]
    Whiteout {
        /// The layer.
        layer: String,
        /// The path.
        path: EntryPath,
    },
}

impl LayerSpec {
    /// Sorts and checks `entries`.
    ///
    /// # Errors
    /// When a path occurs twice, lies below something that is no directory, or is a whiteout.
    pub fn new(name: &str, mut entries: Vec<Entry>) -> Result<Self, SpecError> {
        let layer = || name.to_owned();
        // Mostly in order already, which this sort makes use of.
        entries.sort_by(tar::by_full_name);
        // A name that came from an artifact or a directory never deletes.
        if let Some(entry) = entries.iter().find(|entry| entry.path.file_name().starts_with(b".wh.")) {
            return Err(SpecError::Whiteout { layer: layer(), path: entry.path.clone() });
        }
        check_tree(&entries, &layer)?;
        Ok(Self { name: name.into(), entries: Arc::new(entries) })
    }

    /// A layer that removes what lower layers have at `paths`, with the `directories` that these are in.
    ///
    /// # Errors
    /// When a path occurs twice, or is not in a directory of the layer.
    pub fn removals(name: &str, paths: &[EntryPath], directories: Vec<Entry>) -> Result<Self, SpecError> {
        let layer = || name.to_owned();
        let mut entries = directories;
        for path in paths {
            let marker = [path.directory(), b".wh.", path.file_name()].concat();
            let path = EntryPath::new(&marker)
                .map_err(|_| SpecError::Whiteout { layer: layer(), path: path.clone() })?;
            entries.push(Entry::bytes(path, Metadata::file(false), b""));
        }
        entries.sort_by(tar::by_full_name);
        check_tree(&entries, &layer)?;
        Ok(Self { name: name.into(), entries: Arc::new(entries) })
    }

    /// With a modification time for each file, by its index. Another name of a file has the same time, because both
    /// are one file after unpacking; everything else keeps its own.
    #[must_use]
    pub fn with_file_times(self, time: impl Fn(usize) -> Option<u64>) -> Self {
        let mut entries = Arc::try_unwrap(self.entries).unwrap_or_else(|shared| shared.to_vec());
        let mut linked = BTreeMap::new();
        for entry in &entries {
            if let EntryKind::Hardlink(target) = &entry.kind {
                linked.insert(target.clone(), None);
            }
        }
        for (index, entry) in entries.iter_mut().enumerate() {
            let EntryKind::File(_) = &entry.kind else { continue };
            let Some(time) = time(index) else { continue };
            entry.metadata.mtime = time;
            if let Some(linked) = linked.get_mut(&entry.path) {
                *linked = Some(time);
            }
        }
        for entry in &mut entries {
            if let EntryKind::Hardlink(target) = &entry.kind
                && let Some(Some(time)) = linked.get(target)
            {
                entry.metadata.mtime = *time;
            }
        }
        Self { name: self.name, entries: Arc::new(entries) }
    }

    /// The layer's name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entries in canonical order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Its entry for `path`.
    #[must_use]
    pub fn get(&self, path: &EntryPath) -> Option<&Entry> {
        let find = |is_directory| {
            let found = self.entries.binary_search_by(|entry| tar::by_path(entry, path, is_directory));
            found.ok().map(|at| &self.entries[at])
        };
        find(false).or_else(|| find(true))
    }

    /// Its entries below the directory `path`, without the directory itself, and without looking at the others.
    #[must_use]
    pub fn below(&self, path: &EntryPath) -> &[Entry] {
        let name = [path.as_bytes(), b"/"].concat();
        let from = self.entries.partition_point(|entry| tar::by_path(entry, path, true).is_lt());
        let from = from + usize::from(self.entries.get(from).is_some_and(|entry| entry.path == *path));
        let below = &self.entries[from..];
        &below[..below.partition_point(|entry| entry.path.as_bytes().starts_with(&name))]
    }

    /// Its entries as several layers with these names: `members` has a bit for each layer that the entry with this
    /// index is in, the lowest for the first.
    ///
    /// Order, and that nothing lies below what is no directory, are inherited. That the file of each hard link
    /// is in the same layer is up to the caller.
    #[must_use]
    pub fn into_parts(self, names: &[String], members: &[u32]) -> Vec<Self> {
        let entries = Arc::try_unwrap(self.entries).unwrap_or_else(|shared| shared.to_vec());
        let mut parts: Vec<Vec<Entry>> = (0..names.len())
            .map(|number| members.iter().filter(|bits| *bits >> number & 1 == 1).count())
            .map(Vec::with_capacity)
            .collect();
        for (entry, bits) in entries.into_iter().zip(members) {
            let mut wanted = (0..parts.len()).filter(|number| bits >> number & 1 == 1);
            let last = wanted.next_back();
            wanted.for_each(|number| parts[number].push(entry.clone()));
            if let Some(number) = last {
                parts[number].push(entry);
            }
        }
        let part =
            |(name, entries): (&String, _)| Self { name: name.as_str().into(), entries: Arc::new(entries) };
        names.iter().zip(parts).map(part).collect()
    }

    /// Bytes of payload.
    #[must_use]
    pub fn payload_size(&self) -> u64 {
        self.entries.iter().map(Entry::payload_size).sum()
    }

    /// How many entries are not directories.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_directory()).count()
    }
}

/// No path twice, whatever its kind, and nothing below a file. The entries are in order, where a directory does not
/// stand beside a file of the same path.
fn check_tree(entries: &[Entry], layer: &dyn Fn() -> String) -> Result<(), SpecError> {
    let is_file =
        |path: &EntryPath| entries.binary_search_by(|entry| tar::by_path(entry, path, false)).is_ok();
    let mut last: &[u8] = b"";
    for (index, entry) in entries.iter().enumerate() {
        let is_twice = entries.get(index + 1).is_some_and(|next| next.path == entry.path)
            || entry.is_directory() && is_file(&entry.path);
        if is_twice {
            return Err(SpecError::Duplicate { layer: layer(), path: entry.path.clone() });
        }
        // Most entries lie beside the one before.
        let above = entry.path.directory();
        if std::mem::replace(&mut last, above) == above {
            continue;
        }
        let Some(parent) = entry.path.parent().filter(|parent| is_file(parent)) else { continue };
        return Err(SpecError::NotADirectory { layer: layer(), path: entry.path.clone(), parent });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).expect("path")
    }

    fn file(text: &str) -> Entry {
        Entry::bytes(path(text), Metadata::file(false), b"x")
    }

    #[test]
    fn a_removal_is_an_empty_file_beside_what_it_removes() {
        let above = vec![Entry::directory(path("srv")), Entry::directory(path("srv/webapps"))];
        let gone = [path("srv/webapps/ROOT"), path("old")];
        let spec = LayerSpec::removals("l", &gone, above).expect("a layer");
        let names: Vec<String> = spec.entries().iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(names, ["/.wh.old", "/srv", "/srv/webapps", "/srv/webapps/.wh.ROOT"]);
        assert_eq!((spec.payload_size(), spec.file_count()), (0, 2));
        assert!(LayerSpec::removals("l", &[path("a"), path("a")], Vec::new()).is_err());
    }

    #[test]
    fn sorts_by_full_name() {
        let entries = vec![file("a/b"), file("a.txt"), Entry::directory(path("a")), file("a-b")];
        let spec = LayerSpec::new("l", entries).expect("valid");
        let names: Vec<String> = spec.entries().iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(names, ["/a-b", "/a.txt", "/a", "/a/b"]);
    }

    proptest! {
        #[test]
        fn sorts_like_the_full_names(texts in proptest::collection::vec("[a./-]{1,5}", 0..20), kinds: [bool; 20]) {
            let entry = |(text, is_directory): (&String, &bool)| {
                let path = EntryPath::new(text.as_bytes()).ok()?;
                Some(if *is_directory { Entry::directory(path) } else { Entry { path, ..file("x") } })
            };
            let mut entries: Vec<Entry> = texts.iter().zip(&kinds).filter_map(entry).collect();
            entries.sort_by(tar::by_full_name);
            prop_assert!(entries.is_sorted_by_key(tar::full_name));
            let Ok(spec) = LayerSpec::new("l", entries) else { return Ok(()) };
            for path in spec.entries().iter().flat_map(|entry| entry.path.ancestors().chain([entry.path.clone()])) {
                let is_below = |entry: &&Entry| entry.path != path && entry.path.starts_with(&path);
                let below: Vec<&EntryPath> = spec.below(&path).iter().map(|entry| &entry.path).collect();
                let expected = spec.entries().iter().filter(is_below).map(|entry| &entry.path);
                prop_assert_eq!(below, expected.collect::<Vec<_>>(), "{}", path);
            }
        }
    }

    proptest! {
        #[test]
        fn a_path_is_there_once_and_what_is_above_it_is_a_directory(
            texts in proptest::collection::vec("[a-]{1,2}(/[a.]{1,2}){0,2}", 0..8),
            kinds: [bool; 8],
        ) {
            let entry = |(text, is_directory): (&String, &bool)| {
                let path = EntryPath::new(text.as_bytes()).ok()?;
                Some(if *is_directory { Entry::directory(path) } else { Entry { path, ..file("x") } })
            };
            let entries: Vec<Entry> = texts.iter().zip(&kinds).filter_map(entry).collect();
            let paths: std::collections::BTreeSet<&EntryPath> = entries.iter().map(|entry| &entry.path).collect();
            let is_file = |path: &EntryPath| entries.iter().any(|entry| !entry.is_directory() && entry.path == *path);
            let is_below_file = |entry: &Entry| entry.path.parent().is_some_and(|parent| is_file(&parent));
            let is_sound = paths.len() == entries.len() && !entries.iter().any(is_below_file);
            prop_assert_eq!(LayerSpec::new("l", entries).is_ok(), is_sound);
        }
    }

    #[test]
    fn names_of_one_file_have_one_time() {
        let link = Entry { kind: EntryKind::Hardlink(path("b")), ..file("c") };
        let soft = Entry { kind: EntryKind::Symlink(b"b".to_vec()), ..file("d") };
        let spec = LayerSpec::new("l", vec![file("a"), file("b"), link, soft, Entry::directory(path("e"))]);
        let spec = spec.expect("valid").with_file_times(|index| Some(100 + index as u64));
        let times: Vec<u64> = spec.entries().iter().map(|entry| entry.metadata.mtime).collect();
        assert_eq!(times, [100, 101, 101, 1, 1]);
    }

    #[test]
    fn refuses_what_unpackers_disagree_about() {
        let twice = vec![file("a"), Entry::directory(path("a"))];
        assert!(matches!(LayerSpec::new("l", twice), Err(SpecError::Duplicate { .. })));
        let link = Entry { kind: EntryKind::Symlink(b"/etc".to_vec()), ..file("a") };
        let below = vec![link, file("a/b")];
        assert!(matches!(LayerSpec::new("l", below), Err(SpecError::NotADirectory { .. })));
        assert!(matches!(LayerSpec::new("l", vec![file("d/.wh.x")]), Err(SpecError::Whiteout { .. })));
    }
}
