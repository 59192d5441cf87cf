//! Descriptors with the images that run: `pack://NAME` becomes an image of this project, a tag gets its digest.
//!
//! [`read`] reads the files, [`Pins`] asks registries for digests and keeps them in an [`ImageLock`], [`resolve`] makes
//! the new text of a file, and [`replace_all`] writes files over the old ones. The command line builds the images.
//! Nothing is written before every file has its new text.

mod error;
mod files;
mod image_lock;
mod overlooked;
mod pins;
mod resolution;
mod rewrite;

pub use error::ResolveError;
pub use files::{DescriptorFile, DescriptorSource, ReadDescriptors, read};
pub use image_lock::{ImageLock, LOCK_NAME};
pub use overlooked::{Overlooked, overlooked, unused_selectors};
pub use pins::{Pins, exclusions};
pub use resolution::{
    DescriptorLine, ImageChange, MemberImage, NamedMembers, ResolvedDescriptor, UNKNOWN_FORM, Unpinned,
    check, members, resolve,
};
pub use rewrite::{Rewrite, replace_all};
