//! The decisions of the user about an application.

use std::str::FromStr;

use crate::layer::scan::{Rules, ScanOptions};
use crate::layer::{EntryPath, EntryPathError};

/// How a packed artifact goes into the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArtifactLayout {
    /// A Spring Boot jar as its own tools extract it: the libraries beside a thin jar of the application.
    Extracted,
    /// Unpacked, in several layers by how often they change.
    Exploded,
    /// As the one file that it is.
    Packaged,
}

/// The way in which an application with a start script starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartWay {
    /// The script.
    Script,
    /// The `java` of the base, with what the script would give it.
    Java,
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
    /// The path; `None` for the image's root.
    #[must_use]
    pub const fn path(&self) -> Option<&EntryPath> {
        match self {
            Self::Image => None,
            Self::At(path) => Some(path),
        }
    }
}

/// The decisions of the user about the application; the default decides nothing.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// Whether the user says which kind it is.
    pub is_kind_given: bool,
    /// Unpacked or not.
    pub layout: Option<ArtifactLayout>,
    /// The way in which it starts.
    pub start: Option<StartWay>,
    /// Where it goes.
    pub root: Option<AppRoot>,
    /// Whether `root` is the directory that a single file goes into, and not its path.
    pub into_root: bool,
    /// The file's name in the image: a program's, or that of a packaged WAR, without `.war`.
    pub name: Option<String>,
    /// Whether the settings say how the image starts, so that the artifact need not.
    pub has_entrypoint: bool,
    /// The words of that, where there are some, and those of `cmd` behind them.
    pub command: Vec<String>,
    /// The directory in which the settings have it start.
    pub directory: Option<String>,
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
    /// How an artifact that is a directory is scanned.
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
