//! `pack` assembles reproducible OCI images from finished artifacts and pushes only what changed.

pub mod artifact;
pub mod digest;
pub mod error;
pub mod image;
pub mod layer;
pub mod observer;
pub mod platform;
pub mod reference;
pub mod transport;
pub mod zip;
