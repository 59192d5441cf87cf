//! Where an image is: one grammar for sources, destinations, bases and outputs, in skopeo's words.
//!
//! | spelling | what |
//! |---|---|
//! | `NAME[:TAG][@DIGEST]` | an image by its name: which place is meant, the command decides |
//! | `docker://NAME[:TAG][@DIGEST]` | in the registry, always |
//! | `store:NAME[:TAG][@DIGEST]` | in the local store, always |
//! | `oci:DIR[:NAME]` | in an image layout |
//! | `oci-archive:FILE[:NAME]` | in a tar of a layout; what is written is a Docker archive, too |
//! | `docker-archive:FILE[:NAME]` | in a file of `docker save`; what is written is the same as `oci-archive:` |
//! | `scratch` | nothing; a base only |
//! | `docker` | a running Docker or Podman, by its socket; an output only |
//! | `registry` | the registry that the image's name says; an output only |
//!
//! As in skopeo, a path ends at its first colon, so that a name may have colons of its own
//! (`oci:images:localhost:5000/shop/bookstore:1.0`) and a path may not. A printed location parses to the same.

use std::fmt;
use std::path::PathBuf;

use crate::types::error::{Explain, Kind, nearest};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Reference, ReferenceError};
use crate::types::shown::Foreign;

/// Where an image comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// An image by its name alone.
    Name(Name),
    /// An image in a registry.
    Registry(Reference),
    /// An image in the local store.
    Store(Name),
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
    /// An archive that `docker save` writes.
    DockerArchive {
        /// The file.
        file: PathBuf,
        /// Which image in it.
        name: Option<String>,
    },
    /// A running Docker or Podman; an output only.
    Docker,
    /// The registry that the image's own name says; an output only.
    OwnRegistry,
    /// No base at all; a base only.
    Scratch,
}

/// A reference as it was written: the local store also knows images by names without a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    written: String,
    reference: Reference,
}

impl Name {
    /// The reference for a registry.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The names that the local store may have it under, the likeliest first: the whole name, the written name,
    /// `localhost/NAME`, which is the name that a build without a registry gives, and the digest.
    #[must_use]
    pub fn in_store(&self) -> Vec<String> {
        let digest = self.reference.digest().map(|digest| digest.to_string());
        let names = [self.reference.to_string(), self.written.clone(), format!("localhost/{}", self.written)];
        names.into_iter().chain(digest).collect()
    }
}

impl From<Reference> for Name {
    fn from(reference: Reference) -> Self {
        Self { written: reference.to_string(), reference }
    }
}

impl std::str::FromStr for Name {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Ok(Self { written: text.to_owned(), reference: text.parse()? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Why a spelling is not a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The path after a word is missing.
    #[error("`{0}:` needs a path")]
    NoPath(&'static str),
    /// A colon with nothing after it.
    #[error("`{}` ends with a colon: add a name after the colon, or remove it", Foreign::new(.0))]
    NoName(String),
    /// Standard output or input by its usual sign.
    #[error("`{}` would mean standard input or output, and images cannot be read from or written to it", Foreign::new(.0))]
    Dash(String),
    /// One of skopeo's words that `pack` does not support.
    #[error("`{0}:` is not supported")]
    Unsupported(String),
    /// A path without the word that says what is there.
    #[error("`{}` is a path, and a word must say what is there", Foreign::new(.0))]
    Path(String),
    /// Neither a word nor a reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A word of this grammar in another spelling.
    #[error("`{}` is not a place: the word before the colon is lower-case", Foreign::new(given))]
    Case {
        /// The given text.
        given: String,
        /// The same with the word in lower case.
        better: String,
    },
    /// Not an output.
    #[error(
        "`{}` is not an output: expected `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`, `docker` or `registry`",
        Foreign::new(.0)
    )]
    NotAnOutput(String),
}

impl Explain for LocationError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn code(&self) -> Option<ErrorCode> {
        None
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoPath(word) => Some(format!("write `{word}:{}`", what_follows(word))),
            Self::Dash(given) => {
                let (word, rest) = given.split_once(':')?;
                Some(format!("`{word}:./{rest}` is a file of that name"))
            }
            Self::Unsupported(word) if word == "docker-daemon" => {
                Some("`docker save NAME -o image.tar` and `docker-archive:image.tar` do it".to_owned())
            }
            Self::Unsupported(word) if word == "containers-storage" => {
                Some("`podman save NAME -o image.tar` and `docker-archive:image.tar` do it".to_owned())
            }
            Self::Case { better, .. } => Some(format!("write `{}`", Foreign::new(better))),
            Self::Path(path) => Some(on_disk(path)),
            Self::Reference(error) => error.hint(),
            Self::NotAnOutput(given) => not_an_output(given),
            Self::NoName(_) | Self::Unsupported(_) => None,
        }
    }
}

