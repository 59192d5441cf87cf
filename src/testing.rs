//! The part of the library that benchmarks and integration tests use. The program itself has only [`main`](crate::main).

pub use crate::formats::deflate::{Level, Scratch, encode};
pub use crate::formats::json::{Raw, fold};
pub use crate::oci::{ConfigFile, Descriptor, Index, Manifest, parse_strict};
pub use crate::store::Store;
pub use crate::types::digest::{Digest, Sha256};
