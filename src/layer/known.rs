//! Bodies that were encoded before, found again inside the blobs of earlier layers.
//!
//! A layer's blob is the concatenation of its encoded bodies, so the store's blobs are the body cache:
//! nothing is kept twice, and a cold build writes nothing but the blob and a short list of its bodies.
//! The list says where each body lies and what its bytes hash to; every read is checked, so a damaged
//! blob or list is a miss, never a wrong byte.

use fs_err::os::unix::fs::FileExt as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::encode::Compression;
use crate::digest::{ContentId, Digest, Key};
use crate::store::Blobs;

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

#[derive(Clone, Copy)]
struct Place {
    blob: Digest,
    offset: u64,
    record: BodyRecord,
}

/// Why a body must be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKnown {
    /// No blob of a recent build has it.
    New,
    /// The blob that has it is gone or damaged.
    Lost,
}

/// Every encoded body that can be found, by key. Cheap to clone.
#[derive(Clone, Default)]
pub struct KnownBodies(Option<Arc<Inner>>);

struct Inner {
    blobs: Blobs,
    places: BTreeMap<Key, Place>,
    /// Blobs that are open, so that a body costs one read.
    open: Mutex<BTreeMap<Digest, Option<Arc<fs_err::File>>>>,
}

impl KnownBodies {
    /// The bodies of `blobs` whose lists are given, nearest first.
    pub fn new(
        blobs: &Blobs,
        compression: Compression,
        lists: impl IntoIterator<Item = (Digest, Vec<BodyRecord>)>,
    ) -> Self {
        let mut places = BTreeMap::new();
        for (blob, records) in lists {
            let mut offset = compression.prologue().len() as u64;
            for record in records {
                places.entry(record.key).or_insert(Place { blob, offset, record });
                offset += u64::from(record.encoded_length);
            }
        }
        Self(Some(Arc::new(Inner { blobs: blobs.clone(), places, open: Mutex::default() })))
    }

    /// Appends the encoded body with this key to `out`, if it is known and undamaged.
    pub(crate) fn read(
        &self,
        key: &Key,
        plain_length: usize,
        out: &mut Vec<u8>,
    ) -> Result<BodyRecord, NotKnown> {
        let inner = self.0.as_ref().ok_or(NotKnown::New)?;
        let place = inner.places.get(key).ok_or(NotKnown::New)?;
        // A list that lies could make us ask for gigabytes: no encoder makes a body much longer than it was.
        let longest = plain_length + plain_length / 64 + 1024;
        let encoded_length = place.record.encoded_length as usize;
        if place.record.plain_length as usize != plain_length || encoded_length > longest {
            return Err(NotKnown::Lost);
        }
        let file = inner.file(&place.blob).ok_or(NotKnown::Lost)?;
        let start = out.len();
        out.resize(start + encoded_length, 0);
        let read = file.read_exact_at(&mut out[start..], place.offset);
        if read.is_ok() && ContentId::of(&out[start..]) == place.record.check {
            return Ok(place.record);
        }
        out.truncate(start);
        Err(NotKnown::Lost)
    }
}

impl Inner {
    fn file(&self, blob: &Digest) -> Option<Arc<fs_err::File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry(*blob).or_insert_with(|| self.blobs.open(blob).ok().map(Arc::new)).clone()
    }
}
