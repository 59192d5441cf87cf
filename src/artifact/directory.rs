//! The proposal for directories whose files go into the image as they are.

use super::error::ArtifactError;
use super::kind::ArtifactKind;
use super::material::Material;
use super::options::{AppOptions, AppRoot};
use super::proposal::{Proposal, ProposedLayer, not_empty};
use super::root::{root_entry, root_of};
use super::words::count;
use crate::bases::{WebServer, web_server};
use crate::layer::scan::{FoundKind, Scanner, entries};
use crate::oci::ConfigFile;

/// Examples of `app.root` for a directory.
pub(super) const ROOT_HINT: &str = "such as \"/srv/www\", the directory where a server or program of the image reads it; \"/\" means that it is a root file \
     system";

/// The files of a directory in one layer of this name.
pub(super) fn propose(
    kind: &dyn ArtifactKind,
    name: &str,
    material: &Material,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    let server = base.and_then(web_server);
    let by_base = |_: &ConfigFile| server.as_ref().map(|server| (server.pages.clone(), server.why()));
    let (root, why_root) = root_of(kind, material, options, base, by_base)?;
    let found = scanner.scan(material.path(), &options.scan_options())?;
    let mut all = entries(found.iter(), root.path(), &options.rules)?;
    if let Some(root) = root_entry(&root, options) {
        all.insert(0, root);
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
    let shows = |server: &WebServer| root.path().is_some_and(|root| root.starts_with(&server.pages));
    Ok(Proposal {
        layers,
        app_root: root.path().cloned(),
        served_by: server.filter(shows).map(|server| server.name.to_owned()),
        notes: why_root.into_iter().collect(),
        ..Proposal::default()
    })
}
