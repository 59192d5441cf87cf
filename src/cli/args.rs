//! What the user typed: the one definition behind the parser, the help, the manual and the completions.
//!
//! Values are checked here only where a core type does it (platforms, repositories, numbers). What has a
//! grammar of its own, such as a base or `--set`, stays text: the module that owns the grammar reads it, and
//! says whether a flag or `build.toml` was wrong.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use super::printer::{self, ColorChoice};
use crate::registry::Secret;
use crate::types::platform::Platform;
use crate::types::reference::{Registry, Repository, Scope, Tag};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0    Done
  1    Something is wrong with the input: a file, a setting, an artifact
  2    The command line cannot be understood
  3    A registry or the network failed
  4    A policy refused, such as `--locked`
  70   A bug in `pack`
  130  Interrupted";

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
      In CI that is trusted: let other machines take its layers
  pack build --locked --set config.user=1000
      In CI: on exactly the base of build.lock, with one setting changed
  pack build --push --explain --timings
      Say what was reused and why the rest was not, and where the time went

Environment:
  PACK_NAME, PACK_BASE, PACK_TAGS, PACK_PLATFORMS, PACK_COMPRESSION,
  PACK_JOBS, PACK_OFFLINE, PACK_LOCKED, PACK_UNTRUSTED
      As the flags of the same names; a flag wins over a variable, and a
      variable over build.toml
  PACK_CACHE_DIR
      The local store
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
  4    A policy refused, such as `--locked`
  70   A bug in `pack`
  130  Interrupted; nothing that a tag resolves to was changed";

/// Assemble reproducible OCI images from finished artifacts, without a daemon, and push only what changed
#[derive(Clone, Debug, Parser)]
#[command(
    name = "pack",
    version,
    styles = STYLES,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_long_help = EXIT_CODES,
)]
pub struct Cli {
    /// For every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Tell of every request to a registry; twice for headers, too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// When to use colour; colour never carries meaning
    ///
    /// `auto` colours on a terminal unless `NO_COLOR` is set, and anywhere if `CLICOLOR_FORCE` is.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    pub color: ColorChoice,

    /// The local store of blobs and memos [env: PACK_CACHE_DIR] [default: ~/.cache/pack]
    ///
    /// Without it, `PACK_CACHE_DIR`, then `$XDG_CACHE_HOME/pack`, then `~/.cache/pack`. It can be deleted at
    /// any time: the next build is slower, and the same.
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache_dir: Option<PathBuf>,

