//! From a path to an artifact: the table of kinds is asked in its order, and what none recognises is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ArtifactError;
use super::form::Form;
use super::glimpse::Glimpse;
use super::kind::ArtifactKind;
use super::kinds::KINDS;
use super::lfs::{LFS_POINTER, is_lfs_pointer};
use super::material::Material;
use super::options::AppOptions;
use super::proposal::Proposal;
use super::requirement::{Requirements, Search};
use super::words::alternatives;
use crate::formats::zip::ZipArchive;
use crate::layer::scan::Scanner;
use crate::oci::ConfigFile;
use crate::types::finding::Finding;
use crate::types::platform::Platform;

/// A finished build artifact.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Its kind.
    pub kind: &'static dyn ArtifactKind,
    /// Why it is taken for that, in sentences.
    pub why: Vec<String>,
    material: Arc<Material>,
}

impl Artifact {
    pub(super) fn new(kind: &'static dyn ArtifactKind, why: Vec<String>, material: Material) -> Self {
        Self { kind, why, material: Arc::new(material) }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.material.path()
    }

    /// The files beside it that belong to it.
    ///
    /// # Errors
    /// When they cannot be read or are missing.
    pub fn companions(&self) -> Result<Vec<PathBuf>, ArtifactError> {
        self.kind.companions(&self.material)
    }

    /// Its files, open for reading.
    #[must_use]
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// The open archive of a packed artifact.
    #[must_use]
    pub fn archive(&self) -> Option<&Arc<ZipArchive>> {
        self.material.archive()
    }

    /// The platform that it is for, where it is for one alone.
    #[must_use]
    pub fn platform(&self) -> Option<&Platform> {
        self.kind.platform(&self.material)
    }
}

/// The artifact at `path`. A tar archive is read into a nameless file in `scratch`.
///
/// # Errors
/// When there is nothing, it cannot be read, is damaged, or is nothing that is known; the error says what was
/// looked for.
pub fn detect(path: &Path, scratch: &Path) -> Result<Artifact, ArtifactError> {
    let glimpse = Glimpse::at(path, scratch)?;
    let (kind, why) = recognise(&glimpse)?;
    Ok(Artifact::new(kind, why, glimpse.into_material()))
}

/// The artifact at `path`, where the user says that it is a `kind`.
///
/// Of directories and archives the user may know better than their signs. A file without signs is nothing.
///
/// # Errors
/// As [`detect`], and when what is there cannot be that.
pub fn detect_as(
    path: &Path,
    kind: &'static dyn ArtifactKind,
    scratch: &Path,
) -> Result<Artifact, ArtifactError> {
    let glimpse = Glimpse::at(path, scratch)?;
    let form = glimpse.form();
    let fits = kind.forms().contains(&form) && (form != Form::File || kind.detect(&glimpse)?.is_some());
    if !fits {
        let (found, _) = recognise(&glimpse)?;
        return Err(ArtifactError::NotOfKind {
            path: path.to_owned(),
            wanted: kind.describe(),
            found: found.describe(),
        });
    }
    let why = vec![format!("`kind` says that it is {}.", kind.describe())];
    Ok(Artifact::new(kind, why, glimpse.into_material()))
}

/// Refuses an artifact that could not be packaged on any base, such as a library.
///
/// # Errors
/// As [`ArtifactKind::check`].
pub fn check_supported(artifact: &Artifact) -> Result<(), ArtifactError> {
    artifact.kind.check(artifact.material())
}

/// The layers and settings of `artifact` on a base with the configuration `base`; `None` is an empty base.
///
/// # Errors
/// As [`ArtifactKind::propose`].
pub fn propose(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    check_supported(artifact)?;
    artifact.kind.propose(artifact.material(), options, base, scanner).map_err(|error| match error {
        ArtifactError::Empty { path } if artifact.material().form() == Form::Directory => {
            match scanner.all_left_out(&path, &options.scan_options()) {
                Some(by) => ArtifactError::AllLeftOut { path, by },
                None => ArtifactError::Empty { path },
            }
        }
        error => error,
    })
}

