//! Names in one directory that differ only by case.

use crate::layer::EntryPath;

/// Pairs of paths that are one on a file system that ignores case, at most `most`. Of directories that clash, what is below
/// them is not told.
pub(super) fn clashes<'p>(
    paths: impl Iterator<Item = &'p EntryPath>,
    most: usize,
) -> Vec<(&'p EntryPath, &'p EntryPath)> {
    let mut folded: Vec<(u64, &EntryPath)> = paths.map(|path| (hash(path.as_bytes()), path)).collect();
    folded.sort_unstable();
    let mut clashes = Vec::new();
    for same in folded.chunk_by(|(one, _), (other, _)| one == other) {
        for pair in same.windows(2) {
            let (one, other) = (pair[0].1, pair[1].1);
            let is_clash = one != other
                && one.directory() == other.directory()
                && fold(one.as_bytes()) == fold(other.as_bytes());
            if is_clash && clashes.len() < most {
                clashes.push((one, other));
            }
        }
    }
    clashes.sort_unstable();
    clashes
}

/// A hash that names share which differ only by case; others may share it as well.
fn hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let start = 0xcbf2_9ce4_8422_2325;
    if bytes.is_ascii() {
        bytes.iter().map(u8::to_ascii_lowercase).fold(start, fold)
    } else {
        self::fold(bytes).into_bytes().into_iter().fold(start, fold)
    }
}

/// A name as such file systems compare it.
fn fold(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_case_are_found_in_one_directory() {
        let paths: Vec<EntryPath> =
            ["a/README", "a/readme", "b/Readme", "A", "a", "é/Ärger", "é/ärger", "a/x"]
                .iter()
                .map(|path| EntryPath::new(path.as_bytes()).expect("a path"))
                .collect();
        let found: Vec<String> =
            clashes(paths.iter(), 9).iter().map(|(one, other)| format!("{one} {other}")).collect();
        assert_eq!(found, ["/A /a", "/a/README /a/readme", "/é/Ärger /é/ärger"]);
        assert_eq!(
            clashes(paths.iter().chain(&paths[..1]), 9).len(),
            3,
            "one path in two layers is one file"
        );
    }
}
