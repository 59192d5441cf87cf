//! The packages that one file tells of: one file for each ecosystem.
//!
//! Each cataloguer is a function of a path and the file's bytes. It takes no coordinate that the file does not state.

mod alpine;
mod debian;
mod digests;
mod elf;
mod file_body;
mod file_catalog;
mod go;
mod header;
mod java;
mod known_groups;
mod node;
mod node_lock;
mod os_release;
mod pom_xml;
mod python;
mod rpm;
mod rust;
#[cfg(any(test, feature = "testing"))]
mod seeds;
mod table;
mod text;

pub use digests::{CatalogDraft, DigestQueue};
pub use file_body::{FileBody, MAX_MEMORY};
pub use file_catalog::{CataloguedFile, FileCatalog, PackageDatabase};
pub use node::{in_modules, is_link_to_package};
pub use node_lock::directory_of_lock;
pub use os_release::OsRelease;
pub use python::normal as normal_python_name;
#[cfg(any(test, feature = "testing"))]
pub use seeds::binary_seeds;
pub use table::Cataloguer;
