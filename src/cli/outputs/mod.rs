//! Files about a build's result, in the forms that other tools and CI systems read: one file for each form.
//!
//! Each form is a function from finished images to bytes. No value ends its line or its field: a form that has no way to
//! write a value refuses it.

pub mod appended;
pub mod buildkit;
pub mod ci;
pub mod dotenv;
mod error;
mod expected;
mod files;
pub mod github_output;
pub mod github_summary;
pub mod iidfile;
pub mod image;
pub mod image_refs;
pub mod jib;
pub mod skaffold;
mod subject;
#[cfg(test)]
mod tests;

pub use error::OutputError;
pub use expected::ExpectedImage;
pub use files::{OutputFiles, OutputPaths};
pub use image::OutputImage;
pub use subject::OutputSubject;
