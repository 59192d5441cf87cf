//! An image before it is built, as far as the forms need it.

/// An image before it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedImage {
    /// Its repository.
    pub name: String,
    /// Its first tag, where that is known.
    pub tag: Option<String>,
}
