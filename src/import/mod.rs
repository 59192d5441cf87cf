//! Build files from descriptions that other builders read: what an image of theirs has, as a `build.toml`.
//!
//! [`dockerfile`], [`jib`] and [`ko`] read texts, and each knows the words of its tool. They make drafts, which write themselves, and
//! a remark for everything that it cannot carry over or does in another way, each with its line. A draft becomes a file by
//! [`Imported::into_file`], which leaves out and tells each value that a build refuses. Nothing is run, and
//! no disk is read: what must be known of it comes in [`ImportSurroundings`].

mod checked;
pub mod dockerfile;
mod draft;
mod error;
mod form;
pub mod jib;
pub mod ko;
mod paths;
mod remark;
mod setting;
mod yaml;

pub use checked::NewBuildFile;
pub use draft::Imported;
pub use error::ImportError;
pub use form::ImportForm;
pub use remark::Weight;

/// The answers of the project to an import.
pub struct ImportSurroundings<'a> {
    /// Whether a path of the project is a directory, if it is there.
    pub is_directory: &'a dyn Fn(&str) -> Option<bool>,
    /// The names of the directories in a directory of the project, if it can be read.
    pub directories: &'a dyn Fn(&str) -> Option<Vec<String>>,
    /// The text of a file of the project, if it can be read and lies in the project.
    pub read: &'a dyn Fn(&str) -> Option<String>,
    /// The text of `.dockerignore`.
    pub ignored: Option<&'a str>,
}

#[cfg(test)]
impl ImportSurroundings<'static> {
    /// A project without files.
    const NONE: Self =
        Self { is_directory: &|_| None, directories: &|_| None, read: &|_| None, ignored: None };
}
