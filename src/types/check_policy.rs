//! The user's policy about findings: how much each rule matters, and what is allowed, with the reason.
//!
//! This is the one place that decides which finding is an error. Checks only collect findings, each with the level that
//! the table of rules gives it; a policy is applied to all of them together.

use std::collections::BTreeMap;
use std::fmt;

use super::finding::{Answer, Finding, SettingPlace, Severity};
use super::rule::Rule;

/// How much the user wants a rule to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleLevel {
    /// The rule has no findings.
    Off,
    /// A finding is a note.
    Note,
    /// A finding is a warning.
    Warning,
    /// A finding is an error, and so is an answer that cannot be known.
    Error,
}

impl RuleLevel {
    /// The word that it is written as.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Whether a finding of `rule` may matter less at this level than the table of rules says.
    #[must_use]
    pub fn may_weaken(self, rule: Rule) -> bool {
        let most = match (rule, rule.level()) {
            // Its findings are notes, and errors where a program of the base would lose its libraries.
            (Rule::ClobbersBase, _) | (_, Severity::Error) => Self::Error,
            (_, Severity::Warning) => Self::Warning,
            (_, Severity::Note | Severity::Info) => Self::Note,
        };
        self < most
    }
}

impl fmt::Display for RuleLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule that the user allows to be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedRule {
    /// The reason.
    pub why: String,
    /// Where that is written.
    pub place: Option<SettingPlace>,
}

/// The policy of a build or rebase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckPolicy {
    /// The rules that may be broken.
    pub allowed: BTreeMap<Rule, AllowedRule>,
    /// The levels that differ from those of the table of rules.
    pub levels: BTreeMap<Rule, RuleLevel>,
    /// Whether warnings are errors.
    pub is_strict: bool,
}

impl CheckPolicy {
    /// The findings as the user wants them. Equal findings become one; their order stays.
    #[must_use]
    pub fn apply(&self, findings: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
        let applied: Vec<Finding> = findings.into_iter().filter_map(|finding| self.of(finding)).collect();
        // Equal findings lie beside each other in this order, the first of them first.
        let mut sorted: Vec<usize> = (0..applied.len()).collect();
        sorted.sort_by(|one, other| applied[*one].cmp(&applied[*other]));
        let mut is_again = vec![false; applied.len()];
        for pair in sorted.windows(2) {
            is_again[pair[1]] = applied[pair[0]] == applied[pair[1]];
        }
        let all = applied.into_iter().zip(is_again);
        all.filter(|(_, is_again)| !is_again).map(|(finding, _)| finding).collect()
    }

    /// The finding as the user wants it; `None` if its rule is off.
    fn of(&self, mut finding: Finding) -> Option<Finding> {
        let level = self.levels.get(&finding.rule).copied();
        if level == Some(RuleLevel::Off) {
            return None;
        }
        if finding.is_pass() {
            return Some(finding);
        }
        // Neither is certainly broken.
        let is_unknown = finding.answer != Answer::NotMet;
        finding.level = match level {
            None => finding.level,
            // An answer that is not known is no more certain than the rule says, unless the user wants certainty.
            Some(RuleLevel::Warning) if is_unknown => finding.level,
            Some(RuleLevel::Note) if is_unknown => finding.level.min(Severity::Note),
            Some(RuleLevel::Error) => Severity::Error,
            Some(RuleLevel::Warning) => Severity::Warning,
            Some(RuleLevel::Note | RuleLevel::Off) => Severity::Note,
        };
        if self.is_strict && finding.level == Severity::Warning {
            finding.level = Severity::Error;
        }
        if let Some(allowed) = self.allowed.get(&finding.rule) {
            finding.level = finding.level.min(Severity::Note);
            finding.allowed = Some(allowed.why.clone());
        }
        Some(finding)
    }

