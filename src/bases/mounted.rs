//! Files together with the volumes of an image: a container has there what is mounted, which nothing here tells.

use std::collections::BTreeSet;

use super::index::BaseNode;
use super::seen::BaseAnswer;
use super::tree::{FileTree, directory};
use crate::formats::elf::Dynamic;
use crate::layer::{Account, AccountFile, AccountKind, EntryPath};
use crate::project::lock::SystemFacts;
use crate::types::error::BoxedError;
use crate::types::shown::shown;

/// The volumes of an image.
#[derive(Clone, Debug, Default)]
pub struct Volumes(BTreeSet<Vec<u8>>);

impl<'a> FromIterator<&'a str> for Volumes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(paths: I) -> Self {
        let normal = |path: &str| EntryPath::new(path.as_bytes()).ok().map(|path| path.as_bytes().to_vec());
        Self(paths.into_iter().filter_map(normal).collect())
    }
}

impl Volumes {
    /// The volume that the normal path lies below.
    fn above(&self, path: &[u8]) -> Option<&[u8]> {
        if self.0.is_empty() {
            return None;
        }
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.map(|(at, _)| &path[..at]).find_map(|above| self.0.get(above).map(Vec::as_slice))
    }

    /// Whether the path is a volume, or the directory above one.
    fn imply(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let is_below = |volume: &Vec<u8>| volume.starts_with(&below);
        self.0.contains(path) || self.0.range(below.clone()..).next().is_some_and(is_below)
    }
}

/// A tree with the volumes of its image. Of a file in a volume that the image does not have, nothing is known.
pub struct Mounted<'a, T> {
    /// The files of the image.
    pub tree: &'a mut T,
    /// Its volumes.
    pub volumes: &'a Volumes,
}

impl<T: FileTree> FileTree for Mounted<'_, T> {
    fn lookup(&mut self, path: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        self.tree.lookup(path)
    }

    fn peek(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        Ok(match self.tree.peek(path)? {
            BaseAnswer::Nothing if self.volumes.above(path.as_bytes()).is_some() => BaseAnswer::Unknown,
            BaseAnswer::Nothing if self.volumes.imply(path.as_bytes()) => BaseAnswer::Here(directory()),
            answer => answer,
        })
    }

    fn dynamic(&mut self, path: &EntryPath) -> Result<BaseAnswer<Dynamic>, BoxedError> {
        self.tree.dynamic(path)
    }

    fn versions(&mut self, path: &EntryPath) -> Result<BaseAnswer<BTreeSet<String>>, BoxedError> {
        self.tree.versions(path)
    }

    fn account_file(&mut self, kind: AccountKind) -> Result<Option<AccountFile>, BoxedError> {
        self.tree.account_file(kind)
    }

    fn accounts(&mut self, kind: AccountKind) -> Result<BaseAnswer<AccountFile>, BoxedError> {
        self.tree.accounts(kind)
    }

    fn has_account(&mut self, account: &Account) -> Result<BaseAnswer<()>, BoxedError> {
        self.tree.has_account(account)
    }

    fn system(&mut self) -> Result<Option<SystemFacts>, BoxedError> {
        self.tree.system()
    }

    fn is_ours(&self, path: &EntryPath) -> bool {
        self.tree.is_ours(path)
    }

    fn own_loader_directories(&self) -> Result<Vec<String>, BoxedError> {
        self.tree.own_loader_directories()
    }

    fn head(&self, path: &EntryPath) -> Result<Option<Vec<u8>>, BoxedError> {
        self.tree.head(path)
    }

    fn own_text(&self, path: &EntryPath) -> Result<Option<Vec<u8>>, BoxedError> {
        self.tree.own_text(path)
    }

    fn own_files_like(&self, name: &str) -> Vec<EntryPath> {
        self.tree.own_files_like(name)
    }

    fn own_programs(&self, name: &str) -> Vec<EntryPath> {
        self.tree.own_programs(name)
    }

    fn own_files_in(&self, directory: &EntryPath) -> Vec<EntryPath> {
        self.tree.own_files_in(directory)
    }

    fn peek_base(&mut self, path: &EntryPath) -> Result<BaseAnswer<BaseNode>, BoxedError> {
        self.tree.peek_base(path)
    }

    fn has_class(&mut self, jar: &EntryPath, file: &[u8]) -> Result<BaseAnswer<()>, BoxedError> {
        self.tree.has_class(jar, file)
    }

    fn volume(&self, path: &str) -> Option<String> {
        let volume = self.volumes.above(EntryPath::new(path.as_bytes()).ok()?.as_bytes())?;
        Some(format!("/{}", shown(volume)))
    }

    fn holder(&self, path: &EntryPath) -> String {
        self.tree.holder(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bases::{Empty, follow};

    #[test]
    fn nothing_is_known_of_a_volume_that_the_image_leaves_empty() {
        let volumes: Volumes = ["/data", "/var/lib/shop/", "relative", ""].into_iter().collect();
        let mut tree = Mounted { tree: &mut Empty, volumes: &volumes };
        let mut at = |path: &str| follow(&mut tree, path.as_bytes()).expect("answered");
        for unknown in
            ["/data/x", "/data/x/y", "/var/lib/shop/run", "/var/lib/../lib/shop/run", "/relative/x"]
        {
            assert_eq!(at(unknown), BaseAnswer::Unknown, "{unknown}");
        }
        for directory in ["/data", "/var", "/var/lib", "/var/lib/shop"] {
            assert!(
                matches!(at(directory), BaseAnswer::Here((_, BaseNode::Directory { .. }))),
                "{directory}"
            );
        }
        for nothing in ["/database", "/var/lib/x", "/var/lib/shop2/run", "/x"] {
            assert_eq!(at(nothing), BaseAnswer::Nothing, "{nothing}");
        }
        assert_eq!(tree.volume("/var//lib/shop/x").as_deref(), Some("/var/lib/shop"));
        assert_eq!(tree.volume("/data"), None);
    }
}
