//! YAML as settings: the first document. An alias is followed by no reader here; it counts as computed.

use granit_parser::{Event, Parser, ScalarStyle};

use super::error::ImportError;
use super::setting::{MAX_DEPTH, MAX_SETTINGS, SettingNode, SettingValue};

/// Reads the settings of a text, as the table that it is.
pub(super) fn settings(text: &str) -> Result<SettingNode, ImportError> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = YamlBuilder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let wrong =
            |line: usize, what: &str| ImportError::Syntax { form: "YAML", line, what: what.to_owned() };
        let (event, span) = event.map_err(|error| {
            let what = error.to_string();
            wrong(error.marker().line(), what.split(" at char ").next().unwrap_or(&what))
        })?;
        let line = span.start.line();
        match event {
            Event::DocumentEnd => break,
            // Nothing, as a value that is left out.
            Event::Scalar(value, ScalarStyle::Plain, ..) if ["~", "null"].contains(&value.as_ref()) => {
                builder.add(line, SettingValue::Text(String::new()));
            }
            Event::Scalar(value, ..) => builder.add(line, SettingValue::Text(value.into_owned())),
            Event::Alias(_) => builder.add(line, SettingValue::Computed("an alias".to_owned())),
            Event::SequenceStart(..) => builder.open(line, false),
            Event::MappingStart(..) => builder.open(line, true),
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
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

    fn open(&mut self, line: usize, is_table: bool) {
        self.count += 1;
        let node = SettingNode::new("", line, SettingValue::Nodes(Vec::new()));
        self.open.push(OpenNode { node, nodes: Vec::new(), key: None, is_table });
    }

    fn close(&mut self) {
        if let Some(OpenNode { node, nodes, is_table, .. }) = self.open.pop() {
            self.is_empty_table = self.open.is_empty() && is_table && nodes.is_empty();
            self.add(node.line, SettingValue::Nodes(nodes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
