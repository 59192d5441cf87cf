//! CycloneDX 1.6 and 1.7 (ECMA-424), as JSON.
//!
//! The two versions have the same fields here. Traps of its readers: `license.id` takes identifiers of the list alone, one
//! expression stands alone, components are unique, and the root is not among them. The array form of `evidence.identity` crashes
//! readers in use, so it is left out.

use std::collections::BTreeSet;

use serde::Serialize;

use super::format::SpecVersion;
use super::licence::StatedLicence;
use super::subject::ImageSubject;
use super::uuid;
use crate::sbom::component::Component;
use crate::sbom::inventory::Inventory;
use crate::sbom::package::{CoordinateEvidence, Ecosystem};
use crate::types::digest::Digest;

/// The reference of the operating system.
const SYSTEM: &str = "pack:operating-system";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bom<'a> {
    #[serde(rename = "$schema")]
    schema: String,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: BomMetadata<'a>,
    components: Vec<BomComponent<'a>>,
    dependencies: Vec<BomDependency<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    compositions: Vec<BomComposition>,
}

#[derive(Serialize)]
struct BomMetadata<'a> {
    timestamp: &'a str,
    tools: BomTools,
    component: BomComponent<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<BomProperty>,
}

#[derive(Serialize)]
struct BomTools {
    components: Vec<BomTool>,
}

#[derive(Serialize)]
struct BomTool {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    version: &'static str,
}

#[derive(Default, Serialize)]
struct BomComponent<'a> {
    #[serde(rename = "bom-ref")]
    reference: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<BomHash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<BomLicence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<BomEvidence<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<BomProperty>,
}

