//! Licences as documents may have them: identifiers of the SPDX list, expressions of these, or names.

/// Words that the list of the crate has, and that are no licences.
const SAYS_NOTHING: [&str; 2] = ["NOASSERTION", "NONE"];

/// A licence, or several in one expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StatedLicence {
    /// An identifier of the SPDX list.
    Id(&'static str),
    /// An expression of identifiers.
    Expression(String),
    /// A name that the list does not have.
    Name(String),
}

impl StatedLicence {
    /// The licence that `text` states.
    pub(super) fn of(text: &str) -> Self {
        let id = |text: &str| {
            spdx::license_id(text).map(|id| id.name).filter(|id| *id == text && !SAYS_NOTHING.contains(id))
        };
        if let Some(id) = id(text) {
            return Self::Id(id);
        }
        let parsed = spdx::Expression::parse(text).ok();
        // A reference to a licence that is defined elsewhere is defined nowhere here.
        let is_whole = |expression: &spdx::Expression| {
            expression.requirements().all(|requirement| {
                requirement.req.license.id().is_some_and(|id| !SAYS_NOTHING.contains(&id.name))
            })
        };
        match parsed.filter(is_whole) {
            Some(_) => Self::Expression(text.to_owned()),
            None => Self::Name(text.to_owned()),
        }
    }

    /// Its part of an SPDX expression, and the name that has to be defined for it.
    pub(super) fn term(&self) -> (String, Option<String>) {
        match self {
            Self::Id(id) => ((*id).to_owned(), None),
            Self::Expression(text) => (format!("({text})"), None),
            Self::Name(name) => {
                let digest = crate::types::digest::Digest::of(name.as_bytes()).hex();
                (format!("LicenseRef-{}", &digest[..16]), Some(name.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_list_has_is_an_identifier() {
        assert_eq!(StatedLicence::of("MIT"), StatedLicence::Id("MIT"));
        assert_eq!(
            StatedLicence::of("MIT OR Apache-2.0"),
            StatedLicence::Expression("MIT OR Apache-2.0".to_owned())
        );
        assert!(matches!(
            StatedLicence::of("GPL-2.0-only WITH Classpath-exception-2.0"),
            StatedLicence::Expression(_)
        ));
        for name in [
            "mit",
            "GPL-2+ and others",
            "LicenseRef-x OR MIT",
            "NOASSERTION",
            "https://example.com/l",
            "MIT OR",
        ] {
            assert_eq!(StatedLicence::of(name), StatedLicence::Name(name.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_name_is_defined_where_it_is_used() {
        let (term, name) = StatedLicence::of("BSD License").term();
        assert!(term.starts_with("LicenseRef-") && term.len() == 27, "{term}");
        assert_eq!(name.as_deref(), Some("BSD License"));
    }
}
