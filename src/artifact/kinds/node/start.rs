//! How a Node.js application starts: the program and its arguments, read from `package.json` so that signals reach it.
//!
//! `npm start` runs a shell, which does not pass signals on. A script of one plain command needs neither: `node FILE [ARGS]`, or
//! a program of a package, which `node` runs by its file.

use super::super::super::error::ArtifactError;
use super::super::super::found_tree::FoundTree;
use super::super::super::node_flags::{NodeFile, file_of, flags_change_modules};
use super::super::super::package_json::PackageJson;
use super::script::{self, PackageProgram, PlainScript, normal};
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
    /// Variables that the script sets.
    pub(super) variables: Vec<(String, String)>,
    pub(super) why: String,
}

/// Why there is no command, and what to do, where that is not to write one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoCommand {
    pub(super) why: String,
    pub(super) hint: Option<String>,
}

impl NoCommand {
    const fn new(why: String) -> Self {
        Self { why, hint: None }
    }
}

/// The files that Node takes for a module `x` without an extension.
const ENDINGS: [&str; 4] = ["", ".js", ".json", ".node"];

/// The file that Nitro, the server of Nuxt and others, leaves in its `.output`.
pub(super) const NITRO: &str = "nitro.json";

/// The server in there.
pub(super) const NITRO_SERVER: &str = "server/index.mjs";

impl NodeCommand {
    /// The command of an application. `is_kept` tells what goes into the image.
    pub(super) fn of(
        package: &PackageJson,
        tree: &FoundTree,
        is_kept: impl Fn(&[u8]) -> bool,
    ) -> Result<Self, NoCommand> {
        if let Some(script) = package.scripts.get("start") {
            return Self::of_script(script, package, tree, is_kept);
        }
        if tree.is_file(NITRO.as_bytes()) && tree.is_file(NITRO_SERVER.as_bytes()) {
            let words = vec![StartWord::File(NITRO_SERVER.to_owned())];
            return Ok(Self {
                words,
                variables: Vec::new(),
                why: format!("by `{NITRO_SERVER}`, the server of Nitro"),
            });
        }
        if tree.is_file(b"server.js") {
            let words = vec![StartWord::File("server.js".to_owned())];
            return Ok(Self {
                words,
                variables: Vec::new(),
                why: "by `server.js`, as npm does without a start script".to_owned(),
            });
        }
        let main = package.main.as_deref().unwrap_or("index.js");
        let named = if package.main.is_some() { "`main`" } else { "the usual main file" };
        match normal(main).filter(|main| is_module(tree, main)) {
            Some(main) => {
                let why = format!("by {named}, `{main}`, as `package.json` has no start script");
                Ok(Self { words: vec![StartWord::File(main)], variables: Vec::new(), why })
            }
            None => Err(NoCommand::new(
                "`package.json` has neither a start script nor a `main` that is there, and there is no `server.js`"
                    .to_owned(),
            )),
        }
    }

    fn of_script(
        script: &str,
        package: &PackageJson,
        tree: &FoundTree,
        is_kept: impl Fn(&[u8]) -> bool,
    ) -> Result<Self, NoCommand> {
        let shown = Foreign::short(script, 100).to_string();
        let why = format!("by the start script `{shown}`");
        let no_command = |text: &str| NoCommand::new(format!("its start script `{shown}` {text}"));
        let Some(PlainScript { variables, words }) = PlainScript::parse(script) else {
            return Err(no_command("is more than one plain command"));
        };
        let [program, arguments @ ..] = without_runner(&words) else {
            return Err(no_command("is more than one plain command"));
        };
        if program == "node" {
            let Some(words) = of_node(arguments) else {
                return Err(no_command("is more than `node FILE [ARGS]`"));
            };
            for word in &words {
                if let StartWord::File(file) = word
                    && !is_module(tree, file)
                {
                    // The value of a flag that is not known.
                    if matches!(file_of(arguments), NodeFile::Uncertain(_)) {
                        let words = arguments.iter().cloned().map(StartWord::Text).collect();
                        return Ok(Self { words, variables, why });
                    }
                    let NoCommand { why, .. } = no_command(&if file.is_empty() {
                        "names its directory, which has neither `index.js` nor a `main` that is there"
                            .to_owned()
                    } else {
                        format!("names `{file}`, which is not in it")
                    });
                    let hint = match package.scripts.contains_key("build") {
                        true => "run `npm run build` first, or correct the start script",
                        false => {
                            "build the application first if its build makes the file, or correct the start script"
                        }
                    };
                    return Err(NoCommand { why, hint: Some(hint.to_owned()) });
                }
            }
            return Ok(Self { words, variables, why });
        }
        let packages = package.dependencies.iter().chain(&package.optional);
        let packages = packages.chain(&package.development);
        let shown_program = Foreign::short(program, 100).to_string();
        match script::program(program, tree, packages, is_kept) {
            Some(PackageProgram::Script(file)) => {
                let arguments = arguments.iter().map(|word| StartWord::Text(word.clone()));
                let words = std::iter::once(StartWord::File(file)).chain(arguments).collect();
                Ok(Self { words, variables, why })
            }
            Some(PackageProgram::Other(file)) => {
                let NoCommand { why, .. } =
                    no_command(&format!("starts `{shown_program}`, which is no program for `node`"));
                let hint = format!(
                    "write the command as `entrypoint` into `[config]`, with the program as `{file}` in the application's \
                     directory"
                );
                Err(NoCommand { why, hint: Some(hint) })
            }
            Some(PackageProgram::ForDevelopment) => {
                let NoCommand { why, .. } = no_command(&format!(
                    "starts `{shown_program}`, which is in no package but those for development, and these are left out"
                ));
                let hint = match package.scripts.get("start:prod") {
                    Some(script) => format!(
                        "build the application, and write the command of its script `start:prod` (`{}`) as `entrypoint` into \
                         `[config]`, or as its start script",
                        Foreign::short(script, 100)
                    ),
                    None => "install its package as one of `dependencies` (`npm install NAME`), or write a start script for \
                             what the build makes"
                        .to_owned(),
                };
                Err(NoCommand { why, hint: Some(hint) })
            }
            None => Err(no_command(&format!("starts `{shown_program}`, which no package of it has"))),
        }
    }

