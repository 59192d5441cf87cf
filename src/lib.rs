//! `pack` assembles reproducible OCI images from finished artifacts and pushes only what changed.

pub mod config;
pub mod digest;
pub mod error;
pub mod git;
pub mod image;
pub mod layer;
pub mod lock;
pub mod observer;
pub mod platform;
pub mod reference;
pub mod transport;
pub mod zip;
