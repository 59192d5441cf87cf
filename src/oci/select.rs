//! Choosing the manifest for a platform from an index (image specification, `image-index.md`).
//!
//! The match is exact after normalisation: no emulation, no falling back to another variant, no guess
//! from the machine that this runs on. Attestations, which hide in an index as manifests of their own, are
//! never images.

use super::attestation::REFERENCE_TYPE;
use super::{Descriptor, Index, MAX_CHILDREN, MAX_DOCUMENT, MediaType, media_type};
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::platform::Platform;
use crate::types::shown::listed;

/// An index may contain indexes to this depth, itself not counted.
pub const MAX_DEPTH: usize = 4;

/// The indexes that an index contains may have at most so many bytes in all.
const MAX_NESTED: u64 = 4 * MAX_DOCUMENT;

/// One image that an index offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The platform of the image, if the index names one that is known.
    pub platform: Option<Platform>,
    /// Its manifest.
    pub descriptor: Descriptor,
}

/// Why no image can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// None is for the platform.
    #[error("there is no image for {wanted}; there is {}", list(.existing))]
    NoSuchPlatform {
        /// The requested platform.
        wanted: Platform,
        /// The available platforms.
        existing: Vec<String>,
    },
    /// None was asked for and there are several.
    #[error("there are images for several platforms: {}", list(.0))]
    Several(Vec<String>),
    /// The index has no images.
    #[error("the index lists no images")]
    Empty,
    /// Indexes within indexes.
    #[error("indexes are nested more than {MAX_DEPTH} deep")]
    Depth,
    /// The index and those in it have too many entries.
    #[error("the index lists more than {MAX_CHILDREN} manifests")]
    TooMany,
    /// The indexes in it are too large.
    #[error("the indexes that the index lists have more than {MAX_NESTED} bytes")]
    TooLarge,
}

fn list(platforms: &[String]) -> String {
    listed(platforms, "", ", ")
}

impl Explain for SelectError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NoSuchPlatform { .. } => Some(ErrorCode::PlatformMissing),
            Self::Several(_) => Some(ErrorCode::ImageUnclear),
            Self::Empty => Some(ErrorCode::ImageNotFound),
            Self::Depth | Self::TooMany | Self::TooLarge => Some(ErrorCode::LimitReached),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Several(platforms) => {
                platforms.first().map(|platform| format!("name one, such as `--platform {platform}`"))
            }
            _ => None,
        }
    }
}

/// Every image that `index` offers, in its order; `nested` gets an index that it contains.
///
/// # Errors
/// The error of `nested`, or an error when the indexes are nested too deep or have too many entries.
pub fn offers<E: From<SelectError>>(
    index: &Index,
    nested: &mut dyn FnMut(&Descriptor) -> Result<Index, E>,
) -> Result<Vec<Offer>, E> {
    let mut found = Vec::new();
    let mut budget = SelectionBudget { entries: MAX_CHILDREN, bytes: MAX_NESTED };
    collect(index, MAX_DEPTH, &mut budget, nested, &mut found)?;
    Ok(found)
}

/// The remaining budget of a walk. Counts what was looked at, not what was found: an index can list one nested index
/// many times.
struct SelectionBudget {
    entries: usize,
    bytes: u64,
}

fn collect<E: From<SelectError>>(
    index: &Index,
    depth: usize,
    budget: &mut SelectionBudget,
    nested: &mut dyn FnMut(&Descriptor) -> Result<Index, E>,
    found: &mut Vec<Offer>,
) -> Result<(), E> {
    for entry in &index.manifests {
        budget.entries = budget.entries.checked_sub(1).ok_or(SelectError::TooMany)?;
        if is_attestation(entry) {
            continue;
        }
        match media_type::document(&entry.media_type) {
            Some(media_type::DocumentKind::Manifest) => {
                let platform = entry.platform.as_ref().and_then(super::PlatformFields::normalised);
                found.push(Offer { platform, descriptor: entry.clone() });
            }
            Some(media_type::DocumentKind::Index) => {
                let depth = depth.checked_sub(1).ok_or(SelectError::Depth)?;
                budget.bytes = budget.bytes.checked_sub(entry.size).ok_or(SelectError::TooLarge)?;
                collect(&nested(entry)?, depth, budget, nested, found)?;
            }
            // Helm charts, models and whatever else lives in an index.
            None => {}
        }
    }
    Ok(())
}

/// Whether an entry describes another one rather than being an image.
#[must_use]
pub fn is_attestation(entry: &Descriptor) -> bool {
    let unknown = |text: &str| text == "unknown";
    entry.annotations.contains_key(REFERENCE_TYPE)
        || entry.artifact_type.as_ref().is_some_and(|kind| *kind != MediaType::ImageConfig.to_string())
        || entry.platform.as_ref().is_some_and(|it| unknown(&it.os) && unknown(&it.architecture))
}

