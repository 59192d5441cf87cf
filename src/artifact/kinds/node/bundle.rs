//! One file of JavaScript, which a bundler wrote with all packages in it.

use std::collections::BTreeMap;

use super::super::super::error::ArtifactError;
use super::super::super::glimpse::Glimpse;
use super::super::super::interpreted::changes_modules;
use super::super::super::material::Material;
use super::super::super::options::{AppOptions, AppRoot};
use super::super::super::proposal::{Proposal, ProposedLayer};
use super::super::super::requirement::Requirement;
use super::modules::StartedScript;
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath};
use crate::types::shown::shown;

/// Where a file of this name goes.
const DIRECTORY: &[u8] = b"app/";

/// Whether a file is one: its name says JavaScript, and its beginning is text.
pub(super) fn detect(glimpse: &Glimpse) -> Option<Vec<String>> {
    let extension = glimpse.material().path().extension()?.to_str()?;
    let is_text = !glimpse.head().is_empty() && !glimpse.head().contains(&0);
    let is_it = is_text && ["js", "mjs", "cjs"].contains(&extension);
    is_it.then(|| vec![format!("It is one file of text with the name of JavaScript (`.{extension}`).")])
}

/// The file in one layer, started by `node`.
pub(super) fn propose(
    material: &Material,
    options: &AppOptions,
    node: String,
) -> Result<Proposal, ArtifactError> {
    let Some(stamp) = material.stamp() else {
        return Err(ArtifactError::NotPacked { path: material.path().to_owned() });
    };
    let target = target(material, options)?;
    let path = format!("/{}", String::from_utf8_lossy(target.as_bytes()));
    let kind = EntryKind::File(Content {
        size: stamp.size,
        source: ContentSource::File(material.path().into(), stamp),
    });
    let layer = ProposedLayer {
        name: "app".to_owned(),
        why: format!("the file, to `{target}`"),
        entries: vec![Entry { path: target.clone(), metadata: options.rules.file(false), kind }],
        is_divisible: false,
    };
    Ok(Proposal {
        layers: vec![layer],
        workdir: target.parent(),
        app_root: Some(target),
        entrypoint: (!options.has_entrypoint).then(|| vec![node, path]),
        env: BTreeMap::from([("NODE_ENV".to_owned(), "production".to_owned())]),
        ..Proposal::default()
    })
}

/// The requirements besides its `node`: the modules that are not in it.
pub(super) fn requirements(
    material: &Material,
    options: &AppOptions,
) -> Result<Vec<Requirement>, ArtifactError> {
    let Some(stamp) = material.stamp() else { return Ok(Vec::new()) };
    if changes_modules(&options.command) {
        return Ok(Vec::new());
    }
    let script = StartedScript {
        path: material.path(),
        size: stamp.size,
        target: target(material, options)?,
        surroundings: None,
        is_open: true,
    };
    script.requirements()
}

/// Its path in the image.
fn target(material: &Material, options: &AppOptions) -> Result<EntryPath, ArtifactError> {
    let name = material.path().file_name().unwrap_or_default().as_encoded_bytes();
    let name = options.name.as_deref().map_or(name, str::as_bytes);
    let bad = |bytes: &[u8]| ArtifactError::BadName { name: shown(bytes) };
    let path = match &options.root {
        Some(AppRoot::Image) => {
            return Err(ArtifactError::FileAsRoot { path: material.path().to_owned() });
        }
        Some(AppRoot::At(directory)) if options.into_root => directory.join(name).map_err(|_| bad(name))?,
        Some(AppRoot::At(path)) => path.clone(),
        None => EntryPath::new(&[DIRECTORY, name].concat()).map_err(|_| bad(name))?,
    };
    // The entrypoint is JSON, which has no other bytes.
    std::str::from_utf8(path.as_bytes()).map_err(|_| bad(path.as_bytes()))?;
    Ok(path)
}
