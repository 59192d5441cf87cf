//! SPDX 2.3, as JSON.
//!
//! Traps of its readers: identifiers are of `[A-Za-z0-9.-]` and unique without regard to case, arrays are never null, a document
//! describes something, and a name of a licence is defined before it is used.

use std::collections::BTreeMap;

use serde::Serialize;

use super::licence::StatedLicence;
use super::subject::ImageSubject;
use super::uuid;
use crate::sbom::component::Component;
use crate::sbom::inventory::Inventory;
use crate::sbom::package::Ecosystem;
use crate::types::digest::Digest;

const NO_ASSERTION: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpdxDocument {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    packages: Vec<SpdxPackage>,
    relationships: Vec<SpdxRelationship>,
    #[serde(rename = "hasExtractedLicensingInfos", skip_serializing_if = "Vec::is_empty")]
    extracted: Vec<ExtractedLicence>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version_info: String,
    download_location: &'static str,
    files_analyzed: bool,
    primary_package_purpose: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<SpdxChecksum>,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalReference>,
    #[serde(skip_serializing_if = "String::is_empty")]
    source_info: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpdxChecksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalReference {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpdxRelationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtractedLicence {
    license_id: String,
    name: String,
    extracted_text: String,
}

/// The document of an inventory.
pub(super) fn document(inventory: &Inventory, subject: &ImageSubject) -> SpdxDocument {
    let ids: BTreeMap<&str, String> = inventory
        .components
        .iter()
        .map(|component| (component.reference.as_str(), identifier(component)))
        .collect();
    let mut extracted = BTreeMap::new();
    let mut packages = vec![image(subject)];
    packages.extend(system(inventory));
    packages.extend(inventory.components.iter().map(|component| package(component, &mut extracted)));
    let mut relationships = vec![relationship(DOCUMENT, "DESCRIBES", IMAGE)];
    if inventory.system.is_some() {
        relationships.push(relationship(IMAGE, "CONTAINS", SYSTEM));
    }
    relationships.extend(ids.values().map(|id| relationship(IMAGE, "CONTAINS", id)));
    for component in &inventory.components {
        let from = &ids[component.reference.as_str()];
        let needs = component.needs.iter().filter_map(|needed| ids.get(needed.as_str()));
        relationships.extend(needs.map(|to| relationship(from, "DEPENDS_ON", to)));
    }
    let unknown: Vec<String> =
        inventory.unknown.iter().map(|part| format!("Unknown: {}: {}", part.path, part.why)).collect();
    let uuid = uuid::of_url(&format!("pkg:oci/image@{}", subject.digest()));
    SpdxDocument {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: format!("{}@{}", subject.name(), subject.digest()),
        document_namespace: format!("https://spdx.org/spdxdocs/{}-{uuid}", letters(subject.name())),
        creation_info: CreationInfo {
            created: subject.created().to_owned(),
            creators: vec![concat!("Tool: pack-", env!("CARGO_PKG_VERSION")).to_owned()],
        },
        comment: (!unknown.is_empty()).then(|| unknown.join("\n")),
        packages,
        relationships,
        extracted: extracted
            .into_iter()
            .map(|(license_id, name): (String, String)| ExtractedLicence {
                license_id,
                extracted_text: name.clone(),
                name,
            })
            .collect(),
    }
}

/// The identifier of the operating system.
const SYSTEM: &str = "SPDXRef-OperatingSystem";

impl SpdxPackage {
    fn new(id: String, name: String, version_info: String, primary_package_purpose: &'static str) -> Self {
        Self {
            id,
            name,
            version_info,
            download_location: NO_ASSERTION,
            files_analyzed: false,
            primary_package_purpose,
            checksums: Vec::new(),
            license_concluded: NO_ASSERTION,
            license_declared: NO_ASSERTION.to_owned(),
            copyright_text: NO_ASSERTION,
            external_refs: Vec::new(),
            source_info: String::new(),
        }
    }
}

fn image(subject: &ImageSubject) -> SpdxPackage {
    let digest = subject.digest();
    SpdxPackage {
        checksums: vec![checksum(&digest)],
        external_refs: subject.purl().into_iter().map(|purl| locator(purl.to_string())).collect(),
        ..SpdxPackage::new(IMAGE.to_owned(), subject.name().to_owned(), digest.to_string(), "CONTAINER")
    }
}

fn system(inventory: &Inventory) -> Option<SpdxPackage> {
    let system = inventory.system.as_ref()?;
    Some(SpdxPackage::new(SYSTEM.to_owned(), system.id.clone(), system.version.clone(), "OPERATING-SYSTEM"))
}

fn package(component: &Component, extracted: &mut BTreeMap<String, String>) -> SpdxPackage {
    let name = match (component.namespace.as_str(), component.ecosystem) {
        ("", _) => component.name.clone(),
        (group, Ecosystem::Java) => format!("{group}:{}", component.name),
        (group, _) => format!("{group}/{}", component.name),
    };
    let terms = component.licences.iter().map(|text| {
        let (term, name) = StatedLicence::of(text).term();
        extracted.extend(name.map(|name| (term.clone(), name)));
        term
    });
    let declared = terms.collect::<Vec<_>>().join(" AND ");
    let places = component.places.iter().map(|place| format!("{} (layer {})", place.path, place.layer));
    let known = component.evidence.words().map(|word| format!("; known by: {word}")).unwrap_or_default();
    SpdxPackage {
        checksums: component.digest().iter().map(checksum).collect(),
        license_declared: if declared.is_empty() { NO_ASSERTION.to_owned() } else { declared },
        external_refs: component.purl.iter().map(|purl| locator(purl.to_string())).collect(),
        source_info: format!("found in: {}{known}", places.collect::<Vec<_>>().join(", ")),
        ..SpdxPackage::new(identifier(component), name, component.version.clone(), "LIBRARY")
    }
}

/// Unique by the digest, whose digits have one case; the rest is for people.
fn identifier(component: &Component) -> String {
    let digest = Digest::of(component.reference.as_bytes()).hex();
    format!("SPDXRef-{}-{}-{}", component.ecosystem.word(), letters(&component.name), &digest[..16])
}

/// The characters that an identifier may have.
fn letters(name: &str) -> String {
    let is_fit = |character: char| character.is_ascii_alphanumeric() || "-.".contains(character);
    name.chars().map(|character| if is_fit(character) { character } else { '-' }).take(80).collect()
}

fn relationship(from: &str, relationship_type: &'static str, to: &str) -> SpdxRelationship {
    SpdxRelationship {
        spdx_element_id: from.to_owned(),
        relationship_type,
        related_spdx_element: to.to_owned(),
    }
}

fn checksum(digest: &Digest) -> SpdxChecksum {
    SpdxChecksum { algorithm: "SHA256", checksum_value: digest.hex() }
}

fn locator(reference_locator: String) -> ExternalReference {
    ExternalReference { reference_category: "PACKAGE-MANAGER", reference_type: "purl", reference_locator }
}
