//! The packages of an image, wherever it is.
//!
//! A layer whose packages are known is not read. The catalog of a layer follows from its content alone, so one record
//! serves all images that have the layer.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::document::{self, ImageSubject, SbomDocument, SpecVersion};
use super::inventory::{CataloguedLayer, Inventory, UnknownPart};
use super::layer::{LayerCatalog, LayerMeans, memo_key};
use crate::formats::untar::UntarError;
use crate::layer::LayerSpec;
use crate::oci::media_type::{self, LayerCompression};
use crate::oci::{Descriptor, Image, MediaType};
use crate::runtime::budget::{Budget, OverBudget, unpacking};
use crate::runtime::events::{Phase, Progress, Task};
use crate::runtime::interrupt::Interrupt;
use crate::runtime::read_ahead::read_ahead;
use crate::runtime::workers::Workers;
use crate::store::Store;
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, carry, io_code, kind_behind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::Repository;
use crate::types::shown::Foreign;

/// Memos of layers.
const NAMESPACE: &str = "sbom-layer";
/// Bytes that may be kept of all layers, and of the file that is looked into.
const MAX_KEPT: u64 = 128 << 20;

/// How the packages of an image are looked for.
pub struct BillOptions<'a> {
    /// The repository that names the image.
    pub repository: Option<&'a Repository>,
    /// Where layers that are known are remembered, and where large files lie for a while.
    pub store: &'a Store,
    /// Layers that were planned here, by their digests: their files are read in their place.
    pub planned: BTreeMap<Digest, &'a LayerSpec>,
    /// The threads that compute digests.
    pub workers: &'a Workers,
    /// Receives progress events.
    pub progress: &'a Progress,
    /// Ends the reading of layers.
    pub interrupt: &'a Interrupt,
}

