//! Why an archive is refused.

use std::path::PathBuf;

use super::entry::{MAX_NAME, TYPE_MASK};
use crate::formats::untar::UntarError;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{shown_path, shown_start};

/// How many bytes of a name a message has.
const ROOM: usize = 200;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// The system refused.
    #[error("cannot read `{}`", shown_path(path))]
    Io {
        /// The archive.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A directory, a device.
    #[error("`{}` is not a regular file", shown_path(path))]
    NotAFile {
        /// The archive.
        path: PathBuf,
    },
    /// Nothing in it.
    #[error("`{}` is empty", shown_path(path))]
    EmptyFile {
        /// The archive.
        path: PathBuf,
    },
    /// Something else.
    #[error("`{}` is not a zip archive", shown_path(path))]
    NotZip {
        /// The archive.
        path: PathBuf,
    },
    /// Begins like an archive and does not end like one.
    #[error("`{}` is a truncated zip archive, or has foreign bytes after its end", shown_path(path))]
    Truncated {
        /// The archive.
        path: PathBuf,
    },
    /// The central directory is damaged.
    #[error("the central directory of `{}` is damaged: {why}", shown_path(path))]
    Directory {
        /// The archive.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// An entry is refused.
    #[error("`{}` in `{}` {problem}", shown_start(name, ROOM), shown_path(path))]
    Entry {
        /// The archive.
        path: PathBuf,
        /// The entry's name.
        name: Vec<u8>,
        /// The fault.
        problem: EntryProblem,
    },
    /// All names together are too long.
    #[error(
        "the names in `{}`, with those of the directories that they imply, have more than {limit} bytes, the most that is \
         read of an archive",
        shown_path(path)
    )]
    Names {
        /// The archive.
        path: PathBuf,
        /// How many bytes they may have.
        limit: usize,
    },
    /// An index out of range; a caller's bug.
    #[error("`{}` has {count} entries, so none at {index}", shown_path(path))]
    NoSuchEntry {
        /// The archive.
        path: PathBuf,
        /// The requested index.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A tar archive that cannot be read.
    #[error("cannot unpack `{}`: {source}", shown_path(path))]
    Tar {
        /// The archive.
        path: PathBuf,
        /// The reason.
        source: UntarError,
    },
    /// A compressed tar archive of more bytes than one of its size has.
    #[error("`{}` unpacks to more than {limit} bytes, which is too much for its size", shown_path(path))]
    Inflated {
        /// The archive.
        path: PathBuf,
        /// How many bytes it may unpack to.
        limit: u64,
    },
    /// The contents of a tar archive cannot be kept.
    #[error("cannot unpack `{}` into `{}`", shown_path(path), shown_path(scratch))]
    Room {
        /// The archive.
        path: PathBuf,
        /// The directory for temporary files.
        scratch: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Written to since it was opened.
    #[error("`{}` was changed while it was read", shown_path(path))]
    Changed {
        /// The archive.
        path: PathBuf,
    },
}

/// A fault of an entry; continues a sentence that begins with the entry's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// No name.
    #[error("has an empty name")]
    EmptyName,
    /// Longer than any path.
    #[error("has a path of {length} bytes, more than the {MAX_NAME} that Linux can open")]
    LongName {
        /// Its length in bytes.
        length: usize,
    },
    /// Begins with a slash.
    #[error("has an absolute path")]
    Absolute,
    /// Has a part `..`.
    #[error("has a `..` in its path")]
    Parent,
    /// Has a backslash, which some programs take for a separator.
    #[error("has a backslash in its path")]
    Backslash,
    /// Has a NUL byte.
    #[error("has a NUL byte in its path")]
    Nul,
    /// Flagged as UTF-8, and none.
    #[error("has a name that is said to be UTF-8 and is not")]
    NotUtf8,
    /// Written on a system whose code page decides what the name is.
    #[error("has a name that is not UTF-8, in the code page of another system")]
    CodePage,
    /// Another name in an extra field.
    #[error("has a second name, `{}`: some programs take that one", shown_start(.0, ROOM))]
    SecondName(Vec<u8>),
    /// The same path twice.
    #[error("occurs twice")]
    Duplicate,
    /// Lies below something that is no directory.
    #[error("lies below `{}`, which is not a directory", shown_start(.0, ROOM))]
    BelowFile(Vec<u8>),
    /// Encrypted.
    #[error("is encrypted")]
    Encrypted,
    /// A difference to data that is elsewhere.
    #[error("is a patch of other data")]
    Patch,
    /// A compression method that is not read.
    #[error("is compressed with method {id} ({})", name.unwrap_or("unknown"))]
    Method {
        /// Its number.
        id: u16,
        /// Its name in the specification.
        name: Option<&'static str>,
    },
    /// A device, socket or pipe.
    #[error("is neither file, directory nor symbolic link (type {:o})", kind & TYPE_MASK)]
    Special {
        /// The type bits of its mode.
        kind: u32,
    },
    /// A hard link of a tar archive to something else than a file before it.
    #[error("is a hard link to `{}`, which is not a file before it in the archive", shown_start(.0, ROOM))]
    LinkTarget(Vec<u8>),
    /// The two sizes cannot both be true.
    #[error("declares {size} bytes from {compressed_size} compressed ones, which is impossible")]
    ImpossibleSize {
        /// Declared size.
        size: u64,
        /// Declared compressed size.
        compressed_size: u64,
    },
    /// A directory with bytes.
    #[error("is a directory with {size} bytes of content")]
    DirectoryWithContent {
        /// Declared size.
        size: u64,
    },
    /// Begins or ends where no data can be.
    #[error("lies outside the file")]
    Outside,
    /// Shares bytes with the next entry.
    #[error("overlaps the entry after it")]
    Overlap,
    /// The local header says something else than the directory.
    #[error(
        "has another {0} in its own header than in the directory of the archive: programs believe the one or the other"
    )]
    LocalHeader(&'static str),
    /// No local header where the directory says.
    #[error("has no local header at offset {offset}")]
    NoLocalHeader {
        /// Where it should be.
        offset: u64,
    },
    /// Larger than what it is read for allows.
    #[error("has {size} bytes, more than the {limit} that are read of it")]
    TooLarge {
        /// Declared size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The deflate stream is broken.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// Another size than declared.
    #[error("does not have the {declared} bytes that are declared")]
    WrongSize {
        /// Declared size.
        declared: u64,
    },
    /// Another checksum than declared.
    #[error("has CRC-32 {found:08x}, but {declared:08x} is declared")]
    WrongChecksum {
        /// Declared.
        declared: u32,
        /// Computed.
        found: u32,
    },
}

impl EntryProblem {
    const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::LimitReached,
            Self::Encrypted
            | Self::Patch
            | Self::Method { .. }
            | Self::Special { .. }
            | Self::LongName { .. } => ErrorCode::ArtifactUnfit,
            Self::ImpossibleSize { .. }
            | Self::Outside
            | Self::Damaged(_)
            | Self::WrongSize { .. }
            | Self::WrongChecksum { .. } => ErrorCode::ArtifactBroken,
            _ => ErrorCode::ArchiveUnsafe,
        }
    }
}

