//! Why an artifact cannot be packaged, and what to do.

use std::path::{Path, PathBuf};

use super::lfs::LFS_POINTER;
use super::words::count;
use crate::formats::elf::TRUNCATED;
use crate::formats::zip::ZipError;
use crate::layer::scan::{IGNORE_FILE, ScanError};
use crate::runtime::interrupt::Interrupted;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{Foreign, shown, shown_path, shown_start};

/// Why an artifact cannot be packaged.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Nothing there.
    #[error("`{}` does not exist", shown_path(path))]
    NotFound {
        /// The path.
        path: PathBuf,
        /// A path that exists and is spelled nearly so.
        nearest: Option<PathBuf>,
    },
    /// The system refused.
    #[error("cannot read `{}`", shown_path(path))]
    Io {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Nothing that can be packaged.
    #[error("`{}` is {is}, not an artifact that can be packaged", shown_path(path))]
    Unknown {
        /// The path.
        path: PathBuf,
        /// The kind that it seems to be.
        is: String,
        /// Whether it is an archive, or compressed, so that there may be an artifact in it.
        is_packed: bool,
        /// The signs that were looked for.
        looked_for: String,
    },
    /// A device, a pipe or a socket.
    #[error("`{}` is neither a file nor a directory, so it cannot be packaged", shown_path(path))]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// No files in it.
    #[error("`{}` has no files", shown_path(path))]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// Patterns leave out all files of it.
    #[error("{by} leaves out all files of `{}`", shown_path(path))]
    AllLeftOut {
        /// The path.
        path: PathBuf,
        /// Where the patterns are, in words.
        by: String,
    },
    /// The user says that it is something else than it is.
    #[error("`{}` is {}, not {}", shown_path(path), found, wanted)]
    NotOfKind {
        /// Where.
        path: PathBuf,
        /// The kind that the user named.
        wanted: &'static str,
        /// The kind.
        found: &'static str,
    },
    /// A kind that is recognised and no more.
    #[error("`{}` is {}, which is not supported yet", shown_path(path), kind)]
    NotSupported {
        /// The path.
        path: PathBuf,
        /// The kind.
        kind: &'static str,
    },
    /// Something about it that its kind cannot package.
    #[error("`{}` cannot be packaged: {}", shown_path(path), Foreign::new(why))]
    Unfit {
        /// The path.
        path: PathBuf,
        /// The reason.
        why: String,
        /// The next thing to do about it.
        hint: String,
    },
    /// The archive is refused.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// The directory is refused.
    #[error(transparent)]
    Scan(Box<ScanError>),
    /// Neither the settings nor the base say where it goes.
    #[error(
        "cannot tell where `{}`, {}, belongs in the image: {}",
        shown_path(path),
        kind,
        if *empty_base { "the base is empty" } else { "the base is not one of the known servers" }
    )]
    NoRoot {
        /// The path.
        path: PathBuf,
        /// The kind.
        kind: &'static str,
        /// Where artifacts of this kind go, as a hint says it.
        hint: &'static str,
        /// Whether there is no base.
        empty_base: bool,
    },
    /// Packaged layout of something that is not packed.
    #[error("`{}` is a directory, which the packaged layout cannot take", shown_path(path))]
    NotPacked {
        /// The path.
        path: PathBuf,
    },
    /// A file that cannot lie at the image's root.
    #[error("`{}` is one file and cannot be the image's root", shown_path(path))]
    FileAsRoot {
        /// The path.
        path: PathBuf,
    },
    /// A name with a slash, or no name.
    #[error("`{name}` is not a file name")]
    BadName {
        /// As given.
        name: String,
    },
    /// Symbolic links of an archive lead out of it.
    #[error(
        "{} of the archive `{}` {} out of it: {}",
        count(links.len(), "symbolic link", "symbolic links"),
        shown_path(path),
        if links.len() == 1 { "leads" } else { "lead" },
        listed(links)
    )]
    LinksLeave {
        /// The archive.
        path: PathBuf,
        /// Each link with its target.
        links: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// An entry in an archive is named like a deletion.
    #[error("`{}` in `{}` has a name that means a deletion in an image layer", shown(name), shown_path(path))]
    Whiteout {
        /// The archive.
        path: PathBuf,
        /// The entry.
        name: Vec<u8>,
    },
    /// The ELF file is damaged or no program for Linux.
    #[error("`{}` is not a program for Linux: {}", shown_path(path), Foreign::new(why))]
    NotAProgram {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

/// The links of an application, as far as a message has room for them.
fn listed(links: &[(Vec<u8>, Vec<u8>)]) -> String {
    const LINKS: usize = 100;
    const ROOM: usize = 200;
    let one = |(name, target): &(Vec<u8>, Vec<u8>)| {
        format!("`{}` to `{}`", shown_start(name, ROOM), shown_start(target, ROOM))
    };
    let mut text: Vec<String> = links.iter().take(LINKS).map(one).collect();
    if links.len() > LINKS {
        text.push(format!("and {} more", links.len() - LINKS));
    }
    text.join(", ")
}

impl From<ScanError> for ArtifactError {
    fn from(error: ScanError) -> Self {
        Self::Scan(Box::new(error))
    }
}

impl Explain for ArtifactError {
    fn kind(&self) -> Kind {
        match self {
            Self::Zip(error) => error.kind(),
            Self::Scan(error) => error.kind(),
            Self::Interrupted(error) => error.kind(),
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Interrupted(_) => None,
            Self::NotFound { .. } => Some(ErrorCode::ArtifactMissing),
            Self::Unknown { is, .. } if is == LFS_POINTER => Some(ErrorCode::ArtifactBroken),
            Self::Io { source, .. } => io_code(source, ErrorCode::FileUnreadable),
            Self::Unknown { .. }
            | Self::NotAFile { .. }
            | Self::NotOfKind { .. }
            | Self::NotSupported { .. } => Some(ErrorCode::ArtifactUnknown),
            Self::NotAProgram { why, .. } if why.starts_with(TRUNCATED) => Some(ErrorCode::ArtifactBroken),
            Self::Empty { .. }
            | Self::AllLeftOut { .. }
            | Self::Unfit { .. }
            | Self::NotPacked { .. }
            | Self::NotAProgram { .. } => Some(ErrorCode::ArtifactUnfit),
            Self::Zip(error) => error.code(),
            Self::Scan(error) => error.code(),
            Self::NoRoot { .. } | Self::FileAsRoot { .. } => Some(ErrorCode::RootUnknown),
            Self::BadName { .. } => Some(ErrorCode::SettingWrong),
            Self::LinksLeave { .. } => Some(ErrorCode::PathOutside),
            Self::Whiteout { .. } => Some(ErrorCode::PathUnfit),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotFound { nearest: Some(nearest), .. } => {
                return Some(format!("there is `{}`", shown_path(nearest)));
            }
            Self::NotFound { .. } => "check the path, or build the artifact first",
            Self::Io { .. } | Self::Interrupted(_) => return None,
            Self::Zip(error) => return error.hint(),
            Self::Scan(error) => return error.hint(),
            Self::Unknown { is_packed: true, path, .. } => {
                let name = shown_path(Path::new(path.file_name().unwrap_or_default()));
                return Some(format!(
                    "unpack it first, with `tar xf {name}` if it is a tar, and give the directory"
                ));
            }
            Self::Unknown { path, .. } if is_dockerfile(path) => return Some(take_over(path)),
            Self::Unknown { is, looked_for, .. } => match is.as_str() {
                "a program for macOS" | "a program for Windows" => "build it for Linux",
                LFS_POINTER => "`git lfs pull` fetches the file",
                _ => {
                    return Some(format!(
                        "looked for: {looked_for}; to package one file of another kind, put it into a directory and \
                         give that"
                    ));
                }
            },
            Self::NotAFile { .. } => "give a file or a directory",
            Self::Empty { .. } => "build the artifact first",
            Self::AllLeftOut { by, .. } if by.contains(IGNORE_FILE) => {
                "in `.packignore`, `*` matches at every depth: write `/*`, and behind it `!/NAME` for each file or directory \
                 that the image needs"
            }
            Self::AllLeftOut { .. } => "change the patterns",
            Self::Unfit { hint, .. } => return Some(hint.clone()),
            Self::NotOfKind { .. } => "remove `app.kind`, or give another artifact",
            Self::NotSupported { path, .. } if path.is_dir() => {
                "`app.kind = \"tree\"` copies it as it is; set `app.root`, and the entrypoint in `[config]`"
            }
            Self::NotSupported { .. } => {
                "package it as a tree: put it into a directory, give that as a `[[layer]]` with its place, and \
                 set the entrypoint in `[config]`"
            }
            Self::NoRoot { empty_base: true, path, .. } if path.join(DOCKERFILE).is_file() => {
                return Some(take_over(&path.join(DOCKERFILE)));
            }
            Self::NoRoot { empty_base: true, .. } => {
                "name a base with `--base REF` or `base` in `[image]`; on an empty one, `--root PATH` or `app.root` \
                 says where it goes"
            }
            Self::NoRoot { hint, .. } => {
                return Some(format!("set `app.root` or `--root`, {hint}"));
            }
            Self::NotPacked { .. } => "give the `.war` file, or set `app.layout` to \"exploded\"",
            Self::FileAsRoot { .. } => "set `app.root` to its path in the image, such as \"/app/server\"",
            Self::BadName { .. } => "give a name without slashes; `app.root` says where it goes",
            Self::LinksLeave { .. } => {
                "make the archive with the files that the links lead to in their place (`zip` does so without `-y`, \
                 `tar` with `-h`)"
            }
            Self::Whiteout { .. } => "rename it",
            Self::NotAProgram { why, .. } if why.starts_with(TRUNCATED) => {
                "build or copy it again: not all of it is there"
            }
            Self::NotAProgram { .. } => "give a program that was built for Linux",
        };
        Some(hint.to_owned())
    }
}
/// The usual name of a file that says how other tools build an image.
const DOCKERFILE: &str = "Dockerfile";

/// Whether a file is one by its name.
fn is_dockerfile(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == "Containerfile" || name.split('.').any(|part| part == DOCKERFILE)
}

/// The way from a Dockerfile to an artifact.
fn take_over(path: &Path) -> String {
    let name = shown_path(Path::new(path.file_name().unwrap_or_default()));
    format!(
        "pack packages what a build has made: `pack init --from {name}` writes a build.toml from the Dockerfile"
    )
}
