//! YAML into trees, a document at a time.
//!
//! The parser gives the byte range of each event, also with CRLF, a byte order mark and text of several bytes. It reads
//! what PyYAML reads, in linear time, and follows no alias: an alias is a node that names another.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::error::DescriptorError;
use super::lines::positions;
use super::slot::ScalarSpelling;
use super::tree::{MAX_VALUES, NodeId, NodeKind, TreeNode, ValueTree};

/// Collections may be nested to this depth.
const MAX_DEPTH: usize = 255;

/// Gives each document of `text` to `take`, which may refuse it.
///
/// # Errors
/// When the text is no YAML, has too much, or a document was refused.
pub(super) fn documents(
    text: &str,
    mut take: impl FnMut(&ValueTree<'_>) -> Result<(), DescriptorError>,
) -> Result<(), DescriptorError> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut document = DocumentBuilder::new(text);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax(text, &error))?;
        match event {
            Event::DocumentStart(..) => document = DocumentBuilder::new(text),
            Event::DocumentEnd => take(&document.tree)?,
            event => document.add(event, &span)?,
        }
    }
    Ok(())
}

/// A document that is being read.
struct DocumentBuilder<'a> {
    tree: ValueTree<'a>,
    /// The collections that are open.
    open: Vec<NodeId>,
    /// The values with a name for aliases.
    anchors: BTreeMap<usize, NodeId>,
}

impl<'a> DocumentBuilder<'a> {
    const fn new(text: &'a str) -> Self {
        Self { tree: ValueTree::new(text), open: Vec::new(), anchors: BTreeMap::new() }
    }

    fn add(&mut self, event: Event<'_>, span: &Span) -> Result<(), DescriptorError> {
        let (kind, anchor) = match event {
            Event::Scalar(value, style, anchor, tag) => (self.scalar(&value, style, tag, span), anchor),
            Event::SequenceStart(_, anchor, _) => (NodeKind::List, anchor),
            Event::MappingStart(_, anchor, _) => (NodeKind::Map, anchor),
            Event::Alias(target) => {
                let target = self.anchors.get(&target).copied();
                // A collection that contains itself would be walked for ever.
                (NodeKind::Alias(target.filter(|target| !self.open.contains(target))), 0)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let after = self.len();
                if let Some(node) = self.open.pop().and_then(|at| self.tree.nodes.get_mut(at as usize)) {
                    node.after = after;
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.tree.nodes.len() >= MAX_VALUES {
            return Err(DescriptorError::TooMuch { most: MAX_VALUES, what: "values in a document" });
        }
        let at = self.len();
        if anchor > 0 {
            self.anchors.insert(anchor, at);
        }
        if matches!(kind, NodeKind::Map | NodeKind::List) {
            self.open.push(at);
        }
        let range = span.byte_range().unwrap_or(0..0);
        let bound = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        self.tree.nodes.push(TreeNode {
            start: bound(range.start),
            end: bound(range.end),
            after: at + 1,
            kind,
        });
        Ok(())
    }

    fn len(&self) -> NodeId {
        NodeId::try_from(self.tree.nodes.len()).unwrap_or(NodeId::MAX)
    }

    fn scalar(&self, value: &str, style: ScalarStyle, tag: Option<Cow<'_, Tag>>, span: &Span) -> NodeKind {
        // `!` and `!!str` say that it is text, as it is read here anyway.
        if tag.is_some_and(|tag| !(tag.suffix() == "str" || tag.suffix().is_empty())) {
            return NodeKind::Opaque;
        }
        let spelling = match style {
            ScalarStyle::Plain => ScalarSpelling::Plain,
            ScalarStyle::SingleQuoted => ScalarSpelling::Single,
            ScalarStyle::DoubleQuoted => ScalarSpelling::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => ScalarSpelling::Block,
        };
        let raw = span.slice(self.tree.text).unwrap_or_default();
        // The parser calls a value that is left out `~`.
        let is_as_written = raw.is_empty() || spelling.inner(raw) == value;
        NodeKind::Scalar(spelling, (!is_as_written).then(|| value.into()))
    }
}

fn syntax(text: &str, error: &ScanError) -> DescriptorError {
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return DescriptorError::TooMuch { most: MAX_DEPTH, what: "collections within each other" };
    }
    let offset = error.marker().byte_offset().unwrap_or_default();
    let (line, column) = positions(text, &[offset]).first().copied().unwrap_or((1, 1));
    let what = error.to_string();
    // The place is said in our own words.
    let what = what.split(" at char ").next().unwrap_or(&what).to_owned();
    DescriptorError::Syntax { format: "YAML", line, column, what }
}
