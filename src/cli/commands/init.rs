//! `pack init`: a build file to start from.

mod from;
mod name;
mod project;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::name::name_of;
use self::project::{modules_of, only_program_of, programs_of, tool_of};
use super::super::args::InitArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::file::OutputFile;
use super::super::invocation::Invocation;
use super::request::BUILD_FILE;
use crate::artifact::{self, Artifact, Form};
use crate::types::error_code::ErrorCode;
use crate::types::location::Location;
use crate::types::shown::{shown_path, toml_text};

/// Where build tools put what they made, by how often that is what is wanted.
const USUAL: [&str; 9] = [
    "target",
    "target/universal/stage",
    "target/appassembler",
    "build/libs",
    "build/install",
    "build",
    "dist",
    "out",
    "public",
];

/// Those of a module of Maven or Gradle.
const OF_MODULES: [&str; 3] = ["target", "build/libs", "build/install"];

/// Writes a build file.
///
/// # Errors
/// When there is one already, or no artifact is found.
pub(super) fn run(invocation: &Invocation, args: &InitArgs) -> Result<(), CommandError> {
    let cwd = &invocation.environment.cwd;
    if cwd.join(BUILD_FILE).symlink_metadata().is_ok() && !args.force {
        return Err(CommandError::new(ExitStatus::Input, format!("there is a `{BUILD_FILE}` already"))
            .coded(ErrorCode::FileExists)
            .hint("`--force` replaces it"));
    }
    // Said before anything is written, as of every other flag.
    args.base.as_deref().map(Location::parse).transpose()?;
    if let Some(file) = &args.from {
        return from::run(invocation, args, file);
    }
    let given = invocation.source(args.path.as_deref().unwrap_or(Path::new("")))?;
    let project = if given.is_dir() { given.clone() } else { cwd.clone() };
    let ArtifactChoice { path, others } = find(invocation, &given, args.path.is_some())?;
    let found = artifact::detect(&path, invocation.scratch.parent())?;
    // An artifact that a build refuses is refused now.
    artifact::check_supported(&found)?;
    let relative = |path: &Path| match path.strip_prefix(cwd).unwrap_or(path) {
        own if own.as_os_str().is_empty() => ".".to_owned(),
        path => path.display().to_string(),
    };
    invocation.printer.note(format!("`{}` is {}", relative(&path), found.kind.describe()));
    for why in &found.why {
        invocation.printer.note(why);
    }
    let name = name_of(args, None);
    let base = args.base.clone().unwrap_or_else(|| found.kind.usual_base(found.material()));
    let mut more = String::new();
    if !others.is_empty() {
        let are = if others.len() == 1 { "there is another artifact" } else { "there are other artifacts" };
        invocation.printer.note(format!("{are} here: `{BUILD_FILE}` names all of them"));
        more.push_str("# Also here. To have one of them instead, write its path above; to have it too, write `[[app]]` above\n\
                       # and below, since one image may have several artifacts.\n");
        for other in &others {
            more.push_str(&format!("# [[app]]\n# path = {}\n", toml_text(&relative(other))));
        }
        more.push('\n');
    }
    // Files that are taken as they lie may have the file of a build tool among them.
    let is_as_it_lies = matches!(found.kind.name(), "site" | "tree") && path == project;
    let made = tool_of(&project)
        .filter(|_| !is_as_it_lies)
        .map(|tool| format!("# `{}` makes the artifact.\n", tool.command));
    // Servers have scripts that read their own variable; the launcher of Java reads this one.
    let variable = match found.kind.name() {
        "war" => "JAVA_OPTS = \"-Xmx512m\"",
        "spring-boot" | "executable-jar" | "jar" | "quarkus" | "distribution" => {
            "JDK_JAVA_OPTIONS = \"-Xmx512m\""
        }
        _ => "TZ = \"UTC\"",
    };
    // No base says where a directory goes.
    let root = match found.kind.name() {
        "tree" => "root = \"/app\"",
        "site" if args.base.is_some() => {
            "# root = \"/srv/www\"              # needed where the base has no web server that is known"
        }
        _ => "# root = \"/where/it/goes\"          # default: from the kind of artifact and the base",
    };
    let text = format!(
        "format = 1\n\n[image]\nname = {}\nbase = {}\n# tags = [\"{{git.short}}\"]\n\n[app]\n{}path = {}\n\
         {root}\n\n{more}\
         # [config]\n# env = {{ {variable} }}\n# ports = [8080]\n# user = \"1000:1000\"\n",
        toml_text(&name),
        toml_text(&base),
        made.unwrap_or_default(),
        toml_text(&relative(&path)),
    );
    OutputFile::open(invocation, Path::new(BUILD_FILE))?.write(invocation, text.as_bytes())?;
    if found.kind.name() == "site" && args.base.is_some() {
        invocation.printer.note(format!(
            "the base is not looked into here: if `pack plan` knows no web server in it, take the `#` before `root` in `{BUILD_FILE}` away"
        ));
    }
    invocation.printer.result(BUILD_FILE);
    Ok(())
}

