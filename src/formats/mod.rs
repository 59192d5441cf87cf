//! Formats that know nothing of images: DEFLATE, tar, zip, JSON.

pub mod deflate;
pub mod json;
pub(crate) mod untar;
pub mod zip;
