//! The findings: problems, which make an image unsound, and unusual facts.

use serde::Serialize;

use crate::types::digest::Digest;
use crate::types::platform::Platform;
use crate::types::shown::one_line;

/// The findings in an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The verified image, as the user wrote it.
    pub source: String,
    /// The manifest or index that it resolves to.
    pub root: Digest,
    /// The images, in the index's order.
    pub images: Vec<VerifiedImage>,
    /// How many different blobs were read.
    pub blobs: u64,
    /// How many bytes were hashed, as stored.
    pub bytes: u64,
    /// The reason.
    pub problems: Vec<Disagreement>,
    /// Unusual facts that are no problem.
    pub warnings: Vec<Disagreement>,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    #[cfg(any(test, feature = "testing"))]
    pub const fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifiedImage {
    /// Its digest.
    pub digest: Digest,
    /// The platform in its configuration.
    pub platform: Option<Platform>,
    /// How many layers it has.
    pub layers: usize,
    /// Bytes of configuration and layers, as stored.
    pub bytes: u64,
}

/// The kind of disagreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisagreementKind {
    /// It cannot be read at all.
    Unreadable,
    /// A document is no valid document.
    Document,
    /// The bytes have another digest.
    Digest,
    /// There are more or fewer bytes.
    Size,
    /// The content is not of the announced type.
    MediaType,
    /// The uncompressed layer has another digest than the configuration says.
    DiffId,
    /// The configuration has more or fewer diff IDs than there are layers.
    LayerCount,
    /// The history has more or fewer layers than there are.
    HistoryCount,
    /// A time that other tools cannot read.
    Time,
    /// Index and configuration name different platforms.
    Platform,
    /// A layer does not decompress.
    Compression,
    /// A layer is no tar that can be read to its end.
    Tar,
    /// A layer has a path that leads out of the image, or that readers take differently.
    Path,
    /// A table of contents does not say what is in its layer, or is not found from its image.
    Contents,
}

/// One disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The check.
    pub check: DisagreementKind,
    /// The blob or document that it is about.
    pub subject: Digest,
    /// For people.
    pub message: String,
    /// The expected value, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The found value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl Disagreement {
    pub(super) fn new(check: DisagreementKind, subject: Digest, message: impl Into<String>) -> Self {
        let message = one_line(&message.into()).into_owned();
        Self { check, subject, message, expected: None, found: None }
    }

    /// That something is another than it should be.
    pub(super) fn other(
        check: DisagreementKind,
        subject: Digest,
        message: &str,
        expected: &dyn ToString,
        found: &dyn ToString,
    ) -> Self {
        let (expected, found) = (expected.to_string(), found.to_string());
        let message = format!("{message}: expected {expected}, found {found}");
        Self { expected: Some(expected), found: Some(found), ..Self::new(check, subject, message) }
    }
}

/// The findings in one part of an image.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Disagreement>,
    pub(super) warnings: Vec<Disagreement>,
    /// Bytes that were hashed, as stored.
    pub(super) bytes: u64,
}

impl Findings {
    pub(super) fn extend(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.warnings.extend(other.warnings);
        self.bytes += other.bytes;
    }
}
