//! `.ko.yaml`: each build as a build file.
//!
//! ko runs `go build` itself; here that is the project's own work, so that its command is a comment. The program goes where ko
//! puts it, `/ko-app/NAME`, with the files of `kodata` beside it.

use std::collections::BTreeMap;

use super::ImportSurroundings;
use super::draft::{BuildFileDraft, DraftApp, DraftFiles, DraftLayer, DraftLines, Imported};
use super::error::ImportError;
use super::paths::plain_path;
use super::remark::Remark;
use super::setting::{SettingNode, SettingValue, shortened, texts};
use super::yaml;

/// The base that ko takes where none is named.
const USUAL_BASE: &str = "cgr.dev/chainguard/static";
/// Where ko puts the files of `kodata`.
const DATA: &str = "/var/run/ko";
/// The most builds and platforms.
const MOST: usize = 256;
const MOST_PLATFORMS: usize = 32;
/// The most bytes of a file.
const MAX_SIZE: usize = 1 << 20;

/// A build, and the directory of its build file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KoBuild {
    /// Relative to that of `.ko.yaml`; empty where it is that.
    pub directory: String,
    /// Its name.
    pub name: String,
    /// The path of its package, where the module is known.
    pub import: Option<String>,
    /// The build file.
    pub imported: Imported,
}

/// Reads the file. It has at least one build.
///
/// # Errors
/// When it is no YAML, or has too much.
pub fn read(text: &str, around: &ImportSurroundings<'_>) -> Result<Vec<KoBuild>, ImportError> {
    if text.len() > MAX_SIZE {
        return Err(ImportError::Size);
    }
    let mut of_all: Vec<Remark> = Vec::new();
    let settings = yaml::settings(text, &mut of_all)?;
    let common = KoSettings::of(&settings, around);
    let none = SettingNode::new("", 1, SettingValue::Nodes(Vec::new()));
    let builds: Vec<&SettingNode> =
        match settings.find("builds").map(|node| node.list_items("builds", &mut of_all)) {
            Some(builds) if builds.len() > MOST => {
                return Err(ImportError::TooMuch { line: builds[MOST].line, what: "builds", most: "256" });
            }
            Some(builds) if !builds.is_empty() => builds.iter().collect(),
            _ => vec![&none],
        };
    let is_alone = builds.len() == 1;
    let mut all: Vec<KoBuild> = Vec::new();
    for build in builds {
        let mut made = common.build(build, is_alone, around);
        if all.iter().any(|known| known.directory == made.directory) {
            let text = format!(
                "`{}` is in the directory of another build: it is left out, write a build file for it",
                made.name
            );
            all.iter_mut().take(1).for_each(|first| first.imported.remarks.push(build.left(text.clone())));
            continue;
        }
        made.imported.remarks.sort_by_key(|remark| remark.line);
        made.imported.remarks.dedup();
        all.push(made);
    }
    let is_unused = |import: &String| all.iter().all(|build| build.import.as_ref() != Some(import));
    let unused =
        common.overrides.iter().filter(|(import, _)| is_unused(import)).map(|(import, (_, line))| {
            let text = format!(
                "the base of `{}` is for a package that no build names: write a build file for it",
                shortened(import)
            );
            Remark::left(*line, text)
        });
    of_all.extend(unused);
    if settings.find("builds").is_none() {
        let text = "no build is named: the package of this directory is taken, and ko takes others from its command line";
        of_all.push(Remark::check(1, text));
    }
    of_all.extend(common.remarks);
    // Remarks about all builds are said once.
    if let Some(first) = all.first_mut() {
        first.imported.remarks.extend(of_all);
        first.imported.remarks.sort_by_key(|remark| remark.line);
    }
    Ok(all)
}

/// The root of a workspace with several builds.
#[must_use]
pub fn workspace(builds: &[KoBuild]) -> String {
    let members: Vec<String> = builds.iter().map(|build| build.directory.clone()).collect();
    format!("[workspace]\nmembers = {}\n", super::draft::list(&members))
}

/// The settings of all builds.
struct KoSettings {
    /// The path of the module, which begins the names of packages.
    module: Option<String>,
    base: String,
    /// Bases of packages, each with its line.
    overrides: BTreeMap<String, (String, usize)>,
    platforms: Vec<String>,
    env: Vec<String>,
    flags: Vec<String>,
    ldflags: Vec<String>,
    lines: DraftLines,
    remarks: Vec<Remark>,
}

