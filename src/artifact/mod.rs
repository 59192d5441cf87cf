//! Artifacts: what a path on disk is, and what it becomes in an image.
//!
//! [`detect`] says what a path is, from its content and never from its name alone; [`propose`] says what goes
//! where and why; [`requirements`] says what the image must have for it to run. One file per kind.
//!
//! Invariants: a proposal is a pure function of the artifact's content, the options and the base's
//! configuration; its entries are sorted, below the application's root, and without the directories above it.
//! Nothing here compresses, writes or asks a network.

mod elf;
mod error;
mod find;
mod java;
mod node;
mod python;
pub mod requirement;
mod tree;
mod version;
mod war;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

pub use elf::ElfFacts;
pub use error::ArtifactError;
pub use find::{FindError, Found, find};
pub use requirement::{Libraries, Requirement, Requirements, ServletUse};
pub use version::{Version, version};

use crate::formats::zip::Archive;
use crate::layer::scan::{Rules, ScanError, ScanOptions, Scanner};
use crate::layer::{Entry, EntryPath, EntryPathError};
use crate::oci::ConfigFile;
use crate::runtime::input;
use crate::types::error::nearest;
use crate::types::finding::Finding;
use crate::types::platform::Platform;

/// A finished build artifact.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// Where it is.
    pub path: PathBuf,
    /// Why it is taken for that, in sentences.
    pub why: Vec<String>,
    source: Source,
}

/// What was opened to see what an artifact is, kept so that it is opened once.
#[derive(Clone, Debug)]
enum Source {
    Directory,
    Archive(Arc<Archive>),
    Elf(ElfFacts, crate::layer::Stamp),
}

/// The kinds of artifacts that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArtifactKind {
    /// A Java web application, packed or as a directory.
    War,
    /// A static web site.
    Site,
    /// Any other directory.
    Tree,
    /// An ELF program.
    Binary,
    /// An executable Spring Boot archive.
    SpringBoot,
    /// Another Java archive.
    Jar,
    /// A Node.js application.
    Node,
    /// A Python application or virtual environment.
    Python,
}

impl ArtifactKind {
    /// What people call it, with its article.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::War => "a web application (WAR)",
            Self::Site => "a static site",
            Self::Tree => "a directory",
            Self::Binary => "an ELF program",
            Self::SpringBoot => "a Spring Boot archive",
            Self::Jar => "a Java archive",
            Self::Node => "a Node.js application",
            Self::Python => "a Python application",
        }
    }
}

/// How a packed artifact goes into the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Unpacked, in several layers by how often they change.
    Exploded,
    /// As the one file that it is.
    Packaged,
}

/// Where an application goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppRoot {
    /// The image's root: the artifact is a root file system.
    Image,
    /// A directory; for a program, the program's own path.
    At(EntryPath),
}

impl FromStr for AppRoot {
    type Err = EntryPathError;

    fn from_str(text: &str) -> Result<Self, EntryPathError> {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'/') {
            return Ok(Self::Image);
        }
        EntryPath::new(text.as_bytes()).map(Self::At)
    }
}

impl AppRoot {
    const fn path(&self) -> Option<&EntryPath> {
        match self {
            Self::Image => None,
            Self::At(path) => Some(path),
        }
    }
}

/// What the user decided about the application; the default decides nothing.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// Unpacked or not.
    pub layout: Option<Layout>,
    /// Where it goes.
    pub root: Option<AppRoot>,
    /// The file's name in the image: a program's, or that of a packaged WAR, without `.war`.
    pub name: Option<String>,
    /// Modes, owners, time, and what else is allowed.
    pub rules: Rules,
    /// Whether `security.capability` and `user.*` attributes are kept.
    pub xattrs: bool,
    /// Of a directory, only what matches one of these globs; empty for all.
    pub include: Vec<String>,
    /// Of a directory, nothing that matches one of these globs.
    pub exclude: Vec<String>,
}

impl AppOptions {
    /// What is looked at of an artifact that is a directory.
    #[must_use]
    pub fn scan_options(&self) -> ScanOptions {
        ScanOptions {
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            ignore_file: true,
            xattrs: self.xattrs,
            directories: self.rules.keeps_what_directories_have(),
            published: self.rules.file_mode.is_none() && !self.rules.keep_modes,
        }
    }
}

/// What an artifact becomes in an image.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// The layers, bottom first, none of them empty.
    pub layers: Vec<ProposedLayer>,
    /// What the application owns: its directory or its one file; `None` is the image's root.
    pub app_root: Option<EntryPath>,
    /// Entrypoint, where the artifact decides it; else the base's stays.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments, where the artifact decides them.
    pub cmd: Option<Vec<String>>,
    /// Platform, where the artifact decides it.
    pub platform: Option<Platform>,
    /// Places at which something of the base would run in the application's stead.
    pub replaces: Vec<EntryPath>,
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
    /// What is in it and why, in one sentence.
    pub why: String,
    /// Its entries, sorted by path.
    pub entries: Vec<Entry>,
    /// Whether it is made of packages that change one by one, so that it may be split where it is large.
    pub is_divisible: bool,
}