    /// Use this many threads [env: PACK_JOBS] [default: one per core]
    ///
    /// At most 16 for each processor. The image is the same for every number.
    #[arg(short, long, global = true, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Build an image from a finished artifact, and push it
    ///
    /// Takes a finished artifact (a WAR, a static site, a directory, a binary), lays it in layers on a base
    /// image and writes the result to the local store, a registry, a layout or an archive. What did
    /// not change since the last build is neither read, compressed, hashed nor sent again. The same inputs
    /// give the same digest on any machine.
    #[command(after_long_help = BUILD_HELP)]
    Build(BuildArgs),
    /// Show what a build would do, and why
    ///
    /// Prints every layer with its files, its size, whether it is cached, whether its blob is at the
    /// destination, can be mounted there or has to be uploaded, and which file changed the top layer. Writes
    /// nothing.
    #[command(after_long_help = "\
Examples:
  pack plan
      What `pack build` would do
  pack plan --push
      What `pack build --push` would do, given what the registry has already
  pack plan app.war --base scratch --json
      The same for a script")]
    Plan(PlanArgs),
    /// Move build.lock to what the base's tag means now
    ///
    /// Resolves the base of build.toml again and writes the digests, and what the base says about the
    /// directories that the layers share with it, to build.lock. Builds use that file until the next update.
    #[command(after_long_help = "\
Examples:
  pack update
      Take what the base's tag means now
  pack update -q && git diff --exit-code build.lock
      Tell whether there is a newer base")]
    Update(UpdateArgs),
    /// Write a build.toml for an artifact
    ///
    /// Looks at the artifact, says what it is and why, and writes the few lines that are needed, with the
    /// rest as comments.
    #[command(after_long_help = "\
Examples:
  pack init
      Look for an artifact below the current directory
  pack init build/libs/app.war --base tomcat:10 --name localhost:5000/shop/app
      Say all of it at once")]
    Init(InitArgs),
    /// Show an image: digest, platforms, layers, configuration; or the tags of a repository
    #[command(after_long_help = INSPECT_HELP)]
    Inspect(InspectArgs),
    /// Show how an image came to be, layer by layer, newest first
    ///
    /// Layers and steps of the base are marked `base`, those on top of it `added`, so that two versions
    /// visibly share their base.
    #[command(after_long_help = IMAGE_HELP)]
    History(HistoryArgs),
    /// Re-derive every digest, size and diffID of an image
    ///
    /// Reads all of it, decompresses every layer, and lists everything that is not what its name says. Looks
    /// at every platform unless some are named. Exit code 1 if anything is wrong.
    #[command(after_long_help = IMAGE_HELP)]
    Verify(VerifyArgs),
    /// List the images in the local store
    #[command(after_long_help = "\
Examples:
  pack images
  pack images --json | jq -r '.[].name'")]
    Images(ImagesArgs),
    /// Remove names from the local store
    ///
    /// The blobs stay until `pack cache prune`. Where the store has no image of one of the names, that is an error and
    /// nothing is removed.
    #[command(after_long_help = "\
Examples:
  pack rm localhost:5000/shop/app:1.0
  pack rm app:1.0 app:1.1          Names that a build without a registry gave")]
    Rm(RmArgs),
    /// Copy an image or an index, byte for byte, with only what the other place lacks
    ///
    /// Between registries, OCI layouts, archives and the local store. Digests stay what they are, and formats too.
    /// Blobs that the target has cost one question, those in the same registry are mounted. The tag is set last;
    /// a target that has the image already is asked one question.
    #[command(after_long_help = COPY_HELP)]
    Copy(CopyArgs),
    /// Give an image more tags where it is; nothing is transferred
    ///
    /// A name alone is the registry's, `store:NAME` the local store's. In a registry the same manifest is stored under
    /// each new tag, after a look whether the old one still means it; in a layout or the local store the index gets the
    /// names.
    #[command(after_long_help = "\
Examples:
  pack tag localhost:5000/shop/app:1.0 stable production
  pack tag store:shop/app:1.0 stable
  pack tag oci:images:1.0 1")]
    Tag(TagArgs),
    /// Show what two images do not have in common, and why their digests differ
    ///
    /// Compares manifests, configurations and layers, then files: what was added, removed or changed, in bytes or
    /// in mode, owner, time, type, link or attributes. Layers that both have are not fetched. Exit code 0 if the
    /// images have the same digest, 1 if not, as diff(1) has it.
    #[command(after_long_help = DIFF_HELP)]
    Diff(DiffArgs),
    /// Put another base under an image's own layers, without building
    ///
    /// Takes the layers that an image has on top of its base, puts them on the new base, and derives the
    /// configuration again as a build does: the new base's values, and the image's own over them. No layer is
    /// read or built. The result goes where the image is, under the new tag. What would surely not run is
    /// refused: another platform or C library, an older Java, another generation of the servlet container.
    #[command(after_long_help = "\
Examples:
  pack rebase localhost:5000/shop/app:1.0 --base tomcat:10.1.30 -t 1.0-patched
  pack rebase oci:images:1.0 --old-base debian:12.5 --base debian:12.6 -t 1.1")]
    Rebase(RebaseArgs),
    /// Keep a login for a registry
    ///
    /// Asks the registry whether the login is good, and keeps it where `docker login` and `podman login` keep
    /// theirs: in the credential helper that is configured, else in the file that has one for this registry, else
    /// in Docker's config.json. Nothing is kept when the registry refuses it. Without `--password-stdin` the
    /// password is asked for on the terminal.
    #[command(after_long_help = "\
Examples:
  pack login registry.example.com
      Ask for user and password
  pass show registry | pack login registry.example.com -u ci --password-stdin
      In a script; the password is in no argument and no history
  pack login registry.example.com/team -u team-bot --password-stdin < token
      For one part of the registry alone; the longest path wins")]
    Login(LoginArgs),
    /// Remove the login for a registry
    ///
    /// Removes it from all files and credential helpers that logins are looked for in.
    #[command(after_long_help = "\
Examples:
  pack logout registry.example.com
  pack logout registry.example.com/team")]
    Logout(LogoutArgs),
    /// Explain step by step how a registry is reached and what it allows
    ///
    /// Address, proxy, network, certificate, credentials, login, pulling and pushing: what was done, what came of it,
    /// and what to do about each step that fails. No secret is shown. Exit code 3 if anything fails.
    #[command(after_long_help = "\
Examples:
  pack doctor registry.example.com
      The registry itself
  pack doctor registry.example.com/shop/app --push
      A repository; begins an upload there and cancels it")]
    Doctor(DoctorArgs),
    /// Look at the local store, or clean it
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Cache {
        /// What to do with it.
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// Print completions for a shell
    #[command(after_long_help = "\
Examples:
  pack completions bash > ~/.local/share/bash-completion/completions/pack
  pack completions zsh > ~/.zfunc/_pack
  pack completions fish > ~/.config/fish/completions/pack.fish")]
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them
    #[command(after_long_help = "\
Examples:
  pack man | man -l -            The page of `pack`
  pack man cache prune           The page of a command
  pack man --dir /usr/local/share/man/man1")]
    Man(ManArgs),
}

const IMAGE_HELP: &str = "\
IMAGE is one of:
  NAME[:TAG]                  In the local store, else in its registry; the
                              first line of the output says where
  NAME@sha256:…               The same, by digest
  store:NAME[:TAG]            In the local store
  docker://NAME[:TAG]         In the registry
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`";

const INSPECT_HELP: &str = "\
IMAGE is one of:
  NAME:TAG                    In the local store, else in its registry; the
                              first line of the output says where
  NAME@sha256:…               The same, by digest
  NAME                        The tags of the repository, in its registry
  store:NAME[:TAG]            In the local store
  docker://NAME[:TAG]         In the registry
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`";

const COPY_HELP: &str = "\
SRC is one of:
  NAME[:TAG], NAME@sha256:…   In its registry; docker://NAME is the same
  store:NAME[:TAG]            In the local store
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`
DST is one of:
  NAME[:TAG], NAME@sha256:…   In a registry; without a tag, that of SRC;
                              docker://NAME is the same
  store:NAME[:TAG]            In the local store
  oci:DIR[:TAG]               In an OCI layout, made if it is missing
  oci-archive:FILE[:TAG]      A new tar, which `docker load` reads, too;
  docker-archive:FILE[:TAG]   the same
Examples:
  pack copy localhost:5000/shop/app:1.0 registry.example.com/shop/app
  pack copy store:shop/app:1.0 registry.example.com/shop/app
      Push what a build without `--push` made
  pack copy --referrers localhost:5000/shop/app:1.0 oci:mirror:1.0
  pack copy --platform linux/arm64 debian:12 docker-archive:debian.tar";

const DIFF_HELP: &str = "\
A and B are each one of:
  NAME[:TAG]                  In the local store, else in its registry; the
                              first lines of the output say where
  NAME@sha256:…               The same, by digest
  store:NAME[:TAG]            In the local store
  docker://NAME[:TAG]         In the registry
  oci:DIR[:TAG]               In an OCI layout
  oci-archive:FILE[:TAG]      In a tar of an OCI layout
  docker-archive:FILE[:TAG]   In a file of `docker save`
Examples:
  pack diff localhost:5000/shop/app:1.0 localhost:5000/shop/app:1.1
  pack diff --json oci:mine oci:theirs | jq -r .first
Exit codes:
  0    The images are the same
  1    They are not; or one cannot be read, and then there is an `error:`";

/// Whether results are JSON.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Format {
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// How registries are reached, for one command.
#[derive(Clone, Debug, Default, Args)]
pub struct RegistryArgs {
    /// Reach this registry without TLS; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", value_parser = Registry::from_str, help_heading = "Registries")]
    pub plain_http: Vec<Registry>,

    /// Do not check the certificate of this registry; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", value_parser = Registry::from_str, help_heading = "Registries")]
    pub skip_tls_verify: Vec<Registry>,

    /// Trust the certificates in this file, too; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Registries")]
    pub ca_file: Vec<PathBuf>,
}

/// What to build: the arguments that `build` and `plan` share.
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
    #[arg(long, value_name = "NAME", value_parser = repository, help_heading = "Image")]
    pub name: Option<Repository>,

    /// Where in the image the application goes; the default comes from its kind and the base
    #[arg(long, value_name = "PATH", value_parser = absolute, help_heading = "Image")]
    pub root: Option<String>,

    /// Whether the archive is unpacked into layers by how often they change, or copied as one file
    #[arg(long, value_enum, help_heading = "Image")]
    pub layout: Option<Layout>,

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

    /// Read the cache in the registry when pushing, though build.toml says otherwise
    ///
    /// A layer that another machine built from the same files is then not built here. This is the default of
    /// builds that push and write nothing else.
    #[arg(long, help_heading = "Cache", overrides_with = "no_cache_from")]
    pub cache_from: bool,

    /// Do not read the cache in the registry
    #[arg(long, help_heading = "Cache", overrides_with = "cache_from")]
    pub no_cache_from: bool,

    /// Keep the cache in this repository, not in the image's own
    #[arg(long, value_name = "NAME", value_parser = repository, help_heading = "Cache")]
    pub cache_repo: Option<Repository>,

    /// Build so many percent of the layers that the cache has all the same, and compare
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), help_heading = "Cache")]
    pub cache_verify: Option<u8>,

    /// Fail if build.lock would have to change
    #[arg(long)]
    pub locked: bool,

    /// Use no network: the base must be in the local store or on disk
    #[arg(long)]
    pub offline: bool,

    /// Believe the build file nothing that concerns this machine, as for a pull request of a stranger
    ///
    /// It may then name no path outside of its directory, no environment variable, no mirror, no lowered TLS and no
    /// other cache; a push needs `--name`, and its tags `--tag`.
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

/// `pack build`.
#[derive(Clone, Debug, Default, Args)]
pub struct BuildArgs {
    /// What to build.
    #[command(flatten)]
    pub image: ImageArgs,

    /// Tell the cache in the registry of the layers of this build, when pushing
    ///
    /// For builds that may be trusted: who writes the cache decides what is in the layers of those who read it.
    #[arg(long, help_heading = "Cache")]
    pub cache_to: bool,

    /// Write digest, tags and layers to this file as JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub metadata_file: Option<PathBuf>,

    /// Write the image's `NAME@DIGEST`, one a line, to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub image_refs: Option<PathBuf>,

    /// Say at each stage what was reused, and why the rest was not
    ///
    /// For the build as a whole, then for each layer: which files were not read, whether the layer was known,
    /// which paths changed and how, how much was encoded, and how it came to each destination. On stderr, or
    /// with `--json` as `explanation`.
    #[arg(long)]
    pub explain: bool,

    /// Write where the time went to this file: a page, or JSON if its name ends so [default: pack-timings.html]
    ///
    /// The page needs no network and no other file. It is written when the build has succeeded, and may not
    /// lie in what the image is made from.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "pack-timings.html",
        value_hint = ValueHint::FilePath,
        help_heading = "Output"
    )]
    pub timings: Option<PathBuf>,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack plan`.
#[derive(Clone, Debug, Default, Args)]
pub struct PlanArgs {
    /// What to build.
    #[command(flatten)]
    pub image: ImageArgs,

