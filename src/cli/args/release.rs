//! `pack promote`, `pack releases`, `pack rollback`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use super::format::OutputFormat;
use super::registries::RegistryArgs;
use crate::types::release::{EnvironmentChoice, Gate, ReleaseChoice};

const PROMOTE_HELP: &str = "\
SOURCE is one of:
  @ENV, IMAGE@ENV             The newest release of an environment
  ENV@N, IMAGE@ENV@N          A release by its number
  NAME[:TAG], NAME@sha256:…   An image in its registry
  store:NAME[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG]
                              An image that is sent to the registry first
IMAGE is a repository or a member of the workspace; without it, it is
the image of build.toml.
Examples:
  pack promote localhost:5000/shop/app:1.4 --to dev
  pack promote @dev --to test --reason \"passed the smoke tests\"
  pack promote localhost:5000/shop/app@test --to prod --require release:test
  pack promote localhost:5000/shop/app@test \\
      --to registry.example.com/shop/app@prod
Exit codes:
  0    The environment has the image, since now or before
  1    There is no such environment, release or image
  3    A registry or the network failed
  4    A gate is closed, a policy refuses the image, or a record was tampered
       with";

const RELEASES_HELP: &str = "\
Examples:
  pack releases prod
  pack releases prod localhost:5000/shop/app
  pack releases --files localhost:5000/shop/app@prod
  pack releases prod --json | jq -r '.releases[0].digest'
Exit codes:
  0    The history is sound
  1    There is no such environment, or a record or an image is gone
  4    A record was tampered with, or the history forks";

const ROLLBACK_HELP: &str = "\
Examples:
  pack rollback prod
      Release again what `prod` had before
  pack rollback prod --to 12 --reason \"orders fail since 13\"
  pack rollback localhost:5000/shop/app@prod
Exit codes:
  0    The environment has the image, since now or before
  1    There is no such environment or release
  3    A registry or the network failed
  4    A policy refuses the image, or a record was tampered with";

/// How a release is written.
#[derive(Clone, Debug, Args)]
pub struct ReleaseFlags {
    /// Record why, in one line
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Record who does it [default: the user of the CI system, else of this machine]
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,

    /// Also ask for what `[policy.release]` of this file asks for
    ///
    /// These rules are added to those of build.toml. The file is written as build.toml is; a build.toml can be named, too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,

    /// Do not move the tag of the environment
    ///
    /// For registries whose tags do not move. The record of the release then tells what the environment has.
    #[arg(long)]
    pub no_pointer: bool,

    /// Say what would be done, and write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Read this file instead of build.toml
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}

/// Release an image into an environment: the same digest, with a record of who, when and why
///
/// Writes a record beside the image, with a tag such as `ENV-r0003-3f2a91c4e0b2`, and lets the tag `ENV` mean the
/// image. Nothing is built. In another repository or registry, the image is copied first, with its signatures, SBOMs
/// and whatever else refers to it. An environment that has the image already gets no new record.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = PROMOTE_HELP)]
pub struct PromoteArgs {
    /// The release or image to promote
    #[arg(value_name = "SOURCE")]
    pub source: String,

    /// The environment, as `ENV` or `IMAGE@ENV`
    #[arg(long, value_name = "ENV", value_parser = EnvironmentChoice::from_str)]
    pub to: EnvironmentChoice,

    /// Refuse, unless this is there: `release:ENV`, `referrer:TYPE`, `sbom`, `provenance` or `checks`; may be repeated
    ///
    /// `release:test`: the image is or was released in `test`. `referrer:application/spdx+json`: an artifact of this type
    /// refers to the image. `sbom`, `provenance`: the image has one. `checks`: a record of its checks is attached, and they
    /// found no error. These are added to `require` of `[environment.NAME]`.
    #[arg(long, value_name = "GATE", value_parser = Gate::from_str)]
    pub require: Vec<Gate>,

    /// How the release is written.
    #[command(flatten)]
    pub release: ReleaseFlags,
}

/// List the releases of an environment: who, when, which commit, and what changed
#[derive(Clone, Debug, Args)]
#[command(after_long_help = RELEASES_HELP)]
pub struct ReleasesArgs {
    /// The environment, as `ENV` or `IMAGE@ENV`
    #[arg(value_name = "ENV", value_parser = EnvironmentChoice::from_str)]
    pub environment: EnvironmentChoice,

    /// The repository [default: the image of build.toml]
    #[arg(value_name = "IMAGE")]
    pub image: Option<String>,

    /// List so many releases, the newest ones
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: u32,

    /// Also list the paths that changed; reads the layers that differ
    #[arg(long)]
    pub files: bool,

    /// Read this file instead of build.toml
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}

/// Release again what an environment had before
///
/// A rollback is a new release that has the content of an earlier one: nothing is built, and no blob moves. Without `--to`,
/// it is the newest release with another image than the current one, so that a second rollback undoes the first. An updater
/// that follows tags may move the environment forward again; pause it first.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = ROLLBACK_HELP)]
pub struct RollbackArgs {
    /// The environment, as `ENV` or `IMAGE@ENV`
    #[arg(value_name = "ENV", value_parser = EnvironmentChoice::from_str)]
    pub environment: EnvironmentChoice,

    /// The repository [default: the image of build.toml]
    #[arg(value_name = "IMAGE")]
    pub image: Option<String>,

    /// Go back to this release, such as `3` or `r0003`
    #[arg(long, value_name = "N", value_parser = ReleaseChoice::from_str)]
    pub to: Option<ReleaseChoice>,

    /// How the release is written.
    #[command(flatten)]
    pub release: ReleaseFlags,
}
