//! Statements of `build.lock` and of the layers about a path, each as the other.

use super::index::{BaseNode, FileFacts};
use crate::project::lock::Ancestor;

/// The lock's statement in the form of a layer's.
pub(super) fn node(said: &Ancestor) -> Option<BaseNode> {
    match said.clone() {
        Ancestor::Directory { mode, uid, gid } | Ancestor::Listed { mode, uid, gid, .. } => {
            Some(BaseNode::Directory { mode, uid, gid })
        }
        Ancestor::Symlink { target } => Some(BaseNode::Symlink(target)),
        Ancestor::File { mode, owner, machine, .. } => {
            Some(BaseNode::File(FileFacts { mode, size: None, machine, owner }))
        }
        Ancestor::Missing => None,
    }
}

/// The layers' statement in the form of the lock's.
pub(super) fn ancestor(found: Option<&BaseNode>) -> Ancestor {
    match found {
        Some(BaseNode::Directory { mode, uid, gid }) => {
            Ancestor::Directory { mode: *mode, uid: *uid, gid: *gid }
        }
        Some(BaseNode::Symlink(target)) => Ancestor::Symlink { target: target.clone() },
        Some(BaseNode::File(facts)) => {
            let FileFacts { mode, owner, machine, .. } = *facts;
            Ancestor::File { mode, owner, machine, dynamic: None, content: None }
        }
        None => Ancestor::Missing,
    }
}
