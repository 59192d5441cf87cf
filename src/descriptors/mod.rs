//! Descriptors of deployments: the images that a file names, with the place of each, and the file with other images.
//!
//! Bytes in, images with byte ranges out; replacements in, bytes out. Nothing here knows a disk or a network, and no file
//! is written anew from what was read of it: a replacement changes the bytes of the scalars that name images, and no
//! other. `release::resolve` decides what replaces them.
//!
//! - [`DescriptorText`] is a file that was read: its images ([`ImagePlace`]), and its text.
//! - YAML comes from a parser with exact positions, JSON from the reader of this crate, HCL from a reader of its tokens.
//!   Each is bounded: [`MAX_DESCRIPTOR`] bytes, [`tree::MAX_VALUES`] values in a document, a depth of 255.
//! - `shape` says where each format has its images. An image outside of these places is none, but for `pack://NAME`,
//!   which is one wherever it is all of a value. Values that look like images there are told ([`OverlookedReason`]).

mod descriptor;
mod error;
mod format;
mod found;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod hcl;
mod json;
mod limits;
mod lines;
mod literals;
mod overlooked;
mod place;
mod plain;
mod replacement;
mod selector;
mod shape;
mod slot;
mod splice;
#[cfg(test)]
mod tests;
mod tree;
mod walk;
mod yaml;

pub use descriptor::DescriptorText;
pub use error::DescriptorError;
pub use format::DescriptorFormat;
pub use limits::MAX_DESCRIPTOR;
pub use overlooked::{OverlookedReason, SelectorUse};
pub use place::{ImagePlace, WrittenImage};
pub use replacement::{ImagePlaceError, ReferenceForm, Replacement};
pub use selector::ImageSelector;
pub use splice::splice;
