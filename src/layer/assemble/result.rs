//! The result of building a layer.

use super::super::encode::Compression;
use super::super::estargz::Toc;
use super::super::list::BodyList;
use super::super::record::BodyRecord;
use super::super::spec::LayerSpec;
use super::super::trail::{self, Mark};
use super::super::ztoc::Ztoc;
use crate::oci::Descriptor;
use crate::types::digest::{ContentId, Digest, Key};

/// A finished layer, in the store.
#[derive(Clone, Debug)]
pub struct Built {
    /// The blob, without annotations.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Of an eStargz layer, from which no other goes on: its table needs the bytes of all files.
    pub toc: Option<Toc>,
    /// Of a SOCI layer that is large enough; in the store as well.
    pub ztoc: Option<Ztoc>,
    /// The bodies of the blob, in order.
    pub bodies: Vec<BodyRecord>,
    /// The states of both hashes after some of them.
    pub(crate) marks: Vec<Mark>,
    /// The content ids of files that were read, by entry index.
    pub ids: Vec<(usize, ContentId)>,
    /// How much work it was.
    pub work: LayerWork,
}

/// How much of a layer had to be done and how much was known.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct LayerWork {
    /// Bodies in the layer.
    pub bodies: usize,
    /// Bodies that were encoded.
    pub encoded: usize,
    /// Bytes of tar.
    pub bytes: u64,
    /// Bytes of tar that were encoded.
    pub encoded_bytes: u64,
    /// Bodies that were encoded again because the blob that had them is gone or damaged.
    pub lost: usize,
    /// Bodies that were copied because the layer begins like an earlier one: neither read nor hashed.
    pub kept: usize,
    /// Bytes of tar of those.
    pub kept_bytes: u64,
}

impl Built {
    /// The list that others need to use its blob, if the layer's entries have these keys. For a layer of many
    /// gigabytes that is most of what is kept of it, so nothing of it is copied.
    #[must_use]
    pub fn into_list(self, layer: &LayerSpec, compression: Compression, keys: &[Key]) -> BodyList {
        let checkpoints = trail::checkpoints(layer, compression, keys, self.marks);
        BodyList { bodies: self.bodies, checkpoints }
    }
}
