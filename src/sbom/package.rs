//! The statements of one file about one package.

use serde::{Deserialize, Serialize};

use crate::types::digest::Digest;

/// The packages of one community, which have names and versions of one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ecosystem {
    /// Alpine packages.
    Alpine,
    /// Rust crates.
    Cargo,
    /// Debian packages.
    Debian,
    /// Go modules.
    Go,
    /// A Java archive: an artifact of Maven, or a file that states no coordinates.
    Java,
    /// Node packages.
    Node,
    /// Python distributions.
    Python,
    /// RPM packages.
    Rpm,
}

impl Ecosystem {
    /// Its word in references and properties.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alpine => "apk",
            Self::Cargo => "cargo",
            Self::Debian => "deb",
            Self::Go => "golang",
            Self::Java => "java",
            Self::Node => "npm",
            Self::Python => "pypi",
            Self::Rpm => "rpm",
        }
    }
}

/// How sure it is that the package is what it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CoordinateEvidence {
    /// The package states its coordinates.
    #[default]
    Stated,
    /// Another package contains it and states its coordinates: a library in a shaded jar.
    Contained,
    /// Its coordinates are stated, but nothing of it seems to be there: a leftover of a shaded jar.
    Leftover,
    /// Only the name of its file tells.
    FileName,
    /// It is not published anywhere, such as the program itself.
    Unpublished,
}

impl CoordinateEvidence {
    /// The words for coordinates that the package does not simply state.
    #[must_use]
    pub const fn words(self) -> Option<&'static str> {
        match self {
            Self::Stated => None,
            Self::Contained => Some("contained in another package"),
            Self::Leftover => Some("stated by another package that seems to have nothing of it"),
            Self::FileName => Some("name of the file"),
            Self::Unpublished => Some("of no registry"),
        }
    }
}

/// The statements of one file about one package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// The group, scope or path before the name; empty if it has none.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The version; empty where none is known.
    pub version: String,
    /// Where in the file it is, such as `BOOT-INF/lib/a.jar`; empty for the file itself.
    pub within: String,
    /// The digest of the file or the archive within that it is.
    pub digest: Option<Digest>,
    /// Its licences, as they are stated.
    pub licences: Vec<String>,
    /// The architecture, in the words of the ecosystem.
    pub architecture: String,
    /// The name of the source package, where that is another one.
    pub source: String,
    /// How sure the coordinates are.
    pub evidence: CoordinateEvidence,
    /// More that is known, as names and values.
    pub properties: Vec<(String, String)>,
    /// The names that it needs, in the words of the ecosystem. Of one requirement with alternatives, each.
    pub requires: Vec<String>,
    /// The names that it satisfies beside its own.
    pub provides: Vec<String>,
    /// The packages of the same file that it needs, by their numbers.
    pub requires_here: Vec<u32>,
}

impl PackageFacts {
    /// A package with a name and a version.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into(), version: version.into(), ..Self::default() }
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn cost(&self) -> usize {
        const OF_A_TEXT: usize = 32;
        let texts =
            [&self.namespace, &self.name, &self.version, &self.within, &self.architecture, &self.source];
        let lists = [&self.licences, &self.requires, &self.provides];
        let of = |text: &String| OF_A_TEXT + text.len();
        256 + texts.into_iter().map(of).sum::<usize>()
            + lists.into_iter().flatten().map(of).sum::<usize>()
            + self.properties.iter().map(|(name, value)| of(name) + of(value)).sum::<usize>()
            + self.requires_here.len() * 4
    }
}
