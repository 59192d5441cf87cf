//! Images as immutable values: a manifest, a configuration and the descriptors of layers.
//!
//! An [`Image`] keeps the bytes that it was read from; whatever is only copied is never re-serialised.
//! Changes are functions that return a new image. Nothing here reads a disk or a network.

pub mod artifact;
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

pub use config::{ConfigFile, Healthcheck, History, RootFs, RunConfig};
pub use derive::{Change, NewLayer, derive};
pub use descriptor::{Descriptor, PlatformFields};
pub use image::{Image, ImageError, MAX_IMAGES, to_json};
pub use manifest::{
    DocumentError, Index, MAX_CHILDREN, MAX_DOCUMENT, MAX_LAYERS, MAX_VALUES, Manifest, ManifestOrIndex,
    RawDocument, parse_file, parse_strict,
};
pub use media_type::MediaType;
pub use rebase::{BASE_DIGEST, BASE_NAME, Rebased, begins_with, rebase};
