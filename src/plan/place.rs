//! Placing entries on a base: ancestors get the base's own mode and owner, links are followed.
//!
//! A layer that leaves out a parent directory lets the unpacker invent one, and a layer that invents one
//! itself hides the base's: tried with podman 4.3 and Docker 20.10, `/tmp` lost its 1777. So every ancestor
//! that a layer does not own is written with what the base has there, and where the base has a symbolic
//! link (`/bin` on a merged-usr Debian) the entries go to where it points.

use std::collections::BTreeMap;

use crate::layer::{Entry, EntryKind, EntryPath, EntryPathError, Metadata, Node};

/// The kernel gives up after 40 links, and so do we.
const MAX_LINKS: usize = 40;

/// The base's tree, asked for one path at a time. `None`: the base has nothing there.
pub trait BaseTree {
    /// What kind of error a lookup can have.
    type Error;

    /// What the base has at `path`, whose ancestors are directories, not links.
    ///
    /// # Errors
    /// When the base cannot be read.
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<Node>, Self::Error>;
}

/// A base without anything: scratch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl BaseTree for Empty {
    type Error = std::convert::Infallible;

    fn lookup(&mut self, _: &EntryPath) -> Result<Option<Node>, Self::Error> {
        Ok(None)
    }
}

/// Where a directory of the base really is, links followed; `None` when the base has none there.
///
/// # Errors
/// When the base cannot be read.
pub fn real_directory<B: BaseTree>(path: &EntryPath, base: &mut B) -> Result<Option<EntryPath>, B::Error> {
    let mut placer = Placer {
        base,
        declared: BTreeMap::new(),
        owned: &|_: &EntryPath| false,
        real: BTreeMap::new(),
        out: BTreeMap::new(),
    };
    match placer.directory(path, path, 0) {
        Ok(real) => Ok(Some(real)),
        Err(PlaceError::Base(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Why entries cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError<E> {
    /// The base cannot be read.
    #[error(transparent)]
    Base(E),
    /// The base has a file where a directory is needed.
    #[error("{0} is a file in the base, and {1} is to go below it")]
    NotADirectory(EntryPath, EntryPath),
    /// Links that lead around or out.
    #[error("{0} in the base is a link that leads nowhere: {1}")]
    Link(EntryPath, &'static str),
    /// Entries with one path become the same path behind a link.
    #[error(transparent)]
    Path(#[from] EntryPathError),
}

/// Places `entries` and adds the ancestors that they need. `owned` decides whether a directory is the
/// layer's own, to be written as it is; any other is written as the base has it.
///
/// # Errors
/// When the base cannot be read, or has something in the way.
pub fn place<B: BaseTree>(
    mut entries: Vec<Entry>,
    owned: impl Fn(&EntryPath) -> bool,
    base: &mut B,
) -> Result<Vec<Entry>, PlaceError<B::Error>> {
    let declared: BTreeMap<EntryPath, Metadata> = entries
        .iter()
        .filter(|entry| entry.is_directory())
        .map(|entry| (entry.path.clone(), entry.metadata.clone()))
        .collect();
    let mut placer = Placer { base, declared, owned: &owned, real: BTreeMap::new(), out: BTreeMap::new() };
    // The directory, with its slash, of the entry before, where that is no link of the base's: most entries lie beside it.
    let mut plain: Vec<u8> = Vec::new();
    let mut place = |entry: &mut Entry| {
        if entry.is_directory() {
            return placer.directory(&entry.path, &entry.path, 0).map(drop);
        }
        if let EntryKind::Hardlink(target) = &entry.kind {
            entry.kind = EntryKind::Hardlink(placer.below_real_parent(target)?);
        }
        if plain.is_empty() || entry.path.directory() != plain {
            let real = placer.below_real_parent(&entry.path)?;
            plain.clear();
            if real == entry.path {
                plain.extend_from_slice(entry.path.directory());
            }
            entry.path = real;
        }
        Ok(())
    };
    entries.iter_mut().try_for_each(&mut place)?;
    entries.retain(|entry| !entry.is_directory());
    entries.extend(placer.out.into_values());
    Ok(entries)
}

struct Placer<'a, B, F> {
    base: &'a mut B,
    declared: BTreeMap<EntryPath, Metadata>,
    owned: &'a F,
    /// Directories as written → as they are behind the base's links.
    real: BTreeMap<EntryPath, EntryPath>,
    /// Directories to write, by real path.
    out: BTreeMap<EntryPath, Entry>,
}

impl<B: BaseTree, F: Fn(&EntryPath) -> bool> Placer<'_, B, F> {
    fn below_real_parent(&mut self, path: &EntryPath) -> Result<EntryPath, PlaceError<B::Error>> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        let real = self.directory(&parent, path, 0)?;
        Ok(real.join(path.file_name())?)
    }

    /// Makes sure that the directory will exist; returns where it really is.
    fn directory(
        &mut self,
        path: &EntryPath,
        for_entry: &EntryPath,
        links: usize,
    ) -> Result<EntryPath, PlaceError<B::Error>> {
        if let Some(real) = self.real.get(path) {
            return Ok(real.clone());
        }
        let at = match path.parent() {
            Some(parent) => self.directory(&parent, for_entry, links)?.join(path.file_name())?,
            None => path.clone(),
        };
        let real = if (self.owned)(path) {
            self.write(&at, self.declared.get(path).cloned().unwrap_or(Metadata::directory()));
            at
        } else {
            self.borrowed(path, at, for_entry, links)?
        };
        self.real.insert(path.clone(), real.clone());
        Ok(real)
    }

    fn borrowed(
        &mut self,
        path: &EntryPath,
        at: EntryPath,
        for_entry: &EntryPath,
        links: usize,
    ) -> Result<EntryPath, PlaceError<B::Error>> {
        match self.base.lookup(&at).map_err(PlaceError::Base)? {
            Some(Node::Directory { mode, uid, gid }) => {
                self.write(&at, Metadata { mode, uid, gid, ..Metadata::directory() });
                Ok(at)
            }
            Some(Node::Symlink(target)) => {
                if links >= MAX_LINKS {
                    return Err(PlaceError::Link(at, "too many links"));
                }
                let target = resolve(&at, &target).map_err(|why| PlaceError::Link(at, why))?;
                self.directory(&target, for_entry, links + 1)
            }
            Some(Node::File) => Err(PlaceError::NotADirectory(at, for_entry.clone())),
            None => {
                self.write(&at, self.declared.get(path).cloned().unwrap_or(Metadata::directory()));
                Ok(at)
            }
        }
    }

    fn write(&mut self, at: &EntryPath, metadata: Metadata) {
        let entry = Entry { path: at.clone(), metadata, kind: EntryKind::Directory };
        self.out.entry(at.clone()).or_insert(entry);
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
    use std::convert::Infallible;

    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).expect("path")
    }

    struct Tree(Vec<(&'static str, Node)>, usize);

    impl BaseTree for Tree {
        type Error = Infallible;
        fn lookup(&mut self, wanted: &EntryPath) -> Result<Option<Node>, Infallible> {
            self.1 += 1;
            Ok(self.0.iter().find(|(name, _)| path(name) == *wanted).map(|(_, node)| node.clone()))
        }
    }

    fn debian() -> Tree {
        let directory = |mode| Node::Directory { mode, uid: 0, gid: 0 };
        Tree(
            vec![
                ("bin", Node::Symlink(b"usr/bin".to_vec())),
                ("usr", directory(0o755)),
                ("usr/bin", directory(0o755)),
                ("tmp", directory(0o1777)),
                ("var", directory(0o755)),
                ("var/www", Node::Symlink(b"/srv/../srv/www".to_vec())),
                ("srv", directory(0o711)),
                ("loop", Node::Symlink(b"loop".to_vec())),
                ("etc", directory(0o755)),
                ("etc/passwd", Node::File),
            ],
            0,
        )
    }

    fn file(text: &str) -> Entry {
        Entry::bytes(path(text), Metadata::file(false), b"x")
    }

    fn placed(entries: Vec<Entry>, owned: &str) -> Vec<(String, u32)> {
        let root = path(owned);
        let mut all: Vec<(String, u32)> = place(entries, |path| path.starts_with(&root), &mut debian())
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
        let never = |_: &EntryPath| false;
        let below = place(vec![file("etc/passwd/x")], never, &mut debian()).expect_err("file");
        assert_eq!(
            below.to_string(),
            "/etc/passwd is a file in the base, and /etc/passwd/x is to go below it"
        );
        assert!(place(vec![file("loop/x")], never, &mut debian()).is_err());
    }

    #[test]
    fn a_path_is_asked_for_once() {
        let mut tree = debian();
        let entries = (0..50).map(|i| file(&format!("tmp/f{i}"))).collect();
        place(entries, |_| false, &mut tree).expect("placed");
        assert_eq!(tree.1, 1);
    }
}
