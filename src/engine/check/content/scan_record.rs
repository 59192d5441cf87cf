//! The results of scans, remembered by role and content: one record of a project.
//!
//! A clean file takes 17 bytes: its role and 128 bits of its identity, which no two contents share. A record that is damaged is
//! none. Files that a build did not see are forgotten.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::jar::JarFacts;
use super::role::FileRole;
use super::sighting::Sighting;
use crate::types::digest::ContentId;

/// The role and the content of a file.
pub(super) type ScanKey = [u8; 17];

/// The key of a scan.
pub(super) fn scan_key(role: FileRole, content: &ContentId) -> ScanKey {
    let mut key = [role as u8; 17];
    // With the CRC-32 at the end: of an entry of an archive it is only stated, and reading finds that it is wrong.
    key[1..].copy_from_slice(&content.0[16..]);
    key
}

/// The results of the scans of a project's files.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct ScanRecord {
    clean: KeyList,
    found: BTreeMap<ScanKey, Vec<Sighting>>,
    jars: BTreeMap<ScanKey, JarFacts>,
}

impl ScanRecord {
    /// The sightings of a scan; `None` where there was none.
    pub(super) fn get(&self, key: &ScanKey) -> Option<&[Sighting]> {
        if self.clean.has(key) { Some(&[]) } else { self.found.get(key).map(Vec::as_slice) }
    }

    /// The facts about a jar.
    pub(super) fn jar(&self, key: &ScanKey) -> Option<&JarFacts> {
        self.jars.get(key)
    }

    /// Adds what a scan saw.
    pub(super) fn add(&mut self, key: ScanKey, sightings: &[Sighting]) {
        match sightings {
            [] => self.clean.add(key),
            sightings => {
                self.found.insert(key, sightings.to_vec());
            }
        }
    }

    pub(super) fn add_jar(&mut self, key: ScanKey, facts: &JarFacts) {
        self.jars.insert(key, facts.clone());
    }

    pub(super) fn len(&self) -> usize {
        self.clean.0.len() + self.found.len() + self.jars.len()
    }
}

/// Keys in order; as a record, one piece of bytes.
#[derive(Default)]
struct KeyList(Vec<ScanKey>);

impl KeyList {
    fn has(&self, key: &ScanKey) -> bool {
        self.0.binary_search(key).is_ok()
    }

    /// Keys come mostly in their order.
    fn add(&mut self, key: ScanKey) {
        if self.0.last().is_none_or(|last| *last < key) {
            self.0.push(key);
        } else if let Err(at) = self.0.binary_search(&key) {
            self.0.insert(at, key);
        }
    }
}

impl Serialize for KeyList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_flattened())
    }
}

impl<'de> Deserialize<'de> for KeyList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl Visitor<'_> for Keys {
            type Value = KeyList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys in order")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<KeyList, E> {
                let (keys, rest) = bytes.as_chunks::<17>();
                if !rest.is_empty() || !keys.is_sorted_by(|one, other| one < other) {
                    return Err(E::custom("not in order"));
                }
                Ok(KeyList(keys.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Keys)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sighting::What;
    use super::*;
    use crate::types::secret::SecretKind;

    #[test]
    fn a_record_says_what_its_scans_saw() {
        let key = |role, number: u8| scan_key(role, &ContentId::of(&[number]));
        let sighting = Sighting { line: 3, what: What::Secret { kind: SecretKind::AwsKeyId, length: 20 } };
        let mut scans = ScanRecord::default();
        (0..9).for_each(|number| scans.add(key(FileRole::Text, number), &[]));
        scans.add(key(FileRole::Npm, 1), std::slice::from_ref(&sighting));
        scans.add_jar(key(FileRole::Jar, 1), &JarFacts::default());
        let bytes = postcard::to_stdvec(&scans).expect("encodes");
        let record: ScanRecord = postcard::from_bytes(&bytes).expect("decodes");
        assert_eq!(record.get(&key(FileRole::Text, 1)), Some(&[][..]));
        assert_eq!(record.get(&key(FileRole::Npm, 1)), Some(&[sighting][..]));
        assert_eq!(record.get(&key(FileRole::Npm, 2)), None, "another role is another scan");
        assert_eq!(record.jar(&key(FileRole::Jar, 1)), Some(&JarFacts::default()));
        assert_eq!((record.len(), record.get(&key(FileRole::Text, 10))), (11, None));
    }

    #[test]
    fn keys_out_of_order_are_no_record() {
        let record = ScanRecord { clean: KeyList(vec![[2; 17], [1; 17]]), ..ScanRecord::default() };
        let bytes = postcard::to_stdvec(&record).expect("encodes");
        assert!(postcard::from_bytes::<ScanRecord>(&bytes).is_err());
    }
}