/// The image for `wanted`; without a platform, the only one.
///
/// An image that the index does not label is taken when it is the only one: its configuration, which
/// the caller reads next, says what it is for.
///
/// # Errors
/// When none or, without a platform, several match.
pub fn choose<'a>(offers: &'a [Offer], wanted: Option<&Platform>) -> Result<&'a Offer, SelectError> {
    let shown = |offer: &Offer| {
        offer.platform.as_ref().map_or_else(|| offer.descriptor.digest.to_string(), ToString::to_string)
    };
    let existing = || {
        let mut names = Vec::new();
        for name in offers.iter().map(shown) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    match (offers, wanted) {
        ([], _) => Err(SelectError::Empty),
        ([only], None) => Ok(only),
        ([only], Some(_)) if only.platform.is_none() => Ok(only),
        (_, None) => Err(SelectError::Several(existing())),
        (_, Some(wanted)) => {
            // Of several for one platform, such as Windows versions, the index's order is the preference.
            offers
                .iter()
                .find(|offer| offer.platform.as_ref() == Some(wanted))
                .ok_or_else(|| SelectError::NoSuchPlatform { wanted: wanted.clone(), existing: existing() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::oci::PlatformFields;

    fn entry(os: &str, architecture: &str, variant: Option<&str>) -> Descriptor {
        let text = format!("{os}/{architecture}/{variant:?}");
        let mut entry = Descriptor::of(MediaType::ImageManifest, text.as_bytes());
        entry.platform = Some(PlatformFields {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: variant.map(str::to_owned),
            rest: BTreeMap::new(),
        });
        entry
    }

    fn index(manifests: Vec<Descriptor>) -> Index {
        Index {
            schema_version: 2,
            media_type: None,
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
            rest: BTreeMap::new(),
        }
    }

    fn flat(manifests: Vec<Descriptor>) -> Vec<Offer> {
        offers(&index(manifests), &mut |_| Err(SelectError::Empty)).expect("no nesting")
    }

    fn platform(text: &str) -> Platform {
        text.parse().expect(text)
    }

    #[test]
    fn matches_what_means_the_same_and_nothing_else() {
        let found = flat(vec![
            entry("linux", "x86_64", None),
            entry("linux", "arm64", Some("v8")),
            entry("linux", "arm", None),
            entry("linux", "arm", Some("v6")),
        ]);
        for (wanted, position) in
            [("linux/amd64", 0), ("linux/aarch64", 1), ("linux/arm/v7", 2), ("linux/arm/v6", 3)]
        {
            assert_eq!(choose(&found, Some(&platform(wanted))).expect(wanted), &found[position]);
        }
        let error = choose(&found, Some(&platform("linux/s390x"))).expect_err("not there");
        assert_eq!(
            error.to_string(),
            "there is no image for linux/s390x; there is linux/amd64, linux/arm64, linux/arm/v7, linux/arm/v6"
        );
        assert!(matches!(choose(&found, None), Err(SelectError::Several(names)) if names.len() == 4));
    }

    #[test]
    fn attestations_are_not_images() {
        let mut marked = entry("linux", "arm64", None);
        marked.annotations.insert(REFERENCE_TYPE.to_owned(), "attestation-manifest".to_owned());
        let found = flat(vec![entry("linux", "amd64", None), marked, entry("unknown", "unknown", None)]);
        assert_eq!(found.len(), 1);
        choose(&found, None).expect("one image");
        assert!(choose(&found, Some(&platform("linux/arm64"))).is_err());
        assert_eq!(choose(&[], None), Err(SelectError::Empty));
    }

    #[test]
    fn an_unlabelled_image_counts_only_when_alone() {
        let bare = Descriptor::of(MediaType::ImageManifest, b"bare");
        let found = flat(vec![bare.clone()]);
        assert_eq!(choose(&found, Some(&platform("linux/amd64"))).expect("alone").descriptor, bare);
        let found = flat(vec![bare, entry("linux", "arm64", None)]);
        assert!(choose(&found, Some(&platform("linux/amd64"))).is_err());
    }

    #[test]
    fn nested_indexes_are_followed_to_the_limit() {
        let link = Descriptor::of(MediaType::ImageIndex, b"nested");
        for depth in 0..=6 {
            let mut left = depth;
            let root = index(vec![if depth == 0 { entry("linux", "amd64", None) } else { link.clone() }]);
            let found: Result<Vec<Offer>, SelectError> = offers(&root, &mut |_| {
                left -= 1;
                Ok(index(vec![if left == 0 { entry("linux", "amd64", None) } else { link.clone() }]))
            });
            assert_eq!(found.is_ok(), depth <= MAX_DEPTH, "{depth}");
        }
    }

    #[test]
    fn an_index_cannot_make_work_without_end() {
        let link = Descriptor::of(MediaType::ImageIndex, b"nested");
        let wide = index(vec![link; 500]);
        let found: Result<Vec<Offer>, SelectError> = offers(&wide, &mut |_| Ok(wide.clone()));
        assert_eq!(found, Err(SelectError::Depth));
        let mut fetched = 0;
        let two = index(vec![Descriptor::of(MediaType::ImageIndex, b"nested"); 2]);
        let shallow = index(vec![entry("linux", "amd64", None); 600]);
        let found: Result<Vec<Offer>, SelectError> = offers(&two, &mut |_| {
            fetched += 1;
            Ok(shallow.clone())
        });
        assert_eq!((found, fetched), (Err(SelectError::TooMany), 2));
        let mut large = Descriptor::of(MediaType::ImageIndex, b"nested");
        large.size = MAX_DOCUMENT;
        fetched = 0;
        let found: Result<Vec<Offer>, SelectError> = offers(&index(vec![large; 500]), &mut |_| {
            fetched += 1;
            Ok(index(Vec::new()))
        });
        assert_eq!((found, fetched), (Err(SelectError::TooLarge), 4));
    }
}
