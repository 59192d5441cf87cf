//! The content of base layers, as machines tell each other: an index for each layer, by the layer's digest.
//!
//! An entry is an artifact like that of a layer of ours (see `record.rs`), whose only layer is the index, packed.
//! Only checks use its statements. It decides no byte of an image, is not written to the store's memos or to
//! `build.lock`, and gives way to what this build reads itself; see `docs/cache.md`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{marker, push, record};
use crate::bases::{LayerIndex, SharedIndexes};
use crate::oci::{self, Descriptor, ImageError, Manifest, ManifestOrIndex, MediaType, RawDocument};
use crate::project::config::Percent;
use crate::registry::Client;
use crate::transport::Blob;
use crate::types::digest::{Digest, KeyBuilder, hex};
use crate::types::error::BoxedError;
use crate::types::reference::{Repository, Tag};

/// How long an entry is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The type of artifact that an entry is.
const ARTIFACT_TYPE: &str = "application/vnd.pack.cache.base.v1";
/// The media type of an index in the registry: postcard in zstd.
const INDEX_TYPE: &str = "application/vnd.pack.cache.index.v1+zstd";
/// The version of the form of an index.
const INDEX_FORMAT: u64 = 7;
/// No index is larger, packed; that of a large base has 300 kB.
const MAX_PACKED: u64 = 2 << 20;
/// No index is larger, unpacked: in memory, that takes some twenty times as much at worst.
const MAX_INDEX: u64 = 4 << 20;

const LAYER: &str = "pack.cache.layer";
const FORMAT: &str = "pack.cache.index-format";
const CHECK: &str = "pack.cache.check";

/// The indexes of layers in one repository.
pub struct SharedLayers {
    client: Client,
    repository: Repository,
    /// How many of its statements about layers are compared with the layers.
    compared: Percent,
    /// Whether a fault made the cache not worth asking.
    is_down: AtomicBool,
    /// Whether the repository has a cache at all, once that was asked.
    is_there: Mutex<Option<bool>>,
}

impl SharedLayers {
    /// Those in `repository`.
    #[must_use]
    pub fn new(client: Client, repository: Repository) -> Arc<Self> {
        Self::compared(client, repository, Percent::default())
    }

    /// The same, of which a part is compared with the layers.
    #[must_use]
    pub fn compared(client: Client, repository: Repository, compared: Percent) -> Arc<Self> {
        let (is_down, is_there) = (AtomicBool::new(false), Mutex::new(None));
        Arc::new(Self { client, repository, compared, is_down, is_there })
    }

    fn get(&self, tag: &Tag) -> Option<RawDocument> {
        if self.is_down.load(Ordering::Relaxed) {
            return None;
        }
        let reference = self.repository.at_tag(tag.clone());
        match self.client.glance(&reference, record::MAX_ENTRY, PATIENCE, false) {
            Ok(found) => found,
            Err(error) => {
                self.is_down.fetch_or(!error.is_about_the_document(), Ordering::Relaxed);
                tracing::debug!(%reference, %error, "the cache cannot be read");
                None
            }
        }
    }

    /// Whether there is an entry for a layer, in one request.
    pub(in crate::engine) fn has_entry(&self, layer: &Digest) -> bool {
        self.get(&tag(layer)).is_some_and(|document| read(&document, layer).is_ok())
    }

    /// One question finds out that a repository has no cache.
    fn is_there(&self) -> bool {
        let mut is_there = self.is_there.lock().unwrap_or_else(PoisonError::into_inner);
        *is_there.get_or_insert_with(|| self.get(&record::marker_tag()).is_some())
    }
}

impl SharedIndexes for SharedLayers {
    /// The same layers on every machine.
    fn is_compared(&self, layer: &Digest) -> bool {
        let [first, second, third, fourth, ..] = *layer.as_bytes();
        u32::from_le_bytes([first, second, third, fourth]) % 100 < u32::from(self.compared.get())
    }

    fn index(&self, layer: &Digest) -> Option<LayerIndex> {
        if !self.is_there() {
            return None;
        }
        let document = self.get(&tag(layer))?;
        let packed = match read(&document, layer) {
            Ok(packed) => packed,
            Err(why) => {
                tracing::debug!(%layer, why, "what the cache says of a base layer is no entry");
                return None;
            }
        };
        let mut bytes = Vec::new();
        let stream = self.client.blob(&self.repository, &packed).ok()?;
        stream.take(MAX_PACKED + 1).read_to_end(&mut bytes).ok()?;
        unpack(&bytes)
    }
}

/// The tag of the entry for a layer.
fn tag(layer: &Digest) -> Tag {
    let parsed = format!("pack-cache-base-{}", layer.hex()).parse();
    parsed.unwrap_or_else(|_| unreachable!("80 letters, digits and dashes are a tag"))
}

