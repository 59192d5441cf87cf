//! Findings of one rule, of which only so many are made: a hostile build has one for each of its files.

use std::collections::BTreeMap;

use crate::types::finding::{Finding, Severity};
use crate::types::rule::Rule;

/// The evidence that is told of findings that are only counted.
const MOST_EVIDENCE: usize = 100;

/// The findings of a rule: the first of those that matter most, and how many more there are.
pub(super) struct CountedFindings {
    rule: Rule,
    most: usize,
    made: BTreeMap<Severity, Vec<Finding>>,
    counts: BTreeMap<Severity, usize>,
    /// The files and fields of some that are only counted.
    evidence: Vec<String>,
}

impl CountedFindings {
    /// Of `rule`, of which `most` are made.
    pub(super) const fn new(rule: Rule, most: usize) -> Self {
        Self { rule, most, made: BTreeMap::new(), counts: BTreeMap::new(), evidence: Vec::new() }
    }

    /// Adds a finding of this level, which is made if there are not too many.
    pub(super) fn add(&mut self, level: Severity, make: impl FnOnce() -> Finding) {
        *self.counts.entry(level).or_default() += 1;
        let made = self.made.entry(level).or_default();
        if made.len() < self.most {
            made.push(make().at(level));
        } else if self.evidence.len() < MOST_EVIDENCE {
            self.evidence.extend(make().evidence);
        }
    }

    /// Adds one of the level that the rule has.
    pub(super) fn add_usual(&mut self, make: impl FnOnce() -> Finding) {
        self.add(self.rule.level(), make);
    }

    /// The findings that matter most, and one that counts the others.
    pub(super) fn finish(self) -> Vec<Finding> {
        let Self { rule, most, made, counts, evidence } = self;
        let all: usize = counts.values().sum();
        let mut findings: Vec<Finding> = made.into_values().rev().flatten().collect();
        let rest = findings.split_off(findings.len().min(most));
        let told = |level: Severity| findings.iter().filter(|finding| finding.level == level).count();
        let left = counts.iter().rev().find(|(level, count)| told(**level) < **count);
        if let Some((level, _)) = left {
            let message = format!("there are {} more findings of the rule `{rule}`", all - findings.len());
            let more = match level {
                Severity::Info => Finding::met(rule, message),
                level => Finding::not_met(rule, message).at(*level),
            };
            let evidence = rest.into_iter().flat_map(|finding| finding.evidence).chain(evidence);
            findings.push(more.evidence(evidence.take(MOST_EVIDENCE).collect()));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_matter_most_are_made_and_the_others_counted() {
        let mut findings = CountedFindings::new(Rule::Secret, 2);
        let mut made = 0;
        for number in 0..1_000 {
            let level = if number % 10 == 9 { Severity::Error } else { Severity::Warning };
            findings.add(level, || {
                made += 1;
                Finding::not_met(Rule::Secret, number.to_string()).evidence(vec![format!("f{number}")])
            });
        }
        let found = findings.finish();
        let told: Vec<(&str, Severity)> =
            found.iter().map(|finding| (finding.message.as_str(), finding.level)).collect();
        let more = "there are 998 more findings of the rule `secret`";
        assert_eq!(told, [("9", Severity::Error), ("19", Severity::Error), (more, Severity::Error)]);
        assert_eq!(found[2].evidence.len(), MOST_EVIDENCE);
        assert!(made <= 4 + MOST_EVIDENCE, "{made} were made");
    }

    #[test]
    fn few_are_told_and_none_is_counted() {
        let mut findings = CountedFindings::new(Rule::CaseClash, 2);
        for text in ["a", "b"] {
            findings.add_usual(|| Finding::not_met(Rule::CaseClash, text.to_owned()));
        }
        assert_eq!(findings.finish().len(), 2);
        assert!(CountedFindings::new(Rule::CaseClash, 2).finish().is_empty());
    }
}
