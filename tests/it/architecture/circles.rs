//! Which file uses which, and where files use each other in a circle.
//!
//! A file uses another if a path in it (`crate::…`, `super::…`, `self::…`, a module declared in it, or a name
//! that it imports) leads to an item of the other. A path through a `pub use` leads to the file that has the
//! item. A `pub use` of an item below is no use of it, unless the file names the item elsewhere, too.

use std::collections::{BTreeMap, BTreeSet};

/// A path, from the root of the crate or as it is written.
type Names = Vec<String>;

/// The users of items: which file uses which items of which other file.
type Uses = BTreeMap<(String, String), BTreeSet<String>>;

/// Files that use each other, and which items of each other they name.
pub(crate) struct Circle {
    pub(crate) files: BTreeSet<String>,
    pub(crate) uses: Uses,
}

/// The circles among files (path below `src/`, text without comments and strings), in the order of their names.
pub(crate) fn circles(files: &[(&str, &str)]) -> Vec<Circle> {
    let uses = Modules::new(files).uses();
    let mut found = components(&uses);
    found.retain(|files| files.len() > 1);
    found.sort();
    let within = |files: &BTreeSet<String>| {
        let inside = uses.iter().filter(|((user, used), _)| files.contains(user) && files.contains(used));
        inside.map(|(edge, items)| (edge.clone(), items.clone())).collect()
    };
    found.into_iter().map(|files| Circle { uses: within(&files), files }).collect()
}

/// The imports and names of one file.
struct File {
    path: String,
    imports: Vec<Import>,
    /// Every path outside of imports. A name alone counts if it can be an item.
    paths: Vec<Names>,
}

struct Import {
    path: Names,
    name: String,
    public: bool,
}

struct Modules {
    files: BTreeMap<Names, File>,
    /// Where a name leads that a module hands on.
    handed_on: BTreeMap<Names, Names>,
}

impl Modules {
    fn new(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| (module(path), file(path, text))).collect();
        let mut all = Self { files, handed_on: BTreeMap::new() };
        let handed_on = |(module, file): (&Names, &File)| {
            let public = file.imports.iter().filter(|import| import.public);
            let led = public.filter_map(|import| {
                Some((
                    joined(module, std::slice::from_ref(&import.name)),
                    all.absolute(module, &import.path)?,
                ))
            });
            led.collect::<Vec<_>>()
        };
        all.handed_on = all.files.iter().flat_map(handed_on).collect();
        all
    }

    /// A path that is written in `module`, from the root of the crate; nothing for one into another crate.
    fn absolute(&self, module: &Names, path: &[String]) -> Option<Names> {
        let (mut from, rest) = match path.first()?.as_str() {
            "crate" => (Names::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => (module.clone(), path),
            child => {
                let known = self.files.contains_key(&joined(module, &[child.to_owned()]));
                known.then(|| (module.clone(), path))?
            }
        };
        let up = rest.iter().take_while(|name| *name == "super").count();
        from.truncate(from.len().saturating_sub(up));
        Some(joined(&from, &rest[up..]))
    }

    /// The module that has the item at a path from the root, through all re-exports.
    fn home(&self, path: &[String]) -> Option<&Names> {
        let mut path = path.to_vec();
        for _ in 0..16 {
            let (module, _) =
                (0..=path.len()).rev().find_map(|length| self.files.get_key_value(&path[..length]))?;
            let end = (module.len() + 1).min(path.len());
            match self.handed_on.get(&path[..end]) {
                Some(leads) if *leads != path[..end] => path = joined(leads, &path[end..]),
                _ => return Some(module),
            }
        }
        None
    }

    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (module, file) in &self.files {
            for path in self.used_in(module, file) {
                let Some(used) = self.home(&path).filter(|used| *used != module) else { continue };
                let edge = (file.path.clone(), self.files[used].path.clone());
                uses.entry(edge).or_default().extend(path.last().cloned());
            }
        }
        uses
    }

    /// The paths of items that a file uses, from the root.
    fn used_in(&self, module: &Names, file: &File) -> Vec<Names> {
        let mut used = Vec::new();
        let mut imported = BTreeMap::new();
        for import in &file.imports {
            let Some(path) = self.absolute(module, &import.path) else { continue };
            if !(import.public && path.starts_with(module)) {
                used.push(path.clone());
            }
            imported.insert(import.name.as_str(), path);
        }
        for path in &file.paths {
            used.extend(match imported.get(path[0].as_str()) {
                Some(leads) => Some(joined(leads, &path[1..])),
                None if path.len() == 1 => None,
                None => self.absolute(module, path),
            });
        }
        // A module is used by the names behind it. An item can have the name of a module.
        used.retain(|path| !self.files.contains_key(path) || self.handed_on.contains_key(path));
        used
    }
}

