//! The content of a base layer: paths, kinds, modes, owners, sizes, and the readings of a few files.
//!
//! Read once by streaming the layer, then remembered under its digest. A [`Budget`] bounds what a hostile layer
//! can make us keep and unpack; nothing is unpacked to disk.
//!
//! Whiteouts are about lower layers alone, wherever in a layer they stand: a path that the same layer has stays.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::probes::ProbeResult;
use super::seen::BaseAnswer;
use crate::formats::elf::{Dynamic, Machine, StreamedElf, is_library_name};
use crate::formats::untar::{LAYER, ReadThrough, Skip, TarEntry, TarWalk, UntarError};
use crate::layer::{AccountFile, AccountKind, EntryPath};
use crate::oci::media_type::LayerCompression;
use crate::runtime::budget::{Budget, MeteredReader};

/// The cost of an entry beside its path and link target: its share of a map and of allocations.
const ENTRY_COST: usize = 152;
/// The window of a zstd frame, as a power of two: 32 MiB, four times what tools that make images use.
const WINDOW_LOG: u32 = 25;

/// The entry of a path in one layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BaseNode {
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
    File(FileFacts),
}

/// Facts about a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Bytes of content.
    pub size: Option<u64>,
    /// Of a library: what it was compiled for. `None` for what is no ELF file, or was not looked into.
    pub machine: Option<Machine>,
    /// Its user and group. Of a file of a base they are kept only where they decide who may execute it: its mode lets
    /// some and not others.
    pub owner: Option<(u32, u32)>,
}

impl FileFacts {
    /// The user and group that are kept of a file of a base.
    fn kept_owner(mode: u32, uid: u64, gid: u64) -> Option<(u32, u32)> {
        let is_for_some = !matches!(mode & 0o111, 0 | 0o111);
        owner_of(uid, gid).filter(|_| is_for_some)
    }
}

/// A user and a group, if they are numbers that a kernel has.
pub(super) fn owner_of(uid: u64, gid: u64) -> Option<(u32, u32)> {
    u32::try_from(uid).ok().zip(u32::try_from(gid).ok())
}

/// The paths of one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerIndex {
    nodes: BTreeMap<EntryPath, BaseNode>,
    /// Deletes the entry of lower layers, with everything below it (`.wh.NAME`).
    removed: BTreeSet<EntryPath>,
    /// Directories whose content in lower layers is hidden (`.wh..wh..opq`).
    opaque: BTreeSet<EntryPath>,
    /// Whether the root is one of them.
    opaque_root: bool,
    /// The readings of the probes.
    readings: BTreeMap<EntryPath, ProbeResult>,
}

/// A layer's statement about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// It has it.
    Here(&'a BaseNode),
    /// It hides it: deleted, below something deleted or replaced.
    Hidden,
    /// It says nothing: ask the layer below.
    Below,
}

impl LayerIndex {
    /// Reads the index off a layer's blob, at the expense of `budget`.
    ///
    /// # Errors
    /// When the blob cannot be read or decompressed, is no tar that all tools read alike, or costs too much.
    pub fn read(blob: impl Read, compression: LayerCompression, budget: &Budget) -> io::Result<Self> {
        match compression {
            LayerCompression::None => Self::read_tar(blob, budget),
            LayerCompression::Gzip => Self::read_tar(flate2::read::MultiGzDecoder::new(blob), budget),
            LayerCompression::Zstd => {
                let mut decoder = zstd::Decoder::new(blob)?;
                decoder.window_log_max(WINDOW_LOG)?;
                Self::read_tar(decoder, budget)
            }
        }
    }

    fn read_tar(tar: impl Read, budget: &Budget) -> io::Result<Self> {
        let mut index = Self::default();
        let mut tar = MeteredReader::new(tar, budget);
        // Not the `tar` crate's own loop, which reads records of any length into memory.
        let mut walk = TarWalk::new(ReadThrough(&mut tar), LAYER);
        while let Some(entry) = walk.next().map_err(UntarError::into_io)? {
            let content = IndexedContent::read(&entry, &mut walk, budget)?;
            index.add(entry, content, budget)?;
        }
        // To the end of the blob, so that its digest is checked on all of it.
        io::copy(&mut tar, &mut io::sink())?;
        Ok(index)
    }