impl KoSettings {
    fn of(settings: &SettingNode, around: &ImportSurroundings<'_>) -> Self {
        let mut remarks = Vec::new();
        let words = |name: &str, remarks: &mut Vec<Remark>| {
            settings.find(name).map(|node| words_of(node, remarks)).unwrap_or_default()
        };
        let (env, flags, ldflags) = (
            words("defaultEnv", &mut remarks),
            words("defaultFlags", &mut remarks),
            words("defaultLdflags", &mut remarks),
        );
        let base = match settings.text_of("defaultBaseImage", &mut remarks) {
            Some(base) => base.to_owned(),
            None => {
                remarks.push(Remark::check(
                    1,
                    format!("no base is named: `{USUAL_BASE}` is the one that ko takes"),
                ));
                USUAL_BASE.to_owned()
            }
        };
        let overrides = settings.find("baseImageOverrides");
        let overrides =
            overrides.map(|node| node.items("baseImageOverrides", &mut remarks)).unwrap_or_default();
        let mut bases = BTreeMap::new();
        for node in overrides {
            match node.text() {
                Some(base) if !node.name.is_empty() => {
                    bases.insert(node.name.clone(), (base.to_owned(), node.line));
                }
                _ => remarks.push(node.unknown("baseImageOverrides")),
            }
        }
        for node in settings.nodes() {
            let known = [
                "defaultBaseImage",
                "baseImageOverrides",
                "builds",
                "defaultPlatforms",
                "defaultEnv",
                "defaultFlags",
                "defaultLdflags",
            ];
            if !known.contains(&node.name.as_str()) {
                remarks
                    .push(node.left(format!("`{}` is no setting that is known here", shortened(&node.name))));
            }
        }
        let platforms = settings
            .find("defaultPlatforms")
            .map(|node| platforms_of(node, &mut remarks))
            .unwrap_or_default();
        let mut lines = DraftLines::default();
        for (name, key) in [("defaultBaseImage", "base"), ("defaultPlatforms", "platforms")] {
            settings.find(name).into_iter().for_each(|node| node.note(key, &mut lines));
        }
        let module = (around.read)("go.mod").and_then(|text| module_of(&text));
        Self { module, base, overrides: bases, platforms, env, flags, ldflags, lines, remarks }
    }

    fn build(&self, build: &SettingNode, is_alone: bool, around: &ImportSurroundings<'_>) -> KoBuild {
        let mut remarks = Vec::new();
        build.items("builds", &mut remarks);
        let [id, directory, main] = ["id", "dir", "main"].map(|name| build.text_of(name, &mut remarks));
        let directory = plain_path(directory.unwrap_or("."));
        let main = main.unwrap_or(".");
        // `main` may be a file of the package.
        let package = main
            .strip_suffix(".go")
            .map_or(main, |file| file.rsplit_once('/').map_or(".", |(package, _)| package));
        let whole = plain_path(&format!("{directory}/{package}"));
        // A directory with a module of its own has another name.
        let module = match directory.as_str() {
            "" => self.module.clone(),
            directory => (around.read)(&format!("{directory}/go.mod"))
                .and_then(|text| module_of(&text))
                .or_else(|| self.module.as_ref().map(|module| format!("{module}/{directory}"))),
        };
        let within = whole.strip_prefix(&directory).unwrap_or(&whole).trim_start_matches('/');
        let import =
            module.map(|module| if within.is_empty() { module } else { format!("{module}/{within}") });
        let name = program_name(import.as_deref().or(id).unwrap_or("app")).to_owned();
        let base = import
            .as_ref()
            .and_then(|import| self.overrides.get(import))
            .map_or(&self.base, |(base, _)| base);
        let own = if is_alone { String::new() } else { whole.clone() };
        let mut draft = BuildFileDraft {
            base: Some(base.clone()),
            platforms: self.platforms.clone(),
            ..BuildFileDraft::default()
        };
        let words = |names: [&str; 2], common: &[String], remarks: &mut Vec<Remark>| {
            let node = names.iter().find_map(|name| build.find(name));
            node.map_or_else(|| common.to_vec(), |node| words_of(node, remarks))
        };
        let command = GoCommand {
            directory: &directory,
            main,
            env: words(["env", "env"], &self.env, &mut remarks),
            flags: words(["flags", "flags"], &self.flags, &mut remarks),
            ldflags: words(["ldflags", "ldflags"], &self.ldflags, &mut remarks),
        };
        let mut app = DraftApp {
            path: format!("bin/{name}"),
            root: Some(format!("/ko-app/{name}")),
            ..DraftApp::default()
        };
        match &self.platforms[..] {
            [] | [_] => app
                .commands
                .push(command.text(self.platforms.first().map(String::as_str), &join(&own, &app.path))),
            several => {
                for platform in several {
                    let path = format!("bin/{}/{name}", platform.replace('/', "_"));
                    app.commands.push(command.text(Some(platform), &join(&own, &path)));
                    app.paths.push(path);
                }
            }
        }
        draft.apps.push(app);
        let data = join(&whole, "kodata");
        if (around.is_directory)(&data) == Some(true) {
            let from = if is_alone { data } else { "kodata".to_owned() };
            let files = vec![DraftFiles { from, to: DATA.to_owned(), ..DraftFiles::default() }];
            draft.layers.push(DraftLayer { name: "kodata".to_owned(), files, ..DraftLayer::default() });
            draft.config.env.insert("KO_DATA_PATH".to_owned(), DATA.to_owned());
        }
        for node in build.nodes() {
            match node.name.as_str() {
                "id" | "dir" | "main" | "env" | "flags" | "ldflags" => {}
                "linux_capabilities" => remarks.push(node.left("`linux_capabilities` is not carried over: write them as `capabilities` into `permissions` of `[app]`")),
                name => remarks.push(node.left(format!("`{}` is no setting that is known here", shortened(name)))),
            }
        }
        let lines = &mut draft.lines;
        lines.set("", "", build.place());
        lines.extend(&self.lines);
        let name = id.unwrap_or(&name).to_owned();
        KoBuild { directory: own, name, import, imported: Imported { draft, remarks } }
    }
}

