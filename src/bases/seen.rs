//! What is seen of a tree, which may be nothing, or not known.

/// What a check sees of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// It is there.
    Here(T),
    /// It is not there.
    Nothing,
    /// Nothing at hand tells.
    Unknown,
}
