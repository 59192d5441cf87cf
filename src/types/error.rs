//! The parts of an error beside its message: who caused it, and a hint.
//!
//! Each module has its own error type with the context in its fields. At the edge the command line asks
//! [`Explain`] for the exit code and the `hint:` line.

use super::error_code::ErrorCode;

/// The party that caused an error; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The words of the command line, or of a variable that stands for one. Exit code 2.
    Usage,
    /// The user's input: a missing file, a broken archive, a wrong setting. Exit code 1.
    Input,
    /// A registry or the network. Exit code 3.
    Registry,
    /// A policy refused it, such as `--locked`. Exit code 4.
    Policy,
    /// The user interrupted. Exit code 130, as shells have it for SIGINT.
    Interrupted,
    /// A bug in this program. Exit code 70 (`EX_SOFTWARE` of sysexits).
    Bug,
}

/// An error with a kind, and a hint where there is one.
pub trait Explain: std::error::Error + Send + Sync + 'static {
    /// Whose fault it is.
    fn kind(&self) -> Kind;

    /// The situation that the documents explain, of a wrapper that of the error that it wraps; none for a bug, for an
    /// interruption and for the words of the command line.
    fn code(&self) -> Option<ErrorCode>;

    /// The next thing to do, in one sentence without a trailing period.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Whether this crate laid out its message in several lines. Every other message is one line; a line break in it
    /// comes from text of others.
    fn is_laid_out(&self) -> bool {
        false
    }
}

/// Any explained error, where the caller only reports it.
pub type BoxedError = Box<dyn Explain>;