impl Explain for ZipError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchEntry { .. } => Kind::Bug,
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Io { source, .. } => io_code(source, ErrorCode::FileUnreadable),
            Self::NotAFile { .. } | Self::NotZip { .. } => Some(ErrorCode::ArtifactUnknown),
            Self::EmptyFile { .. } | Self::Truncated { .. } | Self::Directory { .. } => {
                Some(ErrorCode::ArtifactBroken)
            }
            Self::Entry { problem, .. } => Some(problem.code()),
            Self::Names { .. } | Self::Inflated { .. } => Some(ErrorCode::LimitReached),
            Self::Tar { source: UntarError::Ambiguous { .. } | UntarError::Sparse(_), .. } => {
                Some(ErrorCode::ArchiveUnsafe)
            }
            Self::Tar { source: UntarError::Limit { .. }, .. } => Some(ErrorCode::LimitReached),
            Self::Tar { .. } => Some(ErrorCode::ArtifactBroken),
            Self::Room { source, .. } => io_code(source, ErrorCode::FileUnwritable),
            Self::Changed { .. } => Some(ErrorCode::FileChanged),
            Self::NoSuchEntry { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "check the path, or build the artifact first"
            }
            Self::Io { .. } | Self::NoSuchEntry { .. } => return None,
            Self::NotAFile { .. } | Self::NotZip { .. } => "give the path of a zip, jar or war file",
            Self::EmptyFile { .. } | Self::Truncated { .. } | Self::Directory { .. } => {
                "build or download the archive again"
            }
            Self::Names { .. } => {
                "make the archive with fewer and shorter paths, or unpack it and give the directory"
            }
            Self::Tar { source: UntarError::Ambiguous { .. } | UntarError::Sparse(_), .. } => {
                "make the archive with GNU tar or Python's `tarfile`, or unpack it and give the directory"
            }
            Self::Tar { .. } => "build or download the archive again",
            Self::Inflated { .. } => "unpack it and give the directory",
            Self::Room { .. } => {
                "make room there or set `TMPDIR` to another directory, or unpack it and give the directory"
            }
            Self::Changed { .. } => "wait until the build that writes it has ended, then run this again",
            Self::Entry { problem, .. } => match problem {
                EntryProblem::Encrypted => "make the archive without a password",
                EntryProblem::Patch => "make the archive with whole files",
                EntryProblem::Method { .. } => "make the archive with the methods stored or deflate",
                EntryProblem::Duplicate | EntryProblem::BelowFile(_) => {
                    "make the archive so that each path is in it once"
                }
                EntryProblem::EmptyName
                | EntryProblem::Absolute
                | EntryProblem::Parent
                | EntryProblem::Backslash
                | EntryProblem::Nul => "make the archive with relative paths, separated by slashes",
                EntryProblem::Special { .. } | EntryProblem::LinkTarget(_) => "leave it out of the archive",
                EntryProblem::LongName { .. } => "make the archive with shorter paths",
                EntryProblem::NotUtf8 | EntryProblem::CodePage | EntryProblem::SecondName(_) => {
                    "make the archive with names in UTF-8, as `jar` and `zip` write them"
                }
                _ => "do not trust this archive: build or download it again",
            },
        };
        Some(hint.to_owned())
    }
}
