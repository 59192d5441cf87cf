//! Formats that know nothing of images: DEFLATE, ELF, tar, zip, SQLite, JSON, JavaScript, ranges of versions.

mod cost;
pub mod deflate;
pub mod elf;
pub mod javascript;
pub mod json;
pub(crate) mod json_cost;
pub mod node_range;
pub mod sqlite;
pub(crate) mod toml_cost;
pub(crate) mod untar;
pub mod zip;

pub use cost::CostlyText;
