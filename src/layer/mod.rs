//! Layers: from planned entries to a reproducible blob.
//!
//! Layer format 1, described in `docs/layer-format.md`: a canonical tar, cut into bodies, each encoded
//! alone on any core or found again from an earlier build, stitched into one gzip member. Its bytes are a
//! pure function of the entries: no thread count, clock, locale, directory order or cache state reaches
//! them. Nothing here knows configuration, registries or what an artifact is.

mod account_table;
mod accounts;
mod assemble;
mod body;
pub mod capabilities;
mod content;
#[cfg(test)]
mod counted;
mod encode;
mod entry;
mod estargz;
mod gzip;
mod identity;
mod list;
mod lookup;
mod record;
pub mod scan;
mod sibling;
mod spec;
mod tar;
mod trail;
mod xattrs;
mod ztoc;

pub use crate::types::stamp::Stamp;
pub use account_table::AccountTable;
pub use accounts::{Account, AccountFile, AccountKind, AccountLine, MAX_ACCOUNTS};
pub use assemble::{Buffers, Built, LayerError, LayerWork, Workshop, build};
pub use content::{ContentError, read_start};
pub use encode::{Compression, ZstdLevel};
pub use entry::{
    Content, ContentSource, DEFAULT_MTIME, Entry, EntryKind, EntryPath, EntryPathError, Metadata,
};
pub use estargz::Toc;
pub use identity::{
    FORMAT, content_time, entry_key, identify, identify_and_see, identify_bytes, identify_repacked,
    identify_zipped, layer_key,
};
pub use list::{BodyList, ListedBlob};
#[cfg(any(test, feature = "testing"))]
pub(crate) use lookup::sample;
pub use lookup::{BodyLookup, FarBlobs};
#[cfg(any(test, feature = "testing"))]
pub use record::BodyRecord;
#[cfg(test)]
pub use scan::scan;
pub use scan::{Rules, ScanOptions, Scanner, entries};
pub use sibling::{SiblingForm, may_have_siblings};
pub use spec::{LayerSpec, SpecError};
pub use xattrs::Xattrs;
pub use ztoc::Ztoc;
#[cfg(any(test, feature = "testing"))]
pub(crate) use ztoc::fuzz as ztoc_fuzz;
