//! The path and the query of a request, and the range that it asks for.

use crate::types::digest::Digest;

/// The thing that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Whether this is a registry.
    Base,
    /// The list of repositories.
    Catalog,
    /// A manifest or index.
    Manifest {
        /// The repository.
        name: &'a str,
        /// A tag or a digest.
        reference: &'a str,
    },
    /// A blob.
    Blob {
        /// The repository.
        name: &'a str,
        /// Its digest.
        digest: &'a str,
    },
    /// The tags of a repository.
    Tags {
        /// The repository.
        name: &'a str,
    },
    /// The documents that refer to a digest.
    Referrers {
        /// The repository.
        name: &'a str,
        /// The digest.
        digest: &'a str,
    },
}

impl<'a> Route<'a> {
    /// The route of a path; `None` for a path of no route.
    #[must_use]
    pub fn of(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?;
        if rest.is_empty() || rest == "/" {
            return Some(Self::Base);
        }
        let rest = rest.strip_prefix('/')?;
        if rest == "_catalog" {
            return Some(Self::Catalog);
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return is_name(name).then_some(Self::Tags { name });
        }
        let (above, last) = rest.rsplit_once('/')?;
        let (name, kind) = above.rsplit_once('/')?;
        if !is_name(name) || last.is_empty() {
            return None;
        }
        match kind {
            "manifests" => Some(Self::Manifest { name, reference: last }),
            "blobs" => Some(Self::Blob { name, digest: last }),
            "referrers" => Some(Self::Referrers { name, digest: last }),
            _ => None,
        }
    }
}

/// Whether this can be the name of a repository.
fn is_name(name: &str) -> bool {
    let is_right = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && part.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || "._-".contains(one))
    };
    name.len() <= 255 && name.split('/').all(is_right)
}

/// A path as it is compared: some clients write the colon of a digest in percent encoding.
#[must_use]
pub fn decoded(path: &str) -> String {
    path.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/")
}

/// The value of a parameter of a query.
#[must_use]
pub fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The meaning of the text of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestText {
    /// A digest that the store may have.
    Known(Digest),
    /// One of another algorithm, which it has none of.
    Other,
    /// None.
    Invalid,
}

impl DigestText {
    /// Reads it.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if let Ok(digest) = text.parse() {
            return Self::Known(digest);
        }
        let is_other = |algorithm: &str, hex: &str| {
            algorithm != "sha256"
                && !algorithm.is_empty()
                && algorithm.chars().all(|one| one.is_ascii_alphanumeric() || "+._-".contains(one))
                && hex.len() >= 32
                && hex.chars().all(|one| one.is_ascii_alphanumeric() || "=_-".contains(one))
        };
        match text.split_once(':') {
            Some((algorithm, hex)) if is_other(algorithm, hex) => Self::Other,
            _ => Self::Invalid,
        }
    }
}

/// The part of a blob that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytesRange {
    /// All of it.
    All,
    /// From the first byte to the last one, which counts.
    Part(u64, u64),
    /// None: the blob has no such part.
    Unsatisfiable,
}

impl BytesRange {
    /// The meaning of a `Range` header for so many bytes (RFC 9110, 14.2). One that is not understood, or that has several
    /// parts, means all.
    #[must_use]
    pub fn of(header: Option<&str>, size: u64) -> Self {
        let Some((first, last)) = header.and_then(|header| header.strip_prefix("bytes=")?.split_once('-'))
        else {
            return Self::All;
        };
        let number = |text: &str| {
            let is_right = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_right.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (number(first), number(last)) {
            (Some(first), _) if !last.is_empty() && number(last).is_none_or(|last| last < first) => Self::All,
            (Some(first), _) if first >= size => Self::Unsatisfiable,
            (Some(first), last) => Self::Part(first, last.unwrap_or(u64::MAX).min(size - 1)),
            (None, Some(count)) if first.is_empty() => match count.min(size) {
                0 => Self::Unsatisfiable,
                count => Self::Part(size - count, size - 1),
            },
            (None, _) => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_its_end() {
        let manifest = |name, reference| Some(Route::Manifest { name, reference });
        assert_eq!(Route::of("/v2/a/manifests/1"), manifest("a", "1"));
        assert_eq!(Route::of("/v2/a/manifests/manifests/1"), manifest("a/manifests", "1"));
        assert_eq!(Route::of("/v2/a/b/tags/list"), Some(Route::Tags { name: "a/b" }));
        assert_eq!(Route::of("/v2/"), Some(Route::Base));
        assert_eq!(Route::of("/v2"), Some(Route::Base));
        for wrong in [
            "/",
            "/v1/",
            "/v2x",
            "/v2/../../etc/manifests/passwd",
            "/v2/a//manifests/1",
            "/v2/A/manifests/1",
            "/v2/a/manifests/",
            "/v2/manifests/1",
            "/v2/.a/blobs/x",
            "/v2/a/b",
            "/v2/a/blobs/uploads/x/y/z",
        ] {
            assert_eq!(Route::of(wrong), None, "{wrong}");
        }
        assert_eq!(decoded("/v2/a/blobs/sha256%3Aab"), "/v2/a/blobs/sha256:ab");
    }

    #[test]
    fn ranges_are_those_of_the_rfc() {
        let of = |header| BytesRange::of(Some(header), 10);
        assert_eq!(of("bytes=0-0"), BytesRange::Part(0, 0));
        assert_eq!(of("bytes=3-"), BytesRange::Part(3, 9));
        assert_eq!(of("bytes=3-100"), BytesRange::Part(3, 9));
        assert_eq!(of("bytes=-4"), BytesRange::Part(6, 9));
        assert_eq!(of("bytes=-99999999999999999999999"), BytesRange::Part(0, 9));
        for none in ["bytes=10-", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(of(none), BytesRange::Unsatisfiable, "{none}");
        }
        for all in ["bytes=5-4", "bytes=a-b", "bytes=0-1,3-4", "bytes=", "bytes=-", "lines=1-2", "bytes=+1-2"]
        {
            assert_eq!(of(all), BytesRange::All, "{all}");
        }
        assert_eq!(BytesRange::of(None, 0), BytesRange::All);
        assert_eq!(BytesRange::of(Some("bytes=0-"), 0), BytesRange::Unsatisfiable);
    }

    #[test]
    fn digests_are_told_from_others_and_from_none() {
        let right = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert!(matches!(DigestText::of(&format!("sha256:{right}")), DigestText::Known(_)));
        assert_eq!(DigestText::of(&format!("sha512:{right}{right}")), DigestText::Other);
        for wrong in ["sha256:abc", "latest", ":", "sha256", "../x:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            assert_eq!(DigestText::of(wrong), DigestText::Invalid, "{wrong}");
        }
    }
}
