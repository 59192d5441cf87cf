//! Properties that hold for any file.

use std::path::Path;
use std::sync::OnceLock;

use super::role::FileRole;
use super::scan::FileScanner;
use super::sighting::What;
use crate::layer::EntryPath;

/// A file after a line with its path: the sightings are the same every time, and lie in the lines that it has.
pub(crate) fn file(data: &[u8]) {
    static SCANNER: OnceLock<FileScanner> = OnceLock::new();
    let scanner = SCANNER.get_or_init(|| FileScanner::new(Path::new("/home/me/shop")));
    let end = memchr::memchr(b'\n', data).unwrap_or(data.len());
    let Ok(path) = EntryPath::new(&data[..end]) else { return };
    let bytes = data.get(end + 1..).unwrap_or_default();
    let role = FileRole::of(&path);
    let seen = scanner.scan(role, bytes);
    assert_eq!(seen, scanner.scan(role, bytes), "not the same");
    assert!(seen.is_sorted_by_key(|sighting| sighting.line), "{seen:?}");
    let lines = 1 + memchr::memchr_iter(b'\n', bytes).count();
    for sighting in &seen {
        assert!(sighting.line as usize <= lines, "{sighting:?} in {lines} lines");
        if let What::Secret { length, .. } = sighting.what {
            assert!(length as usize <= bytes.len(), "{sighting:?}");
        }
    }
}
