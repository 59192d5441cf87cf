//! Python distributions: `*.dist-info/METADATA` and `*.egg-info/PKG-INFO` (core metadata, PEP 566 and later).

use super::header::header_lines;
use super::text::{licence, word};
use crate::sbom::package::PackageFacts;

/// How a classifier that names a licence begins.
const CLASSIFIER: &str = "License :: ";

/// The distribution that a file of metadata describes; `None` without a name or version.
pub(super) fn distribution(text: &str) -> Option<PackageFacts> {
    let mut facts = PackageFacts::default();
    let (mut expression, mut stated, mut classified) = (None, None, Vec::new());
    for (name, value) in header_lines(text) {
        match name.to_ascii_lowercase().as_str() {
            "name" if facts.name.is_empty() => word(value).clone_into(&mut facts.name),
            "version" if facts.version.is_empty() => word(value).clone_into(&mut facts.version),
            "license-expression" => expression = licence(value),
            "license" => stated = licence(value),
            "classifier" => {
                let last = value.strip_prefix(CLASSIFIER).and_then(|rest| rest.rsplit(" :: ").next());
                classified.extend(last.filter(|last| *last != "OSI Approved").and_then(licence));
            }
            "requires-dist" if !is_of_extra(value) => facts.requires.extend(required(value)),
            _ => {}
        }
    }
    facts.licences = match expression.or(stated) {
        Some(licence) => vec![licence],
        None => classified,
    };
    (!facts.name.is_empty() && !facts.version.is_empty()).then_some(facts)
}

/// A name in the form that all spellings of it have (PEP 503).
pub fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            other => normal.extend(other.to_lowercase()),
        }
    }
    normal
}

fn is_of_extra(requirement: &str) -> bool {
    requirement.split_once(';').is_some_and(|(_, marker)| marker.contains("extra"))
}

fn required(requirement: &str) -> Option<String> {
    let end =
        requirement.find(|character: char| !character.is_ascii_alphanumeric() && !"-_.".contains(character));
    let name = normal(word(&requirement[..end.unwrap_or(requirement.len())]));
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_tells_name_version_licence_and_needs() {
        let text = "BomMetadata-Version: 2.1\nName: Zope.Interface\nVersion: 6.0\nLicense: ZPL 2.1\n continued\n\
            Classifier: License :: OSI Approved :: MIT License\nRequires-Dist: setuptools>=1 ; python_version > \"3\"\n\
            Requires-Dist: Sphinx ; extra == 'docs'\nRequires-Dist: ruamel.yaml [x] (>=1)\n\nName: body\n";
        let facts = distribution(text).expect("a distribution");
        assert_eq!((facts.name.as_str(), facts.version.as_str()), ("Zope.Interface", "6.0"));
        assert_eq!(facts.licences, ["ZPL 2.1"]);
        assert_eq!(facts.requires, ["setuptools", "ruamel-yaml"]);
        assert_eq!(distribution("Name: a\n\nVersion: 1\n"), None);
    }

    #[test]
    fn an_expression_counts_before_a_name_and_a_classifier() {
        let of =
            |fields: &str| distribution(&format!("Name: a\nVersion: 1\n{fields}")).expect("one").licences;
        assert_eq!(of("License: x\nLicense-Expression: MIT OR Apache-2.0\n"), ["MIT OR Apache-2.0"]);
        let classifiers =
            "Classifier: License :: OSI Approved :: BSD License\nClassifier: License :: OSI Approved\n";
        assert_eq!(of(classifiers), ["BSD License"]);
        assert_eq!(of("License: UNKNOWN\n"), Vec::<String>::new());
    }

    #[test]
    fn all_spellings_of_a_name_have_one_form() {
        assert_eq!(normal("Foo__.Bar-baz"), "foo-bar-baz");
    }
}
