//! Foreign names in messages.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Bytes of a name as text that cannot upset a terminal.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        if character.is_control() {
            text.extend(character.escape_debug());
        } else {
            text.push(character);
        }
    }
    text
}

/// A path as text that cannot upset a terminal.
pub(crate) fn shown_path(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
}
