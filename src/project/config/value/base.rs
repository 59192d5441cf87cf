//! The base of an image.

use std::fmt;
use std::path::{Path, PathBuf};

use super::super::decode::{Decode, Decoder, Wrong};
use super::super::node::TomlNode;
use super::paths::DiskPath;
use crate::types::error::Explain as _;
use crate::types::location::{self, Location};
use crate::types::reference::Reference;

/// The base of an image: a [`Location`] with paths that know the directory they start from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseSetting {
    /// Nothing: `scratch`.
    Scratch,
    /// An image in a registry.
    Registry(Reference),
    /// An image in the local store: `store:NAME`.
    Store(location::Name),
    /// An OCI layout: `oci:DIR[:NAME]`.
    Layout {
        /// The directory.
        path: DiskPath,
        /// The name in the index, if one was given.
        name: Option<String>,
    },
    /// A tar of an OCI layout: `oci-archive:FILE[:NAME]`.
    OciArchive {
        /// The file.
        path: DiskPath,
        /// The name in the archive, if one was given.
        name: Option<String>,
    },
    /// A tar as `docker save` writes it: `docker-archive:FILE[:NAME]`.
    DockerArchive {
        /// The file.
        path: DiskPath,
        /// The name in the archive, if one was given.
        name: Option<String>,
    },
}

impl fmt::Display for BaseSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, path, name) = match self {
            Self::Scratch => return f.write_str("scratch"),
            Self::Registry(reference) => return reference.fmt(f),
            Self::Store(name) => return write!(f, "store:{name}"),
            Self::Layout { path, name } => ("oci", path, name),
            Self::OciArchive { path, name } => ("oci-archive", path, name),
            Self::DockerArchive { path, name } => ("docker-archive", path, name),
        };
        write!(f, "{word}:{}", path.written())?;
        name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

impl BaseSetting {
    fn parse(text: &str, directory: &Path) -> Result<Self, Wrong> {
        let location = Location::parse(text).map_err(|error| {
            let spellings = "a base is a registry reference, `store:NAME`, `oci:DIR[:NAME]`, \
                             `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` or `scratch`";
            Wrong::new(error.to_string()).hint(error.hint().unwrap_or_else(|| spellings.to_owned()))
        })?;
        let path = |path: PathBuf| DiskPath::parse(&path.display().to_string(), directory);
        Ok(match location {
            Location::Name(name) => Self::Registry(name.reference().clone()),
            Location::Registry(reference) => Self::Registry(reference),
            Location::Store(name) => Self::Store(name),
            Location::OciLayout { dir, name } => Self::Layout { path: path(dir)?, name },
            Location::OciArchive { file, name } => Self::OciArchive { path: path(file)?, name },
            Location::DockerArchive { file, name } => Self::DockerArchive { path: path(file)?, name },
            Location::Scratch => Self::Scratch,
            Location::Docker | Location::OwnRegistry => {
                return Err(Wrong::new(format!("`{text}` is an output and not a base")));
            }
        })
    }
}

impl Decode for BaseSetting {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = decoder.string(node)?;
        match Self::parse(&text, decoder.sources.directory(node.span)) {
            Ok(base) => Some(base),
            Err(wrong) => decoder.wrong(node.span, wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bases_name_their_transport() {
        let base = |text| BaseSetting::parse(text, Path::new("d")).expect(text);
        assert_eq!(base("scratch"), BaseSetting::Scratch);
        assert_eq!(base("debian:12").to_string(), "docker.io/library/debian:12");
        let BaseSetting::Layout { path, name } = base("oci:a/b:localhost:5000/x:1.0") else {
            panic!("a layout")
        };
        assert_eq!((path.path(), name.as_deref()), (Path::new("d/a/b"), Some("localhost:5000/x:1.0")));
        for text in [
            "oci:a",
            "oci:a/b:t",
            "oci-archive:x.tar",
            "oci-archive:x.tar:shop/app:1",
            "docker-archive:/x.tar",
            "docker-archive:/x.tar:1",
            "store:localhost/tree:1",
            "store:tree:1",
        ] {
            assert_eq!(base(text).to_string(), text);
        }
        // Both are the registry's, and one in a lock.
        assert_eq!(base("docker://debian:12"), base("debian:12"));
        assert_eq!(
            base("docker-archive:/x.tar"),
            BaseSetting::DockerArchive { path: DiskPath::new(Path::new("/x.tar")), name: None }
        );
        for text in ["", "oci:", "oci-archive:", "oci:a:", "store:", "Scratch:", "a b", "dir:x"] {
            assert!(BaseSetting::parse(text, Path::new("")).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_base_prints_and_parses_to_itself(
            text in "(oci:|oci-archive:|docker-archive:|store:|docker://)?[a-z0-9./:@-]{0,30}"
        ) {
            let parse = |text: &str| BaseSetting::parse(text, Path::new("d"));
            if let Ok(base) = parse(&text) {
                prop_assert_eq!(parse(&base.to_string()), Ok(base));
            }
        }
    }
}
