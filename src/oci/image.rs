//! One image for one platform: its documents, kept as they were received.

use std::collections::BTreeMap;

use super::config::ConfigFile;
use super::descriptor::{Descriptor, PlatformFields};
use super::manifest::{DocumentError, Manifest, ManifestOrIndex, RawDocument, parse_strict};
use super::media_type::{self, MediaType};
use crate::formats::json;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::platform::Platform;
use crate::types::shown::Foreign;

/// The images of one index, where all are kept, may take so many bytes of memory (see [`Image::weight`]).
pub const MAX_IMAGES: u64 = 128 << 20;

/// One image for one platform.
#[derive(Clone, Debug)]
pub struct Image {
    manifest: Manifest,
    raw: RawDocument,
    config: ConfigFile,
    raw_config: Vec<u8>,
}

/// Why documents are not an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A document is broken.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// An index where one image was expected.
    #[error("{0} is an index, not an image")]
    IsIndex(Digest),
    /// The configuration is not the one that the manifest names.
    #[error("the configuration is {found}, the manifest names {expected}")]
    OtherConfig {
        /// The digest in the manifest.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// The configuration does not match the manifest.
    #[error("the manifest has {layers} layers, the configuration {diff_ids} diff IDs")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// Not an image but another kind of artifact.
    #[error("{} is not a container image: its configuration is `{}`", .0, Foreign::new(.1.as_ref()))]
    NotAnImage(Digest, String),
}

impl Explain for ImageError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Document(_) | Self::OtherConfig { .. } | Self::LayerCount { .. } => {
                Some(ErrorCode::ImageDamaged)
            }
            Self::IsIndex(_) => Some(ErrorCode::ImageUnclear),
            Self::NotAnImage(..) => Some(ErrorCode::NotAnImage),
        }
    }
}

impl Image {
    /// Puts an image together from the documents as they were received.
    ///
    /// # Errors
    /// When they do not belong together or are not an image.
    pub fn from_raw(raw: RawDocument, raw_config: Vec<u8>) -> Result<Self, ImageError> {
        let ManifestOrIndex::Manifest(manifest) = raw.parse()? else {
            return Err(ImageError::IsIndex(raw.digest()));
        };
        let manifest = *manifest;
        let found = Digest::of(&raw_config);
        if found != manifest.config.digest {
            return Err(ImageError::OtherConfig { expected: manifest.config.digest, found });
        }
        if media_type::to_oci(&manifest.config.media_type) != MediaType::ImageConfig {
            return Err(ImageError::NotAnImage(raw.digest(), manifest.config.media_type.to_string()));
        }
        let config: ConfigFile = parse_strict("image configuration", &raw_config)?;
        let (layers, diff_ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Err(ImageError::LayerCount { layers, diff_ids });
        }
        Ok(Self { manifest, raw, config, raw_config })
    }

    /// Writes a new image in OCI form.
    ///
    /// # Errors
    /// When manifest and configuration do not belong together; only a caller's bug makes that so.
    pub fn new(
        config: &ConfigFile,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Self, ImageError> {
        let raw_config = to_json("image configuration", config)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::ImageManifest),
            artifact_type: None,
            config: Descriptor::of(MediaType::ImageConfig, &raw_config),
            layers,
            subject: None,
            annotations,
            rest: BTreeMap::new(),
        };
        let bytes = to_json("manifest", &manifest)?;
        Self::from_raw(RawDocument::new(Some(&MediaType::ImageManifest), bytes)?, raw_config)
    }

    /// The manifest's digest: the image's identity.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.raw.digest()
    }

    /// The manifest as it was received or written.
    #[must_use]
    pub const fn raw(&self) -> &RawDocument {
        &self.raw
    }

    /// The configuration as it was received or written.
    #[must_use]
    pub fn raw_config(&self) -> &[u8] {
        &self.raw_config
    }

    /// The parsed manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The parsed configuration.
    #[must_use]
    pub const fn config(&self) -> &ConfigFile {
        &self.config
    }

    /// The layers, bottom first.
    #[must_use]
    pub fn layers(&self) -> &[Descriptor] {
        &self.manifest.layers
    }

    /// The digests of the uncompressed layers, bottom first.
    #[must_use]
    pub fn diff_ids(&self) -> &[Digest] {
        &self.config.rootfs.diff_ids
    }

    /// About how many bytes of memory it takes: its documents twice, as text and as what was read of it, and each value.
    #[must_use]
    pub fn weight(&self) -> usize {
        const OF_A_VALUE: usize = 128;
        let documents = [&self.raw.bytes, &self.raw_config];
        let of = |bytes: &&Vec<u8>| {
            2 * bytes.len() + OF_A_VALUE * json::parse(bytes).map_or(0, json::JsonValue::count)
        };
        documents.iter().map(of).sum()
    }

    /// The platform, if the configuration names one.
    #[must_use]
    pub fn platform(&self) -> Option<Platform> {
        self.config.platform()
    }

    /// A descriptor of this image for an index.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let mut descriptor = self.raw.descriptor();
        descriptor.platform = self.platform().as_ref().map(PlatformFields::from);
        descriptor
    }
}

/// The one way a document of ours becomes bytes: compact JSON, struct order, maps in key order.
///
/// # Errors
/// Never for the types of this module; the signature is serde's.
pub fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, DocumentError> {
    serde_json::to_vec(value).map_err(|source| DocumentError::Write { what, source })
}
