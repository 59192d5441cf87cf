//! Why a policy refuses.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use super::super::digest::Digest;
use super::super::error::{Explain, Kind};
use super::super::release::Gate;
use super::super::shown::Foreign;
use super::facts::{EvidenceKind, KeyName};
use crate::types::error_code::ErrorCode;

/// The next thing to do where more is attached than is read.
pub const TOO_MUCH_ADVICE: &str = "`pack referrers IMAGE` lists it: delete what is not needed, or copy the image without it to a repository of its own";

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyReason {
    /// The base has a name that no pattern matches.
    BaseName(Option<String>),
    /// The base has none of the digests.
    BaseDigest(Vec<Digest>),
    /// The base is older than allowed.
    BaseAge {
        /// Its age.
        age: Duration,
        /// The greatest age.
        most: Duration,
    },
    /// None of these keys signed the base.
    BaseSignature(Vec<KeyName>),
    /// None of these keys signed the image.
    Signature(Vec<KeyName>),
    /// The build does not sign by any of these keys.
    BuildSignature(Vec<KeyName>),
    /// This is missing.
    Missing(EvidenceKind),
    /// This is there, and none of these keys signed it.
    Unsigned(EvidenceKind, Vec<KeyName>),
    /// The build makes this, and signs it by none of these keys.
    BuildUnsigned(EvidenceKind, Vec<KeyName>),
    /// This is there, and proves nothing.
    Unreadable(EvidenceKind, String),
    /// The checks found errors.
    FailedChecks,
    /// A package that the pattern denies.
    Package {
        /// The package.
        package: String,
        /// The pattern.
        pattern: String,
    },
    /// A package with a licence that is denied, or not allowed.
    Licence {
        /// The package.
        package: String,
        /// Its licence.
        licence: String,
        /// The pattern that denies it; absent where no pattern allows it.
        pattern: Option<String>,
    },
    /// A package that states no licence, where only some are allowed.
    NoLicence(String),
    /// A gate that is closed.
    Gate {
        /// The gate.
        gate: Gate,
        /// Why.
        why: String,
    },
    /// So many more of the same kinds.
    More(usize),
    /// Strangers attached more than is read, so that a fact which must be known is not.
    TooMuch(String),
    /// The base of the image is not known.
    UnknownBase(BaseDoubt),
    /// A fact that must be known and is not: which, and why.
    Unknown(PolicyFact, String),
}

/// A fact that a rule needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyFact {
    /// The age of the base.
    BaseAge,
    /// The keys that signed the base.
    BaseSigner,
    /// The keys that signed the image.
    Signer,
    /// The documents that are attached to the image.
    Documents,
    /// The packages of it that are denied.
    Packages,
}

impl PolicyFact {
    /// Its name in a sentence.
    const fn noun(self) -> &'static str {
        match self {
            Self::BaseAge => "the age of the base",
            Self::BaseSigner => "the signer of the base",
            Self::Signer => "the signer of the image",
            Self::Documents => "the documents of the image",
            Self::Packages => "the packages that are denied",
        }
    }

    /// The rule that needs it.
    const fn rule(self) -> &'static str {
        match self {
            Self::BaseAge => "base.max-age",
            Self::BaseSigner => "base.signed-by",
            Self::Signer => "signed-by",
            Self::Documents => "require",
            Self::Packages => "deny",
        }
    }
}

/// Why the base of an image is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseDoubt {
    /// The image does not name it.
    Unnamed,
    /// The name is none of a registry.
    NoRegistry(String),
    /// Its repository does not have the digest that the image names.
    Gone(String, Digest),
    /// The layers of the image are not on its layers.
    OtherLayers(Digest),
}

impl BaseDoubt {
    /// The next thing to do.
    fn advice(&self) -> String {
        match self {
            Self::Unnamed => "`pack build` names the base in the image if that is in a registry; an image on `scratch` has \
                              none, and `[policy.base]` refuses it here"
                .to_owned(),
            Self::NoRegistry(_) => "build it on a base in a registry, and give that by `--base`".to_owned(),
            Self::Gone(name, _) => {
                format!("build it again on `{name}`, or copy the base back to its repository")
            }
            Self::OtherLayers(_) => "build it again with `pack build`, which names the base that it takes".to_owned(),
        }
    }
}

impl fmt::Display for BaseDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => write!(f, "the image does not name it with its digest"),
            Self::NoRegistry(name) => {
                write!(f, "the image names `{}`, which is in no registry", Foreign::new(name))
            }
            Self::Gone(name, digest) => {
                write!(f, "the repository of `{}` does not have {digest}", Foreign::new(name))
            }
            Self::OtherLayers(digest) => {
                write!(f, "the layers of the image are not on those of {}", digest.short())
            }
        }
    }
}

