//! The packages that a package manager installed: whether all are there, and which only the developers need.
//!
//! npm says of each path in its lock whether it is for development, and which version it has. The locks of pnpm and Yarn
//! do not, so the packages themselves are walked: from the dependencies of the application, each to those that Node would
//! find for it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::error::ArtifactError;
use super::super::super::found_tree::{FoundTree, Omissions, PathEnd, read_item};
use super::super::super::package_json::{PackageJson, member, package, text_of};
use super::package_search::PackageSearch;
use crate::formats::json::JsonValue;
use crate::layer::scan::{FoundKind, TreeItem};
use crate::runtime::input::MAX_TEXT;
use crate::types::shown::shown;

/// The largest lock file that is read: those of large monorepos have some ten MiB.
const MAX_LOCK: u64 = 32 << 20;

/// The most that the paths of a lock of npm may take, in bytes, each with a little more. A lock of ten thousand packages
/// comes to some 2 MB.
const MAX_LOCKED: usize = 64 << 20;

/// The cost of a path in a lock besides its bytes.
const LOCKED: usize = 128;

/// The most packages that other packages name. Ten thousand packages name a hundred thousand.
const MAX_NEEDS: usize = 10_000_000;

/// Locks of npm, the first that is there counts.
const NPM_LOCKS: [&str; 3] = ["npm-shrinkwrap.json", "package-lock.json", HIDDEN_LOCK];

/// The lock that npm writes beside the packages: what it installed.
const HIDDEN_LOCK: &str = "node_modules/.package-lock.json";

/// A program that installs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

impl Manager {
    /// The one that filled `node_modules`, by the files that it left there, else by its lock.
    pub(super) fn of(tree: &FoundTree) -> Self {
        let has = |path: &str| tree.get(path.as_bytes()).is_some();
        if has("node_modules/.pnpm") || has("node_modules/.modules.yaml") {
            Self::Pnpm
        } else if has("node_modules/.bun") {
            Self::Bun
        } else if has("node_modules/.yarn-integrity") || has("node_modules/.yarn-state.yml") {
            Self::Yarn
        } else if has(HIDDEN_LOCK) {
            Self::Npm
        } else {
            Self::by_lock(has)
        }
    }

    /// The one whose lock there is.
    pub(super) fn by_lock(has: impl Fn(&str) -> bool) -> Self {
        if has("package-lock.json") {
            Self::Npm
        } else if has("pnpm-lock.yaml") {
            Self::Pnpm
        } else if has("yarn.lock") {
            Self::Yarn
        } else if has("bun.lock") || has("bun.lockb") {
            Self::Bun
        } else {
            Self::Npm
        }
    }

    /// The command that installs what the lock says, where `has` tells which files there are: `npm ci` works with a lock only.
    pub(super) fn install(self, has: impl Fn(&str) -> bool) -> &'static str {
        match self {
            Self::Npm if OWN_LOCKS.into_iter().any(has) => "npm ci",
            Self::Npm => "npm install",
            Self::Pnpm => "pnpm install --frozen-lockfile",
            Self::Yarn => "yarn install",
            Self::Bun => "bun install --frozen-lockfile",
        }
    }

    /// The hint to install the packages of an application.
    pub(super) fn hint_to_install(self, has: impl Fn(&str) -> bool) -> String {
        let command = self.install(has);
        // The packages of a member may lie at the root of its workspace. A member alone would get those of its siblings from
        // the registry, where a stranger may have their names.
        let of_member = match command {
            "npm install" => {
                "; for a member of a workspace, install at the root and give that, with \
                 `--set 'config.entrypoint=[\"node\", \"MEMBER/server.js\"]'`, or with pnpm run \
                 `pnpm --filter NAME deploy --prod DIR` and give DIR"
            }
            _ => "",
        };
        format!("run `{command}`{of_member}; or give the one file of a bundle that has them in it")
    }

    /// How packages of a workspace get into the tree.
    pub(super) const fn remedy_of_links(self) -> &'static str {
        match self {
            Self::Npm => {
                "install it with `npm install --install-links`, which copies linked packages, or, if they are members of a \
                 workspace, give its root"
            }
            Self::Pnpm => "run `pnpm --filter NAME deploy --prod DIR` and give DIR",
            Self::Bun => {
                "install the application outside of its workspace: `bun install` there copies all packages but those of a \
                 workspace"
            }
            Self::Yarn => {
                "give the root of the workspace, or install into a copy with `yarn workspaces focus --production` and \
                 `nodeLinker: node-modules`"
            }
        }
    }
}

/// The packages that are left out, and what is wrong with the others.
#[derive(Debug, Default)]
pub(super) struct Installed {
    /// Paths of packages for development, to leave out.
    pub(super) development: Vec<Vec<u8>>,
    /// Problems that may matter, in sentences.
    pub(super) warnings: Vec<String>,
}

