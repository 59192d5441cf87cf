//! Names of registries, repositories and platforms.

use std::fmt;

use super::super::decode::{FromText, Wrong, text_values};
use crate::types::platform::Platform;
use crate::types::reference::{Reference, Registry, Repository, Scope};

/// Where a registry's mirror is: `https://HOST[:PORT][/PATH]`, or `http://` for one without TLS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorAddress {
    scope: Scope,
    is_plain: bool,
}

impl MirrorAddress {
    /// Its registry, and the path that stands before each repository.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it is reached without TLS.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }
}

impl fmt::Display for MirrorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_plain { "http" } else { "https" }, self.scope)
    }
}

impl FromText for MirrorAddress {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let hint = "a mirror is written as `https://HOST[:PORT][/PATH]`, without user and password";
        let (rest, is_plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => {
                return Err(
                    Wrong::new(format!("`{text}` does not begin with `https://` or `http://`")).hint(hint)
                );
            }
        };
        match rest.parse() {
            Ok(scope) if !rest.starts_with("https://") => Ok(Self { scope, is_plain }),
            Ok(_) => Err(Wrong::new(format!("`{text}` has two schemes")).hint(hint)),
            Err(error) => {
                let error: crate::types::reference::ReferenceError = error;
                Err(Wrong::new(error.to_string()).hint(hint))
            }
        }
    }
}

impl FromText for Repository {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|error: crate::types::reference::ReferenceError| {
            let wrong = Wrong::new(error.to_string());
            if let Some(hint) = error.hint() {
                return wrong.hint(hint);
            }
            match text.parse::<Reference>() {
                Ok(reference) if reference.tag().is_some() => {
                    wrong.hint("write the name without a tag, and the tag into `tags`")
                }
                _ => wrong.hint("a name is a repository, such as `ghcr.io/shop/bookstore`"),
            }
        })
    }
}

impl FromText for Platform {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|error: crate::types::platform::PlatformError| Wrong::new(error.to_string()))
    }
}

impl FromText for Registry {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|error: crate::types::reference::ReferenceError| {
            let wrong = Wrong::new(error.to_string());
            match text.split_once("://") {
                Some((_, host)) => wrong.hint(format!("write `[registry.\"{host}\"]`, without the scheme")),
                None => wrong.hint("write a host and maybe a port, such as `[registry.\"localhost:5000\"]`"),
            }
        })
    }
}

text_values!(MirrorAddress, Repository, Platform, Registry);
