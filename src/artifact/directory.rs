//! The proposal for directories whose files go into the image as they are.

use super::error::ArtifactError;
use super::kind::ArtifactKind;
use super::material::Material;
use super::options::{AppOptions, AppRoot};
use super::proposal::{Proposal, ProposedLayer, not_empty};
use super::root::{root_entry, root_of};
use super::words::count;
use crate::bases::web_root;
use crate::layer::scan::{FoundKind, Scanner, entries};
use crate::oci::ConfigFile;

/// Examples of `app.root` for a directory.
pub(super) const ROOT_HINT: &str =
    "such as \"/usr/share/nginx/html\"; \"/\" means that it is a root file system";

/// The files of a directory in one layer of this name.
pub(super) fn propose(
    kind: &dyn ArtifactKind,
    name: &str,
    material: &Material,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    let (root, why_root) = root_of(kind, material, options, base, web_root)?;
    let found = scanner.scan(material.path(), &options.scan_options())?;
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
        name: name.to_owned(),
        why: format!("{}, to {place}", count(files, "file", "files")),
        entries: all,
        is_divisible: true,
    };
    let layers = vec![layer];
    not_empty(material.path(), &layers)?;
    Ok(Proposal {
        layers,
        app_root: root.path().cloned(),
        notes: why_root.into_iter().collect(),
        warnings,
        ..Proposal::default()
    })
}
