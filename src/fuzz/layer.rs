//! Bytes of layers and archives, read and written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bases::LayerIndex;
use crate::formats::deflate::{DeflateLevel, DeflateScratch, encode, max_encoded_len};
use crate::formats::untar::{LAYER, ReadThrough, SeekInput, Skip, TarWalk, UntarError};
use crate::formats::zip::{ArchiveEntryKind, ZipArchive};
use crate::layer::{BodyList, BodyLookup, BodyRecord, Compression, EntryPath, LayerSpec, ListedBlob, sample};
use crate::oci::media_type::LayerCompression;
use crate::runtime::events::Progress;
use crate::store::Store;
use crate::types::digest::{ContentId, Digest, Key};

const BLOCK: usize = 512;
/// Where a header has its checksum, and where its format.
const CHECKSUM: std::ops::Range<usize> = 148..156;
const MAGIC: std::ops::Range<usize> = 257..262;

/// Gives every block that looks like a header its checksum, which no change at random hits.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut tar = data.to_vec();
    for block in tar.chunks_exact_mut(BLOCK).filter(|block| &block[MAGIC] == b"ustar") {
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    tar
}

/// Reads a few bytes at a time.
struct Slowly<R>(R);

impl<R: Read> Read for Slowly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(37);
        self.0.read(&mut buffer[..length])
    }
}

type Seen = Vec<(Vec<u8>, u64, u64)>;

fn walk(input: impl Skip) -> Result<Seen, UntarError> {
    let mut walk = TarWalk::new(input, LAYER);
    let mut seen = Seen::new();
    while let Some(entry) = walk.next()? {
        assert!(entry.path.len().max(entry.link.len()) <= LAYER.path);
        assert!(entry.mode <= 0o7777 && entry.uid.max(entry.gid) <= u64::from(u32::MAX));
        assert!(entry.extensions.len() as u64 <= 3 * LAYER.extension);
        seen.push((entry.path, entry.size, entry.offset));
    }
    Ok(seen)
}

/// The index of a layer that may cost as much as it likes: what it costs is bounded by the input here.
pub(super) fn index(blob: &[u8], compression: LayerCompression) -> io::Result<LayerIndex> {
    let budget = crate::runtime::budget::Budget::new("the input", 1 << 30, 1 << 22);
    LayerIndex::read(blob, compression, &budget)
}

