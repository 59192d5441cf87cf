//! The texts that Git LFS keeps in the places of files: its specification, "The Pointer".

/// Such a text, as a message names it.
pub(super) const LFS_POINTER: &str = "a pointer of Git LFS, without the file";

/// Whether a file that begins so is one.
pub(super) fn is_lfs_pointer(start: &[u8]) -> bool {
    start.starts_with(b"version https://git-lfs.github.com/spec/v")
}