    /// The allowed rules that no finding of `applied` needs.
    pub fn unused<'a>(&'a self, applied: &'a [Finding]) -> impl Iterator<Item = (Rule, &'a AllowedRule)> {
        let is_used =
            move |rule| applied.iter().any(|finding| finding.rule == rule && finding.allowed.is_some());
        self.allowed.iter().map(|(rule, allowed)| (*rule, allowed)).filter(move |(rule, _)| !is_used(*rule))
    }

    /// Sentences about the allowed rules that no finding of `applied` needs.
    #[must_use]
    pub fn notes(&self, applied: &[Finding]) -> Vec<String> {
        let notes = self.unused(applied).map(|(rule, allowed)| {
            let place = allowed.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            format!("`{rule}` is allowed{place}, and no finding needs that: it can be removed")
        });
        notes.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn finding(answer: fn(Rule, String) -> Finding, rule: Rule) -> Finding {
        answer(rule, "a sentence".to_owned())
    }

    fn level(policy: &CheckPolicy, finding: Finding) -> Option<Severity> {
        policy.apply([finding]).first().map(|finding| finding.level)
    }

    fn levels(rule: Rule, level: RuleLevel) -> CheckPolicy {
        CheckPolicy { levels: BTreeMap::from([(rule, level)]), ..CheckPolicy::default() }
    }

    #[test]
    fn a_pass_with_a_warning_is_no_pass() {
        let warned = || finding(Finding::met, Rule::ElfLibrary).at(Severity::Warning);
        let strict = CheckPolicy { is_strict: true, ..CheckPolicy::default() };
        assert_eq!(level(&CheckPolicy::default(), warned()), Some(Severity::Warning));
        assert_eq!(level(&strict, warned()), Some(Severity::Error));
        assert_eq!(level(&strict, finding(Finding::met, Rule::ElfLibrary)), Some(Severity::Info));
    }

    #[test]
    fn levels_decide_what_a_finding_is() {
        let rule = Rule::BelowVolume;
        let not_met = || finding(Finding::not_met, rule);
        let unknown = || finding(Finding::unknown, rule);
        for (given, of_not_met, of_unknown) in [
            (RuleLevel::Error, Some(Severity::Error), Some(Severity::Error)),
            (RuleLevel::Warning, Some(Severity::Warning), Some(Severity::Warning)),
            (RuleLevel::Note, Some(Severity::Note), Some(Severity::Note)),
            (RuleLevel::Off, None, None),
        ] {
            let policy = levels(rule, given);
            assert_eq!(level(&policy, not_met()), of_not_met, "{given:?}");
            assert_eq!(level(&policy, unknown()), of_unknown, "{given:?}");
            let met = finding(Finding::met, rule);
            assert_eq!(level(&policy, met), of_not_met.map(|_| Severity::Info), "{given:?}");
            assert_eq!(level(&policy, finding(Finding::not_met, Rule::Secret)), Some(Severity::Error));
        }
        let quiet = finding(Finding::unknown, rule).at(Severity::Info);
        assert_eq!(level(&levels(rule, RuleLevel::Warning), quiet.clone()), Some(Severity::Info));
        assert_eq!(level(&levels(rule, RuleLevel::Error), quiet), Some(Severity::Error));
    }

    #[test]
    fn strictness_makes_errors_of_warnings_alone() {
        let policy = CheckPolicy { is_strict: true, ..CheckPolicy::default() };
        assert_eq!(level(&policy, finding(Finding::not_met, Rule::BelowVolume)), Some(Severity::Error));
        assert_eq!(level(&policy, finding(Finding::unknown, Rule::ElfLibc)), Some(Severity::Error));
        assert_eq!(level(&policy, finding(Finding::not_met, Rule::RunsAsRoot)), Some(Severity::Note));
        assert_eq!(level(&policy, finding(Finding::met, Rule::ElfLibc)), Some(Severity::Info));
    }

    #[test]
    fn what_is_allowed_is_a_note_with_the_reason() {
        let allowed = AllowedRule { why: "a test".to_owned(), place: None };
        let policy = CheckPolicy {
            allowed: BTreeMap::from([(Rule::Secret, allowed.clone()), (Rule::CaseClash, allowed)]),
            is_strict: true,
            ..levels(Rule::Secret, RuleLevel::Error)
        };
        let applied =
            policy.apply([finding(Finding::not_met, Rule::Secret), finding(Finding::met, Rule::Secret)]);
        assert_eq!(applied[0].level, Severity::Note);
        assert_eq!(applied[0].allowed.as_deref(), Some("a test"));
        assert_eq!((applied[1].level, &applied[1].allowed), (Severity::Info, &None));
        let notes = policy.notes(&applied);
        assert_eq!(notes, ["`case-clash` is allowed, and no finding needs that: it can be removed"]);
    }

    #[test]
    fn equal_findings_are_one() {
        let at = |line: u32| finding(Finding::not_met, Rule::Secret).in_file(Path::new("a")).on_line(line);
        let other = || finding(Finding::not_met, Rule::CaseClash);
        let all = [at(2), other(), at(1), at(2), at(1), other(), at(3)];
        assert_eq!(CheckPolicy::default().apply(all), [at(2), other(), at(1), at(3)], "in their order");
    }

    /// Findings of one message in many places: each is compared with a few others.
    #[test]
    fn findings_of_one_message_cost_little() {
        let many = |lines: std::ops::Range<u32>| {
            lines.map(|line| finding(Finding::not_met, Rule::Secret).in_file(Path::new("a")).on_line(line))
        };
        let applied = CheckPolicy::default().apply(many(0..100_000).chain(many(0..100_000)));
        assert_eq!(applied.len(), 100_000);
    }
}
