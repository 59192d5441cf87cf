//! Values of flags with a small grammar of their own.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::types::error::nearest;
use crate::types::reference::{Reference, ReferenceError, Repository, Scope, Tag};
use crate::types::rule::Rule;
use crate::types::variable::brace_word;

/// Why a value is refused, with a suggestion where there is one.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ValueFault {
    message: String,
    hint: Option<String>,
}

impl ValueFault {
    /// The suggestion behind an error of the parser.
    #[must_use]
    pub fn hint_of(error: &(dyn std::error::Error + 'static)) -> Option<String> {
        let of_value = error.downcast_ref::<Self>().and_then(|fault| fault.hint.clone());
        of_value.or_else(|| error.downcast_ref::<ReferenceError>()?.hint())
    }
}

impl From<ReferenceError> for ValueFault {
    fn from(error: ReferenceError) -> Self {
        Self { message: error.to_string(), hint: error.hint() }
    }
}

impl From<String> for ValueFault {
    fn from(message: String) -> Self {
        Self { message, hint: None }
    }
}

/// The name of an image, whose tag is given by `--tag`.
pub(super) fn image_name(text: &str) -> Result<Repository, ValueFault> {
    let error = match text.parse::<Repository>() {
        Ok(repository) => return Ok(repository),
        Err(error) => error,
    };
    // The likeliest mistake: `docker build -t` takes both in one.
    match text.parse::<Reference>() {
        Ok(reference) if reference.digest().is_none() => {
            let tag = reference.tag().map(ToString::to_string).unwrap_or_default();
            Err(format!("a name has no tag; give it with `--tag {tag}`").into())
        }
        _ => Err(error.into()),
    }
}

/// A repository, where nothing takes a tag.
pub(super) fn repository(text: &str) -> Result<Repository, ValueFault> {
    text.parse().map_err(|error: ReferenceError| match text.parse::<Reference>() {
        Ok(reference) => ValueFault {
            message: "a tag or a digest is not part of it".to_owned(),
            hint: Some(format!("write `{}`", reference.repository())),
        },
        Err(_) => error.into(),
    })
}

/// A tag alone: it is added where the image is.
pub(super) fn new_tag(text: &str) -> Result<Tag, String> {
    text.parse().map_err(|error: ReferenceError| match text.parse::<Reference>() {
        Ok(reference) if text.contains(['/', ':']) => {
            let tag = reference.tag().map_or_else(|| "TAG".to_owned(), ToString::to_string);
            format!(
                "a tag has no name before it: give `{tag}`; to another place, `pack copy` brings the image"
            )
        }
        _ => error.to_string(),
    })
}

pub(super) fn absolute(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path in an image begins with `/`") }
}

/// A rule of the checks.
pub(super) fn rule(text: &str) -> Result<Rule, String> {
    text.parse().map_err(|_| match nearest(text, Rule::ALL.iter().map(|rule| rule.name())) {
        Some(near) => format!("there is no such rule; did you mean `{near}`?"),
        None => "there is no such rule; `pack check --rules` lists the rules".to_owned(),
    })
}

/// A file to write. `-` is no file: results alone go to standard output. Nor is there a variable: one file is about all
/// images of a run.
pub(super) fn output_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match written_path(&path.to_string_lossy()) {
        Ok(()) => Ok(path),
        Err(why) => Err(why),
    })
}

/// A file for a page, or `-` for standard output, where the page takes the place of the result.
pub(super) fn page_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match &*path.to_string_lossy() {
        "-" => Ok(path.clone()),
        text => written_path(text).map(|()| path.clone()),
    })
}

/// Refuses what is no path of a file to write.
pub(super) fn written_path(path: &str) -> Result<(), ValueFault> {
    if path == "-" {
        let message = "`-` would be standard output, where the result goes: give `--json` for the result as JSON, \
                       `/dev/stdout` to have this file there as well, or `./-` for a file of that name";
        return Err(message.to_owned().into());
    }
    match brace_word(path) {
        None => Ok(()),
        Some(variable) => Err(ValueFault {
            message: format!("`{path}` has the variable `{variable}`, and this file has none"),
            hint: Some(format!("write a path without `{variable}`: one file is about all images of a run")),
        }),
    }
}

/// A registry or a path in it, for a command that reaches it.
pub(super) fn reached(text: &str) -> Result<Scope, ValueFault> {
    scope(text).map_err(|error| {
        match text.strip_prefix("http://").map(|bare| bare.trim_end_matches('/').parse::<Scope>()) {
            Some(Ok(scope)) => {
                format!("{error}, with `--plain-http {}` to reach it without TLS", scope.registry()).into()
            }
            _ => error,
        }
    })
}

/// A registry or a path in it: no address, and no image.
pub(super) fn scope(text: &str) -> Result<Scope, ValueFault> {
    let error = match text.parse::<Scope>() {
        Ok(scope) => return Ok(scope),
        Err(error) => error,
    };
    if let Some((scheme, bare)) = text.split_once("://") {
        return Err(match bare.trim_end_matches('/').parse::<Scope>() {
            Ok(scope) => format!("a registry is named without `{scheme}://`: give `{scope}`").into(),
            Err(error) => error.into(),
        });
    }
    match text.parse::<Reference>() {
        Ok(image) if image.tag().is_some() || image.digest().is_some() => {
            Err(format!("a tag or a digest is not part of it: give `{}`", image.repository()).into())
        }
        _ => Err(error.into()),
    }
}

/// A number of threads.
pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number of threads, such as `4`"))
}

/// `10GB`, `500 MiB`, `1000`: decimal and binary units.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    const ERROR: &str = "expected a number of bytes, such as `10GB`, `500MiB` or `1000000`";
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(ERROR),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or(ERROR)
}

/// `90m`, `12h`, `30d`, `2w`.
pub(super) fn age(text: &str) -> Result<Duration, &'static str> {
    const ERROR: &str = "expected a number and a unit, such as `90m`, `12h`, `30d` or `2w`";
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(ERROR),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds.map(Duration::from_secs).ok_or(ERROR)
}

/// `0` to `100`.
pub(super) fn percent(text: &str) -> Result<u8, String> {
    let number = text.parse().ok().filter(|number| *number <= 100);
    number.ok_or_else(|| format!("`{text}` is not a number from 0 to 100"))
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages() {
        assert_eq!(size("10GB"), Ok(10_000_000_000));
        assert_eq!(size("500 MiB"), Ok(524_288_000));
        assert_eq!(size("7"), Ok(7));
        assert!(size("99999999999TB").is_err() && size("GB").is_err() && size("-1").is_err());
        assert_eq!(age("30d"), Ok(Duration::from_secs(2_592_000)));
        assert!(age("30").is_err());
    }
}
