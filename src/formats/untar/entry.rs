//! One entry: what its header and its records say together.

use std::collections::BTreeMap;

use tar::EntryType;

use super::header::{self, Block, Dispute, TarHeader};
use super::records::Extensions;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct TarEntry {
    /// Its path, as it is written.
    pub(crate) path: Vec<u8>,
    /// Where it links to; empty unless it is a link.
    pub(crate) link: Vec<u8>,
    /// The kind of entry: a file, a link, a device, a pipe or a directory.
    pub(crate) kind: EntryType,
    /// Bytes of payload.
    pub(crate) size: u64,
    /// Bytes of content, if the payload is a sparse file's in GNU's format, and so not its content.
    pub(crate) sparse: Option<u64>,
    /// Where the payload begins.
    pub(crate) offset: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Numeric owner.
    pub(crate) uid: u64,
    /// Numeric group.
    pub(crate) gid: u64,
    /// Seconds since the epoch, without the fraction that a record may have.
    pub(crate) mtime: i64,
    /// Major and minor number of a device.
    pub(crate) device: (u64, u64),
    /// Names of owner and group in the header; records may have others.
    pub(crate) owner_names: [Vec<u8>; 2],
    /// The header itself.
    pub(crate) header: Box<Block>,
    /// Records about more than path, link, size, owners and holes: times, attributes.
    pub(crate) records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The extension records as they are written, each after its type.
    pub(crate) extensions: Vec<u8>,
}

/// The entry that header and records describe, without its place.
pub(super) fn describe(
    header: &TarHeader<'_>,
    block: &Block,
    extensions: &mut Extensions,
) -> Result<TarEntry, Dispute> {
    let mut kind = header::entry_type(header.kind())?;
    let path = extensions.take_path()?.unwrap_or_else(|| header.name());
    let link = extensions.take_link()?;
    let size = extensions.size.unwrap_or(header.size);
    let slash = path.ends_with(b"/");
    match header.kind() {
        // In old archives the slash makes a directory. Some look for it in the header, some in the whole path.
        0 if slash != header.ends_in_slash() => {
            return Err(Dispute::new("name", "one name of the entry ends in a slash, another does not"));
        }
        0 if slash => kind = EntryType::Directory,
        0 | b'0' | b'S' if slash => {
            return Err(Dispute::new("name", "the name of a file ends in a slash"));
        }
        _ => {}
    }
    let has_payload = match kind {
        EntryType::Regular | EntryType::GNUSparse => true,
        // All pass over what the header says; of a link, not over what a record says.
        EntryType::Directory if header.kind() == b'5' => false,
        EntryType::Link if extensions.size.is_none_or(|size| size == 0) => false,
        _ if size == 0 => false,
        _ => return Err(Dispute::new("size", "it is not 0, of an entry without content")),
    };
    if matches!(kind, EntryType::Char | EntryType::Block) {
        header.check_device()?;
    }
    let is_link = matches!(kind, EntryType::Link | EntryType::Symlink);
    Ok(TarEntry {
        path,
        link: if is_link { link.unwrap_or_else(|| header.link()) } else { Vec::new() },
        kind,
        size: if has_payload { size } else { 0 },
        sparse: None,
        offset: 0,
        mode: header.mode,
        uid: extensions.uid.unwrap_or(header.uid),
        gid: extensions.gid.unwrap_or(header.gid),
        mtime: seconds(&extensions.others).unwrap_or(header.mtime),
        device: header.device,
        owner_names: header.owner_names().map(<[u8]>::to_vec),
        header: Box::new(*block),
        records: BTreeMap::new(),
        extensions: Vec::new(),
    })
}

/// The whole seconds of the time in a record, which was checked: those before the fraction, downwards.
fn seconds(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<i64> {
    let text = std::str::from_utf8(records.get(&b"mtime"[..])?).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let has_fraction = fraction.bytes().any(|digit| digit != b'0');
    Some(if text.starts_with('-') && has_fraction { seconds.saturating_sub(1) } else { seconds })
}