/// All readers of one tar see the same, whatever it is packed in and however it arrives.
pub(super) fn tar(data: &[u8]) {
    let tar = with_checksums(data);
    let walked = walk(ReadThrough(&tar[..]));
    let slowly = walk(ReadThrough(Slowly(&tar[..])));
    assert_eq!(walked.as_ref().ok(), slowly.as_ref().ok());
    let seeking = walk(SeekInput(Cursor::new(&tar)));
    if let Ok(seen) = &walked {
        assert_eq!(seeking.ok().as_ref(), Some(seen));
        for pair in seen.windows(2) {
            assert!(pair[0].2 + pair[0].1 <= pair[1].2, "payloads do not overlap");
        }
    }
    let plain = index(&tar, LayerCompression::None);
    let listed = crate::inspect::diff::fuzz::listing(&tar);
    match &walked {
        Ok(seen) => {
            assert!(plain.as_ref().map_or(0, LayerIndex::len) <= seen.len());
            if let Ok(listed) = listed {
                assert!(listed.iter().eq(seen.iter().map(|(path, ..)| path)));
            }
        }
        // `diff` looks for a compression, and an empty gzip is none.
        Err(_) => assert!(plain.is_err() && (listed.is_err() || tar.starts_with(&[0x1f, 0x8b]))),
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let packed = gzip.write_all(&tar).and_then(|()| gzip.finish()).unwrap_or_default();
    assert_eq!(index(&packed, LayerCompression::Gzip).ok(), plain.as_ref().ok().cloned());
    // The bytes as they are, as if they were packed: an error or an index, in bounded memory.
    for compression in [LayerCompression::Gzip, LayerCompression::Zstd] {
        let _ = index(&data[..data.len().min(1 << 16)], compression);
    }
    if let Ok(index) = plain {
        remembered(&index);
        for (path, ..) in walked.unwrap_or_default() {
            if let Ok(path) = EntryPath::new(&path) {
                let _ = index.lookup(&path);
            }
        }
    }
}

/// A file of the archive may have so many bytes here.
const FILE: u64 = 1 << 20;

pub(super) fn zip(data: &[u8]) {
    let Ok(archive) = ZipArchive::from_bytes(Path::new("a.war"), data.to_vec()) else { return };
    let mut names = BTreeSet::new();
    for (number, entry) in archive.entries().iter().enumerate() {
        assert!(names.insert(&entry.name), "a name occurs twice");
        let normal = EntryPath::new(&entry.name);
        assert_eq!(normal.as_ref().map(EntryPath::as_bytes), Ok(&entry.name[..]), "names are normal");
        let Ok(range) = archive.compressed_range(number) else { continue };
        assert!(range.offset + range.len <= data.len() as u64, "data within the archive");
        let Ok(bytes) = archive.read(number, FILE) else { continue };
        assert_eq!(bytes.len() as u64, entry.size);
        assert_eq!(crc32fast::hash(&bytes), entry.crc32);
        let mut again = Vec::new();
        let slowly = archive.reader(number).map(|reader| Slowly(reader).read_to_end(&mut again));
        assert!(slowly.is_ok_and(|read| read.is_ok()) && again == bytes, "read at once and in pieces");
    }
    nothing_below_files(&archive);
}

/// Nothing lies below a file or a link.
fn nothing_below_files(archive: &ZipArchive) {
    for entry in archive.entries() {
        let path = EntryPath::new(&entry.name);
        for ancestor in path.iter().flat_map(EntryPath::ancestors) {
            let kind = archive.position(ancestor.as_bytes()).map(|at| archive.entries()[at].kind);
            assert!(kind.is_none_or(|kind| kind == ArchiveEntryKind::Directory), "below a file or link");
        }
    }
}

/// A tar that is an artifact has the invariants of an archive, and contents that can be read, compressed or not.
pub(super) fn tarball(data: &[u8]) {
    let Ok(place) = tempfile::tempdir() else { return };
    let path = place.path().join("a.tar");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).ok()?;
        let archive = ZipArchive::from_tar(&path, place.path()).ok()?;
        let mut contents = BTreeMap::new();
        for (number, entry) in archive.entries().iter().enumerate() {
            let content = archive.read(number, 1 << 30).unwrap_or_else(|error| panic!("{error}"));
            assert!(contents.insert(entry.name.clone(), content).is_none(), "a name occurs twice");
        }
        nothing_below_files(&archive);
        Some(contents)
    };
    let tar = with_checksums(data);
    let plain = read(&tar);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let packed = gzip.write_all(&tar).and_then(|()| gzip.finish()).unwrap_or_default();
    // A gzip of a gzip is none of a tar.
    assert!(tar.starts_with(&[0x1f, 0x8b]) || read(&packed) == plain, "packed and not");
    let _ = read(data);
}

/// The first byte is the level, the second how often the rest is repeated.
pub(super) fn deflate(data: &[u8]) {
    let (level, times) = (data.first().copied().unwrap_or(5), data.get(1).copied().unwrap_or(0));
    let Some(level) = DeflateLevel::new(1 + level % 9) else { unreachable!("there are nine") };
    let input = data.get(2..).unwrap_or_default().repeat(1 + usize::from(times % 64));
    let mut body = b"before".to_vec();
    let mut scratch = DeflateScratch::default();
    encode(level, &input, &mut scratch, &mut body);
    let body = body.strip_prefix(b"before").unwrap_or_default();
    assert!(body.ends_with(&[0, 0, 0xff, 0xff]), "it ends byte aligned");
    assert!(body.len() <= max_encoded_len(input.len()));
    // Twice, so that what the first left behind would show; and with used memory.
    let mut twice = body.to_vec();
    encode(level, &input, &mut scratch, &mut twice);
    assert!(twice[body.len()..] == *body, "used memory changes the output");
    twice.extend([3, 0]);
    let mut decoder = flate2::bufread::DeflateDecoder::new(&twice[..]);
    let mut out = Vec::new();
    assert!(decoder.read_to_end(&mut out).is_ok() && decoder.total_in() == twice.len() as u64);
    assert!(out == input.repeat(2), "it does not round trip");
}

