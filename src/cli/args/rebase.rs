//! `pack rebase`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use super::format::OutputFormat;
use super::policy::PolicyArgs;
use super::registries::RegistryArgs;
use super::retag::RetagArgs;
use super::values::new_tag;
use crate::types::platform::Platform;
use crate::types::reference::Tag;

const HELP: &str = "\
Examples:
  pack rebase localhost:5000/shop/app:1.0 --base tomcat:10.1.30 -t 1.0-patched
  pack rebase oci:images:1.0 --old-base debian:12.5 --base debian:12.6 -t 1.1
  pack rebase localhost:5000/shop/app:1.0 --base tomcat:10.1.30 -t 1.1 \\
      --policy rules.toml
Exit codes:
  0    The image is on the new base, since now or before
  1    The image is not on the old base, or a file is not valid
  3    A registry or the network failed
  4    A policy refuses the new base, or the image would not run on it";

/// Put an image's own layers on another base, without a build
///
/// Takes the layers that an image has on top of its base, puts them on the new base, and derives the configuration
/// again as a build does: the new base's values, and the image's own over them. No layer is read or built. The result
/// goes where the image is, under the new tag. Refuses a base on which the image would surely not run: another
/// platform or C library, an older Java, another generation of the servlet container.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct RebaseArgs {
    /// The image: a name in a registry, `store:NAME` or `oci:DIR[:TAG]`
    pub image: String,

    /// The new base: a name in a registry, `store:NAME`, `oci:DIR[:TAG]` or an archive
    #[arg(long, value_name = "REF")]
    pub base: String,

    /// Tag the result, where the image is; may be repeated
    #[arg(short, long = "tag", value_name = "TAG", required = true, value_parser = new_tag)]
    pub tags: Vec<Tag>,

    /// The base that the image is on now [default: from its annotations or labels]
    #[arg(long, value_name = "REF")]
    pub old_base: Option<String>,

    /// Rebase only the image for this platform; the default is every image of an index
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// Rebase in spite of a refusal, with a warning
    #[arg(long)]
    pub force: bool,

    /// Read the layers of both bases and of the image, where nothing else tells what they have
    #[arg(long)]
    pub read_bases: bool,

    /// Also refuse a new base that `[policy.base]` of this file does not allow
    ///
    /// These rules are added to those of build.toml, which hold for its own image. The file is written as build.toml is; a
    /// build.toml can be named, too. Exit code 4 with all reasons.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,

    /// The policy about findings.
    #[command(flatten)]
    pub checks: PolicyArgs,

    /// The rule about tags that are taken.
    #[command(flatten)]
    pub retag: RetagArgs,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
