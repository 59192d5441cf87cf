//! Where images come from and go to: one file per kind of place, reading and writing side by side.
//!
//! A [`Source`] gives bytes that are already checked against their descriptor. A [`Destination`] takes blobs in any
//! order, from several threads, then manifests, then names: a writer that stops in between changes no name.

pub mod archive;
pub(crate) mod deliver;
pub mod docker;
pub mod layout;
pub mod load;
pub mod registry;
pub mod taken_tag;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use crate::oci::blob::{Blob, BlobContent, BlobGrower, BlobStream, Delivery, GrowingBlob, growing};
use crate::oci::{Descriptor, Manifest, ManifestOrIndex, MediaType, RawDocument};
use crate::registry::fallback_tag;
use crate::store::{CONTAINERD_NAME, REF_NAME, name_of};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Registry, Repository, Tag};

/// Somewhere to read an image from.
pub trait Source: Send + Sync {
    /// The manifest or index that the reference names, and that is checked to be one.
    ///
    /// # Errors
    /// When it does not exist, cannot be read, or is not to be trusted.
    fn root(&self) -> Result<RawDocument, BoxedError>;

    /// The manifest or index that `descriptor` links to, checked against it.
    ///
    /// # Errors
    /// As for [`Source::root`].
    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError>;

    /// The bytes of a blob. Reading to the end fails unless they are what `descriptor` says.
    ///
    /// # Errors
    /// When it does not exist or cannot be opened.
    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError>;

    /// The repository that blobs can be mounted from, if the source is a registry.
    fn origin(&self) -> Option<Repository> {
        None
    }

    /// The digest that the source's own name pins, so that it is known without asking.
    fn pinned(&self) -> Option<Digest> {
        None
    }

    /// The one name that the place itself gives the image, where it was asked for without a name: a tag, or a whole
    /// reference.
    fn own_name(&self) -> Option<String> {
        None
    }

    /// Manifests that name `subject` as what they refer to; `None` where the place cannot list any.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn referrers(&self, _subject: &Digest) -> Result<Option<Vec<Descriptor>>, BoxedError> {
        Ok(None)
    }

    /// The manifest or index under another tag beside the image, if there is one.
    ///
    /// # Errors
    /// When the place cannot be asked.
    fn under_tag(&self, _tag: &Tag) -> Result<Option<RawDocument>, BoxedError> {
        Ok(None)
    }

    /// Goes on, unless the user interrupted: for work between two questions.
    ///
    /// # Errors
    /// When the user interrupted, where the place knows of it.
    fn check(&self) -> Result<(), BoxedError> {
        Ok(())
    }

    /// The source as the user would write it, for messages.
    fn name(&self) -> String;
}

/// Where a destination keeps what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locality {
    /// In the local store.
    Store,
    /// In files or a program of this machine.
    Machine,
    /// Behind a network: what it lacks is sent and not just written.
    Network,
}

/// The abilities of a destination. It is known without a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Where it keeps what it is given.
    pub locality: Locality,
    /// How many blobs it takes at the same time, one at least.
    pub parallel_blobs: usize,
    /// Whether [`Destination::follow`] takes a blob while it is being made.
    pub follows: bool,
    /// Whether it needs every blob: it cannot refer to what it does not hold.
    pub needs_all_blobs: bool,
    /// Whether it keeps manifests that refer to another one, and lists them.
    pub referrers: bool,
    /// Whether [`Destination::delete`] can take an image or a tag away. A registry may still refuse.
    pub deletes: bool,
    /// The registry whose repositories it can take blobs from without sending them. Destinations of one registry share
    /// its connections, so a run sends to them in one lane.
    pub mounts_from: Option<Registry>,
}

/// The name of an image within a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageName {
    /// A tag alone.
    Tag(Tag),
    /// An image, with every tag that resolves to it.
    Digest(Digest),
}

impl Capabilities {
    /// Of a place on this machine that takes one blob at a time, and all of them.
    const fn of_archive() -> Self {
        Self {
            locality: Locality::Machine,
            parallel_blobs: 1,
            follows: false,
            needs_all_blobs: true,
            referrers: true,
            deletes: false,
            mounts_from: None,
        }
    }

    /// Whether it is the local store.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.locality == Locality::Store
    }

    /// Whether it is behind a network.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.locality == Locality::Network
    }
}

/// A destination without deletion was asked to delete.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot delete an image")]
pub struct CannotDelete(String);

impl Explain for CannotDelete {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::FileUnwritable)
    }

    fn hint(&self) -> Option<String> {
        Some("write it anew without the image".to_owned())
    }
}

/// Somewhere to write an image to.
pub trait Destination: Send + Sync {
    /// Says which tags are about to be set, before any blob comes: a destination may look at what they
    /// resolve to now, to be asked less later, and fails early where it cannot be reached.
    ///
    /// # Errors
    /// When the destination cannot be reached or refuses.
    fn begin(&self, _tags: &[Tag]) -> Result<(), BoxedError> {
        Ok(())
    }

    /// Says which tags may be made and may not be moved from now on. Of those, [`Destination::begin`] looks at all; a
    /// question or a last step that finds one of them elsewhere fails with [`taken_tag::TakenTag`]. Where names are the
    /// user's own, on this machine, they move freely.
    fn fix(&self, _tags: &[Tag]) {}

    /// Whether a tag that may not move was seen to exist. The image is there then, or is going to be refused: no blob need
    /// be sent before its digest is known.
    fn has_fixed(&self) -> bool {
        false
    }

    /// Makes sure that the blob is there. Called from several threads.
    ///
    /// # Errors
    /// When it cannot be stored or sent, or its bytes are not what its descriptor says.
    fn blob(&self, blob: &Blob) -> Result<Delivery, BoxedError>;

