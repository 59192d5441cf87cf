//! `pack` assembles reproducible OCI images from finished artifacts and pushes only what changed.
//!
//! # Modules
//! From the ground up: a module knows only those above it in this list, which a test asserts.
//! - `types`: digest, reference, location, platform, time, error, foreign text.
//! - `runtime`: events, interrupt, workers, files, budgets.
//! - `formats`: DEFLATE, tar, zip, JSON.
//! - `oci`: manifests, indexes and configurations as immutable values; blobs with a descriptor.
//! - `attest`: statements about images, keys, signatures and their proofs.
//! - `store`: the local store of blobs, names and memos.
//! - `registry`: the distribution protocol; the one client of the network.
//! - `transport`: where images come from and go to, behind one `Source` and one `Destination`.
//! - `attach`: documents that refer to images: attached, listed, signed and proved.
//! - `layer`: from entries to a layer: scan, tar, bodies, encoding, digests.
//! - `project`: `build.toml`, `build.lock`, git.
//! - `bases`: what images stand on: documents, layers, facts, one tree with the planned layers.
//! - `artifact`: what a path is, and what it becomes in an image.
//! - `plan`: what goes where, as data.
//! - `sbom`: the packages in an image, and documents that list them.
//! - `policy`: the rules of an organisation, and the facts about images that they ask for.
//! - `engine`: the one place that walks the whole flow of a build.
//! - `inspect`: what two images differ in; every digest of an image derived again.
//! - `descriptors`: the images that deployment descriptors name, and their bytes.
//! - `release`: images copied, named, put on another base, and released into environments.
//! - `notify`: events after a delivery, told to receivers over HTTP.
//! - `serve`: the local store as a registry to pull from.
//! - `listen`: a service that takes notifications and runs commands.
//! - `cli`: arguments, environment, terminal, exit codes.
//!
//! # Files
//! Read:
//! - `build.toml`, or what `--file` names; `listen.toml` by `pack listen`.
//! - Secrets that sign events: `secret-file` of a `[[webhook]]`, of a `[[source]]` and of an `[[action]]`.
//! - `$XDG_CONFIG_HOME/pack/config.toml`: how the user wants registries to be reached.
//! - Docker's and Podman's `certs.d`, `registries.conf`, `registries.conf.d` and `daemon.json`, in `$XDG_CONFIG_HOME` and
//!   `/etc` or `$PACK_SYSTEM_CONFIG`.
//! - The artifact, the `from` of layers, and `.packignore` at the root of a directory that is copied.
//! - Bases and images: `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`.
//! - Logins: what `DOCKER_AUTH_CONFIG` holds, the file of `REGISTRY_AUTH_FILE`, `containers/auth.json` in
//!   `$XDG_RUNTIME_DIR` and `$XDG_CONFIG_HOME`, `$DOCKER_CONFIG/config.json`; programs `docker-credential-NAME`.
//! - Authorities: the system's, `SSL_CERT_FILE`, `ca-file` of a registry. Certificates to show: `client-cert`, `client-key`.
//! - The cache in a registry, in the image's repository or that of `--cache-repo`, when pushing: `NAME:pack-cache` says
//!   that there is one, `NAME:pack-cache-KEY` is a layer of another machine, `NAME:pack-cache-base-HEX` the paths and facts
//!   of a base layer; see `engine::cache`. Written with `--cache-to`.
//! - Releases in a registry: `NAME:ENV-r0001-HEX` and so on, the records, and `NAME:ENV`, the image that an environment has; see
//!   `release::record`. Written by `pack promote` and `pack rollback`.
//! - Descriptors that `pack resolve` and `pack render` name: YAML, JSON, HCL or text.
//! - The git repository around the project, by running `git`.
//! - For `-o docker`: the socket of `DOCKER_HOST`, else `/var/run/docker.sock`,
//!   `$XDG_RUNTIME_DIR/podman/podman.sock`, `/run/podman/podman.sock`. The engine receives the archive of
//!   `docker-archive:`, which is written to no file.
//!
//! Written, by rename:
//! - `build.lock` beside `build.toml`: the digest that the base's name meant, and what follows from it: platforms, small
//!   documents, the directories above the application, accounts, and `[base.platform.system]` (distribution, C libraries,
//!   Java, the loader's directories). Read, too. `.build.lock.*` is what a killed process left of it.
//! - `images.lock` in the directory of the project, by `pack resolve --pin`: the digests of images of others. Read, too.
//!   `.images.lock.*` is what a killed process left of it.
//! - Descriptors, with `--in-place` or `-o DIR`. `.pack-*` beside them is what a killed process left.
//! - By `pack listen`, in `state` of `listen.toml` or the store's `listen/`: `journal`, what was accepted and what became of
//!   it; `lock`.
//! - Outputs: `oci:DIR` (`oci-layout`, `index.json`, `blobs/sha256/`), `oci-archive:FILE`, `docker-archive:FILE`.
//! - `--metadata-file`, `--image-refs`, `--timings`, `build.toml` by `pack init`, pages by `pack man --dir`. Not by rename
//!   what is a pipe or a device, or is alone in its mount.
//! - The files of logins above, by `pack login` and `pack logout`. Beside these and those before, `.pack-*` is what a killed
//!   process left.
//! - The store, in `--cache-dir`, `$PACK_CACHE_DIR`, `$XDG_CACHE_HOME/pack` or `~/.cache/pack`. It may be deleted at any time:
//!   - `oci-layout`, `index.json`, `blobs/sha256/HEX`: an OCI image layout with what was built and the documents of bases.
//!   - `blobs/sha256/.tmp-*`, `.bad-HEX`: what a killed process left, and what was found damaged; a prune removes
//!     them. `index.json.bad`: a damaged index.
//!   - `memo/NAMESPACE-HEX`: records of finished steps. `engine::memo` has `files`, `archive`, `sibling`, `layer`, `bodies`, `blobs`,
//!     `listing`, `outcome` and `inputs`; `bases` has `layer-index`, the paths and facts of a base layer; `sbom` has
//!     `sbom-layer`, the packages in a layer; `transport` has `pushed` and `referrers`, what registries were seen to have; `attach` has
//!     `signature` and `older-signature`, those that were made or seen.
//!   - `locks/lease`: held shared by builds and exclusively by a prune.
//!   - `outbox/TIME-ID-RECEIVER.intent`, `.event`: events that are not delivered; `.tries`: when the next try is due.
//!   - `CACHEDIR.TAG`, `.gitignore`: backups and git pass by.
//! - `$TMPDIR/pack-XXXXXX`: blobs of this run, where the store cannot be written. It goes at the end, or is swept by a
//!   later run or prune if the process was killed. Without a name: large blobs of mirrors, and the files in tar archives
//!   that are artifacts.
//!
//! Locked, and not written: the directory `memo/`, while a record changes that other processes change as well; the root and
//! the blobs of an image layout; the directory of a login's file.

pub use cli::main;

pub(crate) mod artifact;
pub(crate) mod attach;
pub(crate) mod attest;
pub(crate) mod bases;
pub(crate) mod cli;
pub(crate) mod descriptors;
pub(crate) mod engine;
pub(crate) mod formats;
#[doc(hidden)]
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod layer;
pub(crate) mod listen;
pub(crate) mod notify;
pub(crate) mod oci;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod registry;
pub(crate) mod release;
pub(crate) mod runtime;
pub(crate) mod sbom;
pub(crate) mod serve;
pub(crate) mod store;
#[doc(hidden)]
pub mod testing;
pub(crate) mod transport;
pub(crate) mod types;