impl Artifact {
    /// The facts of an ELF program; `None` for other kinds.
    #[must_use]
    pub const fn elf(&self) -> Option<&ElfFacts> {
        match &self.source {
            Source::Elf(facts, _) => Some(facts),
            _ => None,
        }
    }

    /// The open archive of a packed artifact.
    #[must_use]
    pub const fn archive(&self) -> Option<&Arc<Archive>> {
        match &self.source {
            Source::Archive(archive) => Some(archive),
            _ => None,
        }
    }
}

/// What is at `path`.
///
/// # Errors
/// When there is nothing, it cannot be read, is damaged, or is nothing that is known; the error says what was
/// looked for.
pub fn detect(path: &Path) -> Result<Artifact, ArtifactError> {
    let metadata = std::fs::metadata(path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            ArtifactError::NotFound { path: path.to_owned(), nearest: nearest_sibling(path) }
        } else {
            ArtifactError::Io { path: path.to_owned(), source }
        }
    })?;
    if metadata.is_dir() {
        return detect_directory(path);
    }
    if !metadata.is_file() {
        return Err(ArtifactError::Unknown { path: path.to_owned(), is: "neither a file nor a directory" });
    }
    let mut start = Vec::with_capacity(512);
    input::open(path)
        .and_then(|(file, _)| file.take(512).read_to_end(&mut start))
        .map_err(|source| ArtifactError::Io { path: path.to_owned(), source })?;
    if start.starts_with(b"\x7fELF") {
        return elf::detect(path, crate::layer::Stamp::of(&metadata));
    }
    // An executable jar begins with a script, so anything else may be an archive if its name says so.
    let named = path.extension().is_some_and(|extension| {
        ["jar", "war", "zip"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    if Archive::is_zip(&start) || named {
        return java::detect_archive(path, Arc::new(Archive::open(path)?));
    }
    Err(ArtifactError::Unknown { path: path.to_owned(), is: guess(&start) })
}

/// What is at `path`, where the user says that it is a `kind`.
///
/// # Errors
/// As [`detect`], and when what is there cannot be that.
pub fn detect_as(path: &Path, kind: ArtifactKind) -> Result<Artifact, ArtifactError> {
    let directories = [
        ArtifactKind::War,
        ArtifactKind::Site,
        ArtifactKind::Tree,
        ArtifactKind::SpringBoot,
        ArtifactKind::Jar,
        ArtifactKind::Node,
        ArtifactKind::Python,
    ];
    let why = vec!["The build file says so.".to_owned()];
    if path.is_dir() && directories.contains(&kind) {
        return Ok(Artifact { kind, path: path.to_owned(), why, source: Source::Directory });
    }
    let detected = detect(path)?;
    let archives = [ArtifactKind::War, ArtifactKind::SpringBoot, ArtifactKind::Jar];
    let fits = match detected.source {
        Source::Directory => false,
        Source::Archive(_) => archives.contains(&kind),
        Source::Elf(..) => kind == ArtifactKind::Binary,
    };
    if fits {
        return Ok(Artifact { kind, why, ..detected });
    }
    Err(ArtifactError::NotOfKind { path: path.to_owned(), wanted: kind, found: detected.kind })
}

/// Refuses an artifact of a kind that is recognised and no more.
///
/// # Errors
/// For such a kind.
pub fn check_supported(artifact: &Artifact) -> Result<(), ArtifactError> {
    match artifact.kind {
        ArtifactKind::War | ArtifactKind::Binary | ArtifactKind::Site | ArtifactKind::Tree => Ok(()),
        kind => Err(ArtifactError::NotSupported { path: artifact.path.clone(), kind }),
    }
}

/// What becomes of `artifact` on a base with the configuration `base`; `None` is an empty base.
///
/// # Errors
/// When it cannot be read or is damaged, when the base does not say where it belongs and neither do the
/// options, when it cannot run on an empty base, and for kinds that are not supported yet.
pub fn propose(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Proposal, ArtifactError> {
    check_supported(artifact)?;
    match (artifact.kind, &artifact.source) {
        (ArtifactKind::War, Source::Archive(archive)) => {
            war::propose_archive(artifact, archive, options, base)
        }
        (ArtifactKind::War, _) => war::propose_directory(artifact, options, base, scanner),
        (ArtifactKind::Binary, Source::Elf(facts, stamp)) => elf::propose(artifact, facts, *stamp, options),
        (ArtifactKind::Site | ArtifactKind::Tree, _) => tree::propose(artifact, options, base, scanner),
        (kind, _) => Err(ArtifactError::NotSupported { path: artifact.path.clone(), kind }),
    }
}

/// What `artifact` requires of its image: a function of its content and the options.
///
/// `base` decides how far a search goes, not what it finds: a web application is searched for the servlet API that the
/// base's container runs.
///
/// # Errors
/// When the artifact cannot be read.
pub fn requirements(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    scanner: &Scanner,
) -> Result<Requirements, ArtifactError> {
    match (artifact.kind, &artifact.source) {
        (ArtifactKind::War, _) => war::requirements(artifact, options, base, scanner),
        (ArtifactKind::Binary, Source::Elf(facts, _)) => elf::requirements(artifact, facts, options),
        _ => Ok(Requirements::none(artifact.path.clone())),
    }
}

/// What is to be said of `artifact` on a base with the configuration `base`, beside what it requires.
///
/// # Errors
/// When it cannot be read.
pub fn findings(artifact: &Artifact, base: Option<&ConfigFile>) -> Result<Vec<Finding>, ArtifactError> {
    match &artifact.source {
        Source::Elf(facts, _) => elf::findings(artifact, facts, base),
        _ => Ok(Vec::new()),
    }
}

/// In the order of how sure the signs are.
fn detect_directory(path: &Path) -> Result<Artifact, ArtifactError> {
    let io = |source| ArtifactError::Io { path: path.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().into_encoded_bytes());
    }
    names.sort_unstable();
    if names.is_empty() {
        return Err(ArtifactError::Empty { path: path.to_owned() });
    }
    let has = |name: &str| names.binary_search_by(|known| known[..].cmp(name.as_bytes())).is_ok();
    let found =
        |kind, why: Vec<String>| Ok(Artifact { kind, path: path.to_owned(), why, source: Source::Directory });
    if has("WEB-INF") && path.join("WEB-INF").is_dir() {
        return found(
            ArtifactKind::War,
            vec!["It is a directory with `WEB-INF/`, an unpacked WAR.".to_owned()],
        );
    }
    if let Some((kind, why)) = java::detect_directory(path)? {
        return found(kind, why);
    }
    if let Some(why) = python::detect(&names) {
        return found(ArtifactKind::Python, why);
    }
    if has("package.json")
        && let Some(why) = node::detect(path, has("node_modules"))?
    {
        return found(ArtifactKind::Node, why);
    }
    for index in ["index.html", "index.htm"] {
        if has(index) {
            return found(ArtifactKind::Site, vec![format!("It is a directory with `{index}` at its top.")]);
        }
    }
    let why = "It is a directory without `WEB-INF/`, a Spring Boot manifest, `package.json` with a start \
               script, installed Python distributions, or `index.html`: its files are taken as they are.";
    found(ArtifactKind::Tree, vec![why.to_owned()])
}

/// The bytes of a file that says what a directory is; `None` where there is none, or a directory of that name.
fn read_if_file(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
    match input::read(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(ArtifactError::Io { path: path.to_owned(), source }),
    }
}

/// A sibling with nearly the same name.
fn nearest_sibling(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let parent = path.parent()?;
    let place = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let mut names: Vec<String> = std::fs::read_dir(place)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    nearest(name, names.iter().map(String::as_str)).map(|name| parent.join(name))
}

/// What an unusable file seems to be.
fn guess(start: &[u8]) -> &'static str {
    const MACH_O: [[u8; 4]; 5] = [
        [0xfe, 0xed, 0xfa, 0xce],
        [0xfe, 0xed, 0xfa, 0xcf],
        [0xce, 0xfa, 0xed, 0xfe],
        [0xcf, 0xfa, 0xed, 0xfe],
        [0xca, 0xfe, 0xba, 0xbe],
    ];
    match start {
        [] => "an empty file",
        [0xca, 0xfe, 0xba, 0xbe, _, _, 0, major, ..] if *major >= 45 => "a Java class file",
        [a, b, c, d, ..] if MACH_O.contains(&[*a, *b, *c, *d]) => "a program for macOS",
        [b'M', b'Z', ..] => "a program for Windows",
        [b'#', b'!', ..] => "a script",
        [0x1f, 0x8b, ..] => "a gzip file",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd file",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "an xz file",
        _ if start.get(257..262) == Some(b"ustar") => "a tar archive",
        _ if std::str::from_utf8(start).is_ok() => "a text file",
        _ => "a file of unknown format",
    }
}

/// Where `artifact` goes by the options, or by `by_base`.
fn root_of(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
    by_base: impl FnOnce(&ConfigFile) -> Option<(EntryPath, String)>,
) -> Result<(AppRoot, Option<String>), ArtifactError> {
    if let Some(root) = &options.root {
        return Ok((root.clone(), None));
    }
    match base.and_then(by_base) {
        Some((path, why)) => Ok((AppRoot::At(path), Some(why))),
        None => Err(ArtifactError::NoRoot {
            path: artifact.path.clone(),
            kind: artifact.kind,
            empty_base: base.is_none(),
        }),
    }
}

/// The only part of a scan that is a fact of the artifact and not of one file.
fn not_empty(path: &Path, layers: &[ProposedLayer]) -> Result<(), ArtifactError> {
    if layers.iter().all(|layer| layer.entries.iter().all(Entry::is_directory)) {
        return Err(ArtifactError::Empty { path: path.to_owned() });
    }
    Ok(())
}

impl From<ScanError> for ArtifactError {
    fn from(error: ScanError) -> Self {
        Self::Scan(Box::new(error))
    }
}

/// `1 file`, `2 files`.
fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests;
