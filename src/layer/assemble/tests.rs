use std::io::Read as _;
use std::sync::Arc;

use super::super::content;
use super::super::identity;
use super::super::lookup::BodyLookup;
use super::super::tar;
use super::work::content_of;
use super::*;
use crate::formats::zip::fixture::Item;
use crate::layer::{
    BodyList, Compression, Content, ContentSource, Entry, EntryKind, EntryPath, LayerSpec, ListedBlob,
    Metadata,
};
use crate::oci::blob::BlobGrower;
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers::Workers;
use crate::store::Blobs;
use crate::types::digest::{Digest, Key};

struct Bench {
    directory: tempfile::TempDir,
    blobs: Blobs,
    progress: Progress,
    interrupt: Interrupt,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let blobs = Blobs::new(directory.path().join("blobs"), crate::store::Durability::Relaxed);
        Self { directory, blobs, progress: Progress::default(), interrupt: Interrupt::default() }
    }

    fn build(&self, spec: &LayerSpec, threads: usize, known: &BodyLookup) -> Result<Built, LayerError> {
        self.build_as(spec, Compression::default(), threads, known)
    }

    fn build_as(
        &self,
        spec: &LayerSpec,
        compression: Compression,
        threads: usize,
        known: &BodyLookup,
    ) -> Result<Built, LayerError> {
        self.build_with(spec, None, compression, threads, known, None)
    }

    fn build_with(
        &self,
        spec: &LayerSpec,
        keys: Option<&[Key]>,
        compression: Compression,
        threads: usize,
        known: &BodyLookup,
        grower: Option<&BlobGrower>,
    ) -> Result<Built, LayerError> {
        let workers = Workers::new(std::num::NonZeroUsize::new(threads).expect("a thread"));
        let workshop = Workshop {
            buffers: &Buffers::default(),
            blobs: &self.blobs,
            workers: &workers,
            grower,
            known,
            progress: &self.progress,
            interrupt: &self.interrupt,
            handed_out: &|| (),
        };
        build(spec, keys, compression, &workshop)
    }

    fn blob(&self, built: &Built) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut file = self.blobs.open(&built.descriptor.digest).expect("blob");
        file.read_to_end(&mut bytes).expect("readable");
        assert_eq!(Digest::of(&bytes), built.descriptor.digest);
        assert_eq!(bytes.len() as u64, built.descriptor.size);
        bytes
    }
}

/// Looks in the blobs with these lists.
fn lookup(
    blobs: &Blobs,
    compression: Compression,
    lists: impl IntoIterator<Item = (Digest, BodyList)>,
) -> BodyLookup {
    let near = lists.into_iter().map(|(blob, list)| Arc::new(ListedBlob::new(blob, list, compression)));
    BodyLookup::new(blobs, near.collect(), None)
}

/// Bytes that neither compress to nothing nor refuse to.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"abcdefghijklmnop \n"[(state >> 33) as usize % 18]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn tree() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> =
        (0..150).map(|i| (format!("app/f{i:03}"), noise(i * 97 % 5000, i as u64))).collect();
    files.push(("app/big".into(), noise(3_500_000, 7)));
    files.push(("app/empty".into(), Vec::new()));
    files.push(("app/middle".into(), noise(300_000, 8)));
    files
}

fn spec(files: &[(String, Vec<u8>)]) -> LayerSpec {
    let path = |text: &str| EntryPath::new(text.as_bytes()).expect("path");
    let mut entries = vec![Entry::directory(path("app"))];
    entries.extend(files.iter().map(|(name, bytes)| Entry::bytes(path(name), Metadata::file(false), bytes)));
    LayerSpec::new("app", entries).expect("valid")
}

fn decoded(blob: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(blob).read_to_end(&mut tar).expect("one gzip member");
    tar
}

