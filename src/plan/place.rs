//! Placing entries on what lies below: ancestors get the mode and owner that they have there, links are followed.
//!
//! A layer that leaves out a parent directory lets the unpacker invent one, and a layer that invents one
//! itself hides the base's: tried with podman 4.3 and Docker 20.10, `/tmp` lost its 1777. So every ancestor
//! that a layer does not own is written with what the base has there, and where the base has a symbolic
//! link (`/bin` on a merged-usr Debian) the entries go to where it points. That holds for a layer's own
//! directories, too: one in the place of a link would hide all that the link leads to.
//!
//! Nothing is merged in silence: a path that two entries have after links are followed is an error, and so is a
//! directory that would have two owners or modes. The same holds for a file, named by the user, or a link that would
//! replace a directory as a whole; other files of a tree are not compared with the base.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, VecDeque};

use crate::bases::{BaseNode, FileTree};
use crate::layer::{Entry, EntryKind, EntryPath, EntryPathError, Metadata};
use crate::types::error::{BoxedError, Explain, Kind};

/// The kernel follows at most 40 links, and so does this code.
const MAX_LINKS: usize = 40;

/// How many directories a path may lie in: each is a step of the placer's own.
const MAX_DEPTH: usize = 500;

/// Where a directory of the base really is, links followed; `None` where it has something else in the way.
///
/// # Errors
/// When the base cannot be read.
pub fn real_directory<B: FileTree>(path: &EntryPath, base: &mut B) -> Result<Option<EntryPath>, BoxedError> {
    match Placer::new(base, BTreeMap::new(), &|_: &EntryPath| false).directory(path, path, None, 0) {
        Ok(real) => Ok(Some(real)),
        Err(PlaceError::Base(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Why entries cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The base cannot be read.
    #[error("{0}")]
    Base(BoxedError),
    /// There is a file where a directory is needed.
    #[error("{path} is a file in {holder}, and {}", NeedText(path, needed))]
    NotADirectory {
        /// The file.
        path: EntryPath,
        /// Who has it.
        holder: String,
        /// The path that needs a directory there.
        needed: EntryPath,
    },
    /// A directory is in the place of something else.
    #[error("{path} is a directory in {holder}: {with} in its place would remove all that is in it")]
    ReplacesDirectory {
        /// As the entry's path is written.
        path: EntryPath,
        /// Who has it.
        holder: String,
        /// The kind of thing that would be in its place.
        with: &'static str,
    },
    /// Links that lead around or out.
    #[error("the link {0} in {1} leads nowhere: {2}")]
    Link(EntryPath, String, &'static str),
    /// Two entries for one path.
    #[error("{path} would be two things{}", WrittenText(path, written))]
    Twice {
        /// The path, links followed.
        path: EntryPath,
        /// As they are written.
        written: [EntryPath; 2],
    },
    /// A directory with two owners or modes.
    #[error("the directory {path} would have two owners or modes{}", WrittenText(path, written))]
    Contested {
        /// The path, links followed.
        path: EntryPath,
        /// As they are written.
        written: [EntryPath; 2],
    },
    /// A path that no file system takes, and that would cost a step of memory for each directory.
    #[error("`{}` lies in more than {MAX_DEPTH} directories", cut(.0))]
    TooDeep(EntryPath),
    /// A path behind a link has no valid form.
    #[error(transparent)]
    Path(#[from] EntryPathError),
}

/// The beginning of a long path.
fn cut(path: &EntryPath) -> String {
    let bytes = path.as_bytes();
    let shown = crate::types::shown::shown(&bytes[..bytes.len().min(100)]);
    format!("/{shown}…")
}

/// Says what a directory is needed for.
struct NeedText<'a>(&'a EntryPath, &'a EntryPath);

impl std::fmt::Display for NeedText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == self.1 {
            f.write_str("must be a directory")
        } else {
            write!(f, "{} must go below it", self.1)
        }
    }
}

/// Says how a path is written, if links of the base turn two paths into one.
struct WrittenText<'a>(&'a EntryPath, &'a [EntryPath; 2]);

impl std::fmt::Display for WrittenText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [one, other] = self.1;
        if one == self.0 && other == self.0 {
            return Ok(());
        }
        write!(f, ": by links of the base, {one} and {other} are the same")
    }
}

impl Explain for PlaceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Base(error) => error.kind(),
            _ => Kind::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Base(error) => return error.hint(),
            Self::ReplacesDirectory { path, with, .. } if *with == "a file" => {
                format!("to put the file into it, write the file's own path, such as `{path}/NAME`")
            }
            Self::NotADirectory { .. } | Self::ReplacesDirectory { .. } => {
                "choose another path, or a base without it".to_owned()
            }
            Self::Contested { .. } => "make both the same".to_owned(),
            Self::TooDeep(_) => "choose a shorter path".to_owned(),
            Self::Link(..) | Self::Twice { .. } | Self::Path(_) => return None,
        })
    }
}

