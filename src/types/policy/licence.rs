//! The rules about licences.

use std::collections::BTreeMap;

use spdx::{Expression, ParseMode};

use super::pattern::{LicencePattern, MatchSteps};
use super::reason::{PolicyReason, told};
use super::table::LicenceTable;

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

/// The rules about licences, for many packages: most of them state the licence of another one.
pub(super) struct LicenceRules<'a> {
    allow: LicenceTable<'a>,
    deny: LicenceTable<'a>,
    judged: BTreeMap<&'a str, LicenceVerdict>,
}

/// The judgement of a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LicenceVerdict {
    passes: bool,
    /// The pattern that denies a part of it.
    denied_by: Option<String>,
}

impl<'a> LicenceRules<'a> {
    pub(super) fn new(policy: &'a LicencePolicy) -> Self {
        let LicencePolicy { allow, deny } = policy;
        Self { allow: LicenceTable::new(allow), deny: LicenceTable::new(deny), judged: BTreeMap::new() }
    }

    /// The reasons against a package with these licences, all of which count.
    pub(super) fn judge(
        &mut self,
        package: &str,
        licences: &'a [String],
        steps: &MatchSteps,
        tell: &mut dyn FnMut(PolicyReason),
    ) {
        if licences.is_empty() && !self.allow.is_empty() {
            tell(PolicyReason::NoLicence(told(package)));
        }
        for licence in licences {
            let verdict = match self.judged.get(&**licence) {
                Some(known) => known.clone(),
                None => {
                    let verdict = self.judge_one(licence, steps);
                    self.judged.insert(licence, verdict.clone());
                    verdict
                }
            };
            if !verdict.passes {
                let (package, licence) = (told(package), told(licence));
                tell(PolicyReason::Licence { package, licence, pattern: verdict.denied_by });
            }
        }
    }

    /// The judgement of a licence. Of `A OR B`, one that passes is enough.
    fn judge_one(&self, licence: &str, steps: &MatchSteps) -> LicenceVerdict {
        let mut denied_by = None;
        let mut passes = |names: &[String]| {
            let denied = names.iter().find_map(|name| self.deny.find(name, steps));
            denied_by = denied_by.take().or_else(|| denied.map(str::to_owned));
            let is_allowed = || names.iter().any(|name| self.allow.find(name, steps).is_some());
            denied.is_none() && (self.allow.is_empty() || is_allowed())
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
        LicenceVerdict { passes: is_passed, denied_by }
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
        let mut words = Vec::new();
        let tell = &mut |reason: PolicyReason| words.push(reason.word());
        LicenceRules::new(policy).judge("pkg:npm/a@1", &licences, &MatchSteps::default(), tell);
        words
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
