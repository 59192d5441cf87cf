//! `pack` assembles reproducible OCI images from finished artifacts and pushes only what changed.

pub mod cli;
pub mod deflate;
pub mod digest;
pub mod error;
pub mod image;
pub mod interrupt;
pub mod layer;
pub mod observer;
pub mod plan;
pub mod platform;
pub mod reference;
pub mod store;
pub mod time;
pub mod transport;
pub mod zip;
