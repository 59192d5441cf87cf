//! One view of files: those of a base, and of the planned layers on it.
//!
//! A tree is asked in two ways. [`FileTree::lookup`] is for what decides bytes, such as the mode of a directory: it
//! reads whatever it must. [`FileTree::peek`] is for checks: it answers [`BaseAnswer::Unknown`] where only a layer could tell
//! that nothing else needs.

use std::collections::{BTreeSet, VecDeque};

use super::classes;
use super::content;
use super::index::{BaseNode, FileFacts, owner_of};
use super::seen::BaseAnswer;
use crate::formats::elf::Dynamic;
use crate::layer::{Account, AccountFile, AccountKind, Entry, EntryKind, EntryPath, LayerSpec, Metadata};
use crate::project::lock::SystemFacts;
use crate::types::error::BoxedError;

/// The kernel follows at most 40 links, and so does this code.
const MAX_LINKS: usize = 40;

/// Files, asked for one path at a time.
pub trait FileTree {
    /// The node at `path`, whose ancestors are directories, not links; `None` for nothing.
    ///
    /// # Errors
    /// When a layer cannot be read.
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError>;

    /// The same, without reading what nothing else needs. A directory that has no entry of its own is there, if
    /// something is below it.
    ///
    /// # Errors
    /// When a layer cannot be read.
    fn peek(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        Ok(self.lookup(path)?.map_or(BaseAnswer::Nothing, BaseAnswer::Here))
    }

    /// The dynamic section of the program or library at `path`, at the end of all links; nothing for another file.
    ///
    /// # Errors
    /// When a layer or file cannot be read.
    fn dynamic(&mut self, _path: &EntryPath) -> Result<BaseAnswer<Dynamic>, BoxedError> {
        Ok(BaseAnswer::Unknown)
    }

    /// The versions of symbols that the library at `path` defines, at the end of all links.
    ///
    /// # Errors
    /// When a layer or file cannot be read.
    fn versions(&mut self, path: &EntryPath) -> Result<BaseAnswer<BTreeSet<String>>, BoxedError> {
        Ok(match self.dynamic(path)? {
            BaseAnswer::Here(dynamic) => defined_by(dynamic),
            BaseAnswer::Nothing => BaseAnswer::Nothing,
            BaseAnswer::Unknown => BaseAnswer::Unknown,
        })
    }

    /// The file of users or groups for what decides bytes: it is read whatever that takes; `None` where there is no
    /// such file.
    ///
    /// # Errors
    /// When a layer cannot be read, or a file is none that can be read.
    fn account_file(&mut self, _kind: AccountKind) -> Result<Option<AccountFile>, BoxedError> {
        Ok(None)
    }

    /// The file of users or groups for a check; nothing where there is no such file.
    ///
    /// # Errors
    /// When a layer cannot be read.
    fn accounts(&mut self, _kind: AccountKind) -> Result<BaseAnswer<AccountFile>, BoxedError> {
        Ok(BaseAnswer::Unknown)
    }

    /// Whether a user or group is listed.
    ///
    /// # Errors
    /// When a layer cannot be read.
    fn has_account(&mut self, account: &Account) -> Result<BaseAnswer<()>, BoxedError> {
        Ok(match self.accounts(account.kind)? {
            BaseAnswer::Here(names) if names.contains(&account.name) => BaseAnswer::Here(()),
            BaseAnswer::Here(_) | BaseAnswer::Nothing => BaseAnswer::Nothing,
            BaseAnswer::Unknown => BaseAnswer::Unknown,
        })
    }