fn joined(path: &[String], rest: &[String]) -> Names {
    [path, rest].concat()
}

fn module(path: &str) -> Names {
    let path = path.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

/// A word, `::`, or another character.
fn tokens(text: &str) -> Vec<&str> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            first if is_word(first) => rest.find(|character| !is_word(character)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            first => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.chars().all(|character| character.is_alphanumeric() || character == '_')
}

fn file(path: &str, text: &str) -> File {
    let mut file = File { path: path.to_owned(), imports: Vec::new(), paths: Vec::new() };
    let tokens = tokens(text);
    let mut at = 0;
    let mut public = false;
    while let Some(token) = tokens.get(at) {
        if *token == "use" {
            let length = tokens[at..].iter().position(|token| *token == ";").unwrap();
            let trees = imports(&tokens[at + 1..at + length], &[]);
            file.imports.extend(trees.into_iter().map(|(path, name)| Import { path, name, public }));
            at += length;
        }
        if !is_name(token) {
            // `pub(crate) use` and `pub use`.
            public &= matches!(*token, "(" | ")");
            at += 1;
            continue;
        }
        public = *token == "pub" || (public && *token == "crate");
        let (path, end) = path_at(&tokens, at);
        let before = at.checked_sub(1).map_or("", |before| tokens[before]);
        let is_call = tokens.get(end) == Some(&"(") && before != "fn";
        let can_be_item = path.len() > 1 || is_call || token.starts_with(char::is_uppercase);
        if before != "." && can_be_item {
            file.paths.push(path);
        }
        at = end;
    }
    file
}

/// The names joined by `::` from here on, and where they end.
fn path_at(tokens: &[&str], start: usize) -> (Names, usize) {
    let mut path = vec![tokens[start].to_owned()];
    let mut end = start + 1;
    while let [colons, name, ..] = &tokens[end..]
        && *colons == "::"
        && is_name(name)
    {
        path.push((*name).to_owned());
        end += 2;
    }
    (path, end)
}

/// The paths of a `use`, each with its name in the file.
fn imports(tree: &[&str], prefix: &[String]) -> Vec<(Names, String)> {
    let Some(brace) = tree.iter().position(|token| *token == "{") else {
        let names =
            tree.iter().filter(|token| is_name(token) || **token == "*").map(|name| (*name).to_owned());
        let mut path = joined(prefix, &names.collect::<Names>());
        let renamed = path.iter().position(|name| name == "as").map(|at| (path.split_off(at)).pop().unwrap());
        if path.last().is_some_and(|name| name == "self") && path.len() > 1 {
            path.pop();
        }
        assert!(path.last().is_none_or(|name| name != "*" || path[0] != "self"), "name what is handed on");
        let name = renamed.or(path.last().cloned()).unwrap_or_default();
        return vec![(path, name)];
    };
    let names = tree[..brace].iter().filter(|token| is_name(token)).map(|name| (*name).to_owned());
    let prefix = joined(prefix, &names.collect::<Names>());
    let inside = &tree[brace + 1..tree.len() - 1];
    let mut depth = 0;
    let parts = inside.split(|token| {
        depth += i32::from(*token == "{") - i32::from(*token == "}");
        depth == 0 && *token == ","
    });
    parts.filter(|part| !part.is_empty()).flat_map(|part| imports(part, &prefix)).collect()
}

/// Files that reach each other, and each other file alone.
fn components(uses: &Uses) -> Vec<BTreeSet<String>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (user, used) in uses.keys() {
        below.entry(user).or_default().insert(used);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        below.keys().map(|file| (*file, reached(file, &below))).collect();
    let together = |one: &str| {
        let back = |other: &&&str| reach.get(**other).is_some_and(|there| there.contains(one));
        let others = reach[one].iter().filter(back).map(|other| (*other).to_owned());
        others.chain([one.to_owned()]).collect::<BTreeSet<String>>()
    };
    reach.keys().map(|file| together(file)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// All that a file uses, by way of others too.
fn reached<'a>(from: &'a str, below: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        next.extend(below.get(file).into_iter().flatten().filter(|used| seen.insert(**used)));
    }
    seen
}

/// The files of each circle.
fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    circles(files).into_iter().map(|circle| circle.files.into_iter().collect()).collect()
}

