//! The base's own applications that would run in the stead of the planned one.

use crate::bases::{BaseLayers, BaseNode, FileTree as _};
use crate::layer::EntryPath;
use crate::plan;
use crate::types::error::BoxedError;
use crate::types::shown::shown;

/// The base's own applications where the planned one would not run, or not alone: what a layer has to remove.
///
/// `replaces` are places as the proposal names them; the result has the places behind the base's links.
pub(in crate::engine) fn replaced(
    replaces: &[EntryPath],
    app_root: Option<&EntryPath>,
    tree: &mut BaseLayers<'_>,
) -> Result<Vec<EntryPath>, BoxedError> {
    let mut found = Vec::new();
    for path in replaces {
        // The application's own directory is where it leads; another form of it is the name itself.
        let real = if Some(path) == app_root {
            plan::real_directory(path, tree)?
        } else {
            match path.parent() {
                Some(parent) => {
                    plan::real_directory(&parent, tree)?.and_then(|parent| parent.join(path.file_name()).ok())
                }
                None => Some(path.clone()),
            }
        };
        let Some(real) = real else { continue };
        match tree.lookup(&real)? {
            Some(BaseNode::Directory { .. }) => found.push(real),
            Some(BaseNode::File(_) | BaseNode::Symlink(_)) if Some(path) != app_root => found.push(real),
            _ => {}
        }
    }
    Ok(found)
}

/// The note about them.
pub(in crate::engine) fn note_of_replaced(paths: &[EntryPath]) -> Option<String> {
    let named: Vec<String> = paths.iter().map(|path| format!("`/{}`", shown(path.as_bytes()))).collect();
    (!named.is_empty()).then(|| {
        format!(
            "The base has an application of its own in {}, which the image does not: its server would run that one, or both \
             in one. What shall stay of it goes into a `[[layer]]`.",
            named.join(" and ")
        )
    })
}
