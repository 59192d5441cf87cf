//! The common parts and the differences of two images: documents field by field, layers, files, and the first
//! difference that explains why the digests differ.
//!
//! Layers that both have, by digest or by diff ID, are not fetched. Of the others every entry is kept with its
//! metadata and the hash of its content, so that memory grows with the number of files and not with their size.
//! Whether the images are what their digests say is for `verify` to tell.

mod diff_ids;
mod document;
mod error;
mod explain;
mod first_byte;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod images;
mod listing;
mod located;
mod options;
mod pairs;
mod report;
#[cfg(test)]
mod tests;
mod tree;

#[cfg(test)]
pub use first_byte::ByteDifference;
pub use images::diff;
pub use located::{LocatedDifference, locate};
pub use options::DiffOptions;
#[cfg(test)]
pub use report::Side;
pub use report::{
    ChangeKind, FieldDifference, ImageComparison, ImageDiff, LayerDiff, LayerRef, PathDifference, Relation,
};
