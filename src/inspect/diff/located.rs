//! The first difference of two images down to the entry, the field and the byte.

use std::fmt;

use serde::Serialize;

use super::first_byte::{ByteDifference, first_byte, first_byte_of_file};
use super::images::diff;
use super::options::DiffOptions;
use super::report::{FieldDifference, ImageDiff, LayerDiff, Path, Relation};
use crate::inspect::reading_error::ReadingError;
use crate::oci::{Descriptor, Image};
use crate::runtime::budget::{Budget, unpacking};
use crate::transport::Source;
use crate::transport::load::{load_manifest, offers};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;

/// The first difference of two images.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LocatedDifference {
    /// For people: the whole of it but the byte.
    pub text: String,
    /// The platform, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The number of the layer, counted from 1; `None` for the configuration, the manifest and the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// The entry of the layer.
    #[serde(flatten)]
    pub entry: Option<Path>,
    /// The first field that differs: of the entry, or of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldDifference>,
    /// The first byte that differs: of the file, of the blob where only its compression differs, or of the
    /// configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<ByteDifference>,
}

impl fmt::Display for LocatedDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        let Some(byte) = self.byte else { return Ok(()) };
        let shown =
            |byte: Option<u8>| byte.map_or_else(|| "the end".to_owned(), |byte| format!("{byte:#04x}"));
        write!(f, "; first differing byte {}: {} → {}", byte.offset, shown(byte.a), shown(byte.b))
    }
}

/// The first difference of two images; `None` if they have one digest.
///
/// # Errors
/// When a document or a layer that has to be read cannot be.
pub fn locate(
    a: &dyn Source,
    b: &dyn Source,
    options: &DiffOptions,
) -> Result<Option<LocatedDifference>, BoxedError> {
    let report = diff(a, b, options)?;
    if report.equal {
        return Ok(None);
    }
    let mut located = LocatedDifference {
        text: report.first.unwrap_or_default(),
        platform: None,
        layer: None,
        entry: None,
        field: None,
        byte: None,
    };
    if let Some(image) = report.images.first() {
        located.platform.clone_from(&image.platform);
        let sides = [ComparedImage::open(a, &image.a)?, ComparedImage::open(b, &image.b)?];
        match image.layers.iter().find(|layer| layer.relation != Relation::Shared) {
            Some(layer) => of_layer(&mut located, layer, &sides, options)?,
            None => of_documents(&mut located, image, &sides, options)?,
        }
    } else {
        located.field = report.index.into_iter().next();
    }
    Ok(Some(located))
}

/// An image, and where its blobs are.
struct ComparedImage<'a> {
    source: &'a dyn Source,
    image: Option<Image>,
}

impl<'a> ComparedImage<'a> {
    fn open(source: &'a dyn Source, digest: &Digest) -> Result<Self, BoxedError> {
        let offered = offers(source)?.into_iter().find(|offer| offer.descriptor.digest == *digest);
        let image = offered.map(|offer| load_manifest(source, &offer.descriptor)).transpose()?;
        Ok(Self { source, image })
    }

    fn layer(&self, number: usize) -> Option<&Descriptor> {
        self.image.as_ref()?.layers().get(number - 1)
    }
}

fn of_layer(
    located: &mut LocatedDifference,
    layer: &LayerDiff,
    [a, b]: &[ComparedImage<'_>; 2],
    options: &DiffOptions,
) -> Result<(), BoxedError> {
    located.layer = layer.a.as_ref().or(layer.b.as_ref()).map(|layer| layer.number);
    let first = layer.first_entry.as_ref();
    located.entry = first.map(|first| first.path.clone());
    located.field = first.and_then(|first| first.field.clone());
    let (Some(x), Some(y)) = (&layer.a, &layer.b) else { return Ok(()) };
    let (Some(x), Some(y)) = (a.layer(x.number), b.layer(y.number)) else { return Ok(()) };
    let has_other_content =
        located.field.as_ref().is_some_and(|field| matches!(field.name.as_str(), "size" | "content"));
    let failed = |source| ReadingError::of(b.source.name(), y, &options.interrupt, source);
    if layer.relation == Relation::Compression {
        located.byte =
            first_byte(a.source.blob(x)?, b.source.blob(y)?, &options.interrupt).map_err(failed)?;
    } else if let Some(first) = first.filter(|_| has_other_content) {
        let budget = Budget::new("the first difference", 0, unpacking(x.size) + unpacking(y.size));
        let (x, y) = (a.source.blob(x)?, b.source.blob(y)?);
        let found = first_byte_of_file(x, y, first.position, &budget, &options.interrupt);
        located.byte = found.map_err(failed)?;
    }
    Ok(())
}

fn of_documents(
    located: &mut LocatedDifference,
    image: &ImageDiff,
    [a, b]: &[ComparedImage<'_>; 2],
    options: &DiffOptions,
) -> Result<(), BoxedError> {
    located.field = image.config.first().or_else(|| image.manifest.first()).cloned();
    let (Some(x), Some(y)) = (&a.image, &b.image) else { return Ok(()) };
    let compared = first_byte(x.raw_config(), y.raw_config(), &options.interrupt);
    located.byte = compared.map_err(|source| {
        ReadingError::of(b.source.name(), &y.manifest().config, &options.interrupt, source)
    })?;
    Ok(())
}
