//! `pack` assembles reproducible OCI images from finished artifacts and pushes only what changed.
//!
//! # Modules
//! From the ground up; a test holds them to whom they may know.
//!
//! What everything is made of:
//! - [`error`]: whose fault an error is, and what to do.
//! - [`budget`]: what an input that others wrote may cost.
//! - [`input`]: opens files that are to be read: regular, bounded, without blocking.
//! - [`json`]: JSON that others wrote, read as other tools read it or not at all.
//! - [`interrupt`]: the user's wish to stop.
//! - [`observer`]: progress as events.
//! - [`time`]: seconds since the epoch as RFC 3339, without a clock.
//! - [`digest`]: SHA-256 names of content, BLAKE3 keys of caches.
//! - [`platform`]: operating system, architecture, variant.
//! - [`mod@reference`]: names of images.
//! - [`location`]: where an image is: the one grammar of sources, destinations, bases and outputs.
//! - [`stamp`]: what tells, without reading a file, whether it changed.
//! - [`workers`]: the threads that do the work, started when there is some.
//!
//! Bytes:
//! - [`deflate`]: the DEFLATE encoder whose bytes are part of the format.
//! - `untar`: walking the headers of a tar of unknown origin, within limits.
//! - [`zip`]: zip archives, read only and checked.
//! - [`image`]: manifests, indexes and configurations as immutable values.
//! - [`blob`]: bytes with a descriptor that can be opened as often as it takes.
//! - [`layer`]: from entries to a layer: scan, tar, bodies, encoding, digests.
//!
//! Where bytes are:
//! - [`store`]: the local store of blobs and memos.
//! - [`registry`]: the distribution protocol; the one client of the network.
//! - [`transport`]: where images come from and go to, behind one `Source` and one `Destination`.
//! - [`diff`]: what two images have in common and what not, and why their digests differ.
//! - [`verify`]: every digest of an image derived again, by other code.
//!
//! What is wanted:
//! - [`config`]: `build.toml` and what overrides it.
//! - [`lock`]: the base that `build.lock` pins.
//! - [`git`]: what git says about a directory.
//! - [`artifact`]: what a path is, and what it becomes in an image.
//! - [`plan`]: what goes where, as data.
//!
//! Doing it:
//! - [`copy`]: images from one place to another, byte for byte, and more names for one.
//! - [`build`]: the one place that walks the whole flow.
//! - [`rebase`]: another base under an image's own layers.
//! - [`cli`]: arguments, environment, terminal, exit codes.
//!
//! # Files
//! Read:
//! - `build.toml`, or what `--file` names.
//! - `$XDG_CONFIG_HOME/pack/config.toml`: how the user wants registries to be reached.
//! - Docker's and Podman's `certs.d`, `registries.conf`, `registries.conf.d` and `daemon.json`, in `$XDG_CONFIG_HOME` and
//!   `/etc` or `$PACK_SYSTEM_CONFIG`.
//! - The artifact, the `from` of layers, and `.packignore` at the root of a directory that is copied.
//! - Bases and images: `oci:DIR`, `oci-archive:FILE`, `docker-archive:FILE`.
//! - Logins: what `DOCKER_AUTH_CONFIG` holds, the file of `REGISTRY_AUTH_FILE`, `containers/auth.json` in
//!   `$XDG_RUNTIME_DIR` and `$XDG_CONFIG_HOME`, `$DOCKER_CONFIG/config.json`; programs `docker-credential-NAME`.
//! - Authorities: the system's, `SSL_CERT_FILE`, `ca-file` of a registry. Certificates to show: `client-cert`, `client-key`.
//! - `NAME:pack-cache-KEY` in the registry, when pushing: layers of other machines, see [`build::cache`]. Written with
//!   `--cache-to`.
//! - The git repository around the project, by running `git`.
//! - For `-o docker`: the socket of `DOCKER_HOST`, else `/var/run/docker.sock`, `$XDG_RUNTIME_DIR/podman/podman.sock`,
//!   `/run/podman/podman.sock`. What it is sent is the archive of `docker-archive:`, which is written nowhere.
//!
//! Written, by rename:
//! - `build.lock` beside `build.toml`: what the base's name meant. Read, too.
//! - Outputs: `oci:DIR` (`oci-layout`, `index.json`, `blobs/sha256/`), `oci-archive:FILE`, `docker-archive:FILE`.
//! - `--metadata-file`, `--image-refs`, `--timings`, `build.toml` by `pack init`, pages by `pack man --dir`. Not by rename
//!   what is a pipe or a device, or is alone in its mount.
//! - The files of logins above, by `pack login` and `pack logout`.
//! - The store, in `--cache-dir`, `$PACK_CACHE_DIR`, `$XDG_CACHE_HOME/pack` or `~/.cache/pack`. It may be deleted at any time:
//!   - `oci-layout`, `index.json`, `blobs/sha256/HEX`: an OCI image layout with what was built and the documents of bases.
//!   - `blobs/sha256/.tmp-*`, `.bad-HEX`: what a killed process left, and what was found damaged; a prune removes
//!     them. `index.json.bad`: a damaged index.
//!   - `memo/NAMESPACE-HEX`: records of finished steps, see [`build::memo`]; `layer-index` says what base layers contain.
//!   - `locks/lease`: held shared by builds and exclusively by a prune.
//!   - `CACHEDIR.TAG`.
//! - `$TMPDIR/pack-XXXXXX`: blobs of this run, where the store cannot be written. It goes at the end, or is swept by a
//!   later run or prune if the process was killed. Large blobs of mirrors, without a name.

pub mod artifact;
pub mod blob;
pub mod budget;
pub mod build;
pub mod cli;
pub mod config;
pub mod copy;
pub mod deflate;
pub mod diff;
pub mod digest;
pub mod error;
#[doc(hidden)]
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
pub mod git;
pub mod image;
pub mod input;
pub mod interrupt;
pub mod json;
pub mod layer;
pub mod location;
pub mod lock;
pub mod observer;
pub mod plan;
pub mod platform;
pub mod rebase;
pub mod reference;
pub mod registry;
pub(crate) mod shown;
pub mod stamp;
pub mod store;
pub mod time;
pub mod transport;
pub(crate) mod untar;
pub mod verify;
pub mod workers;
pub mod zip;
