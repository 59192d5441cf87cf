//! Trees against a naive model, tars against their first difference, images against what was changed in them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::listing::{LayerListing, first_difference};
use super::pairs::align;
use super::tree::ImageTree;
use super::*;
use crate::oci::{
    ConfigFile, Descriptor, History, Image, MediaType, RawDocument, RootFs, RunConfig, media_type,
};
use crate::runtime::budget::Budget;
use crate::runtime::interrupt::Interrupt;
use crate::transport::{BlobStream, Source};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// An entry to write.
#[derive(Clone, Debug, PartialEq)]
struct File {
    path: String,
    kind: tar::EntryType,
    content: String,
    mode: u32,
    mtime: u64,
}

fn file(path: &str, content: &str) -> File {
    let (kind, mode, mtime) = (tar::EntryType::Regular, 0o644, 1);
    File { path: path.into(), kind, content: content.into(), mode, mtime }
}

fn directory(path: &str) -> File {
    File { kind: tar::EntryType::Directory, mode: 0o755, ..file(path, "") }
}

/// A tar; a link's content is its target.
fn tar_of(files: &[File]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for file in files {
        let is_link = matches!(file.kind, tar::EntryType::Symlink | tar::EntryType::Link);
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(file.kind);
        // Not through `set_path`, which knows better how a path is written.
        header.as_mut_bytes()[..file.path.len()].copy_from_slice(file.path.as_bytes());
        header.set_mode(file.mode);
        header.set_mtime(file.mtime);
        header.set_size(if is_link { 0 } else { file.content.len() as u64 });
        if is_link {
            header.set_link_name(&file.content).expect("a target");
        }
        header.set_cksum();
        builder.append(&header, if is_link { b"" } else { file.content.as_bytes() }).expect("appended");
    }
    builder.into_inner().expect("finished")
}

fn budget() -> Budget {
    Budget::new("the test", 64 << 20, 1 << 22)
}

fn listing(tar: &[u8]) -> LayerListing {
    LayerListing::read_blob(tar, &budget(), &Interrupt::default()).expect("readable")
}

fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

#[test]
fn the_first_difference_is_named() {
    let base = [directory("usr/"), file("usr/a", "one"), file("usr/b", "two")];
    let with = |change: &dyn Fn(&mut Vec<File>)| {
        let mut files = base.to_vec();
        change(&mut files);
        first_difference(&listing(&tar_of(&base)), &listing(&tar_of(&files))).text
    };
    assert_eq!(with(&|files| files[1].mtime = 1_700_000_000), "usr/a: mtime: 1 → 1700000000");
    assert_eq!(with(&|files| files[0].mode = 0o700), "usr: mode: 0755 → 0700");
    assert_eq!(with(&|files| files[2].content = "three".into()), "usr/b: size: 3 → 5");
    assert!(with(&|files| files[2].content = "owt".into()).starts_with("usr/b: content: sha256:"));
    assert_eq!(with(&|files| files[2].kind = tar::EntryType::Symlink), "usr/b: type: file → symbolic link");
    assert_eq!(with(&|files| files.swap(1, 2)), "the order: usr/a comes before usr/b");
    assert_eq!(with(&|files| files.truncate(2)), "usr/b: only in A");
    assert_eq!(with(&|files| files.push(file("usr/c", ""))), "usr/c: only in B");
    assert_eq!(with(&|files| files.insert(1, file("usr/0", ""))), "usr/0: only in B");
    assert_eq!(with(&|files| files[0].path = "./usr/".into()), "usr/: the name is written as `./usr/`");
    let plain = tar_of(&base);
    let mut longer = plain.clone();
    longer.extend([0; 512]);
    assert_eq!(
        first_difference(&listing(&plain), &listing(&longer)).text,
        "the entries are the same, padding or the end of the tar is not"
    );
    let mut gnu = plain.clone();
    gnu[257..265].copy_from_slice(b"ustar  \0");
    let sum: u32 =
        gnu[..148].iter().chain(&[b' '; 8]).chain(&gnu[156..512]).map(|byte| u32::from(*byte)).sum();
    gnu[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(
        first_difference(&listing(&plain), &listing(&gnu)).text,
        "usr: the tar header is written differently"
    );
}

#[test]
fn attributes_and_times_of_extension_records_count() {
    let with = |records: &[(&str, &[u8])]| {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions(records.iter().copied()).expect("appended");
        let mut header = tar::Header::new_ustar();
        header.set_path("a").expect("a path");
        header.set_size(0);
        header.set_mtime(7);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, &b""[..]).expect("appended");
        listing(&builder.into_inner().expect("finished"))
    };
    let one = with(&[("SCHILY.xattr.user.x", b"1"), ("mtime", b"1.5")]);
    let two =
        with(&[("SCHILY.xattr.user.x", b"\x01"), ("mtime", b"1.25"), ("uid", b"3000000"), ("atime", b"9")]);
    let fields: Vec<String> =
        one.entries[0].node.differences(&two.entries[0].node).iter().map(ToString::to_string).collect();
    assert_eq!(
        fields,
        [
            "owner: 0:0 → 3000000:0",
            "mtime: 1.5 → 1.25",
            "xattr user.x: 1 → 0x01",
            "record atime: (none) → `9`",
        ]
    );
    assert_eq!(first_difference(&one, &two).text, "a: owner: 0:0 → 3000000:0");
}

