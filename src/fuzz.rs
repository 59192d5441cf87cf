//! Hostile input: one entry point for each parser of foreign bytes, and for the encoder.
//!
//! Each asserts what must hold of whatever comes of any bytes: what is printed parses to the same, limits hold,
//! two readers agree, damage is found. A panic is a bug. `fuzz/run` gives them to a fuzzer; the tests here replay
//! `fuzz/regressions` and change seeds at random but always alike. Not for users of the library.

#![allow(missing_docs, clippy::missing_panics_doc)]

mod artifact;
pub mod change;
#[cfg(test)]
mod giant;
mod image;
mod layer;
mod seeds;
mod text;

/// One entry point.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its directories, too.
    pub name: &'static str,
    /// Panics if something does not hold.
    pub run: fn(&[u8]),
    /// Small honest inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 40] = [
    Target { name: "app-boot", run: artifact::application, seeds: seeds::app_boot },
    Target { name: "app-jar", run: artifact::application, seeds: seeds::app_jar },
    Target { name: "app-node", run: artifact::application, seeds: seeds::app_node },
    Target { name: "app-python", run: artifact::application, seeds: seeds::app_python },
    Target { name: "app-quarkus", run: artifact::application, seeds: seeds::app_quarkus },
    Target { name: "app-script", run: artifact::application, seeds: seeds::app_script },
    Target {
        name: "attest-bundle",
        run: crate::attest::fuzz::bundle,
        seeds: crate::attest::fuzz::bundle_seeds,
    },
    Target { name: "attest-key", run: crate::attest::fuzz::keys, seeds: crate::attest::fuzz::key_seeds },
    Target {
        name: "attest-statement",
        run: crate::attest::fuzz::statement,
        seeds: crate::attest::fuzz::statement_seeds,
    },
    Target { name: "bodies", run: layer::bodies, seeds: seeds::bodies },
    Target { name: "build-lock", run: text::build_lock, seeds: seeds::build_lock },
    Target { name: "build-toml", run: text::build_toml, seeds: seeds::build_toml },
    Target { name: "cache-entry", run: crate::engine::cache::fuzz::entry, seeds: seeds::cache_entry },
    Target { name: "challenge", run: text::challenge, seeds: seeds::challenge },
    Target { name: "config", run: image::config, seeds: seeds::config },
    Target { name: "content", run: crate::engine::check::fuzz::file, seeds: seeds::content },
    Target { name: "credentials", run: crate::registry::fuzz::credentials, seeds: seeds::credentials },
    Target { name: "deflate", run: layer::deflate, seeds: seeds::deflate },
    Target { name: "descriptors", run: crate::descriptors::fuzz::descriptor, seeds: seeds::descriptors },
    Target { name: "elf", run: artifact::elf, seeds: seeds::elf },
    Target { name: "error-body", run: crate::registry::fuzz::error_body, seeds: seeds::error_body },
    Target { name: "ignore", run: text::ignore, seeds: seeds::ignore },
    Target { name: "index", run: image::index, seeds: seeds::index },
    Target { name: "json", run: crate::formats::json::fuzz::json, seeds: seeds::json },
    Target { name: "location", run: text::location, seeds: seeds::location },
    Target { name: "manifest", run: image::manifest, seeds: seeds::manifest },
    Target { name: "memo", run: crate::store::fuzz::record, seeds: seeds::memo },
    Target { name: "platform", run: text::platform, seeds: seeds::platform },
    Target {
        name: "policy",
        run: crate::types::policy::fuzz::policy,
        seeds: crate::types::policy::fuzz::policy_seeds,
    },
    Target { name: "reference", run: text::reference, seeds: seeds::reference },
    Target {
        name: "release",
        run: crate::release::record::fuzz::record,
        seeds: crate::release::record::fuzz::seeds,
    },
    Target { name: "retry-after", run: text::retry_after, seeds: seeds::retry_after },
    Target { name: "sbom-file", run: crate::sbom::fuzz::file, seeds: crate::sbom::fuzz::seeds },
    Target { name: "sbom-layer", run: crate::sbom::fuzz::layer, seeds: seeds::tar },
    Target { name: "sbom-stated", run: crate::sbom::fuzz::stated, seeds: crate::sbom::fuzz::stated_seeds },
    Target { name: "tar", run: layer::tar, seeds: seeds::tar },
    Target { name: "tarball", run: layer::tarball, seeds: seeds::tar },
    Target { name: "verify", run: image::verify, seeds: seeds::verify },
    Target { name: "zip", run: layer::zip, seeds: seeds::zip },
    Target { name: "ztoc", run: crate::inspect::verify::soci::fuzz::table, seeds: seeds::ztoc },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests;