    /// Say at each stage what can be reused, and why the rest cannot
    ///
    /// Below the table. With `--json`, the layers have all of it anyway, and this adds the `outcome`.
    #[arg(long)]
    pub explain: bool,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack update`.
#[derive(Clone, Debug, Default, Args)]
pub struct UpdateArgs {
    /// A directory with a build.toml [default: .]
    #[arg(value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,

    /// Read this file instead of build.toml
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Change nothing: compare what build.lock says of the base's directories with the base's layers, which are read
    #[arg(long)]
    pub check: bool,

    /// Believe the build file nothing that concerns this machine, as for a pull request of a stranger
    #[arg(long)]
    pub untrusted: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack init`.
#[derive(Clone, Debug, Default, Args)]
pub struct InitArgs {
    /// The artifact, or a directory to look for one in [default: .]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: Option<PathBuf>,

    /// The image to build on
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,

    /// The image's name, without a tag, such as localhost:5000/shop/app
    #[arg(long, value_name = "NAME", value_parser = repository)]
    pub name: Option<Repository>,

    /// Replace a build.toml that is there
    #[arg(long)]
    pub force: bool,
}

/// `pack inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// The image
    pub image: String,

    /// Which platform of an index to show; without it, the index itself is shown
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack images`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ImagesArgs {
    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack rm`.
#[derive(Clone, Debug, Args)]
pub struct RmArgs {
    /// The images
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack history`.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// The image
    pub image: String,

    /// Which platform of an index to show [default: this machine's]
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// Cut nothing to the width of the terminal
    #[arg(long)]
    pub no_trunc: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The image
    pub image: String,

    /// Look at this platform only; may be repeated
    #[arg(
        long = "platform", value_name = "PLATFORM", value_delimiter = ',', value_parser = Platform::from_str
    )]
    pub platforms: Vec<Platform>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack copy`.
#[derive(Clone, Debug, Args)]
pub struct CopyArgs {
    /// The image or index to copy
    #[arg(value_name = "SRC")]
    pub from: String,

