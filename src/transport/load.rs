//! From a source to an image value: root document, platform, manifest, configuration.
//!
//! Layers are not touched.

use std::io::{self, Read};

use super::Source;
use crate::oci::select::{self, Offer, SelectError};
use crate::oci::{
    Descriptor, DocumentError, Image, ImageError, Index, MAX_DOCUMENT, ManifestOrIndex, PlatformFields,
    RawDocument, soci,
};
use crate::store::{damaged, is_damage};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, code_behind, kind_behind};
use crate::types::error_code::ErrorCode;
use crate::types::platform::Platform;

/// An image as a source has it.
#[derive(Clone, Debug)]
pub struct LoadedImage {
    /// The image for the platform.
    pub image: Image,
    /// The document that the source's name resolves to: the image's manifest, or the index that lists it.
    pub root: RawDocument,
    /// The platform: that of the index, which may know the variant that the configuration lacks; else that of the
    /// configuration.
    pub platform: Option<Platform>,
}

/// Why a source gives no image.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No image for the platform.
    #[error("{place}: {source}")]
    Select {
        /// The source.
        place: String,
        /// Why.
        source: SelectError,
    },
    /// There is only one image, for another platform.
    #[error("{place} is for {found}, not {wanted}")]
    OtherPlatform {
        /// The source.
        place: String,
        /// The platform in the configuration.
        found: Platform,
        /// The requested platform.
        wanted: Platform,
    },
    /// The index says one thing, the image another.
    #[error("{place}: the index lists {digest} for {listed}, and its configuration is for {found}")]
    Contradiction {
        /// The source.
        place: String,
        /// The manifest.
        digest: Digest,
        /// In the index.
        listed: Platform,
        /// In the configuration.
        found: Platform,
    },
    /// The documents are no image.
    #[error("{place}: {source}")]
    Image {
        /// The source.
        place: String,
        /// Why.
        source: ImageError,
    },
    /// The configuration cannot be read.
    #[error("{place}: configuration {digest}: {source}")]
    Config {
        /// The source.
        place: String,
        /// Which one.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
}

impl Explain for LoadError {
    fn kind(&self) -> Kind {
        kind_behind(self, Kind::Input)
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Select { source, .. } => source.code(),
            Self::OtherPlatform { .. } => Some(ErrorCode::PlatformMissing),
            Self::Contradiction { .. } => Some(ErrorCode::ImageDamaged),
            Self::Image { source, .. } => source.code(),
            Self::Config { source, .. } => code_behind(source, ErrorCode::ImageDamaged),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Select { source, .. } => source.hint(),
            Self::Image { .. } => Some(damaged()),
            Self::Config { source, .. } if is_damage(source) => Some(damaged()),
            _ => None,
        }
    }
}

/// Either error of a walk over an index that the caller's closure takes part in.
enum WalkError {
    Select(SelectError),
    Boxed(BoxedError),
}

impl From<SelectError> for WalkError {
    fn from(error: SelectError) -> Self {
        Self::Select(error)
    }
}

/// The image that `source` names, for `platform`; without one, the only image there is.
///
/// # Errors
/// When there is no such image, or its documents cannot be read or trusted.
pub fn load_image(source: &dyn Source, platform: Option<&Platform>) -> Result<LoadedImage, BoxedError> {
    let root = source.root()?;
    let (manifest, platform_descriptor) = match parse(source, &root)? {
        ManifestOrIndex::Manifest(_) => (root.clone(), root.descriptor()),
        ManifestOrIndex::Index(index) => {
            let offers = offers_of(source, &index)?;
            let offer = select::choose(&offers, platform)
                .map_err(|error| LoadError::Select { place: source.name(), source: error })?;
            (source.document(&offer.descriptor)?, offer.descriptor.clone())
        }
    };
    let image = image_of(source, manifest)?;
    let listed = platform_descriptor.platform.as_ref().and_then(PlatformFields::normalised);
    let named = platform_of(&image, listed.as_ref());
    if let (Some(wanted), Some(found)) = (platform, &named)
        && wanted != found
    {
        let (place, found, wanted) = (source.name(), found.clone(), wanted.clone());
        let digest = image.digest();
        return Err(if listed.as_ref() == Some(&wanted) {
            LoadError::Contradiction { place, digest, listed: wanted, found }
        } else {
            LoadError::OtherPlatform { place, found, wanted }
        }
        .into());
    }
    Ok(LoadedImage { image, root, platform: named })
}

