//! A file that others write to as well, such as that of a step's outputs: text is added at its end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::super::error::{CommandError, ExitStatus};
use crate::types::shown::shown_path;

/// A file that text is added to.
#[derive(Debug)]
pub struct AppendedFile {
    path: PathBuf,
    file: File,
}

impl AppendedFile {
    /// Opens the file, and makes it if it is missing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> Result<Self, CommandError> {
        let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
        match opened {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// Adds text on a line of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), CommandError> {
        let written = self.ends_a_line().and_then(|ends| {
            let start: &[u8] = if ends { b"" } else { b"\n" };
            self.file.write_all(&[start, bytes].concat())
        });
        written.map_err(|error| failed(&self.path, &error))
    }

    /// Whether the text so far, if there is any, ends with a line end.
    fn ends_a_line(&mut self) -> io::Result<bool> {
        if !self.file.metadata()?.is_file() || self.file.seek(SeekFrom::End(0))? == 0 {
            return Ok(true);
        }
        self.file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        self.file.read_exact(&mut last)?;
        Ok(last == *b"\n")
    }
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::from_error(ExitStatus::Input, error)
        .or_unwritable()
        .context(format!("cannot write `{}`", shown_path(path)))
        .hint("it must be a file that may be written")
}