    /// The facts that follow from all layers of the base; `None` if not all of them are known.
    ///
    /// # Errors
    /// When a layer cannot be read.
    fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        Ok(None)
    }

    /// Whether a planned layer has what is at `path`.
    fn is_ours(&self, _path: &EntryPath) -> bool {
        false
    }

    /// The directories that planned layers add to the loader's configuration.
    ///
    /// # Errors
    /// When a file of them cannot be read.
    fn own_loader_directories(&self) -> Result<Vec<String>, BoxedError> {
        Ok(Vec::new())
    }

    /// The first bytes of the file at `path`, where a planned layer has it and they are at hand.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn head(&self, _path: &EntryPath) -> Result<Option<Vec<u8>>, BoxedError> {
        Ok(None)
    }

    /// The paths of planned layers whose file name is `name` with more numbers: `libshop.so.1.2` for `libshop.so.1`.
    fn own_files_like(&self, _name: &str) -> Vec<EntryPath> {
        Vec::new()
    }

    /// The whole file at `path`, where a planned layer has it and it is no longer than a document of a package.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn own_text(&self, _path: &EntryPath) -> Result<Option<Vec<u8>>, BoxedError> {
        Ok(None)
    }

    /// The files of planned layers with this name that some user may execute.
    fn own_programs(&self, _name: &str) -> Vec<EntryPath> {
        Vec::new()
    }

    /// The files and links that planned layers have in a directory, without those in directories below it.
    fn own_files_in(&self, _directory: &EntryPath) -> Vec<EntryPath> {
        Vec::new()
    }

    /// The answer of [`FileTree::peek`] without the planned layers.
    ///
    /// # Errors
    /// When a layer cannot be read.
    fn peek_base(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        self.peek(path)
    }

    /// Whether the jar at `jar` has the class in `file`, as far as its bytes are at hand.
    ///
    /// # Errors
    /// When the jar cannot be read.
    fn has_class(&mut self, _jar: &EntryPath, _file: &[u8]) -> Result<BaseAnswer<()>, BoxedError> {
        Ok(BaseAnswer::Unknown)
    }

    /// The volume of the image that `path` lies in.
    fn volume(&self, _path: &str) -> Option<String> {
        None
    }

    /// The owner of the node at `path`, for messages.
    fn holder(&self, _path: &EntryPath) -> String {
        "the base".to_owned()
    }
}

/// The versions of symbols that a file defines, where its bytes tell.
pub(super) fn defined_by(dynamic: Dynamic) -> BaseAnswer<BTreeSet<String>> {
    dynamic.versions.map_or(BaseAnswer::Unknown, |versions| BaseAnswer::Here(versions.defined))
}

/// A base without anything: scratch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl FileTree for Empty {
    fn lookup(&mut self, _: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        Ok(None)
    }

    fn accounts(&mut self, _: AccountKind) -> Result<BaseAnswer<AccountFile>, BoxedError> {
        Ok(BaseAnswer::Nothing)
    }

    fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        Ok(Some(SystemFacts::default()))
    }
}

/// A base with layers of ours on it.
pub struct Stack<'a, B> {
    /// The base.
    pub base: &'a mut B,
    /// The layers, bottom first.
    pub layers: &'a [LayerSpec],
}

impl<B> Stack<'_, B> {
    /// The entry of ours at `path`.
    #[must_use]
    pub fn ours(&self, path: &EntryPath) -> Option<(&LayerSpec, &Entry)> {
        self.layers.iter().rev().find_map(|layer| Some((layer, layer.get(path)?)))
    }

    /// Whether a layer of ours removes what the base has at `path`.
    fn is_removed(&self, path: &EntryPath) -> bool {
        let marker = EntryPath::new(&[path.directory(), b".wh.", path.file_name()].concat());
        marker.is_ok_and(|marker| self.ours(&marker).is_some())
    }
}

fn node_of(entry: &Entry) -> BaseNode {
    let Metadata { mode, uid, gid, .. } = entry.metadata;
    match &entry.kind {
        EntryKind::Directory => BaseNode::Directory { mode, uid, gid },
        EntryKind::Symlink(target) => BaseNode::Symlink(target.clone()),
        _ => BaseNode::File(FileFacts {
            mode: Some(mode),
            size: Some(entry.payload_size()),
            machine: None,
            owner: owner_of(uid, gid),
        }),
    }
}