/// Why the installed packages cannot be taken.
#[derive(Debug)]
pub(super) enum InstallFault {
    /// A reason and the remedy.
    Unfit {
        why: String,
        hint: String,
    },
    Read(ArtifactError),
}

impl From<ArtifactError> for InstallFault {
    fn from(error: ArtifactError) -> Self {
        Self::Read(error)
    }
}

impl Installed {
    /// Looks at the packages of an application.
    pub(super) fn of(
        package: &PackageJson,
        tree: &FoundTree,
        manager: Manager,
    ) -> Result<Self, InstallFault> {
        let mut search = PackageSearch::new(tree);
        let names = || package.dependencies.iter().map(String::as_str);
        let found = search.find(b"", names()).zip(names());
        let missing: Vec<&str> = found.filter(|(place, _)| place.is_none()).map(|(_, name)| name).collect();
        if !missing.is_empty() {
            let are = if missing.len() == 1 { "is" } else { "are" };
            let why = format!("{} of its `dependencies` {are} not in `node_modules`", named(&missing));
            let hint = manager.hint_to_install(|path| tree.get(path.as_bytes()).is_some());
            return Err(InstallFault::Unfit { why, hint });
        }
        if manager == Manager::Npm
            && let Some((name, lock)) = npm_lock(tree)?
        {
            check_lock(name, &lock, tree)?;
            let warnings = beside_lock(name, &lock, tree).into_iter().collect();
            let development = lock.iter().filter(|(_, locked)| locked.is_development);
            let paths = development.map(|(path, _)| path.clone().into_bytes());
            let development = paths.filter(|path| tree.get(path).is_some()).collect();
            return Ok(Self { development, warnings });
        }
        Self::walk(package, tree)
    }

    /// The packages that only `devDependencies` lead to.
    fn walk(package: &PackageJson, tree: &FoundTree) -> Result<Self, InstallFault> {
        let mut walk = Walk::new(tree);
        let needed = package.dependencies.iter().chain(&package.optional);
        let kept = walk.reach(needed.map(String::as_str))?;
        // It matters only of packages that go into the image.
        let warnings = walk.lacking.warning().into_iter().collect();
        let development = walk.reach(package.development.iter().map(String::as_str))?;
        let only = development.difference(&kept).map(|place| unit_of(tree.items()[*place].relative()));
        let mut paths: Vec<Vec<u8>> = only.collect();
        paths.sort_unstable();
        paths.dedup();
        Ok(Self { development: paths, warnings })
    }
}

/// The path that is left out for a package: with pnpm and Bun, all that lies in the directory of its store.
fn unit_of(path: &[u8]) -> Vec<u8> {
    const STORES: [&[u8]; 2] = [b"node_modules/.pnpm/", b"node_modules/.bun/"];
    let in_store = |store: &&[u8]| path.strip_prefix(*store).map(|rest| (store.len(), rest));
    let Some((store, rest)) = STORES.iter().find_map(in_store) else { return path.to_vec() };
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    path[..store + end].to_vec()
}

