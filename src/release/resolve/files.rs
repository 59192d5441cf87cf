//! The files that have descriptors: those that are named, and in directories those whose names say so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::error::ResolveError;
use crate::descriptors::{DescriptorFormat, DescriptorText, ImageSelector, MAX_DESCRIPTOR, SelectorUse};
use crate::runtime::input;
use crate::runtime::interrupt::Interrupt;
use crate::types::shown::shown_path;

/// The most bytes of all files together: 64 MiB.
const MAX_TOGETHER: usize = 64 << 20;

/// Something that was named.
#[derive(Clone, Debug)]
pub enum DescriptorSource {
    /// Standard input, which was read.
    Stdin(Vec<u8>),
    /// A file or a directory.
    Path {
        /// As it was written.
        given: PathBuf,
        /// Absolute.
        path: PathBuf,
    },
}

/// A descriptor.
#[derive(Clone, Debug)]
pub struct DescriptorFile {
    /// The name for people.
    pub name: String,
    /// Where it is; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Where it goes below the directory of an output.
    pub place: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
    /// The images in it.
    pub text: DescriptorText,
}

/// Descriptors, in the order in which they were named; those of a directory by their paths.
#[derive(Clone, Debug, Default)]
pub struct ReadDescriptors {
    /// The files.
    pub files: Vec<DescriptorFile>,
    /// Files of directories that have no known form and name no image of this project.
    pub others: Vec<DescriptorFile>,
    /// Files that were left out, and why.
    pub notes: Vec<String>,
    /// Whether each selector found something.
    pub selectors: Vec<SelectorUse>,
    /// The kinds of objects, as far as a hint may name them.
    pub kinds: BTreeSet<String>,
    size: usize,
}

/// Reads all of `sources`, as `format` if that is given.
///
/// # Errors
/// When one cannot be read, or is not of its format.
pub fn read(
    sources: Vec<DescriptorSource>,
    format: Option<DescriptorFormat>,
    selectors: &[ImageSelector],
    interrupt: &Interrupt,
) -> Result<ReadDescriptors, ResolveError> {
    let selected = vec![SelectorUse::default(); selectors.len()];
    let read = ReadDescriptors { selectors: selected, ..ReadDescriptors::default() };
    let mut reader = FileReader { format, selectors, read };
    for source in sources {
        match source {
            DescriptorSource::Stdin(bytes) => {
                reader.add("-".to_owned(), None, PathBuf::from("stdin"), bytes, false)?;
            }
            DescriptorSource::Path { given, path } if path.is_dir() => {
                reader.directory(&given, &path, interrupt)?;
            }
            DescriptorSource::Path { given, path } => {
                let bytes = read_file(&path)?;
                let place = PathBuf::from(given.file_name().unwrap_or(given.as_os_str()));
                reader.add(shown_path(&given), Some(path), place, bytes, false)?;
            }
        }
    }
    // One file may be named twice, and two may have one name.
    let mut seen: BTreeMap<Option<PathBuf>, ()> = BTreeMap::new();
    reader.read.files.retain(|file| file.path.is_none() || seen.insert(file.path.clone(), ()).is_none());
    Ok(reader.read)
}

fn read_file(path: &Path) -> Result<Vec<u8>, ResolveError> {
    input::read(path, MAX_DESCRIPTOR as u64)
        .map_err(|source| ResolveError::Read { path: path.to_owned(), source })
}

struct FileReader<'s> {
    format: Option<DescriptorFormat>,
    selectors: &'s [ImageSelector],
    read: ReadDescriptors,
}

impl FileReader<'_> {
    /// All descriptors below a directory, without files and directories whose names begin with a dot. Links are not
    /// followed.
    fn directory(&mut self, given: &Path, path: &Path, interrupt: &Interrupt) -> Result<(), ResolveError> {
        let before = self.read.files.len();
        let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
        let walk = WalkDir::new(path).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name())) {
            interrupt.check().map_err(|interrupted| ResolveError::Other(interrupted.into()))?;
            let entry = entry.map_err(|error| {
                let at = error.path().unwrap_or(path).to_owned();
                let source =
                    error.into_io_error().unwrap_or_else(|| std::io::Error::other("a circle of links"));
                ResolveError::Read { path: at, source }
            })?;
            let name = entry.file_name().to_string_lossy();
            if !entry.file_type().is_file() || DescriptorFormat::of_name(&name).is_none() {
                continue;
            }
            let bytes = read_file(entry.path())?;
            let place = entry.path().strip_prefix(path).unwrap_or(entry.path()).to_owned();
            self.add(shown_path(&given.join(&place)), Some(entry.path().to_owned()), place, bytes, true)?;
        }
        let has_others = !self.read.others.is_empty() || !self.read.notes.is_empty();
        match self.read.files.len() > before || has_others {
            true => Ok(()),
            false => Err(ResolveError::Empty(given.to_owned())),
        }
    }

    /// Adds a file; `was_found` says that it was not named itself.
    fn add(
        &mut self,
        name: String,
        path: Option<PathBuf>,
        place: PathBuf,
        bytes: Vec<u8>,
        was_found: bool,
    ) -> Result<(), ResolveError> {
        let for_format = path.as_deref().and_then(Path::to_str).unwrap_or(&name);
        let text = match DescriptorText::read(for_format, &bytes, self.format, self.selectors) {
            Ok(text) => text,
            Err(source) => {
                let has = |part: &[u8]| memchr::memmem::find(&bytes, part).is_some();
                let is_template = has(b"{{");
                let is_known = has(b"pack://") || !was_found;
                if is_template && !is_known {
                    self.read.notes.push(format!("`{name}` is a template and was left out"));
                    return Ok(());
                }
                // Settings of other tools are often JSON with comments.
                let is_settings = DescriptorFormat::of_name(&name) == Some(DescriptorFormat::Json);
                if is_settings && !is_known && !has(b"\"image\"") {
                    self.read.notes.push(format!("`{name}` is not JSON, and was left out"));
                    return Ok(());
                }
                return Err(ResolveError::Descriptor { name, is_template, source });
            }
        };
        self.read.selectors.iter_mut().zip(&text.selectors).for_each(|(all, used)| all.add(*used));
        self.read.kinds.extend(text.kinds.iter().cloned());
        if was_found && text.formats.is_empty() && text.images.is_empty() {
            // Its text is not needed, only what is said of it.
            if !text.unknown.is_empty() {
                self.read.others.push(DescriptorFile { name, path, place, bytes: Vec::new(), text });
            }
            return Ok(());
        }
        self.read.size += bytes.len();
        if self.read.size > MAX_TOGETHER {
            return Err(ResolveError::TooLarge(MAX_TOGETHER));
        }
        self.read.files.push(DescriptorFile { name, path, place, bytes, text });
        Ok(())
    }
}
