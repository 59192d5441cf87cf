//! The record as a file.

use std::io;
use std::path::Path;

use super::page::page;
use super::record::BuildRecord;
use super::trace::TraceFile;

/// The record as the file of this name should have it: Chrome trace events for `.json`, else a page.
///
/// # Errors
/// None that is known: there is nothing in a record that neither can say.
pub fn file(record: &BuildRecord, path: &Path) -> io::Result<Vec<u8>> {
    if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) {
        let mut json = serde_json::to_vec(&TraceFile::of(record))?;
        json.push(b'\n');
        return Ok(json);
    }
    page(record).map(String::into_bytes).map_err(io::Error::other)
}
