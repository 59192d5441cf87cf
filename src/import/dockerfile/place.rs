//! Copied files and the start of a container, put into the build file: where files are on this machine, and which of them is
//! an artifact.

use std::collections::BTreeSet;

use super::super::ImportSurroundings;
use super::super::draft::{BuildFileDraft, DraftApp, DraftConfig, DraftFiles, DraftLayer};
use super::super::remark::Remark;
use super::command::{ContainerStart, JarStart};
use super::copy::{Copy, CopySource, file_name, has_wildcard, in_project, join};
use super::stage::{ImageStage, short};
use super::transfer::transfer;

/// A file or directory of the project, and what to check about it.
struct Found {
    path: String,
    check: Option<String>,
}

/// Where a path of a source is in the project, or why it is not there.
fn find(
    stages: &[ImageStage],
    source: &CopySource,
    path: &str,
    around: &ImportSurroundings<'_>,
) -> Result<Found, String> {
    let number = match source {
        CopySource::Context => return Ok(Found { path: in_project(path), check: None }),
        CopySource::Image(image) => {
            return Err(format!(
                "comes from the image `{image}`: copy it out of that, and into a `[[layer]]`"
            ));
        }
        CopySource::Stage(number) => *number,
    };
    let stage = &stages[number];
    let name = stage.name.clone().unwrap_or_else(|| number.to_string());
    let by_commands = || {
        format!(
            "is made by commands of the stage `{name}`: have the project's own build make it, and copy it in a `[[layer]]`"
        )
    };
    let wanted = format!("/{}", in_project(path).trim_start_matches('.'));
    let wanted = if wanted == "//" { "/" } else { wanted.as_str() };
    for copy in stage.copies.iter().rev() {
        let Some(own) = copy.sources.iter().find_map(|own| source_of(copy, own, wanted, around)) else {
            continue;
        };
        let found = find(stages, &copy.source, &own, around)?;
        let is_there = (around.is_directory)(&found.path).is_some() && copy.is_file_at(wanted);
        let check = (!is_there).then(|| made(wanted, &name, &found.path));
        return Ok(Found { check: found.check.or(check), path: found.path });
    }
    let below = |directory: &str| {
        wanted.strip_prefix(directory).filter(|rest| rest.starts_with('/')).map(|rest| rest[1..].to_owned())
    };
    let path = match below(&stage.workdir).filter(|_| stage.workdir.len() > 1) {
        Some(path) => path,
        None if has_wildcard(wanted) => return Err(by_commands()),
        None if wanted == "/" => {
            return Err(format!("is all of the stage `{name}`: copy its parts in a `[[layer]]`"));
        }
        None if wanted == stage.workdir && stage.copies.is_empty() => return Err(by_commands()),
        None if wanted == stage.workdir => ".".to_owned(),
        // `go build -o /bin/server` and the like.
        None if stage.runs.iter().any(|run| run.contains(wanted)) => file_name(wanted).to_owned(),
        None if ["/etc/", "/usr/", "/lib", "/bin/", "/sbin/", "/var/"]
            .iter()
            .any(|of| wanted.starts_with(of)) =>
        {
            return Err(format!(
                "comes from the base of the stage `{name}`, not from the project: have it in the base, or in a `[[layer]]`"
            ));
        }
        None => file_name(wanted).to_owned(),
    };
    Ok(Found { check: Some(made(wanted, &name, &path)), path })
}

fn made(wanted: &str, stage: &str, path: &str) -> String {
    format!(
        "`{wanted}` of the stage `{stage}` is taken to be `{path}` of the project: build it before `pack build`"
    )
}

/// Whether a path of the project is known to be a directory.
fn is_directory(path: &str, around: &ImportSurroundings<'_>) -> bool {
    path == "." || (around.is_directory)(path).unwrap_or(false)
}

/// The source of a path of a stage, if this copy put it there.
fn source_of(copy: &Copy, own: &str, wanted: &str, around: &ImportSurroundings<'_>) -> Option<String> {
    if copy.source == CopySource::Context && is_directory(&in_project(own), around) {
        let rest = wanted.strip_prefix(copy.to.trim_end_matches('/'))?;
        return (rest.is_empty() || rest.starts_with('/')).then(|| format!("{own}{rest}"));
    }
    let place = if copy.into { join(&copy.to, file_name(own)) } else { copy.to.clone() };
    (place == wanted).then(|| own.to_owned())
}