impl PlaceError {
    /// The paths that it is about, as they are written.
    #[must_use]
    pub fn paths(&self) -> Vec<&EntryPath> {
        match self {
            Self::NotADirectory { needed: path, .. } | Self::ReplacesDirectory { path, .. } => vec![path],
            Self::Twice { written, .. } | Self::Contested { written, .. } => written.iter().collect(),
            Self::Base(_) | Self::Link(..) | Self::TooDeep(_) | Self::Path(_) => Vec::new(),
        }
    }
}

/// Places `entries` and adds the ancestors that they need. `owned` decides whether a directory is the
/// layer's own, to be written as it is; any other is written as the base has it. `named` decides whether the base is asked
/// what is in the place of a file. Directories may occur more than once where that makes no difference.
///
/// # Errors
/// When the base cannot be read, has something in the way, or two entries have one path.
pub fn place<B: FileTree>(
    mut entries: Vec<Entry>,
    owned: impl Fn(&EntryPath) -> bool,
    named: impl Fn(&EntryPath) -> bool,
    base: &mut B,
) -> Result<Vec<Entry>, PlaceError> {
    let mut placer = Placer::new(base, declared(&entries), &owned);
    // The directory, with its slash, of the entry before, where that is no link of the base's: most entries lie beside it.
    let mut plain: Vec<u8> = Vec::new();
    // Paths that links of the base moved: real path → path as written.
    let mut moved: BTreeMap<EntryPath, EntryPath> = BTreeMap::new();
    let mut place = |entry: &mut Entry| {
        if entry.is_directory() {
            return placer.directory(&entry.path, &entry.path, None, 0).map(drop);
        }
        if let EntryKind::Hardlink(target) = &entry.kind {
            entry.kind = EntryKind::Hardlink(placer.below_real_parent(target)?);
        }
        let is_named = named(&entry.path);
        if plain.is_empty() || entry.path.directory() != plain {
            let real = placer.below_real_parent(&entry.path)?;
            plain.clear();
            if real == entry.path {
                plain.extend_from_slice(entry.path.directory());
            } else {
                let path = std::mem::replace(&mut entry.path, real);
                if let Some(other) = moved.insert(entry.path.clone(), path.clone()) {
                    return Err(PlaceError::Twice { path: entry.path.clone(), written: [other, path] });
                }
            }
        }
        if is_named || matches!(entry.kind, EntryKind::Symlink(_)) {
            placer.check_place(entry, moved.get(&entry.path))?;
        }
        Ok(())
    };
    entries.iter_mut().try_for_each(&mut place)?;
    entries.retain(|entry| !entry.is_directory());
    if !moved.is_empty() {
        check_moved(&entries, &moved, &placer.out)?;
    }
    entries.extend(placer.into_directories().into_values().map(|directory| directory.entry));
    Ok(entries)
}

