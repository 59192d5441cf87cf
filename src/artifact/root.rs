//! Where an application goes: by the options, else by the base.

use super::error::ArtifactError;
use super::kind::ArtifactKind;
use super::material::Material;
use super::options::{AppOptions, AppRoot};
use crate::layer::{Entry, EntryKind, EntryPath};
use crate::oci::ConfigFile;

/// Where an artifact of `kind` goes by the options, or by `by_base` with the reason.
pub(super) fn root_of(
    kind: &dyn ArtifactKind,
    material: &Material,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    by_base: impl FnOnce(&ConfigFile) -> Option<(EntryPath, String)>,
) -> Result<(AppRoot, Option<String>), ArtifactError> {
    if let Some(root) = &options.root {
        return Ok((root.clone(), None));
    }
    match base.and_then(by_base) {
        Some((path, why)) => Ok((AppRoot::At(path), Some(why))),
        None => Err(ArtifactError::NoRoot {
            path: material.path().to_owned(),
            kind: kind.describe(),
            hint: kind.root_hint(),
            empty_base: base.is_none(),
        }),
    }
}

/// The application's own directory; the image's root has no entry.
pub(super) fn root_entry(root: &AppRoot, options: &AppOptions) -> Option<Entry> {
    root.path().map(|path| Entry {
        path: path.clone(),
        metadata: options.rules.directory(),
        kind: EntryKind::Directory,
    })
}
