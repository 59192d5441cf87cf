//! The common parts of `pack resolve` and `pack render`: descriptors in, names of images, descriptors out.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::args::{DescriptorArgs, ImageArgs, RegistryArgs};
use super::super::error::{CommandError, ExitStatus};
use super::super::file::OutputFile;
use super::super::invocation::{BUILD_FILE, Invocation};
use super::super::view;
use super::request::{self, CommandRequest};
use crate::descriptors::{MAX_DESCRIPTOR, ReferenceForm};
use crate::project::config::ConfigError;
use crate::project::workspace::{Workspace, WorkspaceRoot};
use crate::release::resolve::{
    DescriptorFile, DescriptorSource, ImageChange, MemberImage, NamedMembers, Overlooked, Pins,
    ReadDescriptors, ResolveError, ResolvedDescriptor, Rewrite, overlooked, read, replace_all, resolve,
    unused_selectors,
};
use crate::types::error::nearest;
use crate::types::error_code::ErrorCode;
use crate::types::reference::Repository;
use crate::types::shown::shown_path;

/// Reads the descriptors.
///
/// # Errors
/// When one cannot be read.
pub(super) fn files(invocation: &Invocation, args: &DescriptorArgs) -> Result<ReadDescriptors, CommandError> {
    let mut sources = Vec::new();
    for given in &args.files {
        if given != Path::new("-") {
            let path = invocation.source(given)?;
            sources.push(DescriptorSource::Path { given: given.clone(), path });
            continue;
        }
        if args.in_place {
            return Err(CommandError::usage("standard input cannot be written over itself")
                .hint("leave out `--in-place`, or name the file"));
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(MAX_DESCRIPTOR as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|source| ResolveError::Read { path: PathBuf::from("-"), source })?;
        sources.push(DescriptorSource::Stdin(bytes));
    }
    let found = read(sources, args.format_of_files, &args.image_paths, &invocation.interrupt)?;
    for note in &found.notes {
        invocation.printer.note(note);
    }
    for warning in unused_selectors(&found, &args.image_paths) {
        invocation.printer.warning(warning);
    }
    Ok(found)
}

/// Tells what is not looked at, where images of others count.
pub(super) fn tell_overlooked(invocation: &Invocation, args: &DescriptorArgs, read: &ReadDescriptors) {
    let Overlooked { warnings, notes } = overlooked(read, args.format_of_files.is_some());
    for warning in warnings {
        invocation.printer.warning(warning);
    }
    for note in notes {
        invocation.printer.note(note);
    }
}

/// The errors about names that are told one by one.
const MOST_ERRORS: usize = 20;

/// Tells all errors but the last, which it gives back.
fn last_of(invocation: &Invocation, mut errors: Vec<CommandError>) -> Option<CommandError> {
    let has_more = errors.len() > MOST_ERRORS;
    errors.truncate(MOST_ERRORS);
    let last = errors.pop()?;
    errors.iter().for_each(|error| invocation.printer.late(error));
    Some(if has_more { last.hint("there are more of them, which are not shown") } else { last })
}

/// The directory of the project.
pub(super) fn project_directory(invocation: &Invocation, args: &DescriptorArgs) -> PathBuf {
    args.project
        .as_deref()
        .map_or_else(|| invocation.environment.cwd.clone(), |path| invocation.absolute(path))
}

/// The directory of each image that is named.
///
/// # Errors
/// When a name means none; each of them is told.
pub(super) fn projects(
    invocation: &Invocation,
    args: &DescriptorArgs,
    named: NamedMembers,
) -> Result<BTreeMap<String, PathBuf>, CommandError> {
    let NamedMembers { names, wrong } = named;
    let mut errors: Vec<CommandError> =
        wrong.into_iter().take(MOST_ERRORS + 1).map(CommandError::from).collect();
    let directory = project_directory(invocation, args);
    let mut found = BTreeMap::new();
    if !names.is_empty() {
        let finder = ProjectFinder::open(invocation, &directory)?;
        for (name, place) in &names {
            match finder.find(name) {
                Ok(directory) => drop(found.insert(name.clone(), directory)),
                // The others are not asked for: the hint of each error takes a look at all members.
                Err(_) if errors.len() > MOST_ERRORS => break,
                Err(error) => errors.push(error.context(format!("{place}: cannot resolve `pack://{name}`"))),
            }
        }
    }
    last_of(invocation, errors).map_or(Ok(found), Err)
}

/// Finds the directory of an image by its name.
enum ProjectFinder {
    Workspace(Box<Workspace>),
    Project { directory: PathBuf, name: Repository },
}

impl ProjectFinder {
    fn open(invocation: &Invocation, directory: &Path) -> Result<Self, CommandError> {
        if WorkspaceRoot::around(directory)?.is_some() {
            return Ok(Self::Workspace(Box::new(Workspace::open(directory)?)));
        }
        if !directory.join(BUILD_FILE).is_file() {
            return Err(CommandError::from(ConfigError::NotFound(directory.join(BUILD_FILE)))
                .hint("`--project DIR` names the directory of the project"));
        }
        let asked = request(invocation, directory, &RegistryArgs::default(), false)?;
        Ok(Self::Project { directory: directory.to_owned(), name: asked.request.name })
    }

    fn find(&self, name: &str) -> Result<PathBuf, CommandError> {
        let error = match self.directory_of(name) {
            Ok(directory) => return Ok(directory),
            Err(error) => error,
        };
        // A colon may also be that of a port.
        match name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((bare, tag)) if self.directory_of(bare).is_ok() => {
                let message = format!("a name behind `pack://` has no tag, and this one has `{tag}`");
                Err(CommandError::new(ExitStatus::Input, message)
                    .coded(ErrorCode::MemberUnknown)
                    .hint(format!("write `pack://{bare}`; its build says the tag")))
            }
            _ => Err(error),
        }
    }

    fn directory_of(&self, name: &str) -> Result<PathBuf, CommandError> {
        let (directory, repository) = match self {
            Self::Workspace(workspace) => return Ok(workspace.member(name)?.directory().to_owned()),
            Self::Project { directory, name } => (directory, name),
        };
        let last = repository.path().rsplit('/').next().unwrap_or_default();
        let full = repository.to_string();
        let of_directory =
            directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let known = [last, repository.path(), &full, &of_directory];
        if known.contains(&name) {
            return Ok(directory.clone());
        }
        let hint = match nearest(name, known) {
            Some(near) => format!("did you mean `pack://{near}`?"),
            None => format!("it is `pack://{last}`; many images are the members of a `[workspace]`"),
        };
        let path = shown_path(&directory.join(BUILD_FILE));
        let message = format!("`{name}` is not the image of `{path}`");
        Err(CommandError::new(ExitStatus::Input, message).coded(ErrorCode::MemberUnknown).hint(hint))
    }
}