    /// The reading of the layer's own file at `path`.
    #[must_use]
    pub fn reading(&self, path: &EntryPath) -> Option<&ProbeResult> {
        self.readings.get(path)
    }

    /// All that was read off the layer's files.
    pub fn readings(&self) -> impl Iterator<Item = (&EntryPath, &ProbeResult)> {
        self.readings.iter()
    }

    /// The dynamic section of the layer's own `node` at `path`. Only a library is known to be no ELF file: of other files,
    /// the index has no machine.
    #[must_use]
    pub fn dynamic(&self, path: &EntryPath, node: &BaseNode) -> BaseAnswer<Dynamic> {
        match (self.reading(path), node) {
            (Some(ProbeResult::Elf(dynamic)), _) => BaseAnswer::Here(dynamic.clone()),
            (_, BaseNode::Directory { .. } | BaseNode::Symlink(_)) => BaseAnswer::Nothing,
            // It was looked into.
            (_, BaseNode::File(FileFacts { machine: None, mode: Some(_), .. }))
                if is_library_name(path.file_name()) =>
            {
                BaseAnswer::Nothing
            }
            (_, BaseNode::File(_)) => BaseAnswer::Unknown,
        }
    }

    /// This layer's own file of users or groups; `None` where it has none that can be read.
    #[must_use]
    pub fn accounts(&self, kind: AccountKind) -> Option<&AccountFile> {
        match self.readings.get(&EntryPath::new(kind.file().as_bytes()).ok()?)? {
            ProbeResult::Accounts(file) => Some(file),
            _ => None,
        }
    }

    fn add(&mut self, entry: TarEntry, content: IndexedContent, budget: &Budget) -> io::Result<()> {
        // The root itself is no entry; a name that climbs out is nothing that a runtime would unpack.
        let Ok(path) = EntryPath::new(&entry.path) else { return Ok(()) };
        budget.keep(ENTRY_COST + path.as_bytes().len() + entry.link.len())?;
        if path.file_name() == OPAQUE {
            match path.parent() {
                Some(directory) => drop(self.opaque.insert(directory)),
                None => self.opaque_root = true,
            }
            return Ok(());
        }
        if let Some(name) = path.file_name().strip_prefix(WHITEOUT) {
            let removed = match path.parent() {
                Some(parent) => parent.join(name),
                None => EntryPath::new(name),
            };
            self.removed.extend(removed);
            return Ok(());
        }
        let node = match entry.kind {
            tar::EntryType::Directory => {
                BaseNode::Directory { mode: entry.mode, uid: entry.uid, gid: entry.gid }
            }
            tar::EntryType::Symlink => BaseNode::Symlink(entry.link),
            tar::EntryType::Link => {
                let (node, reading) = self.linked(&entry.link);
                self.insert(path.clone(), node);
                if let Some(reading) = reading {
                    budget.keep(ENTRY_COST + reading.cost())?;
                    self.readings.insert(path, reading);
                }
                return Ok(());
            }
            _ => BaseNode::File(FileFacts {
                mode: Some(entry.mode),
                size: Some(entry.sparse.unwrap_or(entry.size)),
                machine: content.machine,
                owner: FileFacts::kept_owner(entry.mode, entry.uid, entry.gid),
            }),
        };
        self.insert(path.clone(), node);
        self.readings.extend(content.reading.map(|reading| (path, reading)));
        Ok(())
    }