/// The artifact of a new build file, and those that lie in the usual places besides.
struct ArtifactChoice {
    path: PathBuf,
    others: Vec<PathBuf>,
}

/// The artifact that was named, or those in the usual places below a directory: the first that can be packaged, and the
/// others.
///
/// A directory that is named may be an artifact itself: one with the signs of a kind at once, any other only where nothing
/// lies in the usual places.
fn find(invocation: &Invocation, given: &Path, named: bool) -> Result<ArtifactChoice, CommandError> {
    let alone = |path: &Path| Ok(ArtifactChoice { path: path.to_owned(), others: Vec::new() });
    if named && !given.is_dir() {
        return alone(given);
    }
    let is_whole = |artifact: Artifact| artifact.kind.sign(Form::Directory).is_some();
    let detect = |path: &Path| artifact::detect(path, invocation.scratch.parent());
    if named && detect(given).is_ok_and(is_whole) {
        return alone(given);
    }
    let mut candidates: Vec<PathBuf> =
        USUAL.iter().flat_map(|directory| in_place(invocation, given, directory)).collect();
    candidates.extend(programs_of(given));
    for module in modules_of(given) {
        let of_module = OF_MODULES.iter().flat_map(|directory| in_place(invocation, &module, directory));
        candidates.extend(of_module);
    }
    let can_be_packaged =
        |path: &PathBuf| detect(path).is_ok_and(|artifact| artifact::check_supported(&artifact).is_ok());
    // Directories that nothing shows to be more than that are parts of a project that is an application as it lies.
    let has_sign = |path: &PathBuf| detect(path).is_ok_and(is_whole) || path.is_file();
    if !named && !candidates.iter().any(has_sign) && detect(given).is_ok_and(is_whole) {
        return alone(given);
    }
    let is_plain =
        |path: &Path| detect(path).is_ok_and(|artifact| artifact.kind.sign(Form::Directory).is_none());
    match candidates.iter().position(can_be_packaged).or((!candidates.is_empty()).then_some(0)) {
        Some(first) => {
            let path = candidates.remove(first);
            let module = modules_of(given).into_iter().find(|module| path.starts_with(module));
            if let Some(module) = module {
                let shown = shown_path(module.strip_prefix(given).unwrap_or(&module));
                invocation.printer.note(format!("the artifact is that of the module `{shown}`"));
            }
            candidates.retain(can_be_packaged);
            Ok(ArtifactChoice { path, others: candidates })
        }
        None if named && !(tool_of(given).is_some() && is_plain(given)) => match only_program_of(given) {
            Some(program) if is_plain(given) => {
                let name = shown_path(Path::new(program.file_name().unwrap_or_default()));
                invocation.printer.note(format!("`{name}` is the only file in `{}`", shown_path(given)));
                alone(&program)
            }
            _ => alone(given),
        },
        None => Err(not_found(given, named)),
    }
}

/// The error where there is no artifact: with the command that makes one, where the build tool is known.
fn not_found(given: &Path, named: bool) -> CommandError {
    match tool_of(given) {
        Some(tool) => {
            let message = format!("found no artifact of this {} project: it is not built yet", tool.name);
            let again = match named {
                true => format!("`pack init {}`", shown_path(given)),
                false => "`pack init`".to_owned(),
            };
            CommandError::new(ExitStatus::Input, message)
                .coded(ErrorCode::ArtifactMissing)
                .hint(format!("run `{}`, then {again} again", tool.command))
        }
        None => {
            let message = "found no artifact in target, build, dist, out or public";
            let hint = match given.join("Dockerfile").is_file() {
                true => {
                    "`pack init --from Dockerfile` takes the Dockerfile over; or name the artifact: `pack init build/libs/app.war`"
                }
                false => "name it: `pack init build/libs/app.war`",
            };
            CommandError::new(ExitStatus::Input, message).coded(ErrorCode::ArtifactMissing).hint(hint)
        }
    }
}

