//! The part of the library that benchmarks and integration tests use. The program itself has only [`main`](crate::main).

pub use crate::engine::own::OwnFiles;
pub use crate::engine::{AttestRequest, CachePolicy, Job, OnFailure, Request, Session, Target};
pub use crate::formats::deflate::{DeflateLevel, DeflateScratch, encode};
pub use crate::formats::json::{Raw, fold};
// An artifact with a subject is one of the things that the library can do and no command does yet.
pub use crate::oci::artifact::OciArtifact;
pub use crate::oci::{ConfigFile, Descriptor, Index, Manifest, parse_strict};
pub use crate::project::config::{Document, Facts, Overrides, Settings};
pub use crate::registry::{Client, ClientSettings};
pub use crate::runtime::events::Progress;
pub use crate::runtime::interrupt::Interrupt;
pub use crate::runtime::workers::Workers;
pub use crate::store::Store;
pub use crate::transport::layout::OciLayout;
// So is taking an image or a tag away.
pub use crate::transport::{Destination, ImageName};
pub use crate::types::digest::{Digest, Sha256};
