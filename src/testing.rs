//! What the benchmarks and the integration tests use of the library: the program itself has only [`main`](crate::main).

pub use crate::formats::deflate::{Level, Scratch, encode};
pub use crate::formats::json::{Raw, fold};
pub use crate::oci::{ConfigFile, Descriptor, Index, Manifest, parse_strict};
pub use crate::types::digest::{Digest, Sha256};
