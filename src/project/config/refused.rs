//! The values of a build file that `pack` refuses, found without a file of the disk: for those who write build files.

use std::path::Path;

use super::document::{BUILD_FILE, Document};
use super::node::{TomlNode, TomlValue};
use super::schema::BuildFile;
use super::settings;
use super::source::{ConfigError, Diagnostic, Span};

/// A step on the way from the top of a build file to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingStep {
    /// Into a table, by a key.
    Key(String),
    /// Into an array, by a number from 0.
    Item(usize),
}

/// A value that `pack` refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSetting {
    /// The way to it; empty if the text as a whole is refused.
    pub path: Vec<SettingStep>,
    /// Its line, from 1.
    pub line: usize,
    /// The reason, and an advice.
    pub why: String,
}

/// The first `most` values that `pack` refuses in the text of a build file, in the order in which they stand. Rules about
/// several values count once each value for itself is right.
#[must_use]
pub fn refused_settings(text: &str, most: usize) -> Vec<RefusedSetting> {
    let document = match Document::parse(BUILD_FILE, Path::new(""), text) {
        Ok(document) => document,
        Err(error) => return told(None, &error, most),
    };
    let file: BuildFile = match document.decode() {
        Ok(file) => file,
        Err(error) => return told(Some(&document), &error, most),
    };
    let faults = settings::check(&file);
    if faults.is_empty() {
        Vec::new()
    } else {
        told(Some(&document), &document.sources().error(faults), most)
    }
}

fn told(document: Option<&Document>, error: &ConfigError, most: usize) -> Vec<RefusedSetting> {
    let one = |fault: &Diagnostic| RefusedSetting {
        path: document.map(|document| way(document.root(), fault.span)).unwrap_or_default(),
        line: error.sources().map_or(1, |sources| sources.place(fault.span).line.unwrap_or(1)),
        why: match &fault.hint {
            Some(hint) => format!("{}; {hint}", fault.message),
            None => fault.message.clone(),
        },
    };
    match error.faults() {
        [] => vec![RefusedSetting { path: Vec::new(), line: 1, why: error.to_string() }],
        faults => faults.iter().take(most).map(one).collect(),
    }
}

/// The way to the smallest value that has a place in it, or in its key.
fn way(root: &TomlNode, place: Span) -> Vec<SettingStep> {
    let mut search = WaySearch { place, path: Vec::new(), best: None };
    search.visit(root);
    search.best.map(|(_, path)| path).unwrap_or_default()
}

struct WaySearch {
    place: Span,
    path: Vec<SettingStep>,
    /// The size of the smallest value so far, and the way to it.
    best: Option<(usize, Vec<SettingStep>)>,
}

impl WaySearch {
    fn consider(&mut self, span: Span) {
        let Some(size) = span.size_around(self.place) else { return };
        if self.best.as_ref().is_none_or(|(best, _)| size < *best) {
            self.best = Some((size, self.path.clone()));
        }
    }

    fn visit(&mut self, node: &TomlNode) {
        match &node.value {
            TomlValue::Table(table) => {
                for (key, (span, inner)) in table {
                    self.path.push(SettingStep::Key(key.clone()));
                    self.consider(*span);
                    self.consider(inner.span);
                    self.visit(inner);
                    self.path.pop();
                }
            }
            TomlValue::Array(items) => {
                for (number, inner) in items.iter().enumerate() {
                    self.path.push(SettingStep::Item(number));
                    self.consider(inner.span);
                    self.visit(inner);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(text: &str) -> Vec<(String, usize)> {
        let step = |step: &SettingStep| match step {
            SettingStep::Key(key) => key.clone(),
            SettingStep::Item(number) => number.to_string(),
        };
        let way = |path: &[SettingStep]| path.iter().map(step).collect::<Vec<_>>().join(".");
        refused_settings(text, 100).iter().map(|refused| (way(&refused.path), refused.line)).collect()
    }

    #[test]
    fn a_refused_value_has_its_way_and_its_line() {
        for (text, way, line) in [
            ("[config]\nuser = \"1000:\"\n", "config.user", 2),
            ("[config]\nlabels = { a = \"b\", \"\" = \"x\" }\n", "config.labels.", 2),
            ("[config]\nvolumes = [\"/a\", \"/\"]\n", "config.volumes.1", 2),
            (
                "[config]\nhealthcheck = { cmd = \"a\", interval = \"0s\" }\n",
                "config.healthcheck.interval",
                2,
            ),
            (
                "[[layer]]\nname = \"a\"\nfiles = [\n{ from = \"a\", to = \"/a\" },\n{ from = \"b\", to = \"/b\", owner = \":5\" },\n]\n",
                "layer.0.files.1.owner",
                5,
            ),
            ("[[layer]]\nname = \"a\"\n", "layer.0.name", 2),
            ("[[user]]\nname = \"a\"\nuid = 1\n[[user]]\nname = \"a\"\nuid = 2\n", "user.1.name", 5),
            ("[app]\n\nkind = \"tree\"\n", "app", 1),
            ("[app]\npath = \n", "", 2),
        ] {
            assert_eq!(ways(text), [(way.to_owned(), line)], "{text}");
        }
        assert_eq!(ways("format = 1\n[app]\npath = \"a\"\n"), []);
        let many = format!("[config]\nvolumes = [{}]\n", "\"a\", ".repeat(1000));
        assert_eq!(refused_settings(&many, 7).len(), 7);
    }
}