impl<B: FileTree> FileTree for Stack<'_, B> {
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        match self.ours(path) {
            Some((_, entry)) => Ok(Some(node_of(entry))),
            None => self.base.lookup(path),
        }
    }

    fn peek(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        match self.ours(path) {
            Some((_, entry)) => Ok(BaseAnswer::Here(match node_of(entry) {
                BaseNode::File(facts) => {
                    BaseNode::File(FileFacts { machine: content::machine(entry)?, ..facts })
                }
                node => node,
            })),
            None if self.is_removed(path) => Ok(BaseAnswer::Nothing),
            None => self.base.peek(path),
        }
    }

    fn dynamic(&mut self, path: &EntryPath) -> Result<BaseAnswer<Dynamic>, BoxedError> {
        match self.ours(path) {
            Some((_, entry)) => content::dynamic(entry),
            None if self.is_removed(path) => Ok(BaseAnswer::Nothing),
            None => self.base.dynamic(path),
        }
    }

    fn versions(&mut self, path: &EntryPath) -> Result<BaseAnswer<BTreeSet<String>>, BoxedError> {
        Ok(match self.ours(path) {
            Some((_, entry)) => match content::dynamic(entry)? {
                BaseAnswer::Here(dynamic) => defined_by(dynamic),
                BaseAnswer::Nothing => BaseAnswer::Nothing,
                BaseAnswer::Unknown => BaseAnswer::Unknown,
            },
            None if self.is_removed(path) => BaseAnswer::Nothing,
            None => self.base.versions(path)?,
        })
    }

    fn accounts(&mut self, kind: AccountKind) -> Result<BaseAnswer<AccountFile>, BoxedError> {
        let Ok(path) = EntryPath::new(kind.file().as_bytes()) else { return Ok(BaseAnswer::Nothing) };
        match self.ours(&path) {
            Some((_, entry)) => content::accounts(entry),
            None => self.base.accounts(kind),
        }
    }

    fn has_account(&mut self, account: &Account) -> Result<BaseAnswer<()>, BoxedError> {
        let path = EntryPath::new(account.kind.file().as_bytes()).ok();
        let ours = path.and_then(|path| self.ours(&path).map(|(_, entry)| content::accounts(entry)));
        match ours.transpose()? {
            Some(BaseAnswer::Here(names)) if names.contains(&account.name) => Ok(BaseAnswer::Here(())),
            Some(BaseAnswer::Unknown) => Ok(BaseAnswer::Unknown),
            Some(_) => Ok(BaseAnswer::Nothing),
            None => self.base.has_account(account),
        }
    }

    fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        self.base.system()
    }

    fn is_ours(&self, path: &EntryPath) -> bool {
        self.ours(path).is_some()
    }

    fn own_loader_directories(&self) -> Result<Vec<String>, BoxedError> {
        let entries = self.layers.iter().flat_map(LayerSpec::entries);
        let mut directories = Vec::new();
        for entry in entries.filter(|entry| entry.path.as_bytes().starts_with(b"etc/ld.so.conf")) {
            directories.extend(content::loader_directories(entry)?);
        }
        Ok(directories)
    }

    fn own_files_like(&self, name: &str) -> Vec<EntryPath> {
        let is_like = |path: &EntryPath| {
            let rest = path.file_name().strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"."))
        };
        let entries = self.layers.iter().flat_map(LayerSpec::entries);
        entries.filter(|entry| is_like(&entry.path)).map(|entry| entry.path.clone()).collect()
    }

    fn head(&self, path: &EntryPath) -> Result<Option<Vec<u8>>, BoxedError> {
        self.ours(path).map_or(Ok(None), |(_, entry)| content::head(entry))
    }

    fn own_text(&self, path: &EntryPath) -> Result<Option<Vec<u8>>, BoxedError> {
        self.ours(path).map_or(Ok(None), |(_, entry)| content::text(entry))
    }

    fn own_programs(&self, name: &str) -> Vec<EntryPath> {
        let entries = self.layers.iter().flat_map(LayerSpec::entries);
        let is_program = |entry: &&Entry| {
            entry.path.file_name() == name.as_bytes()
                && match entry.kind {
                    EntryKind::File(_) | EntryKind::Hardlink(_) => entry.metadata.mode & 0o111 != 0,
                    EntryKind::Symlink(_) => true,
                    _ => false,
                }
        };
        entries.filter(is_program).map(|entry| entry.path.clone()).collect()
    }

    fn own_files_in(&self, directory: &EntryPath) -> Vec<EntryPath> {
        let entries = self.layers.iter().flat_map(|layer| layer.below(directory));
        let is_child = |entry: &&Entry| {
            !entry.is_directory() && entry.path.directory().len() == directory.as_bytes().len() + 1
        };
        entries.filter(is_child).map(|entry| entry.path.clone()).collect()
    }

    fn peek_base(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        self.base.peek(path)
    }

    fn has_class(&mut self, jar: &EntryPath, file: &[u8]) -> Result<BaseAnswer<()>, BoxedError> {
        match self.ours(jar) {
            Some((layer, entry)) => match &entry.kind {
                EntryKind::Hardlink(of) => {
                    layer.get(of).map_or(Ok(BaseAnswer::Unknown), |of| classes::has_class(of, file))
                }
                _ => classes::has_class(entry, file),
            },
            None => Ok(BaseAnswer::Unknown),
        }
    }

    fn holder(&self, path: &EntryPath) -> String {
        self.ours(path)
            .map_or_else(|| self.base.holder(path), |(layer, _)| format!("the layer `{}`", layer.name()))
    }
}