/// Puts what a stage copies, and how it starts, into the build file.
pub(super) fn place(
    stages: &[ImageStage],
    stage: &ImageStage,
    start: &ContainerStart<'_>,
    around: &ImportSurroundings<'_>,
    draft: &mut BuildFileDraft,
    config: &mut DraftConfig,
    remarks: &mut Vec<Remark>,
) {
    let mut jar = start.jar();
    let mut names = BTreeSet::new();
    let mut started = false;
    let transferred = transfer(stages, stage, remarks);
    let of_others = transferred.users_of.iter().filter_map(|number| stages.get(*number));
    draft.users.extend(of_others.flat_map(|stage| stage.users.iter().cloned()));
    let mut found: Vec<PlacedCopy> = Vec::new();
    for copy in &transferred.copies {
        let mut placed = PlacedCopy::of(stages, copy, around, remarks);
        // A file for the place of a directory that is there goes into it.
        placed.copy.into |= found.iter().any(|earlier| earlier.makes_directory(&copy.to, around))
            && !placed.paths.iter().any(|path| is_directory(path, around));
        found.push(placed);
    }
    for (number, PlacedCopy { copy, paths }) in found.iter().enumerate() {
        let mut files = Vec::new();
        for path in paths {
            if let Some(line) = copy.owned_alone.filter(|_| is_directory(path, around)) {
                let text = format!("the owner of `{}` is also that of all that is copied into it", copy.to);
                remarks.push(Remark::check(line, text));
            }
            match brought_by(copy, path, &found[..number], &found[number + 1..], around) {
                Some(Other::Later) => continue,
                Some(Other::WholeProject) => {
                    if copy.owner.is_some() || copy.mode.is_some() {
                        let text = format!(
                            "`{path}` comes with the whole project: write its owner or mode into `permissions`"
                        );
                        remarks.push(Remark::left(copy.line, text));
                    }
                    continue;
                }
                None => {}
            }
            let to = if copy.into { join(&copy.to, file_name(path)) } else { copy.to.clone() };
            let own = DraftApp { owner: copy.owner.clone(), mode: copy.mode.clone(), ..DraftApp::default() };
            if let Some(root) = web_app(path, &to) {
                draft.apps.push(DraftApp { path: path.clone(), root, ..own });
            } else if let Some(kind) = whole_project(path, draft, around) {
                let ignored = without_packages(copy, path, around, remarks);
                let exclude = [ignored, copy.exclude.clone()].concat();
                let root = Some(copy.to.clone());
                draft.apps.push(DraftApp { path: path.clone(), kind, root, exclude, ..own });
            } else if let Some(start) = jar.take_if(|start| starts(stage, start, &to, path)) {
                draft.apps.push(DraftApp { path: path.clone(), ..own });
                take_start(start, copy.line, config, remarks);
                started = true;
            } else {
                files.extend(files_of(copy, path, around, remarks));
            }
        }
        if !files.is_empty() {
            let name = layer_name(&copy.to, &mut names);
            draft.layers.push(DraftLayer { name, files, ..DraftLayer::default() });
        }
    }
    if !transferred.directories.is_empty() || !stage.links.is_empty() {
        draft.layers.push(DraftLayer {
            name: layer_name("/directories", &mut names),
            files: Vec::new(),
            directories: transferred.directories,
            links: stage.links.clone(),
            ..DraftLayer::default()
        });
    }
    if !started {
        config.entrypoint = start.entrypoint.map(|command| command.words.clone());
        config.cmd = start.cmd.map(|command| command.words.clone());
    }
}

/// A copy with the places of its sources in the project.
struct PlacedCopy {
    copy: Copy,
    paths: Vec<String>,
}

impl PlacedCopy {
    fn of(
        stages: &[ImageStage],
        copy: &Copy,
        around: &ImportSurroundings<'_>,
        remarks: &mut Vec<Remark>,
    ) -> Self {
        let mut paths = Vec::new();
        for source in &copy.sources {
            match find(stages, &copy.source, source, around) {
                Ok(found) => {
                    remarks.extend(found.check.map(|check| Remark::check(copy.line, check)));
                    paths.push(found.path);
                }
                Err(why) => remarks.push(Remark::left(copy.line, format!("`{}` {why}", short(source)))),
            }
        }
        Self { copy: copy.clone(), paths }
    }