/// The entry that says that `packed` is the index of `layer`.
fn write(layer: &Digest, packed: &Descriptor) -> Result<RawDocument, ImageError> {
    let check = KeyBuilder::new("pack cache base layer")
        .part(layer.as_bytes())
        .number(INDEX_FORMAT)
        .part(packed.digest.as_bytes())
        .number(packed.size)
        .finish();
    let annotations =
        [(LAYER, layer.to_string()), (FORMAT, INDEX_FORMAT.to_string()), (CHECK, hex(&check.0))];
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::ImageManifest),
        artifact_type: Some(ARTIFACT_TYPE.to_owned()),
        config: record::empty().descriptor,
        layers: vec![packed.clone()],
        subject: None,
        annotations: annotations.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        rest: BTreeMap::new(),
    };
    Ok(RawDocument::new(Some(&MediaType::ImageManifest), oci::to_json("cache entry", &manifest)?)?)
}

/// Where the index of `layer` is, or why this is no entry for it.
fn read(document: &RawDocument, layer: &Digest) -> Result<Descriptor, &'static str> {
    let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { return Err("no manifest") };
    let [packed] = &manifest.layers[..] else { return Err("not of one index") };
    if packed.size > MAX_PACKED {
        return Err("too large");
    }
    let packed = Descriptor::new(MediaType::from(INDEX_TYPE), packed.digest, packed.size);
    let expected = write(layer, &packed).map_err(|_| "not to be written")?;
    if *document == expected { Ok(packed) } else { Err("not as it was written") }
}

fn pack(index: &LayerIndex) -> Option<Vec<u8>> {
    let bytes = postcard::to_stdvec(index).ok().filter(|bytes| bytes.len() as u64 <= MAX_INDEX)?;
    let packed = zstd::stream::encode_all(&bytes[..], 9).ok()?;
    (packed.len() as u64 <= MAX_PACKED).then_some(packed)
}

fn unpack(packed: &[u8]) -> Option<LayerIndex> {
    let mut decoder = zstd::Decoder::new(packed).ok()?;
    decoder.window_log_max(23).ok()?;
    let mut bytes = Vec::new();
    decoder.take(MAX_INDEX + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > MAX_INDEX {
        return None;
    }
    match postcard::take_from_bytes(&bytes) {
        Ok((index, [])) => Some(index),
        _ => None,
    }
}

/// Writes what is not there yet. How many entries were written.
///
/// # Errors
/// When the registry cannot be asked or refuses.
pub(in crate::engine) fn share(
    client: &Client,
    repository: &Repository,
    layers: &[(Digest, Arc<LayerIndex>)],
) -> Result<usize, BoxedError> {
    let mut written = 0;
    for (layer, index) in layers {
        // A layer of more files than are shared is left out.
        let Some(packed) = pack(index) else { continue };
        let descriptor = Descriptor::of(MediaType::from(INDEX_TYPE), &packed);
        let document = write(layer, &descriptor)?;
        let tag = tag(layer);
        if push::is_there(client, repository, &tag, &document)? {
            continue;
        }
        if written == 0 {
            marker::mark(client, repository)?;
        }
        let blobs = [record::empty(), Blob::in_memory(descriptor, packed, "index of a base layer")];
        push::push(client, repository, &tag, &document, &blobs)?;
        written += 1;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> (Digest, RawDocument) {
        let layer = Digest::of(b"layer");
        let packed = pack(&LayerIndex::default()).expect("small");
        let descriptor = Descriptor::of(MediaType::from(INDEX_TYPE), &packed);
        (layer, write(&layer, &descriptor).expect("can be written"))
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let (layer, document) = entry();
        assert!(read(&document, &layer).is_ok());
        assert!(read(&document, &Digest::of(b"other")).is_err());
        for at in 0..document.bytes.len() {
            let mut bytes = document.bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let believed = RawDocument::new(None, bytes).is_ok_and(|changed| read(&changed, &layer).is_ok());
            assert!(!believed, "byte {at}");
        }
    }

    #[test]
    fn an_index_is_bounded_and_whole() {
        let packed = pack(&LayerIndex::default()).expect("small");
        assert_eq!(unpack(&packed), Some(LayerIndex::default()));
        let zeros = zstd::stream::encode_all(&vec![0; (MAX_INDEX + 1) as usize][..], 3).expect("packed");
        assert_eq!(unpack(&zeros), None, "a bomb");
        let longer = zstd::stream::encode_all(
            &[postcard::to_stdvec(&LayerIndex::default()).expect("encoded"), vec![1]].concat()[..],
            3,
        );
        assert_eq!(unpack(&longer.expect("packed")), None, "something follows");
        assert_eq!(unpack(b"no zstd"), None);
    }
}
