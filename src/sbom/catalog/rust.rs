//! Rust crates, of the list that `cargo auditable` puts into a program: the section `.dep-v0`, JSON compressed by zlib.

use std::io::Read as _;

use serde::Deserialize;

use super::text::word;
use crate::sbom::package::{CoordinateEvidence, PackageFacts};

/// The section of an ELF file that has it.
pub(super) const SECTION: &str = ".dep-v0";
/// The longest list that is read, unpacked. That of a program with 1,000 crates has 100 kB.
const MAX_LIST: u64 = 8 << 20;

#[derive(Deserialize)]
struct CrateList {
    packages: Vec<CrateEntry>,
}

#[derive(Deserialize)]
struct CrateEntry {
    name: String,
    version: String,
    source: String,
    #[serde(default)]
    kind: CrateUse,
    #[serde(default)]
    dependencies: Vec<u32>,
    #[serde(default)]
    root: bool,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum CrateUse {
    #[default]
    Runtime,
    #[serde(other)]
    Build,
}

/// The crates in the content of the section, without those that only built it; `None` where it is no list.
pub(super) fn crates(section: &[u8]) -> Option<Vec<PackageFacts>> {
    let mut list = Vec::new();
    flate2::read::ZlibDecoder::new(section).take(MAX_LIST + 1).read_to_end(&mut list).ok()?;
    if list.len() as u64 > MAX_LIST {
        return None;
    }
    let list: CrateList = serde_json::from_slice(&list).ok()?;
    let mut numbers = vec![None; list.packages.len()];
    let mut next = 0_u32;
    for (number, entry) in numbers.iter_mut().zip(&list.packages) {
        if entry.kind == CrateUse::Runtime && !word(&entry.name).is_empty() {
            *number = Some(next);
            next += 1;
        }
    }
    let number = |index: u32| numbers.get(usize::try_from(index).ok()?).copied().flatten();
    let is_kept = |(entry, number): (CrateEntry, &Option<u32>)| number.is_some().then_some(entry);
    let kept: Vec<CrateEntry> = list.packages.into_iter().zip(&numbers).filter_map(is_kept).collect();
    Some(
        kept.iter()
            .map(|entry| PackageFacts {
                // A crate of a directory or a repository of its own is none of the registry's.
                evidence: match entry.source.as_str() {
                    "crates.io" => CoordinateEvidence::Stated,
                    _ => CoordinateEvidence::Unpublished,
                },
                properties: if entry.root {
                    vec![("cargo:root".to_owned(), "true".to_owned())]
                } else {
                    Vec::new()
                },
                requires_here: entry.dependencies.iter().copied().filter_map(number).collect(),
                ..PackageFacts::new("", word(&entry.name), word(&entry.version))
            })
            .collect(),
    )
}

#[cfg(any(test, feature = "testing"))]
pub(super) mod fixture {
    use std::io::Read as _;

    /// A section as `cargo auditable` writes it.
    pub(crate) fn section(list: &str) -> Vec<u8> {
        let mut section = Vec::new();
        let mut encoder = flate2::read::ZlibEncoder::new(list.as_bytes(), flate2::Compression::fast());
        // Reading from memory does not fail.
        let _ = encoder.read_to_end(&mut section);
        section
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_the_registry_are_told_from_others_and_from_those_that_build() {
        let list = r#"{"packages":[
            {"name":"app","version":"0.1.0","source":"local","dependencies":[1,3],"root":true},
            {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"},
            {"name":"fork","version":"1.0.0","source":"git"},
            {"name":"serde","version":"1.0.1","source":"crates.io","dependencies":[2]}]}"#;
        let found = crates(&fixture::section(list)).expect("a list");
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["app", "fork", "serde"]);
        assert_eq!((&found[0].requires_here[..], &found[2].requires_here[..]), (&[2][..], &[1][..]));
        assert_eq!(
            [found[0].evidence, found[2].evidence],
            [CoordinateEvidence::Unpublished, CoordinateEvidence::Stated]
        );
    }

    #[test]
    fn bombs_and_other_bytes_are_no_list() {
        assert!(crates(b"").is_none());
        assert!(crates(&fixture::section("[]")).is_none());
        let bomb = format!(r#"{{"packages":[]{}}}"#, " ".repeat(usize::try_from(MAX_LIST).expect("small")));
        assert!(crates(&fixture::section(&bomb)).is_none());
    }
}
