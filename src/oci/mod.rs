//! Images as immutable values: a manifest, a configuration and the descriptors of layers.
//!
//! An [`Image`] keeps the bytes that it was read from; whatever is only copied is never re-serialised.
//! Changes are functions that return a new image. Nothing here reads a disk or a network.

pub mod artifact;
pub mod attached;
pub mod attestation;
pub mod blob;
mod config;
mod derive;
mod descriptor;
mod image;
mod manifest;
pub mod media_type;
mod rebase;
pub mod select;
pub mod soci;

#[cfg(test)]
pub use config::RootFs;
pub use config::{ConfigFile, Healthcheck, History, RunConfig};
pub use derive::{ConfigChange, NewLayer, derive};
pub use descriptor::{Descriptor, PlatformFields};
pub use image::{Image, ImageError, MAX_IMAGES, to_json};
#[cfg(any(test, feature = "testing"))]
pub use manifest::MAX_LAYERS;
pub use manifest::{
    DocumentError, Index, MAX_CHILDREN, MAX_DOCUMENT, MAX_VALUES, Manifest, ManifestOrIndex, RawDocument,
    parse_file, parse_strict,
};
pub use media_type::MediaType;
pub use rebase::{BASE_DIGEST, BASE_NAME, RebasedImage, begins_with, rebase};
