//! How sources and destinations are spelled: skopeo's words.
//!
//! | spelling | base | output |
//! |---|---|---|
//! | `oci:DIR[:NAME]` | image layout | image layout |
//! | `oci-archive:FILE[:NAME]` | tar of a layout | tar of a layout, also a Docker archive |
//! | `docker-archive:FILE[:NAME]` | `docker save` | the same file as `oci-archive:` |
//! | `docker` | | a running Docker or Podman, by its socket |
//! | `registry` | | the registry that the image's name says |
//! | `scratch` | nothing | |
//! | `store:NAME[:TAG]` | | the local store; for copies |
//! | anything else | registry reference | registry reference, for copies |
//!
//! As in skopeo, a path ends at its first colon, so that a name may have colons of its own
//! (`oci:images:localhost:5000/shop/bookstore:1.0`) and a path may not.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Explain, Kind, nearest};
use crate::reference::{Reference, ReferenceError};

/// Where an image comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// An image in a registry.
    Registry(Reference),
    /// An OCI image layout.
    OciLayout {
        /// The directory.
        dir: PathBuf,
        /// Which image in it: a tag, a full name or a digest.
        name: Option<String>,
    },
    /// A tar of an OCI image layout.
    OciArchive {
        /// The file.
        file: PathBuf,
        /// Which image in it.
        name: Option<String>,
    },
    /// What `docker save` writes.
    DockerArchive {
        /// The file.
        file: PathBuf,
        /// Which image in it.
        name: Option<String>,
    },
    /// An image in the local store; what is copied to only.
    Store(Reference),
    /// A running Docker or Podman; an output only.
    Docker,
    /// The registry that the image's own name says; an output only.
    OwnRegistry,
    /// No base at all; a base only.
    Scratch,
}

/// Why a spelling is not a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// A path is missing after a word that wants one.
    #[error("`{0}:` needs a path")]
    NoPath(&'static str),
    /// A colon with nothing after it.
    #[error("`{0}` ends with a colon: a name is missing after it, or the colon is too much")]
    NoName(String),
    /// One of skopeo's words that has no meaning here.
    #[error("`{0}:` is not supported")]
    Unsupported(String),
    /// Neither a word nor, for a base, a reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Not an output.
    #[error(
        "`{0}` is not an output: expected `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`, `docker` or `registry`"
    )]
    NotAnOutput(String),
}

impl Explain for LocationError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unsupported(word) if word == "docker-daemon" => {
                Some("`docker save NAME -o image.tar` and `docker-archive:image.tar` do it".to_owned())
            }
            Self::Unsupported(word) if word == "containers-storage" => {
                Some("`podman save NAME -o image.tar` and `docker-archive:image.tar` do it".to_owned())
            }
            Self::Reference(_) => {
                Some("a layout is `oci:DIR`, a `docker save` file `docker-archive:FILE`".to_owned())
            }
            Self::NotAnOutput(given) => {
                let word = given.split(':').next().unwrap_or(given);
                nearest(word, WORDS).map(|word| format!("did you mean `{word}`?"))
            }
            _ => None,
        }
    }
}

const WORDS: [&str; 5] = ["oci", "oci-archive", "docker-archive", "docker", "registry"];

/// Transports of containers/image that are not ours; no repository is likely to have such a name.
const FOREIGN: [&str; 7] =
    ["containers-storage", "docker-daemon", "dir", "ostree", "sif", "tarball", "atomic"];

impl Location {
    /// Where a base image, or an image to look at, comes from.
    ///
    /// # Errors
    /// When it is no such spelling.
    pub fn base(text: &str) -> Result<Self, LocationError> {
        if text == "scratch" {
            return Ok(Self::Scratch);
        }
        if let Some(location) = with_path(text)? {
            return Ok(location);
        }
        if let Some((word, _)) = text.split_once(':')
            && FOREIGN.contains(&word)
        {
            return Err(LocationError::Unsupported(word.to_owned()));
        }
        let reference = text.strip_prefix("docker://").unwrap_or(text);
        Ok(Self::Registry(reference.parse()?))
    }

    /// Where a copy of an image goes to.
    ///
    /// # Errors
    /// When it is no such spelling.
    pub fn target(text: &str) -> Result<Self, LocationError> {
        match text.strip_prefix("store:") {
            Some(name) => Ok(Self::Store(name.parse()?)),
            None => Self::base(text),
        }
    }