    /// The target of a hard link, if this layer has it: links can be made to symbolic links, too.
    fn linked(&self, target: &[u8]) -> (BaseNode, Option<ProbeResult>) {
        let target = EntryPath::new(target).ok();
        match target.as_ref().and_then(|target| self.nodes.get(target)) {
            Some(node @ (BaseNode::Symlink(_) | BaseNode::File(_))) => {
                (node.clone(), target.and_then(|target| self.readings.get(&target).cloned()))
            }
            _ => (BaseNode::File(FileFacts::default()), None),
        }
    }

    /// A later entry takes the place of an earlier one, and of what that had below it.
    fn insert(&mut self, path: EntryPath, node: BaseNode) {
        let is_directory = |node: &BaseNode| matches!(node, BaseNode::Directory { .. });
        let replaces = is_directory(&node);
        self.readings.remove(&path);
        match self.nodes.insert(path.clone(), node) {
            Some(before) if is_directory(&before) && !replaces => {
                let below = EntryPath::first_below(&path);
                let gone: Vec<EntryPath> = self
                    .nodes
                    .range(below..)
                    .map(|(found, _)| found)
                    .take_while(|found| found.starts_with(&path))
                    .cloned()
                    .collect();
                for found in gone {
                    self.nodes.remove(&found);
                    self.readings.remove(&found);
                }
            }
            // Paths of lower layers that the file hid do not come back with the directory.
            Some(before) if !is_directory(&before) && replaces => drop(self.opaque.insert(path)),
            _ => {}
        }
    }

    /// This layer's statement about `path`.
    #[must_use]
    pub fn lookup(&self, path: &EntryPath) -> Lookup<'_> {
        if let Some(node) = self.nodes.get(path) {
            return Lookup::Here(node);
        }
        let hides = |ancestor: &EntryPath| {
            self.removed.contains(ancestor)
                || self.opaque.contains(ancestor)
                || matches!(self.nodes.get(ancestor), Some(node) if !matches!(node, BaseNode::Directory { .. }))
        };
        let hidden = self.opaque_root
            || self.removed.contains(path)
            || path.ancestors().any(|ancestor| hides(&ancestor));
        if hidden { Lookup::Hidden } else { Lookup::Below }
    }

    /// Whether this layer has something below `path`, so that a runtime makes a directory there where no layer has one.
    #[must_use]
    pub fn implies(&self, path: &EntryPath) -> bool {
        let mut below = self.nodes.range(EntryPath::first_below(path)..);
        below.next().is_some_and(|(found, _)| found.starts_with(path))
    }

    /// Adds to `names` what this layer has directly in `directory`, up to `limit` names, without what is in `hidden`, to
    /// which it adds what it hides of the layers below. Returns whether those count as well.
    pub fn names_in(
        &self,
        directory: &EntryPath,
        limit: usize,
        names: &mut BTreeSet<Vec<u8>>,
        hidden: &mut BTreeSet<Vec<u8>>,
    ) -> bool {
        let below = EntryPath::first_below(directory);
        let name = |path: &EntryPath| {
            let rest = path.as_bytes().strip_prefix(below.as_bytes())?;
            rest.split(|byte| *byte == b'/').next().map(<[u8]>::to_vec)
        };
        for name in self.nodes.range(below.clone()..).map_while(|(path, _)| name(path)) {
            if names.len() >= limit {
                break;
            }
            if !hidden.contains(&name) {
                names.insert(name);
            }
        }
        let is_in = |path: &&EntryPath| path.parent().as_ref() == Some(directory);
        let removed = self.removed.range(below.clone()..).take_while(|path| name(path).is_some());
        hidden.extend(removed.filter(is_in).map(|path| path.file_name().to_vec()));
        !self.opaque_root
            && !self.opaque.contains(directory)
            && !self.removed.contains(directory)
            && !directory
                .ancestors()
                .any(|above| self.opaque.contains(&above) || self.removed.contains(&above))
    }

    /// Pays for an index that was remembered as for one that is read.
    ///
    /// # Errors
    /// When less than that is left.
    pub fn charge(&self, budget: &Budget) -> Result<(), crate::runtime::budget::OverBudget> {
        let of = |path: &EntryPath| ENTRY_COST + path.as_bytes().len();
        let nodes = self.nodes.iter().map(|(path, node)| match node {
            BaseNode::Symlink(target) => of(path) + target.len(),
            _ => of(path),
        });
        let readings = self.readings.iter().map(|(path, reading)| of(path) + reading.cost());
        budget.keep(nodes.chain(self.removed.iter().chain(&self.opaque).map(of)).chain(readings).sum())
    }

    /// How many paths it has.
    #[cfg(any(test, feature = "testing"))]
    pub fn len(&self) -> usize {
        self.nodes.len() + self.removed.len()
    }
}

