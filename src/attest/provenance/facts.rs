//! The facts about a build.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::digest::Digest;

/// The one who built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenanceBuilder {
    /// The URI that names it: a CI system, or this program on any machine.
    pub id: String,
    /// The level of SLSA's build track that may be claimed, which is 1 unless a hosted builder signs itself.
    pub level: u8,
    /// Why the level is not more.
    pub why: String,
}

/// The commit that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitFact {
    /// The commit.
    pub commit: String,
    /// Where it is from, if that is known.
    pub origin: Option<String>,
    /// Whether files were changed since.
    pub is_dirty: bool,
}

/// A file or directory that was built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFact {
    /// Its path as the build file has it.
    pub path: String,
    /// Its kind, in words.
    pub kind: String,
    /// Its digest; absent for a directory of which no file is in a layer.
    pub digest: Option<InputDigest>,
}

/// The digest of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputDigest {
    /// The SHA-256 of a file.
    File(Digest),
    /// [`layers_digest`] of a directory.
    Layers(Digest),
}

/// The digest of a directory by the layers that its files are in: the SHA-256 over their diffIDs, each once, sorted, in a line
/// each. `None` where no file of it is in a layer.
#[must_use]
pub fn layers_digest(diff_ids: impl IntoIterator<Item = Digest>) -> Option<Digest> {
    let lines: BTreeSet<String> = diff_ids.into_iter().map(|diff_id| format!("{diff_id}\n")).collect();
    let text: String = lines.into_iter().collect();
    (!text.is_empty()).then(|| Digest::of(text.as_bytes()))
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltLayer {
    /// Its name; absent for a layer of the base.
    pub name: Option<String>,
    /// Its blob.
    pub digest: Digest,
    /// Its content without compression.
    pub diff_id: Digest,
    /// The names of the inputs that it was made of: paths of [`InputFact`], and `base`.
    pub inputs: Vec<String>,
}

/// The image of one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltImage {
    /// The platform.
    pub platform: String,
    /// Its manifest.
    pub manifest: Digest,
    /// The manifest of its base; absent on `scratch`.
    pub base: Option<Digest>,
    /// All its layers, bottom first.
    pub layers: Vec<BuiltLayer>,
}

/// The facts about a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildFacts {
    /// The repository that names the image.
    pub image: String,
    /// The build file, by its name and digest.
    pub build_file: Option<(String, Digest)>,
    /// Settings that decide what the image becomes, by name.
    pub settings: BTreeMap<String, String>,
    /// The settings that were given on the command line or in variables, as they were typed.
    pub typed: Vec<String>,
    /// The commit.
    pub commit: Option<CommitFact>,
    /// The base's name, and the digest that the name had; absent on `scratch`.
    pub base: Option<(String, Digest)>,
    /// The files and directories that were built in.
    pub inputs: Vec<InputFact>,
    /// The images.
    pub images: Vec<BuiltImage>,
    /// The output format.
    pub format: u64,
    /// The version of the program.
    pub version: String,
}