impl PolicyReason {
    /// So many reasons it stands for.
    const fn number(&self) -> usize {
        match self {
            Self::More(number) => *number,
            _ => 1,
        }
    }

    /// The stable word for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::BaseName(_) => "base-name",
            Self::BaseDigest(_) => "base-digest",
            Self::BaseAge { .. } => "base-age",
            Self::BaseSignature(_) => "base-signature",
            Self::Signature(_) | Self::BuildSignature(_) => "signature",
            Self::Missing(_) => "missing",
            Self::Unsigned(..) | Self::BuildUnsigned(..) => "unsigned",
            Self::Unreadable(..) => "unreadable",
            Self::FailedChecks => "checks",
            Self::Package { .. } => "package",
            Self::Licence { .. } => "licence",
            Self::NoLicence(_) => "no-licence",
            Self::Gate { .. } => "gate",
            Self::More(_) => "more",
            Self::TooMuch(_) => "too-much",
            Self::Unknown(..) | Self::UnknownBase(_) => "unknown",
        }
    }

    /// The rule that is broken: its key in `[policy]`, where `[policy.push]` and `[policy.release]` have the same keys; of a
    /// gate, the gate.
    #[must_use]
    pub fn rule(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::BaseName(_) => "base.names",
            Self::BaseDigest(_) => "base.digests",
            Self::BaseAge { .. } => "base.max-age",
            Self::BaseSignature(_) => "base.signed-by",
            Self::Signature(_) | Self::BuildSignature(_) | Self::Unsigned(..) | Self::BuildUnsigned(..) => {
                "signed-by"
            }
            Self::UnknownBase(_) => "base",
            Self::Missing(_) | Self::Unreadable(..) | Self::FailedChecks | Self::TooMuch(_) => "require",
            Self::More(_) => "packages",
            Self::Package { .. } => "deny",
            Self::Licence { pattern: Some(_), .. } => "licences.deny",
            Self::Licence { pattern: None, .. } | Self::NoLicence(_) => "licences.allow",
            Self::Gate { gate, .. } => return Cow::Owned(gate.to_string()),
            Self::Unknown(fact, _) => fact.rule(),
        })
    }

    /// The next thing to do, in a sentence without a period.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::BaseName(_) | Self::BaseDigest(_) => "take a base that `[policy.base]` allows".to_owned(),
            Self::BaseAge { .. } => {
                "`pack update` takes the newest base of that name; if that is too old, take another one"
                    .to_owned()
            }
            Self::BaseSignature(_) => {
                "take a base that is signed; `pack update` verifies its signature again".to_owned()
            }
            Self::Signature(_) | Self::Missing(EvidenceKind::Signature) => {
                "`pack sign IMAGE --key FILE` signs it".to_owned()
            }
            // The image is in no registry yet.
            Self::BuildSignature(_) => "`pack build --sign --key FILE` signs what it pushes".to_owned(),
            Self::BuildUnsigned(..) => {
                "leave `--signature-format` out: documents are signed in bundles".to_owned()
            }
            Self::Missing(EvidenceKind::Sbom) => "`pack build --sbom` attaches one".to_owned(),
            Self::Missing(EvidenceKind::Provenance) => "`pack build --provenance` attaches one".to_owned(),
            Self::Missing(EvidenceKind::Checks) => "`pack build --provenance` attaches one, too".to_owned(),
            Self::Unsigned(..) => {
                "sign its manifest: `pack referrers IMAGE` lists the digest, `pack sign NAME@DIGEST` signs it"
                    .to_owned()
            }
            Self::Unreadable(..) => {
                "attach a new one; `pack referrers IMAGE` lists those that are there".to_owned()
            }
            Self::FailedChecks => "build it again, without the errors".to_owned(),
            Self::Package { .. } | Self::Licence { .. } | Self::NoLicence(_) => {
                "`pack sbom IMAGE` says where each package lies in the image".to_owned()
            }
            Self::Gate { gate: Gate::Release(environment), .. } => {
                format!("promote it to `{environment}` first")
            }
            Self::Gate { .. } => {
                "attach it to the image in its repository; `pack copy --referrers` brings it along".to_owned()
            }
            Self::More(_) => "mend those that are told first".to_owned(),
            Self::TooMuch(_) => TOO_MUCH_ADVICE.to_owned(),
            Self::UnknownBase(doubt) => doubt.advice(),
            Self::Unknown(..) => "run it again where that can be known".to_owned(),
        }
    }
}

