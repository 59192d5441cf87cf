//! The proposal for a jar that goes into the image as the one file that it is: unpacking it would lose what only
//! archives have, such as classes for several versions of Java and signatures.

use super::error::ArtifactError;
use super::java::{java, unfit};
use super::material::Material;
use super::options::{AppOptions, AppRoot};
use super::proposal::{Proposal, ProposedLayer};
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath};
use crate::oci::ConfigFile;
use crate::types::shown::shown;

/// Where it goes.
const ROOT: &[u8] = b"app/app.jar";

/// An example of `app.root` for such a jar.
pub(super) const ROOT_HINT: &str = "such as \"/app/app.jar\"";

/// The jar in one layer, started by the base's Java.
pub(super) fn propose(
    material: &Material,
    options: &AppOptions,
    base: Option<&ConfigFile>,
) -> Result<Proposal, ArtifactError> {
    let stamp = material.stamp().ok_or_else(|| unfit(material, "it is a directory".to_owned(), "pack it"))?;
    let target = target(material, options)?;
    let source = ContentSource::File(material.path().into(), stamp);
    let kind = EntryKind::File(Content { size: stamp.size, source });
    let metadata = options.rules.file(false);
    let path = format!("/{}", String::from_utf8_lossy(target.as_bytes()));
    let layer = ProposedLayer {
        name: "app".to_owned(),
        why: format!("the jar as it is, to `{target}`"),
        entries: vec![Entry { path: target.clone(), metadata, kind }],
        is_divisible: false,
    };
    Ok(Proposal {
        layers: vec![layer],
        app_root: Some(target),
        entrypoint: Some(vec![java(base), "-jar".to_owned(), path]),
        ..Proposal::default()
    })
}

/// The path of the jar in the image. It is the same for each version, unless a name was given.
fn target(material: &Material, options: &AppOptions) -> Result<EntryPath, ArtifactError> {
    let bad = |name: &[u8]| ArtifactError::BadName { name: shown(name) };
    let own = material.path().file_name().unwrap_or_default().as_encoded_bytes();
    let name = options.name.as_deref().map_or(own, str::as_bytes);
    let path = match &options.root {
        Some(AppRoot::Image) => {
            return Err(ArtifactError::FileAsRoot { path: material.path().to_owned() });
        }
        Some(AppRoot::At(directory)) if options.into_root => directory.join(name).map_err(|_| bad(name))?,
        Some(AppRoot::At(path)) => path.clone(),
        None => EntryPath::new(ROOT).map_err(|_| bad(ROOT))?,
    };
    // The entrypoint is JSON, which has no other bytes.
    std::str::from_utf8(path.as_bytes()).map_err(|_| bad(path.as_bytes()))?;
    Ok(path)
}