/// Whether a file is looked into for a dynamic section: a library by its name, or a program by its mode.
fn may_be_elf(path: &EntryPath, mode: u32) -> bool {
    is_library_name(path.file_name()) || mode & 0o111 != 0
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The part of an entry's payload that is read.
#[derive(Default)]
struct IndexedContent {
    machine: Option<Machine>,
    reading: Option<ProbeResult>,
}

impl IndexedContent {
    /// Reads what a probe wants, or the dynamic section of a program or library.
    fn read<R: Skip>(entry: &TarEntry, walk: &mut TarWalk<R>, budget: &Budget) -> io::Result<Self> {
        let mut content = Self::default();
        let is_file = matches!(entry.kind, tar::EntryType::Regular | tar::EntryType::Continuous);
        if !is_file || entry.sparse.is_some() {
            return Ok(content);
        }
        let Ok(path) = EntryPath::new(&entry.path) else { return Ok(content) };
        if ProbeResult::is_wanted(&path, entry.size) {
            let mut bytes = Vec::new();
            walk.payload(|piece| bytes.extend_from_slice(piece)).map_err(UntarError::into_io)?;
            content.reading = ProbeResult::of(&path, &bytes);
            if let Some(reading) = &content.reading {
                budget.keep(ENTRY_COST + path.as_bytes().len() + reading.cost())?;
            }
        } else if may_be_elf(&path, entry.mode) {
            let mut file = StreamedElf::new(entry.size);
            walk.payload(|piece| file.push(piece)).map_err(UntarError::into_io)?;
            let (machine, dynamic) = file.finish();
            // The lock speaks of the machines of libraries alone.
            let is_library = is_library_name(path.file_name());
            content.machine = machine.filter(|_| is_library);
            // A static program says nothing.
            if let Some(dynamic) = dynamic.filter(|dynamic| is_library || !dynamic.is_static_program()) {
                let reading = ProbeResult::Elf(dynamic);
                budget.keep(ENTRY_COST + path.as_bytes().len() + reading.cost())?;
                content.reading = Some(reading);
            }
        }
        Ok(content)
    }
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
        read(&builder.into_inner().expect("tar")).expect("index")
    }

    #[test]
    fn owners_are_kept_where_they_decide_who_may_execute() {
        use tar::EntryType as T;
        let index =
            layer(&[("all", T::Regular, 0o755), ("none", T::Regular, 0o640), ("some", T::Regular, 0o700)]);
        let owner = |name: &str| match index.lookup(&path(name)) {
            Lookup::Here(BaseNode::File(facts)) => facts.owner,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!((owner("all"), owner("none"), owner("some")), (None, None, Some((0, 0))));
        assert_eq!(owner_of(1 << 32, 0), None);
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
            let index = read(&tar[..end]).expect("index");
            assert_eq!(index.len(), 1, "{end}");
        }
        assert!(read(&tar[..150]).is_err(), "a cut header is damage");
    }

    #[test]
    fn names_in_a_directory_are_those_of_all_layers() {
        use tar::EntryType as T;
        let upper = layer(&[
            ("d/.wh.gone", T::Regular, 0),
            ("d/new/deep/x", T::Regular, 0o644),
            ("d/sub/.wh.inner", T::Regular, 0),
            ("d-other", T::Regular, 0o644),
        ]);
        let lower = layer(&[
            ("d/gone", T::Regular, 0o644),
            ("d/old", T::Regular, 0o644),
            ("d/inner", T::Regular, 0o644),
            ("e/x", T::Regular, 0o644),
        ]);
        let all = |layers: &[&LayerIndex], limit| {
            let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
            for layer in layers {
                if !layer.names_in(&path("d"), limit, &mut names, &mut hidden) {
                    break;
                }
            }
            names.into_iter().map(|name| String::from_utf8(name).expect("text")).collect::<Vec<_>>()
        };
        assert_eq!(all(&[&upper, &lower], 9), ["inner", "new", "old", "sub"].map(str::to_owned)[..3]);
        assert_eq!(all(&[&upper, &lower], 1).len(), 1);
        let opaque = layer(&[("d/.wh..wh..opq", T::Regular, 0), ("d/only", T::Regular, 0o644)]);
        assert_eq!(all(&[&opaque, &lower], 9), ["only"]);
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
            Lookup::Here(&BaseNode::Directory { mode: 0o1777, uid: 0, gid: 0 })
        );
        assert_eq!(index.lookup(&path("bin")), Lookup::Here(&BaseNode::Symlink(b"usr/bin".to_vec())));
        assert_eq!(index.lookup(&path("bin/x")), Lookup::Hidden);
        assert_eq!(index.lookup(&path("etc/gone")), Lookup::Hidden);
        assert_eq!(index.lookup(&path("etc/gone/x")), Lookup::Hidden);
        assert_eq!(index.lookup(&path("etc/other")), Lookup::Below);
        assert_eq!(index.lookup(&path("var/cache")), Lookup::Hidden);
        assert!(matches!(index.lookup(&path("var/lib")), Lookup::Here(_)));
        assert_eq!(index.lookup(&path("tmp/x")), Lookup::Below);
    }

    #[test]
    fn whiteouts_are_about_lower_layers_wherever_they_stand() {
        use tar::EntryType as T;
        let entries = [
            ("a/", T::Directory, 0o755),
            ("a/here", T::Regular, 0o644),
            (".wh.a", T::Regular, 0),
            ("d/.wh..wh..opq", T::Regular, 0),
            ("d/", T::Directory, 0o755),
            ("d/here", T::Regular, 0o644),
            (".wh.file", T::Regular, 0),
            ("file", T::Regular, 0o644),
        ];
        let mut orders = vec![entries.to_vec(), entries.iter().rev().copied().collect()];
        orders.push([&entries[3..], &entries[..3]].concat());
        for order in orders {
            let index = layer(&order);
            for here in ["a", "a/here", "d", "d/here", "file"] {
                assert!(matches!(index.lookup(&path(here)), Lookup::Here(_)), "{here} in {order:?}");
            }
            for hidden in ["a/lower", "a/lower/x", "d/lower", "file/x"] {
                assert_eq!(index.lookup(&path(hidden)), Lookup::Hidden, "{hidden} in {order:?}");
            }
            assert_eq!(index.lookup(&path("other")), Lookup::Below);
        }
        let root = layer(&[(".wh..wh..opq", T::Regular, 0), ("new", T::Regular, 0o644)]);
        assert_eq!(root.lookup(&path("old")), Lookup::Hidden);
        assert_eq!(
            root.lookup(&path("new")),
            Lookup::Here(&BaseNode::File(FileFacts {
                mode: Some(0o644),
                size: Some(0),
                ..FileFacts::default()
            }))
        );
    }

    #[test]
    fn what_takes_the_place_of_another_takes_what_was_below() {
        use tar::EntryType as T;
        let index = layer(&[
            ("a/", T::Directory, 0o755),
            ("a/b", T::Regular, 0o644),
            ("a-b", T::Regular, 0o644),
            ("a", T::Symlink, 0o777),
            ("f", T::Regular, 0o644),
            ("f/", T::Directory, 0o755),
        ]);
        assert_eq!(index.lookup(&path("a/b")), Lookup::Hidden);
        assert!(matches!(index.lookup(&path("a-b")), Lookup::Here(_)));
        assert_eq!(index.lookup(&path("f/lower")), Lookup::Hidden);
    }

    #[test]
    fn long_paths_draw_on_the_budget() {
        let long = "d/".repeat(2000);
        let names: Vec<String> = (0..100).map(|number| format!("{long}{number}")).collect();
        let entries: Vec<(&str, tar::EntryType, u32)> =
            names.iter().map(|name| (name.as_str(), tar::EntryType::Regular, 0o644)).collect();
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, mode) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(0);
            builder.append_data(&mut header, name, io::empty()).expect("entry");
        }
        let tar = builder.into_inner().expect("tar");
        let read =
            |bytes| LayerIndex::read(&tar[..], LayerCompression::None, &Budget::new("it", bytes, 1 << 20));
        assert_eq!(read(1 << 20).expect("enough").len(), 100);
        assert_eq!(read(1 << 18).expect_err("too little").kind(), io::ErrorKind::QuotaExceeded);
        let budget = Budget::new("it", 1 << 18, 0);
        assert!(read(1 << 20).expect("enough").charge(&budget).is_err());
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

    fn budget() -> Budget {
        Budget::new("the layer", 64 << 20, 1 << 20)
    }

    fn read(tar: &[u8]) -> io::Result<LayerIndex> {
        LayerIndex::read(tar, LayerCompression::None, &budget())
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
            let error = LayerIndex::read(&blob[..], LayerCompression::Gzip, &budget()).expect_err("a bomb");
            assert!(error.to_string().contains("too long"), "{error}");
        }
        let long = [header(b'L', "long", 4097), padded(&[b'n'; 4097]), header(b'0', "a", 0)].concat();
        assert!(read(&long).expect_err("long").to_string().contains("4096"));
    }

    #[test]
    fn a_large_payload_is_passed_over_in_any_compression() {
        let size = 32 << 20;
        let tar = || io::Cursor::new(header(b'0', "zeros", size)).chain(io::repeat(0).take(size + 1024));
        let index = LayerIndex::read(&gzip(tar())[..], LayerCompression::Gzip, &budget()).expect("read");
        assert_eq!(index.len(), 1);
        let frame = zstd::stream::encode_all(tar(), 3).expect("packed");
        assert!(frame.len() < 1 << 16);
        assert_eq!(LayerIndex::read(&frame[..], LayerCompression::Zstd, &budget()).expect("read"), index);
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
                LayerIndex::read(&blob[..], LayerCompression::Gzip, &budget()).expect("read"),
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
        bytes[483..495].copy_from_slice(b"00000010000\0");
        for piece in 0..4 {
            let numbers = format!("{:011o}\0{:011o}\0", 64 * piece, 64);
            bytes[386 + 24 * piece..][..24].copy_from_slice(numbers.as_bytes());
        }
        old_sparse.set_cksum();
        let mut holes = b"00000001000\x0000000000400\0".to_vec();
        holes.resize(512, 0);
        let tar = [
            header(b'g', "pax_global_header", 14),
            padded(b"14 comment=ab\n"),
            record("13 uid=70000\n13 gid=70001\n"),
            header(b'5', "owned/", 0),
            old_sparse.as_bytes().to_vec(),
            holes,
            padded(&[7; 512]),
            record(
                "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n26 GNU.sparse.name=s/true\n25 GNU.sparse.realsize=9\n",
            ),
            header(b'0', "GNUSparseFile.0/true", 513),
            padded(b"1\n0\n1\n"),
            padded(b"a"),
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
        let owned = BaseNode::Directory { mode: 0o755, uid: 70_000, gid: 70_001 };
        assert_eq!(index.lookup(&path("owned")), Lookup::Here(&owned));
        assert_eq!(
            index.lookup(&path("twice")),
            Lookup::Here(&BaseNode::Symlink(Vec::new())),
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