    /// Takes a blob while it is being made, so that it is there soon after it is finished. `None` whenever
    /// that does not come off: [`Destination::blob`] is the one to try again and to say what is wrong.
    fn follow(&self, _growing: &GrowingBlob) -> Option<Delivery> {
        None
    }

    /// Stores a manifest or index by its digest, after all it refers to.
    ///
    /// # Errors
    /// When it cannot be stored or sent.
    fn document(&self, document: &RawDocument) -> Result<Delivery, BoxedError>;

    /// Whether a manifest or index is there with everything that it refers to, so that nothing of it need be
    /// sent. A destination that is written anew has nothing.
    ///
    /// # Errors
    /// When the question cannot be asked.
    fn holds(&self, _document: &Descriptor) -> Result<bool, BoxedError> {
        Ok(false)
    }

    /// Lists manifests, which are stored already, as referring to `subject`, where the place does not do that
    /// by itself.
    ///
    /// # Errors
    /// When the list cannot be stored or sent.
    fn refer(&self, _subject: &Digest, _referrers: &[Descriptor]) -> Result<(), BoxedError> {
        Ok(())
    }

    /// Those of `referrers`, which refer to `subject`, that the place does not list so.
    ///
    /// # Errors
    /// When the question cannot be asked.
    fn lacks(&self, _subject: &Digest, referrers: &[Descriptor]) -> Result<Vec<Digest>, BoxedError> {
        let mut missing = Vec::new();
        for referrer in referrers {
            if !self.holds(referrer)? {
                missing.push(referrer.digest);
            }
        }
        Ok(missing)
    }

    /// Whether the place listed all of `referrers` when this machine last wrote or read the list. Nothing is asked.
    fn has_listed(&self, _subject: &Digest, _referrers: &[Descriptor]) -> bool {
        false
    }

    /// Reads what is there, beginning at the image with this digest; `None` where nothing can be read.
    fn reader(&self, _digest: &Digest) -> Option<Box<dyn Source>> {
        None
    }

    /// Makes a tag resolve to a document that is no image of its own, such as a list of signatures. Where others may write it at
    /// the same time, it must resolve to `seen` before. False where the place keeps images alone.
    ///
    /// # Errors
    /// When the tag cannot be set, or somebody else has moved it.
    fn list_under(&self, _: &Tag, _: &RawDocument, _: Option<Digest>) -> Result<bool, BoxedError> {
        Ok(false)
    }

    /// Makes `tags` resolve to `root`, last of all; with no tags the image is reachable by digest only.
    /// [`Delivery::Present`] if only now it shows that all of it was there, and nothing was sent.
    ///
    /// # Errors
    /// When a name cannot be set. Names before it in the list may be set already.
    fn finish(&self, root: &RawDocument, tags: &[Tag]) -> Result<Delivery, BoxedError>;

    /// Whether every tag resolves to `digest` already, so that nothing need be done.
    ///
    /// # Errors
    /// When the question cannot be asked, or a tag that may not move resolves to another image.
    fn is_current(&self, digest: &Digest, tags: &[Tag]) -> Result<bool, BoxedError>;

    /// Takes a tag or an image away, and answers whether there was any. Blobs stay until the place collects them. No
    /// command of this program asks for it yet: it is for releases, whose records and tags come and go.
    ///
    /// # Errors
    /// When the place cannot be asked or refuses, or cannot delete at all ([`Capabilities::deletes`]).
    fn delete(&self, _name: &ImageName) -> Result<bool, BoxedError> {
        Err(CannotDelete(self.name()).into())
    }

    /// Its abilities.
    fn capabilities(&self) -> Capabilities;

    /// The destination as the user would write it, for messages.
    fn name(&self) -> String;
}

/// Those of the images that a layout or archive lists that refer to `subject`: by themselves, or by the tag
/// that lists them where a registry does not.
fn referrers_among(
    entries: &[Descriptor],
    subject: &Digest,
    document: &dyn Fn(&Descriptor) -> Option<RawDocument>,
) -> Vec<Descriptor> {
    let tag = fallback_tag(subject);
    let mut found: Vec<Descriptor> = Vec::new();
    for entry in entries {
        let is_list = name_of(entry) == Some(tag.as_str());
        match document(entry).and_then(|document| document.parse().ok()) {
            Some(ManifestOrIndex::Index(index)) if is_list => found.extend(index.manifests),
            Some(ManifestOrIndex::Manifest(manifest))
                if manifest.subject.as_ref().is_some_and(|link| link.digest == *subject) =>
            {
                found.push(referrer(&manifest, entry.media_type.clone(), entry.digest, entry.size));
            }
            _ => {}
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|descriptor| seen.insert(descriptor.digest));
    found
}

/// The name of an entry, unless the image has several.
fn only_name(entries: &[Descriptor], entry: &Descriptor) -> Option<String> {
    let mut names = entries.iter().filter(|other| other.digest == entry.digest).filter_map(name_of);
    let name = names.next()?;
    names.next().is_none().then(|| name.to_owned())
}

/// An entry for the index of a layout or archive: the author of the referrer's annotations cannot name an image
/// there.
fn nameless(referrer: &Descriptor) -> Descriptor {
    let mut entry = referrer.clone();
    entry.annotations.retain(|name, _| name != REF_NAME && name != CONTAINERD_NAME);
    entry
}

/// A descriptor as the referrers API has it: with the type of artifact and the manifest's annotations.
pub(crate) fn referrer(manifest: &Manifest, media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
    let kind = manifest.artifact_type.clone().unwrap_or_else(|| manifest.config.media_type.to_string());
    Descriptor {
        artifact_type: Some(kind),
        annotations: manifest.annotations.clone(),
        ..Descriptor::new(media_type, digest, size)
    }
}
