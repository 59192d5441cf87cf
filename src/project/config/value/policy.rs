//! Rules of a policy: patterns, evidence and ages.

use std::fmt;
use std::time::Duration;

use super::super::decode::{FromText, Wrong, text_values};
use super::numbers::decimal;
use super::words::unknown;
use crate::types::fingerprint::fingerprint_as_text;
use crate::types::policy::{EvidenceKind, LicencePattern, NamePattern, PackagePattern, PatternError};

macro_rules! patterns {
    ($($type:ty),*) => {$(
        impl FromText for $type {
            fn from_text(text: &str) -> Result<Self, Wrong> {
                text.parse().map_err(|error: PatternError| Wrong::new(error.to_string()))
            }
        }
    )*};
}

patterns!(NamePattern, PackagePattern, LicencePattern);

impl FromText for EvidenceKind {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|()| unknown("kind of evidence", text, &Self::ALL.map(Self::as_str)))
    }
}

/// The greatest age of a base. Written `"90d"` or `"12h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(Duration);

impl Age {
    /// The span.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromText for Age {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let units = [("d", 24 * 3600), ("h", 3600)];
        let age = units.into_iter().find_map(|(unit, seconds)| {
            let number: u64 = decimal(text.strip_suffix(unit)?)?;
            number.checked_mul(seconds).filter(|seconds| *seconds > 0)
        });
        age.map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(|| {
            Wrong::new(format!("`{text}` is not an age"))
                .hint("write days or hours, such as `\"90d\"` or `\"12h\"`; it must be above zero")
        })
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs())
    }
}

text_values!(NamePattern, PackagePattern, LicencePattern, EvidenceKind, Age);

fingerprint_as_text!(NamePattern, PackagePattern, LicencePattern, EvidenceKind, Age);

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn an_age_is_days_or_hours() {
        assert_eq!(ok::<Age>("90d").duration(), Duration::from_secs(90 * 86_400));
        assert_eq!(ok::<Age>("12h").duration(), Duration::from_secs(12 * 3_600));
        all_wrong::<Age>(&["", "d", "90", "0d", "-1d", "1.5d", "90 d", "99999999999999999d", "3w"]);
    }

    #[test]
    fn rules_are_what_they_are_written_as() {
        for evidence in EvidenceKind::ALL {
            assert_eq!(ok::<EvidenceKind>(evidence.as_str()), evidence);
        }
        all_wrong::<EvidenceKind>(&["", "check", "SBOM"]);
        all_wrong::<PackagePattern>(&["", "log4j", "pkg:npm/[a]"]);
        all_wrong::<NamePattern>(&["", "{a,b}"]);
        all_wrong::<LicencePattern>(&[""]);
    }
}
