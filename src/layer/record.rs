//! The remembered facts about one encoded body.

use serde::{Deserialize, Serialize};

use crate::types::digest::{ContentId, Key};

/// One body of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyRecord {
    /// Hash of everything the encoded bytes depend on.
    pub key: Key,
    /// Length before encoding, in bytes.
    pub plain_length: u32,
    /// Length after encoding, in bytes.
    pub encoded_length: u32,
    /// CRC-32 of the plain bytes.
    pub crc32: u32,
    /// BLAKE3 of the encoded bytes.
    pub check: ContentId,
}

impl BodyRecord {
    pub(crate) fn new(key: Key, plain: &[u8], encoded: &[u8]) -> Self {
        Self {
            key,
            plain_length: plain.len() as u32,
            encoded_length: encoded.len() as u32,
            crc32: crc32fast::hash(plain),
            check: ContentId::of(encoded),
        }
    }
}