/// A value that was remembered is the same when it is remembered again.
fn remembered<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let bytes = postcard::to_stdvec(value).unwrap_or_default();
    assert_eq!(postcard::from_bytes::<T>(&bytes).ok().as_ref(), Some(value));
}

/// A blob that lists may lie about.
pub(super) const BLOB: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xffonce upon a time there was a blob";

fn store() -> &'static (tempfile::TempDir, Store, Digest) {
    static STORE: OnceLock<(tempfile::TempDir, Store, Digest)> = OnceLock::new();
    STORE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let store = Store::open(dir.path(), &Progress::default());
        let digest = store.blobs().put(BLOB).unwrap_or_else(|error| panic!("{error}"));
        (dir, store, digest)
    })
}

/// Whatever lists say, a layer goes on only from bodies that the blob has, and no longer than planned ones can be.
fn goes_on(list: &BodyList, known: &BodyLookup) {
    static SAMPLE: OnceLock<(LayerSpec, Vec<Key>, BodyList)> = OnceLock::new();
    let (layer, keys, true_list) = SAMPLE.get_or_init(|| sample(BLOB));
    let Some(beginning) = known.beginning(layer, Compression::default(), keys) else {
        assert_ne!(list, true_list, "it begins so");
        return;
    };
    assert!(!beginning.places.is_empty() && beginning.marks.last().is_some());
    let planned = Compression::default().bodies(layer.entries()).filter_map(Result::ok);
    for (place, body) in beginning.places.iter().zip(planned) {
        let mut out = Vec::new();
        if known.read_at(place, body.length as usize, &mut out).is_ok() {
            assert!(out.is_empty() || BLOB.windows(out.len()).any(|part| part == out));
        }
        assert!(out.capacity() as u64 <= 4 * body.length, "{}", out.capacity());
    }
}

/// Values of memos, whose checksum is no signature: whatever they claim, what is read is what was hashed.
pub(super) fn bodies(data: &[u8]) {
    if let Ok((index, [])) = postcard::take_from_bytes::<LayerIndex>(data) {
        remembered(&index);
    }
    if let Ok((listing, [])) = postcard::take_from_bytes::<Vec<(EntryPath, Key)>>(data) {
        for (path, _) in &listing {
            assert_eq!(EntryPath::new(path.as_bytes()).as_ref(), Ok(path), "a path is normal");
        }
        remembered(&listing);
    }
    let Ok((list, _)) = postcard::take_from_bytes::<BodyList>(data) else { return };
    remembered(&list);
    let records = list.bodies.clone();
    let (_, store, blob) = store();
    let known = BodyLookup::new(
        store.blobs(),
        vec![Arc::new(ListedBlob::new(*blob, list.clone(), Compression::default()))],
        None,
    );
    goes_on(&list, &known);
    let by_key: BTreeMap<Key, BodyRecord> =
        records.iter().rev().map(|record| (record.key, *record)).collect();
    for (key, record) in by_key {
        let mut out = b"before".to_vec();
        let found = known.read(&key, record.plain_length as usize, &mut out);
        match found {
            Ok(found) => {
                assert_eq!(ContentId::of(&out), found.check);
                assert!(out.is_empty() || BLOB.windows(out.len()).any(|part| part == out));
            }
            Err(_) => assert!(out.is_empty()),
        }
        // The buffer never becomes larger than the blob.
        assert!(out.capacity() <= 64 << 10, "{}", out.capacity());
        assert!(known.read(&key, record.plain_length as usize + 1, &mut out).is_err());
    }
}
