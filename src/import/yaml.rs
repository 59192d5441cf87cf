//! YAML as settings: the first document. An alias or a tag is followed by no reader here; such a value counts as computed. A key
//! that is there twice is refused: its readers take different ones.

use std::collections::BTreeSet;

use granit_parser::{Event, Parser, ScalarStyle};

use super::error::ImportError;
use super::remark::Remark;
use super::setting::{MAX_DEPTH, MAX_SETTINGS, SettingNode, SettingValue, shortened};

/// The plain words that are no value.
const NULLS: [&str; 4] = ["~", "null", "Null", "NULL"];

/// Reads the settings of a text, as the table that it is.
pub(super) fn settings(text: &str, remarks: &mut Vec<Remark>) -> Result<SettingNode, ImportError> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = YamlBuilder::default();
    let mut is_over = false;
    for event in Parser::new_from_str_with_options(text, options) {
        let wrong =
            |line: usize, what: &str| ImportError::Syntax { form: "YAML", line, what: what.to_owned() };
        let (event, span) = event.map_err(|error| {
            let what = error.to_string();
            wrong(error.marker().line(), what.split(" at char ").next().unwrap_or(&what))
        })?;
        let line = span.start.line();
        if is_over {
            let is_empty = matches!(&event, Event::Scalar(value, ..) if value.is_empty() || NULLS.contains(&value.as_ref()));
            let is_marker = matches!(event, Event::DocumentStart(..) | Event::DocumentEnd | Event::StreamEnd);
            if !is_empty && !is_marker {
                remarks
                    .push(Remark::left(line, "another document begins here, and only the first one is read"));
                break;
            }
            continue;
        }
        match event {
            Event::DocumentEnd => is_over = true,
            Event::Scalar(.., Some(_)) => {
                builder.add(line, SettingValue::Computed("a value with a tag".to_owned()));
            }
            // Nothing, as a value that is left out.
            Event::Scalar(value, ScalarStyle::Plain, ..) if NULLS.contains(&value.as_ref()) => {
                builder.add(line, SettingValue::Text(String::new()));
            }
            Event::Scalar(value, ..) => builder.add(line, SettingValue::Text(value.into_owned())),
            Event::Alias(_) => builder.add(line, SettingValue::Computed("an alias".to_owned())),
            Event::SequenceStart(.., tag) => builder.open(line, false, tag.is_some()),
            Event::MappingStart(.., tag) => builder.open(line, true, tag.is_some()),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((name, line)) = builder.close() {
                    return Err(wrong(line, &format!("the key `{}` is there twice", shortened(&name))));
                }
            }
            _ => {}
        }
        if builder.count > MAX_SETTINGS {
            return Err(ImportError::TooMuch { line, what: "settings", most: "20,000" });
        }
    }
    match builder.root {
        None => Ok(SettingNode::new("", 1, SettingValue::Nodes(Vec::new()))),
        Some(node) if node.text() == Some("") => {
            Ok(SettingNode { value: SettingValue::Nodes(Vec::new()), ..node })
        }
        Some(node) if node.nodes().iter().any(|item| !item.name.is_empty()) || builder.is_empty_table => {
            Ok(node)
        }
        Some(node) => {
            let what = "it has no settings: a line of them is `name: value`".to_owned();
            Err(ImportError::Syntax { form: "YAML", line: node.line, what })
        }
    }
}

/// A tree that is being read.
#[derive(Default)]
struct YamlBuilder {
    open: Vec<OpenNode>,
    root: Option<SettingNode>,
    /// Whether the whole is `{}`.
    is_empty_table: bool,
    count: usize,
}

/// A list or a table whose end is not read yet.
struct OpenNode {
    node: SettingNode,
    nodes: Vec<SettingNode>,
    /// Of a table, the name whose value comes next.
    key: Option<(String, usize)>,
    is_table: bool,
    has_tag: bool,
}

impl YamlBuilder {
    fn add(&mut self, line: usize, value: SettingValue) {
        self.count += 1;
        match self.open.last_mut() {
            None => self.root = Some(SettingNode::new("", line, value)),
            Some(open) if open.is_table => match open.key.take() {
                Some((name, line)) => open.nodes.push(SettingNode::new(name, line, value)),
                None => {
                    let name = match value {
                        SettingValue::Text(name) => name,
                        _ => String::new(),
                    };
                    open.key = Some((name, line));
                }
            },
            Some(open) => open.nodes.push(SettingNode::new("", line, value)),
        }
    }

