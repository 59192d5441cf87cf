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
    DescriptorFile, DescriptorLine, DescriptorSource, ImageChange, MemberImage, Pins, ResolveError,
    ResolvedDescriptor, Rewrite, read, replace_all, resolve,
};
use crate::types::error::nearest;
use crate::types::shown::shown_path;

/// Reads the descriptors.
///
/// # Errors
/// When one cannot be read.
pub(super) fn files(
    invocation: &Invocation,
    args: &DescriptorArgs,
) -> Result<Vec<DescriptorFile>, CommandError> {
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
    Ok(found.files)
}

/// The directory of the project.
pub(super) fn project_directory(invocation: &Invocation, args: &DescriptorArgs) -> PathBuf {
    args.project
        .as_deref()
        .map_or_else(|| invocation.environment.cwd.clone(), |path| invocation.absolute(path))
}

/// The directory of each image that `names` mean.
///
/// # Errors
/// When one means none.
pub(super) fn projects(
    invocation: &Invocation,
    args: &DescriptorArgs,
    names: &BTreeMap<String, DescriptorLine>,
) -> Result<BTreeMap<String, PathBuf>, CommandError> {
    let directory = project_directory(invocation, args);
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    if WorkspaceRoot::around(&directory)?.is_some() {
        let workspace = Workspace::open(&directory)?;
        let member = |(name, line): (&String, &DescriptorLine)| {
            let member = workspace.member(name);
            let context = || format!("{line}: cannot resolve `pack://{name}`");
            let member = member.map_err(|error| CommandError::from(error).context(context()))?;
            Ok((name.clone(), member.directory().to_owned()))
        };
        return names.iter().map(member).collect();
    }
    if !directory.join(BUILD_FILE).is_file() {
        return Err(CommandError::from(ConfigError::NotFound(directory.join(BUILD_FILE)))
            .hint("`--project DIR` names the directory of the project"));
    }
    let asked = request(invocation, &directory, &RegistryArgs::default(), false)?;
    let repository = &asked.request.name;
    let last = repository.path().rsplit('/').next().unwrap_or_default();
    let full = repository.to_string();
    let of_directory =
        directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let known = [last, repository.path(), &full, &of_directory];
    let project = |(name, line): (&String, &DescriptorLine)| {
        if known.contains(&name.as_str()) {
            return Ok((name.clone(), directory.clone()));
        }
        let hint = match nearest(name, known) {
            Some(near) => format!("did you mean `pack://{near}`?"),
            None => format!("it is `pack://{last}`; many images are the members of a `[workspace]`"),
        };
        let path = shown_path(&directory.join(BUILD_FILE));
        let message = format!("{line}: `pack://{name}` is not the image of `{path}`");
        Err(CommandError::new(ExitStatus::Input, message).hint(hint))
    };
    names.iter().map(project).collect()
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

/// Writes each descriptor under its name below a directory.
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
        .map(|(file, _)| OutputFile::open(invocation, &directory.join(&file.place)))
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
