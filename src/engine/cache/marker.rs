//! The tag that says that a repository has entries.

use super::{push, record};
use crate::registry::Client;
use crate::types::error::BoxedError;
use crate::types::reference::Repository;

/// Makes sure that readers see that there are entries.
pub(super) fn mark(client: &Client, repository: &Repository) -> Result<(), BoxedError> {
    let (tag, document) = (record::marker_tag(), record::marker()?);
    if push::is_there(client, repository, &tag, &document)? {
        return Ok(());
    }
    push::push(client, repository, &tag, &document, &[record::empty()])
}
