//! `pack verify`.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueEnum, ValueHint};

use super::format::OutputFormat;
use super::places::VERIFY_HELP;
use super::registries::RegistryArgs;
use crate::types::platform::Platform;

/// Compute every digest, size and diffID of an image again, or build it again
///
/// Reads all of it, decompresses every layer, and lists everything that is not what its name says. Looks
/// at every platform unless some are named. Exit code 1 if anything is wrong.
///
/// With `--rebuild`, builds a project several times, each time with something changed that must not matter, and
/// compares the digests with each other and with the image. Names the first entry, field and byte that differs.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// The image; with `--rebuild`, the image that the builds must give
    #[arg(required_unless_present = "rebuild")]
    pub image: Option<String>,

    /// Look at this platform only; may be repeated
    #[arg(
        long = "platform", value_name = "PLATFORM", value_delimiter = ',', value_parser = Platform::from_str,
        conflicts_with = "rebuild"
    )]
    pub platforms: Vec<Platform>,

    /// Also require a signature by this public key; may be repeated, and each must have signed
    ///
    /// The image itself must be signed: for an index, the index. Signatures of `pack sign` and `cosign sign` count, as
    /// bundles and in the older form. Exit code 4 if one is missing or does not fit.
    #[arg(long = "key", value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "rebuild")]
    pub keys: Vec<PathBuf>,

    /// Also require what `[policy.base]` and `[policy.release]` of this file ask for
    ///
    /// Judges the base that the image names and the documents that are attached to the image. The file is written as
    /// build.toml is; a build.toml can be named, too. Exit code 4 with all reasons if the image does not pass.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "rebuild")]
    pub policy: Option<PathBuf>,

    /// Also require a provenance, and compare it with the image
    ///
    /// Says which of its statements follow from the image, and which cannot be known from it. With `--key`, only
    /// provenances that one of the keys signed count. Exit code 4 if none counts, or the image contradicts one that does.
    #[arg(long, conflicts_with = "rebuild")]
    pub provenance: bool,

    /// Build this project again, with other surroundings each time [default: .]
    ///
    /// Each build has an empty store of its own and writes nothing into the project. Without IMAGE, the builds are
    /// compared with the first tag of the project in its registry, if it is there.
    #[arg(
        long, value_name = "PATH", num_args = 0..=1, value_hint = ValueHint::AnyPath, help_heading = "Rebuild"
    )]
    pub rebuild: Option<Option<PathBuf>>,

    /// Leave out a build; may be repeated
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        value_delimiter = ',',
        requires = "rebuild",
        help_heading = "Rebuild"
    )]
    pub without: Vec<Perturbation>,

    /// Flags of `pack build`, as the image was built with
    #[arg(last = true, value_name = "FLAGS", requires = "rebuild")]
    pub flags: Vec<OsString>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}

/// Something that is changed for a build and must not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Perturbation {
    /// The store has everything of the first build
    Warm,
    /// One thread
    OneThread,
    /// Four threads for each processor
    ManyThreads,
    /// The working directory is `/`
    Directory,
    /// New files are for their owner alone
    #[value(name = "umask-077")]
    Umask077,
    /// New files are for everybody
    #[value(name = "umask-000")]
    Umask000,
    /// Another time zone and another language
    Locale,
    /// The user `nobody`; only root can do that
    User,
    /// A copy of the project: its files are made in reverse order and have new times, and modes of the umask 077
    Copy,
}

impl fmt::Display for Perturbation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}