#[derive(Serialize)]
struct BomHash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum BomLicence {
    License(LicenceChoice),
    #[serde(untagged)]
    Expression {
        expression: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum LicenceChoice {
    Id(&'static str),
    Name(String),
}

#[derive(Serialize)]
struct BomEvidence<'a> {
    occurrences: Vec<BomOccurrence<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BomOccurrence<'a> {
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_context: Option<String>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct BomProperty {
    name: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BomDependency<'a> {
    #[serde(rename = "ref")]
    reference: String,
    depends_on: Vec<&'a str>,
}

#[derive(Serialize)]
struct BomComposition {
    aggregate: &'static str,
    assemblies: Vec<String>,
}

/// The document of an inventory.
pub(super) fn bom<'a>(inventory: &'a Inventory, subject: &'a ImageSubject, version: SpecVersion) -> Bom<'a> {
    let root = root(subject);
    let root_reference = root.reference.clone();
    let needed: BTreeSet<&str> =
        inventory.components.iter().flat_map(|component| &component.needs).map(String::as_str).collect();
    let mut first: Vec<&str> = inventory
        .components
        .iter()
        .map(|component| component.reference.as_str())
        .filter(|reference| !needed.contains(reference))
        .collect();
    if inventory.system.is_some() {
        first.insert(0, SYSTEM);
    }
    let mut components: Vec<BomComponent<'_>> = system(inventory).into_iter().collect();
    components.extend(inventory.components.iter().map(component));
    let mut dependencies = vec![BomDependency { reference: root_reference.clone(), depends_on: first }];
    dependencies.extend(inventory.components.iter().map(|component| BomDependency {
        reference: component.reference.clone(),
        depends_on: component.needs.iter().map(String::as_str).collect(),
    }));
    let unknown = inventory.unknown.iter();
    let unknown = unknown.map(|part| property("pack:unknown", format!("{}: {}", part.path, part.why)));
    Bom {
        schema: format!("http://cyclonedx.org/schema/bom-{}.schema.json", version.number()),
        bom_format: "CycloneDX",
        spec_version: version.number(),
        serial_number: format!("urn:uuid:{}", uuid::of_url(&format!("pkg:oci/image@{}", subject.digest()))),
        version: 1,
        metadata: BomMetadata {
            timestamp: subject.created(),
            tools: BomTools {
                components: vec![BomTool {
                    kind: "application",
                    name: "pack",
                    version: env!("CARGO_PKG_VERSION"),
                }],
            },
            component: root,
            properties: unknown.collect(),
        },
        components,
        dependencies,
        // Without this statement, readers take it that it is not known whether anything is missing.
        compositions: if inventory.unknown.is_empty() {
            Vec::new()
        } else {
            vec![BomComposition { aggregate: "incomplete", assemblies: vec![root_reference] }]
        },
    }
}

fn root(subject: &ImageSubject) -> BomComponent<'_> {
    let purl = subject.purl().map(|purl| purl.to_string());
    BomComponent {
        reference: purl.clone().unwrap_or_else(|| subject.digest().to_string()),
        kind: "container",
        name: subject.name(),
        version: subject.digest().to_string(),
        hashes: vec![hash(&subject.digest())],
        purl,
        ..BomComponent::default()
    }
}

fn system(inventory: &Inventory) -> Option<BomComponent<'_>> {
    let system = inventory.system.as_ref()?;
    let name = (!system.name.is_empty()).then(|| property("pack:name", system.name.clone()));
    Some(BomComponent {
        reference: SYSTEM.to_owned(),
        kind: "operating-system",
        name: &system.id,
        version: system.version.clone(),
        properties: name.into_iter().collect(),
        ..BomComponent::default()
    })
}

fn component(component: &Component) -> BomComponent<'_> {
    let mut properties: Vec<BomProperty> =
        component.properties.iter().map(|(name, value)| property(&prefixed(name), value.clone())).collect();
    let layers: BTreeSet<&Digest> = component.places.iter().map(|place| &place.layer).collect();
    properties.extend(layers.into_iter().map(|layer| property("pack:layer", layer.to_string())));
    properties.extend(component.evidence.words().map(|word| property("pack:evidence", word.to_owned())));
    properties.sort();
    let is_program = component.evidence == CoordinateEvidence::Unpublished && component.needs.len() > 1;
    BomComponent {
        reference: component.reference.clone(),
        kind: if is_program { "application" } else { "library" },
        group: match component.ecosystem {
            // The path of a module is its name.
            Ecosystem::Go => "",
            _ => &component.namespace,
        },
        name: &component.name,
        version: component.version.clone(),
        hashes: component.digest().iter().map(hash).collect(),
        licenses: licences(&component.licences),
        purl: component.purl.as_ref().map(ToString::to_string),
        evidence: Some(BomEvidence {
            occurrences: component
                .places
                .iter()
                .map(|place| BomOccurrence {
                    location: &place.path,
                    additional_context: Some(match &place.digest {
                        Some(digest) => format!("layer {}, content {digest}", place.layer),
                        None => format!("layer {}", place.layer),
                    }),
                })
                .collect(),
        }),
        properties,
    }
}

/// Names of properties begin with a namespace.
fn prefixed(name: &str) -> String {
    if name.starts_with("pack:") { name.to_owned() } else { format!("pack:{name}") }
}

fn property(name: &str, value: String) -> BomProperty {
    BomProperty { name: name.to_owned(), value }
}

fn hash(digest: &Digest) -> BomHash {
    BomHash { alg: "SHA-256", content: digest.hex() }
}

/// A single expression stands as such; beside others it can only be a name.
fn licences(stated: &[String]) -> Vec<BomLicence> {
    let is_only = stated.len() == 1;
    let one = |text: &String| match StatedLicence::of(text) {
        StatedLicence::Id(id) => BomLicence::License(LicenceChoice::Id(id)),
        StatedLicence::Expression(expression) if is_only => BomLicence::Expression { expression },
        StatedLicence::Expression(name) | StatedLicence::Name(name) => {
            BomLicence::License(LicenceChoice::Name(name))
        }
    };
    stated.iter().map(one).collect()
}
