//! The Java that a Spring Boot archive needs.

use super::super::error::ArtifactError;
use super::super::java::{self, MAX_CLASS, class_file, java_of_class};
use super::super::options::AppOptions;
use super::super::requirement::Requirements;
use super::structure::BootStructure;
use crate::types::shown::shown;

/// Whether the archive's own launcher starts the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum LoaderUse {
    /// It does.
    Started,
    /// The layout does without it.
    Dropped,
}

/// The requirements of the archive on a base: a Java for the main class, and for the launcher where that is started.
pub(in super::super) fn requirements(
    structure: &BootStructure<'_>,
    options: &AppOptions,
    loader: LoaderUse,
) -> Result<Requirements, ArtifactError> {
    let material = structure.material();
    let start = structure.manifest().text("Start-Class");
    let start = start.map(|class| format!("{}{}", structure.classes, class_file(class)));
    let launcher = (loader == LoaderUse::Started).then(|| structure.launcher()).transpose()?;
    let mut newest: Option<(u32, String)> = None;
    for name in start.into_iter().chain(launcher.map(class_file)) {
        // A main class may be that of a library, which is not looked into.
        let class = material.read(&name, MAX_CLASS)?;
        let Some(java) = class.and_then(|class| java_of_class(&class)) else { continue };
        if newest.as_ref().is_none_or(|(known, _)| *known < java) {
            let archive = shown(material.path().file_name().unwrap_or_default().as_encoded_bytes());
            newest = Some((java, format!("`{}` in `{archive}`", shown(name.as_bytes()))));
        }
    }
    if let Some(archive) = material.archive() {
        let classes = structure.classes.as_bytes();
        let is_own = |name: &[u8]| name.strip_prefix(classes).is_some_and(java::is_loaded_class);
        if let Some((java, name)) = java::newest_class(archive, is_own)?
            && newest.as_ref().is_none_or(|(known, _)| *known < java)
        {
            let archive = shown(material.path().file_name().unwrap_or_default().as_encoded_bytes());
            newest = Some((java, format!("`{}` in `{archive}`", shown(&name))));
        }
    }
    Ok(java::requirements(material, options, newest))
}
