//! The modules that a file of JavaScript loads as soon as it starts, as requirements on the image.

use std::path::Path;

use super::super::super::error::ArtifactError;
use super::super::super::requirement::{NodeModules, Requirement};
use super::surroundings::{ScriptSurroundings, is_resolver};
use crate::formats::javascript::static_modules;
use crate::layer::EntryPath;
use crate::runtime::input;

/// Larger files are not looked into.
const MAX_SCRIPT: u64 = 32 << 20;

/// The modules of Node.js itself, of all versions; those that begin with `_` and `node:` besides.
const BUILT_IN: [&str; 44] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "freelist",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "smalloc",
    "sqlite",
    "stream",
    "string_decoder",
    "sys",
    "timers",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "wasi",
    "zlib",
];

/// A file that Node.js starts.
pub(super) struct StartedScript<'a> {
    /// Where it is on this machine, and its size.
    pub(super) path: &'a Path,
    pub(super) size: u64,
    /// Where it is in the image.
    pub(super) target: EntryPath,
    /// The artifact that it is a file of; `None` where it is the whole artifact.
    pub(super) surroundings: Option<ScriptSurroundings<'a>>,
    /// Whether the `package.json` of the artifact leaves the kind of `.js` files open.
    pub(super) is_open: bool,
}

impl StartedScript<'_> {
    /// Its requirements on the image; none where it is not understood.
    pub(super) fn requirements(self) -> Result<Vec<Requirement>, ArtifactError> {
        let extension = self.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if self.size > MAX_SCRIPT || !["js", "mjs", "cjs"].contains(&extension) {
            return Ok(Vec::new());
        }
        let bytes = input::read(self.path, MAX_SCRIPT)
            .map_err(|source| ArtifactError::Io { path: self.path.to_owned(), source })?;
        let Some(found) = static_modules(&bytes) else { return Ok(Vec::new()) };
        let Self { target, mut surroundings, is_open, .. } = self;
        let is_alone = surroundings.is_none();
        // Imports are resolved before the first statement runs.
        let imported: Vec<String> = found.imported.iter().filter_map(|name| loaded(name)).collect();
        let mut required = Vec::new();
        let is_loader_made = memchr::memmem::find(&bytes, b"createRequire").is_some();
        let mut may_change = |name: &str| {
            is_resolver(name)
                || (name.trim_start_matches("node:") == "module" && !is_loader_made)
                || surroundings.as_mut().is_some_and(|around| around.may_change_modules(name))
        };
        if !found.imported.iter().any(|name| may_change(name)) {
            for name in &found.required {
                required.push(name.clone());
                if may_change(name) {
                    break;
                }
            }
        }
        // Of a package that is there, its main file is to be there, too.
        let whole =
            required.iter().chain(&found.imported).filter(|name| loaded(name).as_ref() == Some(*name));
        let mains: Vec<String> = whole.filter_map(|name| surroundings.as_mut()?.missing_main(name)).collect();
        if surroundings.as_ref().is_some_and(|around| !around.is_certain()) {
            return Ok(Vec::new());
        }
        let needed = |names: Vec<String>| -> Vec<String> {
            let is_own = |name: &str| {
                surroundings.as_ref().is_some_and(|around| around.is_own_package(package_of(name)))
            };
            let mut names: Vec<String> = names.into_iter().filter(|name| !is_own(name)).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let required = needed(required.iter().filter_map(|name| loaded(name)).chain(mains).collect());
        let imported = needed(imported);
        let mut all = Vec::new();
        if extension == "js" && found.is_module && is_open {
            all.push(Requirement::NodeSyntax { file: target.clone(), is_alone });
        }
        if !required.is_empty() || !imported.is_empty() {
            all.push(Requirement::NodeModules(NodeModules { file: target, required, imported, is_alone }));
        }
        Ok(all)
    }
}

/// `@scope/name` or `name` of a path into a package.
fn package_of(name: &str) -> &str {
    let parts = if name.starts_with('@') { 2 } else { 1 };
    let end = name.match_indices('/').nth(parts - 1).map_or(name.len(), |(at, _)| at);
    &name[..end]
}

/// The package or file that a name in `require` or `import` leads to; `None` for a module of Node.js, and for what only its
/// settings explain.
fn loaded(name: &str) -> Option<String> {
    if name.starts_with('#') || name.contains([':', '\\', '%', '\0']) {
        return None;
    }
    if name.starts_with(['.', '/']) {
        return Some(name.to_owned());
    }
    let package = package_of(name);
    let is_built_in = package.starts_with('_') || package == "worker_threads" || BUILT_IN.contains(&package);
    (!package.is_empty() && !is_built_in).then(|| package.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_told_from_modules_of_node() {
        let some = |name: &str| Some(name.to_owned());
        for (name, expected) in [
            ("express", some("express")),
            ("express/lib/x", some("express")),
            ("@a/b/c", some("@a/b")),
            ("./x", some("./x")),
            ("fs", None),
            ("fs/promises", None),
            ("node:test", None),
            ("worker_threads", None),
            ("#x", None),
            ("https://x/y", None),
        ] {
            assert_eq!(loaded(name), expected, "{name}");
        }
    }

    /// Node.js itself says which modules it has.
    #[test]
    fn node_has_no_other_modules() {
        let Ok(output) = std::process::Command::new("node")
            .args(["-e", "console.log(require('module').builtinModules.join('\\n'))"])
            .output()
        else {
            return;
        };
        for name in String::from_utf8(output.stdout).expect("text").lines() {
            assert_eq!(loaded(name), None, "{name}");
        }
    }
}
