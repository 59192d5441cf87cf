//! The errors of a registry, with enough context to act on them.
//!
//! Every variant names the registry and the step. Nothing here ever holds a secret: URLs are reduced to
//! hosts, and what a registry says is shortened and stripped of control characters before it is kept.

use std::path::PathBuf;
use std::time::Duration;

use super::advice;
use super::answer::ErrorAnswer;
use super::context::{Context, RequestStep};
use super::fault::Fault;
use crate::oci::DocumentError;
use crate::runtime::interrupt::Interrupted;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, io_code, kind_behind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Registry, Scope};
use crate::types::shown::shown_path;

/// Why a registry could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The proxy is not one.
    #[error("cannot reach {host}: {why}")]
    Proxy {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up the connection to {host}: {why}")]
    Setup {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// A certificate or key file is unreadable or not PEM.
    #[error("cannot use `{}`: {why}", shown_path(path))]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file with credentials, or a credential helper, failed.
    #[error("cannot get credentials for {registry} from {from}: {why}")]
    Credentials {
        /// The registry.
        registry: Registry,
        /// The file or helper.
        from: String,
        /// Why.
        why: String,
    },
    /// A login could not be kept or removed.
    #[error("cannot {what} the login for {scope} in {place}: {why}")]
    Keep {
        /// `store` or `remove`.
        what: &'static str,
        /// The subject of the login.
        scope: Scope,
        /// The file or helper.
        place: String,
        /// Why.
        why: String,
    },
    /// It does not speak the protocol.
    #[error("{context}: {why}")]
    NotARegistry {
        /// Where.
        context: Box<Context>,
        /// The misbehaviour.
        why: String,
    },
    /// No answer.
    #[error("{context}: {fault}")]
    NoAnswer {
        /// Where.
        context: Box<Context>,
        /// Why.
        fault: Fault,
        /// Whether this host has answered before: if not, the address is probably wrong.
        reached_before: bool,
    },
    /// An answer that is not the one hoped for.
    #[error("{context}: {answer}")]
    Refused {
        /// Where.
        context: Box<Context>,
        /// The answer.
        answer: Box<ErrorAnswer>,
    },
    /// `registries.conf` forbids it.
    #[error("pulling from `{name}` is blocked by `{}`", shown_path(.file))]
    Blocked {
        /// The repository.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// 401 or 403.
    #[error("{context}: {answer} ({tried})")]
    Denied {
        /// Where.
        context: Box<Context>,
        /// The answer.
        answer: Box<ErrorAnswer>,
        /// The login that was shown to the registry, and its source.
        tried: String,
        /// Whether credentials were found at all.
        anonymous: bool,
        /// The first advice, if a login may be in a place that could not be read.
        advice: Option<String>,
    },
    /// The registry's way of asking for credentials cannot be followed.
    #[error("{context}: cannot authenticate: {why}")]
    Challenge {
        /// Where.
        context: Box<Context>,
        /// Why.
        why: String,
    },
    /// It does not exist.
    #[error("{context}: not found")]
    NotFound {
        /// Where.
        context: Box<Context>,
    },
    /// A `Location` that is missing or is not followed.
    #[error("{context}: {why}")]
    Location {
        /// Where.
        context: Box<Context>,
        /// Why.
        why: String,
    },
    /// A document that is not to be trusted.
    #[error("{context}: {source}")]
    Document {
        /// Where.
        context: Box<Context>,
        /// Why.
        source: Box<DocumentError>,
    },
    /// Other bytes than those asked for.
    #[error("{context}: expected {expected}, got {found}")]
    Mismatch {
        /// Where.
        context: Box<Context>,
        /// The expected value.
        expected: String,
        /// The received value.
        found: String,
    },
    /// A blob whose bytes are not what its digest says.
    #[error("{context}: {why}")]
    Damaged {
        /// Where.
        context: Box<Context>,
        /// The fault.
        why: String,
    },
    /// More bytes than there may be.
    #[error("{context}: the answer has more than {limit} bytes")]
    TooLarge {
        /// Where.
        context: Box<Context>,
        /// How many there may be.
        limit: u64,
    },
    /// The registry claims success, but what was pushed is not there.
    #[error("{context}: the registry answered {status}, but does not have it")]
    Unverified {
        /// Where.
        context: Box<Context>,
        /// The status of the answer.
        status: u16,
    },
    /// The tag exists, resolves to something else, and the registry does not let it move.
    #[error("{context}: the tag resolves to {found} and the registry does not let it move: {answer}")]
    Immutable {
        /// Where.
        context: Box<Context>,
        /// The digest that the tag resolves to.
        found: Digest,
        /// The answer.
        answer: Box<ErrorAnswer>,
    },
    /// The tag does not resolve to what it was expected to.
    #[error("{context}: the tag resolves to {}, and {} was expected", shown_as(found), shown_as(expected))]
    Moved {
        /// Where.
        context: Box<Context>,
        /// The digest that was expected, if any.
        expected: Option<Digest>,
        /// The digest that the tag resolves to now, if it exists.
        found: Option<Digest>,
    },
    /// The registry asks for a longer pause than the user allows.
    #[error(
        "{context}: the registry asks to wait {} s, more than the {} s allowed: {answer}",
        wait.as_secs(),
        allowed.as_secs()
    )]
    WaitTooLong {
        /// Where.
        context: Box<Context>,
        /// How long.
        wait: Duration,
        /// How long at most.
        allowed: Duration,
        /// The answer.
        answer: Box<ErrorAnswer>,
    },
    /// The local bytes to upload are gone or are not what they were.
    #[error("{context}: the local content cannot be sent: {source}")]
    Local {
        /// Where.
        context: Box<Context>,
        /// Why.
        source: std::io::Error,
    },
    /// The source of the push is pulled or made at the same time, and failed.
    #[error("{context}: its content cannot be read: {inner}")]
    Source {
        /// Where it was pushed to.
        context: Box<Context>,
        /// Why.
        inner: BoxedError,
    },
}

