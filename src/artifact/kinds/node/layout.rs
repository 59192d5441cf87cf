//! The files of a Node.js application: which go into the image, in which layer, and which cannot.

use super::super::super::error::ArtifactError;
use super::super::super::found_tree::{FoundTree, Omissions, PathEnd, add_directories, unlinked_entries};
use super::super::super::material::Material;
use super::super::super::options::AppOptions;
use super::super::super::package_json::{CORRECT_PACKAGE, PackageJson, member, package};
use super::super::super::proposal::ProposedLayer;
use super::super::super::words::count;
use super::installed::{InstallFault, Installed, Manager, named, omit_links};
use crate::layer::scan::{FoundKind, Scanner, TreeItem};
use crate::layer::{Entry, EntryPath};
use crate::runtime::input::MAX_TEXT;
use crate::types::shown::shown;

/// Caches, at the root or in `node_modules`; of no use in an image, and with times and paths of this machine in them.
pub(super) const CACHES: [&str; 9] = [
    ".git",
    ".npm",
    ".pnpm-store",
    ".turbo",
    ".nyc_output",
    ".eslintcache",
    ".next/cache",
    "node_modules/.cache",
    "node_modules/.vite",
];

/// Leftovers of package managers, some of which say what is installed.
const OF_MANAGERS: [&str; 10] = [
    ".yarn",
    "node_modules/.package-lock.json",
    "node_modules/.modules.yaml",
    "node_modules/.pnpm-workspace-state.json",
    "node_modules/.pnpm-workspace-state-v1.json",
    "node_modules/.pnpm/lock.yaml",
    "node_modules/.yarn-integrity",
    "node_modules/.yarn-state.yml",
    "node_modules/.pnpm-debug.log",
    "npm-debug.log",
];

const MODULES: &[u8] = b"node_modules";

/// An application with its packages.
pub(super) struct NodeFiles {
    pub(super) tree: FoundTree,
    pub(super) package: PackageJson,
    omissions: Omissions,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// Whether it is what Next.js makes with `output: "standalone"`.
    pub(super) is_next: bool,
}

impl NodeFiles {
    /// Reads it.
    pub(super) fn read(
        material: &Material,
        options: &AppOptions,
        scanner: &Scanner,
    ) -> Result<Self, ArtifactError> {
        let unfit = |why: String, hint: &str| ArtifactError::Unfit {
            path: material.path().to_owned(),
            why,
            hint: hint.to_owned(),
        };
        let found = scanner.scan(material.path(), &options.scan_options())?;
        let tree = FoundTree::new(found).until(scanner.interrupt());
        let package = match tree.read(b"package.json", MAX_TEXT)? {
            None => PackageJson::default(),
            Some(bytes) => PackageJson::parse(&bytes)
                .map_err(|error| unfit(format!("`package.json` is damaged: {error}"), CORRECT_PACKAGE))?,
        };
        if [".pnp.cjs", ".pnp.js"].iter().any(|name| tree.get(name.as_bytes()).is_some()) {
            let hint = "write `nodeLinker: node-modules` into `.yarnrc.yml` and run `yarn install`";
            return Err(unfit(
                "its packages are archives of Yarn's Plug'n'Play, outside of `node_modules`".to_owned(),
                hint,
            ));
        }
        let is_left_out = tree.get(MODULES).is_none() && material.has_directory("node_modules");
        if is_left_out && !package.dependencies.is_empty() {
            let why =
                "its packages are left out: `.packignore`, `include` or `exclude` leaves out `node_modules`";
            let hint = "take `node_modules` out of `.packignore` and `exclude`: a `.dockerignore` has it there, since a \
                        Dockerfile installs the packages itself";
            return Err(unfit(why.to_owned(), hint));
        }
        let manager = Manager::of(&tree);
        check_links(&tree, manager).map_err(|(why, hint)| unfit(why, hint))?;
        let is_next = tree.is_file(b"server.js") && tree.is_directory(b".next/server");
        let mut files = Self {
            tree,
            package,
            omissions: Omissions::default(),
            notes: Vec::new(),
            warnings: Vec::new(),
            is_next,
        };
        files.leave_behind(manager);
        if is_next {
            // Next.js traced what it needs and wrote a server: `package.json` is that of the project.
            files.package.scripts.clear();
            files.check_next();
        } else {
            let installed =
                Installed::of(&files.package, &files.tree, manager).map_err(|fault| match fault {
                    InstallFault::Read(error) => error,
                    InstallFault::Unfit { why, hint } => unfit(why, &hint),
                })?;
            files.leave_development(installed);
        }
        omit_links(&files.tree, &mut files.omissions);
        files.tree.check(material.path())?;
        Ok(files)
    }

