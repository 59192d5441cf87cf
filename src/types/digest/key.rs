//! Keys of local caches.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::value::hex;

/// An identity of a piece of content: 28 bytes of a BLAKE3 hash, and the content's CRC-32, little endian. It is for local
/// memos; only the CRC-32 decides something in an image, a file's time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId(pub [u8; 32]);

/// A BLAKE3 key of a memo or cache record: a hash over everything its value depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub [u8; 32]);

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentId({})", hex(&self.0[..6]))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", hex(&self.0[..6]))
    }
}

/// Builds a [`Key`] from parts. Every part is length-prefixed, so that no two different lists of parts
/// meet in one key.
#[derive(Clone)]
pub struct KeyBuilder {
    /// Parts that are not hashed yet. Most keys are short, and are hashed at once: a BLAKE3 hasher is two kilobytes that
    /// would be moved with each part.
    pending: Vec<u8>,
    /// The hash of everything before them.
    hasher: Option<Box<blake3::Hasher>>,
}

impl KeyBuilder {
    /// How much is collected before it is hashed: the ends of each piece are hashed block by block, and all between them many
    /// blocks at a time.
    const PENDING: usize = 64 << 10;

    /// Starts a key in its own domain, such as `pack body 1`.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self { pending: Vec::with_capacity(256), hasher: None }.part(domain.as_bytes())
    }

    /// Adds one part.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.add(bytes);
        self
    }

    /// Adds one part in place.
    pub fn add(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        if self.pending.len() + bytes.len() < Self::PENDING {
            self.pending.extend_from_slice(bytes);
            return;
        }
        self.hasher.get_or_insert_default().update(&self.pending).update(bytes);
        self.pending.clear();
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.part(&number.to_le_bytes())
    }

    /// The key.
    #[must_use]
    pub fn finish(self) -> Key {
        let hash = match self.hasher {
            Some(mut hasher) => hasher.update(&self.pending).finalize(),
            None => blake3::hash(&self.pending),
        };
        Key(*hash.as_bytes())
    }
}

impl ContentId {
    /// The identity of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(blake3::hash(bytes).as_bytes(), crc32fast::hash(bytes))
    }

    /// The identity of a content with this CRC-32; `hash` is of all that decides the content.
    #[must_use]
    pub fn new(hash: &[u8; 32], crc32: u32) -> Self {
        let mut id = *hash;
        id[28..].copy_from_slice(&crc32.to_le_bytes());
        Self(id)
    }

    /// The CRC-32 of the content.
    #[must_use]
    pub fn crc32(&self) -> u32 {
        self.0.last_chunk().copied().map_or(0, u32::from_le_bytes)
    }
}