/// The node at the end of all links of `path`, and its path; nothing for the root.
///
/// # Errors
/// When a layer cannot be read.
pub fn follow<T: FileTree>(
    tree: &mut T,
    path: &[u8],
) -> Result<BaseAnswer<(EntryPath, BaseNode)>, BoxedError> {
    follow_through(tree, path, |_, _| {})
}

/// The same, which shows `pass` each directory that lies on the way.
///
/// # Errors
/// When a layer cannot be read.
pub fn follow_through<T: FileTree>(
    tree: &mut T,
    path: &[u8],
    pass: impl FnMut(&EntryPath, &BaseNode),
) -> Result<BaseAnswer<(EntryPath, BaseNode)>, BoxedError> {
    Ok(match walk(tree, path, pass)? {
        BaseAnswer::Here(Some(node)) => BaseAnswer::Here(node),
        BaseAnswer::Here(None) | BaseAnswer::Nothing => BaseAnswer::Nothing,
        BaseAnswer::Unknown => BaseAnswer::Unknown,
    })
}

/// Whether a directory is at the end of all links of `path`; the root is one.
///
/// # Errors
/// When a layer cannot be read.
pub fn follow_directory<T: FileTree>(tree: &mut T, path: &[u8]) -> Result<BaseAnswer<()>, BoxedError> {
    Ok(match walk(tree, path, |_, _| {})? {
        BaseAnswer::Here(None | Some((_, BaseNode::Directory { .. }))) => BaseAnswer::Here(()),
        BaseAnswer::Here(Some(_)) | BaseAnswer::Nothing => BaseAnswer::Nothing,
        BaseAnswer::Unknown => BaseAnswer::Unknown,
    })
}

/// A node with its path; `None` for the root.
type WalkEnd = Option<(EntryPath, BaseNode)>;

fn walk<T: FileTree>(
    tree: &mut T,
    path: &[u8],
    mut pass: impl FnMut(&EntryPath, &BaseNode),
) -> Result<BaseAnswer<WalkEnd>, BoxedError> {
    let parts =
        |bytes: &[u8]| -> Vec<Vec<u8>> { bytes.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect() };
    let mut at: Option<(EntryPath, BaseNode)> = None;
    let (mut rest, mut links) = (VecDeque::from(parts(path)), 0);
    while let Some(part) = rest.pop_front() {
        match &part[..] {
            b"" | b"." => continue,
            b".." => {
                if at.as_ref().is_some_and(|(_, node)| !matches!(node, BaseNode::Directory { .. })) {
                    return Ok(BaseAnswer::Nothing);
                }
                // Above the root is the root. Every path that was passed on the way here is a directory.
                at = at.and_then(|(path, _)| path.parent()).map(|path| (path, directory()));
                continue;
            }
            _ => {}
        }
        let next = match &at {
            None => EntryPath::new(&part),
            Some((path, node @ BaseNode::Directory { .. })) => {
                pass(path, node);
                path.join(&part)
            }
            Some(_) => return Ok(BaseAnswer::Nothing),
        };
        let Ok(next) = next else { return Ok(BaseAnswer::Nothing) };
        match tree.peek(&next)? {
            BaseAnswer::Here(BaseNode::Symlink(target)) if links < MAX_LINKS => {
                links += 1;
                if target.starts_with(b"/") {
                    at = None;
                }
                parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
            }
            BaseAnswer::Here(BaseNode::Symlink(_)) | BaseAnswer::Nothing => return Ok(BaseAnswer::Nothing),
            BaseAnswer::Here(node) => at = Some((next, node)),
            BaseAnswer::Unknown => return Ok(BaseAnswer::Unknown),
        }
    }
    Ok(BaseAnswer::Here(at))
}