/// Whether something that a link moved comes to lie where something else is, or below what is no directory.
fn check_moved(
    entries: &[Entry],
    moved: &BTreeMap<EntryPath, EntryPath>,
    out: &BTreeMap<EntryPath, PlacedDirectory>,
) -> Result<(), PlaceError> {
    let mut seen: BTreeMap<&EntryPath, usize> = BTreeMap::new();
    for entry in entries {
        let written = moved.get(&entry.path);
        if let Some(directory) = out.get(&entry.path) {
            let written = written.unwrap_or(&entry.path).clone();
            let written = [written, directory.written.clone()];
            return Err(PlaceError::Twice { path: entry.path.clone(), written });
        }
        let Some(written) = written else { continue };
        let times = seen.entry(&entry.path).or_default();
        *times += 1;
        if *times > 1 {
            let written = [written.clone(), entry.path.clone()];
            return Err(PlaceError::Twice { path: entry.path.clone(), written });
        }
    }
    Ok(())
}

/// Statements about a directory by its entry, or by several of them.
struct DirectoryDeclaration {
    metadata: Metadata,
    is_contested: bool,
}

fn declared(entries: &[Entry]) -> BTreeMap<EntryPath, DirectoryDeclaration> {
    let mut declared: BTreeMap<EntryPath, DirectoryDeclaration> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.is_directory()) {
        match declared.entry(entry.path.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(DirectoryDeclaration { metadata: entry.metadata.clone(), is_contested: false });
            }
            Slot::Occupied(mut slot) => {
                let is_other = slot.get().metadata != entry.metadata;
                slot.get_mut().is_contested |= is_other;
            }
        }
    }
    declared
}

/// The sources of a directory's metadata; the greatest wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    /// No statement: the directory exists because something is in it.
    Implied,
    /// The nodes below.
    Below,
    /// The layer.
    Layer,
}

/// A directory to write.
struct PlacedDirectory {
    entry: Entry,
    word: Word,
    /// The path as it is written that led here.
    written: EntryPath,
}

/// The layer's statement about a directory, at its real path.
#[derive(Clone)]
struct OwnFile {
    metadata: Metadata,
    word: Word,
    written: EntryPath,
}

struct Placer<'a, B, F> {
    base: &'a mut B,
    declared: BTreeMap<EntryPath, DirectoryDeclaration>,
    owned: &'a F,
    /// Directories as written → as they are behind the base's links.
    real: BTreeMap<EntryPath, EntryPath>,
    /// Directories to write, by real path.
    out: BTreeMap<EntryPath, PlacedDirectory>,
}

impl<'a, B: FileTree, F: Fn(&EntryPath) -> bool> Placer<'a, B, F> {
    const fn new(base: &'a mut B, declared: BTreeMap<EntryPath, DirectoryDeclaration>, owned: &'a F) -> Self {
        Self { base, declared, owned, real: BTreeMap::new(), out: BTreeMap::new() }
    }

    /// The directories to write. All else is given back: an archive of many directories takes tens of megabytes here.
    fn into_directories(self) -> BTreeMap<EntryPath, PlacedDirectory> {
        self.out
    }

    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, PlaceError> {
        self.base.lookup(path).map_err(PlaceError::Base)
    }

