//! Documents that list the components of an image.

mod cyclonedx;
mod format;
mod licence;
mod list;
mod spdx_document;
mod subject;
mod uuid;

pub use format::{DocumentFormat, SpecVersion};
pub use list::{SbomDocument, write};
pub use subject::ImageSubject;
