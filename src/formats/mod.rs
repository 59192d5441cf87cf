//! Formats that know nothing of images: DEFLATE, ELF, tar, zip, JSON, JavaScript, ranges of versions.

pub mod deflate;
pub mod elf;
pub mod javascript;
pub mod json;
pub mod node_range;
pub(crate) mod untar;
pub mod zip;
