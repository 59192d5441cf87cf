//! The `[[layer]]` tables of a build file: what is copied into a layer, and what is made in it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt as _;

use super::draft::{Draft, Owned};
use super::prepare::{at, patterns};
use super::{BuildError, Request};
use crate::config::{self, DiskPath};
use crate::error::BoxedError;
use crate::layer::{self, Entry, EntryKind, EntryPath, Rules, ScanOptions, Scanner};

/// A `[[layer]]` with what it takes to look at its files.
pub(super) struct DeclaredLayer<'a> {
    pub(super) request: &'a Request,
    pub(super) scanner: &'a Scanner,
    pub(super) layer: &'a config::Layer,
    /// The modification time of everything in it.
    pub(super) mtime: u64,
}

impl DeclaredLayer<'_> {
    /// What goes into it.
    pub(super) fn draft(&self) -> Result<Draft, BoxedError> {
        let (layer, mtime) = (self.layer, self.mtime);
        let mut entries: BTreeMap<EntryPath, Entry> = BTreeMap::new();
        let mut exactly = Vec::new();
        let mut below = Vec::new();
        let mut keeps_all = false;
        for files in &layer.files {
            let rules = rules(files, mtime);
            let copied = self.copy(files, &rules)?;
            keeps_all |= files.keep_modes && files.to.value.entry().is_none();
            below.extend(files.to.value.entry().cloned());
            for entry in copied {
                // Two sets of files may share directories, and the first to say something is right.
                entries.entry(entry.path.clone()).or_insert(entry);
            }
        }
        for directory in &layer.directories {
            let Some(path) = directory.path.value.entry() else { continue };
            let mut metadata =
                layer::Metadata::with_mode(directory.mode.as_ref().map_or(0o755, |mode| mode.value.bits()));
            metadata.mtime = mtime;
            if let Some(owner) = &directory.owner {
                (metadata.uid, metadata.gid) = (owner.value.uid.into(), owner.value.gid.into());
            }
            entries.insert(path.clone(), Entry { path: path.clone(), metadata, kind: EntryKind::Directory });
            exactly.push(path.clone());
        }
        Ok(Draft {
            name: layer.name.value.as_str().to_owned(),
            why: "declared in the build file".to_owned(),
            entries: entries.into_values().collect(),
            owned: if keeps_all { Owned::All } else { Owned::Some { exactly, below } },
            is_divisible: false,
        })
    }

    fn copy(&self, files: &config::Files, rules: &Rules) -> Result<Vec<Entry>, BoxedError> {
        let from: &DiskPath = &files.from.value;
        let metadata = std::fs::metadata(from.path()).map_err(|source| {
            let error = BuildError::Missing { path: from.path().to_owned(), source };
            let hint = crate::error::Explain::hint(&error);
            at(self.request, &files.from, error.into(), hint)
        })?;
        if metadata.is_dir() {
            let found = self.scanner.scan(from.path(), &scan_options_of(files))?;
            let mut entries = layer::entries(found.iter(), files.to.value.entry(), rules)?;
            if let Some(to) = files.to.value.entry() {
                entries.push(Entry {
                    path: to.clone(),
                    metadata: rules.directory(),
                    kind: EntryKind::Directory,
                });
            }
            return Ok(entries);
        }
        Ok(vec![self.one_file(files, rules, &metadata)?])
    }

    fn one_file(
        &self,
        files: &config::Files,
        rules: &Rules,
        metadata: &std::fs::Metadata,
    ) -> Result<Entry, BoxedError> {
        let from = files.from.value.path();
        let name = from.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        let path = match files.to.value.entry() {
            Some(to) if files.to.value.has_trailing_slash() => to.join(name).map_err(BuildError::Path)?,
            Some(to) => to.clone(),
            None => EntryPath::new(name).map_err(BuildError::Path)?,
        };
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let mut meta = rules.file(executable);
        if files.keep_modes && files.mode.is_none() {
            meta.mode = metadata.permissions().mode() & 0o7777;
        }
        let stamp = layer::Stamp::of(metadata);
        let source = layer::ContentSource::File(from.into(), stamp);
        let content = layer::Content { size: stamp.size, source };
        Ok(Entry { path, metadata: meta, kind: EntryKind::File(content) })
    }
}

fn rules(files: &config::Files, mtime: u64) -> Rules {
    Rules {
        keep_modes: files.keep_modes,
        keep_owners: files.keep_owners,
        file_mode: files.mode.as_ref().map(|mode| mode.value.bits()),
        owner: files.owner.as_ref().map(|owner| (owner.value.uid.into(), owner.value.gid.into())),
        mtime,
        devices: files.keep_modes,
        ..Rules::default()
    }
}

/// What is looked at of files that are a directory.
pub(super) fn scan_options_of(files: &config::Files) -> ScanOptions {
    ScanOptions {
        include: patterns(&files.include),
        exclude: patterns(&files.exclude),
        ignore_file: true,
        xattrs: files.xattrs,
        directories: rules(files, 0).keeps_what_directories_have(),
    }
}
