//! Tags that may not move.

use crate::transport::Destination;
use crate::types::reference::Tag;

/// Has `destination` refuse to move `tags`, unless that is allowed. `latest` moves by its nature.
pub(super) fn fix(destination: &dyn Destination, tags: &[Tag], allow_retag: bool) {
    let latest = Tag::latest();
    let fixed: Vec<Tag> = tags.iter().filter(|tag| !allow_retag && **tag != latest).cloned().collect();
    destination.fix(&fixed);
}