/// Whether nothing but a path is written so: a repository begins with a letter or a digit.
fn is_path(text: &str) -> bool {
    matches!(text, "." | "..") || ["/", "./", "../"].iter().any(|start| text.starts_with(start))
}

/// The spellings of a path.
fn on_disk(path: &str) -> String {
    let path = Foreign::new(path);
    format!("write `oci:{path}` for the directory of an image layout, `oci-archive:{path}` for a file")
}

/// A suggestion in place of something that is no output.
fn not_an_output(given: &str) -> Option<String> {
    if is_path(given) {
        return Some(on_disk(given));
    }
    let word = given.split(':').next().unwrap_or(given);
    if PLACES.contains(&given) {
        return Some(format!("`{given}` needs a path: `{given}:{}`", what_follows(given)));
    }
    if let Ok(Location::Name(Name { reference, .. }) | Location::Registry(reference)) = Location::parse(given)
        && given.contains('/')
    {
        let tag = reference.tag().map(|tag| format!(" --tag {tag}")).unwrap_or_default();
        return Some(format!("to push there, give `--name {}{tag} --push`", reference.repository()));
    }
    if word == "store" {
        return Some(
            "without an output, the image goes to the local store, under `--name` and `--tag`".to_owned(),
        );
    }
    nearest(word, PLACES.into_iter().chain(["docker", "registry"]))
        .map(|word| format!("did you mean `{word}`?"))
}

/// The part after the colon of a word.
fn what_follows(word: &str) -> &'static str {
    if word == "oci" { "DIR" } else { "FILE" }
}

/// The words that a path follows.
const PLACES: [&str; 3] = ["oci", "oci-archive", "docker-archive"];

/// Transports of containers/image that `pack` lacks; a repository with such a name is unlikely.
const FOREIGN: [&str; 7] =
    ["containers-storage", "docker-daemon", "dir", "ostree", "sif", "tarball", "atomic"];

