//! The arguments that `build` and `plan` share.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueEnum, ValueHint};

use super::policy::PolicyArgs;
use super::registries::RegistryArgs;
use super::values::{absolute, image_name, percent, repository};
use crate::artifact::KINDS;
use crate::types::platform::Platform;
use crate::types::reference::Repository;

/// The long help of `--app`, with all kinds of artifacts.
fn app_help() -> String {
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
    format!(
        "Add an artifact to PATH, or to those of build.toml; may be repeated\n\nKIND is a kind of artifact: {}. It is \
         detected where it is not given. ROOT is the place in the image: `--app docs:site=/srv/docs`. The image has all \
         artifacts, in the order in which they are written",
        kinds.join(", ")
    )
}

/// The arguments that `build` and `plan` share.
#[derive(Clone, Debug, Default, Args)]
pub struct ImageArgs {
    /// A directory with a build.toml, or an artifact [default: .]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: Option<PathBuf>,

    /// Read this file instead of build.toml
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Push to the registry of the image's name; short for `-o registry`
    #[arg(long, help_heading = "Output", conflicts_with = "offline")]
    pub push: bool,

    /// Write to `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`, `docker` or `registry`
    ///
    /// May be repeated. Without it and without `--push`, the image goes to the local store, where `pack
    /// inspect NAME:TAG` finds it.
    #[arg(short, long = "output", value_name = "OUTPUT", help_heading = "Output")]
    pub outputs: Vec<String>,

    /// Tag the image; replaces the tags of build.toml
    ///
    /// May be repeated, and may have templates: `{git.short}`, `{git.commit}`, `{git.branch}`, `{git.time}`,
    /// `{version}`, `{env.NAME}`. `latest` is only ever set if it is written here or in build.toml.
    #[arg(short, long = "tag", value_name = "TAG", help_heading = "Image")]
    pub tags: Vec<String>,

    /// The image to build on
    ///
    /// A name, which is the registry's, `store:NAME` in the local store, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`,
    /// `docker-archive:FILE[:TAG]`, or `scratch` for nothing.
    #[arg(long, value_name = "REF", help_heading = "Image")]
    pub base: Option<String>,

    /// The image's name, without a tag, such as localhost:5000/shop/app
    #[arg(long, value_name = "NAME", value_parser = image_name, help_heading = "Image")]
    pub name: Option<Repository>,

    /// Add an artifact to PATH, or to those of build.toml; may be repeated
    #[arg(long = "app", value_name = "PATH[:KIND][=ROOT]", help_heading = "Image", long_help = app_help())]
    pub apps: Vec<String>,

    /// Where in the image the first artifact goes; the default comes from its kind and the base
    ///
    /// A program gets this path; with a slash at the end it is the directory that the program goes into.
    #[arg(long, value_name = "PATH", value_parser = absolute, help_heading = "Image")]
    pub root: Option<String>,

    /// Unpack the first artifact into layers by how often they change, or copy it as one file
    #[arg(long, value_enum, help_heading = "Image")]
    pub layout: Option<LayoutFlag>,

    /// Build for this platform, such as linux/arm64; may be repeated
    ///
    /// The default is every platform that both the base and the artifact offer.
    #[arg(
        long = "platform", value_name = "PLATFORM", value_delimiter = ',', value_parser = Platform::from_str,
        help_heading = "Image"
    )]
    pub platforms: Vec<Platform>,

    /// Compress layers with `gzip`, `estargz`, `soci`, `zstd` or `none`, with a level after a colon: `zstd:9`
    ///
    /// `estargz` and `soci` are gzip with a table of contents, in the layer or beside the image, for runtimes that
    /// start a container before its image is there.
    #[arg(long, value_name = "FORMAT[:LEVEL]", help_heading = "Image")]
    pub compression: Option<String>,

    /// Set a key of build.toml, such as config.user=1000; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = "Image")]
    pub set: Vec<String>,

    /// The policy about findings.
    #[command(flatten)]
    pub checks: PolicyArgs,

    /// Read the cache in the registry when pushing, even if build.toml says otherwise
    ///
    /// A layer that another machine built from the same files is not built again. This is the default of builds that
    /// push and write nothing else.
    #[arg(long, help_heading = "Cache", overrides_with = "no_cache_from")]
    pub cache_from: bool,

    /// Do not read the cache in the registry
    #[arg(long, help_heading = "Cache", overrides_with = "cache_from")]
    pub no_cache_from: bool,

    /// Keep the cache in this repository, not in the image's own
    #[arg(long, value_name = "NAME", value_parser = repository, help_heading = "Cache")]
    pub cache_repo: Option<Repository>,

    /// Build this share of the layers that the cache has anyway, and compare
    #[arg(long, value_name = "PERCENT", value_parser = percent, help_heading = "Cache")]
    pub cache_verify: Option<u8>,

    /// Fail if build.lock would have to change
    #[arg(long)]
    pub locked: bool,

    /// Use no network: the base must be in the local store or on disk
    #[arg(long)]
    pub offline: bool,

    /// Refuse a build file that reaches beyond its directory, as for the pull request of a stranger
    ///
    /// It may then name no path outside of its directory, no environment variable, no mirror, no lowered TLS and no
    /// other cache; `.git` may not name a repository that does not know the directory; a push needs `--name`, and its
    /// tags `--tag`.
    #[arg(long)]
    pub untrusted: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,
}

impl ImageArgs {
    /// The outputs, with `--push` as the `registry` that it stands for.
    #[must_use]
    pub fn all_outputs(&self) -> Vec<&str> {
        let push = self.push && !self.outputs.iter().any(|output| output == "registry");
        push.then_some("registry").into_iter().chain(self.outputs.iter().map(String::as_str)).collect()
    }
}

/// How an archive goes into the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayoutFlag {
    /// A Spring Boot jar as its own tools extract it: libraries beside a thin jar
    Extracted,
    /// Unpacked, in layers by how often they change
    Exploded,
    /// As one file
    Packaged,
}

impl LayoutFlag {
    /// As `build.toml` spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extracted => "extracted",
            Self::Exploded => "exploded",
            Self::Packaged => "packaged",
        }
    }
}
