//! JSON into a tree, by the reader of `formats::json`, which refuses a key that occurs twice.

use super::error::DescriptorError;
use super::slot::ScalarSpelling;
use super::tree::{MAX_VALUES, NodeId, NodeKind, TreeNode, ValueTree};
use crate::formats::json::{JsonKind, JsonValue, parse_within};

/// The tree of `text`.
///
/// # Errors
/// When it is not JSON.
pub(super) fn document(text: &str) -> Result<ValueTree<'_>, DescriptorError> {
    let bare = text.trim_start_matches('\u{feff}');
    // Keys are values of the tree, too.
    let root = parse_within(bare.as_bytes(), MAX_VALUES / 2).map_err(|error| match error.position() {
        Some((line, column)) => {
            let what = error.to_string();
            let what = what.trim_start_matches("not valid JSON: ");
            let what = what.split(" at line ").next().unwrap_or(what).to_owned();
            DescriptorError::Syntax { format: "JSON", line, column, what }
        }
        None => DescriptorError::Json(error.to_string()),
    })?;
    let mut tree = ValueTree::new(text);
    let _ = add(&mut tree, root);
    Ok(tree)
}

/// Adds a value and what it consists of. The reader bounds the depth.
fn add(tree: &mut ValueTree<'_>, value: JsonValue<'_>) -> NodeId {
    let kind = match value.kind() {
        JsonKind::Object => NodeKind::Map,
        JsonKind::List => NodeKind::List,
        JsonKind::String => {
            let text = value.as_str().unwrap_or_default();
            let is_as_written = ScalarSpelling::Quoted.inner(value.text()) == text;
            NodeKind::Scalar(ScalarSpelling::Quoted, (!is_as_written).then(|| text.into()))
        }
        JsonKind::Null => NodeKind::Scalar(ScalarSpelling::Word, Some("".into())),
        JsonKind::Bool | JsonKind::Number => NodeKind::Scalar(ScalarSpelling::Word, None),
    };
    let at = push(tree, value.text(), kind);
    for item in value.items() {
        add(tree, item);
    }
    for (key, member) in value.keyed() {
        let text = key.as_str().unwrap_or_default();
        let is_as_written = ScalarSpelling::Quoted.inner(key.text()) == text;
        push(
            tree,
            key.text(),
            NodeKind::Scalar(ScalarSpelling::Quoted, (!is_as_written).then(|| text.into())),
        );
        add(tree, member);
    }
    let after = NodeId::try_from(tree.nodes.len()).unwrap_or(NodeId::MAX);
    if let Some(node) = tree.nodes.get_mut(at as usize) {
        node.after = after;
    }
    at
}

/// Adds a value whose text is a part of the tree's.
fn push(tree: &mut ValueTree<'_>, part: &str, kind: NodeKind) -> NodeId {
    let offset = (part.as_ptr() as usize).saturating_sub(tree.text.as_ptr() as usize);
    let bound = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    let at = NodeId::try_from(tree.nodes.len()).unwrap_or(NodeId::MAX);
    tree.nodes.push(TreeNode { start: bound(offset), end: bound(offset + part.len()), after: at + 1, kind });
    at
}
