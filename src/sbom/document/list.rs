//! Writing a document.

use super::format::SpecVersion;
use super::subject::ImageSubject;
use super::{cyclonedx, spdx_document};
use crate::sbom::inventory::Inventory;

/// A document: its bytes, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbomDocument {
    /// The bytes: compact JSON and a line feed.
    pub bytes: Vec<u8>,
    /// The specification that they follow.
    pub version: SpecVersion,
}

/// Writes the components of an image. The bytes are a function of the arguments and of this program's version.
///
/// # Errors
/// Never for values of these types; the signature is serde's.
pub fn write(
    inventory: &Inventory,
    subject: &ImageSubject,
    version: SpecVersion,
) -> Result<SbomDocument, serde_json::Error> {
    let mut bytes = match version {
        SpecVersion::CycloneDx16 | SpecVersion::CycloneDx17 => {
            serde_json::to_vec(&cyclonedx::bom(inventory, subject, version))?
        }
        SpecVersion::Spdx23 => serde_json::to_vec(&spdx_document::document(inventory, subject))?,
    };
    bytes.push(b'\n');
    Ok(SbomDocument { bytes, version })
}