    /// Whether no `package.json` above a file says which kind of module its `.js` files are.
    pub(super) fn leaves_kind_open(&self, file: &[u8]) -> Result<bool, ArtifactError> {
        let mut directory = file;
        while let Some(end) = directory.iter().rposition(|byte| *byte == b'/') {
            directory = &directory[..end];
            let path = [directory, b"/package.json"].concat();
            if let Some(bytes) = self.tree.read(&path, MAX_TEXT)? {
                return Ok(package(&bytes).is_ok_and(|package| member(package, "type").is_none()));
            }
        }
        let bytes = self.tree.read(b"package.json", MAX_TEXT)?;
        Ok(bytes.is_none_or(|bytes| package(&bytes).is_ok_and(|package| member(package, "type").is_none())))
    }

    /// Leaves out caches and the files of package managers, with a note.
    fn leave_behind(&mut self, manager: Manager) {
        let found: Vec<&str> = CACHES
            .into_iter()
            .chain(OF_MANAGERS)
            .filter(|path| self.tree.get(path.as_bytes()).is_some())
            .collect();
        found.iter().for_each(|path| self.omissions.add(path.as_bytes()));
        if !found.is_empty() {
            let names: Vec<String> = found.iter().map(|path| format!("`{path}`")).collect();
            self.notes
                .push(format!("caches and files of package managers are left out: {}", names.join(", ")));
        }
        if manager != Manager::Pnpm {
            return;
        }
        let items = self.tree.items().iter();
        let scripts: Vec<Vec<u8>> =
            items.filter(|item| is_pnpm_script(item)).map(|item| item.relative().to_vec()).collect();
        if !scripts.is_empty() {
            self.notes.push(format!(
                "{} in `.bin` that pnpm wrote with paths of this machine {} left out: `node` starts a package's program \
                 by its own file",
                count(scripts.len(), "script", "scripts"),
                if scripts.len() == 1 { "is" } else { "are" }
            ));
        }
        scripts.iter().for_each(|path| self.omissions.add(path));
    }

    /// Leaves out development dependencies, with a note that names them.
    fn leave_development(&mut self, installed: Installed) {
        self.warnings.extend(installed.warnings);
        let left = installed.development;
        if left.is_empty() {
            return;
        }
        left.iter().for_each(|path| self.omissions.add(path));
        let is_top = |name: &&String| {
            let path = [MODULES, b"/", name.as_bytes()].concat();
            match self.tree.follow(&path) {
                PathEnd::Here(real, _) => self.omissions.contains(&real) || self.omissions.contains(&path),
                _ => false,
            }
        };
        let names: Vec<&str> = self.package.development.iter().filter(is_top).map(String::as_str).collect();
        let of =
            if names.is_empty() { String::new() } else { format!(": {}", with_theirs(&names, left.len())) };
        let packages = count(left.len(), "development dependency is", "development dependencies are");
        self.notes.push(format!("{packages} left out{of}"));
    }

    /// Warns of files that Next.js leaves to the user to copy.
    fn check_next(&mut self) {
        if !self.tree.is_directory(b".next/static") {
            self.warnings.push(
                "`.next/static` is missing, so pages would have neither styles nor scripts: copy it with `cp -r .next/static \
                 .next/standalone/.next/`, and `public` beside `server.js`"
                    .to_owned(),
            );
        }
    }