/// The artifacts in one of the usual places: the newest of each archive, else the place itself if it is one for pages.
fn in_place(invocation: &Invocation, given: &Path, directory: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(given.join(directory)) else { return Vec::new() };
    let files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // The jars beside it are its parts.
    let quarkus = given.join(directory).join("quarkus-app");
    if quarkus.join("quarkus-run.jar").is_file() {
        return vec![quarkus];
    }
    match directory {
        // One directory for each application.
        "build/install" => {
            let mut files = files;
            files.sort();
            return files;
        }
        "target/universal/stage" | "target/appassembler" => return vec![given.join(directory)],
        _ => {}
    }
    let archives = |extension: &str| {
        let is_one = |path: &&PathBuf| path.extension().is_some_and(|found| found == extension);
        let archives: Vec<&Path> = files.iter().filter(is_one).map(PathBuf::as_path).collect();
        newest(invocation, &archives)
    };
    // A WAR comes first. Jars beside it that can be started are named, too; libraries are not.
    let mut found = archives("war");
    found.extend(archives("jar"));
    if !found.is_empty() {
        return found;
    }
    if matches!(directory, "dist" | "public") { vec![given.join(directory)] } else { Vec::new() }
}

/// The archives of the highest version of each name, by name.
fn newest(invocation: &Invocation, archives: &[&Path]) -> Vec<PathBuf> {
    /// Archives that builds put beside the one that is meant.
    const BESIDE: [&str; 5] = ["-sources", "-javadoc", "-tests", "-test-sources", "-plain"];
    let is_beside = |path: &&&Path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        BESIDE.iter().any(|end| stem.ends_with(end))
    };
    let all_are = archives.iter().all(|path| is_beside(&path));
    let mut named: BTreeMap<String, Vec<(String, &Path)>> = BTreeMap::new();
    for path in archives.iter().filter(|path| all_are || !is_beside(path)) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (name, version) = name_and_version(&stem);
        named.entry(name).or_default().push((version, path));
    }
    let mut found = Vec::new();
    for mut versions in named.into_values() {
        versions.sort_by(|(a, one), (b, other)| by_version(a, b).then_with(|| one.cmp(other)));
        let Some((_, newest)) = versions.last() else { continue };
        if versions.len() > 1 {
            let shown = shown_path(newest.strip_prefix(&invocation.environment.cwd).unwrap_or(newest));
            invocation.printer.note(format!("`{shown}` is the newest of {} versions there", versions.len()));
        }
        found.push((*newest).to_owned());
    }
    found
}

/// `shop` and `1.10` of `shop-1.10`.
fn name_and_version(stem: &str) -> (String, String) {
    let is_version =
        |(at, _): &(usize, &str)| stem[at + 1..].starts_with(|first: char| first.is_ascii_digit());
    stem.match_indices('-').find(is_version).map_or_else(
        || (stem.to_owned(), String::new()),
        |(at, _)| (stem[..at].to_owned(), stem[at + 1..].to_owned()),
    )
}

/// Numbers count as numbers, and what has a word more, such as `SNAPSHOT` or `RC1`, comes before the release.
fn by_version(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (parts(a).into_iter(), parts(b).into_iter());
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(VersionPart::Word(_)), None)
            | (None | Some(VersionPart::Word(_)), Some(VersionPart::Number(_))) => Ordering::Less,
            (Some(VersionPart::Number(_)), None | Some(VersionPart::Word(_)))
            | (None, Some(VersionPart::Word(_))) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(&b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// A part of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum VersionPart {
    /// Its length without leading zeros, and its digits: any number compares without overflow.
    Number((usize, String)),
    Word(String),
}

fn parts(version: &str) -> Vec<VersionPart> {
    let mut parts: Vec<String> = Vec::new();
    let mut last = None;
    for character in version.chars() {
        let kind = character.is_alphanumeric().then(|| character.is_ascii_digit());
        match (kind, parts.last_mut()) {
            (None, _) => {}
            (Some(_), Some(part)) if kind == last => part.push(character),
            (Some(_), _) => parts.push(character.to_string()),
        }
        last = kind;
    }
    let part = |text: String| {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let digits = text.trim_start_matches('0').to_owned();
            VersionPart::Number((digits.len(), digits))
        } else {
            VersionPart::Word(text.to_lowercase())
        }
    };
    parts.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_their_numbers() {
        let sorted = [
            "1.0-alpha",
            "1.0-RC1",
            "1.0-RC2",
            "1.0-SNAPSHOT",
            "1.0",
            "1.0.1",
            "1.2",
            "1.9",
            "1.10-SNAPSHOT",
            "1.10",
            "2",
            "10",
            "20240101000000000000000000",
        ];
        for (at, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                assert_eq!(by_version(a, b), at.cmp(&other), "{a} {b}");
            }
        }
        assert_eq!(by_version("1.02", "1.2"), Ordering::Equal);
    }

    #[test]
    fn a_name_ends_where_a_version_begins() {
        let split = |stem: &str| name_and_version(stem);
        assert_eq!(split("shop-1.10"), ("shop".to_owned(), "1.10".to_owned()));
        assert_eq!(split("log4j-api-2-x-3.1"), ("log4j-api".to_owned(), "2-x-3.1".to_owned()));
        assert_eq!(split("shop"), ("shop".to_owned(), String::new()));
    }
}
