//! Where a page goes: to a file beside the result, or to standard output in its place.

use std::path::Path;

use super::super::error::CommandError;
use super::super::file::OutputFile;
use super::super::invocation::Invocation;
use crate::types::shown::shown_path;

/// A page that is to be written.
#[derive(Debug)]
pub(super) enum PageOutput {
    /// `-`: the page is the result.
    Stdout,
    /// A file, which can be written as far as can be known before.
    File(Box<OutputFile>),
}

impl PageOutput {
    /// The output that `--html` names.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn open(invocation: &Invocation, path: Option<&Path>) -> Result<Option<Self>, CommandError> {
        path.map(|path| match path == Path::new("-") {
            true => Ok(Self::Stdout),
            false => OutputFile::open(invocation, path).map(|file| Self::File(Box::new(file))),
        })
        .transpose()
    }

    /// Whether the page takes the place of the result.
    pub(super) const fn is_result(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    /// Writes the page, whose subject a message tells.
    ///
    /// # Errors
    /// When it cannot be written after all.
    pub(super) fn write(
        self,
        invocation: &Invocation,
        page: &[u8],
        subject: &str,
    ) -> Result<(), CommandError> {
        match self {
            Self::Stdout => {
                invocation.printer.raw(page);
                Ok(())
            }
            Self::File(file) => {
                let path = shown_path(file.path());
                file.write(invocation, page)?;
                invocation.printer.message(format!("{subject}: page in `{path}`"));
                Ok(())
            }
        }
    }
}