/// A directory that no layer has an entry for: runtimes make it so where a file is below.
pub(super) const fn directory() -> BaseNode {
    BaseNode::Directory { mode: 0o755, uid: 0, gid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(Vec<(&'static str, BaseAnswer<BaseNode>)>);

    impl FileTree for Files {
        fn lookup(&mut self, _: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
            Err(BoxedError::from(crate::bases::BaseError::Offline("a check only peeks".to_owned())))
        }

        fn peek(&mut self, wanted: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
            let found = self.0.iter().find(|(name, _)| name.as_bytes() == wanted.as_bytes());
            Ok(found.map_or(BaseAnswer::Nothing, |(_, seen)| seen.clone()))
        }
    }

    fn link(target: &str) -> BaseAnswer<BaseNode> {
        BaseAnswer::Here(BaseNode::Symlink(target.as_bytes().to_vec()))
    }

    fn file() -> BaseAnswer<BaseNode> {
        BaseAnswer::Here(BaseNode::File(FileFacts::default()))
    }

    #[test]
    fn links_are_followed_to_the_end() {
        let mut files = Files(vec![
            ("lib", link("usr/lib")),
            ("usr", BaseAnswer::Here(directory())),
            ("usr/lib", BaseAnswer::Here(directory())),
            ("usr/lib/libfoo.so", link("../lib/libfoo.so.1")),
            ("usr/lib/libfoo.so.1", file()),
            ("around", link("/around")),
            ("dangling", link("/nowhere")),
            ("far", BaseAnswer::Unknown),
        ]);
        let mut end = |path: &str| match follow(&mut files, path.as_bytes()).expect("answered") {
            BaseAnswer::Here((path, _)) => path.to_string(),
            BaseAnswer::Nothing => "nothing".to_owned(),
            BaseAnswer::Unknown => "unknown".to_owned(),
        };
        assert_eq!(end("/lib/libfoo.so"), "/usr/lib/libfoo.so.1");
        assert_eq!(end("/lib/../lib"), "/usr/lib");
        for nothing in ["/around", "/dangling", "/usr/lib/libfoo.so.1/x", "/usr/bin", "/"] {
            assert_eq!(end(nothing), "nothing", "{nothing}");
        }
        assert_eq!(end("/far/below"), "unknown");
        let mut is_directory = |path: &str| follow_directory(&mut files, path.as_bytes()).expect("answered");
        for there in ["/", "/lib", "/lib/..", "/usr/lib/../.."] {
            assert_eq!(is_directory(there), BaseAnswer::Here(()), "{there}");
        }
        for nothing in ["/usr/lib/libfoo.so.1", "/usr/bin", "/dangling", "/usr/lib/libfoo.so.1/.."] {
            assert_eq!(is_directory(nothing), BaseAnswer::Nothing, "{nothing}");
        }
        assert_eq!(is_directory("/far"), BaseAnswer::Unknown);
        let mut passed = Vec::new();
        let found = follow_through(&mut files, b"/lib/libfoo.so", |path, _| passed.push(path.to_string()));
        assert!(matches!(found, Ok(BaseAnswer::Here(_))));
        assert_eq!(passed, ["/usr", "/usr/lib", "/usr", "/usr/lib"], "the link leads through `..`");
    }
}
