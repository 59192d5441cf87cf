//! A tag that may not move and resolves to another image.

use super::Source;
use super::load::{load_manifest, offers};
use crate::oci::{Image, ManifestOrIndex};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::Foreign;

/// The annotation or label with the revision that an image was made from.
const REVISION: &str = "org.opencontainers.image.revision";
/// The most characters of a revision that are shown.
const LONGEST_REVISION: usize = 64;

/// A tag that may not move and resolves to another image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tag `{name}` is taken: it resolves to {found}{}, and the new image is {digest}{}",
    shown(found_revision),
    shown(revision)
)]
pub struct TakenTag {
    /// The tag, with its repository.
    pub name: String,
    /// The digest that it resolves to.
    pub found: Digest,
    /// The revision that that image was made from, if it says.
    pub found_revision: Option<String>,
    /// The digest that was to take its place.
    pub digest: Digest,
    /// The revision of that image.
    pub revision: Option<String>,
}

impl TakenTag {
    /// Whether both images say that they were made from the same revision, without changes.
    #[must_use]
    pub fn is_same_revision(&self) -> bool {
        self.revision.as_ref().is_some_and(|own| !own.ends_with("-dirty"))
            && self.revision == self.found_revision
    }

    /// Why an operation failed, if it is this.
    #[must_use]
    pub fn behind(error: &BoxedError) -> Option<&Self> {
        let error: &(dyn std::error::Error + 'static) = &**error;
        error.downcast_ref()
    }
}

impl Explain for TakenTag {
    fn kind(&self) -> Kind {
        Kind::Policy
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::TagTaken)
    }

    fn hint(&self) -> Option<String> {
        Some("choose another tag, or give `--allow-retag` to move this one".to_owned())
    }
}

fn shown(revision: &Option<String>) -> String {
    // The author of the image there wrote one of them.
    revision.as_ref().map_or_else(
        || " of an unknown revision".to_owned(),
        |text| format!(" of revision {}", Foreign::short(text, LONGEST_REVISION)),
    )
}

/// An error with the revision of the image that was to be published, where it is about a taken tag.
pub fn with_revision(error: BoxedError, revision: impl FnOnce() -> Option<String>) -> BoxedError {
    match TakenTag::behind(&error) {
        Some(taken) if taken.revision.is_none() => TakenTag { revision: revision(), ..taken.clone() }.into(),
        _ => error,
    }
}

/// The revision that an image says it was made from.
#[must_use]
pub fn revision_of(image: &Image) -> Option<String> {
    let labels = image.config().config.as_ref().map(|config| &config.labels);
    image.manifest().annotations.get(REVISION).or_else(|| labels?.get(REVISION)).cloned()
}

/// The revision of what `source` names: its own, else that of its first image. Documents that cannot be read say nothing.
#[must_use]
pub fn revision_in(source: &dyn Source) -> Option<String> {
    let annotations = match source.root().ok()?.parse().ok()? {
        ManifestOrIndex::Manifest(manifest) => manifest.annotations,
        ManifestOrIndex::Index(index) => index.annotations,
    };
    if let Some(revision) = annotations.get(REVISION) {
        return Some(revision.clone());
    }
    let first = offers(source).ok()?.into_iter().next()?;
    revision_of(&load_manifest(source, &first.descriptor).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(found_revision: Option<&str>, revision: Option<&str>) -> TakenTag {
        TakenTag {
            name: "localhost:5000/shop/app:1.0".to_owned(),
            found: Digest::of(b"a"),
            found_revision: found_revision.map(str::to_owned),
            digest: Digest::of(b"b"),
            revision: revision.map(str::to_owned),
        }
    }

    #[test]
    fn both_digests_and_both_revisions_are_shown() {
        let error = taken(Some("0123"), None);
        insta::assert_snapshot!(error, @"the tag `localhost:5000/shop/app:1.0` is taken: it resolves to sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb of revision 0123, and the new image is sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d of an unknown revision");
        assert_eq!(error.kind(), Kind::Policy);
    }

    #[test]
    fn a_revision_moves_no_cursor_and_begins_no_line() {
        let text = taken(Some("\u{1b}[2J\n::error::0123"), None).to_string();
        assert!(!text.contains(char::is_control) && text.contains("0123"), "{text}");
    }

    #[test]
    fn only_a_clean_revision_promises_the_same_image() {
        assert!(taken(Some("a"), Some("a")).is_same_revision());
        for (found, own) in [(None, None), (Some("a"), Some("b")), (Some("a-dirty"), Some("a-dirty"))] {
            assert!(!taken(found, own).is_same_revision(), "{found:?} {own:?}");
        }
    }

    #[test]
    fn a_revision_is_added_where_it_is_missing() {
        let own = || Some("b".to_owned());
        let added = with_revision(taken(None, None).into(), own);
        assert_eq!(TakenTag::behind(&added), Some(&taken(None, Some("b"))));
        let kept = with_revision(taken(None, Some("a")).into(), own);
        assert_eq!(TakenTag::behind(&kept), Some(&taken(None, Some("a"))));
        let other = with_revision(crate::runtime::interrupt::Interrupted.into(), own);
        assert_eq!(TakenTag::behind(&other), None);
    }
}
