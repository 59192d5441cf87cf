//! Memos: small records of what a step yielded, under a key that hashes everything it depended on.
//!
//! One file per record, `memo/<namespace>-<hex>`. All lie in one directory, because making one is the slowest thing
//! that a first build would do here, and file systems find one name among many:
//!
//! | bytes | |
//! |---|---|
//! | 8 | `PKMEMO` and a two-digit version |
//! | 8 | length of the value, little endian |
//! | 32 | BLAKE3 of the namespace and the key, each with its length before it, and of the value |
//! | 32 | the key again |
//! | … | the value |
//!
//! Invariants: whatever is not exactly such a record, for exactly this key in this namespace, is a miss. A
//! record appears by rename. Its checksum is no signature: who can write here can choose values, so a memo
//! may only hold what its reader can check or what is worth no more than the machine's own integrity.

use std::fs::TryLockError;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use tempfile::{NamedTempFile, PersistError};

use super::files::{TEMPORARY, at, is_no_damage, persist, temporary_in};
use crate::runtime::atomic::Durability;
use crate::types::digest::{Digest, Key, hex};

const MAGIC: &[u8; 8] = b"PKMEMO02";
const HEADER: usize = 8 + 8 + 32 + 32;
/// So much of a record is in memory while it is written. A value that is shorter is written together with its header: a copy
/// costs less than a call.
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

/// The hash of a record whose value is still to come.
fn hasher(namespace: &str, key: &[u8; 32]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    for part in [namespace.as_bytes(), key] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher
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
        Err(error) if is_no_damage(&error) => MemoLookup::Nothing,
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
        && header[16..48] == *hasher(namespace, &key.0).update(value).finalize().as_bytes();
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
    // The first record is not written yet, and others may be about to write it, too.
    let directory = std::fs::File::open(memos).or_else(|_| {
        fs::create_dir_all(memos)?;
        std::fs::File::open(memos)
    });
    let directory = directory.ok()?;
    for _ in 0..tries {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// The header before a value of this length, whose record has this checksum.
fn header(key: &Key, length: u64, checksum: blake3::Hash) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&length.to_le_bytes());
    header[16..48].copy_from_slice(checksum.as_bytes());
    header[48..].copy_from_slice(&key.0);
    header
}

/// Writes the record of `key`.
pub(super) fn put(memos: &Path, namespace: &str, key: &Key, value: &[u8]) -> io::Result<()> {
    let mut draft = MemoDraft::new(memos, namespace, key);
    draft.add(value);
    draft.finish()
}

/// A record on its way to the disk: its value comes in pieces and is never in memory as a whole. That of a large tree takes
/// tens of megabytes.
pub(super) struct MemoDraft<'a> {
    memos: &'a Path,
    path: PathBuf,
    key: &'a Key,
    /// Of all that is in the file.
    hasher: blake3::Hasher,
    file: Option<NamedTempFile>,
    /// The bytes behind those in the file. While there is no file, they begin with room for the header.
    rest: Vec<u8>,
    /// Of the value so far.
    length: u64,
    failed: Option<io::Error>,
}

impl<'a> MemoDraft<'a> {
    pub(super) fn new(memos: &'a Path, namespace: &str, key: &'a Key) -> Self {
        Self {
            memos,
            path: path(memos, namespace, key),
            key,
            hasher: hasher(namespace, &key.0),
            file: None,
            rest: vec![0; HEADER],
            length: 0,
            failed: None,
        }
    }

    /// Adds bytes to the value. An error is told at the end.
    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.is_sound() {
            return;
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.len() > SMALL {
            self.failed = self.write_rest().err();
        }
    }

    /// Whether the value is not too long, and could be written so far.
    pub(super) const fn is_sound(&self) -> bool {
        self.failed.is_none() && self.length <= MAX_VALUE
    }

