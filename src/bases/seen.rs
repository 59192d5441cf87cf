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

impl<T> BaseAnswer<T> {
    /// The answer without what is there.
    pub fn without_value(self) -> BaseAnswer<()> {
        match self {
            Self::Here(_) => BaseAnswer::Here(()),
            Self::Nothing => BaseAnswer::Nothing,
            Self::Unknown => BaseAnswer::Unknown,
        }
    }
}
