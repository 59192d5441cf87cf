//! Copied files and the start of a container, put into the build file: where files are on this machine, and which of them is
//! an artifact.

use std::collections::BTreeSet;

use super::super::draft::{BuildFileDraft, DraftApp, DraftConfig, DraftFiles, DraftLayer, line_name};
use super::super::remark::Remark;
use super::super::setting::shortened;
use super::command::{ContainerStart, JarStart};
use super::copy::{Copy, CopySource, file_name, has_wildcard, in_project, join};
use super::ignore::{IgnoredFiles, as_glob, is_packages, literal, matches};
use super::layers::layers_of;
use super::project::ProjectView;
use super::stage::{ImageStage, official};
use super::transfer::transfer;

/// The stages that a file may come through.
const MOST_STAGES: usize = 32;

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
    project: &ProjectView<'_>,
    depth: usize,
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
    if depth > MOST_STAGES {
        return Err("comes through too many stages: copy it in a `[[layer]]`".to_owned());
    }
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
        let Some(own) = copy.sources.iter().find_map(|own| source_of(copy, own, wanted, project)) else {
            continue;
        };
        let found = find(stages, &copy.source, &own, project, depth + 1)?;
        let is_there = project.kind(&found.path).is_some() && copy.is_file_at(wanted);
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

