//! The packages in an image, and documents that list them (SBOM: software bill of materials).
//!
//! - [`catalog`]: the packages that one file tells of, one file for each ecosystem. Each is a function of a path and bytes.
//! - [`layer`]: what the files of one layer tell. It is read once, and remembered under the layer's digest.
//! - [`inventory`]: the components of an image: what an upper layer hides is not there, equal ones are one.
//! - [`document`]: an inventory as CycloneDX or SPDX.
//! - [`image`]: all of that for an image, wherever it is.
//!
//! Invariants: a document is a function of the image's bytes and the name that it is given. A coordinate is listed only
//! where a file states it; what could not be read is said in the document and in a warning. Input of unknown origin draws on
//! a budget.

pub mod catalog;
mod component;
pub mod document;
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
mod image;
mod inventory;
mod layer;
mod layer_paths;
mod node_tree;
mod package;
mod purl;
pub mod stated;
#[cfg(test)]
mod tests;

pub use document::DocumentFormat;
pub use image::{BillOptions, bill_of};
