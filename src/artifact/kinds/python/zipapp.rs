//! A Python application in one archive: a zipapp (`.pyz`, also of shiv) or a PEX file. It stays one file, since Python runs
//! it as it is.

use super::super::super::error::ArtifactError;
use super::super::super::material::Material;
use super::super::super::options::{AppOptions, AppRoot};
use super::super::super::proposal::{Proposal, ProposedLayer};
use super::environment::PythonVersion;
use crate::formats::zip::ZipArchive;
use crate::layer::{Content, ContentSource, Entry, EntryKind, EntryPath};
use crate::types::shown::shown;

/// Where a file goes.
const DIRECTORY: &[u8] = b"app/";

/// The kinds of archives that Python runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZipAppKind {
    Plain,
    Pex,
    Shiv,
}

impl ZipAppKind {
    /// Which kind an archive is.
    pub(super) fn of(archive: &ZipArchive) -> Option<Self> {
        archive.position(b"__main__.py")?;
        Some(if archive.position(b"PEX-INFO").is_some() {
            Self::Pex
        } else if archive.position(b"environment.json").is_some()
            && archive.position(b"_bootstrap/__init__.py").is_some()
        {
            Self::Shiv
        } else {
            Self::Plain
        })
    }

    /// Why an archive is one.
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Plain => "It is a zip archive with `__main__.py`, a Python zipapp.",
            Self::Pex => "It is a zip archive with `__main__.py` and `PEX-INFO`, a PEX file.",
            Self::Shiv => "It is a zip archive with `__main__.py` and `environment.json`, a zipapp of shiv.",
        }
    }

    /// Where it unpacks itself.
    const fn note(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Pex => Some(
                "a PEX file unpacks itself at its first start: `PEX_ROOT` names a directory that its user may write",
            ),
            Self::Shiv => Some(
                "a zipapp of shiv unpacks itself at its first start: `SHIV_ROOT` names a directory that its user may write",
            ),
        }
    }
}

/// The version that the modules in an archive are for, where all are for one.
pub(super) fn version(archive: &ZipArchive) -> Option<PythonVersion> {
    let modules = archive.entries().iter().filter(|entry| entry.name.ends_with(b".so"));
    let mut versions: Vec<PythonVersion> =
        modules.filter_map(|entry| PythonVersion::of_module(&entry.name)).collect();
    versions.sort_unstable();
    versions.dedup();
    match versions[..] {
        [one] => Some(one),
        _ => None,
    }
}

/// The archive in one layer, started by `python`.
pub(super) fn propose(
    material: &Material,
    kind: ZipAppKind,
    options: &AppOptions,
    python: String,
) -> Result<Proposal, ArtifactError> {
    let Some(stamp) = material.stamp() else {
        return Err(ArtifactError::NotPacked { path: material.path().to_owned() });
    };
    let target = target(material, options)?;
    let path = format!("/{}", String::from_utf8_lossy(target.as_bytes()));
    let content = Content { size: stamp.size, source: ContentSource::File(material.path().into(), stamp) };
    let entry =
        Entry { path: target.clone(), metadata: options.rules.file(true), kind: EntryKind::File(content) };
    let layer = ProposedLayer {
        name: "app".to_owned(),
        why: format!("the archive as it is, to `{target}`"),
        entries: vec![entry],
        is_divisible: false,
    };
    Ok(Proposal {
        layers: vec![layer],
        workdir: target.parent(),
        app_root: Some(target),
        entrypoint: (!options.has_entrypoint).then(|| vec![python, path]),
        notes: kind.note().map(str::to_owned).into_iter().collect(),
        ..Proposal::default()
    })
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
