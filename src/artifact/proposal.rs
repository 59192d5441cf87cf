//! The proposal: layers and settings of an artifact in an image, as data.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ArtifactError;
use crate::layer::{Entry, EntryPath};
use crate::types::platform::Platform;

/// The layers and settings of an artifact in an image.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// The layers, bottom first, none of them empty.
    pub layers: Vec<ProposedLayer>,
    /// The place that the application owns: its directory or its one file; `None` is the image's root.
    pub app_root: Option<EntryPath>,
    /// Entrypoint, where the artifact decides it; else the base's stays.
    pub entrypoint: Option<Vec<String>>,
    /// The programs that may be meant to start it, where the artifact does not tell which.
    pub programs: Vec<String>,
    /// Arguments, where the artifact decides them.
    pub cmd: Option<Vec<String>>,
    /// Variables of the environment that the artifact wants, where neither the settings nor the base have them.
    pub env: BTreeMap<String, String>,
    /// The directory that it starts in, where the settings do not say.
    pub workdir: Option<EntryPath>,
    /// Platform, where the artifact decides it.
    pub platform: Option<Platform>,
    /// Places at which something of the base would run in the application's stead.
    pub replaces: Vec<EntryPath>,
    /// The server of the base that must run for the application to be there, by its name for people.
    pub served_by: Option<String>,
    /// Facts that the user may want to know.
    pub notes: Vec<String>,
    /// Problems that the user should probably solve.
    pub warnings: Vec<String>,
}

/// One layer of a [`Proposal`].
#[derive(Clone, Debug)]
pub struct ProposedLayer {
    /// A short name, such as `dependencies`.
    pub name: String,
    /// Its content and the reason for it, in one sentence.
    pub why: String,
    /// Its entries, sorted by path.
    pub entries: Vec<Entry>,
    /// Whether it is made of packages that change one by one, so that it may be split where it is large.
    pub is_divisible: bool,
}

/// The only part of a scan that is a fact of the artifact and not of one file.
pub(super) fn not_empty(path: &Path, layers: &[ProposedLayer]) -> Result<(), ArtifactError> {
    if layers.iter().all(|layer| layer.entries.iter().all(Entry::is_directory)) {
        return Err(ArtifactError::Empty { path: path.to_owned() });
    }
    Ok(())
}