/// Whether an error may go away by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) enum Chance {
    /// It will not.
    Never,
    /// It may.
    Later,
    /// It may, after this time.
    After(Duration),
}

impl RegistryError {
    /// Whether the registry answered well, but with what is no document to be trusted: asking for another one is
    /// not in vain.
    #[must_use]
    pub const fn is_about_the_document(&self) -> bool {
        matches!(
            self,
            Self::Document { .. } | Self::Mismatch { .. } | Self::Damaged { .. } | Self::TooLarge { .. }
        )
    }

    /// Whether the registry answered well, and what it answered is what is wrong: something is not there, or is not what
    /// it should be. It says nothing against asking the registry for more.
    #[must_use]
    pub const fn is_about_the_content(&self) -> bool {
        self.is_about_the_document() || matches!(self, Self::NotFound { .. })
    }

    /// Whether a manifest was refused because the registry does not have all that it names.
    #[must_use]
    pub fn lacks_parts(&self) -> bool {
        match self {
            Self::Refused { context, answer } => {
                context.step == RequestStep::PushManifest && answer.lacks_parts()
            }
            _ => false,
        }
    }

    /// Whether the reason is on this side, which the registry can tell no more about.
    pub(in crate::registry) const fn is_ours(&self) -> bool {
        matches!(self, Self::Local { .. } | Self::Source { .. } | Self::Interrupted(_))
    }

    /// Whether the same may succeed a little later. A definite answer is never asked for twice.
    pub(in crate::registry) fn chance(&self) -> Chance {
        match self {
            Self::NoAnswer { fault, reached_before, .. } => match fault {
                Fault::Broken(_) | Fault::Dismissed(_) | Fault::Stalled(_) => Chance::Later,
                // A host that never answered is more likely misspelt than restarting.
                Fault::Refused
                | Fault::UnknownHost(_)
                | Fault::Proxy(_)
                | Fault::NoTunnel(_)
                | Fault::Tls(_)
                | Fault::NotHttp(_)
                    if *reached_before =>
                {
                    Chance::Later
                }
                _ => Chance::Never,
            },
            Self::Refused { answer, .. } => match (is_transient(answer.status), answer.retry_after) {
                (false, _) => Chance::Never,
                (true, None) => Chance::Later,
                (true, Some(wait)) => Chance::After(wait),
            },
            Self::Unverified { .. } => Chance::Later,
            _ => Chance::Never,
        }
    }

