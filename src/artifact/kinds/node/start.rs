//! How a Node.js application starts: the program and its arguments, read from `package.json` so that signals reach it.
//!
//! `npm start` runs a shell, which does not pass signals on. A script of the form `node FILE [ARGS]` needs neither.

use super::super::super::error::ArtifactError;
use super::super::super::found_tree::FoundTree;
use super::super::super::package_json::PackageJson;
use crate::layer::EntryPath;
use crate::types::shown::Foreign;

/// One word of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StartWord {
    /// As it is.
    Text(String),
    /// A path below the application's root.
    File(String),
}

/// The command without the program, and the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeCommand {
    pub(super) words: Vec<StartWord>,
    pub(super) why: String,
}

/// Why there is no command, and an example of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoCommand(pub(super) String);

/// Flags of `node` whose value is the next word.
const WITH_VALUE: [&str; 8] =
    ["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file"];

/// Flags with which `node` runs no file.
const WITHOUT_FILE: [&str; 8] = ["-e", "--eval", "-p", "--print", "-c", "--check", "--test", "--run"];

/// Characters that mean something to a shell.
const OF_SHELL: &str = "&|;<>()$`\\\"'*?[]{}~#!%\n";

/// The files that Node takes for a module `x` without an extension.
const ENDINGS: [&str; 4] = ["", ".js", ".json", ".node"];

/// The file that Nitro, the server of Nuxt and others, leaves in its `.output`.
pub(super) const NITRO: &str = "nitro.json";

/// The server in there.
pub(super) const NITRO_SERVER: &str = "server/index.mjs";

impl NodeCommand {
    /// The command of an application.
    pub(super) fn of(package: &PackageJson, tree: &FoundTree) -> Result<Self, NoCommand> {
        if let Some(script) = package.scripts.get("start") {
            let shown = Foreign::short(script, 100).to_string();
            let words = of_script(script).ok_or_else(|| {
                NoCommand(format!("its start script `{shown}` is more than `node FILE [ARGS]`"))
            })?;
            for word in &words {
                if let StartWord::File(file) = word
                    && !is_module(tree, file)
                {
                    return Err(NoCommand(format!(
                        "its start script `{shown}` names `{file}`, which is not in it"
                    )));
                }
            }
            return Ok(Self { words, why: format!("by the start script `{shown}`") });
        }
        if tree.is_file(NITRO.as_bytes()) && tree.is_file(NITRO_SERVER.as_bytes()) {
            let words = vec![StartWord::File(NITRO_SERVER.to_owned())];
            return Ok(Self { words, why: format!("by `{NITRO_SERVER}`, the server of Nitro") });
        }
        if tree.is_file(b"server.js") {
            let words = vec![StartWord::File("server.js".to_owned())];
            return Ok(Self { words, why: "by `server.js`, as npm does without a start script".to_owned() });
        }
        let main = package.main.as_deref().unwrap_or("index.js");
        let named = if package.main.is_some() { "`main`" } else { "the usual main file" };
        match normal(main).filter(|main| is_module(tree, main)) {
            Some(main) => {
                let why = format!("by {named}, `{main}`, as `package.json` has no start script");
                Ok(Self { words: vec![StartWord::File(main)], why })
            }
            None => Err(NoCommand(
                "`package.json` has neither a start script nor a `main` that is there, and there is no `server.js`"
                    .to_owned(),
            )),
        }
    }

    /// The words with the application at `root`, behind the program `node`.
    pub(super) fn at(&self, node: String, root: Option<&EntryPath>) -> Vec<String> {
        let word = |word: &StartWord| match word {
            StartWord::Text(text) => text.clone(),
            StartWord::File(file) => in_image(root, file),
        };
        std::iter::once(node).chain(self.words.iter().map(word)).collect()
    }
}

/// The absolute path of `file` in the image.
pub(super) fn in_image(root: Option<&EntryPath>, file: &str) -> String {
    let root = root.map(|root| String::from_utf8_lossy(root.as_bytes()).into_owned()).unwrap_or_default();
    let path = format!("/{root}/{file}");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

/// The words of a script behind `node`; `None` where it is more than that.
fn of_script(script: &str) -> Option<Vec<StartWord>> {
    if script.contains(|character| OF_SHELL.contains(character)) {
        return None;
    }
    let mut words = script.split_whitespace();
    words.next().filter(|first| *first == "node")?;
    let mut all = Vec::new();
    let mut file = None;
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            file = Some(normal(word)?);
            break;
        }
        let flag = word.split('=').next().unwrap_or(word);
        if WITHOUT_FILE.contains(&flag) || word == "--" || word == "-" {
            return None;
        }
        all.push(StartWord::Text(word.to_owned()));
        if WITH_VALUE.contains(&word) {
            all.push(StartWord::Text(words.next()?.to_owned()));
        }
    }
    all.push(StartWord::File(file?));
    all.extend(words.map(|word| StartWord::Text(word.to_owned())));
    Some(all)
}