    fn open(&mut self, line: usize, is_table: bool, has_tag: bool) {
        self.count += 1;
        let node = SettingNode::new("", line, SettingValue::Nodes(Vec::new()));
        self.open.push(OpenNode { node, nodes: Vec::new(), key: None, is_table, has_tag });
    }

    /// Ends a list or a table; a key of it that is there twice, with its second line.
    fn close(&mut self) -> Option<(String, usize)> {
        let OpenNode { node, nodes, is_table, has_tag, .. } = self.open.pop()?;
        self.is_empty_table = self.open.is_empty() && is_table && nodes.is_empty();
        let twice = if is_table { twice(&nodes) } else { None };
        self.add(
            node.line,
            match has_tag {
                true => SettingValue::Computed("a value with a tag".to_owned()),
                false => SettingValue::Nodes(nodes),
            },
        );
        twice
    }
}

/// The first key that is there twice, and its second line.
fn twice(nodes: &[SettingNode]) -> Option<(String, usize)> {
    let mut names = BTreeSet::new();
    let again = nodes.iter().find(|node| !node.name.is_empty() && !names.insert(&node.name))?;
    Some((again.name.clone(), again.line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<SettingNode, ImportError> {
        super::settings(text, &mut Vec::new())
    }

    #[test]
    fn nothing_is_passed_by_without_a_word() {
        let read = |text: &str| {
            let mut remarks = Vec::new();
            let node = super::settings(text, &mut remarks).expect(text);
            (node, remarks.iter().map(|remark| remark.line).collect::<Vec<_>>())
        };
        assert_eq!(read("a: 1\n---\nb: 2\n---\nc: 3\n").1, [3]);
        assert_eq!(read("a: 1\n---\n- x\n").1, [3]);
        for one in ["---\na: 1\n", "---\na: 1\n...\n", "a: 1\n---\n", "a: 1\n---\n~\n"] {
            assert_eq!(read(one).1, [] as [usize; 0], "{one}");
        }
        let node = read("a: !!binary aGk=\nb: !x {c: d}\ne: NULL\nf: !y [g]\n<<: {h: i}\n").0;
        let is_computed =
            |name: &str| matches!(node.find(name).expect(name).value, SettingValue::Computed(_));
        assert!(["a", "b", "f"].into_iter().all(is_computed), "{node:?}");
        assert_eq!(node.find("e").and_then(SettingNode::text), Some(""));
        for (twice, line) in
            [("a: 1\nb: 2\na: 3\n", 3), ("x: {a: 1, a: 1}\n", 1), ("- a\n- {b: 1,\n b: 2}\n", 3)]
        {
            let error = settings(twice).expect_err(twice).to_string();
            assert!(
                error.starts_with(&format!("line {line}: ")) && error.contains("is there twice"),
                "{error}"
            );
        }
    }

    #[test]
    fn lists_and_tables_keep_their_lines() {
        let read = settings("a: 1\nb:\n- x\n- {c: \"d e\"}\n&n f: *n\n").expect("YAML");
        let b = read.find("b").expect("there");
        assert_eq!((b.line, b.nodes().len(), b.nodes()[1].nodes()[0].text()), (2, 2, Some("d e")));
        assert_eq!(read.find("a").and_then(SettingNode::text), Some("1"));
        for empty in ["", "# nothing\n", "{}", "~"] {
            assert_eq!(settings(empty).expect("empty").nodes(), [], "{empty}");
        }
        for other in ["root:x:0:0:root:/root:/bin/bash\n", "- a\n", "[]", "5"] {
            let error = settings(other).expect_err(other).to_string();
            assert!(error.contains("it has no settings"), "{other}: {error}");
        }
        let error = settings("a: [\n").expect_err("no YAML").to_string();
        assert!(error.starts_with("line ") && error.contains("it is no YAML"), "{error}");
    }

    #[test]
    fn hostile_yaml_costs_little() {
        assert!(settings(&"[".repeat(100_000)).is_err());
        assert!(settings(&"- a\n".repeat(100_000)).is_err());
        let laughs = (1..40).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
            text + &format!("a{n}: &a{n} [*a{p}, *a{p}]\n", p = n - 1)
        });
        assert!(settings(&laughs).is_ok());
    }
}