    /// The file that Node.js runs, below the application's root.
    pub(super) fn file(&self) -> Option<&str> {
        self.words.iter().find_map(|word| match word {
            StartWord::File(file) => Some(file.as_str()),
            StartWord::Text(_) => None,
        })
    }

    /// Whether its flags change how modules are found.
    pub(super) fn changes_modules(&self) -> bool {
        let flags = self.words.iter().map_while(|word| match word {
            StartWord::Text(text) => Some(text.as_str()),
            StartWord::File(_) => None,
        });
        flags_change_modules(flags)
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

/// The words without an `exec`, which does what is done here, or an `npx`, which starts what is installed.
fn without_runner(words: &[String]) -> &[String] {
    match words {
        [first, rest @ ..] if first == "exec" && !rest.is_empty() => rest,
        [first, rest @ ..] if first == "npx" => {
            let is_known = |word: &&String| ["-y", "--yes", "--no", "--no-install"].contains(&word.as_str());
            let flags = rest.iter().take_while(is_known).count();
            match &rest[flags..] {
                [program, ..] if !program.starts_with('-') && program != "node" => &rest[flags..],
                _ => words,
            }
        }
        _ => words,
    }
}

/// The absolute path of `file` in the image.
pub(super) fn in_image(root: Option<&EntryPath>, file: &str) -> String {
    let root = root.map(|root| String::from_utf8_lossy(root.as_bytes()).into_owned()).unwrap_or_default();
    let path = format!("/{root}/{file}");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

/// The words behind `node`; `None` where they are more than flags, a file and its arguments.
fn of_node(words: &[String]) -> Option<Vec<StartWord>> {
    let at = match file_of(words) {
        NodeFile::Certain(at) | NodeFile::Uncertain(at) => at,
        NodeFile::Nothing => return None,
    };
    let word = |(index, word): (usize, &String)| match index == at {
        true => normal(word).map(StartWord::File),
        false => Some(StartWord::Text(word.clone())),
    };
    words.iter().enumerate().map(word).collect()
}

/// Whether `node` finds a module at `path`, as its loader of CommonJS does: a file, with an extension that is added, or a
/// directory with a main file.
pub(super) fn is_module(tree: &FoundTree, path: &str) -> bool {
    module_file(tree, path).is_some()
}

/// The file of the module at `path`.
pub(super) fn module_file(tree: &FoundTree, path: &str) -> Option<String> {
    if let Some(file) = file_at(tree, path) {
        return Some(file);
    }
    if !tree.is_directory(path.as_bytes()) {
        return None;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    let package = tree.read(below("package.json").as_bytes(), crate::runtime::input::MAX_TEXT);
    let package = package.ok().flatten().and_then(|bytes| PackageJson::parse(&bytes).ok());
    let main = package.and_then(|package| package.main).and_then(|main| normal(&below(&main)));
    let main = main.and_then(|main| file_at(tree, &main).or_else(|| file_at(tree, &format!("{main}/index"))));
    main.or_else(|| file_at(tree, &below("index")))
}

/// The file at `path`, with an ending where it has none.
fn file_at(tree: &FoundTree, path: &str) -> Option<String> {
    let mut files = ENDINGS.iter().map(|ending| format!("{path}{ending}"));
    files.find(|file| !path.is_empty() && tree.is_file(file.as_bytes()))
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
        let command = NodeCommand::of(&package, &tree, |_| true).map_err(|error| error.why)?;
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
            ("node --title shop server.js", &["node", "--title", "shop", "/app/server.js"]),
            (
                "node --disable-warning DEP0040 server.js x",
                &["node", "--disable-warning", "DEP0040", "/app/server.js", "x"],
            ),
            ("node --new-flag shop server.js", &["node", "--new-flag", "shop", "server.js"]),
            ("node --new-flag server.js", &["node", "--new-flag", "/app/server.js"]),
            ("node -- server.js", &["node", "--", "/app/server.js"]),
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
            "PORT=80 node server.js",
            "node 'server.js'",
            "exec node server.js",
            "A=b exec node ./server.js",
            "node \"server.js\"",
            "cross-env A=b node ./server.js",
        ] {
            assert_eq!(
                of(script).as_deref(),
                Ok(&["node".to_owned(), "/app/server.js".to_owned()][..]),
                "{script}"
            );
        }
        for script in ["next start", "npm run x", "tsx server.ts", "npx next start", "npx -p x y"] {
            assert!(of(script).expect_err(script).contains("which no package of it has"), "{script}");
        }
        for script in [
            "node server.js && echo",
            "node server.js | x",
            "node",
            "node -e 1",
            "node --test",
            "node ../server.js",
            "node /app/server.js",
            "node -r",
            "node $FILE",
            "node --eval=1 server.js",
            "",
        ] {
            assert!(of(script).expect_err(script).contains("is more than"), "{script}");
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