/// A relative path without `.` and `..`; nothing for the root itself. `None` for one that leaves it.
fn normal(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether `node` finds a module at `path`, as its loader of CommonJS does: a file, with an extension that is added, or a
/// directory with a main file.
pub(super) fn is_module(tree: &FoundTree, path: &str) -> bool {
    is_file(tree, path)
        || tree.is_directory(path.as_bytes()) && {
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let package = tree.read(below("package.json").as_bytes(), crate::runtime::input::MAX_TEXT);
            let package = package.ok().flatten().and_then(|bytes| PackageJson::parse(&bytes).ok());
            let main = package.and_then(|package| package.main).and_then(|main| normal(&main));
            main.is_some_and(|main| {
                let main = below(&main);
                is_file(tree, &main) || is_file(tree, &format!("{main}/index"))
            }) || is_file(tree, &below("index"))
        }
}

fn is_file(tree: &FoundTree, path: &str) -> bool {
    !path.is_empty() && ENDINGS.iter().any(|ending| tree.is_file(format!("{path}{ending}").as_bytes()))
}

/// Refuses a script that would be a file's name with other bytes than text.
pub(super) fn check_root(root: Option<&EntryPath>) -> Result<(), ArtifactError> {
    let Some(root) = root else { return Ok(()) };
    match std::str::from_utf8(root.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(ArtifactError::BadName { name: crate::types::shown::shown(root.as_bytes()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{ScanOptions, Scanner};

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, FoundTree) {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        let found = Scanner::default().scan(directory.path(), &ScanOptions::default()).expect("scanned");
        (directory, FoundTree::new(found))
    }

    fn command(script: Option<&str>, main: Option<&str>, files: &[&str]) -> Result<Vec<String>, String> {
        let files: Vec<(&str, &str)> = files.iter().map(|name| (*name, "")).chain([("x", "")]).collect();
        let (_directory, tree) = tree(&files);
        let scripts = script.map(|script| ("start".to_owned(), script.to_owned())).into_iter().collect();
        let package = PackageJson { scripts, main: main.map(str::to_owned), ..PackageJson::default() };
        let root = EntryPath::new(b"app").expect("a path");
        let command = NodeCommand::of(&package, &tree).map_err(|error| error.0)?;
        Ok(command.at("node".to_owned(), Some(&root)))
    }

    #[test]
    fn a_start_script_is_run_without_a_shell() {
        let of = |script: &str| command(Some(script), None, &["server.js", "dist/main.js", "src/index.js"]);
        for (script, expected) in [
            ("node server.js", &["node", "/app/server.js"][..]),
            ("  node   ./dist/../server  ", &["node", "/app/server"]),
            ("node dist/main.js --port 80 -v", &["node", "/app/dist/main.js", "--port", "80", "-v"]),
            ("node --enable-source-maps dist/main", &["node", "--enable-source-maps", "/app/dist/main"]),
            (
                "node -r ./x --max-old-space-size=200 src",
                &["node", "-r", "./x", "--max-old-space-size=200", "/app/src"],
            ),
        ] {
            assert_eq!(
                of(script).as_deref(),
                Ok(&expected.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()[..]),
                "{script}"
            );
        }
        for script in [
            "next start",
            "NODE_ENV=x node server.js",
            "node server.js && echo",
            "node server.js | x",
            "node \"server.js\"",
            "node",
            "node -e 1",
            "node --test",
            "node ../server.js",
            "node /app/server.js",
            "npm run x",
            "node -r",
            "node $FILE",
            "node --eval=1 server.js",
            "cross-env node server.js",
            "",
        ] {
            assert!(of(script).expect_err(script).contains("is more than `node FILE [ARGS]`"), "{script}");
        }
        assert!(
            of("node dist/none.js")
                .expect_err("missing")
                .contains("names `dist/none.js`, which is not in it")
        );
        assert!(of("node dist").expect_err("no main").contains("names `dist`"));
    }

    #[test]
    fn without_a_start_script_npm_starts_the_server_and_node_the_main_file() {
        let start = |main, files: &[&str]| command(None, main, files).map(|words| words[1].clone());
        assert_eq!(start(Some("lib/a.js"), &["server.js", "lib/a.js"]).as_deref(), Ok("/app/server.js"));
        assert_eq!(start(Some("./lib/a"), &["lib/a.js"]).as_deref(), Ok("/app/lib/a"));
        assert_eq!(start(None, &["index.js"]).as_deref(), Ok("/app/index.js"));
        assert!(start(Some("gone.js"), &["index.js"]).expect_err("none").contains("neither"));
        assert!(start(None, &[]).expect_err("none").contains("neither"));
    }

    /// Node itself says which paths are modules.
    #[test]
    fn a_module_is_what_node_takes_for_one() {
        let files = [
            ("a.js", ""),
            ("b.json", "{}"),
            ("c.mjs", ""),
            ("d/index.js", ""),
            ("e/package.json", r#"{"main":"lib"}"#),
            ("e/lib/index.js", ""),
            ("f/package.json", r#"{"main":"./x.js"}"#),
            ("f/x.js", ""),
            ("g/other.js", ""),
            ("h/package.json", r#"{"main":"gone"}"#),
            ("h/index.js", ""),
            ("i/package.json", "{}"),
            ("j.js/index.js", ""),
        ];
        let (directory, tree) = tree(&files);
        let paths = [
            "a",
            "a.js",
            "b",
            "c",
            "c.mjs",
            "d",
            "e",
            "e/lib",
            "f",
            "f/x",
            "g",
            "g/other",
            "h",
            "i",
            "j",
            "j.js",
            "k",
            "d/index.js",
        ];
        let script = format!(
            "for (const p of {paths:?}) {{ try {{ require.resolve('./' + p); console.log(true) }} catch {{ console.log(false) }} }}"
        );
        let Ok(output) =
            std::process::Command::new("node").args(["-e", &script]).current_dir(directory.path()).output()
        else {
            return;
        };
        let said = String::from_utf8(output.stdout).expect("text");
        let ours: Vec<String> = paths.iter().map(|path| is_module(&tree, path).to_string()).collect();
        assert_eq!(ours, said.lines().collect::<Vec<_>>(), "{paths:?}");
    }
}