/// For programs: the rule, the stable word, the sentence, and what to do.
impl Serialize for PolicyReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reason = serializer.serialize_struct("PolicyReason", 4)?;
        reason.serialize_field("rule", &self.rule())?;
        reason.serialize_field("reason", self.word())?;
        reason.serialize_field("message", &self.to_string())?;
        reason.serialize_field("hint", &self.advice())?;
        reason.end()
    }
}

/// So many bytes of a name or a licence are in a reason.
const LONGEST: usize = 1_024;

/// The beginning of a text of others, for a reason.
pub(super) fn told(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    format!("{}{}", &text[..end], if end < text.len() { "…" } else { "" })
}

/// So many keys or digests are in a sentence.
const LISTED: usize = 5;

fn list<T: fmt::Display>(items: &[T]) -> String {
    let mut said: Vec<String> =
        items.iter().take(LISTED).map(|item| format!("`{}`", Foreign::new(&item.to_string()))).collect();
    let more = items.len().saturating_sub(LISTED);
    said.extend((more > 0).then(|| format!("{more} more")));
    match said.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => said.concat(),
    }
}

/// A span of time as rules are written: `90d`, or `12h`.
fn span(time: Duration) -> String {
    let hours = time.as_secs() / 3600;
    match hours / 24 {
        0 => format!("{hours}h"),
        days => format!("{days}d"),
    }
}

impl fmt::Display for PolicyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BaseName(Some(name)) => {
                write!(f, "the base `{}` is not one of `names`", Foreign::new(name))
            }
            Self::BaseName(None) => write!(f, "the image has no base, and `names` asks for one"),
            Self::BaseDigest(found) => {
                write!(f, "the base is {}, which is not one of `digests`", list(found))
            }
            Self::BaseAge { age, most } => {
                write!(f, "the base is {} old, and `max-age` is {}", span(*age), span(*most))
            }
            Self::BaseSignature(keys) => write!(f, "the base is not signed by {}", list(keys)),
            Self::Signature(keys) | Self::BuildSignature(keys) => {
                write!(f, "the image is not signed by {}", list(keys))
            }
            Self::Missing(EvidenceKind::Signature) => {
                write!(f, "the image has no signature by a key of the policy")
            }
            Self::Missing(evidence) => write!(f, "the image has no {}", evidence.noun()),
            Self::Unsigned(evidence, keys) | Self::BuildUnsigned(evidence, keys) => {
                write!(f, "the {} of the image is not signed by {}", evidence.noun(), list(keys))
            }
            Self::Unreadable(evidence, why) => {
                write!(f, "the {} of the image proves nothing: {}", evidence.noun(), Foreign::new(why))
            }
            Self::FailedChecks => write!(f, "the record of checks says that they found errors"),
            Self::Package { package, pattern } => {
                write!(f, "the package `{}` is denied by `{pattern}`", Foreign::new(package))
            }
            Self::Licence { package, licence, pattern: Some(pattern) } => {
                let (package, licence) = (Foreign::new(package), Foreign::new(licence));
                write!(f, "the package `{package}` has the licence `{licence}`, which `{pattern}` denies")
            }
            Self::Licence { package, licence, pattern: None } => {
                let (package, licence) = (Foreign::new(package), Foreign::new(licence));
                write!(f, "the package `{package}` has the licence `{licence}`, which is not allowed")
            }
            Self::NoLicence(package) => {
                write!(f, "the package `{}` states no licence", Foreign::new(package))
            }
            Self::Gate { gate, why } => write!(f, "the gate `{gate}` is closed: {}", Foreign::new(why)),
            Self::More(number) => write!(f, "there are {number} more reasons against packages"),
            Self::TooMuch(why) => write!(f, "not all that is attached was read: {}", Foreign::new(why)),
            Self::UnknownBase(doubt) => write!(f, "the base of the image cannot be known: {doubt}"),
            Self::Unknown(fact, why) => write!(f, "{} cannot be known: {}", fact.noun(), Foreign::new(why)),
        }
    }
}

/// So many reasons are in a message; the rest are counted there, and all are in what programs read.
const SHOWN: usize = 20;

/// All the reasons why a policy refuses an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy refuses `{}`{}", Foreign::new(subject), sentences(reasons))]
pub struct PolicyRefusal {
    subject: String,
    reasons: Vec<PolicyReason>,
}

impl PolicyRefusal {
    /// Nothing if there is no reason.
    ///
    /// # Errors
    /// The refusal, if there is any.
    pub fn unless_empty(subject: impl Into<String>, reasons: Vec<PolicyReason>) -> Result<(), Self> {
        if reasons.is_empty() { Ok(()) } else { Err(Self { subject: subject.into(), reasons }) }
    }

