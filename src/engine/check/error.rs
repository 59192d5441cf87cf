//! Why an image would not run.

use crate::types::error::{Explain, Kind};
use crate::types::finding::{Finding, Severity};
use crate::types::shown::Foreign;

/// Why an image would not run.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Requirements that are not met.
    #[error("{}", Foreign::new(&sentences(.0)))]
    NotMet(Vec<Finding>),
}

/// All that is wrong, in one line.
fn sentences(findings: &[Finding]) -> String {
    let wrong = findings.iter().filter(|finding| finding.level == Severity::Error);
    wrong.map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
}

impl CheckError {
    /// The error of these findings, if one of them is an error.
    pub(super) fn of(findings: &[Finding]) -> Option<Self> {
        let is_error = |finding: &Finding| finding.level == Severity::Error;
        findings
            .iter()
            .any(is_error)
            .then(|| Self::NotMet(findings.iter().filter(|finding| is_error(finding)).cloned().collect()))
    }
}

impl Explain for CheckError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        let Self::NotMet(findings) = self;
        let mut hints: Vec<&str> = findings.iter().filter_map(|finding| finding.hint.as_deref()).collect();
        let mut seen = std::collections::BTreeSet::new();
        hints.retain(|hint| seen.insert(*hint));
        (!hints.is_empty()).then(|| hints.join("; "))
    }
}