#[test]
fn the_blob_is_the_canonical_tar_whatever_the_threads() {
    let bench = Bench::new();
    let spec = spec(&tree());
    let one = bench.build(&spec, 1, &BodyLookup::default()).expect("builds");
    let eight = bench.build(&spec, 8, &BodyLookup::default()).expect("builds");
    assert_eq!((&one.descriptor, one.diff_id), (&eight.descriptor, eight.diff_id));
    let tar = decoded(&bench.blob(&one));
    let mut expected = Vec::new();
    for entry in spec.entries() {
        tar::write_header(entry, &mut expected).expect("header");
        if let EntryKind::File(content) = &entry.kind {
            content::read(content, 0, content.size, &mut expected).expect("content");
            expected.resize(expected.len() + tar::padding(content.size), 0);
        }
    }
    expected.extend_from_slice(&tar::END);
    assert_eq!(tar, expected);
    assert_eq!(Digest::of(&tar), one.diff_id);
}

#[test]
fn every_compression_holds_the_same_tar() {
    let bench = Bench::new();
    let spec = spec(&tree());
    let gzip = bench.build(&spec, 2, &BodyLookup::default()).expect("builds");
    let zstd = Compression::Zstd(crate::layer::ZstdLevel::default());
    for compression in [zstd, Compression::None] {
        let built = bench.build_as(&spec, compression, 2, &BodyLookup::default()).expect("builds");
        assert_eq!(built.diff_id, gzip.diff_id);
        let blob = bench.blob(&built);
        let tar = if compression == zstd { zstd::decode_all(&blob[..]).expect("zstd") } else { blob };
        assert_eq!(Digest::of(&tar), built.diff_id);
    }
}

#[test]
fn a_change_encodes_only_the_bodies_it_touches() {
    let bench = Bench::new();
    let mut files = tree();
    let first = bench.build(&spec(&files), 2, &BodyLookup::default()).expect("builds");
    assert_eq!(first.work.encoded, first.work.bodies);
    let lists =
        || [(first.descriptor.digest, BodyList { bodies: first.bodies.clone(), ..BodyList::default() })];
    let known = lookup(&bench.blobs, Compression::default(), lists());
    files[40].1 = noise(1000, 99);
    let warm = bench.build(&spec(&files), 2, &known).expect("builds");
    assert_eq!(warm.work.encoded, 1);
    let cold = bench.build(&spec(&files), 2, &BodyLookup::default()).expect("builds");
    assert_eq!(warm.descriptor, cold.descriptor);
}

fn keys(spec: &LayerSpec) -> Vec<Key> {
    let key = |entry: &Entry| identity::entry_key(entry, None).expect("its bytes are here");
    spec.entries().iter().map(key).collect()
}

impl Bench {
    /// The bodies that are known after these builds.
    fn known(&self, compression: Compression, builds: &[(&LayerSpec, &Built)]) -> BodyLookup {
        let lists = builds.iter().map(|(spec, built)| {
            (built.descriptor.digest, (*built).clone().into_list(spec, compression, &keys(spec)))
        });
        lookup(&self.blobs, compression, lists)
    }

    fn rebuild(&self, spec: &LayerSpec, compression: Compression, known: &BodyLookup) -> Built {
        self.build_with(spec, Some(&keys(spec)), compression, 2, known, None).expect("builds")
    }
}

