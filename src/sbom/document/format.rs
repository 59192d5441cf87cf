//! The forms of documents.

use std::fmt;

/// A form of document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DocumentFormat {
    /// CycloneDX, as JSON.
    #[default]
    CycloneDx,
    /// SPDX, as JSON.
    Spdx,
}

/// A version of the specification of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecVersion {
    /// CycloneDX 1.6: every scanner in use reads it.
    CycloneDx16,
    /// CycloneDX 1.7.
    CycloneDx17,
    /// SPDX 2.3.
    Spdx23,
}

impl DocumentFormat {
    /// All forms, with the word of each.
    pub const NAMES: [(&'static str, Self); 2] = [("cyclonedx", Self::CycloneDx), ("spdx", Self::Spdx)];

    /// The version of this number; without one, the version that most tools read. `None` where the form has no such version.
    #[must_use]
    pub fn version(self, number: Option<&str>) -> Option<SpecVersion> {
        match (self, number) {
            (Self::CycloneDx, None | Some("1.6")) => Some(SpecVersion::CycloneDx16),
            (Self::CycloneDx, Some("1.7")) => Some(SpecVersion::CycloneDx17),
            (Self::Spdx, None | Some("2.3")) => Some(SpecVersion::Spdx23),
            _ => None,
        }
    }

    /// The numbers of the versions that it has.
    #[must_use]
    pub const fn versions(self) -> &'static str {
        match self {
            Self::CycloneDx => "1.6 and 1.7",
            Self::Spdx => "2.3",
        }
    }
}

impl SpecVersion {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::CycloneDx16 => "1.6",
            Self::CycloneDx17 => "1.7",
            Self::Spdx23 => "2.3",
        }
    }

    /// The type of a statement whose predicate is such a document.
    #[must_use]
    pub const fn predicate_type(self) -> &'static str {
        match self {
            Self::CycloneDx16 | Self::CycloneDx17 => "https://cyclonedx.org/bom",
            Self::Spdx23 => "https://spdx.dev/Document",
        }
    }

    /// The media type of a document, which is also the type of the artifact that has it.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::CycloneDx16 | Self::CycloneDx17 => "application/vnd.cyclonedx+json",
            Self::Spdx23 => "application/spdx+json",
        }
    }
}

impl fmt::Display for DocumentFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, format)| format == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}
