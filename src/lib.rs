//! `pack` assembles reproducible OCI images from finished artifacts and pushes only what changed.

pub mod digest;
pub mod error;
pub mod image;
pub mod layer;
pub mod observer;
pub mod platform;
pub mod reference;
pub mod store;
pub mod transport;
pub mod verify;
pub mod zip;