    /// Whether it brings a directory to a place.
    fn makes_directory(&self, to: &str, around: &ImportSurroundings<'_>) -> bool {
        let Some(rest) = to.strip_prefix(self.copy.to.trim_end_matches('/')) else { return false };
        let is_part = rest.is_empty() || rest.starts_with('/');
        is_part && self.paths.iter().any(|path| is_directory(&in_project(&format!("{path}{rest}")), around))
    }

    /// Whether this is a directory that brings a file of the project to a place in the image.
    fn brings(&self, path: &str, to: &str, around: &ImportSurroundings<'_>) -> bool {
        let [whole] = &self.paths[..] else { return false };
        let relative = if whole == "." { Some(path) } else { path.strip_prefix(&format!("{whole}/")) };
        relative.is_some_and(|relative| {
            relative != "." && join(&self.copy.to, relative) == to && !is_left_out(around, whole, relative)
        })
    }
}

/// Another copy that brings a file to the same place.
enum Other {
    /// One of a directory, further down, which decides.
    Later,
    /// One of the whole project, which is an artifact: it has no path in common with a layer.
    WholeProject,
}

fn brought_by(
    copy: &Copy,
    path: &str,
    earlier: &[PlacedCopy],
    later: &[PlacedCopy],
    around: &ImportSurroundings<'_>,
) -> Option<Other> {
    let to = if copy.into { join(&copy.to, file_name(path)) } else { copy.to.clone() };
    if later.iter().any(|other| other.brings(path, &to, around)) {
        return Some(Other::Later);
    }
    let is_whole = |other: &&PlacedCopy| other.paths.iter().all(|path| path == ".");
    let is_there = earlier.iter().filter(is_whole).any(|other| other.brings(path, &to, around));
    is_there.then_some(Other::WholeProject)
}

/// Whether `.dockerignore` leaves a path of a directory out, packages aside.
fn is_left_out(around: &ImportSurroundings<'_>, directory: &str, path: &str) -> bool {
    let (patterns, _) = ignored(around, directory);
    patterns.iter().filter(|pattern| !is_packages(pattern)).any(|pattern| {
        let pattern = pattern.trim_start_matches("**/");
        path == pattern || path.starts_with(&format!("{pattern}/")) || file_name(path) == pattern
    })
}

/// Whether a pattern is about packages that are installed in the project before the image is made.
fn is_packages(pattern: &str) -> bool {
    matches!(file_name(pattern), "node_modules" | ".venv" | "venv")
}

/// The root of a web application that a servlet container unpacks; none where another server deploys it.
fn web_app(path: &str, to: &str) -> Option<Option<String>> {
    let place = to.strip_suffix(".war").filter(|_| path.ends_with(".war"))?;
    let (directory, name) = place.rsplit_once('/')?;
    match directory.rsplit('/').next()? {
        "webapps" => {
            let name = if has_wildcard(name) { "ROOT" } else { name };
            Some(Some(format!("{directory}/{name}")))
        }
        "deployments" | "dropins" | "autodeploy" => Some(None),
        _ => None,
    }
}

/// The kind of the whole project, or of a directory with the file of a package manager: its files are the application.
fn whole_project(
    path: &str,
    draft: &BuildFileDraft,
    around: &ImportSurroundings<'_>,
) -> Option<Option<&'static str>> {
    let has = |name: &&str| (around.is_directory)(&in_project(&join(path, name))) == Some(false);
    let is_known = ["package.json", "pyproject.toml", "requirements.txt", "setup.py"].iter().any(has);
    let is_it = draft.apps.is_empty() && (is_known || path == ".");
    is_it.then(|| (!is_known).then_some("tree"))
}

/// Whether a container starts this jar.
fn starts(stage: &ImageStage, start: &JarStart, to: &str, path: &str) -> bool {
    let is_it = stage.path(&start.jar) == to;
    let has_spaces = start.options.iter().any(|option| option.contains(char::is_whitespace));
    path.ends_with(".jar") && is_it && !has_spaces
}

