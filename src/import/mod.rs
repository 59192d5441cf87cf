//! Build files from descriptions that other builders read: what an image of theirs has, as a `build.toml`.
//!
//! [`dockerfile`] reads a text and knows the words of its tool. It makes a draft, which writes itself, and
//! a remark for everything that it cannot carry over or does in another way, each with its line. Nothing is run, and
//! no disk is read: what must be known of it comes in [`ImportSurroundings`].

pub mod dockerfile;
mod draft;
mod error;
mod remark;

pub use remark::Weight;

/// The answers of the project to an import.
pub struct ImportSurroundings<'a> {
    /// Whether a path of the project is a directory, if it is there.
    pub is_directory: &'a dyn Fn(&str) -> Option<bool>,
    /// The text of `.dockerignore`.
    pub ignored: Option<&'a str>,
}