    /// Where to
    #[arg(value_name = "DST")]
    pub to: String,

    /// Copy only the image for this platform; may be repeated
    ///
    /// With one platform the copy is that image itself, with the digest that it has in the index. With
    /// several it is a new index of them, which has a digest of its own.
    #[arg(
        long = "platform", value_name = "PLATFORM", value_delimiter = ',', value_parser = Platform::from_str
    )]
    pub platforms: Vec<Platform>,

    /// Copy all that the name stands for, the whole of an index; this is the default
    #[arg(long, conflicts_with = "platforms")]
    pub all: bool,

    /// Copy signatures, SBOMs and whatever else refers to the image, too
    #[arg(long)]
    pub referrers: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack login`.
#[derive(Clone, Debug, Args)]
pub struct LoginArgs {
    /// The registry, or a path in it
    #[arg(value_name = "REGISTRY[/PATH]")]
    pub scope: Scope,

    /// The user; asked for on the terminal where not given
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,

    /// Read the password or token from standard input
    #[arg(long, conflicts_with = "password", requires = "username")]
    pub password_stdin: bool,

    /// The password or token; better given by `--password-stdin`
    ///
    /// Other users of the machine can read arguments while the program runs, and shells keep them.
    #[arg(short, long, value_name = "PASSWORD", requires = "username")]
    pub password: Option<Secret>,

    /// Keep the login in this file; builds read it with REGISTRY_AUTH_FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,

    /// Take `[registry]` from this file, such as a build.toml; it counts more than your configuration
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack tag`.
#[derive(Clone, Debug, Args)]
pub struct TagArgs {
    /// The image
    #[arg(value_name = "SRC")]
    pub image: String,

