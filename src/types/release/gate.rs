//! Gates: what must be there before a version goes into an environment.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::environment::EnvironmentName;
use crate::types::artifact_type::ArtifactType;
use crate::types::error::nearest;
use crate::types::policy::EvidenceKind;

/// A condition for a promotion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// `release:ENV`: the same image is or was released there.
    Release(EnvironmentName),
    /// `referrer:TYPE`: an artifact of this type refers to the image, such as an SBOM, a provenance or a signature.
    Referrer(String),
    /// `sbom`, `provenance` or `checks`: the image has this evidence, whatever the type of its artifact.
    Evidence(EvidenceKind),
}

/// The words before a colon.
const FORMS: [&str; 2] = ["release", "referrer"];

/// The evidence that a gate can ask for. A signature proves something only with the keys of a policy.
const EVIDENCE: [EvidenceKind; 3] = [EvidenceKind::Sbom, EvidenceKind::Provenance, EvidenceKind::Checks];

/// All gates, in a sentence.
const ALL: &str = "`release:ENV`, `referrer:TYPE`, `sbom`, `provenance` and `checks`";

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((form, value)) = text.split_once(':') else {
            let found = EVIDENCE.into_iter().find(|evidence| evidence.as_str() == text);
            return found.map(Self::Evidence).ok_or_else(|| match text {
                "signature" => {
                    "a signature proves something only by a key: name the key in `signed-by` of `[policy.release]`"
                        .to_owned()
                }
                _ => match nearest(text, EVIDENCE.map(EvidenceKind::as_str)) {
                    Some(near) => format!("there is no such gate; did you mean `{near}`?"),
                    None => format!("there is no such gate; the gates are {ALL}"),
                },
            });
        };
        match form {
            "release" => value.parse().map(Self::Release).map_err(|error| format!("{error}")),
            "referrer" => value.parse().map(|kind: ArtifactType| Self::Referrer(kind.to_string())),
            other => Err(match nearest(other, FORMS) {
                Some(near) => format!("there is no such gate; did you mean `{near}:…`?"),
                None => format!("there is no such gate; the gates are {ALL}"),
            }),
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(environment) => write!(f, "release:{environment}"),
            Self::Referrer(kind) => write!(f, "referrer:{kind}"),
            Self::Evidence(evidence) => write!(f, "{evidence}"),
        }
    }
}

impl Serialize for Gate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_read_as_they_are_written() {
        for text in [
            "release:test",
            "referrer:application/spdx+json",
            "referrer:application/vnd.dev.sigstore.bundle.v0.3+json",
            "sbom",
            "provenance",
            "checks",
        ] {
            assert_eq!(text.parse::<Gate>().expect(text).to_string(), text);
        }
        for (wrong, says) in [
            ("test", "the gates are `release:ENV`"),
            ("check", "did you mean `checks`?"),
            ("signature", "`signed-by` of `[policy.release]`"),
            ("relase:test", "did you mean `release:…`?"),
            ("release:Test", "not the name of an environment"),
            ("referrer:sbom", "not a type of artifact"),
            ("referrer:", "not a type of artifact"),
            ("referrer:a/b c", "not a type of artifact"),
            ("x:y", "the gates are"),
        ] {
            let error = wrong.parse::<Gate>().expect_err(wrong);
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
