//! Why the checks refuse an image.

use crate::project::config::{Diagnostics, Sources};
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::finding::{Finding, Severity};
use crate::types::shown::Foreign;

/// The most findings that one message lists.
const MOST: usize = 20;

/// Why the checks refuse an image.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// One finding that no setting has a part in.
    #[error("{}", sentence(.0))]
    One(Box<Finding>),
    /// Several findings, or one about a setting, with the lines of their settings.
    #[error("{report}{}", rest(*.left_out))]
    Report {
        /// All that is wrong.
        report: Box<Diagnostics>,
        /// How many findings more there are.
        left_out: usize,
    },
}

/// A finding with its rule, in one line.
fn sentence(finding: &Finding) -> String {
    format!("{} [{}]", Foreign::new(&finding.message), finding.rule)
}

fn rest(left_out: usize) -> String {
    match left_out {
        0 => String::new(),
        count => format!("\n\nand {count} more; `pack check` lists all of them"),
    }
}

impl CheckError {
    /// The error of all findings that are errors, if there are some. `sources` have the settings.
    pub(in crate::engine) fn of(findings: &[Finding], sources: &Sources) -> Option<Self> {
        let mut errors: Vec<Finding> =
            findings.iter().filter(|finding| finding.level == Severity::Error).cloned().collect();
        if let ([_], true) = (&errors[..], errors.iter().all(|error| error.setting.is_none())) {
            return errors.pop().map(|error| Self::One(Box::new(error)));
        }
        let left_out = errors.len().saturating_sub(MOST);
        errors.truncate(MOST);
        for error in &mut errors {
            error.message = Foreign::new(&error.message).to_string();
        }
        (!errors.is_empty()).then(|| Self::Report { report: Box::new(sources.report_of(&errors)), left_out })
    }
}

impl Explain for CheckError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::CheckFailed)
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::One(finding) => finding.hint.clone(),
            // Each finding of the report has its own.
            Self::Report { .. } => None,
        }
    }

    fn is_laid_out(&self) -> bool {
        matches!(self, Self::Report { .. })
    }
}