    /// The tags to add
    #[arg(value_name = "NEWTAG", required = true, value_parser = new_tag)]
    pub tags: Vec<Tag>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack logout`.
#[derive(Clone, Debug, Args)]
pub struct LogoutArgs {
    /// The registry, or a path in it
    #[arg(value_name = "REGISTRY[/PATH]")]
    pub scope: Scope,

    /// Look in this file alone
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// The one image
    pub a: String,

    /// The other image
    pub b: String,

    /// Compare the images for this platform only
    ///
    /// Without it, two indexes are compared platform by platform.
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// List the entries of each pair of layers, too, and not only what a container sees
    #[arg(long)]
    pub layers: bool,

    /// Read layers that both have, too: no difference is uncertain then
    #[arg(long)]
    pub full: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack rebase`.
#[derive(Clone, Debug, Args)]
pub struct RebaseArgs {
    /// The image: a name in a registry, `store:NAME` or `oci:DIR[:TAG]`
    pub image: String,

    /// The new base: a name in a registry, `store:NAME`, `oci:DIR[:TAG]` or an archive
    #[arg(long, value_name = "REF")]
    pub base: String,

    /// Tag the result, where the image is; may be repeated
    #[arg(short, long = "tag", value_name = "TAG", required = true, value_parser = new_tag)]
    pub tags: Vec<Tag>,

