//! The rules about licences.

use spdx::{Expression, ParseMode};

use super::pattern::{LicencePattern, MatchSteps};
use super::reason::{PolicyReason, told};

/// A longer text is no expression of SPDX.
const LONGEST_EXPRESSION: usize = 4096;

/// The licences of packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LicencePolicy {
    /// Only these, and each package must state one, unless this is empty.
    pub allow: Vec<LicencePattern>,
    /// None of these.
    pub deny: Vec<LicencePattern>,
}

impl LicencePolicy {
    /// The reasons against a package with these licences, all of which count.
    pub(super) fn judge<'a>(
        &'a self,
        package: &'a str,
        licences: &'a [String],
        steps: &'a MatchSteps,
    ) -> impl Iterator<Item = PolicyReason> + 'a {
        let is_unstated = licences.is_empty() && !self.allow.is_empty();
        let unstated = is_unstated.then(|| PolicyReason::NoLicence(told(package)));
        let judged = licences.iter().filter_map(move |licence| self.judge_one(package, licence, steps));
        unstated.into_iter().chain(judged)
    }

    /// The reason against a licence. Of `A OR B`, one that passes is enough.
    fn judge_one(&self, package: &str, licence: &str, steps: &MatchSteps) -> Option<PolicyReason> {
        let mut denied_by = None;
        let mut passes = |names: &[String]| {
            let is_any = |pattern: &LicencePattern| names.iter().any(|name| pattern.matches(name, steps));
            let denied = self.deny.iter().find(|pattern| is_any(pattern));
            denied_by = denied_by.take().or_else(|| denied.map(ToString::to_string));
            denied.is_none() && (self.allow.is_empty() || self.allow.iter().any(is_any))
        };
        let expression = (licence.len() <= LONGEST_EXPRESSION)
            .then(|| Expression::parse_mode(licence, ParseMode::LAX).ok())
            .flatten();
        let is_passed = match expression {
            Some(expression) => expression.evaluate(|requirement| {
                // A list means the licence with and without its exception.
                passes(&[requirement.license.to_string(), requirement.to_string()])
            }),
            None => passes(&[licence.to_owned()]),
        };
        (!is_passed).then(|| PolicyReason::Licence {
            package: told(package),
            licence: told(licence),
            pattern: denied_by,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<LicencePattern> {
        texts.iter().map(|text| text.parse().expect("a pattern")).collect()
    }

    fn words(policy: &LicencePolicy, licences: &[&str]) -> Vec<&'static str> {
        let licences: Vec<String> = licences.iter().map(|licence| (*licence).to_owned()).collect();
        let steps = MatchSteps::default();
        policy.judge("pkg:npm/a@1", &licences, &steps).map(|reason| reason.word()).collect()
    }

    #[test]
    fn denied_licences_are_found_in_expressions() {
        let policy = LicencePolicy { allow: Vec::new(), deny: patterns(&["AGPL-*", "gpl-3*"]) };
        for passes in [&[][..], &["MIT"], &["MIT OR AGPL-3.0-only"], &["see the file LICENSE"]] {
            assert!(words(&policy, passes).is_empty(), "{passes:?}");
        }
        for refused in [
            &["MIT AND AGPL-3.0-only"][..],
            &["GPL-3.0-only WITH Classpath-exception-2.0"],
            &["MIT", "AGPL-3.0"],
        ] {
            assert_eq!(words(&policy, refused), ["licence"], "{refused:?}");
        }
    }

    #[test]
    fn a_list_of_allowed_licences_needs_one_to_be_stated() {
        let policy = LicencePolicy { allow: patterns(&["MIT", "Apache-2.0"]), deny: Vec::new() };
        assert!(words(&policy, &["MIT AND Apache-2.0"]).is_empty());
        assert_eq!(words(&policy, &[]), ["no-licence"]);
        assert_eq!(words(&policy, &["BSD-3-Clause"]), ["licence"]);
        assert_eq!(words(&policy, &["whatever you like"]), ["licence"]);
    }

    /// Nested without end, or longer than any expression.
    #[test]
    fn a_licence_that_is_made_to_be_long_costs_little() {
        let policy = LicencePolicy { allow: patterns(&["MIT"]), deny: patterns(&["*a*a*a*a"]) };
        let nested = format!("{}MIT{}", "(".repeat(2_000), ")".repeat(2_000));
        assert!(words(&policy, &[&nested]).is_empty());
        assert_eq!(words(&policy, &[&"(".repeat(100_000)]), ["licence"]);
        assert_eq!(words(&policy, &[&"MIT OR ".repeat(100_000)]), ["licence"]);
    }
}
