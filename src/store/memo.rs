//! Memos: small records of what a step yielded, under a key that hashes everything it depended on.
//!
//! One file per record, `memo/<namespace>-<hex>`. All lie in one directory, because making one is the slowest thing
//! that a first build would do here, and file systems find one name among many:
//!
//! | bytes | |
//! |---|---|
//! | 8 | `PKMEMO` and a two-digit version |
//! | 8 | length of the value, little endian |
//! | 32 | BLAKE3 of the namespace, the key and the value, each with its length before it |
//! | 32 | the key again |
//! | … | the value |
//!
//! Invariants: whatever is not exactly such a record, for exactly this key in this namespace, is a miss. A
//! record appears by rename. Its checksum is no signature: who can write here can choose values, so a memo
//! may only hold what its reader can check or what is worth no more than the machine's own integrity.

use std::fs::TryLockError;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use rustix::io::Errno;

use super::files::{TEMPORARY, at, persist, temporary_in};
use crate::runtime::atomic::Durability;
use crate::types::digest::{Digest, Key, hex};

const MAGIC: &[u8; 8] = b"PKMEMO01";
const HEADER: usize = 8 + 8 + 32 + 32;
/// A value that is no longer is written together with its header: a copy costs less than a call.
const SMALL: usize = 64 << 10;
/// A value that is longer is neither written nor read.
pub(super) const MAX_VALUE: u64 = 256 << 20;

/// The result of a lookup.
pub(super) enum MemoLookup {
    /// It is there.
    Record(MemoRecord),
    /// There is no record.
    Nothing,
    /// There is something, but not this record.
    Damaged,
}

/// A record as it lies on the disk.
pub(super) struct MemoRecord(Vec<u8>);

impl MemoRecord {
    pub(super) fn value(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }
}

/// The file of a record.
pub(super) fn path(memos: &Path, namespace: &str, key: &Key) -> PathBuf {
    memos.join(format!("{namespace}-{}", hex(&key.0)))
}

/// The namespace and key that a file's name stands for.
pub(super) fn parse(name: &str) -> Option<(&str, Key)> {
    let (namespace, hex) = name.rsplit_once('-')?;
    let digest: Digest = format!("sha256:{hex}").parse().ok()?;
    is_namespace(namespace).then(|| (namespace, Key(*digest.as_bytes())))
}