    /// The base that the image is on now [default: what its annotations or labels say]
    #[arg(long, value_name = "REF")]
    pub old_base: Option<String>,

    /// Only the image for this platform; without it, every image of an index
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// Do what would be refused, with a warning
    #[arg(long)]
    pub force: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// The registry, or a repository in it
    #[arg(value_name = "REGISTRY[/REPOSITORY]")]
    pub scope: Scope,

    /// Begin an upload, and cancel it
    #[arg(long)]
    pub push: bool,

    /// Look for logins in this file alone
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,

    /// Take `[registry]` from this file, such as a build.toml; it counts more than your configuration
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack cache`.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheCommand {
    /// Show where the store is, what it holds and how large it is
    Info(Format),
    /// Remove what no image in the store needs
    ///
    /// Without a limit, removes every blob and memo that no name reaches. With limits, removes what was used
    /// longest ago. What a running build uses stays.
    #[command(after_long_help = "\
Examples:
  pack cache prune
  pack cache prune --max-size 10GB --max-age 30d
  pack cache prune --all         Everything, named images too")]
    Prune(PruneArgs),
    /// Check every blob and memo of the store; what is damaged is set aside and built again
    Verify(Format),
}

/// `pack cache prune`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct PruneArgs {
    /// Remove what was used longest ago until this much is left, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,

    /// Remove what was not used for so long, such as 12h or 30d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub max_age: Option<Duration>,

    /// Remove images that have a name, too: all, or with limits those that were used longest ago
    #[arg(long)]
    pub all: bool,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// `pack completions`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `pack man`.
#[derive(Clone, Debug, Default, Args)]
pub struct ManArgs {
    /// The command whose page to print [default: `pack` itself]
    pub command: Vec<String>,

    /// Write all pages into this directory instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    pub dir: Option<PathBuf>,
}

/// How an archive goes into the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// Unpacked, in layers by how often they change
    Exploded,
    /// As one file
    Packaged,
}

impl Layout {
    /// As `build.toml` spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exploded => "exploded",
            Self::Packaged => "packaged",
        }
    }
}

impl Command {
    /// Whether results are asked for as JSON.
    #[must_use]
    pub const fn json(&self) -> bool {
        match self {
            Self::Build(args) => args.format.json,
            Self::Plan(args) => args.format.json,
            Self::Update(args) => args.format.json,
            Self::Inspect(args) => args.format.json,
            Self::History(args) => args.format.json,
            Self::Images(args) => args.format.json,
            Self::Rm(args) => args.format.json,
            Self::Verify(args) => args.format.json,
            Self::Copy(args) => args.format.json,
            Self::Diff(args) => args.format.json,
            Self::Rebase(args) => args.format.json,
            Self::Tag(args) => args.format.json,
            Self::Login(args) => args.format.json,
            Self::Logout(args) => args.format.json,
            Self::Doctor(args) => args.format.json,
            Self::Cache { command: CacheCommand::Info(format) | CacheCommand::Verify(format) } => format.json,
            Self::Cache { command: CacheCommand::Prune(args) } => args.format.json,
            Self::Init(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

impl Command {
    /// How registries are to be reached; `None` for commands that reach none.
    #[must_use]
    pub const fn registries(&self) -> Option<&RegistryArgs> {
        Some(match self {
            Self::Build(args) => &args.image.registries,
            Self::Plan(args) => &args.image.registries,
            Self::Update(args) => &args.registries,
            Self::Inspect(args) => &args.registries,
            Self::History(args) => &args.registries,
            Self::Verify(args) => &args.registries,
            Self::Copy(args) => &args.registries,
            Self::Diff(args) => &args.registries,
            Self::Rebase(args) => &args.registries,
            Self::Tag(args) => &args.registries,
            Self::Login(args) => &args.registries,
            Self::Doctor(args) => &args.registries,
            Self::Logout(_)
            | Self::Images(_)
            | Self::Rm(_)
            | Self::Cache { .. }
            | Self::Init(_)
            | Self::Completions(_)
            | Self::Man(_) => {
                return None;
            }
        })
    }
}

impl Cli {
    /// What the printer has to know.
    #[must_use]
    pub const fn printer_options(&self) -> printer::Options {
        printer::Options {
            quiet: self.global.quiet,
            verbose: self.global.verbose,
            json: self.command.json(),
            color: self.global.color,
        }
    }
}

fn repository(text: &str) -> Result<Repository, String> {
    let error = match text.parse::<Repository>() {
        Ok(repository) => return Ok(repository),
        Err(error) => error,
    };
    // The likeliest mistake: `docker build -t` takes both in one.
    match text.parse::<crate::types::reference::Reference>() {
        Ok(reference) if reference.digest().is_none() => {
            let tag = reference.tag().map(ToString::to_string).unwrap_or_default();
            Err(format!("a name has no tag; give it with `--tag {tag}`"))
        }
        _ => Err(error.to_string()),
    }
}

/// A tag alone: it is added where the image is.
fn new_tag(text: &str) -> Result<Tag, String> {
    text.parse().map_err(|error: crate::types::reference::ReferenceError| match text.parse::<crate::types::reference::Reference>() {
        Ok(reference) if text.contains(['/', ':']) => {
            let tag = reference.tag().map_or_else(|| "TAG".to_owned(), ToString::to_string);
            format!("a tag has no name before it: give `{tag}`; to another place, `pack copy` brings the image")
        }
        _ => error.to_string(),
    })
}

fn absolute(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path in an image begins with `/`") }
}

/// `10GB`, `500 MiB`, `1000`: decimal and binary units.
fn size(text: &str) -> Result<u64, &'static str> {
    const ERROR: &str = "expected a number of bytes, such as `10GB`, `500MiB` or `1000000`";
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(ERROR),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or(ERROR)
}

/// `90m`, `12h`, `30d`, `2w`.
fn age(text: &str) -> Result<Duration, &'static str> {
    const ERROR: &str = "expected a number and a unit, such as `90m`, `12h`, `30d` or `2w`";
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(ERROR),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds.map(Duration::from_secs).ok_or(ERROR)
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_readme_begins_with_a_command_that_works() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = include_str!("../../README.md");
        let line = readme.lines().find_map(|line| line.strip_prefix("cargo run --release -- ")).unwrap();
        let words = line.split('#').next().unwrap();
        let Command::Build(build) = parse(&format!("pack {words}")).unwrap().command else {
            panic!("no build: {line}")
        };
        assert!(root.join(build.image.path.unwrap()).join("build.toml").is_file(), "{line}");
        assert!(readme.contains("tests/run") && root.join("tests/run").is_file());
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// The words of every command, `pack` itself first.
    fn commands(command: &clap::Command, words: &[String]) -> Vec<Vec<String>> {
        let words = [words, &[command.get_name().to_owned()]].concat();
        let below = command.get_subcommands().flat_map(|subcommand| commands(subcommand, &words));
        std::iter::once(words.clone()).chain(below).collect()
    }

    #[test]
    fn every_command_explains_itself() {
        let all = commands(&Cli::command(), &[]);
        let names: Vec<String> = all.iter().map(|words| words.join(" ")).collect();
        insta::assert_snapshot!(names.join("\n"), @r"
        pack
        pack build
        pack plan
        pack update
        pack init
        pack inspect
        pack history
        pack verify
        pack images
        pack rm
        pack copy
        pack tag
        pack diff
        pack rebase
        pack login
        pack logout
        pack doctor
        pack cache
        pack cache info
        pack cache prune
        pack cache verify
        pack completions
        pack man
        ");
        for words in all {
            for flag in ["-h", "--help"] {
                let line = words.iter().map(String::as_str).chain([flag]);
                let help = Cli::try_parse_from(line).expect_err("help");
                assert_eq!(help.kind(), ErrorKind::DisplayHelp, "{words:?}");
                assert_eq!(help.exit_code(), 0);
                let text = help.to_string();
                assert!(text.contains("Usage: pack") && text.contains("--quiet"), "{text}");
            }
        }
    }

    #[test]
    fn examples_fit_a_narrow_terminal() {
        for words in commands(&Cli::command(), &[]) {
            let root = Cli::command();
            let mut command = &root;
            for word in &words[1..] {
                command = command.find_subcommand(word).expect("a command");
            }
            let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{words:?}: {line}");
            }
        }
    }

    #[test]
    fn a_build_line_in_full() {
        let cli = parse(
            "pack build app.war -f b.toml --push -o oci:out:1 -o docker -t 1.0 -t {git.short} --base tomcat:10 \
             --name localhost:5000/shop/app --root /srv --layout packaged --platform linux/x86_64,linux/arm64 \
             --set config.user=1000 --locked --metadata-file m.json --image-refs r --compression zstd:9 \
             --json --jobs 3 --cache-dir c -vv",
        )
        .expect("valid");
        assert_eq!((cli.global.verbose, cli.global.jobs.map(NonZeroUsize::get)), (2, Some(3)));
        assert!(cli.printer_options().json);
        let Command::Build(build) = cli.command else { panic!("not build") };
        assert_eq!(build.image.all_outputs(), ["registry", "oci:out:1", "docker"]);
        assert_eq!(build.image.tags, ["1.0", "{git.short}"]);
        assert_eq!(build.image.name.expect("name").path(), "shop/app");
        let platforms: Vec<String> = build.image.platforms.iter().map(ToString::to_string).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
        assert_eq!(build.image.layout.map(Layout::as_str), Some("packaged"));
    }

    #[test]
    fn mistakes_say_what_is_expected() {
        let cases = [
            ("pack build --platform linux", "expected `os/architecture`"),
            ("pack build --name localhost:5000/a:1.0", "give it with `--tag 1.0`"),
            ("pack build --root srv", "begins with `/`"),
            ("pack build --jobs 0", "--jobs"),
            ("pack build --push --offline", "cannot be used with"),
            ("pack biuld", "build"),
            ("pack -q -v build", "cannot be used with"),
            ("pack inspect", "<IMAGE>"),
            ("pack login team", "has a dot or a port"),
            ("pack login r.example --password-stdin", "--username"),
            ("pack login r.example -u a -p b --password-stdin", "cannot be used with"),
            ("pack cache prune --max-size 10XB", "10GB"),
            ("pack cache prune --max-age 3", "30d"),
        ];
        for (line, part) in cases {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn sizes_and_ages() {
        assert_eq!(size("10GB"), Ok(10_000_000_000));
        assert_eq!(size("500 MiB"), Ok(524_288_000));
        assert_eq!(size("7"), Ok(7));
        assert!(size("99999999999TB").is_err() && size("GB").is_err() && size("-1").is_err());
        assert_eq!(age("30d"), Ok(Duration::from_secs(2_592_000)));
        assert!(age("30").is_err());
    }
}
