//! The limits of a descriptor.

/// The most bytes of a descriptor: 16 MiB.
pub const MAX_DESCRIPTOR: usize = 16 << 20;

/// The most images of one file.
pub(super) const MAX_IMAGES: usize = 100_000;

/// The bytes of a value that are kept. No reference is as long; an alias could give a long value to many images.
pub(super) const MAX_PART: usize = 1_024;