/// The command that makes a program.
struct GoCommand<'a> {
    directory: &'a str,
    main: &'a str,
    env: Vec<String>,
    flags: Vec<String>,
    ldflags: Vec<String>,
}

impl GoCommand<'_> {
    fn text(&self, platform: Option<&str>, output: &str) -> String {
        let has = |name: &str| self.env.iter().any(|pair| pair.starts_with(&format!("{name}=")));
        let mut words = Vec::new();
        if !has("CGO_ENABLED") {
            words.push("CGO_ENABLED=0".to_owned());
        }
        words.extend(
            self.env
                .iter()
                .filter(|pair| {
                    platform.is_none() || !pair.starts_with("GOOS=") && !pair.starts_with("GOARCH=")
                })
                .map(|pair| assignment(pair)),
        );
        let mut parts = platform.unwrap_or_default().split('/');
        for name in ["GOOS", "GOARCH"] {
            words.extend(parts.next().filter(|part| !part.is_empty()).map(|part| format!("{name}={part}")));
        }
        if let Some(variant) = parts.next().and_then(|variant| variant.strip_prefix('v')) {
            words.push(format!("GOARM={variant}"));
        }
        words.push("go build".to_owned());
        // A path of the output is one from where Go runs.
        let up = "../".repeat(self.directory.split('/').filter(|part| !part.is_empty()).count());
        if !self.directory.is_empty() {
            words.push(format!("-C {}", for_shell(self.directory)));
        }
        if !self.flags.iter().any(|flag| flag == "-trimpath") {
            words.push("-trimpath".to_owned());
        }
        words.extend(self.flags.iter().map(|flag| for_shell(flag)));
        if !self.ldflags.is_empty() {
            words.push(format!("-ldflags {}", for_shell(&self.ldflags.join(" "))));
        }
        words.push(format!("-o {}", for_shell(&format!("{up}{output}"))));
        let main = if self.main == "." || self.main.starts_with("./") {
            self.main.to_owned()
        } else {
            format!("./{}", self.main)
        };
        words.push(for_shell(&main));
        words.join(" ")
    }
}

/// The words of a list, or of one text as a shell splits it; templates of ko stay, with a remark.
fn words_of(node: &SettingNode, remarks: &mut Vec<Remark>) -> Vec<String> {
    let words: Vec<String> = match &node.value {
        SettingValue::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
        SettingValue::Nodes(_) if node.is_table() => {
            remarks.push(node.unknown(&node.name));
            Vec::new()
        }
        SettingValue::Nodes(nodes) => {
            let unknown = nodes.iter().filter(|item| item.text().is_none());
            remarks.extend(unknown.map(|item| item.unknown(&node.name)));
            nodes.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
        }
        SettingValue::Computed(_) => {
            remarks.push(node.unknown(&node.name));
            Vec::new()
        }
    };
    if words.iter().any(|word| word.contains("{{")) {
        remarks.push(node.check(format!(
            "`{}` has templates of ko (`{{{{`): write their values into the command",
            node.name
        )));
    }
    words
}

