//! Names of releases and environments as users write them: one grammar for all commands.
//!
//! `[IMAGE@]ENV[@N]`, where IMAGE is a repository without tag and digest. Without IMAGE, it is the image of the build
//! file. `ENV` alone is an environment where an environment is expected; elsewhere it is `@ENV`, because a word alone
//! is an image. A text with anything else after `@`, such as a digest, is no release.

use std::fmt;
use std::str::FromStr;

use super::environment::{EnvironmentName, EnvironmentNameError};
use super::key::ReleaseChoice;

/// A release of an environment, or the newest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseName {
    /// The repository as it was written; that of the build file where there is none.
    pub image: Option<String>,
    /// The environment.
    pub environment: EnvironmentName,
    /// The number; the newest where there is none.
    pub number: Option<ReleaseChoice>,
}

impl ReleaseName {
    /// The release that `text` names; `None` if it has not the form of one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (rest, last) = text.rsplit_once('@')?;
        if let Ok(number) = last.parse() {
            let (image, environment) = match rest.rsplit_once('@') {
                Some((image, environment)) => (image, environment),
                None => ("", rest),
            };
            return Self::of(image, environment, Some(number));
        }
        if rest.contains('@') { None } else { Self::of(rest, last, None) }
    }

    fn of(image: &str, environment: &str, number: Option<ReleaseChoice>) -> Option<Self> {
        let image = (!image.is_empty()).then(|| image.to_owned());
        if image.as_ref().is_some_and(|image| image.contains('@')) {
            return None;
        }
        Some(Self { image, environment: environment.parse().ok()?, number })
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, environment, number } = self;
        if let Some(image) = image {
            f.write_str(image)?;
        }
        if image.is_some() || number.is_none() {
            f.write_str("@")?;
        }
        write!(f, "{environment}")?;
        match number {
            Some(number) => write!(f, "@{number}"),
            None => Ok(()),
        }
    }
}

/// An environment where nothing else can be meant: `ENV` or `IMAGE@ENV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentChoice {
    /// The repository as it was written; that of the build file where there is none.
    pub image: Option<String>,
    /// The environment.
    pub environment: EnvironmentName,
}

impl FromStr for EnvironmentChoice {
    type Err = EnvironmentNameError;

    fn from_str(text: &str) -> Result<Self, EnvironmentNameError> {
        let (image, environment) = text.rsplit_once('@').unwrap_or(("", text));
        Ok(Self { image: (!image.is_empty()).then(|| image.to_owned()), environment: environment.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_named_in_one_grammar() {
        let read = |text: &str| ReleaseName::read(text).map(|name| name.to_string());
        for text in
            ["localhost:5000/shop/app@dev", "localhost:5000/shop/app@dev@3", "app@dev", "@dev", "dev@3"]
        {
            assert_eq!(read(text).as_deref(), Some(text));
        }
        assert_eq!(read("app@dev@r0003").as_deref(), Some("app@dev@3"));
        assert_eq!(read("app@dev@r0003-3f2a91c4e0b2").as_deref(), Some("app@dev@3-3f2a91c4e0b2"));
        assert_eq!(read("@dev@3").as_deref(), Some("dev@3"));
        let digest = format!("app@sha256:{}", "a".repeat(64));
        for other in ["dev", "app:1", "", "@", "app@", "app@dev@x", "a@b@dev@3", "app@Dev", &digest] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn an_environment_may_have_its_image() {
        let choice: EnvironmentChoice = "localhost:5000/app@prod".parse().expect("a choice");
        assert_eq!(choice.image.as_deref(), Some("localhost:5000/app"));
        assert_eq!("prod".parse::<EnvironmentChoice>().expect("a name").image, None);
        assert!("app@3".parse::<EnvironmentChoice>().is_err());
        assert!("".parse::<EnvironmentChoice>().is_err());
    }
}
