//! What a base layer contains: paths, kinds, modes, owners; not contents.
//!
//! Read once by streaming the layer, then remembered under its digest. Limits bound what a hostile layer
//! can make us keep; nothing is unpacked to disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::entry::EntryPath;
use crate::image::media_type::LayerCompression;
use crate::untar::{Entry, LAYER, ReadThrough, TarError, Walk};

/// A base layer may have at most this many entries.
const MAX_ENTRIES: usize = 4_000_000;
/// A path in a base layer may be this long; the kernel's `PATH_MAX` is 4096.
const MAX_PATH: usize = 8192;
/// And unpack to at most this many bytes: beyond any real layer, short of a bomb that runs for days.
const MAX_UNPACKED: u64 = 1 << 40;

/// What a path is in one layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// A directory with its mode, user and group.
    Directory {
        /// Permission bits.
        mode: u32,
        /// Numeric owner.
        uid: u64,
        /// Numeric group.
        gid: u64,
    },
    /// A symbolic link with its target.
    Symlink(Vec<u8>),
    /// A regular file or anything else that has no children.
    File,
    /// The layer deletes what lower layers have here.
    Whiteout,
}

/// The paths of one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerIndex {
    nodes: BTreeMap<EntryPath, Node>,
    /// Directories whose content in lower layers is hidden (`.wh..wh..opq`).
    opaque: BTreeSet<EntryPath>,
}

/// What a layer says of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// It has it.
    Here(&'a Node),
    /// It hides it: deleted, below something deleted or replaced.
    Hidden,
    /// It says nothing: ask the layer below.
    Below,
}

impl LayerIndex {
    /// Reads the index off a layer's blob.
    ///
    /// # Errors
    /// When the blob cannot be read or decompressed, is no tar, or is over a limit.
    pub fn read(blob: impl Read, compression: LayerCompression) -> io::Result<Self> {
        match compression {
            LayerCompression::None => Self::read_tar(blob),
            LayerCompression::Gzip => Self::read_tar(flate2::read::MultiGzDecoder::new(blob)),
            LayerCompression::Zstd => Self::read_tar(zstd::Decoder::new(blob)?),
        }
    }

    fn read_tar(tar: impl Read) -> io::Result<Self> {
        let mut index = Self::default();
        let mut tar = tar.take(MAX_UNPACKED);
        // Not the `tar` crate's own loop, which reads records of any length into memory.
        let mut walk = Walk::new(ReadThrough(&mut tar), LAYER);
        let broken = |error| match error {
            TarError::Io(error) => error,
            error => invalid(error.to_string()),
        };
        while let Some(entry) = walk.next().map_err(broken)? {
            index.add(&entry)?;
            if index.nodes.len() + index.opaque.len() > MAX_ENTRIES {
                return Err(invalid(format!("the layer has more than {MAX_ENTRIES} entries")));
            }
        }
        // To the end of the blob, so that whoever checks its digest sees all of it.
        io::copy(&mut tar, &mut io::sink())?;
        if tar.limit() == 0 {
            return Err(invalid(format!("the layer unpacks to {MAX_UNPACKED} bytes or more")));
        }
        Ok(index)
    }

    fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let name = &entry.path;
        if name.len() > MAX_PATH {
            return Err(invalid(format!("a path in the layer is longer than {MAX_PATH} bytes")));
        }
        // The root itself is no entry; a name that climbs out is nothing that a runtime would unpack.
        let Ok(path) = EntryPath::new(name) else { return Ok(()) };
        if path.file_name() == b".wh..wh..opq" {
            self.opaque.extend(path.parent());
            return Ok(());
        }
        if let Some(hidden) = path.file_name().strip_prefix(b".wh.") {
            let hidden = match path.parent() {
                Some(parent) => parent.join(hidden),
                None => EntryPath::new(hidden),
            };
            if let Ok(hidden) = hidden {
                self.nodes.entry(hidden).or_insert(Node::Whiteout);
            }
            return Ok(());
        }
        let header = &entry.header;
        let node = match entry.kind {
            tar::EntryType::Directory => Node::Directory {
                mode: header.mode()? & 0o7777,
                uid: id(entry, b"uid").map_or_else(|| header.uid(), Ok)?,
                gid: id(entry, b"gid").map_or_else(|| header.gid(), Ok)?,
            },
            tar::EntryType::Symlink => Node::Symlink(entry.link.clone()),
            _ => Node::File,
        };
        self.nodes.insert(path, node);
        Ok(())
    }

    /// What this layer says of `path`.
    #[must_use]
    pub fn lookup(&self, path: &EntryPath) -> Lookup<'_> {
        match self.nodes.get(path) {
            Some(Node::Whiteout) => return Lookup::Hidden,
            Some(node) => return Lookup::Here(node),
            None => {}
        }
        let hidden = path.ancestors().any(|ancestor| {
            self.opaque.contains(&ancestor)
                || matches!(self.nodes.get(&ancestor), Some(node) if !matches!(node, Node::Directory { .. }))
        });
        if hidden { Lookup::Hidden } else { Lookup::Below }
    }

    /// How many paths it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// The number that a record gives in place of the header's: there it did not fit.
fn id(entry: &Entry, name: &[u8]) -> Option<u64> {
    let (_, value) = entry.records.iter().rfind(|(key, _)| key == name)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).expect("path")
    }

    fn layer(entries: &[(&str, tar::EntryType, u32)]) -> LayerIndex {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, mode) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(0);
            if *kind == tar::EntryType::Symlink {
                header.set_link_name("usr/bin").expect("target");
            }
            builder.append_data(&mut header, name, io::empty()).expect("entry");
        }
        let tar = builder.into_inner().expect("tar");
        LayerIndex::read(&tar[..], LayerCompression::None).expect("index")
    }

    #[test]
    fn a_tar_without_its_last_padding_is_read() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, "etc/hosts", &b"hello"[..]).expect("entry");
        let tar = builder.into_inner().expect("tar");
        for end in [512 + 5, 1024, 1024 + 512, tar.len()] {
            let index = LayerIndex::read(&tar[..end], LayerCompression::None).expect("index");
            assert_eq!(index.len(), 1, "{end}");
        }
        assert!(LayerIndex::read(&tar[..150], LayerCompression::None).is_err(), "a cut header is damage");
    }

    #[test]
    fn says_what_is_here_hidden_or_below() {
        use tar::EntryType as T;
        let index = layer(&[
            ("tmp/", T::Directory, 0o1777),
            ("bin", T::Symlink, 0o777),
            ("etc/.wh.gone", T::Regular, 0),
            ("var/.wh..wh..opq", T::Regular, 0),
            ("var/lib/", T::Directory, 0o700),
        ]);
        assert_eq!(
            index.lookup(&path("tmp")),
            Lookup::Here(&Node::Directory { mode: 0o1777, uid: 0, gid: 0 })
        );
        assert_eq!(index.lookup(&path("bin")), Lookup::Here(&Node::Symlink(b"usr/bin".to_vec())));
        assert_eq!(index.lookup(&path("bin/x")), Lookup::Hidden);
        assert_eq!(index.lookup(&path("etc/gone")), Lookup::Hidden);
        assert_eq!(index.lookup(&path("etc/gone/x")), Lookup::Hidden);
        assert_eq!(index.lookup(&path("etc/other")), Lookup::Below);
        assert_eq!(index.lookup(&path("var/cache")), Lookup::Hidden);
        assert!(matches!(index.lookup(&path("var/lib")), Lookup::Here(_)));
        assert_eq!(index.lookup(&path("tmp/x")), Lookup::Below);
    }
}
