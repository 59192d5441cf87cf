//! Which layout an archive has in the image, and what that needs.

use super::super::error::ArtifactError;
use super::super::options::{AppOptions, AppRoot, ArtifactLayout};
use super::super::proposal::Proposal;
use super::super::requirement::Requirements;
use super::super::whole_jar;
use super::start::{self, LoaderUse};
use super::structure::BootStructure;
use super::{exploded, extracted, main_class};
use crate::layer::EntryPath;
use crate::layer::scan::Scanner;
use crate::oci::ConfigFile;

/// Where it goes.
const ROOT: &[u8] = b"app";

/// The layout that is wanted; else the one that starts fastest.
fn layout(structure: &BootStructure<'_>, options: &AppOptions) -> ArtifactLayout {
    let can_extract = structure.material().archive().is_some() && !structure.is_war();
    options.layout.unwrap_or(if can_extract { ArtifactLayout::Extracted } else { ArtifactLayout::Exploded })
}

fn loader_use(layout: ArtifactLayout) -> LoaderUse {
    match layout {
        ArtifactLayout::Extracted => LoaderUse::Dropped,
        _ => LoaderUse::Started,
    }
}

/// The layers of an archive or directory of this structure, with its start.
pub(in super::super) fn propose(
    structure: &BootStructure<'_>,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    let layout = layout(structure, options);
    main_class::check(structure, loader_use(layout))?;
    if layout == ArtifactLayout::Packaged {
        return whole_jar::propose(structure.material(), options, base);
    }
    let root = match &options.root {
        Some(root) => root.clone(),
        None => AppRoot::At(
            EntryPath::new(ROOT).map_err(|error| ArtifactError::BadName { name: error.to_string() })?,
        ),
    };
    match layout {
        ArtifactLayout::Extracted => extracted::propose(structure, &root, options, base),
        _ => exploded::propose(structure, &root, options, base, scanner),
    }
}

/// The requirements of an archive of this structure on a base.
pub(in super::super) fn requirements(
    structure: &BootStructure<'_>,
    options: &AppOptions,
) -> Result<Requirements, ArtifactError> {
    start::requirements(structure, options, loader_use(layout(structure, options)))
}
