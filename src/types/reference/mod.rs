//! Image references: `[registry/]repository[:tag][@digest]`, the grammar of the distribution
//! specification with Docker's defaults for what is left out.

mod error;
mod image;
mod registry;
mod repository;
mod scope;
mod tag;
mod text;

pub use error::ReferenceError;
pub use image::Reference;
pub use registry::{DOCKER_HUB, Registry};
pub use repository::Repository;
pub use scope::Scope;
pub use tag::Tag;

#[cfg(test)]
mod tests;
