//! Media types: those of the OCI image specification, and Docker's equivalents of them.

pub use oci_spec::image::MediaType;

/// Docker's image manifest, version 2 schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker's gzip layer.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker's zstd layer.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
/// Docker's uncompressed layer.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Docker's layer that registries do not hold.
pub const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// The kind of document that a media type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// One image.
    Manifest,
    /// A list of manifests.
    Index,
}

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LayerCompression {
    /// A plain tar.
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
}

/// As many bytes of a layer tell how it is compressed.
pub const MAGIC: usize = 4;

impl LayerCompression {
    /// How a layer that begins with these bytes is compressed, whatever its media type says: containerd, Podman and
    /// Docker go by the bytes.
    #[must_use]
    pub const fn of_bytes(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Whether `media_type` is a manifest or an index, OCI's or Docker's.
#[must_use]
pub fn document(media_type: &MediaType) -> Option<DocumentKind> {
    match media_type {
        MediaType::ImageManifest => Some(DocumentKind::Manifest),
        MediaType::ImageIndex => Some(DocumentKind::Index),
        MediaType::Other(other) if other == DOCKER_MANIFEST => Some(DocumentKind::Manifest),
        MediaType::Other(other) if other == DOCKER_MANIFEST_LIST => Some(DocumentKind::Index),
        _ => None,
    }
}

/// How a layer with this media type is compressed; `None` when it is no layer that we know.
#[must_use]
pub fn layer_compression(media_type: &MediaType) -> Option<LayerCompression> {
    use LayerCompression as C;
    match media_type {
        MediaType::ImageLayer | MediaType::ImageLayerNonDistributable => Some(C::None),
        MediaType::ImageLayerGzip | MediaType::ImageLayerNonDistributableGzip => Some(C::Gzip),
        MediaType::ImageLayerZstd | MediaType::ImageLayerNonDistributableZstd => Some(C::Zstd),
        MediaType::Other(other) => match other.as_str() {
            DOCKER_LAYER => Some(C::None),
            DOCKER_LAYER_GZIP | DOCKER_FOREIGN_LAYER => Some(C::Gzip),
            DOCKER_LAYER_ZSTD => Some(C::Zstd),
            _ => None,
        },
        _ => None,
    }
}

/// The OCI name of a Docker media type; every other type as it is.
///
/// The bytes that the type describes are the same under both names.
#[must_use]
pub fn to_oci(media_type: &MediaType) -> MediaType {
    let MediaType::Other(other) = media_type else { return media_type.clone() };
    match other.as_str() {
        DOCKER_MANIFEST => MediaType::ImageManifest,
        DOCKER_MANIFEST_LIST => MediaType::ImageIndex,
        DOCKER_CONFIG => MediaType::ImageConfig,
        DOCKER_LAYER => MediaType::ImageLayer,
        DOCKER_LAYER_GZIP => MediaType::ImageLayerGzip,
        DOCKER_LAYER_ZSTD => MediaType::ImageLayerZstd,
        DOCKER_FOREIGN_LAYER => MediaType::ImageLayerNonDistributableGzip,
        _ => media_type.clone(),
    }
}