    fn write_rest(&mut self) -> io::Result<()> {
        self.hash_rest();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(draft_of(self.memos, &self.path)?),
        };
        file.write_all(&self.rest).map_err(|error| at(&error, &self.path))?;
        self.rest.clear();
        Ok(())
    }

    fn hash_rest(&mut self) {
        let start = if self.file.is_some() { 0 } else { HEADER };
        self.hasher.update(&self.rest[start..]);
    }

    /// Gives the record its name, unless its value is too long.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !self.is_sound() {
            return Ok(());
        }
        self.hash_rest();
        let header = header(self.key, self.length, self.hasher.finalize());
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.rest).and_then(|()| file.as_file().write_all_at(&header, 0)),
            none => {
                self.rest[..HEADER].copy_from_slice(&header);
                none.insert(draft_of(self.memos, &self.path)?).write_all(&self.rest)
            }
        };
        written.map_err(|error| at(&error, &self.path))?;
        let Some(file) = self.file else { return Ok(()) };
        match file.persist(&self.path) {
            // A directory in the way is damage.
            Err(PersistError { error, file }) if error.kind() == io::ErrorKind::IsADirectory => {
                fs::remove_dir_all(&self.path)?;
                persist(file, &self.path, Durability::Relaxed)
            }
            Err(PersistError { error, .. }) => Err(at(&error, &self.path)),
            Ok(_) => Ok(()),
        }
    }
}

impl Write for MemoDraft<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        if self.is_sound() { Ok(bytes.len()) } else { Err(io::ErrorKind::Other.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An empty draft of the record at `path`.
fn draft_of(memos: &Path, path: &Path) -> io::Result<NamedTempFile> {
    let dir = path.parent().unwrap_or(memos);
    match temporary_in(dir, TEMPORARY) {
        // A file where a directory must be is damage.
        Err(_) if clear(memos, dir)? => temporary_in(dir, TEMPORARY),
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

/// Whether the file at `path` is the record that its place says. An error says nothing about it.
pub(super) fn is_sound(path: &Path) -> io::Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some((namespace, key)) = name.and_then(parse) else { return Ok(false) };
    match read(path, MAX_VALUE) {
        Ok(record) => Ok(record.and_then(|record| decode(namespace, &key, record)).is_some()),
        Err(error) if is_no_damage(&error) => Err(at(&error, path)),
        Err(_) => Ok(false),
    }
}

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz {
    use super::*;

    fn encode(namespace: &str, key: &Key, value: &[u8]) -> Vec<u8> {
        let checksum = hasher(namespace, &key.0).update(value).finalize();
        [&header(key, value.len() as u64, checksum)[..], value].concat()
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
            assert!(!is_sound(&wrong).expect("read"));
        }
        assert!(is_sound(&path(memos, "layer", &key("a"))).expect("read"));
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
    fn a_value_in_pieces_is_the_same_record() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (memos, key) = (dir.path(), key("a"));
        for length in [0, 1, SMALL - HEADER - 1, SMALL - HEADER, SMALL - HEADER + 1, SMALL, 5 * SMALL + 7] {
            let value: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            put(memos, "whole", &key, &value).expect("written");
            for piece in [1, 1000, SMALL - 1, 2 * SMALL] {
                let mut draft = MemoDraft::new(memos, "pieces", &key);
                value.chunks(piece).for_each(|part| draft.write_all(part).expect("written"));
                draft.finish().expect("written");
                assert_eq!(self::value(memos, "pieces", &key), Some(value.clone()), "{length} by {piece}");
            }
            assert_eq!(self::value(memos, "whole", &key), Some(value));
        }
        assert_eq!(std::fs::read_dir(memos).expect("a directory").count(), 2, "no draft is left");
    }

    #[test]
    fn a_value_that_is_too_long_leaves_what_was_there() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (memos, key) = (dir.path(), key("a"));
        put(memos, "layer", &key, b"before").expect("written");
        let mut draft = MemoDraft::new(memos, "layer", &key);
        draft.write_all(&[1; 2 * SMALL]).expect("fits");
        draft.length = MAX_VALUE;
        draft.write_all(b"1").expect_err("too long");
        assert!(!draft.is_sound());
        draft.finish().expect("nothing went wrong");
        assert_eq!(value(memos, "layer", &key).as_deref(), Some(&b"before"[..]));
        assert_eq!(std::fs::read_dir(memos).expect("a directory").count(), 1, "no draft is left");
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
    fn the_first_record_is_locked_too() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let memos = dir.path().join("memo");
        let _held = lock(&memos).expect("free");
        assert!(lock_within(&memos, 20).is_none());
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
