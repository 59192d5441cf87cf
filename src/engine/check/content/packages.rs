//! Which files belong to packages of others, and not to the application itself.

use std::collections::BTreeSet;

use super::role::PACKAGES;
use crate::layer::EntryPath;
use crate::plan::PlannedLayer;

/// Where packages of others lie.
pub(super) struct Packages {
    /// Directories with `NAME.dist-info`: `pip install --target` makes them of any name.
    python: BTreeSet<Vec<u8>>,
}

/// Directories of packages that nothing runs.
const TESTS: [&[u8]; 14] = [
    b"test",
    b"tests",
    b"__tests__",
    b"testing",
    b"testdata",
    b"spec",
    b"fixtures",
    b"example",
    b"examples",
    b"doc",
    b"docs",
    b"demo",
    b"benchmark",
    b"samples",
];

impl Packages {
    pub(super) fn of(layers: &[PlannedLayer]) -> Self {
        let entries = layers.iter().flat_map(|layer| layer.spec.entries());
        let metadata = entries
            .filter(|entry| [&b"METADATA"[..], b"PKG-INFO", b"RECORD"].contains(&entry.path.file_name()));
        let python = metadata.filter_map(|entry| {
            let directory = entry.path.parent()?;
            let is_metadata =
                [&b".dist-info"[..], b".egg-info"].iter().any(|end| directory.file_name().ends_with(end));
            is_metadata.then(|| directory.directory().to_vec())
        });
        Self { python: python.collect() }
    }

    /// Whether the file belongs to a package of others.
    pub(super) fn own(&self, path: &EntryPath) -> bool {
        self.part(path).is_some()
    }

    /// Whether the file belongs to a package's tests, examples or documentation, which anybody can read where the package is.
    pub(super) fn test_with(&self, path: &EntryPath) -> bool {
        self.part(path).is_some_and(|part| part.split(|byte| *byte == b'/').any(|part| TESTS.contains(&part)))
    }

    /// The directories of the file below the outermost directory of packages.
    fn part<'p>(&self, path: &'p EntryPath) -> Option<&'p [u8]> {
        let directory = path.directory();
        let mut start = 0;
        for at in memchr::memchr_iter(b'/', directory) {
            if PACKAGES.contains(&&directory[start..at]) || self.python.contains(&directory[..=at]) {
                return Some(&directory[at..]);
            }
            start = at + 1;
        }
        None
    }
}