    /// The image that is refused.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// For programs, as a judgement of `pack verify`: that it does not pass, and all the reasons.
impl Serialize for PolicyRefusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut refusal = serializer.serialize_struct("PolicyRefusal", 2)?;
        refusal.serialize_field("passes", &false)?;
        refusal.serialize_field("reasons", &self.reasons)?;
        refusal.end()
    }
}

/// One reason in the same line, several in a line each with what to do.
fn sentences(reasons: &[PolicyReason]) -> String {
    if let [reason] = reasons {
        return format!(": {reason}");
    }
    let total: usize = reasons.iter().map(PolicyReason::number).sum();
    let mut text = format!(" for {total} reasons:");
    let told = reasons.iter().filter(|reason| !matches!(reason, PolicyReason::More(_)));
    for reason in told.take(SHOWN) {
        text += &format!("\n  {reason}; {}", reason.advice());
    }
    let more = total.saturating_sub(SHOWN);
    if more > 0 {
        text += &format!("\n  and {more} more reasons");
    }
    text
}

impl Explain for PolicyRefusal {
    fn kind(&self) -> Kind {
        Kind::Policy
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::PolicyRefused)
    }

    fn hint(&self) -> Option<String> {
        match &self.reasons[..] {
            [reason] => Some(reason.advice()),
            _ => None,
        }
    }

    fn is_laid_out(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(reasons: Vec<PolicyReason>) -> PolicyRefusal {
        PolicyRefusal::unless_empty("shop/app:1", reasons).expect_err("refused")
    }

    #[test]
    fn one_reason_is_a_sentence_with_a_hint() {
        assert!(PolicyRefusal::unless_empty("shop/app:1", Vec::new()).is_ok());
        let one = refusal(vec![PolicyReason::Missing(EvidenceKind::Sbom)]);
        assert_eq!(one.to_string(), "the policy refuses `shop/app:1`: the image has no SBOM");
        assert_eq!(one.hint().as_deref(), Some("`pack build --sbom` attaches one"));
        assert_eq!(one.kind(), Kind::Policy);
    }

    #[test]
    fn several_reasons_are_lines_each_with_what_to_do() {
        let keys = vec![KeyName("a.pub".to_owned()), KeyName("b.pub".to_owned())];
        let age = PolicyReason::BaseAge {
            age: Duration::from_secs(100 * 24 * 3600),
            most: Duration::from_secs(12 * 3600),
        };
        let text = refusal(vec![PolicyReason::Signature(keys), age]).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "the policy refuses `shop/app:1` for 2 reasons:");
        assert!(lines[1].starts_with("  the image is not signed by `a.pub` or `b.pub`; "), "{text}");
        assert!(lines[2].starts_with("  the base is 100d old, and `max-age` is 12h; "), "{text}");
    }

    #[test]
    fn more_reasons_than_are_read_are_counted() {
        let text = refusal(vec![PolicyReason::NoLicence("a\nb".to_owned()); 30]).to_string();
        assert_eq!(text.lines().count(), 22, "{text}");
        assert!(text.ends_with("and 10 more reasons"), "{text}");
    }

    #[test]
    fn a_reason_has_the_beginning_of_a_long_name() {
        assert_eq!(told("pkg:npm/a@1"), "pkg:npm/a@1");
        let long = told(&"ä".repeat(100_000));
        assert!(long.len() < 1_100 && long.ends_with("ä…"), "{long}");
    }

    #[test]
    fn programs_read_a_rule_a_word_a_sentence_and_a_hint() {
        let gate = PolicyReason::Gate { gate: "release:test".parse().expect("a gate"), why: String::new() };
        let unknown = PolicyReason::Unknown(PolicyFact::BaseAge, "no date".to_owned());
        let json =
            serde_json::to_value(refusal(vec![PolicyReason::FailedChecks, gate, unknown])).expect("JSON");
        let reasons = json["reasons"].as_array().expect("a list");
        let rules: Vec<_> = reasons.iter().map(|reason| (&reason["rule"], &reason["reason"])).collect();
        let expected = [("require", "checks"), ("release:test", "gate"), ("base.max-age", "unknown")];
        assert_eq!(rules.len(), expected.len());
        for ((rule, word), expected) in rules.into_iter().zip(expected) {
            assert_eq!((rule.as_str(), word.as_str()), (Some(expected.0), Some(expected.1)));
        }
        assert_eq!(json["passes"], false);
        let json = &reasons[0];
        assert!(json["message"].is_string() && json["hint"].is_string(), "{json}");
    }
}