/// Names in a message: some of them.
pub(super) fn named(names: &[&str]) -> String {
    const NAMED: usize = 5;
    let some: Vec<String> =
        names.iter().take(NAMED).map(|name| format!("`{}`", shown(name.as_bytes()))).collect();
    match names.len().saturating_sub(NAMED) {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// The packages that a package needs: those that are there, by their places in the tree.
type NeededPackages = Vec<usize>;

/// A walk from package to package.
struct Walk<'a> {
    tree: &'a FoundTree,
    search: PackageSearch<'a>,
    /// The needs of each package that was seen, by its place.
    needed: BTreeMap<usize, NeededPackages>,
    lacking: LackingPackages,
    /// The names of packages that may still be looked up.
    left: usize,
}

impl<'a> Walk<'a> {
    fn new(tree: &'a FoundTree) -> Self {
        let (search, lacking) = (PackageSearch::new(tree), LackingPackages::default());
        Self { tree, search, needed: BTreeMap::new(), lacking, left: MAX_NEEDS }
    }

    /// All packages that the names lead to from the application.
    fn reach<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Result<BTreeSet<usize>, InstallFault> {
        let mut open: Vec<usize> = self.search.find(b"", names).flatten().collect();
        let mut seen = BTreeSet::new();
        while let Some(place) = open.pop() {
            if !seen.insert(place) {
                continue;
            }
            if !self.needed.contains_key(&place) {
                let needs = self.needs(place)?;
                self.needed.insert(place, needs);
            }
            let needs = self.needed.get(&place).into_iter().flatten();
            open.extend(needs.filter(|place| !seen.contains(place)));
        }
        Ok(seen)
    }

    /// The packages that a package needs, as its `package.json` says.
    fn needs(&mut self, place: usize) -> Result<NeededPackages, InstallFault> {
        let directory = self.tree.items()[place].relative();
        let path = [directory, b"/package.json"].concat();
        let Some(bytes) = self.tree.read(&path, MAX_TEXT)? else { return Ok(Vec::new()) };
        let package = PackageJson::parse(&bytes).unwrap_or_default();
        let names = package.dependencies.len() + package.optional.len();
        self.left = self.left.checked_sub(names).ok_or_else(|| InstallFault::Unfit {
            why: format!("its packages name more than {MAX_NEEDS} others"),
            hint: "install the packages again".to_owned(),
        })?;
        let mut found = Vec::new();
        let names = package.dependencies.iter().map(String::as_str);
        for (place, name) in self.search.find(directory, names).zip(&package.dependencies) {
            match place {
                Some(place) => found.push(place),
                None => self.lacking.add(name, directory),
            }
        }
        found.extend(self.search.find(directory, package.optional.iter().map(String::as_str)).flatten());
        Ok(found)
    }
}

/// Packages that others need and that are not there: how many, and the first by their names.
#[derive(Debug, Default)]
struct LackingPackages {
    count: usize,
    /// The names, each with the directory of a package that needs it.
    first: BTreeSet<(String, Vec<u8>)>,
}

impl LackingPackages {
    const NAMED: usize = 10;

    fn add(&mut self, name: &str, user: &[u8]) {
        self.count += 1;
        let is_one_of_first = self.first.len() < Self::NAMED
            || self.first.last().is_some_and(|(last, of)| (name, user) < (last, of));
        if is_one_of_first {
            self.first.insert((name.to_owned(), user.to_vec()));
            if self.first.len() > Self::NAMED {
                self.first.pop_last();
            }
        }
    }

    /// A sentence about them, where there are any.
    fn warning(&self) -> Option<String> {
        let named: Vec<String> = self
            .first
            .iter()
            .map(|(name, user)| format!("`{}` of `{}`", shown(name.as_bytes()), shown(user)))
            .collect();
        let more = match self.count - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (self.count > 0)
            .then(|| format!("packages are missing in `node_modules`: {}{more}", named.join(", ")))
    }
}

/// The word of a lock on one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Locked {
    version: Option<String>,
    is_development: bool,
    /// Whether it may be missing.
    is_optional: bool,
}

/// The locks that `npm ci` installs from.
const OWN_LOCKS: [&str; 2] = ["npm-shrinkwrap.json", "package-lock.json"];

/// npm's lock, by path.
type NpmLock = BTreeMap<String, Locked>;

/// The lock of npm that counts, with its name.
fn npm_lock(tree: &FoundTree) -> Result<Option<(&'static str, NpmLock)>, InstallFault> {
    for name in NPM_LOCKS {
        let Some(bytes) = tree.read(name.as_bytes(), MAX_LOCK)? else { continue };
        let lock = package(&bytes).map_err(|error| InstallFault::Unfit {
            why: format!("`{name}` is damaged: {error}"),
            hint: "restore it, or write it anew with `npm install`".to_owned(),
        })?;
        let lock = parse_lock(lock).ok_or_else(|| InstallFault::Unfit {
            why: format!("the paths in `{name}` have more than {MAX_LOCKED} bytes"),
            hint: "write it anew with `npm install`".to_owned(),
        })?;
        return Ok(Some((name, lock)));
    }
    Ok(None)
}

