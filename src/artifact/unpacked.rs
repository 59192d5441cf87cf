//! The entries of a zip archive as entries of a layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::ArtifactError;
use super::options::AppOptions;
use crate::formats::zip::{ArchiveEntryKind, EntryProblem, ZipArchive, ZipError};
use crate::layer::scan::{LinkChains, is_whiteout};
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath};

/// `PATH_MAX` of Linux: no longer target can be followed.
const MAX_TARGET: u64 = 4096;

/// An archive whose entries become entries of layers.
#[derive(Debug)]
pub(super) struct Unpacked<'a> {
    archive: &'a Arc<ZipArchive>,
    /// Where the symbolic links lead, by their index.
    targets: BTreeMap<usize, Vec<u8>>,
}

impl<'a> Unpacked<'a> {
    /// Reads where its symbolic links lead.
    ///
    /// # Errors
    /// When one leads out of the archive, which cannot say what a path of another file system means. Of a directory such
    /// links are found when its files become entries.
    pub(super) fn new(archive: &'a Arc<ZipArchive>) -> Result<Self, ArtifactError> {
        Self::below(archive, b"")
    }

    /// The same of an archive of which only what is below the directory `above` is unpacked, without that directory:
    /// nothing, or a name with a slash at its end.
    pub(super) fn below(archive: &'a Arc<ZipArchive>, above: &[u8]) -> Result<Self, ArtifactError> {
        let entries = archive.entries().iter().enumerate();
        let links = entries.filter(|(_, entry)| entry.kind == ArchiveEntryKind::Symlink);
        let targets: BTreeMap<usize, Vec<u8>> = links
            .map(|(index, _)| Ok((index, archive.read(index, MAX_TARGET)?)))
            .collect::<Result<_, ArtifactError>>()?;
        let named: Vec<(&[u8], &[u8])> = targets
            .iter()
            .map(|(index, target)| (&archive.entries()[*index].name[..], &target[..]))
            .collect();
        let placed = |name: &'a [u8]| name.strip_prefix(above);
        let mut chains =
            LinkChains::new(named.iter().filter_map(|(name, target)| Some((placed(name)?, *target))));
        let mut links: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (name, target) in &named {
            let leaves = placed(name).is_some_and(|place| chains.leave(place));
            if target.starts_with(b"/") || target.is_empty() || leaves {
                links.push((name.to_vec(), target.to_vec()));
            }
        }
        if links.is_empty() {
            return Ok(Self { archive, targets });
        }
        Err(ArtifactError::LinksLeave { path: archive.path().to_owned(), links })
    }

    /// The entry `name` below `root` for the archive's entry `index`; without one, for a directory that the archive only
    /// implies.
    pub(super) fn entry(
        &self,
        name: &[u8],
        index: Option<usize>,
        root: Option<&EntryPath>,
        options: &AppOptions,
    ) -> Result<Entry, ArtifactError> {
        let Self { archive, targets } = self;
        let own = index.map(|index| (index, &archive.entries()[index]));
        if name.split(|byte| *byte == b'/').any(is_whiteout) {
            return Err(ArtifactError::Whiteout { path: archive.path().to_owned(), name: name.to_vec() });
        }
        // Names of an archive are checked when it is opened.
        let below = EntryPath::new(name).map_err(|_| ZipError::Entry {
            path: archive.path().to_owned(),
            name: name.to_vec(),
            problem: EntryProblem::EmptyName,
        })?;
        let path = root.map_or_else(|| below.clone(), |root| below.below(root));
        let rules = &options.rules;
        let (kind, mut metadata) = match own {
            None => (EntryKind::Directory, rules.directory()),
            Some((index, entry)) => match entry.kind {
                ArchiveEntryKind::Directory => (EntryKind::Directory, rules.directory()),
                ArchiveEntryKind::File => {
                    let source = ContentSource::Zip(Arc::clone(archive), index);
                    let content = Content { size: entry.size, source };
                    (EntryKind::File(content), rules.file(entry.is_executable()))
                }
                ArchiveEntryKind::Symlink => {
                    let target = targets.get(&index).cloned().unwrap_or_default();
                    (EntryKind::Symlink(target), rules.symlink())
                }
            },
        };
        let overridden = match kind {
            EntryKind::Directory => rules.directory_mode.is_some(),
            EntryKind::File(_) => rules.file_mode.is_some(),
            _ => true,
        };
        if rules.keep_modes
            && !overridden
            && let Some(mode) = own.and_then(|(_, entry)| entry.mode)
        {
            metadata.mode = mode;
        }
        Ok(Entry { path, metadata, kind })
    }
}