/// The platform of an image that an index lists for `listed`: that, unless its configuration contradicts.
#[must_use]
pub fn platform_of(image: &Image, listed: Option<&Platform>) -> Option<Platform> {
    let fits = listed.filter(|listed| image.config().fits(listed));
    fits.cloned().or_else(|| image.platform()).or_else(|| listed.cloned())
}

/// The image whose manifest `descriptor` links to.
///
/// # Errors
/// When its documents cannot be read or trusted, or are no image.
pub fn load_manifest(source: &dyn Source, descriptor: &Descriptor) -> Result<Image, BoxedError> {
    let root = source.root()?;
    let manifest = if root.digest() == descriptor.digest { root } else { source.document(descriptor)? };
    image_of(source, manifest)
}

/// Every image that `source` offers; one that is not in an index is labelled by its configuration.
///
/// # Errors
/// When a document cannot be read or trusted.
pub fn offers(source: &dyn Source) -> Result<Vec<Offer>, BoxedError> {
    let root = source.root()?;
    match parse(source, &root)? {
        ManifestOrIndex::Index(index) => offers_of(source, &index),
        ManifestOrIndex::Manifest(_) => {
            let descriptor = root.descriptor();
            let image = image_of(source, root)?;
            Ok(vec![Offer { platform: image.platform(), descriptor }])
        }
    }
}

fn offers_of(source: &dyn Source, index: &Index) -> Result<Vec<Offer>, BoxedError> {
    select::offers(index, &mut |descriptor| {
        let document = source.document(descriptor).map_err(WalkError::Boxed)?;
        match parse(source, &document).map_err(WalkError::Boxed)? {
            ManifestOrIndex::Index(index) => Ok(*index),
            // The descriptor says index, and a document that says otherwise is refused on reading.
            ManifestOrIndex::Manifest(_) => Err(WalkError::Select(SelectError::Empty)),
        }
    })
    .map_err(|error| match error {
        WalkError::Select(error) => LoadError::Select { place: source.name(), source: error }.into(),
        WalkError::Boxed(error) => error,
    })
}

fn parse(source: &dyn Source, document: &RawDocument) -> Result<ManifestOrIndex, BoxedError> {
    Ok(document.parse().map_err(|error| failed(source, error.into()))?)
}

fn failed(source: &dyn Source, error: ImageError) -> LoadError {
    LoadError::Image { place: source.name(), source: error }
}

/// The SOCI index that `image` names, if `root` lists it.
///
/// # Errors
/// When it cannot be read or trusted.
pub fn soci_index(
    source: &dyn Source,
    root: &RawDocument,
    image: &Image,
) -> Result<Option<RawDocument>, BoxedError> {
    let ManifestOrIndex::Index(root) = parse(source, root)? else { return Ok(None) };
    soci::entry_of(&root, image).map(|entry| source.document(entry)).transpose()
}

/// Reads the configuration that a manifest names and puts both together.
fn image_of(source: &dyn Source, manifest: RawDocument) -> Result<Image, BoxedError> {
    let ManifestOrIndex::Manifest(parsed) = parse(source, &manifest)? else {
        return Err(failed(source, ImageError::IsIndex(manifest.digest())).into());
    };
    let config = read_document(source, &parsed.config)?;
    Ok(Image::from_raw(manifest, config).map_err(|error| failed(source, error))?)
}

/// The bytes of a blob that is a document: a configuration.
///
/// # Errors
/// When it is over the limit for documents, or cannot be read, or its bytes are not the descriptor's.
pub fn read_document(source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>, BoxedError> {
    if descriptor.size > MAX_DOCUMENT {
        let limit = DocumentError::Limit { what: "bytes", found: descriptor.size, limit: MAX_DOCUMENT };
        return Err(failed(source, limit.into()).into());
    }
    let mut bytes = Vec::new();
    source.blob(descriptor)?.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(|error| {
        LoadError::Config { place: source.name(), digest: descriptor.digest, source: error }
    })?;
    Ok(bytes)
}