impl<'a> BillOptions<'a> {
    fn means(&self, budget: &'a Budget) -> LayerMeans<'a> {
        LayerMeans { scratch: self.store.scratch(), budget, workers: self.workers }
    }
}

/// The packages of an image.
pub struct ImageBill {
    subject: ImageSubject,
    inventory: Inventory,
    /// How many layers were read.
    pub read: usize,
}

/// Why the packages of an image cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    /// A layer that is none.
    #[error("the layer {layer} is `{}`, which is not a layer of files", Foreign::new(.media_type.as_ref()))]
    NotALayer {
        /// The layer.
        layer: Digest,
        /// Its media type.
        media_type: MediaType,
    },
    /// A layer that cannot be read.
    #[error("the layer {layer} of {place} cannot be read")]
    Layer {
        /// The image.
        place: String,
        /// The layer.
        layer: Digest,
        /// Why.
        source: io::Error,
    },
    /// It has more than is kept of an image.
    #[error(transparent)]
    TooMuch(#[from] OverBudget),
    /// The document cannot be written.
    #[error("the document cannot be written: {0}")]
    Document(#[from] serde_json::Error),
}

impl Explain for BillError {
    fn kind(&self) -> Kind {
        match self {
            Self::Document(_) => Kind::Bug,
            _ => kind_behind(self, Kind::Input),
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NotALayer { .. } => Some(ErrorCode::NotAnImage),
            Self::Layer { source, .. } => io_code(source, ErrorCode::ImageDamaged),
            Self::TooMuch(_) => Some(ErrorCode::LimitReached),
            Self::Document(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Layer { source, .. } if UntarError::is_ambiguous(source) => Some(
                "make the image again with another tool: tools unpack this one in different ways".to_owned(),
            ),
            Self::Layer { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                Some("the layer is damaged where it is stored; push or copy it there again".to_owned())
            }
            _ => None,
        }
    }
}

/// Lists the packages of `image`, whose layers `source` has.
///
/// # Errors
/// When a layer that is not known cannot be read, or all of it costs too much.
pub fn bill_of(
    source: &dyn Source,
    image: &Image,
    options: &BillOptions<'_>,
) -> Result<ImageBill, BoxedError> {
    let packed = image.layers().iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
    let budget = Budget::new(format!("the image `{}`", source.name()), MAX_KEPT, unpacking(packed));
    let mut catalogs = Vec::with_capacity(image.layers().len());
    let mut read = 0;
    for layer in image.layers() {
        let catalog = match remembered(options.store, layer, &budget)? {
            Some(catalog) => catalog,
            None => {
                read += 1;
                let planned = options.planned.get(&layer.digest);
                let planned = planned.map(|spec| LayerCatalog::of_files(spec, options.means(&budget)));
                let catalog = match planned.transpose().map_err(BillError::from)?.flatten() {
                    Some(catalog) => catalog,
                    None => read_layer(source, layer, &budget, options)?,
                };
                options.store.memo_save(NAMESPACE, &memo_key(&layer.digest), &catalog);
                catalog
            }
        };
        catalogs.push(catalog);
    }
    let layers = image.diff_ids().iter().zip(&catalogs);
    let layers: Vec<CataloguedLayer<'_>> =
        layers.map(|(diff_id, catalog)| CataloguedLayer { diff_id: *diff_id, catalog }).collect();
    let inventory = Inventory::of(&layers, &budget).map_err(BillError::from)?;
    Ok(ImageBill { subject: ImageSubject::new(image, options.repository), inventory, read })
}

impl ImageBill {
    /// The document of this version.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn document(&self, version: SpecVersion) -> Result<SbomDocument, BillError> {
        Ok(document::write(&self.inventory, &self.subject, version)?)
    }

    /// How many components there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inventory.components.len()
    }

    /// The parts of the image whose packages are not known.
    #[must_use]
    pub fn unknown(&self) -> &[UnknownPart] {
        &self.inventory.unknown
    }
}

/// The catalog of a layer that was read before.
fn remembered(store: &Store, layer: &Descriptor, budget: &Budget) -> Result<Option<LayerCatalog>, BillError> {
    let Some(catalog) = store.memo_load::<LayerCatalog>(NAMESPACE, &memo_key(&layer.digest)) else {
        return Ok(None);
    };
    catalog.charge(budget)?;
    Ok(Some(catalog))
}

/// Reads a layer: of the store, if that has it, else of the image's place.
fn read_layer(
    source: &dyn Source,
    layer: &Descriptor,
    budget: &Budget,
    options: &BillOptions<'_>,
) -> Result<LayerCatalog, BoxedError> {
    let Some(compression) = media_type::layer_compression(&layer.media_type) else {
        return Err(BillError::NotALayer { layer: layer.digest, media_type: layer.media_type.clone() }.into());
    };
    let stored = options.store.blobs().contains(&layer.digest) == Some(layer.size);
    if stored
        && let Ok(blob) = options.store.blobs().reader(layer)
        // A layer that is damaged in the store is whole in the image's place.
        && let Ok(catalog) = read_blob(blob, layer, compression, budget, options)
    {
        return Ok(catalog);
    }
    let blob = source.blob(layer)?;
    let read = read_blob(blob, layer, compression, budget, options);
    read.map_err(|error| BillError::Layer { place: source.name(), layer: layer.digest, source: error }.into())
}

fn read_blob(
    blob: impl Read + Send,
    layer: &Descriptor,
    compression: LayerCompression,
    budget: &Budget,
    options: &BillOptions<'_>,
) -> io::Result<LayerCatalog> {
    let task = options.progress.task(Phase::Read, layer.digest.short(), Some(layer.size));
    let stream = LayerStream { inner: blob, task: &task, interrupt: options.interrupt };
    // The digest of the blob is computed while its files are looked at.
    let catalog =
        read_ahead(stream, |reader| LayerCatalog::read(reader, compression, options.means(budget)))?;
    task.finish("catalogued");
    Ok(catalog)
}

/// Tells a task how many bytes were read, until the user interrupts.
struct LayerStream<'a, R> {
    inner: R,
    task: &'a Task,
    interrupt: &'a Interrupt,
}

impl<R: Read> Read for LayerStream<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(carry)?;
        let read = self.inner.read(buffer)?;
        self.task.advance(read as u64);
        Ok(read)
    }
}