/// The request to build the image of a directory, and to push it.
///
/// # Errors
/// When its settings are wrong.
pub(super) fn request(
    invocation: &Invocation,
    directory: &Path,
    registries: &RegistryArgs,
    locked: bool,
) -> Result<CommandRequest, CommandError> {
    let args = ImageArgs {
        path: Some(directory.to_owned()),
        push: true,
        locked,
        registries: registries.clone(),
        ..ImageArgs::default()
    };
    request::ask(invocation, &args, &[])
}

/// The result as JSON.
#[derive(Serialize)]
struct ResolutionView<'a> {
    /// The files that changed.
    files: Vec<&'a str>,
    /// The images that were replaced.
    images: Vec<&'a ImageChange>,
}

/// Puts the images into the descriptors, and writes these.
///
/// # Errors
/// When a place cannot take its image, or a file cannot be written. All files are then as they were.
pub(super) fn deliver(
    invocation: &Invocation,
    args: &DescriptorArgs,
    json: bool,
    files: &[DescriptorFile],
    members: &BTreeMap<String, MemberImage>,
    pins: Option<&Pins>,
) -> Result<(), CommandError> {
    let resolved: Vec<ResolvedDescriptor> =
        files.iter().map(|file| resolve(file, members, pins, args.form)).collect::<Result<_, _>>()?;
    let texts: Vec<(&DescriptorFile, &ResolvedDescriptor)> = files.iter().zip(&resolved).collect();
    let streams = args.output.is_none() && !args.in_place;
    if let Some(directory) = &args.output {
        write_below(invocation, &invocation.absolute(directory), &texts)?;
    } else if args.in_place {
        let changed = texts.iter().filter_map(|(file, resolution)| {
            let after = resolution.bytes.clone()?;
            Some(Rewrite { path: file.path.clone()?, before: file.bytes.clone(), after })
        });
        replace_all(&changed.collect::<Vec<_>>())?;
    } else if !json {
        invocation.printer.raw(&stream(&texts)?);
    }
    for (_, resolution) in &texts {
        for note in &resolution.notes {
            invocation.printer.warning(note);
        }
    }
    let changes = || resolved.iter().flat_map(|resolution| &resolution.changes);
    for note in changes().filter_map(view::resolve::shared) {
        invocation.printer.note(note);
    }
    if json {
        let changed = texts.iter().filter(|(_, resolution)| resolution.bytes.is_some());
        let files = changed.map(|(file, _)| file.name.as_str()).collect();
        invocation.printer.json(&ResolutionView { files, images: changes().collect() });
    } else if streams {
        for change in changes() {
            invocation.printer.detail(view::resolve::change(change));
        }
    } else {
        for change in changes() {
            invocation.printer.result(view::resolve::change(change));
        }
    }
    Ok(())
}

