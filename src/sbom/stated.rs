//! The packages that a document of any author lists: CycloneDX and SPDX 2, as JSON.

use crate::formats::json::{JsonError, JsonValue, parse_within};
use crate::runtime::budget::{Budget, OverBudget};
use crate::types::digest::Digest;
use crate::types::policy::{PackageFact, PackageName};
use crate::types::shown::Foreign;

/// The types of artifacts that are such documents.
pub const SBOM_TYPES: [&str; 2] = ["application/vnd.cyclonedx+json", "application/spdx+json"];

/// The types of statements whose predicate is such a document.
pub const SBOM_PREDICATES: [&str; 2] = ["https://cyclonedx.org/bom", "https://spdx.dev/Document"];

/// A document has at most so many values.
const MOST_VALUES: usize = 2_000_000;
/// So many packages are listed at most.
const MOST_PACKAGES: usize = 250_000;
/// Components lie in components to this depth.
const MAX_DEPTH: usize = 16;
/// The packages of all documents of an image take at most so many bytes of memory.
const MOST_BYTES: u64 = 64 << 20;

/// The budget of the packages that all documents of one image list, together. They are kept until they are judged.
#[must_use]
pub fn stated_budget() -> Budget {
    Budget::new("the list of packages", MOST_BYTES, u64::MAX)
}

/// Why a document lists no packages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatedError {
    /// It is no JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is another kind of document.
    #[error("it is neither CycloneDX nor SPDX 2")]
    Kind,
    /// It is about another image.
    #[error("it is about {found}, not about {wanted}")]
    Subject {
        /// The image that it names.
        found: Digest,
        /// The image that it is attached to.
        wanted: Digest,
    },
    /// It has more packages than are read, or they are nested too deep.
    #[error("it lists more than {MOST_PACKAGES} packages, or packages in packages deeper than {MAX_DEPTH}")]
    TooMuch,
    /// The packages of all documents that were read until now take more memory than they may.
    #[error(transparent)]
    Budget(#[from] OverBudget),
    /// A package without a name.
    #[error("a package in it has no name")]
    Nameless,
    /// The version of the specification is not read.
    #[error("it is SPDX of the version `{}`, and only versions that begin with `SPDX-2` are read", Foreign::new(.0))]
    Version(String),
}

/// The packages in a document that is attached to the image `about[0]`; the other digests are those of what has that image
/// in it. A document that names an image must name one of them. `budget` is that of all documents of the image.
///
/// # Errors
/// When it cannot be read, or is about another image.
pub fn stated_packages(
    bytes: &[u8],
    about: &[Digest],
    budget: &Budget,
) -> Result<Vec<PackageFact>, StatedError> {
    let root = parse_within(bytes, MOST_VALUES)?;
    let of = |name: &str| member(root, name);
    let mut list = StatedList { about, budget, packages: Vec::new() };
    if text(of("bomFormat")).as_deref() == Some("CycloneDX") {
        if let Some(component) = of("metadata").and_then(|metadata| member(metadata, "component")) {
            list.check_subject(text(member(component, "purl")).as_deref())?;
        }
        list.components(of("components"), 0)?;
    } else if let Some(version) = text(of("spdxVersion")) {
        if !version.starts_with("SPDX-2") {
            return Err(StatedError::Version(version));
        }
        list.spdx_packages(of("packages"))?;
    } else {
        return Err(StatedError::Kind);
    }
    Ok(list.packages)
}

struct StatedList<'a> {
    about: &'a [Digest],
    budget: &'a Budget,
    packages: Vec<PackageFact>,
}

