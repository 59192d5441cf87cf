//! The packages of Node.js by their directories, found as Node.js finds them: in the nearest directory `node_modules` above the
//! package that asks, through symbolic links.
//!
//! A directory that is there and is no component ends the search, because Node.js would load it.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{CataloguedFile, FileCatalog, in_modules};
use super::package::{Ecosystem, PackageFacts};
use crate::runtime::budget::{Budget, OverBudget};

/// So many links may lead to a package.
const MAX_LINKS: usize = 8;

/// A package in its directory.
#[derive(Clone, Copy)]
pub(super) struct NodePackage<'a> {
    /// The directory.
    pub directory: &'a [u8],
    /// Its statements.
    pub facts: &'a PackageFacts,
}

/// All packages of Node.js in an image.
pub(super) struct NodeTree<'a> {
    /// By directory; `None` where a `package.json` describes no component.
    packages: BTreeMap<&'a [u8], Option<&'a PackageFacts>>,
    /// Links in directories `node_modules` and the paths that they lead to; `None` where the path is not known.
    links: BTreeMap<&'a [u8], Option<Vec<u8>>>,
    /// The directories that have a `node_modules`.
    homes: BTreeSet<&'a [u8]>,
}

impl<'a> NodeTree<'a> {
    /// Of the files that a container sees.
    pub(super) fn of(files: impl Iterator<Item = &'a CataloguedFile>) -> Self {
        let mut tree = Self { packages: BTreeMap::new(), links: BTreeMap::new(), homes: BTreeSet::new() };
        for file in files {
            let directory = match &file.catalog {
                FileCatalog::Packages(Ecosystem::Node, packages) => {
                    let directory = file.path.folder();
                    tree.packages.insert(directory, packages.first());
                    directory
                }
                FileCatalog::Link(target) => {
                    tree.links.insert(file.path.as_bytes(), target_of(file.path.folder(), target));
                    file.path.as_bytes()
                }
                _ => continue,
            };
            // Node.js looks for no `node_modules/node_modules`.
            let home = in_modules(directory).map(|(home, _)| home);
            let is_modules = |home: &&[u8]| home.rsplit(|byte| *byte == b'/').next() == Some(b"node_modules");
            tree.homes.extend(home.filter(|home| !is_modules(home)));
        }
        tree
    }

    /// The component in `directory`.
    pub(super) fn component(&self, directory: &[u8]) -> Option<NodePackage<'a>> {
        let (directory, facts) = self.packages.get_key_value(directory)?;
        Some(NodePackage { directory, facts: (*facts)? })
    }

    /// The package that Node.js loads where the package in `directory` asks for `name`.
    ///
    /// # Errors
    /// When the search takes more steps than are left.
    pub(super) fn find(
        &self,
        directory: &[u8],
        name: &str,
        budget: &Budget,
    ) -> Result<Option<NodePackage<'a>>, OverBudget> {
        let mut home = directory;
        loop {
            budget.step(1)?;
            if self.homes.contains(home) {
                let place =
                    [home, if home.is_empty() { b"" } else { b"/" }, b"node_modules/", name.as_bytes()];
                let place = place.concat();
                if self.packages.contains_key(&*place) || self.links.contains_key(&*place) {
                    return Ok(self.behind_links(place));
                }
            }
            if home.is_empty() {
                return Ok(None);
            }
            home = &home[..memchr::memrchr(b'/', home).unwrap_or_default()];
        }
    }

    fn behind_links(&self, mut place: Vec<u8>) -> Option<NodePackage<'a>> {
        for _ in 0..MAX_LINKS {
            match self.links.get(&*place) {
                Some(target) => place = target.clone()?,
                None => return self.component(&place),
            }
        }
        None
    }
}

/// The path that a link in `folder` leads to; `None` where only the file system can tell, because `..` comes after a name.
fn target_of(folder: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut path = if target.starts_with(b"/") { &b""[..] } else { folder };
    let mut names: Vec<&[u8]> = Vec::new();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if names.is_empty() => path = &path[..memchr::memrchr(b'/', path).unwrap_or_default()],
            b".." => return None,
            name => names.push(name),
        }
    }
    let mut parts: Vec<&[u8]> = if path.is_empty() { Vec::new() } else { vec![path] };
    parts.extend(names);
    Some(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_the_kernel_leads() {
        for (folder, target, expected) in [
            ("app/node_modules", "../packages/a", Some("app/packages/a")),
            (
                "app/node_modules/@s",
                "../.pnpm/b@1/node_modules/b",
                Some("app/node_modules/.pnpm/b@1/node_modules/b"),
            ),
            ("app/node_modules", "./x//y/", Some("app/node_modules/x/y")),
            ("node_modules", "../../../x", Some("x")),
            ("app/node_modules", "/opt/x", Some("opt/x")),
            ("app/node_modules", "..", Some("app")),
            ("app/node_modules", "x/../y", None),
        ] {
            let found = target_of(folder.as_bytes(), target.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{target}");
        }
    }
}
