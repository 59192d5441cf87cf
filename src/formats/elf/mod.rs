//! The parts of ELF files that a dynamic loader reads.
//!
//! - [`machine`]: the first bytes, which say what a file is for.
//! - [`dynamic`]: the interpreter and the dynamic section: names and search paths of libraries.
//! - [`versions`]: versions of symbols, needed and defined.
//! - [`streamed`]: the same of a file that streams by, such as one in a layer.

mod dynamic;
mod machine;
mod streamed;
mod versions;

pub use dynamic::{Dynamic, ElfFile, ElfKind, LibraryFlaw, TRUNCATED};
pub use machine::{ELF_MAGIC, HEAD, Machine};
pub use streamed::{StreamedElf, is_library_name};
pub use versions::{NeededVersions, SymbolVersions};