impl StatedList<'_> {
    /// Refuses a document whose purl of an image has another digest.
    fn check_subject(&self, purl: Option<&str>) -> Result<(), StatedError> {
        let Some(found) = purl.and_then(digest_of_image) else { return Ok(()) };
        let wanted = *self.about.first().ok_or(StatedError::Kind)?;
        if self.about.contains(&found) { Ok(()) } else { Err(StatedError::Subject { found, wanted }) }
    }

    fn add(&mut self, package: PackageFact) -> Result<(), StatedError> {
        if self.packages.len() == MOST_PACKAGES {
            return Err(StatedError::TooMuch);
        }
        self.budget.keep(cost(&package))?;
        self.packages.push(package);
        Ok(())
    }

    fn components(&mut self, components: Option<JsonValue<'_>>, depth: usize) -> Result<(), StatedError> {
        let Some(components) = components else { return Ok(()) };
        if depth == MAX_DEPTH {
            return Err(StatedError::TooMuch);
        }
        for component in components.items() {
            let mut fields = CycloneFields::of(component);
            // Neither is a package: the image itself, and the distribution.
            if !matches!(fields.kind.as_deref(), Some("operating-system" | "container")) {
                self.add(fields.package()?)?;
            }
            self.components(fields.components, depth + 1)?;
        }
        Ok(())
    }

    fn spdx_packages(&mut self, packages: Option<JsonValue<'_>>) -> Result<(), StatedError> {
        for package in packages.into_iter().flat_map(JsonValue::items) {
            let mut fields = SpdxFields::default();
            for (key, value) in package.members() {
                match &*key {
                    "name" => fields.name = text(Some(value)),
                    "externalRefs" => fields.purl = purl_of(value),
                    "licenseConcluded" | "licenseDeclared" => fields.licences.extend(text(Some(value))),
                    _ => {}
                }
            }
            if fields.purl.as_deref().and_then(PackageName::read).is_some_and(|name| name.kind == "oci") {
                self.check_subject(fields.purl.as_deref())?;
                continue;
            }
            fields.licences.retain(|licence| !matches!(licence.as_str(), "NOASSERTION" | "NONE" | ""));
            fields.licences.dedup();
            let name = fields.name.ok_or(StatedError::Nameless)?;
            self.add(PackageFact { purl: fields.purl, name, licences: fields.licences })?;
        }
        Ok(())
    }
}

/// The bytes that a package takes in memory, about.
fn cost(package: &PackageFact) -> usize {
    // Of an allocation that is small, most is the allocator's own.
    let text = |text: &String| if text.is_empty() { 0 } else { text.len() + 24 };
    let licence = |licence: &String| size_of::<String>() + text(licence);
    size_of::<PackageFact>()
        + text(&package.name)
        + package.purl.as_ref().map_or(0, text)
        + package.licences.iter().map(licence).sum::<usize>()
}

#[derive(Default)]
struct SpdxFields {
    name: Option<String>,
    purl: Option<String>,
    licences: Vec<String>,
}

#[derive(Default)]
struct CycloneFields<'a> {
    kind: Option<String>,
    name: Option<String>,
    purl: Option<String>,
    licences: Vec<String>,
    components: Option<JsonValue<'a>>,
}

impl<'a> CycloneFields<'a> {
    fn of(component: JsonValue<'a>) -> Self {
        let mut fields = Self::default();
        for (key, value) in component.members() {
            match &*key {
                "type" => fields.kind = text(Some(value)),
                "name" => fields.name = text(Some(value)),
                "purl" => fields.purl = text(Some(value)),
                "licenses" => fields.licences.extend(value.items().filter_map(licence)),
                "components" => fields.components = Some(value),
                _ => {}
            }
        }
        fields
    }

    fn package(&mut self) -> Result<PackageFact, StatedError> {
        let licences = std::mem::take(&mut self.licences);
        let name = self.name.take().ok_or(StatedError::Nameless)?;
        Ok(PackageFact { purl: self.purl.take(), name, licences })
    }
}

/// A licence of CycloneDX: an expression, an identifier or a name.
fn licence(choice: JsonValue<'_>) -> Option<String> {
    let named = || {
        let licence = member(choice, "license")?;
        text(member(licence, "id")).or_else(|| text(member(licence, "name")))
    };
    text(member(choice, "expression")).or_else(named)
}

/// The purl among references of SPDX.
fn purl_of(references: JsonValue<'_>) -> Option<String> {
    let is_purl =
        |reference: &JsonValue<'_>| text(member(*reference, "referenceType")).as_deref() == Some("purl");
    text(member(references.items().find(is_purl)?, "referenceLocator"))
}

/// The digest in the purl of an image.
fn digest_of_image(purl: &str) -> Option<Digest> {
    let name = PackageName::read(purl).filter(|name| name.kind == "oci")?;
    name.version?.parse().ok()
}

