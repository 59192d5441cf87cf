//! References: a repository with a tag, a digest, both or neither.

use std::fmt;
use std::str::FromStr;

use super::error::{NameFault, ReferenceError, cited, without_login};
use super::repository::{Repository, in_lower_case, parse_repository, split_tag};
use super::tag::{Tag, parse_tag};
use crate::types::digest::Digest;

const REFERENCE: &str = "an image reference";

/// A repository with a tag, a digest, both or neither.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl Reference {
    /// The repository.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one was given.
    #[must_use]
    pub const fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if one was given.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The last part of the registry's address for it: the digest, else the tag, else `latest`.
    #[must_use]
    pub fn manifest_name(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse_reference(text).map_err(|fault| fault.of(REFERENCE, text))
    }
}

fn parse_reference(text: &str) -> Result<Reference, NameFault> {
    if let Some(bare) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
        return Err(NameFault::new("a reference has no scheme")
            .hint(format!("write `{}`", cited(without_login(bare.trim_end_matches('/'))))));
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            let parsed = parse_digest(digest).map_err(|fault| match is_like_an_environment(digest) {
                true => fault.hint(format!(
                    "`@{word}` is a release in `pack promote`, `releases`, `rollback` and `diff` alone; the image of the \
                     environment `{word}` has the tag `{rest}:{word}`",
                    word = cited(digest),
                    rest = cited(rest)
                )),
                false => fault,
            })?;
            (rest, Some(parsed))
        }
        None => (text, None),
    };
    let (name, tag) = split_tag(rest);
    let repository = parse_repository(name).map_err(|fault| {
        let better = in_lower_case(name).map(|lower| format!("{lower}{}", &text[name.len()..]));
        match better.filter(|better| parse_reference(better).is_ok()) {
            Some(better) => fault.better(&better),
            None => fault,
        }
    })?;
    Ok(Reference { repository, tag: tag.map(parse_tag).transpose()?, digest })
}

/// Whether a text after `@` was probably meant as the name of an environment.
fn is_like_an_environment(text: &str) -> bool {
    let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(is_label)
}

fn parse_digest(text: &str) -> Result<Digest, NameFault> {
    text.parse().map_err(|_| {
        let what = "a digest is `sha256:` and 64 hexadecimal digits in lower case";
        let why = match text.strip_prefix("sha256:") {
            Some(hex) if hex.len() != 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                format!("the digest after `@` has {} digits; {what}", hex.len())
            }
            _ => format!("`{}` after `@` is not a digest; {what}", cited(text)),
        };
        NameFault::new(why)
    })
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Repository {
    /// This repository at a tag.
    #[must_use]
    pub fn at_tag(&self, tag: Tag) -> Reference {
        Reference { repository: self.clone(), tag: Some(tag), digest: None }
    }

    /// This repository at a digest.
    #[must_use]
    pub fn at_digest(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}
