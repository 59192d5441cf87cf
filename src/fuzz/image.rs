//! Documents of images, and images as a whole.

use std::collections::BTreeMap;
use std::io::Cursor;

use serde::Serialize;

use crate::formats::json::FromJson;
use crate::inspect::verify::{DisagreementKind, Verification, VerifyOptions};
use crate::oci::blob::BlobStream;
use crate::oci::media_type::LayerCompression;
use crate::oci::select::{self, SelectError};
use crate::oci::{
    ConfigFile, Descriptor, History, Image, Index, MAX_CHILDREN, MAX_LAYERS, Manifest, ManifestOrIndex,
    MediaType, RawDocument, parse_strict, to_json,
};
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::platform::Platform;

/// A document parses to the value that was written, and is written in the same way again.
fn survives<T: Serialize + FromJson + PartialEq + std::fmt::Debug>(value: &T) -> Vec<u8> {
    let written = to_json("document", value).unwrap_or_else(|error| panic!("{error}"));
    let again: T = parse_strict("document", &written).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(&again, value);
    assert_eq!(to_json("document", &again).ok().as_ref(), Some(&written));
    written
}

pub(super) fn manifest(data: &[u8]) {
    let Ok(raw) = RawDocument::new(None, data.to_vec()) else { return };
    assert_eq!(raw.descriptor().digest, Digest::of(data));
    // A document that names its type is accepted under that type only.
    assert!(RawDocument::new(Some(&raw.media_type), data.to_vec()).is_ok());
    let Ok(parsed) = raw.parse() else { return };
    match parsed {
        ManifestOrIndex::Manifest(manifest) => {
            assert!(manifest.layers.len() <= MAX_LAYERS);
            survives::<Manifest>(&manifest);
        }
        ManifestOrIndex::Index(index) => {
            assert!(index.manifests.len() <= MAX_CHILDREN);
            survives::<Index>(&index);
        }
    }
}

pub(super) fn config(data: &[u8]) {
    let Ok(config) = parse_strict::<ConfigFile>("image configuration", data) else { return };
    let written = survives(&config);
    let platform = config.platform();
    let layers: Vec<Descriptor> =
        config.rootfs.diff_ids.iter().map(|id| Descriptor::new(MediaType::ImageLayer, *id, 1)).collect();
    match Image::new(&config, layers, BTreeMap::new()) {
        Ok(image) => {
            assert_eq!(image.raw_config(), written);
            assert_eq!(image.platform(), platform);
            let again = Image::from_raw(image.raw().clone(), written).map(|again| again.digest());
            assert_eq!(again.ok(), Some(image.digest()));
        }
        Err(error) => assert!(config.rootfs.diff_ids.len() > MAX_LAYERS, "{error}"),
    }
}

/// An index that contains itself and what it lists: no walk is longer than allowed.
pub(super) fn index(data: &[u8]) {
    let Ok(index) = parse_strict::<Index>("index", data) else { return };
    survives(&index);
    let mut fetched = 0;
    let offers = select::offers(&index, &mut |_: &Descriptor| {
        fetched += 1;
        Ok::<Index, SelectError>(index.clone())
    });
    assert!(fetched <= MAX_CHILDREN);
    let Ok(offers) = offers else { return };
    assert!(offers.len() <= MAX_CHILDREN);
    let wanted = [None, Some(Platform::linux_amd64())];
    for wanted in wanted.iter().map(Option::as_ref).chain(offers.iter().map(|offer| offer.platform.as_ref()))
    {
        match (select::choose(&offers, wanted), wanted) {
            (Ok(chosen), Some(wanted)) => {
                let alone = offers.len() == 1 && chosen.platform.is_none();
                assert!(alone || chosen.platform.as_ref() == Some(wanted));
            }
            (Ok(_), None) => assert_eq!(offers.len(), 1),
            (Err(error), _) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// An image in memory, which gives what it has and checks nothing: that is for `verify`.
struct Memory {
    root: RawDocument,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Source for Memory {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        let bytes = self.blobs.get(&descriptor.digest).cloned().unwrap_or_default();
        RawDocument::new(Some(&descriptor.media_type), bytes)
            .map_err(|error| crate::oci::ImageError::from(error).into())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        Ok(Box::new(Cursor::new(self.blobs.get(&descriptor.digest).cloned().unwrap_or_default())))
    }

    fn name(&self) -> String {
        "memory".to_owned()
    }
}

/// A layer may unpack to so much here.
const UNPACKED: u64 = 4 << 20;

fn check(source: &Memory) -> Option<Verification> {
    let options = VerifyOptions { jobs: 1, max_unpacked: Some(UNPACKED), ..VerifyOptions::default() };
    crate::inspect::verify::verify(source, &options).ok()
}

/// The first byte says how the layer is announced, the rest is its blob. Whatever it is, a changed byte is found.
pub(super) fn verify(data: &[u8]) {
    let Some((kind, blob)) = data.split_first() else { return };
    let media_type = match kind % 3 {
        0 => MediaType::ImageLayer,
        1 => MediaType::ImageLayerGzip,
        _ => MediaType::ImageLayerZstd,
    };
    let layer = Descriptor::of(media_type, blob);
    let mut config = ConfigFile { os: "linux".into(), architecture: "amd64".into(), ..ConfigFile::default() };
    config.rootfs.diff_ids.push(Digest::of(blob));
    config.history.push(History::default());
    let Ok(image) = Image::new(&config, vec![layer.clone()], BTreeMap::new()) else {
        unreachable!("it is an image")
    };
    let blobs = BTreeMap::from([
        (layer.digest, blob.to_vec()),
        (image.manifest().config.digest, image.raw_config().to_vec()),
    ]);
    let mut source = Memory { root: image.raw().clone(), blobs };
    let Some(report) = check(&source) else { panic!("the root is a manifest") };
    let found: Vec<DisagreementKind> = report.problems.iter().map(|problem| problem.check).collect();
    assert!(
        !found.contains(&DisagreementKind::Digest) && !found.contains(&DisagreementKind::Size),
        "{report:?}"
    );
    // A layer that is not what it is announced as, or is no tar, is not sound: its diff ID is its digest here.
    if report.is_sound() {
        let actual = LayerCompression::of_bytes(blob);
        assert_eq!(actual, LayerCompression::None, "{report:?}");
        // Who verifies and who builds on it read the same tar.
        let index = super::layer::index(blob, LayerCompression::None);
        assert!(index.is_ok(), "{index:?}");
    }
    let digests: Vec<Digest> = source.blobs.keys().copied().collect();
    for digest in digests {
        let sound = source.blobs[&digest].clone();
        let at = usize::from(*kind) % sound.len().max(1);
        let mut damaged = sound.clone();
        match damaged.get_mut(at) {
            Some(byte) => *byte ^= 1 << (kind % 8),
            None => damaged.push(0),
        }
        source.blobs.insert(digest, damaged);
        let found = check(&source).map(|report| report.is_sound());
        assert_eq!(found, Some(false), "byte {at} of {digest}");
        source.blobs.insert(digest, sound);
    }
}