/// Namespaces become parts of file names, so they are words.
pub(super) fn is_namespace(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn checksum(namespace: &str, key: &[u8; 32], value: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in [namespace.as_bytes(), key, value] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Reads the record of `key`, unless its value is longer than `most` bytes.
pub(super) fn get(memos: &Path, namespace: &str, key: &Key, most: u64) -> MemoLookup {
    match read(&path(memos, namespace, key), most) {
        Ok(None) => MemoLookup::Nothing,
        Ok(Some(record)) => match decode(namespace, key, record) {
            Some(record) => MemoLookup::Record(record),
            None => MemoLookup::Damaged,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => MemoLookup::Nothing,
        // The machine is short of something, and says nothing about the record.
        Err(error)
            if [Errno::MFILE, Errno::NFILE, Errno::NOMEM]
                .map(|errno| Some(errno.raw_os_error()))
                .contains(&error.raw_os_error()) =>
        {
            MemoLookup::Nothing
        }
        Err(_) => MemoLookup::Damaged,
    }
}

/// Reads a regular file; `None` if it is longer than a record with a value of `most` bytes. The flags make a link an
/// error and keep a FIFO from blocking.
fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    // Without fs_err: a lookup is as often a miss as not, and the message is not shown.
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > HEADER as u64 + MAX_VALUE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if metadata.len() > HEADER as u64 + most {
        return Ok(None);
    }
    let mut record = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.read_to_end(&mut record)?;
    Ok(Some(record))
}

fn decode(namespace: &str, key: &Key, record: Vec<u8>) -> Option<MemoRecord> {
    let (header, value) = record.split_at_checked(HEADER)?;
    let length = u64::from_le_bytes(header[8..16].try_into().ok()?);
    let valid = header[..8] == *MAGIC
        && length == value.len() as u64
        && header[48..] == key.0
        && header[16..48] == checksum(namespace, &key.0, value);
    valid.then_some(MemoRecord(record))
}

/// How often a lock is tried for, a millisecond apart. A process that is stopped may hold it.
/// In tests longer: they ask what is lost where none gives up, on a machine that is busy.
const LOCK_TRIES: u32 = if cfg!(test) { 60_000 } else { 1000 };

/// Keeps other processes from changing those records that several of them change. `None` where the file system has
/// no locks, or the lock is not free soon: then changes of others may be lost.
pub(super) fn lock(memos: &Path) -> Option<std::fs::File> {
    lock_within(memos, LOCK_TRIES)
}

fn lock_within(memos: &Path, tries: u32) -> Option<std::fs::File> {
    let directory = std::fs::File::open(memos).ok()?;
    for _ in 0..tries {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// The header before the value.
fn header(namespace: &str, key: &Key, value: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&(value.len() as u64).to_le_bytes());
    header[16..48].copy_from_slice(&checksum(namespace, &key.0, value));
    header[48..].copy_from_slice(&key.0);
    header
}

/// Writes the record of `key`.
pub(super) fn put(memos: &Path, namespace: &str, key: &Key, value: &[u8]) -> io::Result<()> {
    let path = path(memos, namespace, key);
    let dir = path.parent().unwrap_or(memos);
    let header = header(namespace, key, value);
    let mut file = match temporary_in(dir, TEMPORARY) {
        // A file where a directory must be is damage.
        Err(_) if clear(memos, dir)? => temporary_in(dir, TEMPORARY)?,
        result => result?,
    };
    let written = if value.len() <= SMALL {
        file.write_all(&[&header[..], value].concat())
    } else {
        file.write_all(&header).and_then(|()| file.write_all(value))
    };
    written.map_err(|error| at(&error, &path))?;
    match persist(file, &path, Durability::Relaxed) {
        // A directory in the way is damage.
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            fs::remove_dir_all(&path)?;
            put(memos, namespace, key, value)
        }
        result => result,
    }
}

/// Removes files that are in the way of the directory `dir` below `memos`, and says whether there were any.
fn clear(memos: &Path, dir: &Path) -> io::Result<bool> {
    let below = dir.ancestors().take_while(|path| path.starts_with(memos));
    for path in below {
        let is_directory = || std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
        if std::fs::symlink_metadata(path).is_ok() && !is_directory() {
            fs::remove_file(path)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the file at `path` is the record that its place says.
pub(super) fn is_sound(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some((namespace, key)) = name.and_then(parse) else { return false };
    read(path, MAX_VALUE).ok().flatten().and_then(|record| decode(namespace, &key, record)).is_some()
}

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use super::*;

    fn encode(namespace: &str, key: &Key, value: &[u8]) -> Vec<u8> {
        [&header(namespace, key, value)[..], value].concat()
    }

    /// Foreign bytes are no record unless they are exactly ours; of ours, no damage is one.
    pub(crate) fn record(data: &[u8]) {
        let key = crate::types::digest::KeyBuilder::new("fuzz").finish();
        let sound = |record: &[u8]| encode("layer", &key, &record[HEADER..]) == record;
        if decode("layer", &key, data.to_vec()).is_some() {
            assert!(sound(data), "a record that was never written");
        }
        let record = encode("layer", &key, data);
        let decoded = |namespace, record: &[u8]| decode(namespace, &key, record.to_vec());
        assert_eq!(decoded("layer", &record).as_ref().map(MemoRecord::value), Some(data));
        assert!(decoded("files", &record).is_none(), "another namespace");
        let sum =
            data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        let at = sum % record.len();
        let mut damaged = record.clone();
        damaged[at] ^= 1 << (data.len() % 8);
        assert!(decoded("layer", &damaged).is_none(), "byte {at}");
        assert!(decoded("layer", &record[..at]).is_none(), "cut at {at}");
    }

    /// A record to begin with.
    pub(crate) fn seed(value: &[u8]) -> Vec<u8> {
        encode("layer", &crate::types::digest::KeyBuilder::new("fuzz").finish(), value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::digest::KeyBuilder;

    fn key(text: &str) -> Key {
        KeyBuilder::new("test").part(text.as_bytes()).finish()
    }

    fn value(memos: &Path, namespace: &str, key: &Key) -> Option<Vec<u8>> {
        match get(memos, namespace, key, MAX_VALUE) {
            MemoLookup::Record(record) => Some(record.value().to_vec()),
            MemoLookup::Nothing | MemoLookup::Damaged => None,
        }
    }

    #[test]
    fn a_record_is_found_under_its_own_key_and_namespace_only() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let memos = dir.path();
        put(memos, "layer", &key("a"), b"value").expect("written");
        assert_eq!(value(memos, "layer", &key("a")).as_deref(), Some(&b"value"[..]));
        for (namespace, name) in [("layer", "b"), ("stat", "a")] {
            let wrong = path(memos, namespace, &key(name));
            std::fs::create_dir_all(wrong.parent().expect("parent")).expect("created");
            std::fs::copy(path(memos, "layer", &key("a")), &wrong).expect("copied");
            assert!(matches!(get(memos, namespace, &key(name), MAX_VALUE), MemoLookup::Damaged));
            assert!(!is_sound(&wrong));
        }
        assert!(is_sound(&path(memos, "layer", &key("a"))));
    }

    #[test]
    fn no_single_damage_survives() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (memos, key) = (dir.path(), key("a"));
        put(memos, "layer", &key, b"some value").expect("written");
        let file = path(memos, "layer", &key);
        let sound = std::fs::read(&file).expect("readable");
        let check = |bytes: &[u8], what: &str| {
            std::fs::write(&file, bytes).expect("damaged");
            assert_eq!(value(memos, "layer", &key), None, "{what}");
        };
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            check(&bytes, "flip");
        }
        for length in 0..sound.len() {
            check(&sound[..length], "truncate");
        }
        check(&[&sound[..], b"x"].concat(), "extend");
        check(&vec![0; sound.len()], "zero");
        std::fs::write(&file, &sound).expect("restored");
        assert!(value(memos, "layer", &key).is_some());
    }

    #[test]
    fn a_longer_value_is_not_read() {
        let dir = tempfile::tempdir().expect("temporary directory");
        put(dir.path(), "layer", &key("a"), b"value").expect("written");
        assert!(matches!(get(dir.path(), "layer", &key("a"), 4), MemoLookup::Nothing));
        assert!(matches!(get(dir.path(), "layer", &key("a"), 5), MemoLookup::Record(_)));
    }

    #[test]
    fn a_lock_keeps_others_out_and_is_not_waited_for_long() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let held = lock(dir.path()).expect("free");
        assert!(lock_within(dir.path(), 20).is_none());
        drop(held);
        assert!(lock(dir.path()).is_some());
    }

    #[test]
    fn what_is_no_file_is_a_miss_and_is_replaced() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (memos, key) = (dir.path(), key("a"));
        let file = path(memos, "layer", &key);
        put(memos, "layer", &key, b"v").expect("written");
        let elsewhere = dir.path().join("elsewhere");
        std::fs::rename(&file, &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, &file).expect("linked");
        assert!(matches!(get(memos, "layer", &key, MAX_VALUE), MemoLookup::Damaged));
        put(memos, "layer", &key, b"v").expect("replaced");
        assert!(value(memos, "layer", &key).is_some());
        std::fs::remove_file(&file).expect("removed");
        std::fs::create_dir(&file).expect("created");
        assert!(matches!(get(memos, "layer", &key, MAX_VALUE), MemoLookup::Damaged));
        put(memos, "layer", &key, b"v").expect("replaced");
        assert!(value(memos, "layer", &key).is_some());
    }

    proptest! {
        #[test]
        fn any_value_comes_back(bytes: Vec<u8>) {
            let dir = tempfile::tempdir().expect("temporary directory");
            put(dir.path(), "n", &key("a"), &bytes).expect("written");
            prop_assert_eq!(value(dir.path(), "n", &key("a")), Some(bytes));
        }

        #[test]
        fn foreign_bytes_are_never_a_record(bytes: Vec<u8>) {
            prop_assert!(decode("n", &key("a"), bytes).is_none());
        }
    }
}
