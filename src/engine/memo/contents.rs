//! Records under a key of contents: of an artifact's files, whatever base, settings or platform they are for.
//!
//! The identities of files are known when nothing of them changed, or once they were read for their layers. So such a
//! record may have to wait for its key until the end of a build.

use super::writer::MemoWriter;
use crate::layer::{Content, ContentError, Entry, EntryKind};
use crate::types::digest::{ContentId, Key, KeyBuilder};

/// Saves a record under the key that it waited for.
pub(super) type SaveUnderKey = Box<dyn FnOnce(&MemoWriter, Key) + Send>;

/// A record that waits for its key.
pub(super) struct PendingRecord {
    pub(super) question: Key,
    pub(super) entries: Vec<Entry>,
    pub(super) save: SaveUnderKey,
}

/// The key of `question` about the paths and contents of `entries`; `None` where `identify` does not know one of these.
pub(super) fn content_key<'e>(
    question: &Key,
    entries: impl IntoIterator<Item = &'e Entry>,
    mut identify: impl FnMut(&Content) -> Result<Option<ContentId>, ContentError>,
) -> Result<Option<Key>, ContentError> {
    let mut key = KeyBuilder::new("pack contents").part(&question.0);
    for entry in entries {
        key.add(entry.path.as_bytes());
        match &entry.kind {
            EntryKind::File(content) => match identify(content)? {
                Some(id) => key.add(&id.0),
                None => return Ok(None),
            },
            EntryKind::Symlink(target) => {
                key.add(b"link");
                key.add(target);
            }
            EntryKind::Hardlink(target) => {
                key.add(b"name of");
                key.add(target.as_bytes());
            }
            EntryKind::Directory => key.add(b"directory"),
            EntryKind::CharacterDevice(..) | EntryKind::BlockDevice(..) | EntryKind::Fifo => {
                key.add(b"device");
            }
        }
    }
    Ok(Some(key.finish()))
}