fn platforms_of(node: &SettingNode, remarks: &mut Vec<Remark>) -> Vec<String> {
    let Some(platforms) = texts(node).filter(|_| !node.is_table()) else {
        remarks.push(node.unknown("defaultPlatforms"));
        return Vec::new();
    };
    if platforms.iter().any(|platform| platform == "all") {
        let text = "`all` is not carried over: write those that you build for into `platforms`, and a program for each into `path`";
        remarks.push(node.left(text));
        return Vec::new();
    }
    let (linux, others): (Vec<String>, Vec<String>) =
        platforms.into_iter().partition(|platform| platform.starts_with("linux/"));
    for other in others {
        remarks.push(node.left(format!("images for `{}` are not made here", shortened(&other))));
    }
    if linux.len() > MOST_PLATFORMS {
        remarks.push(node.left(format!("only {MOST_PLATFORMS} platforms are taken over")));
    }
    linux.into_iter().take(MOST_PLATFORMS).collect()
}

/// A word as a shell reads it.
fn for_shell(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A variable and its value before a command: quotes around the name would make it a command.
fn assignment(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() => format!("{}={}", for_shell(name), for_shell(value)),
        _ => for_shell(pair),
    }
}

/// The path of a module, from its `go.mod`.
fn module_of(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("module "))?;
    let path = line.split("//").next().unwrap_or(line).trim().trim_matches(['"', '`']);
    (!path.is_empty()).then(|| path.to_owned())
}

/// The name that Go gives a program: the last part of its path, without the number of a version.
fn program_name(import: &str) -> &str {
    let is_version = |part: &str| {
        part.len() > 1 && part.starts_with('v') && part[1..].chars().all(|digit| digit.is_ascii_digit())
    };
    import.rsplit('/').find(|part| !is_version(part)).filter(|part| !part.is_empty()).unwrap_or("app")
}

