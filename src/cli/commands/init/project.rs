//! Projects: by which file a build tool is known, where it leaves artifacts, and the command that makes them.
//!
//! Nothing is run, and a build file is read for no more than a name: what a build makes is seen from what lies there.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::runtime::input;

/// A build tool, and how it makes an artifact that goes into an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BuildTool {
    /// Its name.
    pub(super) name: &'static str,
    /// The command.
    pub(super) command: String,
}

/// Files that show a build tool, its name, and its command; the first that is there counts.
const TOOLS: [(&str, &str, &str); 16] = [
    ("pom.xml", "Maven", "mvn package"),
    ("gradlew", "Gradle", "./gradlew build"),
    ("settings.gradle.kts", "Gradle", "gradle build"),
    ("settings.gradle", "Gradle", "gradle build"),
    ("build.gradle.kts", "Gradle", "gradle build"),
    ("build.gradle", "Gradle", "gradle build"),
    ("Cargo.toml", "Cargo", "cargo build --release"),
    ("go.mod", "Go", "CGO_ENABLED=0 go build ."),
    ("pnpm-lock.yaml", "pnpm", "pnpm install --frozen-lockfile"),
    ("yarn.lock", "Yarn", "yarn install"),
    ("bun.lock", "Bun", "bun install --frozen-lockfile"),
    ("package.json", "npm", "npm ci"),
    ("uv.lock", "uv", "uv sync --no-editable --no-dev"),
    ("poetry.lock", "Poetry", "python3 -m venv .venv && .venv/bin/pip install ."),
    ("pyproject.toml", "Python", "python3 -m venv .venv && .venv/bin/pip install ."),
    ("requirements.txt", "Python", "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"),
];

/// The build tool of the project in `directory`.
pub(super) fn tool_of(directory: &Path) -> Option<BuildTool> {
    let (_, name, command) = TOOLS.iter().find(|(file, _, _)| directory.join(file).is_file())?;
    let is_locked = directory.join("package-lock.json").is_file();
    let command = if *name == "npm" && !is_locked { "npm install" } else { command };
    Some(BuildTool { name, command: command.to_owned() })
}

/// The modules of a project: directories in it, and in those, that have a build file of Maven or Gradle of their own.
pub(super) fn modules_of(directory: &Path) -> Vec<PathBuf> {
    const FILES: [&str; 3] = ["pom.xml", "build.gradle", "build.gradle.kts"];
    let is_project = ["pom.xml", "settings.gradle", "settings.gradle.kts"]
        .iter()
        .any(|file| directory.join(file).is_file());
    if !is_project {
        return Vec::new();
    }
    let has_build_file = |path: &Path| FILES.iter().any(|file| path.join(file).is_file());
    let mut modules = Vec::new();
    for child in directories_in(directory) {
        modules.extend(directories_in(&child).into_iter().filter(|path| has_build_file(path)));
        if has_build_file(&child) {
            modules.push(child);
        }
    }
    modules.sort();
    modules
}

/// The directories in `directory` that are not hidden, sorted.
fn directories_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_hidden =
        |path: &Path| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let mut found: Vec<PathBuf> = paths.filter(|path| !is_hidden(path) && path.is_dir()).collect();
    found.sort();
    found
}

/// The programs that Cargo or Go left in a project: the one of the project's name first, and of several with one name the
/// static one.
pub(super) fn programs_of(directory: &Path) -> Vec<PathBuf> {
    let (places, own) = if directory.join("Cargo.toml").is_file() {
        let target = directory.join("target");
        let mut places: Vec<PathBuf> =
            directories_in(&target).into_iter().map(|triple| triple.join("release")).collect();
        // A program for musl needs nothing of a base.
        places.sort_by_key(|place| !place.to_string_lossy().contains("-musl"));
        places.push(target.join("release"));
        (places, name_in(directory, "Cargo.toml", "name = \""))
    } else if directory.join("go.mod").is_file() {
        let module = name_in(directory, "go.mod", "module ");
        let own = module.and_then(|module| module.rsplit('/').next().map(str::to_owned));
        (vec![directory.to_owned(), directory.join("bin")], own)
    } else {
        return Vec::new();
    };
    let mut programs: Vec<PathBuf> = Vec::new();
    for place in places {
        let entries = std::fs::read_dir(place).into_iter().flatten();
        let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        found.sort();
        for path in found.into_iter().filter(|path| path.extension().is_none() && is_program(path)) {
            if !programs.iter().any(|known| known.file_name() == path.file_name()) {
                programs.push(path);
            }
        }
    }
    programs.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()) != own.as_deref());
    programs
}

/// The program of a directory that has no other file, hidden ones aside.
pub(super) fn only_program_of(directory: &Path) -> Option<PathBuf> {
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
    let paths = std::fs::read_dir(directory).ok()?.map(|entry| entry.map(|entry| entry.path()));
    let paths =
        paths.filter(|path| !path.as_ref().is_ok_and(is_hidden)).take(2).collect::<Result<Vec<_>, _>>();
    let [only] = <[PathBuf; 1]>::try_from(paths.ok()?).ok()?;
    is_program(&only).then_some(only)
}

/// Whether a file begins as ELF files do.
fn is_program(path: &Path) -> bool {
    let mut start = [0; 4];
    path.is_file()
        && input::open(path).and_then(|(mut file, _)| file.read_exact(&mut start)).is_ok()
        && start == *b"\x7fELF"
}

/// The text behind the first line that begins with `key`, without quotes.
fn name_in(directory: &Path, file: &str, key: &str) -> Option<String> {
    let text = input::read_text(&directory.join(file), input::MAX_TEXT).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(value.trim_matches(['"', ' ']).to_owned())
}