#[test]
fn every_compression_is_read_and_damage_is_not() {
    let tar = tar_of(&[file("a", "one")]);
    let zstd = zstd::encode_all(&tar[..], 3).expect("compressed");
    for blob in [&tar, &gzip(&tar, 6), &zstd] {
        assert_eq!(listing(blob).entries[0].written(), b"a");
    }
    let gzip = gzip(&tar, 6);
    assert!(LayerListing::read_blob(&gzip[..gzip.len() / 2], &budget(), &Interrupt::default()).is_err());
    let stop = Interrupt::default();
    stop.trigger();
    assert!(LayerListing::read_blob(&tar[..], &budget(), &stop).is_err());
}

#[test]
fn layers_are_paired() {
    let digests = |text: &str| text.bytes().map(|byte| Digest::of(&[byte])).collect::<Vec<_>>();
    let shown = |a: &str, b: &str| {
        let number = |at: Option<usize>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        align(&digests(a), &digests(b))
            .iter()
            .map(|(x, y)| format!("{}{}", number(*x), number(*y)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(shown("abc", "abc"), "00 11 22");
    assert_eq!(shown("abc", "axc"), "00 11 22");
    assert_eq!(shown("abc", "ac"), "00 1- 21");
    assert_eq!(shown("ab", "xab"), "-0 01 12");
    assert_eq!(shown("abcd", "axyd"), "00 11 22 33");
    assert_eq!(shown("", "ab"), "-0 -1");
    assert_eq!(shown("ab", "ba"), "0- 10 -1");
}

/// An image in memory that counts which layers are read.
struct Memory {
    root: RawDocument,
    documents: BTreeMap<Digest, RawDocument>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    reads: Arc<AtomicUsize>,
}

impl Source for Memory {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        Ok(self.documents[&descriptor.digest].clone())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        if media_type::layer_compression(&descriptor.media_type).is_some() {
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Box::new(io::Cursor::new(self.blobs[&descriptor.digest].clone())))
    }

    fn name(&self) -> String {
        "memory".into()
    }
}

fn image(layers: &[Vec<u8>], level: u32, change: impl FnOnce(&mut ConfigFile)) -> Memory {
    let packed: Vec<Vec<u8>> = layers.iter().map(|layer| gzip(layer, level)).collect();
    let mut config = ConfigFile {
        os: "linux".into(),
        architecture: "amd64".into(),
        config: Some(RunConfig { env: vec!["A=1".into()], ..RunConfig::default() }),
        rootfs: RootFs {
            diff_ids: layers.iter().map(|layer| Digest::of(layer)).collect(),
            ..RootFs::default()
        },
        history: layers.iter().map(|_| History::default()).collect(),
        ..ConfigFile::default()
    };
    change(&mut config);
    let descriptors = packed.iter().map(|blob| Descriptor::of(MediaType::ImageLayerGzip, blob)).collect();
    let image = Image::new(&config, descriptors, BTreeMap::new()).expect("an image");
    let blobs = packed.into_iter().chain([image.raw_config().to_vec()]);
    Memory {
        root: image.raw().clone(),
        documents: BTreeMap::from([(image.digest(), image.raw().clone())]),
        blobs: blobs.map(|blob| (Digest::of(&blob), blob)).collect(),
        reads: Arc::default(),
    }
}

fn compared(a: &Memory, b: &Memory) -> ImageComparison {
    diff(a, b, &DiffOptions::default()).expect("compared")
}

#[test]
fn an_image_is_explained() {
    let base = tar_of(&[directory("usr/"), file("usr/a", "base")]);
    let top = tar_of(&[file("usr/a", "top"), file("usr/b", "b")]);
    let a = image(&[base.clone(), top.clone()], 6, |_| {});
    assert!(compared(&a, &image(&[base.clone(), top.clone()], 6, |_| {})).equal);
    assert_eq!(a.reads.load(Ordering::Relaxed), 0);

    let b = image(&[base.clone(), top.clone()], 1, |_| {});
    let report = compared(&a, &b);
    let first = report.first.expect("a reason");
    assert!(first.starts_with("layer 1: same files, different compression (gzip, "), "{first}");
    assert_eq!(report.images[0].files, []);
    assert_eq!(b.reads.load(Ordering::Relaxed), 0, "diff IDs tell that the files are the same");

    let b = image(&[base.clone(), top.clone()], 6, |config| {
        config.config.as_mut().expect("there").env = vec!["A=2".into()];
    });
    let report = compared(&a, &b);
    assert_eq!(report.first.as_deref(), Some("config: config.Env.A: 1 → 2"));
    assert_eq!(report.images[0].unread, 2);

    let other = tar_of(&[file("usr/a", "top"), File { mtime: 1_700_000_000, ..file("usr/b", "b") }]);
    let b = image(&[base.clone(), other], 6, |_| {});
    let report = compared(&a, &b);
    assert_eq!(report.first.as_deref(), Some("layer 2: usr/b: mtime: 1 → 1700000000"));
    let image_diff = &report.images[0];
    assert_eq!((image_diff.files.len(), image_diff.layers[1].entries.len()), (1, 1));
    assert_eq!(image_diff.layers[0].relation, Relation::Shared);
    assert_eq!(b.reads.load(Ordering::Relaxed), 1, "the shared layer is not read");

    // A whiteout of what may or may not be in the shared layer.
    let b = image(&[base.clone(), tar_of(&[file("usr/.wh.a", ""), file("usr/b", "b")])], 6, |_| {});
    let report = compared(&a, &b);
    let files = &report.images[0].files;
    assert!(files.len() == 1 && files[0].change == ChangeKind::Removed && !files[0].uncertain, "{files:?}");
    let b = image(std::slice::from_ref(&base), 6, |_| {});
    let report = compared(&a, &b);
    let files = &report.images[0].files;
    assert!(files.iter().all(|change| change.change == ChangeKind::Removed && change.uncertain), "{files:?}");
    let full = diff(&a, &b, &DiffOptions { full: true, ..DiffOptions::default() }).expect("compared");
    let kinds: Vec<(&str, ChangeKind, bool)> =
        full.images[0].files.iter().map(|it| (it.path.text.as_str(), it.change, it.uncertain)).collect();
    assert_eq!(kinds, [("usr/a", ChangeKind::Changed, false), ("usr/b", ChangeKind::Removed, false)]);
    assert_eq!(full.images[0].unread, 0);
}

#[test]
fn documents_that_say_the_same_are_told_apart() {
    let a = image(&[], 6, |_| {});
    let mut b = image(&[], 6, |_| {});
    let text = String::from_utf8(b.root.bytes.clone()).expect("text").replace(":", ": ");
    b.root = RawDocument::new(None, text.replace("sha256: ", "sha256:").into_bytes()).expect("a manifest");
    let report = compared(&a, &b);
    assert_eq!(report.first.as_deref(), Some("the manifests say the same and are written differently"));
}

/// A layer's entries, each path once, nothing below a file.
fn layers() -> impl Strategy<Value = Vec<Vec<File>>> {
    let name = prop_oneof!["a", "b", "c"];
    let path = proptest::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    let entry = (path, 0..6_u8, 0..2_u64).prop_map(|(path, kind, mtime)| {
        let (directory, name) = path
            .rsplit_once('/')
            .map_or((String::new(), path.as_str()), |(directory, name)| (format!("{directory}/"), name));
        let entry = match kind {
            0 | 1 => file(&path, if kind == 0 { "x" } else { "y" }),
            2 | 3 => File { kind: tar::EntryType::Directory, ..file(&path, "") },
            4 => file(&format!("{directory}.wh.{name}"), ""),
            _ => file(&format!("{path}/.wh..wh..opq"), ""),
        };
        File { mtime, ..entry }
    });
    let layer = proptest::collection::vec(entry, 0..8).prop_map(|entries| {
        let mut kept: Vec<File> = Vec::new();
        for entry in entries {
            let conflicts = |other: &File| {
                let (x, y) = (format!("{}/", entry.path), format!("{}/", other.path));
                let is_file = |file: &File| file.kind != tar::EntryType::Directory;
                x == y || (is_file(other) && x.starts_with(&y)) || (is_file(&entry) && y.starts_with(&x))
            };
            if !kept.iter().any(conflicts) {
                kept.push(entry);
            }
        }
        kept
    });
    proptest::collection::vec(layer, 0..4)
}

/// The file that a container sees at `path`: asked from the top down, path by path.
fn naive<'a>(layers: &'a [Vec<File>], path: &str) -> Option<&'a File> {
    let above: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
    for layer in layers.iter().rev() {
        if let Some(found) = layer.iter().find(|file| file.path == path) {
            return Some(found);
        }
        for gone in above.iter().copied().chain([path]) {
            let whiteout = match gone.rsplit_once('/') {
                Some((directory, name)) => format!("{directory}/.wh.{name}"),
                None => format!(".wh.{gone}"),
            };
            if layer.iter().any(|file| file.path == whiteout) {
                return None;
            }
        }
        for directory in &above {
            let opaque = format!("{directory}/.wh..wh..opq");
            let replaced = |file: &File| file.path == *directory && file.kind != tar::EntryType::Directory;
            if layer.iter().any(|file| file.path == opaque || replaced(file)) {
                return None;
            }
        }
    }
    None
}

