//! The differences between two images: documents, layers, files.

use std::fmt;

use serde::Serialize;

use crate::types::digest::Digest;

/// The common parts and the differences of two images.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageComparison {
    /// The one.
    pub a: Side,
    /// The other.
    pub b: Side,
    /// Whether they have the same digest.
    pub equal: bool,
    /// The first difference that explains why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Fields in which the indexes differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub index: Vec<FieldDifference>,
    /// Platforms for which both have the same image.
    pub same: Vec<String>,
    /// Platforms that only the one has.
    pub only_in_a: Vec<String>,
    /// Platforms that only the other has.
    pub only_in_b: Vec<String>,
    /// The images that differ.
    pub images: Vec<ImageDiff>,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// As the user would write it.
    pub name: String,
    /// The digest of the manifest or index.
    pub digest: Digest,
}

/// Two images for one platform.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageDiff {
    /// The platform, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The manifest of the one.
    pub a: Digest,
    /// The manifest of the other.
    pub b: Digest,
    /// The first difference that explains the digests.
    pub first: String,
    /// Fields in which the manifests differ.
    pub manifest: Vec<FieldDifference>,
    /// Fields in which the configurations differ.
    pub config: Vec<FieldDifference>,
    /// The layers, bottom first.
    pub layers: Vec<LayerDiff>,
    /// The files that a container would see.
    pub files: Vec<PathDifference>,
    /// Layers that both have and that were not read.
    pub unread: usize,
}

/// A layer of the one, of the other, or of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerDiff {
    /// In the one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<LayerRef>,
    /// In the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<LayerRef>,
    /// How they relate.
    pub relation: Relation,
    /// Entries in which they differ; empty unless both are there and differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<PathDifference>,
    /// The first entry, or whatever else, that makes the tars different.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The entry that `first` is about.
    #[serde(skip)]
    pub first_entry: Option<FirstEntry>,
}

/// The first entry that makes two tars different.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstEntry {
    /// Its path.
    pub path: Path,
    /// The first field in which it differs; `None` where only one has it, or it is written differently.
    pub field: Option<FieldDifference>,
    /// Its position in the tars.
    pub position: usize,
}

/// A layer in an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerRef {
    /// Counted from 1, the bottom layer.
    pub number: usize,
    /// The digest of the blob.
    pub digest: Digest,
    /// The digest of the tar.
    pub diff_id: Digest,
    /// The size of the blob in bytes.
    pub size: u64,
    /// How the blob is compressed.
    pub compression: &'static str,
}

/// How two layers relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// The same blob.
    Shared,
    /// The same tar in other blobs.
    Compression,
    /// Other tars.
    Changed,
    /// There is none in the other.
    OnlyInA,
    /// There is none in the one.
    OnlyInB,
}

/// A field with both its values; `None` where it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// Its name, with a path of dots.
    pub name: String,
    /// In the one.
    pub a: Option<String>,
    /// In the other.
    pub b: Option<String>,
}

impl fmt::Display for FieldDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
        write!(f, "{}: {} → {}", self.name, shown(&self.a), shown(&self.b))
    }
}

/// The change of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Only the other has it.
    Added,
    /// Only the one has it.
    Removed,
    /// Both have it, and not the same.
    Changed,
}

/// A path in an image, which is any bytes: in JSON `path`, and `pathBytes` where that cannot say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Path {
    /// As text; U+FFFD stands for what is no UTF-8.
    #[serde(rename = "path")]
    pub text: String,
    /// The bytes in hexadecimal, if the text does not say them.
    #[serde(rename = "pathBytes", skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl From<&[u8]> for Path {
    fn from(path: &[u8]) -> Self {
        let text = String::from_utf8_lossy(path);
        let bytes = (text.as_bytes() != path).then(|| crate::types::digest::hex(path));
        Self { text: text.into_owned(), bytes }
    }
}

/// A path in which two trees or layers differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathDifference {
    /// The path, without a slash at its beginning.
    #[serde(flatten)]
    pub path: Path,
    /// The change.
    pub change: ChangeKind,
    /// Whether layers that were not read may have the path, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
    /// Its kind; of two, the kind in the other.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Bytes of content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// In what they differ, if both have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDifference>,
}
