//! Why nothing can be built.

use std::io;
use std::path::{Path, PathBuf};

use crate::formats::json::JsonError;
use crate::layer::scan::ScanError;
use crate::layer::{ContentError, EntryPathError, SpecError};
use crate::runtime::interrupt::Interrupted;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::platform::Platform;
use crate::types::shown::{listed, shown_path};

/// Why nothing can be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The compressed form of a file cannot be kept.
    #[error("cannot keep the compressed file `{path}`")]
    Sibling {
        /// Its path in the image.
        path: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Neither an artifact nor a layer.
    #[error("there is nothing to build: neither an artifact nor a `[[layer]]`")]
    Nothing,
    /// `--locked`, and the base is not in the lock.
    #[error("`build.lock` does not pin the base `{0}`, and `--locked` forbids to change it")]
    NotLocked(String),
    /// A tree with changes that no commit has, where these are refused.
    #[error("the working tree has uncommitted changes{}, and a strict build refuses them", first_of(.0.as_deref()))]
    UncommittedChanges(Option<PathBuf>),
    /// A level that the encoder does not have.
    #[error("`{0}` is not a compression that can be written")]
    Level(String),
    /// Something to copy that is not there.
    #[error("cannot read `{}`: {source}", shown_path(path))]
    Missing {
        /// What.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A layer whose packages are to be listed.
    #[error("the layer {digest} cannot be read: {source}")]
    Unreadable {
        /// The layer.
        digest: Digest,
        /// The reason.
        source: io::Error,
    },
    /// An input that a provenance is to name by its digest.
    #[error("cannot read `{}` for the provenance: {source}", shown_path(path))]
    Input {
        /// The input.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A statement that cannot be written.
    #[error("a statement about the image cannot be written: {0}")]
    Statement(JsonError),
    /// A name that cannot be a path in an image.
    #[error(transparent)]
    Path(EntryPathError),
    /// Entries that are no layer.
    #[error(transparent)]
    Spec(SpecError),
    /// A file that cannot be read.
    #[error(transparent)]
    Content(ContentError),
    /// One file that is to be copied and cannot be.
    #[error(transparent)]
    OneFile(ScanError),
    /// The facts about a layer turned out to be wrong.
    #[error("layer `{layer}` is remembered as {expected}, and building it gave {found}")]
    Poisoned {
        /// The layer.
        layer: String,
        /// From the memo or the cache in a registry.
        expected: String,
        /// Built.
        found: String,
    },
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Another image of the same run failed, and all were to stop then.
    #[error("another image of this run failed")]
    Stopped,
    /// Another image of the same run failed, and no other was to begin then.
    #[error("another image of this run failed before this one began")]
    NotStarted,
    /// More layers than runtimes take.
    #[error("the image would have {0} layers, more than the 127 that overlay file systems stack")]
    TooManyLayers(usize),
    /// The layers of Windows have another form.
    #[error(
        "an image for {0} cannot be built: the layers of Windows have a form of their own, and pack makes those of Linux"
    )]
    Windows(Platform),
    /// A base for several platforms, none of which can be built for.
    #[error("the base `{base}` has images for {}, and none for linux", list(.offered))]
    NoLinux {
        /// The base.
        base: String,
        /// The platforms that it has.
        offered: Vec<Platform>,
    },
    /// The base's image for one of its platforms cannot be used.
    #[error("cannot build for {platform}, one of the platforms of the base: {error}")]
    OnePlatform {
        /// Which.
        platform: Platform,
        /// The others.
        others: Vec<Platform>,
        /// Why.
        error: BoxedError,
    },
    /// A thread of ours died.
    #[error("a worker thread panicked")]
    Panicked,
}

impl Explain for BuildError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotLocked(_) | Self::UncommittedChanges(_) => Kind::Policy,
            Self::Interrupted(_)
            | Self::Stopped
            | Self::NotStarted
            | Self::Content(ContentError::Interrupted(_)) => Kind::Interrupted,
            Self::Panicked => Kind::Bug,
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sibling { source, .. } | Self::Unreadable { source, .. } => {
                io_code(source, ErrorCode::StoreUnusable)
            }
            Self::Nothing => Some(ErrorCode::NothingToBuild),
            Self::NotLocked(_) => Some(ErrorCode::LockMissing),
            Self::UncommittedChanges(_) => Some(ErrorCode::DirtyTree),
            Self::Level(_) => Some(ErrorCode::SettingWrong),
            Self::Missing { source, .. } | Self::Input { source, .. } => {
                io_code(source, ErrorCode::FileUnreadable)
            }
            Self::Path(_) => Some(ErrorCode::PathUnfit),
            Self::Spec(SpecError::Whiteout { .. }) => Some(ErrorCode::PathUnfit),
            Self::Spec(_) => Some(ErrorCode::PathConflict),
            Self::Content(error) => error.code(),
            Self::OneFile(error) => error.code(),
            Self::Poisoned { .. } => Some(ErrorCode::StoreDamaged),
            Self::TooManyLayers(_) => Some(ErrorCode::LimitReached),
            Self::Windows(_) | Self::NoLinux { .. } => Some(ErrorCode::PlatformMissing),
            Self::OnePlatform { error, .. } => error.code(),
            Self::Statement(_) | Self::Interrupted(_) | Self::Stopped | Self::NotStarted | Self::Panicked => {
                None
            }
        }
    }

    fn is_laid_out(&self) -> bool {
        matches!(self, Self::OnePlatform { error, .. } if error.is_laid_out())
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nothing => {
                "name one: `pack build target/app.war`, or write `[app] path` into build.toml".into()
            }
            Self::NotLocked(_) => {
                "run `pack build` without `--locked`, or `pack update`, and commit build.lock".into()
            }
            Self::UncommittedChanges(_) => {
                "commit them, or add them to .gitignore; `--allow-dirty` builds all the same, and so does `strict = \
                 false` in `[image]`, which is `true` by default where a CI system sets CI"
                    .into()
            }
            Self::Level(_) => "gzip has levels 1 to 9, zstd 1 to 19".into(),
            Self::Missing { source, path }
                if source.kind() == io::ErrorKind::NotFound && path.is_symlink() =>
            {
                "it is a symbolic link that leads nowhere".into()
            }
            Self::Missing { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "paths are relative to the directory of build.toml".into()
            }
            Self::Content(error) => return error.hint(),
            Self::Windows(_) | Self::NoLinux { .. } => "use a base for linux".into(),
            Self::OnePlatform { others, .. } => {
                let others: Vec<String> = others.iter().map(|platform| format!("\"{platform}\"")).collect();
                format!("to build without it, write `platforms = [{}]` into `[image]`", others.join(", "))
            }
            Self::OneFile(error) => match error {
                ScanError::Special { .. } => "`keep-modes = true` beside `from` takes it as it is".into(),
                ScanError::Socket { .. } => "give another path".into(),
                ScanError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                    "make it readable".into()
                }
                error => return error.hint(),
            },
            Self::Spec(SpecError::Whiteout { .. }) => "give it another name".into(),
            Self::Spec(_) => "give one of them another place".into(),
            Self::Poisoned { .. } => "run `pack cache prune --all`: the cache was tampered with".into(),
            _ => return None,
        })
    }
}

/// The first of many paths, where it is known.
fn first_of(path: Option<&Path>) -> String {
    path.map(|path| format!(" (the first is `{}`)", shown_path(path))).unwrap_or_default()
}

fn list(platforms: &[Platform]) -> String {
    listed(platforms, "", ", ")
}