/// The paths of a lock: `packages` of the versions 2 and 3, nested `dependencies` of version 1. `None` where they are too
/// many or too long.
fn parse_lock(lock: JsonValue<'_>) -> Option<NpmLock> {
    let mut all = NpmLock::new();
    let mut left = MAX_LOCKED;
    let mut take = |path: &str| {
        left = left.checked_sub(path.len() + LOCKED)?;
        Some(())
    };
    if let Some(packages) = member(lock, "packages") {
        for (path, value) in packages.members().filter(|(path, _)| path.contains("node_modules/")) {
            take(&path)?;
            all.insert(path.into_owned(), locked(value).0);
        }
        return Some(all);
    }
    let mut open: Vec<(String, JsonValue<'_>)> =
        member(lock, "dependencies").map(|value| (String::new(), value)).into_iter().collect();
    while let Some((above, dependencies)) = open.pop() {
        for (name, value) in dependencies.members() {
            let path = format!("{above}node_modules/{name}");
            take(&path)?;
            let (locked, nested) = locked(value);
            open.extend(nested.map(|nested| (format!("{path}/"), nested)));
            all.insert(path, locked);
        }
    }
    Some(all)
}

/// The word on one path, and the packages that are nested below it. Each member is looked at once, since those that are
/// nested may be most of a lock.
fn locked(value: JsonValue<'_>) -> (Locked, Option<JsonValue<'_>>) {
    let (mut locked, mut nested, mut is_link) = (Locked::default(), None, false);
    for (key, member) in value.members() {
        let is_true = member.text() == "true";
        match &*key {
            "version" => locked.version = member.as_str().map(std::borrow::Cow::into_owned),
            "dev" => locked.is_development = is_true,
            "link" => is_link = is_true,
            "optional" | "devOptional" | "peer" | "bundled" => locked.is_optional |= is_true,
            "dependencies" => nested = Some(member),
            _ => {}
        }
    }
    if is_link {
        (locked.version, locked.is_optional) = (None, true);
    }
    (locked, nested)
}

/// How many differences a message has.
const NAMED_FAULTS: usize = 3;

/// Refuses packages that are not those of the lock.
fn check_lock(name: &str, lock: &NpmLock, tree: &FoundTree) -> Result<(), InstallFault> {
    let (mut wrong, mut more) = (Vec::new(), 0);
    let mut say = |fault: String| {
        if wrong.len() < NAMED_FAULTS {
            wrong.push(fault);
        } else {
            more += 1;
        }
    };
    for (path, locked) in lock.iter().filter(|(_, locked)| !locked.is_development) {
        let manifest = format!("{path}/package.json");
        let Some(item) = tree.get(manifest.as_bytes()) else {
            if !locked.is_optional && !tree.is_directory(path.as_bytes()) {
                say(format!("`{}` is missing", shown(path.as_bytes())));
            }
            continue;
        };
        let Some(expected) = &locked.version else { continue };
        let bytes = read_item(item, MAX_TEXT)?;
        let found = package(&bytes).ok().and_then(|package| text_of(package, "version"));
        // A version that is a place, such as an archive on the network, is none to compare.
        let is_version = expected.starts_with(|first: char| first.is_ascii_digit());
        if let Some(found) = found
            && is_version
            && plain(&found) != plain(expected)
        {
            let (path, found) = (shown(path.as_bytes()), shown(found.as_bytes()));
            say(format!("`{path}` is {found}, not {}", shown(expected.as_bytes())));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    Err(InstallFault::Unfit {
        why: format!("`node_modules` is not what `{name}` says: {}{more}", wrong.join(", ")),
        hint: format!("run `{} --omit=dev`", npm_install(tree)),
    })
}

/// A warning of packages that are in no lock: they were put there by hand, and another machine has none of them.
fn beside_lock(name: &str, lock: &NpmLock, tree: &FoundTree) -> Option<String> {
    const MODULES: &[u8] = b"node_modules";
    let mut found = Vec::new();
    let mut look = |path: Vec<u8>, item: &TreeItem| {
        let is_locked = std::str::from_utf8(&path).is_ok_and(|path| lock.contains_key(path));
        let manifest = [&path[..], b"/package.json"].concat();
        if item.kind == FoundKind::Directory && !is_locked && tree.get(&manifest).is_some() {
            found.push(String::from_utf8_lossy(&path).into_owned());
        }
    };
    for (package, item) in tree.names_in(MODULES).filter(|(package, _)| !package.starts_with(b".")) {
        let path = [MODULES, b"/", package].concat();
        if package.starts_with(b"@") {
            for (package, item) in tree.names_in(&path) {
                look([&path[..], b"/", package].concat(), item);
            }
        } else {
            look(path, item);
        }
    }
    let names: Vec<&str> = found.iter().map(String::as_str).collect();
    let are = if names.len() == 1 { "a package is" } else { "packages are" };
    let command = match npm_install(tree) {
        "npm install" => "npm prune",
        command => command,
    };
    (!names.is_empty())
        .then(|| format!("{are} not in `{name}`: {}; `{command}` removes what is not", named(&names)))
}

/// npm's command for this tree.
fn npm_install(tree: &FoundTree) -> &'static str {
    Manager::Npm.install(|path| tree.get(path.as_bytes()).is_some())
}

/// A version without what npm leaves out of it in a lock.
fn plain(version: &str) -> &str {
    let version = version.trim().trim_start_matches(['v', '=']);
    version.split('+').next().unwrap_or(version)
}

/// Leaves out links that lead to what is left out.
pub(super) fn omit_links(tree: &FoundTree, omissions: &mut Omissions) {
    let links = tree.items().iter().filter(|item| matches!(item.kind, FoundKind::Symlink(_)));
    let mut more = Vec::new();
    for link in links.filter(|link| !omissions.contains(link.relative())) {
        if let PathEnd::Here(real, _) = tree.follow(link.relative())
            && omissions.contains(&real)
        {
            more.push(link.relative().to_vec());
        }
    }
    more.iter().for_each(|path| omissions.add(path));
}