/// How a jar starts that is an artifact: its layers decide the command.
fn take_start(start: JarStart, line: usize, config: &mut DraftConfig, remarks: &mut Vec<Remark>) {
    let JarStart { jar, options, arguments } = start;
    if !options.is_empty() {
        let known = config.env.remove("JDK_JAVA_OPTIONS").into_iter();
        let all: Vec<String> = known.chain(options).collect();
        config.env.insert("JDK_JAVA_OPTIONS".to_owned(), all.join(" "));
    }
    config.cmd = (!arguments.is_empty()).then_some(arguments);
    let text = format!(
        "`{jar}` is the artifact: what it is decides where it goes and how it starts; `pack plan` shows both"
    );
    remarks.push(Remark::check(line, text));
}

/// The rows of a layer for one source.
fn files_of(
    copy: &Copy,
    path: &str,
    around: &ImportSurroundings<'_>,
    remarks: &mut Vec<Remark>,
) -> Option<DraftFiles> {
    let rest = DraftFiles { mode: copy.mode.clone(), owner: copy.owner.clone(), ..DraftFiles::default() };
    if has_wildcard(path) {
        let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
        if has_wildcard(directory) {
            let text =
                format!("`{path}` has a pattern in the name of a directory: copy each one in a `[[layer]]`");
            remarks.push(Remark::left(copy.line, text));
            return None;
        }
        if !copy.into {
            let text = format!(
                "`{path}` is a pattern for the one file `{}`: write its name into a `[[layer]]`",
                copy.to
            );
            remarks.push(Remark::left(copy.line, text));
            return None;
        }
        return Some(DraftFiles {
            from: directory.to_owned(),
            to: copy.to.clone(),
            include: vec![name.to_owned()],
            exclude: copy.exclude.clone(),
            ..rest
        });
    }
    if is_directory(path, around) {
        let (exclude, check) = ignored(around, path);
        remarks.extend(check.map(|check| Remark::check(copy.line, check)));
        let exclude = [exclude, copy.exclude.clone()].concat();
        return Some(DraftFiles { from: path.to_owned(), to: copy.to.clone(), exclude, ..rest });
    }
    let to = if copy.into { format!("{}/", copy.to.trim_end_matches('/')) } else { copy.to.clone() };
    Some(DraftFiles { from: path.to_owned(), to, ..rest })
}

/// The patterns by which `.dockerignore` leaves files of a directory out.
fn ignored(around: &ImportSurroundings<'_>, directory: &str) -> (Vec<String>, Option<String>) {
    let lines = around.ignored.unwrap_or_default().lines().map(str::trim);
    let (back, patterns): (Vec<&str>, Vec<&str>) = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .partition(|line| line.starts_with('!'));
    let own = |pattern: &str| {
        let pattern = pattern.trim_start_matches("./").trim_matches('/');
        if directory == "." || pattern.starts_with("**/") {
            return Some(pattern.to_owned());
        }
        pattern.strip_prefix(directory)?.strip_prefix('/').map(str::to_owned)
    };
    let exclude = patterns.into_iter().filter_map(own).filter(|pattern| !pattern.is_empty()).collect();
    let check = back.first().map(|first| {
        format!("`.dockerignore` takes files back (`{first}`), which `exclude` cannot: write its lines into `.packignore`")
    });
    (exclude, check)
}

/// The patterns of `.dockerignore` for a directory without those of packages, which are installed before the image is made here.
fn without_packages(
    copy: &Copy,
    directory: &str,
    around: &ImportSurroundings<'_>,
    remarks: &mut Vec<Remark>,
) -> Vec<String> {
    let (mut exclude, check) = ignored(around, directory);
    remarks.extend(check.map(|check| Remark::check(copy.line, check)));
    if let Some(pattern) = exclude.iter().find(|pattern| is_packages(pattern.as_str())) {
        let text = format!(
            "`.dockerignore` leaves out `{pattern}`, and the image needs it: it is taken from the project"
        );
        remarks.push(Remark::check(copy.line, text));
        exclude.retain(|pattern| !is_packages(pattern.as_str()));
    }
    exclude
}

/// A name for a layer, from the place of its files.
fn layer_name(to: &str, taken: &mut BTreeSet<String>) -> String {
    let own: String = file_name(to)
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' })
        .collect();
    let own = if own.trim_matches(['-', '.']).is_empty() { "root".to_owned() } else { own };
    let mut names = std::iter::once(own.clone()).chain((2..).map(|number| format!("{own}-{number}")));
    let name = names.find(|name| !taken.contains(name)).unwrap_or(own);
    taken.insert(name.clone());
    name
}