impl Location {
    /// Where an image is, or is to be.
    ///
    /// # Errors
    /// When it is no such spelling.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        if text == "scratch" {
            return Ok(Self::Scratch);
        }
        if let Some(location) = with_path(text)? {
            return Ok(location);
        }
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(name.parse()?));
        }
        match text.split_once(':') {
            Some(("store", name)) => Ok(Self::Store(name.parse()?)),
            Some((word, _)) if FOREIGN.contains(&word) => Err(LocationError::Unsupported(word.to_owned())),
            _ if is_path(text) => Err(LocationError::Path(text.to_owned())),
            _ => Ok(Self::Name(text.parse()?)),
        }
    }

    /// Where a build writes to.
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
    // A repository's name has no upper case, so that nothing else can be meant.
    let lower = word.to_ascii_lowercase();
    let is_word = PLACES.contains(&lower.as_str()) || lower == "store" || rest.starts_with("//");
    if is_word && lower != word && (lower == "docker" || !rest.starts_with("//")) {
        return Err(LocationError::Case { given: text.to_owned(), better: format!("{lower}:{rest}") });
    }
    let Some(word) = PLACES.into_iter().find(|known| *known == word) else {
        return Ok(None);
    };
    let (path, name) = match rest.split_once(':') {
        Some((_, "")) => return Err(LocationError::NoName(text.to_owned())),
        Some((path, name)) => (path, Some(name.to_owned())),
        None => (rest, None),
    };
    match path {
        "" => return Err(LocationError::NoPath(word)),
        "-" if word != "oci" => return Err(LocationError::Dash(text.to_owned())),
        _ => {}
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
            Self::Name(name) => return name.fmt(f),
            Self::Registry(reference) => return write!(f, "docker://{reference}"),
            Self::Store(name) => return write!(f, "store:{name}"),
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
        assert_eq!(Location::parse("oci:out"), Ok(layout("out", None)));
        assert_eq!(Location::parse("oci:/a/b:1.0"), Ok(layout("/a/b", some("1.0"))));
        assert_eq!(Location::parse("oci:a:localhost:5000/x:1"), Ok(layout("a", some("localhost:5000/x:1"))));
        assert_eq!(
            Location::parse("oci-archive:a.tar:shop/app:1"),
            Ok(Location::OciArchive { file: "a.tar".into(), name: some("shop/app:1") })
        );
        assert_eq!(
            Location::output("docker-archive:a.tar"),
            Ok(Location::DockerArchive { file: "a.tar".into(), name: None })
        );
        assert_eq!(Location::output("docker"), Ok(Location::Docker));
        assert_eq!(Location::output("registry"), Ok(Location::OwnRegistry));
        assert_eq!(Location::parse("scratch"), Ok(Location::Scratch));
        for name in ["docker:24", "registry:2", "localhost:5000/a", "oci"] {
            assert_eq!(Location::parse(name), Ok(Location::Name(name.parse().expect(name))));
        }
        let registry = Location::parse("docker://localhost:5000/a:1").expect("a registry");
        assert_eq!(registry, Location::Registry("localhost:5000/a:1".parse().expect("valid")));
    }

    #[test]
    fn a_name_is_looked_for_in_the_store_as_builds_call_it() {
        let Ok(Location::Store(name)) = Location::parse("store:tree:1") else { panic!("the store") };
        assert_eq!(name.in_store(), ["docker.io/library/tree:1", "tree:1", "localhost/tree:1"]);
        assert_eq!(name.reference().to_string(), "docker.io/library/tree:1");
        assert!(Location::parse("store:").is_err() && Location::parse("store:UPPER").is_err());
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(Location::parse("oci:"), Err(LocationError::NoPath("oci")));
        assert_eq!(Location::parse("oci::x"), Err(LocationError::NoPath("oci")));
        assert_eq!(Location::parse("oci:x:"), Err(LocationError::NoName("oci:x:".into())));
        for text in ["oci-archive:-", "docker-archive:-:a"] {
            let dash = Location::output(text).expect_err("standard output");
            let better = dash.hint().expect("a hint").split('`').nth(1).map(str::to_owned).expect("quoted");
            assert!(Location::output(&better).is_ok(), "{better}");
        }
        let daemon = Location::parse("docker-daemon:x").expect_err("unsupported");
        assert!(daemon.hint().expect("a hint").contains("docker save"));
        assert!(matches!(Location::parse("UPPER/case"), Err(LocationError::Reference(_))));
        for (text, better) in [
            ("Docker-Archive:a.tar", "docker-archive:a.tar"),
            ("OCI:foo", "oci:foo"),
            ("Oci-archive:a.tar:x:1", "oci-archive:a.tar:x:1"),
            ("Store:a:1", "store:a:1"),
            ("Docker://r.example/a:1", "docker://r.example/a:1"),
        ] {
            let error = Location::parse(text).expect_err(text);
            assert_eq!(error.hint(), Some(format!("write `{better}`")), "{error}");
            assert!(Location::parse(better).is_ok(), "{better}");
        }
        assert_eq!(Location::output("OCI:foo").expect_err("case").hint().as_deref(), Some("write `oci:foo`"));
        assert!(Location::parse("R.example:5000/a").is_ok() == Location::parse("r.example:5000/a").is_ok());
        for text in ["/srv/base.oci", "./base", "../base:1", "."] {
            let error = Location::parse(text).expect_err(text);
            let hint = error.hint().expect("a hint");
            assert_eq!(Location::output(text).expect_err(text).hint().as_ref(), Some(&hint));
            for better in [format!("oci:{text}"), format!("oci-archive:{text}")] {
                assert!(hint.contains(&format!("`{better}`")) && Location::parse(&better).is_ok(), "{hint}");
            }
        }
        let scheme = Location::parse("https://ghcr.io/x").expect_err("a scheme");
        assert_eq!(scheme.hint().as_deref(), Some("write `ghcr.io/x`"));
        for text in ["scratch", "localhost:5000/a:b", "store:a:1", "docker://r.example/a:1"] {
            assert!(Location::output(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_output_that_is_none_hints_at_one_that_is() {
        let hint = |text| Location::output(text).expect_err(text).hint();
        assert_eq!(hint("oci").as_deref(), Some("`oci` needs a path: `oci:DIR`"));
        assert_eq!(hint("oci-archive").as_deref(), Some("`oci-archive` needs a path: `oci-archive:FILE`"));
        assert_eq!(hint("oci:").as_deref(), Some("write `oci:DIR`"));
        assert_eq!(hint("oci-archve:x.tar").as_deref(), Some("did you mean `oci-archive`?"));
        let push = "to push there, give `--name localhost:5000/shop/app --tag 1.0 --push`";
        assert_eq!(hint("localhost:5000/shop/app:1.0").as_deref(), Some(push));
        assert_eq!(hint("docker://localhost:5000/shop/app:1.0").as_deref(), Some(push));
        assert!(hint("store:a:1").expect("a hint").contains("without an output"));
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_to_itself(
            text in "(oci:|oci-archive:|docker-archive:|store:|docker://)?[a-z0-9./:@-]{0,30}"
        ) {
            if let Ok(location) = Location::parse(&text) {
                prop_assert_eq!(Location::parse(&location.to_string()), Ok(location));
            }
            if let Ok(location) = Location::output(&text) {
                prop_assert_eq!(Location::output(&location.to_string()), Ok(location));
            }
        }
    }
}
