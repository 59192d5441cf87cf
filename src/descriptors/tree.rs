//! A document of YAML or JSON as values with byte ranges: an arena in the order of the text.
//!
//! A value's children follow it; `after` is the place behind the last of them. No walk over it needs the stack.

use std::borrow::Cow;
use std::ops::Range;

use super::slot::ScalarSpelling;

/// The most values of one document.
pub const MAX_VALUES: usize = 1_000_000;

/// The place of a value in a [`ValueTree`].
pub(super) type NodeId = u32;

/// The kind of a value.
#[derive(Clone, Debug)]
pub(super) enum NodeKind {
    /// A scalar; its value where that is not the text of its range, without quotes.
    Scalar(ScalarSpelling, Option<Box<str>>),
    /// A mapping: keys and values in turn.
    Map,
    /// A sequence.
    List,
    /// Another value again; `None` where a collection contains itself.
    Alias(Option<NodeId>),
    /// A scalar of a type of somebody's own.
    Opaque,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct TreeNode {
    pub start: u32,
    pub end: u32,
    pub after: NodeId,
    pub kind: NodeKind,
}

/// The values of a document.
#[derive(Debug)]
pub(super) struct ValueTree<'a> {
    /// The whole text, also of other documents.
    pub text: &'a str,
    pub nodes: Vec<TreeNode>,
}

impl<'a> ValueTree<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, nodes: Vec::new() }
    }

    pub(super) fn node(&self, at: NodeId) -> Option<&TreeNode> {
        self.nodes.get(at as usize)
    }

    /// The root, if there is one.
    pub(super) fn root(&self) -> Option<NodeId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// The value, behind an alias.
    pub(super) fn resolved(&self, at: NodeId) -> Option<NodeId> {
        match self.node(at)?.kind {
            NodeKind::Alias(target) => target,
            _ => Some(at),
        }
    }

    pub(super) fn is_map(&self, at: NodeId) -> bool {
        matches!(self.node(at).map(|node| &node.kind), Some(NodeKind::Map))
    }

    pub(super) fn is_list(&self, at: NodeId) -> bool {
        matches!(self.node(at).map(|node| &node.kind), Some(NodeKind::List))
    }

    pub(super) fn range(&self, at: NodeId) -> Range<usize> {
        self.node(at).map_or(0..0, |node| node.start as usize..node.end as usize)
    }

    /// The value of a scalar.
    pub(super) fn scalar(&self, at: NodeId) -> Option<(ScalarSpelling, Cow<'_, str>)> {
        let node = self.node(at)?;
        let NodeKind::Scalar(spelling, value) = &node.kind else { return None };
        let value = match value {
            Some(value) => Cow::Borrowed(&**value),
            None => Cow::Borrowed(spelling.inner(self.text.get(self.range(at))?)),
        };
        Some((*spelling, value))
    }

    /// The text of a scalar.
    pub(super) fn text_of(&self, at: NodeId) -> Option<Cow<'_, str>> {
        self.scalar(at).map(|(_, value)| value)
    }

    /// Whether a value is none.
    pub(super) fn is_null(&self, at: NodeId) -> bool {
        match self.scalar(at) {
            Some((ScalarSpelling::Plain | ScalarSpelling::Word, text)) => {
                matches!(&*text, "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// The children of a collection: items, or keys and values in turn.
    pub(super) fn children(&self, at: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let end = self.node(at).map_or(0, |node| node.after);
        let is_collection = self.is_map(at) || self.is_list(at);
        let mut next = if is_collection { at + 1 } else { end };
        std::iter::from_fn(move || {
            let child = (next < end).then_some(next)?;
            next = self.node(child)?.after.max(child + 1);
            Some(child)
        })
    }

    /// The keys and values of a map.
    pub(super) fn entries(&self, at: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        let mut children = if self.is_map(at) { Some(self.children(at)) } else { None };
        std::iter::from_fn(move || {
            let children = children.as_mut()?;
            Some((children.next()?, children.next()?))
        })
    }

    /// The value of a key of a map, behind an alias.
    pub(super) fn get(&self, at: NodeId, key: &str) -> Option<NodeId> {
        let mut entries = self.entries(at);
        let (_, value) = entries.find(|(name, _)| self.text_of(*name).is_some_and(|name| name == key))?;
        self.resolved(value)
    }

    /// The text of a scalar of a map.
    pub(super) fn get_text(&self, at: NodeId, key: &str) -> Option<Cow<'_, str>> {
        self.text_of(self.get(at, key)?)
    }
}
