//! The version of the document.

/// The version of the document that this program writes and reads.
pub const SCHEMA_VERSION: u32 = 1;
