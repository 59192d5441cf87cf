//! `pack` assembles reproducible OCI images from finished artifacts and pushes only what changed.

pub mod artifact;
pub mod blob;
pub mod build;
pub mod cli;
pub mod config;
pub mod deflate;
pub mod digest;
pub mod error;
pub mod git;
pub mod image;
pub mod interrupt;
pub mod layer;
pub mod lock;
pub mod observer;
pub mod plan;
pub mod platform;
pub mod reference;
pub mod registry;
pub(crate) mod shown;
pub mod stamp;
pub mod store;
pub mod time;
pub mod transport;
pub mod verify;
pub mod zip;