    fn below_real_parent(&mut self, path: &EntryPath) -> Result<EntryPath, PlaceError> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        let real = self.directory(&parent, path, None, 0)?;
        Ok(real.join(path.file_name())?)
    }

    /// Makes sure that the directory will exist, and returns its real path. `own` is what the layer says of it where
    /// a link of that name led here.
    fn directory(
        &mut self,
        path: &EntryPath,
        for_entry: &EntryPath,
        own: Option<OwnFile>,
        links: usize,
    ) -> Result<EntryPath, PlaceError> {
        if path.as_bytes().iter().filter(|byte| **byte == b'/').count() >= MAX_DEPTH {
            return Err(PlaceError::TooDeep(path.clone()));
        }
        if own.is_none()
            && let Some(real) = self.real.get(path)
        {
            return Ok(real.clone());
        }
        // From the top down, and not by recursion: a path may be as deep as its text is long.
        let new: Vec<EntryPath> =
            path.ancestors().take_while(|above| !self.real.contains_key(above)).collect();
        for above in new.iter().rev() {
            self.directory_below_known(above, for_entry, None, links)?;
        }
        self.directory_below_known(path, for_entry, own, links)
    }

    /// The same for a directory in one that is known already.
    fn directory_below_known(
        &mut self,
        path: &EntryPath,
        for_entry: &EntryPath,
        own: Option<OwnFile>,
        links: usize,
    ) -> Result<EntryPath, PlaceError> {
        let is_link = own.is_some();
        let parent = path.parent();
        let at = match parent.as_ref().and_then(|parent| self.real.get(parent)) {
            Some(parent) => parent.join(path.file_name())?,
            None => path.clone(),
        };
        let own = match own {
            None if (self.owned)(path) => Some(self.own(path)?),
            own => own,
        };
        let real = match self.lookup(&at)? {
            Some(BaseNode::Directory { mode, uid, gid }) => {
                let metadata = Metadata { mode, uid, gid, ..Metadata::directory() };
                let below = OwnFile { metadata, word: Word::Below, written: path.clone() };
                self.write(at, own.unwrap_or(below))?
            }
            Some(BaseNode::Symlink(target)) => {
                let leads_nowhere = |why| PlaceError::Link(at.clone(), self.base.holder(&at), why);
                if links >= MAX_LINKS {
                    return Err(leads_nowhere("too many links"));
                }
                let target = resolve(&at, &target).map_err(leads_nowhere)?;
                self.directory(&target, for_entry, own, links + 1)?
            }
            Some(BaseNode::File(_)) => {
                let holder = self.base.holder(&at);
                return Err(PlaceError::NotADirectory { path: at, holder, needed: for_entry.clone() });
            }
            None => {
                let own = own.map_or_else(|| self.own(path), Ok)?;
                self.write(at, own)?
            }
        };
        if !is_link {
            self.real.insert(path.clone(), real.clone());
        }
        Ok(real)
    }

    /// The layer's statement about the directory at `path`.
    fn own(&self, path: &EntryPath) -> Result<OwnFile, PlaceError> {
        let written = path.clone();
        match self.declared.get(path) {
            Some(DirectoryDeclaration { is_contested: true, .. }) => {
                Err(PlaceError::Contested { path: path.clone(), written: [written.clone(), written] })
            }
            Some(DirectoryDeclaration { metadata, .. }) => {
                Ok(OwnFile { metadata: metadata.clone(), word: Word::Layer, written })
            }
            None => Ok(OwnFile { metadata: Metadata::directory(), word: Word::Implied, written }),
        }
    }

    fn write(&mut self, at: EntryPath, own: OwnFile) -> Result<EntryPath, PlaceError> {
        let OwnFile { metadata, word, written } = own;
        let entry = Entry { path: at.clone(), metadata, kind: EntryKind::Directory };
        let directory = PlacedDirectory { entry, word, written };
        match self.out.entry(at.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(directory);
            }
            Slot::Occupied(mut slot) => {
                let there = slot.get();
                if word > there.word {
                    slot.insert(directory);
                } else if word == Word::Layer && there.entry.metadata != directory.entry.metadata {
                    let written = [there.written.clone(), directory.written];
                    return Err(PlaceError::Contested { path: at, written });
                }
            }
        }
        Ok(at)
    }

    /// Whether `entry`, which is no directory, would take the place of one with all that is in it. A file would also hide
    /// one that a link leads to.
    fn check_place(&mut self, entry: &Entry, written: Option<&EntryPath>) -> Result<(), PlaceError> {
        let is_link = matches!(entry.kind, EntryKind::Symlink(_));
        let is_directory = match self.lookup(&entry.path)? {
            Some(BaseNode::Directory { .. }) => true,
            Some(BaseNode::Symlink(_)) if !is_link => self.leads_to_directory(&entry.path)?,
            _ => false,
        };
        if !is_directory {
            return Ok(());
        }
        Err(PlaceError::ReplacesDirectory {
            path: written.unwrap_or(&entry.path).clone(),
            holder: self.base.holder(&entry.path),
            with: if is_link { "a link" } else { "a file" },
        })
    }

    /// Whether a directory is at the end of the links at `path`.
    fn leads_to_directory(&mut self, path: &EntryPath) -> Result<bool, PlaceError> {
        let parts = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()
        };
        let (mut at, mut rest, mut links) = (None::<EntryPath>, VecDeque::from(parts(path.as_bytes())), 0);
        while let Some(part) = rest.pop_front() {
            if matches!(&part[..], b"" | b".") {
                continue;
            }
            if part == b".." {
                at = at.and_then(|at| at.parent());
                continue;
            }
            let next = at.as_ref().map_or_else(|| EntryPath::new(&part), |at| at.join(&part))?;
            match self.lookup(&next)? {
                Some(BaseNode::Directory { .. }) => at = Some(next),
                Some(BaseNode::Symlink(target)) if links < MAX_LINKS => {
                    links += 1;
                    if target.starts_with(b"/") {
                        at = None;
                    }
                    parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Where a link at `at` points, within the image.
fn resolve(at: &EntryPath, target: &[u8]) -> Result<EntryPath, &'static str> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let parent = at.parent();
    if !target.starts_with(b"/")
        && let Some(parent) = &parent
    {
        parts.extend(parent.as_bytes().split(|byte| *byte == b'/'));
    }
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            // Above the root is the root.
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    EntryPath::new(&parts.join(&b'/')).map_err(|_| "it points to the root")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bases::{FileFacts, Stack};
    use crate::layer::LayerSpec;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).expect("path")
    }

    struct Tree(Vec<(&'static str, BaseNode)>, usize);

    impl FileTree for Tree {
        fn lookup(&mut self, wanted: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
            self.1 += 1;
            Ok(self.0.iter().find(|(name, _)| path(name) == *wanted).map(|(_, node)| node.clone()))
        }
    }

    fn debian() -> Tree {
        let directory = |mode| BaseNode::Directory { mode, uid: 0, gid: 0 };
        Tree(
            vec![
                ("bin", BaseNode::Symlink(b"usr/bin".to_vec())),
                ("usr", directory(0o755)),
                ("usr/bin", directory(0o755)),
                ("tmp", directory(0o1777)),
                ("var", directory(0o755)),
                ("var/www", BaseNode::Symlink(b"/srv/../srv/www".to_vec())),
                ("srv", directory(0o711)),
                ("loop", BaseNode::Symlink(b"loop".to_vec())),
                ("etc", directory(0o755)),
                ("etc/passwd", BaseNode::File(FileFacts::default())),
            ],
            0,
        )
    }

    fn file(text: &str) -> Entry {
        Entry::bytes(path(text), Metadata::file(false), b"x")
    }

    fn never(_: &EntryPath) -> bool {
        false
    }

    fn placed(entries: Vec<Entry>, owned: &str) -> Vec<(String, u32)> {
        let root = path(owned);
        let mut all: Vec<(String, u32)> =
            place(entries, |path| path.starts_with(&root), never, &mut debian())
                .expect("placed")
                .iter()
                .map(|entry| (entry.path.to_string(), entry.metadata.mode))
                .collect();
        all.sort();
        all
    }

    #[test]
    fn ancestors_have_the_bases_mode() {
        let entries = vec![Entry::directory(path("tmp/app")), file("tmp/app/x")];
        let expected = [("/tmp", 0o1777), ("/tmp/app", 0o755), ("/tmp/app/x", 0o644)];
        assert_eq!(placed(entries, "tmp/app"), expected.map(|(path, mode)| (path.to_owned(), mode)));
    }

    #[test]
    fn links_of_the_base_are_followed() {
        let expected = [("/usr", 0o755), ("/usr/bin", 0o755), ("/usr/bin/x", 0o644)];
        assert_eq!(placed(vec![file("bin/x")], "none"), expected.map(|(path, mode)| (path.to_owned(), mode)));
        let expected = [
            ("/srv", 0o711),
            ("/srv/www", 0o755),
            ("/srv/www/a", 0o755),
            ("/srv/www/a/x", 0o644),
            ("/var", 0o755),
        ];
        assert_eq!(
            placed(vec![file("var/www/a/x")], "none"),
            expected.map(|(path, mode)| (path.to_owned(), mode))
        );
    }

    #[test]
    fn a_tree_at_the_root_does_not_override_the_base() {
        let entries =
            vec![Entry::directory(path("tmp")), Entry::directory(path("bin")), file("bin/x"), file("tmp/y")];
        let found = placed(entries, "none");
        assert!(found.contains(&("/tmp".to_owned(), 0o1777)), "{found:?}");
        assert!(found.contains(&("/usr/bin/x".to_owned(), 0o644)), "{found:?}");
        assert!(!found.iter().any(|(path, _)| path == "/bin"), "{found:?}");
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let below = place(vec![file("etc/passwd/x")], never, never, &mut debian()).expect_err("file");
        assert_eq!(
            below.to_string(),
            "/etc/passwd is a file in the base, and /etc/passwd/x must go below it"
        );
        assert!(place(vec![file("loop/x")], never, never, &mut debian()).is_err());
    }

    #[test]
    fn a_path_is_asked_for_once() {
        let mut tree = debian();
        let entries = (0..50).map(|i| file(&format!("tmp/f{i}"))).collect();
        place(entries, never, never, &mut tree).expect("placed");
        assert_eq!(tree.1, 1);
    }

    fn directory(text: &str, mode: u32) -> Entry {
        Entry { metadata: Metadata::with_mode(mode), ..Entry::directory(path(text)) }
    }

    fn owned(entries: Vec<Entry>, owned: &[&str]) -> Result<Vec<(String, u32)>, PlaceError> {
        let is_owned = |asked: &EntryPath| owned.iter().any(|own| asked.starts_with(&path(own)));
        let placed = place(entries, is_owned, |_| true, &mut debian())?;
        let mut all: Vec<(String, u32)> =
            placed.iter().map(|entry| (entry.path.to_string(), entry.metadata.mode)).collect();
        all.sort();
        Ok(all)
    }

    #[test]
    fn what_a_layer_owns_goes_where_the_links_of_the_base_lead() {
        let entries = vec![directory("bin", 0o700), file("bin/x"), directory("bin/sub", 0o750)];
        let expected = [("/usr", 0o755), ("/usr/bin", 0o700), ("/usr/bin/sub", 0o750), ("/usr/bin/x", 0o644)];
        assert_eq!(
            owned(entries, &["bin"]).expect("placed"),
            expected.map(|(path, mode)| (path.to_owned(), mode))
        );
        // Of two names of one directory, only one is the layer's.
        for entries in [
            vec![directory("usr/bin", 0o700), file("bin/x")],
            vec![file("bin/x"), directory("usr/bin", 0o700)],
        ] {
            let all = owned(entries, &["usr/bin"]).expect("placed");
            assert!(all.contains(&("/usr/bin".to_owned(), 0o700)), "{all:?}");
        }
    }

    #[test]
    fn a_directory_in_the_place_of_a_file_is_refused() {
        let error = owned(vec![directory("etc/passwd", 0o755)], &["etc/passwd"]).expect_err("a file");
        assert_eq!(error.to_string(), "/etc/passwd is a file in the base, and must be a directory");
        assert_eq!(error.paths(), [&path("etc/passwd")]);
        owned(vec![directory("loop", 0o755)], &["loop"]).expect_err("a link that leads nowhere");
    }

    #[test]
    fn a_file_or_link_in_the_place_of_a_directory_is_refused() {
        for text in ["usr", "usr/bin", "bin"] {
            let error = owned(vec![file(text)], &[]).expect_err(text);
            assert_eq!(error.paths(), [&path(text)], "{error}");
            assert!(matches!(error, PlaceError::ReplacesDirectory { with: "a file", .. }), "{error}");
        }
        let link = |text| Entry { kind: EntryKind::Symlink(b"x".to_vec()), ..file(text) };
        owned(vec![link("usr")], &[]).expect_err("a directory with all that is in it");
        // A link in the place of a link removes nothing, and neither does a file in the place of a link.
        for entry in
            [link("bin"), file("loop"), file("var/www"), file("etc/passwd"), file("usr/new"), link("var/new")]
        {
            owned(vec![entry], &[]).expect("placed");
        }
    }

    #[test]
    fn two_entries_that_links_of_the_base_make_one_are_refused() {
        let both = || [path("bin/x"), path("usr/bin/x")];
        for entries in [vec![file("bin/x"), file("usr/bin/x")], vec![file("usr/bin/x"), file("bin/x")]] {
            let error = owned(entries, &[]).expect_err("twice");
            assert!(
                matches!(&error, PlaceError::Twice { written, .. } if both().iter().all(|path| written.contains(path))),
                "{error}"
            );
        }
        let entries = vec![file("bin/x"), directory("usr/bin/x", 0o755)];
        assert!(matches!(owned(entries, &["usr/bin/x"]), Err(PlaceError::Twice { .. })));
        let entries = vec![directory("bin", 0o700), directory("usr/bin", 0o755)];
        assert!(matches!(owned(entries, &["bin", "usr/bin"]), Err(PlaceError::Contested { .. })));
        let entries = vec![directory("bin", 0o700), directory("usr/bin", 0o700)];
        owned(entries, &["bin", "usr/bin"]).expect("they say the same");
    }

    #[test]
    fn a_directory_of_two_owners_is_refused_unless_the_base_decides() {
        let both = |text| vec![directory(text, 0o700), directory(text, 0o755)];
        assert!(matches!(owned(both("opt"), &[]), Err(PlaceError::Contested { .. })));
        assert!(matches!(owned(both("srv"), &["srv"]), Err(PlaceError::Contested { .. })));
        assert_eq!(owned(both("srv"), &[]).expect("as the base has it"), [("/srv".to_owned(), 0o711)]);
    }

    #[test]
    fn layers_of_ours_are_below_as_the_base_is() {
        let ours = vec![
            Entry { metadata: Metadata { uid: 7, ..Metadata::with_mode(0o750) }, ..directory("data", 0) },
            Entry { kind: EntryKind::Symlink(b"/data".to_vec()), ..file("link") },
            file("taken"),
        ];
        let layers = [LayerSpec::new("ours", ours).expect("a layer")];
        let on = |entries| {
            let mut base = debian();
            place(entries, never, never, &mut Stack { base: &mut base, layers: &layers })
        };
        let placed = on(vec![file("link/x"), file("tmp/y")]).expect("placed");
        let data = placed.iter().find(|entry| entry.path == path("data")).expect("the directory");
        assert_eq!((data.metadata.uid, data.metadata.mode), (7, 0o750));
        assert!(placed.iter().any(|entry| entry.path == path("data/x")));
        assert!(placed.iter().any(|entry| entry.path == path("tmp") && entry.metadata.mode == 0o1777));
        let error = on(vec![file("taken/x")]).expect_err("a file");
        assert_eq!(error.to_string(), "/taken is a file in the layer `ours`, and /taken/x must go below it");
    }
}
