//! Why a form cannot say something.

/// Why a form cannot say something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// A value with characters that the form has no way to write.
    #[error("the variable `{name}` of the dotenv file cannot have the value `{}`", value.escape_debug())]
    Value {
        /// The variable.
        name: String,
        /// The value.
        value: String,
    },
    /// Two images with one variable.
    #[error("two images have the same variable `{0}` in the dotenv file")]
    SameName(String),
    /// More than GitLab takes.
    #[error("the dotenv file would have {0} bytes, and GitLab takes at most 5,120")]
    TooLong(usize),
}