fn join(directory: &str, path: &str) -> String {
    if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::super::remark::Weight;
    use super::*;

    fn import(text: &str, files: &[(&str, &str)]) -> Vec<KoBuild> {
        let read_file =
            |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        let is_directory =
            |path: &str| files.iter().any(|(name, _)| name.starts_with(&format!("{path}/"))).then_some(true);
        read(
            text,
            &ImportSurroundings {
                is_directory: &is_directory,
                directories: &|_| None,
                read: &read_file,
                ignored: None,
            },
        )
        .expect("YAML")
    }

    #[test]
    fn one_build_is_one_file() {
        let text = "defaultBaseImage: example.com/static\ndefaultPlatforms: [linux/amd64, linux/arm/v7, windows/amd64]\nbuilds:\n- id: shop\n  main: ./cmd/shop\n  env: [CGO_ENABLED=1, 'A=b c']\n  flags: [-tags, netgo]\n  ldflags: ['-s -w', '-X main.v={{.Env.V}}']\n";
        let builds =
            import(text, &[("go.mod", "module example.com/me/shop // x\n"), ("cmd/shop/kodata/a", "")]);
        let [build] = &builds[..] else { panic!("{builds:?}") };
        insta::assert_snapshot!(build.imported.draft.render("localhost/shop", &build.imported.remarks), @r##"
        format = 1

        # Not in this image, by the lines that say so:
        # line 2: images for `windows/amd64` are not made here

        # To be looked at, by the lines that it comes from:
        # line 8: `ldflags` has templates of ko (`{{`): write their values into the command

        [image]
        name = "localhost/shop"
        base = "example.com/static"
        platforms = ["linux/amd64", "linux/arm/v7"]

        [app]
        # `CGO_ENABLED=1 A='b c' GOOS=linux GOARCH=amd64 go build -trimpath -tags netgo -ldflags '-s -w -X main.v={{.Env.V}}' -o bin/linux_amd64/shop ./cmd/shop` makes the artifact.
        # `CGO_ENABLED=1 A='b c' GOOS=linux GOARCH=arm GOARM=7 go build -trimpath -tags netgo -ldflags '-s -w -X main.v={{.Env.V}}' -o bin/linux_arm_v7/shop ./cmd/shop` makes the artifact.
        path = ["bin/linux_amd64/shop", "bin/linux_arm_v7/shop"]
        root = "/ko-app/shop"

        [[layer]]
        name = "kodata"
        files = [{ from = "cmd/shop/kodata", to = "/var/run/ko" }]

        [config]
        env = { KO_DATA_PATH = "/var/run/ko" }
        "##);
    }

    #[test]
    fn several_builds_are_a_workspace() {
        let text = "baseImageOverrides:\n  example.com/me/b: example.com/other\nbuilds:\n- {id: one, main: ./a}\n- {id: two, dir: ./b, main: main.go}\n- {id: three, main: a}\nkey: 1\n";
        let builds = import(text, &[("go.mod", "module example.com/me\n")]);
        let unused = import("baseImageOverrides:\n  example.com/x: y\n", &[]);
        assert_eq!(
            unused[0].imported.remarks.iter().map(|it| (it.line, it.weight)).collect::<Vec<_>>(),
            [(1, Weight::Check), (1, Weight::Check), (2, Weight::Left)]
        );
        assert_eq!(workspace(&builds), "[workspace]\nmembers = [\"a\", \"b\"]\n");
        let bases: Vec<_> =
            builds.iter().map(|build| build.imported.draft.base.as_deref().expect("a base")).collect();
        assert_eq!(bases, [USUAL_BASE, "example.com/other"]);
        assert_eq!(
            builds[1].imported.draft.apps[0].commands,
            ["CGO_ENABLED=0 go build -C b -trimpath -o ../b/bin/b ./main.go"]
        );
        let left: Vec<usize> = builds[0]
            .imported
            .remarks
            .iter()
            .filter(|it| it.weight == Weight::Left)
            .map(|it| it.line)
            .collect();
        assert_eq!(left, [6, 7]);
    }

    #[test]
    fn values_that_are_none_are_told() {
        let left = |text: &str| -> Vec<(usize, Weight)> {
            let builds = import(text, &[]);
            let remarks = builds.iter().flat_map(|build| &build.imported.remarks);
            remarks.filter(|it| it.weight == Weight::Left).map(|it| (it.line, it.weight)).collect()
        };
        for text in [
            "builds: hello\n",
            "builds: [hello]\n",
            "builds: [{id: [a]}]\n",
            "builds: [{dir: {a: b}}]\n",
            "builds: [{flags: [[a]]}]\n",
            "defaultBaseImage: [a]\n",
            "baseImageOverrides: a\n",
            "baseImageOverrides: {a: [b]}\n",
            "defaultPlatforms: {a: [b]}\n",
            "defaultEnv: [{A: b}]\n",
            "defaultEnv: {A: b}\n",
            "defaultFlags: {a: b}\n",
            "defaultPlatforms: {a: linux/amd64}\n",
            "builds: {a: {main: b}}\n",
            "builds: 5\n",
            "builds: [true]\n",
            "builds: [{id: !x a}]\n",
            "builds: [{? [a] : b}]\n",
            "builds: [{<<: {id: a}}]\n",
            "baseImageOverrides: [a]\n",
            "baseImageOverrides: {<<: {a: b}}\n",
        ] {
            assert_eq!(left(text), [(1, Weight::Left)], "{text}");
        }
    }

    #[test]
    fn aliases_and_second_documents_are_told() {
        let text = "x: &x [linux/amd64]\ndefaultPlatforms: *x\nbuilds:\n- &b {id: a, main: ./a}\n- {<<: *b, main: ./b}\n- *b\n---\nbuilds: []\n";
        let builds = import(text, &[]);
        let remarks = builds.iter().flat_map(|build| &build.imported.remarks);
        let mut left: Vec<usize> = remarks.filter(|it| it.weight == Weight::Left).map(|it| it.line).collect();
        left.sort_unstable();
        left.dedup();
        assert_eq!(left, [1, 2, 5, 6, 8]);
        let none = ImportSurroundings::NONE;
        let error = read("builds: []\nbuilds: [{id: a}]\n", &none).expect_err("twice").to_string();
        assert!(error.contains("line 2") && error.contains("is there twice"), "{error}");
    }

    #[test]
    fn hostile_files_cost_little() {
        let none = ImportSurroundings::NONE;
        let many = format!("builds:\n{}", "- {id: a}\n".repeat(300));
        assert!(read(&many, &none).is_err());
        assert!(read(&"x".repeat(2 << 20), &none).is_err());
        let platforms = format!(
            "defaultPlatforms: [{}]\nbuilds:\n{}",
            "linux/amd64,".repeat(10_000),
            "- {id: a}\n".repeat(200)
        );
        assert_eq!(read(&platforms, &none).expect("YAML")[0].imported.draft.platforms.len(), 32);
        assert_eq!(read("", &none).expect("YAML").len(), 1);
    }
}