/// The requirements that the image of `artifact` must meet.
///
/// # Errors
/// As [`ArtifactKind::requirements`].
pub fn requirements(
    artifact: &Artifact,
    options: &AppOptions,
    search: Search,
    scanner: &Scanner,
) -> Result<Requirements, ArtifactError> {
    artifact.kind.requirements(artifact.material(), options, search, scanner)
}

/// Findings about `artifact`, beside its requirements.
///
/// # Errors
/// As [`ArtifactKind::findings`].
pub fn findings(artifact: &Artifact, search: Search) -> Result<Vec<Finding>, ArtifactError> {
    artifact.kind.findings(artifact.material(), search)
}

/// The first kind of the table that recognises what is seen, and why.
fn recognise(glimpse: &Glimpse) -> Result<(&'static dyn ArtifactKind, Vec<String>), ArtifactError> {
    let form = glimpse.form();
    for kind in KINDS.iter().copied().filter(|kind| kind.forms().contains(&form)) {
        let Some(mut why) = kind.detect(glimpse)? else { continue };
        if kind.sign(form).is_none() {
            // Nothing shows it but that nothing shows another.
            why.insert(0, format!("It is {}.", without_signs(form)));
        }
        return Ok((kind, why));
    }
    let is = match form {
        Form::File => seems(glimpse.head()).to_owned(),
        form => without_signs(form),
    };
    Err(ArtifactError::Unknown {
        path: glimpse.material().path().to_owned(),
        is_packed: matches!(form, Form::Tar) || is_compressed(glimpse.head()),
        is,
        looked_for: [
            format!("a zip archive with {}", signs(Form::Archive)),
            format!("a file with {}", signs(Form::File)),
            "any directory with files".to_owned(),
        ]
        .join("; "),
    })
}

/// How messages call a tar archive.
const TAR_ARCHIVE: &str = "a tar archive";

/// The signs of all kinds in a path of this form.
fn signs(form: Form) -> String {
    let signs: Vec<&str> = {
        let possible = KINDS.iter().filter(|kind| kind.forms().contains(&form));
        possible.filter_map(|kind| kind.sign(form)).collect()
    };
    alternatives(&signs)
}

/// A path of this form in which no kind has a sign, in words.
fn without_signs(form: Form) -> String {
    let what = match form {
        Form::Directory => "a directory",
        Form::Archive => "a zip archive",
        Form::Tar => TAR_ARCHIVE,
        Form::File => "a file",
    };
    format!("{what} without {}", signs(form))
}

/// Whether a file that is no artifact may hold one.
fn is_compressed(start: &[u8]) -> bool {
    matches!(seems(start), GZIP_FILE | ZSTD_FILE | XZ_FILE)
}

const GZIP_FILE: &str = "a gzip file";
const ZSTD_FILE: &str = "a zstd file";
const XZ_FILE: &str = "an xz file";

/// A guess about an unusable file.
fn seems(start: &[u8]) -> &'static str {
    const MACH_O: [[u8; 4]; 5] = [
        [0xfe, 0xed, 0xfa, 0xce],
        [0xfe, 0xed, 0xfa, 0xcf],
        [0xce, 0xfa, 0xed, 0xfe],
        [0xcf, 0xfa, 0xed, 0xfe],
        [0xca, 0xfe, 0xba, 0xbe],
    ];
    match start {
        [] => "an empty file",
        _ if is_lfs_pointer(start) => LFS_POINTER,
        [0xca, 0xfe, 0xba, 0xbe, _, _, 0, major, ..] if *major >= 45 => "a Java class file",
        [a, b, c, d, ..] if MACH_O.contains(&[*a, *b, *c, *d]) => "a program for macOS",
        [b'M', b'Z', ..] => "a program for Windows",
        [b'#', b'!', ..] => "a script",
        [0x1f, 0x8b, ..] => GZIP_FILE,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ZSTD_FILE,
        [0xfd, b'7', b'z', b'X', b'Z', ..] => XZ_FILE,
        _ if std::str::from_utf8(start).is_ok() => "a text file",
        _ => "a file of unknown format",
    }
}