#[test]
fn what_stands_before_a_change_is_kept() {
    for compression in [Compression::default(), Compression::Zstd(Default::default()), Compression::None] {
        let bench = Bench::new();
        let mut files = tree();
        let old = spec(&files);
        let first = bench.build_as(&old, compression, 2, &BodyLookup::default()).expect("builds");
        let known = bench.known(compression, &[(&old, &first)]);
        files[149].1 = noise(1000, 99);
        let new = spec(&files);
        let second = bench.rebuild(&new, compression, &known);
        let work = second.work;
        assert!(work.kept >= 4 && work.kept_bytes > 3_000_000, "{work:?}");
        assert!(work.kept < work.bodies && work.encoded < work.bodies, "{work:?}");
        let cold = bench.build_as(&new, compression, 2, &BodyLookup::default()).expect("builds");
        assert_eq!((&second.descriptor, second.diff_id), (&cold.descriptor, cold.diff_id));
        assert_eq!((&second.bodies, &second.marks), (&cold.bodies, &cold.marks));
        bench.blob(&second);
        // A layer that went on can be gone on from.
        files[148].1 = noise(1000, 98);
        let third = bench.rebuild(&spec(&files), compression, &bench.known(compression, &[(&new, &second)]));
        assert!(third.work.kept >= 4, "{:?}", third.work);
        let cold = bench.build_as(&spec(&files), compression, 1, &BodyLookup::default()).expect("builds");
        assert_eq!((&third.descriptor, third.diff_id), (&cold.descriptor, cold.diff_id));
    }
}

#[test]
fn a_damaged_beginning_is_built_again() {
    let bench = Bench::new();
    let mut files = tree();
    let old = spec(&files);
    let first = bench.build(&old, 2, &BodyLookup::default()).expect("builds");
    let path = bench.blobs.path(&first.descriptor.digest);
    let good = std::fs::read(&path).expect("blob");
    files[149].1 = noise(1000, 99);
    let new = spec(&files);
    let cold = bench.build(&new, 2, &BodyLookup::default()).expect("builds");
    for at in [0, 12, good.len() / 3] {
        let mut bytes = good.clone();
        bytes.truncate(if at == 0 { 1000 } else { good.len() });
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).expect("damaged");
        let (growing, grower) = crate::oci::blob::growing("app");
        let reading = std::thread::spawn(move || growing.read_to_end());
        let known = bench.known(Compression::default(), &[(&old, &first)]);
        let keys = keys(&new);
        let second = bench
            .build_with(&new, Some(&keys), Compression::default(), 2, &known, Some(&grower))
            .expect("builds");
        assert_eq!((second.work.kept, second.work.lost > 0), (0, true), "{:?}", second.work);
        assert_eq!((&second.descriptor, second.diff_id), (&cold.descriptor, cold.diff_id));
        let blob = bench.blob(&second);
        grower.finish(crate::oci::blob::Blob::in_memory(second.descriptor.clone(), blob.clone(), "app"));
        assert_eq!(reading.join().expect("no panic").expect("readable").0, blob, "readers see the whole");
    }
}

#[test]
fn a_layer_can_go_on_within_a_large_zip_entry() {
    let bench = Bench::new();
    let large = noise(9 << 20, 5);
    let archive = |last: &[u8]| {
        let file = bench.directory.path().join(format!("{}.zip", last.len()));
        let items = [Item::deflated("a/large", &large), Item::deflated("b/last", last)];
        std::fs::write(&file, crate::formats::zip::fixture::write(&items)).expect("written");
        Arc::new(crate::formats::zip::ZipArchive::open(&file).expect("an archive"))
    };
    let spec = |archive: &Arc<crate::formats::zip::ZipArchive>| {
        let entry = |index: usize| Entry {
            path: EntryPath::new(&archive.entries()[index].name).expect("path"),
            metadata: Metadata::file(false),
            kind: EntryKind::File(Content {
                size: archive.entries()[index].size,
                source: ContentSource::Zip(Arc::clone(archive), index),
            }),
        };
        LayerSpec::new("app", vec![entry(0), entry(1)]).expect("valid")
    };
    let keys = |archive: &Arc<crate::formats::zip::ZipArchive>, spec: &LayerSpec| -> Vec<Key> {
        let id = |index| identity::identify_zipped(archive, index).expect("readable");
        let key = |(index, entry)| identity::entry_key(entry, Some(&id(index))).expect("known");
        spec.entries().iter().enumerate().map(key).collect()
    };
    let (old, new) = (archive(b"one"), archive(b"three"));
    let (before, after) = (spec(&old), spec(&new));
    let compression = Compression::default();
    let first = bench.build(&before, 2, &BodyLookup::default()).expect("builds");
    let blob = first.descriptor.digest;
    let list = first.into_list(&before, compression, &keys(&old, &before));
    let known = lookup(&bench.blobs, compression, [(blob, list)]);
    let keys = keys(&new, &after);
    let second = bench.build_with(&after, Some(&keys), compression, 2, &known, None).expect("builds");
    // A header, nine pieces: eight bodies are a multiple of the marks' distance.
    assert_eq!(second.work.kept, 8, "{:?}", second.work);
    let cold = bench.build(&after, 2, &BodyLookup::default()).expect("builds");
    assert_eq!((&second.descriptor, second.diff_id), (&cold.descriptor, cold.diff_id));
}

