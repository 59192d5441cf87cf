//! The files and packages around the file that starts a Node.js application. Those that it loads first may change how later
//! ones are found.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::found_tree::{FoundTree, PathEnd, read_item};
use super::super::super::package_json::{PackageJson, member, package};
use super::script::normal;
use super::start::{in_image, module_file};
use crate::formats::javascript::{may_change_modules, static_modules};
use crate::layer::EntryPath;
use crate::runtime::input::MAX_TEXT;

/// So many files are read, and so much of each; behind that, nothing is certain.
const MOST_FILES: usize = 200;
const MAX_FILE: u64 = 1 << 20;

/// The most that is spent on looking for modules: the bytes of their paths, and so much for each place that was not looked at
/// before. Two hundred files that name a hundred others each take a fourth.
const MAX_LOOKS: usize = 128 << 20;
const LOOK: usize = 4 << 10;

/// Parts of the names of packages that change how modules are found.
const RESOLVERS: [&str; 16] = [
    "alias",
    "babel",
    "esbuild",
    "esm",
    "hook",
    "jiti",
    "loader",
    "mock",
    "module-path",
    "pirates",
    "register",
    "require",
    "rewire",
    "rootpath",
    "swc",
    "sucrase",
];

/// Whether the name of a package says that it may change how modules are found.
pub(super) fn is_resolver(name: &str) -> bool {
    let is_file = name.starts_with(['.', '/']);
    let is_typescript = |part: &str| ["ts-node", "tsx", "tsm", "tsconfig-paths"].contains(&part);
    !is_file && (name.split('/').any(is_typescript) || RESOLVERS.iter().any(|part| name.contains(part)))
}

/// The other files of the artifact that a file is in.
pub(super) struct ScriptSurroundings<'a> {
    tree: &'a FoundTree,
    /// Its path in the tree, without links.
    file: String,
    root: Option<&'a EntryPath>,
    /// The names of the packages that it is in, which may load themselves.
    own: BTreeSet<String>,
    /// The files that were read.
    seen: BTreeSet<String>,
    /// The places that were looked at for modules, each with the file that is there.
    modules: BTreeMap<String, Option<String>>,
    /// The budget that is left for looking for modules.
    left: usize,
}

/// The directory of a file; nothing for the root.
fn parent(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn below(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// The directories above a file, from the nearest on, with the root.
fn above(file: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(parent(file)), |directory| (!directory.is_empty()).then(|| parent(directory)))
}

impl<'a> ScriptSurroundings<'a> {
    pub(super) fn of(file: &[u8], tree: &'a FoundTree, root: Option<&'a EntryPath>) -> Self {
        let file = String::from_utf8_lossy(file).into_owned();
        let manifests = above(&file).map(|directory| below(directory, "package.json"));
        let own = manifests.filter_map(|path| manifest(tree, &path)?.name).collect();
        Self { tree, file, root, own, seen: BTreeSet::new(), modules: BTreeMap::new(), left: MAX_LOOKS }
    }

    /// Whether it is in a package of this name.
    pub(super) fn is_own_package(&self, name: &str) -> bool {
        self.own.contains(name)
    }

    /// Whether all modules could be looked for: behind the limits, nothing is certain.
    pub(super) fn is_certain(&self) -> bool {
        self.left > 0 && self.tree.steps_left() > 0
    }

    /// Whether a module that the file loads, or a file that this loads in turn, may change how modules are found.
    pub(super) fn may_change_modules(&mut self, name: &str) -> bool {
        let file = self.file.clone();
        let mut open: Vec<String> = self.found(&file, name).into_iter().collect();
        while let Some(path) = open.pop() {
            let PathEnd::Here(real, item) = self.tree.follow(path.as_bytes()) else { continue };
            let Ok(real) = String::from_utf8(real) else { return true };
            if real.ends_with(".json") || real.ends_with(".node") || !self.seen.insert(real.clone()) {
                continue;
            }
            if self.seen.len() > MOST_FILES || item.stamp.size > MAX_FILE {
                return true;
            }
            let Ok(bytes) = read_item(item, MAX_FILE) else { return true };
            if may_change_modules(&bytes) {
                return true;
            }
            let modules = static_modules(&bytes).unwrap_or_default();
            for name in modules.required.iter().chain(&modules.imported) {
                if is_resolver(name) {
                    return true;
                }
                if name.starts_with('.') {
                    open.extend(self.found(&real, name));
                }
            }
        }
        !self.is_certain()
    }

    /// The file of a module that another file names.
    fn found(&mut self, by: &str, name: &str) -> Option<String> {
        if name.starts_with('.') {
            self.pay(by.len() + name.len())?;
            return self.module(&normal(&below(parent(by), name))?);
        }
        above(by).find_map(|directory| self.module(&below(directory, &format!("node_modules/{name}"))))
    }

    /// The file of the module at a path. Each is looked for once.
    fn module(&mut self, path: &str) -> Option<String> {
        self.pay(path.len())?;
        if let Some(known) = self.modules.get(path) {
            return known.clone();
        }
        self.pay(LOOK)?;
        let file = module_file(self.tree, path);
        self.modules.insert(path.to_owned(), file.clone());
        file
    }

    /// Takes what a look at a path costs, where so much is left.
    fn pay(&mut self, cost: usize) -> Option<()> {
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or_default();
        left.map(drop)
    }

    /// The main file of a package that is there, in the image, where that is missing.
    pub(super) fn missing_main(&mut self, name: &str) -> Option<String> {
        let file = self.file.clone();
        if name.starts_with(['.', '/']) || self.found(&file, name).is_some() {
            return None;
        }
        let mut packages = above(&file).map(|directory| below(directory, &format!("node_modules/{name}")));
        let directory = packages
            .find(|path| self.pay(path.len()).is_some() && self.tree.is_directory(path.as_bytes()))?;
        let path = below(&directory, "package.json");
        let bytes = self.tree.read(path.as_bytes(), MAX_TEXT).ok()??;
        if member(package(&bytes).ok()?, "exports").is_some() {
            return None;
        }
        let main = PackageJson::parse(&bytes).ok()?.main.unwrap_or_else(|| "index.js".to_owned());
        Some(in_image(self.root, &normal(&below(&directory, &main))?))
    }
}

fn manifest(tree: &FoundTree, path: &str) -> Option<PackageJson> {
    PackageJson::parse(&tree.read(path.as_bytes(), MAX_TEXT).ok()??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_change_how_modules_are_found_are_told_by_their_names() {
        for name in
            ["module-alias/register", "tsconfig-paths", "@babel/register", "app-module-path", "tsx/cjs"]
        {
            assert!(is_resolver(name), "{name}");
        }
        for name in ["express", "tslib", "./register", "@a/b", "ts-log"] {
            assert!(!is_resolver(name), "{name}");
        }
    }
}
