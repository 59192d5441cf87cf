//! The facts that a policy judges.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::super::digest::Digest;

/// A fact, or why it cannot be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knowledge<T> {
    /// It is known.
    Known(T),
    /// It is not, and this is why.
    Unknown(String),
    /// It is not, because strangers attached more than is read.
    TooMuch(String),
}

/// The name of a public key: its path, as messages have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(pub String);

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that an image can have to prove itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceKind {
    /// A signature by any key that the policy names.
    Signature,
    /// A list of the packages in it.
    Sbom,
    /// A statement of how it was built.
    Provenance,
    /// A record that the checks of its build found no error.
    Checks,
}

impl EvidenceKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Signature, Self::Sbom, Self::Provenance, Self::Checks];

    /// The word that it is written as.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Sbom => "sbom",
            Self::Provenance => "provenance",
            Self::Checks => "checks",
        }
    }

    /// Its name in a sentence.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Sbom => "SBOM",
            Self::Provenance => "provenance",
            Self::Checks => "record of checks",
        }
    }
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EvidenceKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|evidence| evidence.as_str() == text).ok_or(())
    }
}

/// The facts about a base.
#[derive(Clone, Debug)]
pub struct JudgedBase {
    /// Its name, as it was written; absent for `scratch`.
    pub name: Option<String>,
    /// Its digests: that of the manifest, and that of the index that the manifest is in.
    pub digests: BTreeSet<Digest>,
    /// When it was made, in seconds since 1970.
    pub created: Knowledge<u64>,
    /// The keys of the policy that signed it.
    pub signers: Knowledge<BTreeSet<KeyName>>,
}

/// A package in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFact {
    /// Its purl; absent where nothing states its name.
    pub purl: Option<String>,
    /// The name that people know.
    pub name: String,
    /// Its licences as stated: expressions of SPDX, or other text.
    pub licences: Vec<String>,
}

/// The content of a document that is attached to an image, as far as a policy asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentClaim {
    /// These packages are in the image.
    Sbom(Vec<PackageFact>),
    /// It was built in this way.
    Provenance,
    /// Whether the checks of its build found no error.
    Checks(bool),
    /// It is one of these, and cannot be read.
    Unreadable(EvidenceKind, String),
    /// It is one of these, and about another image: anyone can attach the documents of one image to another.
    OfAnother(EvidenceKind, String),
}

impl DocumentClaim {
    /// The evidence that it is.
    #[must_use]
    pub const fn evidence(&self) -> EvidenceKind {
        match self {
            Self::Sbom(_) => EvidenceKind::Sbom,
            Self::Provenance => EvidenceKind::Provenance,
            Self::Checks(_) => EvidenceKind::Checks,
            Self::Unreadable(evidence, _) | Self::OfAnother(evidence, _) => *evidence,
        }
    }

    /// Why it proves nothing about the image.
    pub(super) fn why_not(&self) -> Option<&str> {
        match self {
            Self::Unreadable(_, why) | Self::OfAnother(_, why) => Some(why),
            _ => None,
        }
    }
}

/// A document that is attached to an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedDocument {
    /// Its manifest, or the document where it is not published yet.
    pub digest: Digest,
    /// The keys of the policy that signed it.
    pub signers: BTreeSet<KeyName>,
    /// The image of an index that it is attached to; `None` where it is about all that is judged.
    pub image: Option<Digest>,
    /// The content.
    pub claim: DocumentClaim,
}

/// The facts about an image.
#[derive(Clone, Debug)]
pub struct JudgedImage {
    /// The keys of the policy that signed it.
    pub signers: Knowledge<BTreeSet<KeyName>>,
    /// The images of an index.
    pub images: BTreeSet<Digest>,
    /// The documents that are attached to it.
    pub documents: Knowledge<Vec<JudgedDocument>>,
}

impl JudgedImage {
    /// Whether one of the documents is about all of it, or each image of an index has one.
    pub(super) fn is_covered<'a>(&self, documents: impl Iterator<Item = &'a JudgedDocument>) -> bool {
        let about: BTreeSet<Option<Digest>> = documents.map(|document| document.image).collect();
        let has_one = |image: &Digest| about.contains(&Some(*image));
        about.contains(&None) || (!self.images.is_empty() && self.images.iter().all(has_one))
    }
}