#[test]
fn a_damaged_blob_is_a_miss() {
    let bench = Bench::new();
    let files = tree();
    let first = bench.build(&spec(&files), 2, &BodyLookup::default()).expect("builds");
    let path = bench.blobs.path(&first.descriptor.digest);
    let good = std::fs::read(&path).expect("blob");
    for damage in 0..3 {
        let mut bytes = good.clone();
        match damage {
            0 => bytes.truncate(1000),
            1 => bytes.iter_mut().for_each(|byte| *byte = 0),
            _ => bytes[good.len() / 2] ^= 1,
        }
        std::fs::write(&path, &bytes).expect("damaged");
        let list = BodyList { bodies: first.bodies.clone(), ..BodyList::default() };
        let lists = [(first.descriptor.digest, list)];
        let known = lookup(&bench.blobs, Compression::default(), lists);
        let again = bench.build(&spec(&files), 2, &known).expect("builds");
        assert_eq!(again.descriptor, first.descriptor);
        assert!(again.work.encoded > 0);
        assert_eq!(std::fs::read(&path).expect("blob"), good, "healed");
    }
}

#[test]
fn ids_of_files_are_those_that_identify_gives() {
    let bench = Bench::new();
    let mut entries = Vec::new();
    for (name, bytes) in tree() {
        let file = bench.directory.path().join(name.replace('/', "-"));
        std::fs::write(&file, &bytes).expect("written");
        let stamp = crate::layer::Stamp::of(&file.symlink_metadata().expect("stat"));
        let content = Content { size: bytes.len() as u64, source: ContentSource::File(file.into(), stamp) };
        entries.push(Entry {
            path: EntryPath::new(name.as_bytes()).expect("path"),
            metadata: Metadata::file(false),
            kind: EntryKind::File(content),
        });
    }
    let layer = LayerSpec::new("files", entries).expect("valid");
    let built = bench.build(&layer, 2, &BodyLookup::default()).expect("builds");
    let with_bytes = layer.entries().iter().filter(|entry| entry.payload_size() > 0).count();
    assert_eq!(built.ids.len(), with_bytes);
    for (index, id) in built.ids {
        let content = content_of(&layer, index).expect("file");
        assert_eq!(
            identity::identify(content, &crate::runtime::interrupt::Interrupt::default()).expect("readable"),
            id
        );
    }
}

#[test]
fn a_file_that_changed_is_an_error_and_leaves_nothing() {
    let bench = Bench::new();
    let file = bench.directory.path().join("grows");
    std::fs::write(&file, noise(400_000, 1)).expect("written");
    let stamp = crate::layer::Stamp::of(&file.symlink_metadata().expect("stat"));
    let content = Content { size: 400_000, source: ContentSource::File(file.as_path().into(), stamp) };
    let entry = Entry {
        path: EntryPath::new(b"grows").expect("path"),
        metadata: Metadata::file(false),
        kind: EntryKind::File(content),
    };
    let layer = LayerSpec::new("l", vec![entry]).expect("valid");
    std::fs::write(&file, noise(400_001, 1)).expect("changed");
    let error = bench.build(&layer, 2, &BodyLookup::default()).expect_err("changed");
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}
