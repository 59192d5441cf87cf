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

    /// A header as it is written; `name` may be what the `tar` crate refuses to write.
    fn header(kind: u8, name: &str, size: u64) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[156] = kind;
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn padded(content: &[u8]) -> Vec<u8> {
        let mut content = content.to_vec();
        content.resize(content.len().next_multiple_of(512), 0);
        content
    }

    fn record(text: &str) -> Vec<u8> {
        [header(b'x', "x", text.len() as u64), padded(text.as_bytes())].concat()
    }

    fn read(tar: &[u8]) -> io::Result<LayerIndex> {
        LayerIndex::read(tar, LayerCompression::None)
    }

    fn gzip(tar: impl Read) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut encoder = flate2::read::GzEncoder::new(tar, flate2::Compression::best());
        encoder.read_to_end(&mut packed).expect("packed");
        packed
    }

    #[test]
    fn a_bomb_of_a_name_is_refused_before_it_is_unpacked() {
        // The name would be 64 MiB, in a blob of some 64 KiB.
        let size = 64 << 20;
        for kind in [b'L', b'K', b'x'] {
            let tar = header(kind, "long", size);
            let blob = gzip(tar[..].chain(io::repeat(b'n').take(size)));
            assert!(blob.len() < 1 << 17);
            let error = LayerIndex::read(&blob[..], LayerCompression::Gzip).expect_err("a bomb");
            assert!(error.to_string().contains("too long"), "{error}");
        }
        let long = [header(b'L', "long", 9000), padded(&[b'n'; 9000]), header(b'0', "a", 0)].concat();
        assert!(read(&long).expect_err("long").to_string().contains("8192"));
    }

    #[test]
    fn a_large_payload_is_passed_over_in_any_compression() {
        let size = 32 << 20;
        let tar = || io::Cursor::new(header(b'0', "zeros", size)).chain(io::repeat(0).take(size + 1024));
        let index = LayerIndex::read(&gzip(tar())[..], LayerCompression::Gzip).expect("read");
        assert_eq!(index.len(), 1);
        let frame = zstd::stream::encode_all(tar(), 3).expect("packed");
        assert!(frame.len() < 1 << 16);
        assert_eq!(LayerIndex::read(&frame[..], LayerCompression::Zstd).expect("read"), index);
    }

    #[test]
    fn gzip_with_all_header_fields_and_of_many_members_is_read() {
        let tar = [header(b'5', "a/", 0), header(b'0', "a/b", 0), vec![0; 1024]].concat();
        let mut whole = Vec::new();
        let fields = flate2::GzBuilder::new().filename("layer.tar").comment("c").extra(&b"ex\x01\0x"[..]);
        let mut encoder = fields.write(&mut whole, flate2::Compression::fast());
        io::Write::write_all(&mut encoder, &tar).expect("packed");
        encoder.finish().expect("packed");
        let members = [gzip(&tar[..700]), gzip(&b""[..]), gzip(&tar[700..])].concat();
        for blob in [whole, members] {
            assert_eq!(
                LayerIndex::read(&blob[..], LayerCompression::Gzip).expect("read"),
                read(&tar).expect("read")
            );
        }
    }

    #[test]
    fn oddities_of_real_layers_are_read_as_runtimes_read_them() {
        let mut old_sparse = tar::Header::new_gnu();
        old_sparse.set_mode(0o644);
        old_sparse.set_size(512);
        let bytes = old_sparse.as_mut_bytes();
        bytes[..6].copy_from_slice(b"sparse");
        // One more block of holes follows the header.
        (bytes[156], bytes[482]) = (b'S', 1);
        old_sparse.set_cksum();
        let tar = [
            header(b'g', "pax_global_header", 14),
            padded(b"14 comment=ab\n"),
            record("13 uid=70000\n13 gid=70001\n"),
            header(b'5', "owned/", 0),
            old_sparse.as_bytes().to_vec(),
            vec![0; 512],
            padded(&[7; 512]),
            record("22 GNU.sparse.major=1\n26 GNU.sparse.name=s/true\n"),
            header(b'0', "GNUSparseFile.0/true", 7),
            padded(b"1\n0\n1\na"),
            header(b'0', "../../climbs", 0),
            header(b'0', "/absolute", 0),
            header(b'5', "twice", 0),
            header(b'2', "twice", 0),
            header(b'5', "./", 0),
            vec![0; 1024],
        ];
        let index = read(&tar.concat()).expect("read");
        let names: Vec<String> = index.nodes.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["/absolute", "/owned", "/s/true", "/sparse", "/twice"]);
        let owned = Node::Directory { mode: 0o755, uid: 70_000, gid: 70_001 };
        assert_eq!(index.lookup(&path("owned")), Lookup::Here(&owned));
        assert_eq!(
            index.lookup(&path("twice")),
            Lookup::Here(&Node::Symlink(Vec::new())),
            "the last one counts"
        );
        assert_eq!(read(b"").expect("a layer of nothing").len(), 0);
        assert_eq!(read(&[0; 1024]).expect("an empty layer").len(), 0);
    }

    #[test]
    fn nothing_hides_behind_a_single_block_of_zeros() {
        let tar = [vec![0; 512], header(b'0', "hidden", 0), vec![0; 1024]].concat();
        assert!(read(&tar).expect_err("hidden").to_string().contains("single block of zeros"));
        assert!(read(&[0; 512]).is_ok(), "an end that is cut short is one");
    }

    #[test]
    fn a_memo_has_normal_paths_or_is_none() {
        for (bytes, normal) in
            [(&b"a/b"[..], true), (b"../a", false), (b"/a", false), (b"a//b", false), (b"", false)]
        {
            let memo = postcard::to_stdvec(&bytes.to_vec()).expect("encoded");
            assert_eq!(postcard::from_bytes::<EntryPath>(&memo).is_ok(), normal, "{bytes:?}");
        }
    }
}