fn all_paths(stacks: [&[Vec<File>]; 2]) -> BTreeSet<String> {
    let files = stacks.into_iter().flatten().flatten();
    files.map(|file| file.path.clone()).filter(|path| !path.contains(".wh.")).collect()
}

fn expected(a: &[Vec<File>], b: &[Vec<File>]) -> Vec<(String, ChangeKind)> {
    let mut changes = Vec::new();
    for path in all_paths([a, b]) {
        match (naive(a, &path), naive(b, &path)) {
            (Some(x), Some(y)) if x != y => changes.push((path, ChangeKind::Changed)),
            (Some(_), None) => changes.push((path, ChangeKind::Removed)),
            (None, Some(_)) => changes.push((path, ChangeKind::Added)),
            _ => {}
        }
    }
    changes
}

fn listings(layers: &[Vec<File>]) -> Vec<LayerListing> {
    layers.iter().map(|files| listing(&tar_of(files))).collect()
}

proptest! {
    #[test]
    fn trees_are_what_a_container_sees(a in layers(), b in layers()) {
        let (x, y) = (listings(&a), listings(&b));
        let found = ImageTree::of(x.iter().map(Some)).changes(&ImageTree::of(y.iter().map(Some)), &budget()).expect("enough");
        prop_assert!(found.iter().all(|change| !change.uncertain));
        let found: Vec<_> = found.into_iter().map(|change| (change.path.text, change.change)).collect();
        prop_assert_eq!(found, expected(&a, &b));
    }

    #[test]
    fn what_is_certain_without_the_shared_layers_is_true(shared in layers(), a in layers(), b in layers()) {
        let stack = |top: &[Vec<File>]| [&shared[..], top].concat();
        let truth = expected(&stack(&a), &stack(&b));
        let (x, y) = (listings(&a), listings(&b));
        let found = ImageTree::of(std::iter::once(None).chain(x.iter().map(Some)))
            .changes(&ImageTree::of(std::iter::once(None).chain(y.iter().map(Some))), &budget())
            .expect("enough");
        for change in found.iter().filter(|change| !change.uncertain) {
            prop_assert!(truth.contains(&(change.path.text.clone(), change.change)), "{:?} {:?}", change, truth);
        }
        for (path, kind) in &truth {
            // A change of a directory stands for the paths that went with it.
            let told = |change: &PathDifference| change.path.text == *path || change.path.text.is_empty() || path.starts_with(&format!("{}/", change.path.text));
            prop_assert!(found.iter().any(told), "{path} {kind:?} {found:?}");
        }
    }
}
