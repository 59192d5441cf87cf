//! The predicate, read: what can be compared with an image.

use crate::attest::proof::ProofError;
use crate::attest::resource::ResourceDescriptor;
use crate::formats::json::{FromJson, JsonError, JsonValue, Object, Raw, decode};
use crate::types::digest::Digest;

use super::document::{BASE, BUILD_TYPE, LAYERS_DIGEST};

/// The base that a provenance names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedBase {
    /// Its name, as the build file had it.
    pub reference: Option<String>,
    /// The digest that the name had.
    pub digest: Digest,
}

/// A layer that a provenance lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedLayer {
    /// The manifest of the image that it is in.
    pub manifest: Digest,
    /// Its blob.
    pub digest: Digest,
    /// Its content without compression.
    pub diff_id: Digest,
    /// Whether it is of the base.
    pub is_of_base: bool,
    /// The manifest of the base below it.
    pub base: Option<Digest>,
    /// The names of the inputs that it is said to be made of.
    pub inputs: Vec<String>,
}

/// A directory that a provenance names, with the digest of its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedDirectory {
    /// Its name among the inputs.
    pub name: String,
    /// The digest.
    pub layers: Digest,
}

/// The claims of a provenance; its author may be anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenanceClaim {
    /// The type of the build.
    pub build_type: String,
    /// The builder.
    pub builder: String,
    /// The level that it claims, where it says so.
    pub level: Option<u64>,
    /// The commit.
    pub commit: Option<String>,
    /// Whether the tree had changes that were not committed.
    pub is_dirty: bool,
    /// The base.
    pub base: Option<ClaimedBase>,
    /// The files that it names with a digest.
    pub inputs: usize,
    /// The directories that it names with a digest.
    pub directories: Vec<ClaimedDirectory>,
    /// The layers.
    pub layers: Vec<ClaimedLayer>,
}

impl ProvenanceClaim {
    /// Reads a predicate of SLSA v1. Of another build type, only what all have is read.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(predicate: &[u8]) -> Result<Self, ProofError> {
        Ok(decode(predicate)?)
    }

    /// Whether this program's kind of build is claimed, so that layers and base can be compared.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.build_type == BUILD_TYPE
    }
}

/// The keys of objects of others are not known: what is not read is carried over.
struct Fields<'a>(JsonValue<'a>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<JsonValue<'a>> {
        self.0.members().find(|(key, value)| key == name && !value.is_null()).map(|(_, value)| value)
    }

    fn below(&self, name: &str) -> Option<Self> {
        self.get(name).map(Self)
    }
}

impl FromJson for ProvenanceClaim {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["buildDefinition", "runDetails"])?;
        let definition: DefinitionJson = object.require("buildDefinition")?;
        let details: DetailsJson = object.require("runDetails")?;
        object.finish()?;
        let named = |name: &str| definition.dependencies.iter().find(|it| it.name.as_deref() == Some(name));
        let commits = definition.dependencies.iter().filter(|it| it.digest.contains_key("gitCommit"));
        let source = commits.clone().next();
        let base = named(BASE).and_then(|base| {
            let reference = base.annotations.get("reference").and_then(word);
            Some(ClaimedBase { reference, digest: base.its_sha256()? })
        });
        let inputs = definition.dependencies.iter().filter(|it| {
            it.its_sha256().is_some() && it.uri.as_deref().is_some_and(|uri| uri.starts_with("file:"))
        });
        Ok(Self {
            inputs: inputs.count(),
            directories: definition.dependencies.iter().filter_map(directory).collect(),
            commit: source.and_then(|source| source.digest.get("gitCommit").cloned()),
            is_dirty: source.is_some_and(|source| source.annotations.contains_key("uncommittedChanges")),
            base,
            level: definition.level,
            build_type: definition.build_type,
            builder: details.builder,
            layers: details.byproducts.iter().filter_map(layer).collect(),
        })
    }
}

fn word(raw: &Raw) -> Option<String> {
    raw.value().as_str().map(std::borrow::Cow::into_owned)
}

fn layer(resource: &ResourceDescriptor) -> Option<ClaimedLayer> {
    let digest = |name: &str| word(resource.annotations.get(name)?)?.parse::<Digest>().ok();
    let inputs = resource.annotations.get("inputs").into_iter().flat_map(|inputs| inputs.value().items());
    let inputs: Vec<String> =
        inputs.filter_map(|input| input.as_str().map(std::borrow::Cow::into_owned)).collect();
    Some(ClaimedLayer {
        manifest: digest("manifest")?,
        digest: resource.its_sha256()?,
        diff_id: digest("diffId")?,
        is_of_base: inputs.iter().any(|input| input == BASE),
        base: digest("baseManifest"),
        inputs,
    })
}

fn directory(resource: &ResourceDescriptor) -> Option<ClaimedDirectory> {
    let layers = format!("sha256:{}", resource.digest.get(LAYERS_DIGEST)?).parse().ok()?;
    Some(ClaimedDirectory { name: resource.name.clone()?, layers })
}

struct DefinitionJson {
    build_type: String,
    level: Option<u64>,
    dependencies: Vec<ResourceDescriptor>,
}

impl FromJson for DefinitionJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let known = &["buildType", "externalParameters", "internalParameters", "resolvedDependencies"];
        let mut object = Object::open(value, known)?;
        let level = Fields(value)
            .below("internalParameters")
            .and_then(|parameters| u64::decode(parameters.get("slsaBuildLevel")?).ok());
        let definition = Self {
            build_type: object.require("buildType")?,
            level,
            dependencies: object.take_or_default("resolvedDependencies")?,
        };
        object.finish()?;
        Ok(definition)
    }
}

struct DetailsJson {
    builder: String,
    byproducts: Vec<ResourceDescriptor>,
}

impl FromJson for DetailsJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["builder", "metadata", "byproducts"])?;
        let builder: BuilderJson = object.require("builder")?;
        let byproducts = object.take_or_default("byproducts")?;
        object.finish()?;
        Ok(Self { builder: builder.0, byproducts })
    }
}

struct BuilderJson(String);

impl FromJson for BuilderJson {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["id", "version", "builderDependencies"])?;
        let id = object.require("id")?;
        object.finish()?;
        Ok(Self(id))
    }
}