    /// Where an image goes to.
    ///
    /// # Errors
    /// When it is no such spelling.
    pub fn output(text: &str) -> Result<Self, LocationError> {
        match text {
            "docker" => Ok(Self::Docker),
            "registry" => Ok(Self::OwnRegistry),
            _ => with_path(text)?.ok_or_else(|| LocationError::NotAnOutput(text.to_owned())),
        }
    }
}

fn with_path(text: &str) -> Result<Option<Location>, LocationError> {
    let Some((word, rest)) = text.split_once(':') else { return Ok(None) };
    let Some(word) = ["oci", "oci-archive", "docker-archive"].into_iter().find(|known| *known == word) else {
        return Ok(None);
    };
    let (path, name) = match rest.split_once(':') {
        Some((_, "")) => return Err(LocationError::NoName(text.to_owned())),
        Some((path, name)) => (path, Some(name.to_owned())),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err(LocationError::NoPath(word));
    }
    let path = PathBuf::from(path);
    Ok(Some(match word {
        "oci" => Location::OciLayout { dir: path, name },
        "oci-archive" => Location::OciArchive { file: path, name },
        _ => Location::DockerArchive { file: path, name },
    }))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, path, name) = match self {
            Self::Registry(reference) => return reference.fmt(f),
            Self::Store(reference) => return write!(f, "store:{reference}"),
            Self::Docker => return f.write_str("docker"),
            Self::OwnRegistry => return f.write_str("registry"),
            Self::Scratch => return f.write_str("scratch"),
            Self::OciLayout { dir, name } => ("oci", dir, name),
            Self::OciArchive { file, name } => ("oci-archive", file, name),
            Self::DockerArchive { file, name } => ("docker-archive", file, name),
        };
        write!(f, "{word}:{}", path.display())?;
        name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn knows_every_spelling() {
        let some = |text: &str| Some(text.to_owned());
        let layout = |dir: &str, name| Location::OciLayout { dir: dir.into(), name };
        assert_eq!(Location::base("oci:out"), Ok(layout("out", None)));
        assert_eq!(Location::base("oci:/a/b:1.0"), Ok(layout("/a/b", some("1.0"))));
        assert_eq!(Location::base("oci:a:localhost:5000/x:1"), Ok(layout("a", some("localhost:5000/x:1"))));
        assert_eq!(
            Location::output("docker-archive:a.tar"),
            Ok(Location::DockerArchive { file: "a.tar".into(), name: None })
        );
        assert_eq!(Location::output("docker"), Ok(Location::Docker));
        assert_eq!(Location::output("registry"), Ok(Location::OwnRegistry));
        assert_eq!(Location::base("scratch"), Ok(Location::Scratch));
        assert_eq!(Location::target("oci:out"), Ok(layout("out", None)));
        let store = Location::target("store:localhost/a:1").expect("the store");
        assert_eq!(store.to_string(), "store:localhost/a:1");
        assert!(matches!(Location::target("localhost:5000/a"), Ok(Location::Registry(_))));
        assert!(Location::target("store:").is_err());
        for (text, full) in [
            ("docker:24", "docker.io/library/docker:24"),
            ("registry:2", "docker.io/library/registry:2"),
            ("docker://localhost:5000/a", "localhost:5000/a"),
        ] {
            assert_eq!(Location::base(text).expect(text).to_string(), full);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(Location::base("oci:"), Err(LocationError::NoPath("oci")));
        assert_eq!(Location::base("oci::x"), Err(LocationError::NoPath("oci")));
        assert_eq!(Location::base("oci:x:"), Err(LocationError::NoName("oci:x:".into())));
        let daemon = Location::base("docker-daemon:x").expect_err("unsupported");
        assert!(daemon.hint().expect("a hint").contains("docker save"));
        assert!(matches!(Location::base("UPPER/case"), Err(LocationError::Reference(_))));
        let typo = Location::output("oci-archve:x.tar").expect_err("a typo");
        assert_eq!(typo.hint().as_deref(), Some("did you mean `oci-archive`?"));
        assert!(Location::output("scratch").is_err());
        assert!(Location::output("localhost:5000/a:b").is_err());
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_to_itself(text in "(oci:|oci-archive:|docker-archive:)?[a-z0-9./:-]{0,30}") {
            if let Ok(location) = Location::base(&text) {
                prop_assert_eq!(Location::base(&location.to_string()), Ok(location));
            }
        }
    }
}
