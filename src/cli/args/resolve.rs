//! `pack resolve`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::descriptors::DescriptorArgs;
use super::format::OutputFormat;
use super::registries::RegistryArgs;

const HELP: &str = "\
Examples:
  pack resolve -f deploy/ | kubectl apply -f -
      Build and push what `pack://NAME` names, and deploy exactly that
  pack resolve -f compose.yaml -o out/
      The same, as a file that `docker stack deploy` reads
  helm template chart/ | pack resolve -f -
      Of a chart
  pack resolve -f deploy/ --pin --in-place
      Also give the images of others their digests
  pack resolve -f deploy/ --check
      In CI: fail if an image has no digest
  pack resolve -f deploy/ --pin --update --exclude 'busybox*'
      Take the digests that the tags have now

Exit codes:
  0    Done
  1    A descriptor is broken, or no member has a name
  3    A registry failed, or does not have an image
  4    `--check` found an image without a digest";

/// Put the images that run into deployment descriptors
///
/// Replaces each `pack://NAME` by NAME:TAG@DIGEST, where NAME is a member of the workspace or the image of build.toml; it is
/// built and pushed as `pack build --push` does. Reads Kubernetes objects, kustomizations, values of Helm, Compose files and
/// Swarm stacks, Marathon's JSON, Nomad's HCL, Terraform and plain text. All other bytes stay: comments, order, quotes and
/// line ends. The result goes to standard output.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ResolveArgs {
    /// The descriptors.
    #[command(flatten)]
    pub descriptors: DescriptorArgs,

    /// Also give images of others the digest of their tag, and keep it in images.lock
    ///
    /// A digest that is in the descriptor or in images.lock stays. It is an error if a registry does not have it.
    #[arg(long, help_heading = "Images of others")]
    pub pin: bool,

    /// With `--pin`, take the digests that the tags have now
    #[arg(long, requires = "pin", help_heading = "Images of others")]
    pub update: bool,

    /// Leave images that match as they are; may be repeated
    ///
    /// A pattern such as `busybox*` or `registry.example.com/**`, of the name as it is written or with its registry.
    #[arg(long, value_name = "PATTERN", help_heading = "Images of others")]
    pub exclude: Vec<String>,

    /// The lock of images of others [default: images.lock in the directory of the project]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Images of others")]
    pub lock_file: Option<PathBuf>,

    /// Only check that each image has a digest, and fail if one has none; write and ask nothing
    ///
    /// With `--pin`, a digest in images.lock counts. A value that looks like an image in a file of no known form counts as
    /// one without a digest.
    #[arg(long, conflicts_with_all = ["update", "output", "in_place"])]
    pub check: bool,

    /// Build nothing: the images must be in their registries
    #[arg(long)]
    pub no_build: bool,

    /// Fail if build.lock would have to change
    #[arg(long)]
    pub locked: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