/// The source of a path of a stage, if this copy put it there.
fn source_of(copy: &Copy, own: &str, wanted: &str, project: &ProjectView<'_>) -> Option<String> {
    if !project.step(1 + (own.len() + copy.to.len() + wanted.len()) / 64) {
        return None;
    }
    if copy.source == CopySource::Context && project.is_directory(&in_project(own)) {
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
    project: &ProjectView<'_>,
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
        let mut placed = PlacedCopy::of(stages, copy, project, remarks);
        // A file for the place of a directory that is there goes into it.
        placed.copy.into |= found.iter().any(|earlier| earlier.makes_directory(&copy.to, project))
            && !placed.paths.iter().any(|path| project.is_directory(path));
        found.push(placed);
    }
    let mut directories = transferred.directories;
    let mut base_start = None;
    for (number, PlacedCopy { copy, paths }) in found.iter().enumerate() {
        let mut files = Vec::new();
        for path in paths {
            remarks.extend(working_directory(stage, copy, path, project));
            let copy = &alone(copy, path, project, &mut directories, remarks);
            match brought_by(copy, path, &found[..number], &found[number + 1..], project) {
                Some(Other::Later) => continue,
                Some(Other::WholeProject) => {
                    if copy.owner.is_some() || copy.mode.is_some() || copy.own_mode.is_some() {
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
            draft.lines.set("apps", path, copy.line);
            draft.lines.set("directories", &copy.to, copy.line);
            let own = DraftApp { owner: copy.owner.clone(), mode: copy.mode.clone(), ..DraftApp::default() };
            let is_started = |start: &mut JarStart| starts(stage, start, &to, path);
            if copy.is_adrift && !jar.as_mut().is_some_and(is_started) {
                let text = format!(
                    "`{}`: the working directory of the base is not known here; write `WORKDIR` before it, or copy it in a `[[layer]]`",
                    shortened(path)
                );
                remarks.push(Remark::left(copy.line, text));
            } else if let Some(root) = web_app(path, &to) {
                draft.apps.push(DraftApp { path: path.clone(), root, ..own });
            } else if let Some(kind) = whole_project(path, draft, project) {
                let Some(ignored) = without_packages(copy, path, project, remarks) else { continue };
                let exclude = [&ignored.exclude[..], &copy.exclude[..]].concat();
                let include = ignored.include;
                let root = Some(copy.to.clone());
                let kind =
                    kind.or_else(|| start_of_project(stage, start, copy.line, &mut base_start, remarks));
                draft.apps.push(DraftApp { path: path.clone(), kind, root, include, exclude, ..own });
            } else if let Some(start) = jar.take_if(|start| starts(stage, start, &to, path)) {
                draft.apps.push(DraftApp { path: path.clone(), ..own });
                take_start(start, copy.line, config, remarks);
                started = true;
            } else {
                files.push(files_of(copy, path, project, remarks));
            }
        }
        files.retain(|rows: &Vec<DraftFiles>| !rows.is_empty());
        for files in layers_of(&files, copy.line, project, remarks) {
            let name = layer_name(&copy.to, &mut names);
            for row in &files {
                draft.lines.set("files", &line_name(&row.from, &row.to), copy.line);
            }
            draft.layers.push(DraftLayer { name, files, ..DraftLayer::default() });
        }
    }
    if !directories.is_empty() || !stage.links.is_empty() {
        draft.layers.push(DraftLayer {
            name: layer_name("/directories", &mut names),
            files: Vec::new(),
            directories,
            links: stage.links.clone(),
            ..DraftLayer::default()
        });
    }
    if !started {
        config.entrypoint = start.entrypoint.map(|command| command.words.clone()).or(base_start);
        config.cmd = start.cmd.map(|command| command.words.clone());
    }
}

/// A copy with the places of its sources in the project.
struct PlacedCopy {
    copy: Copy,
    paths: Vec<String>,
}

impl PlacedCopy {
    fn of(stages: &[ImageStage], copy: &Copy, project: &ProjectView<'_>, remarks: &mut Vec<Remark>) -> Self {
        let mut paths = Vec::new();
        for source in &copy.sources {
            match find(stages, &copy.source, source, project, 0) {
                Ok(found) => {
                    remarks.extend(found.check.map(|check| Remark::check(copy.line, check)));
                    paths.push(found.path);
                }
                Err(why) => remarks.push(Remark::left(copy.line, format!("`{}` {why}", shortened(source)))),
            }
        }
        Self { copy: copy.clone(), paths }
    }

    /// Whether it brings a directory to a place.
    fn makes_directory(&self, to: &str, project: &ProjectView<'_>) -> bool {
        let Some(rest) = to.strip_prefix(self.copy.to.trim_end_matches('/')) else { return false };
        let is_part = rest.is_empty() || rest.starts_with('/');
        is_part && self.paths.iter().any(|path| project.is_directory(&in_project(&format!("{path}{rest}"))))
    }

    /// Whether this is a directory that brings a file of the project to a place in the image.
    fn brings(&self, path: &str, to: &str, project: &ProjectView<'_>) -> bool {
        let [whole] = &self.paths[..] else { return false };
        let relative = if whole == "." { Some(path) } else { path.strip_prefix(&format!("{whole}/")) };
        relative.is_some_and(|relative| {
            relative != "."
                && project.step(1 + (to.len() + relative.len()) / 64)
                && join(&self.copy.to, relative) == to
                && !project.is_left_out(&join(whole, relative))
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
    project: &ProjectView<'_>,
) -> Option<Other> {
    let to = if copy.into { join(&copy.to, file_name(path)) } else { copy.to.clone() };
    if later.iter().any(|other| other.brings(path, &to, project)) {
        return Some(Other::Later);
    }
    let is_whole = |other: &&PlacedCopy| other.paths.iter().all(|path| path == ".");
    let is_there = earlier.iter().filter(is_whole).any(|other| other.brings(path, &to, project));
    is_there.then_some(Other::WholeProject)
}

/// A copy with the owner and mode of its path alone: a file has them, and for a directory they are written beside it.
fn alone(
    copy: &Copy,
    path: &str,
    project: &ProjectView<'_>,
    directories: &mut Vec<(String, Option<String>, Option<String>)>,
    remarks: &mut Vec<Remark>,
) -> Copy {
    let mut own = copy.clone();
    let (owner, mode) = (own.own_owner.take(), own.own_mode.take());
    if owner.is_none() && mode.is_none() {
        return own;
    }
    match project.kind(path) {
        Some(true) => directories.push((copy.to.clone(), owner.or_else(|| copy.owner.clone()), mode)),
        kind => {
            if kind.is_none() && !has_wildcard(path) {
                let text = format!("`{}` is not there yet, and is taken to be a file", shortened(path));
                remarks.push(Remark::check(copy.line, text));
            }
            own.owner = owner.or(own.owner);
            own.mode = mode.or(own.mode);
        }
    }
    own
}

/// `WORKDIR` makes a directory of root, and a copy with an owner that goes there leaves it so: in the image of a build file it has
/// the owner of its files.
fn working_directory(
    stage: &ImageStage,
    copy: &Copy,
    path: &str,
    project: &ProjectView<'_>,
) -> Option<Remark> {
    let directory = match copy.to.trim_end_matches('/') {
        "" => "/",
        directory => directory,
    };
    let owner = copy.owner.as_ref().filter(|_| copy.own_owner.is_none())?;
    if !stage.workdirs.contains(directory) || !project.is_directory(path) {
        return None;
    }
    let text = format!(
        "`{}` belongs to `{}` like its files; `WORKDIR` leaves it to root: write it into `directories` of a `[[layer]]` \
         if that counts",
        shortened(directory),
        shortened(owner)
    );
    Some(Remark::check(copy.line, text))
}

/// The kind of a whole project that has a start of its own, so that the image starts by the lines of the file alone; and the
/// program of the base that their command is for.
fn start_of_project(
    stage: &ImageStage,
    start: &ContainerStart<'_>,
    line: usize,
    base_start: &mut Option<Vec<String>>,
    remarks: &mut Vec<Remark>,
) -> Option<&'static str> {
    let of_base = stage.base.as_deref().and_then(official);
    *base_start = match (start.entrypoint, start.cmd, of_base) {
        (None, Some(_), Some("node")) => Some(vec!["docker-entrypoint.sh".to_owned()]),
        (None, Some(_), Some("python")) => Some(Vec::new()),
        _ => None,
    };
    if start.entrypoint.is_some() || base_start.is_some() {
        let text = "the project is an application: its packages get layers of their own, and it has the variables of its kind, such as \
                    `NODE_ENV`; `kind = \"tree\"` takes its files as they are";
        remarks.push(Remark::check(line, text));
        return None;
    }
    Some("tree")
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
    project: &ProjectView<'_>,
) -> Option<Option<&'static str>> {
    let has = |name: &&str| project.kind(&in_project(&join(path, name))) == Some(false);
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
    project: &ProjectView<'_>,
    remarks: &mut Vec<Remark>,
) -> Vec<DraftFiles> {
    let rest = DraftFiles { mode: copy.mode.clone(), owner: copy.owner.clone(), ..DraftFiles::default() };
    if has_wildcard(path) {
        return files_by_pattern(copy, path, &rest, project, remarks);
    }
    if project.is_directory(path) {
        let Some(ignored) = ignored(copy, path, project, remarks) else { return Vec::new() };
        let exclude = [&ignored.exclude[..], &copy.exclude[..]].concat();
        let (from, to) = (path.to_owned(), copy.to.clone());
        return vec![DraftFiles { from, to, include: ignored.include, exclude, ..rest }];
    }
    if copy.source == CopySource::Context && project.is_left_out(path) {
        let text = format!("`{}` is left out by `.dockerignore`: Docker does not find it", shortened(path));
        remarks.push(Remark::left(copy.line, text));
        return Vec::new();
    }
    let to = if copy.into { format!("{}/", copy.to.trim_end_matches('/')) } else { copy.to.clone() };
    vec![DraftFiles { from: path.to_owned(), to, ..rest }]
}

/// The rows for a pattern. Of a directory that it matches, Docker copies the content.
fn files_by_pattern(
    copy: &Copy,
    path: &str,
    rest: &DraftFiles,
    project: &ProjectView<'_>,
    remarks: &mut Vec<Remark>,
) -> Vec<DraftFiles> {
    let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
    let left = match (has_wildcard(directory), copy.into) {
        (true, _) => {
            Some(format!("`{path}` has a pattern in the name of a directory: copy each one in a `[[layer]]`"))
        }
        (_, false) => Some(format!(
            "`{path}` is a pattern for the one file `{}`: write its name into a `[[layer]]`",
            copy.to
        )),
        _ => None,
    };
    if let Some(left) = left {
        remarks.push(Remark::left(copy.line, left));
        return Vec::new();
    }
    let Some(ignored) = ignored(copy, directory, project, remarks) else { return Vec::new() };
    let known = project.directories_in(directory);
    if known.is_none() && !name.contains('.') {
        let text =
            format!("`{path}`: of a directory that it matches, the content belongs here, as in Docker");
        remarks.push(Remark::check(copy.line, text));
    }
    let mut inner: Vec<String> = known.unwrap_or_default();
    inner.retain(|inner| matches(name, inner) && !project.is_left_out(&join(directory, inner)));
    inner.sort_unstable();
    let names: Vec<String> = inner.iter().map(|inner| literal(inner)).collect();
    let include = match (name, &ignored.include[..]) {
        (_, []) => vec![as_glob(name)],
        ("*", include) => include.to_vec(),
        _ => {
            let text = format!("`{path}` is a pattern, and `.dockerignore` has another for the same files");
            remarks.push(Remark::left(copy.line, text));
            return Vec::new();
        }
    };
    let (from, to) = (directory.to_owned(), copy.to.clone());
    let exclude = [&ignored.exclude[..], &copy.exclude[..], &names[..]].concat();
    let mut rows = vec![DraftFiles { from, to, include, exclude, ..rest.clone() }];
    for inner in inner {
        let from = in_project(&join(directory, &inner));
        rows.extend(files_of(&Copy { sources: vec![from.clone()], ..copy.clone() }, &from, project, remarks));
    }
    rows
}

/// The part of `.dockerignore` for a directory, with a remark where it is not the same here; `None` where it leaves all out.
fn ignored(
    copy: &Copy,
    directory: &str,
    project: &ProjectView<'_>,
    remarks: &mut Vec<Remark>,
) -> Option<IgnoredFiles> {
    let files = project.ignored(directory);
    if files.all {
        let text = format!("`.dockerignore` leaves out all of `{}`", shortened(directory));
        remarks.push(Remark::left(copy.line, text));
        return None;
    }
    if let Some(rule) = &files.lost {
        let text = format!(
            "`.dockerignore` has the rule `{}`, which `exclude` cannot express: the files that it takes back are not in the image; \
             remove the pattern before it from `exclude`, or write the lines into `.packignore` instead of `exclude`",
            shortened(rule)
        );
        remarks.push(Remark::left(copy.line, text));
    }
    Some((*files).clone())
}

/// The part of `.dockerignore` for a directory without patterns of packages, which are installed before the image is made here.
fn without_packages(
    copy: &Copy,
    directory: &str,
    project: &ProjectView<'_>,
    remarks: &mut Vec<Remark>,
) -> Option<IgnoredFiles> {
    let mut files = ignored(copy, directory, project, remarks)?;
    if let Some(pattern) = files.exclude.iter().find(|pattern| is_packages(pattern)) {
        let text = format!(
            "`.dockerignore` leaves out `{pattern}`, and the image needs it: it is taken from the project"
        );
        remarks.push(Remark::check(copy.line, text));
        files.exclude.retain(|pattern| !is_packages(pattern));
    }
    Some(files)
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