    /// The answer, if there was one.
    pub(in crate::registry) fn answer(&self) -> Option<&ErrorAnswer> {
        match self {
            Self::Refused { answer, .. } | Self::Denied { answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// The answer's status, if there was one.
    pub(in crate::registry) fn status(&self) -> Option<u16> {
        self.answer().map(|answer| answer.status)
    }
}

/// The digest of a tag, in a sentence.
fn shown_as(digest: &Option<Digest>) -> String {
    digest.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string())
}

/// Statuses that say "not now" and not "no".
pub(in crate::registry) const fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=529)
}

impl Explain for RegistryError {
    fn kind(&self) -> Kind {
        match self {
            Self::Interrupted(_) => Kind::Interrupted,
            Self::Blocked { .. } => Kind::Policy,
            Self::Source { inner, .. } => inner.kind(),
            Self::Certificate { .. } | Self::Proxy { .. } | Self::Credentials { .. } | Self::Keep { .. } => {
                Kind::Input
            }
            Self::Local { source, .. } => kind_behind(source, Kind::Input),
            _ => Kind::Registry,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(match self {
            Self::Interrupted(_) => return None,
            Self::Source { inner, .. } => return inner.code(),
            Self::Local { source, .. } => return io_code(source, ErrorCode::FileChanged),
            Self::Proxy { .. } => ErrorCode::ProxyRefused,
            Self::Certificate { .. } => ErrorCode::CertificateUnknown,
            Self::Credentials { .. } | Self::Keep { .. } => ErrorCode::LoginUnreadable,
            Self::Setup { .. } => ErrorCode::RegistryUnreachable,
            Self::NoAnswer { fault, .. } => fault.code(),
            Self::Blocked { .. } => ErrorCode::PullBlocked,
            Self::Denied { .. } | Self::Challenge { .. } => ErrorCode::LoginRefused,
            Self::NotFound { .. } => ErrorCode::ImageNotFound,
            Self::Moved { .. } => ErrorCode::TagMoved,
            Self::Immutable { .. } => ErrorCode::TagTaken,
            Self::WaitTooLong { .. } => ErrorCode::RateLimited,
            Self::Refused { answer, .. } => match answer.status {
                429 => ErrorCode::RateLimited,
                407 => ErrorCode::ProxyRefused,
                500.. => ErrorCode::RegistryUnreachable,
                // A page, with the status of a success.
                200..=299 => ErrorCode::RegistryUnsound,
                _ => ErrorCode::RegistryRefused,
            },
            Self::NotARegistry { .. }
            | Self::Location { .. }
            | Self::Document { .. }
            | Self::Mismatch { .. }
            | Self::Damaged { .. }
            | Self::TooLarge { .. }
            | Self::Unverified { .. } => ErrorCode::RegistryUnsound,
        })
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoAnswer { context, fault, reached_before } => match fault {
                Fault::Refused if *reached_before => format!(
                    "{} answered before: it has ended, or sends to an address where nothing listens; `-v` shows each request",
                    context.registry
                ),
                Fault::Refused => {
                    format!("nothing listens at {}: check the host and port, and that it runs", context.registry)
                }
                Fault::UnknownHost(_) => advice::unknown_host(&context.registry),
                Fault::Proxy(_) => advice::NO_PROXY_THERE.to_owned(),
                Fault::NoTunnel(_) => advice::no_tunnel(&context.registry),
                Fault::Untrusted(why) => why.advice(&context.registry),
                // `CertificateRequired`, `BadCertificate`, `UnknownCA`, …: servers differ.
                Fault::Tls(why) if why.contains("alert: ") && (why.contains("Certificate") || why.contains("UnknownCA")) => format!(
                    "it wants to see a certificate that it trusts: set `client-cert` and `client-key` {}",
                    advice::under(&context.registry)
                ),
                Fault::Dismissed(_) => format!(
                    "if it wants to see a certificate, set `client-cert` and `client-key` {}",
                    advice::under(&context.registry)
                ),
                Fault::NotTls => advice::no_tls(&context.registry),
                Fault::NotHttp(_) => advice::speaks_tls(&context.registry).replacen("it speaks TLS:", "if it speaks TLS,", 1),
                _ => return None,
            },
            Self::Refused { context, answer } if advice::wants_tls(answer.status, &answer.message) => {
                advice::speaks_tls(&context.registry)
            }
            Self::Refused { context, answer } if answer.status == 405 && context.step.is_upload() => {
                advice::read_only(&context.registry)
            }
            _ if self.lacks_parts() => {
                "the registry does not have all blobs or manifests that it names, perhaps after a clean-up: build or copy \
                 the image once more"
                    .to_owned()
            }
            Self::Proxy { .. } => {
                "set HTTPS_PROXY or HTTP_PROXY to an HTTP proxy, or put the host into NO_PROXY to reach it directly"
                    .to_owned()
            }
            Self::NotARegistry { context, .. } => {
                format!("check that `{}` is the registry's own host and port", context.registry)
            }
            Self::Refused { context, answer } if answer.status < 300 => {
                format!("check that `{}` is the registry's own host and port: a proxy or a login page may stand before it", context.registry)
            }
            Self::Refused { answer, .. } if answer.status == 429 => {
                "the registry limits requests; logging in usually raises the limit".to_owned()
            }
            Self::Refused { answer, .. } if answer.status == 407 => {
                "the proxy wants a login: write it into HTTPS_PROXY or HTTP_PROXY as `http://USER:PASSWORD@HOST`"
                    .to_owned()
            }
            Self::Refused { answer, .. } if answer.status == 413 => {
                "a limit of the registry or of a proxy before it: raise it, or set `chunk-size` for the registry".to_owned()
            }
            Self::Denied { advice: Some(advice), .. } => advice.clone(),
            Self::Denied { context, anonymous: true, .. } => {
                format!("log in with `pack login {}`", context.registry)
            }
            Self::Denied { tried, .. } => format!("check {tried}"),
            Self::NotFound { .. } => "check the name; some registries answer so to users who may not read it".to_owned(),
            Self::Refused { context, answer } if context.step == RequestStep::Delete && matches!(answer.status, 400 | 405) => {
                match context.subject.contains('@') {
                    true => advice::keeps(&context.registry),
                    false => advice::keeps_tags(&context.registry),
                }
            }
            Self::Moved { .. } => "somebody else moved it: look at what it is now, then run again".to_owned(),
            Self::Immutable { .. } => "push under another tag".to_owned(),
            Self::WaitTooLong { .. } => "try again later, or log in: the limit is usually per account".to_owned(),
            Self::Source { inner, .. } => return inner.hint(),
            Self::Local { .. } => "something changed the file while it was pushed; run again".to_owned(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> RegistryError {
        let registry = "localhost:5000".parse().expect("valid");
        let context = Box::new(Context { registry, step: RequestStep::SendBlob, subject: "a/b".to_owned() });
        RegistryError::Refused { context, answer: Box::new(ErrorAnswer { status, ..ErrorAnswer::default() }) }
    }

    #[test]
    fn retries_what_may_pass_and_nothing_else() {
        for status in [408, 429, 499, 500, 502, 503, 504, 520, 524] {
            assert_eq!(refused(status).chance(), Chance::Later, "{status}");
        }
        for status in [400, 401, 403, 404, 405, 413, 415, 416, 501] {
            assert_eq!(refused(status).chance(), Chance::Never, "{status}");
        }
    }

    #[test]
    fn says_where_what_and_why() {
        assert_eq!(refused(502).to_string(), "localhost:5000: uploading blob a/b: 502 Bad Gateway");
    }
}
