//! The messages of the reports of several members, each sentence once.

use super::super::super::printer::Printer;
use super::super::super::view::findings;
use crate::types::finding::{Finding, Severity};

/// How many members a message names.
const MOST_NAMES: usize = 3;

/// Messages in the order in which they came, with the members that they are about.
#[derive(Debug, Default)]
pub(super) struct ToldMessages(Vec<(bool, String, Vec<String>)>);

impl ToldMessages {
    fn add(&mut self, is_warning: bool, text: String, member: &str) {
        let known = self.0.iter_mut().find(|(kind, known, _)| *kind == is_warning && *known == text);
        match known {
            Some((_, _, members)) => members.push(member.to_owned()),
            None => self.0.push((is_warning, text, vec![member.to_owned()])),
        }
    }

    /// Takes what is told of a member. Notes of findings that are advice are left out, as in a build.
    pub(super) fn of(&mut self, member: &str, notes: &[String], warnings: &[String], found: &[Finding]) {
        notes.iter().for_each(|note| self.add(false, note.clone(), member));
        warnings.iter().for_each(|warning| self.add(true, warning.clone(), member));
        for finding in found {
            match finding.level {
                Severity::Info => {}
                Severity::Note if findings::is_advice(finding) => {}
                level => self.add(level != Severity::Note, findings::text(finding), member),
            }
        }
    }

    /// Tells all of it.
    pub(super) fn tell(&self, printer: &Printer) {
        for (is_warning, text, members) in &self.0 {
            let mut names = members[..members.len().min(MOST_NAMES)].join(", ");
            let more = members.len().saturating_sub(MOST_NAMES);
            if more > 0 {
                names.push_str(&format!(" and {more} more"));
            }
            let text = format!("{names}: {text}");
            if *is_warning { printer.warning(text) } else { printer.note(text) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::printer::PrinterOptions;
    use super::super::super::super::printer::captured::printer;
    use super::*;

    #[test]
    fn a_sentence_is_told_once_with_the_members_that_it_is_about() {
        let mut told = ToldMessages::default();
        for member in ["a", "b", "c", "d", "e"] {
            told.of(member, &[], &["the base has no user".to_owned()], &[]);
        }
        told.of("a", &["x".to_owned()], &[], &[]);
        let (printer, _, err) = printer(PrinterOptions::default());
        told.tell(&printer);
        assert_eq!(err.take(), "warning: a, b, c and 2 more: the base has no user\nnote: a: x\n");
    }
}
