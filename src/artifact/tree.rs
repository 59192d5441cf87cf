//! Directories whose files go into the image as they are: static sites, distributions, root file systems.

use super::{
    AppOptions, AppRoot, Artifact, ArtifactError, ArtifactKind, Proposal, ProposedLayer, count, not_empty,
    root_of,
};
use crate::bases::web_root;
use crate::layer::scan::{FoundKind, Scanner, entries};
use crate::layer::{Entry, EntryKind};
use crate::oci::ConfigFile;

pub(super) fn propose(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    let (root, why_root) = root_of(artifact, options, base, web_root)?;
    let found = scanner.scan(&artifact.path, &options.scan_options())?;
    let mut all = entries(found.iter(), root.path(), &options.rules)?;
    if let Some(root) = root_entry(&root, options) {
        all.insert(0, root);
    }

    let mut warnings = Vec::new();
    if found.iter().any(|found| found.relative() == b".git") {
        warnings.push(
            "The `.git` directory goes into the image: a line `.git/` in `.packignore` leaves it out."
                .to_owned(),
        );
    }
    let files = found.iter().filter(|found| found.kind != FoundKind::Directory).count();
    let place = match &root {
        AppRoot::Image => "the image's root".to_owned(),
        AppRoot::At(path) => format!("`{path}`"),
    };
    let layer = ProposedLayer {
        name: if artifact.kind == ArtifactKind::Site { "site" } else { "app" }.to_owned(),
        why: format!("{}, to {place}", count(files, "file", "files")),
        entries: all,
        is_divisible: true,
    };
    let layers = vec![layer];
    not_empty(&artifact.path, &layers)?;
    Ok(Proposal {
        layers,
        app_root: root.path().cloned(),
        notes: why_root.into_iter().collect(),
        warnings,
        ..Proposal::default()
    })
}

/// The application's own directory; the image's root has no entry.
pub(super) fn root_entry(root: &AppRoot, options: &AppOptions) -> Option<Entry> {
    root.path().map(|path| Entry {
        path: path.clone(),
        metadata: options.rules.directory(),
        kind: EntryKind::Directory,
    })
}