/// The new text of a file.
fn text<'a>((file, resolution): &(&'a DescriptorFile, &'a ResolvedDescriptor)) -> &'a [u8] {
    resolution.bytes.as_deref().unwrap_or(&file.bytes)
}

/// All descriptors as one: as it is where there is one, else as documents of YAML.
fn stream(texts: &[(&DescriptorFile, &ResolvedDescriptor)]) -> Result<Vec<u8>, CommandError> {
    let mut out = Vec::new();
    for (number, pair) in texts.iter().enumerate() {
        let text = text(pair);
        if texts.len() > 1 && !pair.0.text.is_yaml {
            let message = format!("`{}` cannot be one text with other descriptors", pair.0.name);
            return Err(CommandError::usage(message).hint("write them with `-o DIR` or `--in-place`"));
        }
        let bare = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        if number > 0 {
            if !out.ends_with(b"\n") {
                out.push(b'\n');
            }
            if !bare.starts_with(b"---") {
                out.extend_from_slice(b"---\n");
            }
        }
        out.extend_from_slice(if number > 0 { bare } else { text });
    }
    Ok(out)
}

/// Writes each descriptor under its name below a directory, through no link.
fn write_below(
    invocation: &Invocation,
    directory: &Path,
    texts: &[(&DescriptorFile, &ResolvedDescriptor)],
) -> Result<(), CommandError> {
    let mut places: BTreeMap<&Path, &DescriptorFile> = BTreeMap::new();
    for (file, _) in texts {
        if let Some(other) = places.insert(&file.place, file) {
            return Err(ResolveError::SamePlace {
                one: other.name.clone(),
                other: file.name.clone(),
                place: directory.join(&file.place),
            }
            .into());
        }
    }
    let opened: Vec<OutputFile> = texts
        .iter()
        .map(|(file, _)| OutputFile::open_below(invocation, directory, &file.place))
        .collect::<Result<_, _>>()?;
    for (file, pair) in opened.into_iter().zip(texts) {
        file.write(invocation, text(pair))?;
    }
    Ok(())
}

/// Refuses a form that has no digest where digests are asked for.
///
/// # Errors
/// With `--form tag`.
pub(super) fn check_form(args: &DescriptorArgs) -> Result<(), CommandError> {
    match args.form {
        ReferenceForm::Tag => Err(CommandError::usage("`--pin` and `--form tag` exclude each other")
            .hint("leave out `--form`, or use `--form digest`")),
        ReferenceForm::Both | ReferenceForm::Digest => Ok(()),
    }
}
