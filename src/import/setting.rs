//! Settings of another builder as a tree, whatever they are written in: names, texts and lines.

use std::rc::Rc;

use super::draft::{DraftLines, SourceLine};
use super::remark::Remark;
use crate::types::shown::Foreign;

/// Settings may lie in each other to this depth.
pub(super) const MAX_DEPTH: usize = 64;
/// The most settings of a description. More are none that a person wrote.
pub(super) const MAX_SETTINGS: usize = 20_000;

/// A setting, with the place where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettingNode {
    /// The name; empty for an item of a list.
    pub(super) name: String,
    /// Its line, from 1.
    pub(super) line: usize,
    /// The file that it is in, if that is not the one that was named.
    pub(super) file: Option<Rc<str>>,
    /// The value.
    pub(super) value: SettingValue,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SettingValue {
    /// A text, a number or a truth.
    Text(String),
    /// A list, or a table: its settings have names.
    Nodes(Vec<SettingNode>),
    /// Something that only its tool can compute: the words to show.
    Computed(String),
}

impl SettingNode {
    pub(super) fn new(name: impl Into<String>, line: usize, value: SettingValue) -> Self {
        Self { name: name.into(), line, file: None, value }
    }

    /// The settings in it; none of a text.
    pub(super) fn nodes(&self) -> &[Self] {
        match &self.value {
            SettingValue::Nodes(nodes) => nodes,
            _ => &[],
        }
    }

    /// The settings or items in it, where it can have nothing else: of another value a remark says that it is not known.
    pub(super) fn items(&self, path: &str, remarks: &mut Vec<Remark>) -> &[Self] {
        let is_nothing = self.text() == Some("");
        if !is_nothing && !matches!(self.value, SettingValue::Nodes(_)) {
            remarks.push(self.unknown(path));
        }
        self.nodes()
    }

    /// The items in it, where it can only be a list: of another value a remark says that it is not known.
    pub(super) fn list_items(&self, path: &str, remarks: &mut Vec<Remark>) -> &[Self] {
        if self.is_table() {
            remarks.push(self.unknown(path));
            return &[];
        }
        self.items(path, remarks)
    }

    /// Whether it has settings with names.
    pub(super) fn is_table(&self) -> bool {
        self.nodes().iter().any(|node| !node.name.is_empty())
    }

    /// The text of a setting in it that has one and is not empty; of another value a remark says that it is not known.
    pub(super) fn text_of<'a>(&'a self, name: &str, remarks: &mut Vec<Remark>) -> Option<&'a str> {
        let node = self.find(name)?;
        if node.text().is_none() {
            remarks.push(node.unknown(name));
        }
        node.text().filter(|text| !text.is_empty())
    }

    /// The text, where it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            SettingValue::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    /// The setting of a name that is in it.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        self.nodes().iter().find(|node| node.name == name)
    }

    /// Where it is written.
    pub(super) fn place(&self) -> SourceLine {
        SourceLine { line: self.line, file: self.file.clone() }
    }

    /// Notes the lines of it and of all in it as those of a key of the build file: by their names, and by their texts.
    pub(super) fn note(&self, key: &'static str, lines: &mut DraftLines) {
        lines.set(key, "", self.place());
        for node in self.nodes() {
            lines.set(key, &node.name, node.place());
            if let Some(text) = node.text() {
                lines.set(key, text, node.place());
            }
        }
        // An item of a list has no name.
        lines.set(key, "", self.place());
    }

    /// A remark about it: it is not in the image.
    pub(super) fn left(&self, text: impl Into<String>) -> Remark {
        Remark { file: self.file.as_deref().map(str::to_owned), ..Remark::left(self.line, text) }
    }

    /// A remark about it: the reader has to look.
    pub(super) fn check(&self, text: impl Into<String>) -> Remark {
        Remark { file: self.file.as_deref().map(str::to_owned), ..Remark::check(self.line, text) }
    }

    /// The remark that its value is not known here.
    pub(super) fn unknown(&self, path: &str) -> Remark {
        let shown = match &self.value {
            SettingValue::Text(text) | SettingValue::Computed(text) => shortened(text),
            SettingValue::Nodes(_) => "…".to_owned(),
        };
        self.left(format!(
            "the value of `{path}` is not known here (`{shown}`): write it into the new file yourself"
        ))
    }

    /// Puts settings of the same meaning into it: those that it has already win, and tables are merged.
    pub(super) fn merge(&mut self, other: &Self) {
        let (SettingValue::Nodes(own), SettingValue::Nodes(others)) = (&mut self.value, &other.value) else {
            return;
        };
        for node in others {
            match own.iter_mut().find(|known| known.name == node.name) {
                None => own.push(node.clone()),
                Some(known) if TABLES.contains(&node.name.as_str()) => known.merge(node),
                Some(_) => {}
            }
        }
    }
}

/// The settings that are tables with settings of fixed names.
const TABLES: [&str; 6] = ["from", "to", "container", "extraDirectories", "environment", "labels"];

/// The beginning of a long text, in one line and without secrets.
pub(super) fn shortened(text: &str) -> String {
    Foreign::short(text, 60).to_string()
}

/// The texts of a list: of its items, or of one text with commas. `None` where one is not known.
pub(super) fn texts(node: &SettingNode) -> Option<Vec<String>> {
    match &node.value {
        SettingValue::Text(text) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(items.map(str::to_owned).collect())
        }
        SettingValue::Nodes(nodes) => nodes.iter().map(|node| node.text().map(str::to_owned)).collect(),
        SettingValue::Computed(_) => None,
    }
}
