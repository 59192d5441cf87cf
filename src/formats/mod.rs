//! Formats that know nothing of images: DEFLATE, ELF, tar, zip, JSON.

pub mod deflate;
pub mod elf;
pub mod json;
pub(crate) mod untar;
pub mod zip;
