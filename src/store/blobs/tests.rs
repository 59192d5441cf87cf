use crate::oci::Descriptor;
use crate::runtime::atomic::Durability;
use crate::store::Scratch;
use crate::types::digest::Digest;
use proptest::prelude::*;
use std::io;
use std::path::Path;
use std::sync::Arc;

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::oci::MediaType;
use crate::store::files::{entries_in, remove};
use std::io::{Read as _, Write as _};
use tempfile::NamedTempFile;

fn blobs() -> (tempfile::TempDir, Blobs) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let blobs = Blobs::new(dir.path().join("blobs/sha256"), Durability::Relaxed);
    (dir, blobs)
}

fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::ImageLayer, bytes)
}

fn names(blobs: &Blobs) -> Vec<String> {
    entries_in(blobs.dir()).expect("readable").into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_small_blob_with_other_bytes_is_not_there() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let blobs = Blobs::new(dir.path().to_owned(), Durability::Relaxed);
    let digest = blobs.put(b"configuration").expect("stored");
    let descriptor = Descriptor::new(crate::oci::MediaType::ImageConfig, digest, 13);
    assert!(blobs.has(&descriptor));
    std::fs::write(blobs.path(&digest), b"configurati0n").expect("damaged");
    assert!(!blobs.has(&descriptor));
}

#[test]
fn stores_and_reads() {
    let (_dir, blobs) = blobs();
    assert_eq!(blobs.contains(&Digest::of(b"x")), None);
    assert!(blobs.list().expect("no directory is no blobs").is_empty());
    let digest = blobs.put(b"hello").expect("stored");
    assert_eq!(blobs.contains(&digest), Some(5));
    assert_eq!(blobs.read(&descriptor(b"hello"), 5).expect("read"), b"hello");
    assert!(blobs.read(&descriptor(b"hello"), 4).is_err());
    let mut stream = blobs.content(&descriptor(b"hello")).open().expect("opened");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read");
    assert_eq!(text, "hello");
    assert_eq!(names(&blobs), [digest.hex()]);
    let mode = std::fs::metadata(blobs.path(&digest)).expect("there").permissions().mode();
    assert_eq!(mode & 0o400, 0o400);
    assert_ne!(mode & 0o777, 0o600, "others may read it as the umask allows");
}

#[test]
fn a_dropped_or_refused_writer_leaves_nothing() {
    let (_dir, blobs) = blobs();
    let mut writer = blobs.hashing_writer().expect("writer");
    writer.write_all(b"half").expect("written");
    drop(writer);
    let mut writer = blobs.writer().expect("writer");
    writer.write_all(b"half").expect("written");
    writer.commit(Digest::of(b"half"), 5).expect_err("another size");
    let wrong = blobs.copy_in(&descriptor(b"this"), &b"that"[..], |_| {});
    assert_eq!(wrong.expect_err("other bytes").kind(), io::ErrorKind::InvalidData);
    assert!(names(&blobs).is_empty());
}

#[test]
fn the_hashing_writer_knows_the_digest() {
    let (_dir, blobs) = blobs();
    let mut writer = blobs.hashing_writer().expect("writer");
    writer.write_all(b"whole").expect("written");
    let (writer, digest, size) = writer.finish();
    writer.commit(digest, size).expect("committed");
    assert_eq!(blobs.contains(&Digest::of(b"whole")), Some(5));
}

#[test]
fn every_damage_is_found_on_reading_and_healed_by_writing() {
    use std::os::unix::fs::symlink;
    let original = b"0123456789".repeat(100);
    type Damage = fn(&Path, &[u8]);
    let damages: [(&str, Damage); 6] = [
        ("flip", |path, bytes| {
            let mut bytes = bytes.to_vec();
            bytes[500] ^= 1;
            std::fs::write(path, bytes).expect("damaged");
        }),
        ("truncate", |path, bytes| std::fs::write(path, &bytes[..999]).expect("damaged")),
        ("extend", |path, bytes| std::fs::write(path, [bytes, b"x"].concat()).expect("damaged")),
        ("zero", |path, bytes| std::fs::write(path, vec![0; bytes.len()]).expect("damaged")),
        ("link", |path, _| {
            std::fs::remove_file(path).expect("removed");
            symlink("/nowhere", path).expect("linked");
        }),
        ("directory", |path, _| {
            std::fs::remove_file(path).expect("removed");
            std::fs::create_dir(path).expect("created");
        }),
    ];
    for (name, damage) in damages {
        let (_dir, blobs) = blobs();
        let digest = blobs.put(&original).expect("stored");
        damage(&blobs.path(&digest), &original);
        blobs.read(&descriptor(&original), 10_000).expect_err(name);
        blobs.put(&original).expect(name);
        assert_eq!(blobs.read(&descriptor(&original), 10_000).expect(name), original);
    }
}

