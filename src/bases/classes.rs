//! The classes of jars in planned layers, for the words of a command that have Java run one.

use super::seen::BaseAnswer;
use crate::formats::zip::ZipArchive;
use crate::layer::{ContentSource, Entry, EntryKind};
use crate::types::error::BoxedError;

/// The most that is read of a manifest.
const MAX_MANIFEST: u64 = 1 << 20;

/// Whether a jar has the class in `file` (`shop/Main.class`). One that is not understood is told of elsewhere, and one whose
/// manifest names more jars may have the class in those.
pub(super) fn has_class(jar: &Entry, file: &[u8]) -> Result<BaseAnswer<()>, BoxedError> {
    let EntryKind::File(content) = &jar.kind else { return Ok(BaseAnswer::Unknown) };
    let archive = match &content.source {
        ContentSource::File(path, _) => ZipArchive::open(path),
        ContentSource::Zip(archive, index) => match archive.within(*index) {
            Some(archive) => archive,
            None => return Ok(BaseAnswer::Unknown),
        },
        // Those are parts of an application that `pack` takes apart, and names more jars.
        ContentSource::Repacked(_) | ContentSource::Bytes(_) => return Ok(BaseAnswer::Unknown),
    };
    archive.map_or(Ok(BaseAnswer::Unknown), |archive| in_archive(&archive, file))
}

fn in_archive(archive: &ZipArchive, file: &[u8]) -> Result<BaseAnswer<()>, BoxedError> {
    // Classes for a later Java lie in `META-INF/versions`.
    let is_it =
        |name: &[u8]| name == file || (name.starts_with(b"META-INF/versions/") && name.ends_with(file));
    if archive.entries().iter().any(|entry| is_it(&entry.name)) {
        return Ok(BaseAnswer::Here(()));
    }
    if archive.position(b"META-INF/INDEX.LIST").is_some() {
        return Ok(BaseAnswer::Unknown);
    }
    let Some(manifest) = archive.position(b"META-INF/MANIFEST.MF") else { return Ok(BaseAnswer::Nothing) };
    let names_more = archive.read(manifest, MAX_MANIFEST).map_or(true, |text| {
        let text = text.to_ascii_lowercase();
        memchr::memmem::find(&text, b"class-path").is_some()
    });
    Ok(if names_more { BaseAnswer::Unknown } else { BaseAnswer::Nothing })
}