fn member<'a>(value: JsonValue<'a>, name: &str) -> Option<JsonValue<'a>> {
    value.members().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn text(value: Option<JsonValue<'_>>) -> Option<String> {
    value?.as_str().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Digest {
        Digest::of(b"image")
    }

    fn read(text: &str) -> Result<Vec<PackageFact>, StatedError> {
        stated_packages(text.as_bytes(), &[image()], &stated_budget())
    }

    fn package(purl: Option<&str>, name: &str, licences: &[&str]) -> PackageFact {
        PackageFact {
            purl: purl.map(str::to_owned),
            name: name.to_owned(),
            licences: licences.iter().map(|licence| (*licence).to_owned()).collect(),
        }
    }

    #[test]
    fn cyclonedx_lists_components_in_components() {
        let text = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[
            {"type":"operating-system","name":"debian"},
            {"type":"library","name":"a","purl":"pkg:npm/a@1","licenses":[{"license":{"id":"MIT"}},{"license":{"name":"own"}}],
             "components":[{"type":"file","name":"b","licenses":[{"expression":"MIT OR ISC"}]}]}]}"#;
        let found = read(text).expect("read");
        let expected =
            [package(Some("pkg:npm/a@1"), "a", &["MIT", "own"]), package(None, "b", &["MIT OR ISC"])];
        assert_eq!(found, expected);
    }

    #[test]
    fn spdx_lists_packages_without_the_image() {
        let text = format!(
            r#"{{"spdxVersion":"SPDX-2.3","packages":[
            {{"name":"image","externalRefs":[{{"referenceType":"purl","referenceLocator":"pkg:oci/app@sha256%3A{}?arch=amd64"}}]}},
            {{"name":"a","licenseConcluded":"NOASSERTION","licenseDeclared":"MIT",
              "externalRefs":[{{"referenceType":"cpe23Type","referenceLocator":"x"}},{{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"}}]}}]}}"#,
            image().hex()
        );
        assert_eq!(read(&text).expect("read"), [package(Some("pkg:npm/a@1"), "a", &["MIT"])]);
    }

    #[test]
    fn a_document_about_another_image_is_refused() {
        let of = |digest: Digest| {
            let purl = format!("pkg:oci/app@sha256%3A{}", digest.hex());
            [
                format!(r#"{{"bomFormat":"CycloneDX","metadata":{{"component":{{"purl":"{purl}"}}}}}}"#),
                format!(
                    r#"{{"spdxVersion":"SPDX-2.3","packages":[{{"name":"x","externalRefs":[{{"referenceType":"purl","referenceLocator":"{purl}"}}]}}]}}"#
                ),
            ]
        };
        for text in of(image()) {
            assert_eq!(read(&text), Ok(Vec::new()));
        }
        for text in of(Digest::of(b"other")) {
            assert!(matches!(read(&text), Err(StatedError::Subject { .. })), "{text}");
        }
    }

    #[test]
    fn packages_of_several_documents_have_one_budget() {
        let budget = Budget::new("the list", 2_000, u64::MAX);
        let text = |name: &str| format!(r#"{{"bomFormat":"CycloneDX","components":[{{"name":"{name}"}}]}}"#);
        let read = |name: &str| stated_packages(text(name).as_bytes(), &[image()], &budget);
        assert!(read(&"a".repeat(1_000)).is_ok());
        assert!(matches!(read(&"a".repeat(1_000)), Err(StatedError::Budget(_))));
        assert!(read("a").is_ok());
    }

    #[test]
    fn other_documents_list_nothing() {
        assert_eq!(read("{}"), Err(StatedError::Kind));
        assert!(matches!(read("no"), Err(StatedError::Json(_))));
        assert!(matches!(read(r#"{"spdxVersion":"SPDX-3.0"}"#), Err(StatedError::Version(_))));
        assert_eq!(read(r#"{"bomFormat":"CycloneDX","components":[{}]}"#), Err(StatedError::Nameless));
        let deep = format!("{}{}", r#"{"name":"a","components":["#.repeat(20), "]}".repeat(20));
        let deep = format!(r#"{{"bomFormat":"CycloneDX","components":[{deep}]}}"#);
        assert_eq!(read(&deep), Err(StatedError::TooMuch));
    }
}