    /// Whether a path goes into the image.
    pub(super) fn is_kept(&self, path: &[u8]) -> bool {
        !self.omissions.contains(path)
    }

    /// The things that go into the image.
    pub(super) fn kept(&self) -> impl Iterator<Item = &TreeItem> {
        self.tree.items().iter().filter(|item| !self.omissions.contains(item.relative()))
    }

    /// The layers: packages, which may be split by their names, then the application.
    pub(super) fn layers(
        &self,
        root: Option<&EntryPath>,
        options: &AppOptions,
    ) -> Result<Vec<ProposedLayer>, ArtifactError> {
        let (packages, own): (Vec<&TreeItem>, Vec<&TreeItem>) =
            self.kept().partition(|item| is_in_modules(item.relative()));
        let packages = unlinked_entries(packages.into_iter(), root, &options.rules)?;
        let own = unlinked_entries(own.into_iter(), root, &options.rules)?;
        let layer = |name: &str, what: &str, entries: Vec<Entry>, is_divisible| {
            let files = entries.iter().filter(|entry| !entry.is_directory()).count();
            let why = format!("{} of {what}", count(files, "file", "files"));
            (files > 0).then(|| ProposedLayer { name: name.to_owned(), why, entries, is_divisible })
        };
        let mut layers: Vec<ProposedLayer> = Vec::new();
        layers.extend(layer("dependencies", "the installed packages", packages, true));
        layers.extend(layer("app", "the application", own, false));
        for layer in &mut layers {
            add_directories(&mut layer.entries, root, options);
        }
        Ok(layers)
    }
}

/// `a`, `b` and those that they need.
fn with_theirs(names: &[&str], all: usize) -> String {
    if all > names.len() { format!("{}, and what only they need", named(names)) } else { named(names) }
}

fn is_in_modules(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|part| part == MODULES)
}

/// A script in a `.bin` directory, where other managers have links.
fn is_pnpm_script(item: &TreeItem) -> bool {
    let mut parts = item.relative().rsplit(|byte| *byte == b'/').skip(1);
    matches!(item.kind, FoundKind::File { .. })
        && parts.next() == Some(b".bin")
        && parts.next() == Some(MODULES)
}

/// Refuses links of packages that lead out of the tree, or nowhere.
fn check_links(tree: &FoundTree, manager: Manager) -> Result<(), (String, &'static str)> {
    let (mut leaving, mut dangling) = (Vec::new(), Vec::new());
    for item in tree.items().iter().filter(|item| is_in_modules(item.relative())) {
        let FoundKind::Symlink(target) = &item.kind else { continue };
        let path = item.relative();
        if target.starts_with(b"/") || item.leads_out {
            leaving.push(format!("`{}` to `{}`", shown(path), shown(target)));
        } else if is_package(path) && matches!(tree.follow(path), PathEnd::Nothing) {
            dangling.push(format!("`{}` to `{}`", shown(path), shown(target)));
        }
    }
    let listed = |links: &[String]| {
        let more = links.len().saturating_sub(3);
        let some = links[..links.len().min(3)].join(", ");
        if more == 0 { some } else { format!("{some} and {more} more") }
    };
    if !leaving.is_empty() {
        let why = format!("packages in `node_modules` are links out of it: {}", listed(&leaving));
        return Err((why, manager.remedy_of_links()));
    }
    if !dangling.is_empty() {
        let why = format!("packages in `node_modules` are links that lead nowhere: {}", listed(&dangling));
        return Err((why, "install the packages again"));
    }
    Ok(())
}

/// Whether it is the place of a package of the application: `node_modules/NAME` or `node_modules/@SCOPE/NAME`.
fn is_package(path: &[u8]) -> bool {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    match parts[..] {
        [MODULES, name] => !name.starts_with(b"."),
        [MODULES, scope, _] => scope.starts_with(b"@"),
        _ => false,
    }
}
