//! An answer about a tree, which may be that nothing is there, or that it is not known.

/// An answer of a check about something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseAnswer<T> {
    /// It is there.
    Here(T),
    /// It is not there.
    Nothing,
    /// Nothing at hand tells.
    Unknown,
}
