//! Versions of symbols: those that a file needs of its libraries (`DT_VERNEED`), and those that a library defines (`DT_VERDEF`).
//!
//! A loader compares names of versions, not numbers: see Ulrich Drepper, "ELF Symbol Versioning".

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The longest table that is read, in bytes: more than a thousand versions. glibc's libraries define some forty.
pub(super) const MAX_TABLE: u64 = 32 << 10;
/// The most entries of one table.
const MAX_ENTRIES: usize = 2048;
/// A loader starts a program also without this version (`VER_FLG_WEAK`).
const WEAK: u16 = 2;

/// The versions of symbols that an ELF file speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolVersions {
    /// Those that it needs, by library, in its order. Weak ones are left out.
    pub needed: Vec<NeededVersions>,
    /// Those that it defines. A library without any fits all programs.
    pub defined: BTreeSet<String>,
}

/// The versions that a file needs of one library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NeededVersions {
    /// The name of the library, as in `DT_NEEDED`.
    pub library: String,
    /// The names of the versions, such as `GLIBC_2.34`.
    pub names: Vec<String>,
}

impl SymbolVersions {
    /// About how many bytes of memory they take.
    pub(super) fn cost(&self, each: usize) -> usize {
        let needed = self.needed.iter().flat_map(|needed| needed.names.iter().chain([&needed.library]));
        needed.chain(&self.defined).map(|name| each + name.len()).sum()
    }
}

/// A table of records that point to each other by offsets.
pub(super) struct VersionTable<'d> {
    pub(super) bytes: &'d [u8],
    pub(super) is_little: bool,
    /// How many records there are.
    pub(super) count: u64,
}

impl VersionTable<'_> {
    fn half(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// The offset that the word at `field` adds to `at`; `None` at the end of a list.
    fn next(&self, at: usize, field: usize) -> Option<Option<usize>> {
        match self.word(at.checked_add(field)?)? {
            0 => Some(None),
            offset => at.checked_add(usize::try_from(offset).ok()?).map(Some),
        }
    }

    /// The table as one of needed versions; `None` where it is damaged. `string` reads a name.
    pub(super) fn needed(
        &self,
        mut string: impl FnMut(u64) -> Result<String, String>,
    ) -> Option<Vec<NeededVersions>> {
        let (mut all, mut entries) = (Vec::new(), 0);
        let mut at = (self.count > 0).then_some(0);
        for _ in 0..self.count {
            let Some(record) = at else { break };
            let mut names = Vec::new();
            let mut of = self.next(record, 8)?;
            for _ in 0..self.half(record.checked_add(2)?)? {
                let Some(version) = of else { break };
                entries += 1;
                if entries > MAX_ENTRIES {
                    return None;
                }
                if self.half(version.checked_add(4)?)? & WEAK == 0 {
                    names.push(string(self.word(version.checked_add(8)?)?.into()).ok()?);
                }
                of = self.next(version, 12)?;
            }
            let library = string(self.word(record.checked_add(4)?)?.into()).ok()?;
            if !names.is_empty() {
                all.push(NeededVersions { library, names });
            }
            at = self.next(record, 12)?;
        }
        Some(all)
    }

    /// The table as one of defined versions; `None` where it is damaged.
    pub(super) fn defined(
        &self,
        mut string: impl FnMut(u64) -> Result<String, String>,
    ) -> Option<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        let mut at = (self.count > 0).then_some(0);
        for number in 0..self.count {
            let Some(record) = at else { break };
            if number >= MAX_ENTRIES as u64 {
                return None;
            }
            // The first name is its own, the others are those that it inherits from.
            if let Some(own) = self.next(record, 12)? {
                let name = string(self.word(own)?.into()).ok()?;
                // `build.lock` separates names by blanks, and no name has one.
                if !name.contains(char::is_whitespace) {
                    all.insert(name);
                }
            }
            at = self.next(record, 16)?;
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with one record of needed versions, each with flags.
    fn needed(versions: &[(u16, u32)]) -> Vec<u8> {
        let mut bytes = [&1u16.to_le_bytes()[..], &(versions.len() as u16).to_le_bytes()].concat();
        [1u32, 16, 0].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        for (number, (flags, name)) in versions.iter().enumerate() {
            bytes.extend(0u32.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            bytes.extend(2u16.to_le_bytes());
            bytes.extend(name.to_le_bytes());
            let next: u32 = if number + 1 == versions.len() { 0 } else { 16 };
            bytes.extend(next.to_le_bytes());
        }
        bytes
    }

    fn name(at: u64) -> Result<String, String> {
        Ok(format!("name {at}"))
    }

    #[test]
    fn weak_versions_are_not_needed() {
        let bytes = needed(&[(0, 7), (WEAK, 8), (0, 9)]);
        let table = VersionTable { bytes: &bytes, is_little: true, count: 1 };
        let names = vec!["name 7".to_owned(), "name 9".to_owned()];
        assert_eq!(table.needed(name), Some(vec![NeededVersions { library: "name 1".to_owned(), names }]));
        let bytes = needed(&[(WEAK, 8)]);
        assert_eq!(VersionTable { bytes: &bytes, is_little: true, count: 1 }.needed(name), Some(Vec::new()));
    }

    #[test]
    fn damaged_tables_tell_nothing_and_end() {
        let bytes = needed(&[(0, 7), (0, 8)]);
        for end in 0..bytes.len() {
            let table = VersionTable { bytes: &bytes[..end], is_little: true, count: 1 };
            assert_eq!(table.needed(name), None, "{end}");
        }
        // Records that follow each other without end.
        let mut bytes = vec![0; 1 << 10];
        bytes[12] = 2;
        for count in [u64::MAX, 4096] {
            let table = VersionTable { bytes: &bytes, is_little: true, count };
            table.needed(name);
            table.defined(name);
        }
    }
}