#[test]
fn quarantine_moves_aside() {
    let (_dir, blobs) = blobs();
    let digest = blobs.put(b"bad").expect("stored");
    blobs.quarantine(&digest).expect("moved");
    blobs.quarantine(&digest).expect("gone is fine");
    assert_eq!(blobs.contains(&digest), None);
    assert_eq!(names(&blobs), [format!(".bad-{}", digest.hex())]);
    assert!(blobs.list().expect("list").is_empty());
}

#[test]
fn damage_of_one_kind_after_another_is_moved_aside() {
    let (_dir, blobs) = blobs();
    let digest = blobs.put(b"good").expect("stored");
    let path = blobs.path(&digest);
    for kind in ["file", "directory", "file", "directory", "directory", "file"] {
        remove(&path).expect("removed");
        match kind {
            "file" => std::fs::write(&path, "evil").expect("damaged"),
            _ => std::fs::create_dir_all(path.join("full")).expect("damaged"),
        }
        blobs.quarantine(&digest).expect(kind);
        assert!(std::fs::symlink_metadata(&path).is_err(), "{kind}");
        std::fs::create_dir_all(path.join("full")).expect("damaged");
        blobs.put(b"good").expect(kind);
        assert_eq!(blobs.read(&descriptor(b"good"), 4).expect(kind), b"good");
    }
}

#[test]
fn writers_of_one_blob_do_not_disturb_each_other() {
    let (_dir, blobs) = blobs();
    let bytes = vec![7; 300_000];
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    blobs.copy_in(&descriptor(&bytes), &bytes[..], |_| {}).expect("written");
                    assert_eq!(blobs.read(&descriptor(&bytes), 1 << 20).expect("read"), bytes);
                }
            });
        }
    });
    assert_eq!(names(&blobs).len(), 1);
}

fn spilling(dir: &Path, told: &Arc<std::sync::atomic::AtomicUsize>) -> Blobs {
    let told = Arc::clone(told);
    Blobs::of_store(
        dir.join("store"),
        Some(Spill {
            scratch: Scratch::new(dir.join("scratch")),
            always: false,
            told: Box::new(move |_| {
                told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }),
        }),
    )
}

#[test]
fn a_write_that_fails_half_way_goes_on_elsewhere() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let told = Arc::default();
    let blobs = spilling(dir.path(), &told);
    let mut writer = blobs.hashing_writer().expect("writer");
    writer.write_all(b"first half, ").expect("written");
    let (mut writer, _, _) = writer.finish();
    // A file that is open for reading only refuses the next write, as a full disk does.
    let path = writer.file.into_temp_path();
    let file = std::fs::File::open(&path).expect("opened");
    writer.file = NamedTempFile::from_parts(file, path);
    writer.write_all(b"second half").expect("written elsewhere");
    let whole = b"first half, second half";
    writer.commit(Digest::of(whole), whole.len() as u64).expect("committed");
    assert_eq!(blobs.read(&descriptor(whole), 100).expect("found"), whole);
    assert!(names(&blobs).is_empty());
    assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 1);
    drop(blobs);
    assert_eq!(std::fs::read_dir(dir.path().join("scratch")).expect("readable").count(), 0);
}

#[test]
fn a_directory_that_takes_nothing_spills() {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("store"), "a file").expect("written");
    let told = Arc::default();
    let blobs = spilling(dir.path(), &told);
    let digest = blobs.put(b"blob").expect("stored");
    assert_eq!(blobs.contains(&digest), Some(4));
    assert!(!dir.path().join("store").is_dir());
    let plain = Blobs::new(dir.path().join("store"), Durability::Relaxed);
    plain.put(b"blob").expect_err("nowhere to go");
}

#[test]
fn the_stores_blobs_heal() {
    let dir = tempfile::tempdir().expect("temporary directory");
    for heals in [true, false] {
        let blobs = match heals {
            true => Blobs::of_store(dir.path().to_owned(), None),
            false => Blobs::new(dir.path().to_owned(), Durability::Fsync),
        };
        let digest = blobs.put(b"good").expect("stored");
        std::fs::write(blobs.path(&digest), "evil").expect("damaged");
        blobs.read(&descriptor(b"good"), 100).expect_err("other bytes");
        assert_eq!(blobs.contains(&digest).is_none(), heals);
    }
}

proptest! {
    #[test]
    fn what_is_put_is_read(bytes: Vec<u8>) {
        let (_dir, blobs) = blobs();
        let digest = blobs.put(&bytes).expect("stored");
        prop_assert_eq!(digest, Digest::of(&bytes));
        prop_assert_eq!(blobs.read(&descriptor(&bytes), 1 << 20).expect("read"), bytes);
    }
}