#[test]
fn a_child_that_uses_its_parent_is_a_circle() {
    let parent = "mod leaf;\nuse std::fs;\npub fn walk() { leaf::go(Limit) }\npub struct Limit;";
    let child = "use super::{Limit, other::Thing};\npub fn go(limit: Limit) {}";
    assert_eq!(found(&[("tree/mod.rs", parent), ("tree/leaf.rs", child)]), [["tree/leaf.rs", "tree/mod.rs"]]);
    assert_eq!(found(&[("tree.rs", parent), ("tree/leaf.rs", child)]), [["tree.rs", "tree/leaf.rs"]]);
    let circle = &circles(&[("tree.rs", parent), ("tree/leaf.rs", child)])[0];
    let items: Vec<&str> = circle.uses.values().flatten().map(String::as_str).collect();
    assert_eq!(items, ["go", "Limit", "Thing"]);
}

#[test]
fn a_path_leads_through_what_is_handed_on() {
    let map = "mod one;\nmod two;\npub(crate) use one::One;\npub use two::{self as second, Two as Other};";
    let one = "use super::Other;\npub struct One(Other);";
    let two = "pub struct Two;";
    assert_eq!(found(&[("a/mod.rs", map), ("a/one.rs", one), ("a/two.rs", two)]), Vec::<Vec<String>>::new());
    let back = "pub struct Two(crate::a::One);";
    assert_eq!(
        found(&[("a/mod.rs", map), ("a/one.rs", one), ("a/two.rs", back)]),
        [["a/one.rs", "a/two.rs"]]
    );
    // A map that uses what it hands on belongs to the circle of those that use the map.
    let more = format!("{map}\nfn both(one: One) {{}}\npub const LIMIT: usize = 1;");
    let user = "pub struct One([u8; super::LIMIT]);";
    assert_eq!(
        found(&[("a/mod.rs", &more), ("a/one.rs", user), ("a/two.rs", two)]),
        [["a/mod.rs", "a/one.rs"]]
    );
}

#[test]
fn a_module_that_is_imported_is_used_by_its_names() {
    let one = "use crate::{two, three as last};\npub fn one() { two::two(); }";
    let two = "use super::three;\npub fn two(three: u8) { self.three(three) }";
    let three = "pub fn three() { crate::one::one() }";
    let files = |two| [("one.rs", one), ("two.rs", two), ("three.rs", three)];
    assert_eq!(found(&files(two)), Vec::<Vec<String>>::new());
    assert_eq!(
        found(&files("use super::three;\nfn two() { three::three() }")),
        [["one.rs", "three.rs", "two.rs"]]
    );
    assert_eq!(found(&files("use super::one::one;")), [["one.rs", "two.rs"]]);
}

#[test]
fn an_item_can_have_the_name_of_a_module() {
    let map = "mod pack;\npub use pack::pack;";
    let user = "use crate::map::pack;\npub fn user() { pack() }";
    let pack = "pub fn pack() { crate::user::user() }";
    assert_eq!(
        found(&[("map.rs", map), ("map/pack.rs", pack), ("user.rs", user)]),
        [["map/pack.rs", "user.rs"]]
    );
}
