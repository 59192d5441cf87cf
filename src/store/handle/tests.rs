use std::sync::Mutex;

use super::*;
use crate::oci::MediaType;
use crate::runtime::events::{Event, EventKind, Observer};
use crate::store::{EntryName, PruneOptions, files};
use crate::types::digest::KeyBuilder;

#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Observer for Warnings {
    fn event(&self, event: Event) {
        if let EventKind::Warning(text) = event.kind {
            self.0.lock().expect("no panic").push(text);
        }
    }
}

impl Warnings {
    fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }
}

fn key(text: &str) -> Key {
    KeyBuilder::new("test").part(text.as_bytes()).finish()
}

fn open(dir: &Path) -> (Store, Warnings) {
    let warnings = Warnings::default();
    (Store::open(dir, &Progress::new(warnings.clone())), warnings)
}

#[test]
fn remembers_across_openings() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("deep/er");
    let (store, warnings) = open(&path);
    store.memo_save("step-1", &key("a"), &(7_u32, "seven".to_owned()));
    let digest = store.blobs().put(b"blob").expect("stored");
    let (store, _) = open(&path);
    assert_eq!(store.memo_load("step-1", &key("a")), Some((7_u32, "seven".to_owned())));
    assert_eq!(store.memo_load::<u64>("step-1", &key("b")), None);
    assert_eq!(store.blobs().contains(&digest), Some(4));
    assert_eq!(warnings.count(), 0);
    assert!(Layout::open(&path).is_ok(), "it is an image layout");
    assert!(path.join("CACHEDIR.TAG").exists());
    assert_eq!(std::fs::read_to_string(path.join(".gitignore")).expect("there"), "*\n");
}

#[test]
fn a_value_of_another_shape_is_a_miss_and_goes() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, _) = open(dir.path());
    store.memo_save("step", &key("a"), &(1_u8, 2_u8));
    assert!(store.has_memo("step", &key("a")) && !store.has_memo("step", &key("b")));
    assert_eq!(store.memo_load::<u8>("step", &key("a")), None);
    assert!(store.memo_get("step", &key("a")).is_none() && !store.has_memo("step", &key("a")), "removed");
    assert!(store.memo_get("../x", &key("a")).is_none());
}

#[test]
fn an_unusable_place_is_one_warning_and_no_cache() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "x").expect("written");
    let (store, warnings) = open(&file.join("store"));
    assert!(!store.is_writable());
    store.memo_put("step", &key("a"), b"v");
    store.memo_save("step", &key("a"), &1);
    assert_eq!(store.memo_get("step", &key("a")), None);
    assert_eq!(store.resolve("a"), None);
    let _lease = store.lease();
    assert!(store.writable_layout().is_err());
    assert_eq!(warnings.count(), 1);
    let scratch = dir.path().join("scratch");
    let store = store.with_scratch(&Scratch::new(scratch.clone()));
    let digest = store.blobs().put(b"layer").expect("stored");
    assert_eq!(store.blobs().contains(&digest), Some(5));
    assert_eq!(warnings.count(), 1);
    drop(store);
    assert_eq!(std::fs::read_dir(&scratch).expect("readable").count(), 0);
}

#[test]
fn a_write_that_fails_is_one_warning_and_the_rest_is_read() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, warnings) = open(dir.path());
    store.memo_put("good", &key("a"), b"v");
    // Not even root can make a file there.
    let memos = dir.path().join("memo");
    std::fs::rename(&memos, dir.path().join("aside")).expect("moved");
    std::os::unix::fs::symlink("/proc/self", &memos).expect("linked");
    store.memo_put("bad", &key("a"), b"v");
    store.memo_put("bad", &key("b"), b"v");
    assert_eq!(warnings.count(), 1);
    std::fs::remove_file(&memos).expect("removed");
    std::fs::rename(dir.path().join("aside"), &memos).expect("moved");
    assert_eq!(store.memo_get("good", &key("a")).as_deref(), Some(&b"v"[..]));
}

/// Puts something of another kind in the place of whatever `path` names.
fn replace_with(path: &Path, kind: &str) {
    files::remove(path).expect("removed");
    match kind {
        "file" => std::fs::write(path, "x").expect("written"),
        "directory" => std::fs::create_dir_all(path.join("full")).expect("created"),
        "link" => std::os::unix::fs::symlink("/nowhere", path).expect("linked"),
        "loop" => std::os::unix::fs::symlink(path, path).expect("linked"),
        "socket" => drop(std::os::unix::net::UnixListener::bind(path).expect("bound")),
        "fifo" => {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn anything_can_be_of_another_kind_and_heals() {
    let places = DIRECTORIES.into_iter().chain(FILES).chain(["index.json"]);
    for place in places {
        for kind in ["file", "directory", "link", "loop", "socket", "fifo"] {
            let dir = tempfile::tempdir().expect("temporary directory");
            let path = dir.path();
            drop(open(path).0.lease());
            open(path).0.memo_put("step", &key("a"), b"v");
            // Twice: the second time something is aside already.
            for other in ["directory", kind, "file", kind] {
                replace_with(&path.join(place), other);
                let (store, _) = open(path);
                assert!(store.is_writable(), "{kind} for {place}");
                let lease = store.lease();
                let image = Descriptor::of(MediaType::ImageManifest, b"m");
                let layout = store.writable_layout().expect("writable");
                layout.set(&EntryName::tag("name"), &image).expect("set");
                assert!(store.resolve("name").is_some(), "{kind} for {place}");
                let digest = store.blobs().put(b"x").expect("stored");
                assert_eq!(store.blobs().contains(&digest), Some(1));
                assert!(store.memo_get("step", &key("b")).is_none());
                store.memo_put("step", &key("a"), b"v");
                assert_eq!(store.memo_get("step", &key("a")).as_deref(), Some(&b"v"[..]));
                assert!(store.is_writable(), "{kind} for {place}");
                assert!(lease._file.is_some(), "{kind} for {place}");
            }
            let now =
                PruneOptions { keep_named: false, grace: std::time::Duration::ZERO, ..Default::default() };
            let (store, _) = open(path);
            store.prune(&now).expect("pruned");
            let left = std::fs::read_dir(path).expect("readable");
            let names = left.map(|entry| entry.expect("readable").file_name().into_string().expect("text"));
            assert_eq!(
                names.filter(|name| name.starts_with('.') && name != ".gitignore").count(),
                0,
                "{kind} for {place}"
            );
            assert!(store.verify().expect("verified").is_empty(), "{kind} for {place}");
        }
    }
}

#[test]
fn a_damaged_layout_file_or_index_heals() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (store, _) = open(dir.path());
    let digest = store.blobs().put(b"x").expect("stored");
    std::fs::write(dir.path().join("oci-layout"), "").expect("damaged");
    std::fs::write(dir.path().join("index.json"), "{").expect("damaged");
    let (store, warnings) = open(dir.path());
    assert!(store.is_writable());
    assert_eq!(store.blobs().contains(&digest), Some(1));
    assert_eq!(store.resolve("name"), None);
    let name = EntryName::tag("name");
    let layout = store.writable_layout().expect("writable");
    layout.set(&name, &Descriptor::of(MediaType::ImageManifest, b"m")).expect("set");
    assert!(store.resolve("name").is_some());
    assert!(warnings.count() <= 2, "{:?}", warnings.0);
}