impl<E: Explain> From<E> for BoxedError {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

/// An error that passes through an interface of I/O errors, such as [`std::io::Read`].
///
/// It is also its own cause, because a transparent wrapper skips the error that it wraps.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ErrorCarrier(#[source] Cause);

/// See [`ErrorCarrier`].
#[derive(Debug)]
struct Cause(BoxedError);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// `error` as an I/O error that does not forget what it is: [`carried`] finds it.
///
/// Its kind is never [`std::io::ErrorKind::Interrupted`], after which readers go on.
pub fn carry(error: impl Into<BoxedError>) -> std::io::Error {
    carry_as(std::io::ErrorKind::Other, error)
}

/// Like [`carry`], with a kind for callers that look at it.
pub fn carry_as(kind: std::io::ErrorKind, error: impl Into<BoxedError>) -> std::io::Error {
    std::io::Error::new(kind, ErrorCarrier(Cause(error.into())))
}

/// The cause of `error` that happened elsewhere: the innermost error among its causes that [`carry`] took along.
#[must_use]
pub fn carried<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn Explain + 'static)> {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(Cause(inner)) = error.downcast_ref::<Cause>() {
            found = Some(&**inner);
        }
        // An I/O error shows its inner error as itself and names only the source of that one.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next =
            inner.map_or_else(|| error.source(), |inner| Some(inner as &(dyn std::error::Error + 'static)));
    }
    found
}

/// The kind of an error that `source` caused: the kind of the error that `source` carries, else `otherwise`.
#[must_use]
pub fn kind_behind(source: &(dyn std::error::Error + 'static), otherwise: Kind) -> Kind {
    carried(source).map_or(otherwise, Explain::kind)
}

/// The code of an error that `source` caused: that of the error that `source` carries, else `otherwise`.
#[must_use]
pub fn code_behind(source: &(dyn std::error::Error + 'static), otherwise: ErrorCode) -> Option<ErrorCode> {
    carried(source).map_or(Some(otherwise), Explain::code)
}

/// The code of an I/O error: that of the error that it carries, that of what the system says, else `otherwise`.
#[must_use]
pub fn io_code(source: &std::io::Error, otherwise: ErrorCode) -> Option<ErrorCode> {
    use std::io::ErrorKind;
    if let Some(inner) = carried(source) {
        return inner.code();
    }
    Some(match source.kind() {
        // A budget of ours, which no number of the system stands for.
        ErrorKind::QuotaExceeded if source.raw_os_error().is_none() => ErrorCode::LimitReached,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        ErrorKind::NotFound if otherwise == ErrorCode::FileUnreadable => ErrorCode::FileMissing,
        ErrorKind::PermissionDenied
            if matches!(otherwise, ErrorCode::ImageDamaged | ErrorCode::ArtifactBroken) =>
        {
            ErrorCode::FileUnreadable
        }
        _ => otherwise,
    })
}

/// A hint about an I/O error of a path, where the system's words for it do not say it.
#[must_use]
pub fn io_hint(source: &std::io::Error) -> Option<&'static str> {
    match source.kind() {
        std::io::ErrorKind::StorageFull => Some(
            "free some space on the disk of this path; `pack cache prune` removes what no name of the local store needs",
        ),
        std::io::ErrorKind::NotADirectory => {
            Some("check the path: a part of it before the last one is a file, and must be a directory")
        }
        _ => None,
    }
}

/// The code of an error about a file of text: `broken` where its bytes are no text.
#[must_use]
pub fn text_code(source: &std::io::Error, broken: ErrorCode) -> Option<ErrorCode> {
    match source.get_ref() {
        Some(inner) if inner.is::<std::str::Utf8Error>() => Some(broken),
        _ => io_code(source, ErrorCode::FileUnreadable),
    }
}

/// The code that an I/O error among the causes of `error` has by itself, if there is one.
#[must_use]
pub fn io_code_among(error: &(dyn std::error::Error + 'static)) -> Option<ErrorCode> {
    io_code(io_error_among(error)?, ErrorCode::FileUnreadable)
}

/// The first I/O error among `error` and its causes.
#[must_use]
pub fn io_error_among<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref::<std::io::Error>())
}

/// The error that `carry` took along, taken out again; any other I/O error as it is.
///
/// # Errors
/// The I/O error, where it carries nothing.
pub fn uncarry(error: std::io::Error) -> Result<BoxedError, std::io::Error> {
    match error.downcast::<ErrorCarrier>() {
        Ok(ErrorCarrier(Cause(inner))) => Ok(inner),
        Err(error) => Err(error),
    }
}

/// The word of `known` that is nearest to `given`, if the user probably meant it.
///
/// A swap of two neighbours counts as one mistake, as an insertion, a deletion and a substitution do.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = given.chars().count().max(3) / 3;
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(given, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// As [`nearest`], for names with slashes in them: what both have up to a slash makes no other part alike.
#[must_use]
pub fn nearest_name<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut near: Vec<(usize, &str)> = Vec::new();
    for candidate in known {
        let shared = given.bytes().zip(candidate.bytes()).take_while(|(one, other)| one == other).count();
        let own =
            given.as_bytes()[..shared].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        if nearest(&given[own..], [&candidate[own..]]).is_some() {
            near.push((strsim::osa_distance(given, candidate), candidate));
        }
    }
    near.into_iter().min().map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_is_found_behind_everything() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(carry(crate::runtime::interrupt::Interrupted));
        assert_eq!(carried(&error).map(Explain::kind), Some(Kind::Interrupted));
        assert_eq!(kind_behind(&error.0, Kind::Input), Kind::Interrupted);
        assert_ne!(error.0.kind(), std::io::ErrorKind::Interrupted);
        assert_eq!(error.to_string(), "outer: interrupted");
        let twice = std::io::Error::other(Outer(std::io::Error::other(Outer(carry(
            crate::runtime::interrupt::Interrupted,
        )))));
        assert_eq!(kind_behind(&twice, Kind::Input), Kind::Interrupted);
        let plain = std::io::Error::other("plain");
        assert_eq!(kind_behind(&plain, Kind::Input), Kind::Input);
        assert!(uncarry(plain).is_err());
        assert_eq!(uncarry(error.0).map(|inner| inner.kind()).ok(), Some(Kind::Interrupted));
    }

    #[test]
    fn nearest_finds_what_was_meant_and_nothing_far() {
        let known = ["name", "base", "tags", "platforms"];
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("platform", known), Some("platforms"));
        assert_eq!(nearest("entrypoint", known), None);
    }

    #[test]
    fn names_are_near_by_what_they_do_not_share() {
        let known = ["localhost/tree:1", "localhost:5000/shop/bookstore:2", "é/a"];
        assert_eq!(nearest_name("localhost/tree:3", known), Some("localhost/tree:1"));
        assert_eq!(nearest_name("localhost/none:2", known), None);
        assert_eq!(
            nearest_name("localhost:5000/shop/bookstroe:2", known),
            Some("localhost:5000/shop/bookstore:2")
        );
        assert_eq!(nearest_name("localhost:5000/shop/app:2", known), None);
        assert_eq!(nearest_name("é/b", ["è/b", "é/b"]), Some("é/b"));
    }
}
