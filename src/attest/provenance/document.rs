//! The predicate, written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::{
    BuildFacts, BuiltImage, BuiltLayer, CommitFact, InputDigest, InputFact, ProvenanceBuilder,
};
use crate::attest::resource::ResourceDescriptor;
use crate::formats::json::{JsonError, Raw};
use crate::types::digest::Digest;
use crate::types::reference::Reference;

/// The type of the claim.
pub const PROVENANCE_PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// The type of the build, which docs/provenance.md describes.
pub const BUILD_TYPE: &str = "urn:pack:build:v1";

/// The name of [`super::layers_digest`] among the digests of a directory.
pub(super) const LAYERS_DIGEST: &str = "packLayers";

/// The parts of the predicate that say when and in which run something was built.
const OMITTED: [&str; 3] =
    ["runDetails.metadata.invocationId", "runDetails.metadata.startedOn", "runDetails.metadata.finishedOn"];

/// The name of the base among dependencies.
pub(super) const BASE: &str = "base";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SlsaPredicate<'a> {
    build_definition: BuildDefinition<'a>,
    run_details: RunDetails<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition<'a> {
    build_type: &'static str,
    external_parameters: ExternalParameters<'a>,
    internal_parameters: InternalParameters<'a>,
    resolved_dependencies: Vec<ResourceDescriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalParameters<'a> {
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    build_file: Option<ResourceDescriptor>,
    settings: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    typed: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InternalParameters<'a> {
    format: u64,
    slsa_build_level: u8,
    slsa_build_level_reason: &'a str,
    omitted: [&'static str; 3],
}

#[derive(Serialize)]
struct RunDetails<'a> {
    builder: BuilderDetails<'a>,
    byproducts: Vec<ResourceDescriptor>,
}

#[derive(Serialize)]
struct BuilderDetails<'a> {
    id: &'a str,
    version: BTreeMap<&'static str, &'a str>,
}

/// The predicate of a build.
///
/// # Errors
/// Never for facts of this type: the encoder's type says that it may fail.
pub fn predicate(facts: &BuildFacts, builder: &ProvenanceBuilder) -> Result<Raw, JsonError> {
    let build_file = facts.build_file.as_ref();
    let predicate = SlsaPredicate {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE,
            external_parameters: ExternalParameters {
                image: &facts.image,
                build_file: build_file.map(|(name, digest)| ResourceDescriptor::named(name).sha256(digest)),
                settings: &facts.settings,
                typed: &facts.typed,
            },
            internal_parameters: InternalParameters {
                format: facts.format,
                slsa_build_level: builder.level,
                slsa_build_level_reason: &builder.why,
                omitted: OMITTED,
            },
            resolved_dependencies: dependencies(facts)?,
        },
        run_details: RunDetails {
            builder: BuilderDetails { id: &builder.id, version: BTreeMap::from([("pack", &*facts.version)]) },
            byproducts: byproducts(&facts.images)?,
        },
    };
    serde_json::to_string(&predicate).map_err(JsonError::refused)?.parse()
}

fn dependencies(facts: &BuildFacts) -> Result<Vec<ResourceDescriptor>, JsonError> {
    let mut all = Vec::new();
    if let Some(commit) = &facts.commit {
        all.push(source(commit)?);
    }
    if let Some((name, digest)) = &facts.base {
        let mut base = ResourceDescriptor::at(purl(name, digest)).sha256(digest);
        base.name = Some(BASE.to_owned());
        all.push(base.annotation("reference", name)?);
    }
    for InputFact { path, kind, digest } in &facts.inputs {
        let mut input = ResourceDescriptor::at(format!("file:{}", escaped(path))).annotation("kind", kind)?;
        input.name = Some(path.clone());
        all.push(match digest {
            Some(InputDigest::File(digest)) => input.sha256(digest),
            Some(InputDigest::Layers(digest)) => input.digest(LAYERS_DIGEST, digest.hex()),
            None => input,
        });
    }
    Ok(all)
}

fn source(commit: &CommitFact) -> Result<ResourceDescriptor, JsonError> {
    let mut source = match &commit.origin {
        Some(origin) => ResourceDescriptor::at(format!("git+{origin}@{}", commit.commit)),
        None => ResourceDescriptor::default(),
    };
    source.name = Some("source".to_owned());
    let source = source.digest("gitCommit", &commit.commit);
    if commit.is_dirty { source.annotation("uncommittedChanges", &true) } else { Ok(source) }
}

/// The layers of all images: each with what it was made of.
fn byproducts(images: &[BuiltImage]) -> Result<Vec<ResourceDescriptor>, JsonError> {
    let mut all = Vec::new();
    for image in images {
        for BuiltLayer { name, digest, diff_id, inputs } in &image.layers {
            let named = name.as_ref().map_or_else(ResourceDescriptor::default, ResourceDescriptor::named);
            let layer = named
                .sha256(digest)
                .annotation("manifest", &image.manifest.to_string())?
                .annotation("platform", &image.platform)?
                .annotation("diffId", &diff_id.to_string())?
                .annotation("inputs", inputs)?;
            all.push(match &image.base {
                Some(base) => layer.annotation("baseManifest", &base.to_string())?,
                None => layer,
            });
        }
    }
    Ok(all)
}

/// The package URL of a base; of one that is in no registry, the URN of its digest.
fn purl(name: &str, digest: &Digest) -> String {
    let Ok(reference) = name.parse::<Reference>() else { return format!("urn:sha256:{}", digest.hex()) };
    let repository = reference.repository().to_string();
    let last = repository.rsplit('/').next().unwrap_or(&repository);
    let tag = reference.tag().map(|tag| format!("&tag={}", escaped(tag.as_str()))).unwrap_or_default();
    format!("pkg:oci/{last}@sha256%3A{}?repository_url={}{tag}", digest.hex(), escaped(&repository))
}

/// A part of a URI.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}
