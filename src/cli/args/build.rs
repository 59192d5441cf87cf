//! `pack build`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::attest::AttestArgs;
use super::files::FileArgs;
use super::format::OutputFormat;
use super::image::ImageArgs;
use super::retag::RetagArgs;
use super::shards::ResultArgs;
use super::values::output_file;
use super::workspace::WorkspaceArgs;

const BUILD_HELP: &str = "\
Examples:
  pack build
      Build what ./build.toml describes into the local store
  pack build --push
      Build, and push under the name and tags of build.toml
  pack build app.war --base tomcat:10 --name localhost:5000/shop/app --push
      Build without a build.toml
  pack build -o oci-archive:app.tar
      Write a file that `skopeo`, `podman` and `docker load` read
  pack build -o docker
      Load into the running Docker or Podman
  pack build --push --cache-to
      In CI that you trust: let other machines take its layers
  pack build --push --ci github
      In a step of GitHub Actions: leave outputs and a summary
  pack build --workspace --push
      Build all members of a workspace in one run, and push what changed
  pack build -p cart -p 'api-*' --changed-since origin/main --keep-going
      Some of them, if they changed since a revision of git
  pack build --workspace --push --shard 2/4 --results 2.json
      The second of four parts, on a machine of its own
  pack build --push --sbom --sign --key pack.key
      Attach the list of packages and a signature, and then move the tags
  pack build --locked --set config.user=1000
      In CI: on exactly the base of build.lock, with one setting changed
  pack build --push --watch
      Build and push again whenever a file changes, until Ctrl-C
  pack build --push --explain --timings
      Say what was reused and why the rest was not, and where the time went

Environment:
  PACK_NAME, PACK_BASE, PACK_TAGS, PACK_PLATFORMS, PACK_COMPRESSION,
  PACK_JOBS, PACK_OFFLINE, PACK_LOCKED, PACK_UNTRUSTED
      As the flags of the same names; a flag wins over a variable, and a
      variable over build.toml
  PACK_CACHE_DIR
      The local store
  COSIGN_PASSWORD
      The password of the key that signs
  SOURCE_DATE_EPOCH
      The time that the image and its files have, in seconds since 1970
  DOCKER_CONFIG, REGISTRY_AUTH_FILE, DOCKER_AUTH_CONFIG
      Where logins are
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE
      How registries are reached; so do ~/.config/pack/config.toml and the
      files of Docker and Podman (certs.d, registries.conf, daemon.json)

Exit codes:
  0    Done
  1    Something is wrong with the input: a file, a setting, an artifact
  2    The command line cannot be understood
  3    A registry or the network failed
  4    A policy refused, such as `--locked`, or a tag that is taken
  70   A bug in `pack`
  130  Interrupted; nothing that a tag resolves to was changed";

/// Build an image from a finished artifact, and push it
///
/// Takes a finished artifact (a Java, Node.js or Python application, a static site, a directory, a binary), lays it in
/// layers on a base image and writes the result to the local store, a registry, a layout or an archive. Unchanged parts of the last build are
/// not read, compressed, hashed or sent again. The same inputs give the same digest on any machine.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = BUILD_HELP)]
pub struct BuildArgs {
    /// The image to build.
    #[command(flatten)]
    pub image: ImageArgs,

    /// The rule about tags that are taken.
    #[command(flatten)]
    pub retag: RetagArgs,

    /// Build from a working tree with uncommitted changes where `strict` refuses that
    ///
    /// `strict = true` in `[image]` refuses it, and is the default where a CI system sets CI. The image says that its
    /// commit was changed.
    #[arg(long, help_heading = "Image")]
    pub allow_dirty: bool,

    /// The members of a workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArgs,

    /// Go on with the other members of a workspace when one fails
    ///
    /// Without it no other member begins then; those that are under way go on. Finished images are told in both cases, and
    /// the exit code is that of the first member that failed.
    #[arg(long, help_heading = "Workspace")]
    pub keep_going: bool,

    /// The results that a run of members hands on.
    #[command(flatten)]
    pub handed_on: ResultArgs,

    /// Add the layers of this build to the cache in the registry, when pushing
    ///
    /// Only for builds that you trust: the machines that read the cache take these layers as they are.
    #[arg(long, help_heading = "Cache")]
    pub cache_to: bool,

    /// The documents that are attached.
    #[command(flatten, next_help_heading = "Attached documents")]
    pub attest: AttestArgs,

    /// The files about the result.
    #[command(flatten)]
    pub files: FileArgs,

    /// Say at each stage what was reused, and why the rest was not
    ///
    /// For the build as a whole, then for each layer: which files were not read, whether the layer was known,
    /// which paths changed and how, how much was encoded, and how it came to each destination. On stderr, or
    /// with `--json` as `explanation`.
    #[arg(long)]
    pub explain: bool,

    /// Write where the time went to this file: a page, or a trace if it ends in `.json` [default: pack-timings.html]
    ///
    /// The page needs no network and no other file. The trace has Chrome trace events: open it with ui.perfetto.dev or
    /// chrome://tracing. The file is written when the build has succeeded, of a workspace however its members ended, and
    /// may not lie in what an image is made from.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "pack-timings.html",
        value_parser = output_file(),
        value_hint = ValueHint::FilePath,
        help_heading = "Output"
    )]
    pub timings: Option<PathBuf>,

    /// Build again whenever a file that the build reads changes, until Ctrl-C
    ///
    /// Watches the artifact, the build file, ignore files and the files of layers, and delivers each new image as the other
    /// flags say. Prints a line or two for each build, or with `--json` a document a line. A build that fails says why, and
    /// the next change starts another. For one image: of a workspace, give the directory of a member. Base images in
    /// registries, and commits, start no build. Ctrl-C ends it with exit code 0, or 130 if it stopped a build.
    #[arg(long, conflicts_with = "timings")]
    pub watch: bool,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
