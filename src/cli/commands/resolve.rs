//! `pack resolve`.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::super::args::ResolveArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::file::check_replaceable;
use super::super::format;
use super::super::invocation::Invocation;
use super::super::view;
use super::super::view::findings::{ToldNotes, findings};
use super::build;
use super::descriptors;
use super::events;
use super::refusal;
use super::request::{self, CommandRequest};
use crate::engine::{Job, OnFailure, Target, known_tags};
use crate::project::lock::Lock;
use crate::release::resolve::{
    DescriptorLine, ImageLock, LOCK_NAME, MemberImage, Pins, UNKNOWN_FORM, Unpinned, check, exclusions,
    members,
};
use crate::runtime::workers::Workers;
use crate::types::error_code::ErrorCode;
use crate::types::finding::Finding;
use crate::types::shown::listed;

/// Questions to registries at a time: they wait, and need no processor.
const QUESTIONS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// Puts the images that run into descriptors.
///
/// # Errors
/// Whatever stopped it; no descriptor is then written.
pub(super) fn run(invocation: &Invocation, args: &ResolveArgs) -> Result<(), CommandError> {
    if args.pin {
        descriptors::check_form(&args.descriptors)?;
    }
    let exclude = exclusions(&args.exclude)?;
    let read = descriptors::files(invocation, &args.descriptors)?;
    let lock_path = match &args.lock_file {
        Some(file) => invocation.absolute(file),
        None => descriptors::project_directory(invocation, &args.descriptors).join(LOCK_NAME),
    };
    let mut lock = if args.pin { ImageLock::read(&lock_path)? } else { ImageLock::default() };
    if args.check || args.pin {
        descriptors::tell_overlooked(invocation, &args.descriptors, &read);
    }
    if args.check {
        return checked(invocation, args, &check(&read, &exclude, args.pin.then_some(&lock)));
    }
    let files = read.files;
    if args.pin {
        check_replaceable(&lock_path)?;
    }
    let named = members(&files);
    let places = named.names.clone();
    let projects = descriptors::projects(invocation, &args.descriptors, named)?;
    let images = if args.no_build {
        found(invocation, args, &projects, &places)?
    } else {
        built(invocation, args, &projects)?
    };
    let pins = match args.pin {
        true => {
            let (client, workers) = (invocation.client()?, Workers::new(QUESTIONS));
            let pins = Pins::find(&files, &exclude, &mut lock, args.update, &client, &workers)?;
            for (reference, before, after) in &pins.moved {
                invocation.printer.note(format!(
                    "{LOCK_NAME}: {reference}: {} → {}",
                    before.short(),
                    after.short()
                ));
            }
            Some(pins)
        }
        false => None,
    };
    if args.pin {
        lock.write(&lock_path)?;
    }
    descriptors::deliver(invocation, &args.descriptors, args.format.json, &files, &images, pins.as_ref())
}

/// The end of `--check`.
fn checked(invocation: &Invocation, args: &ResolveArgs, found: &[Unpinned]) -> Result<(), CommandError> {
    if args.format.json {
        invocation.printer.json(&found);
    } else {
        for unpinned in found {
            invocation.printer.result(view::resolve::unpinned(unpinned));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let count = format::count(found.len() as u64, "image");
    let has = if found.len() == 1 { "has" } else { "have" };
    let mut error = CommandError::new(ExitStatus::Policy, format!("{count} {has} no digest"))
        .coded(ErrorCode::DigestUnknown)
        .hint("`pack resolve --pin --in-place` gives them one; `--exclude PATTERN` leaves images out");
    if found.iter().any(|unpinned| unpinned.why == UNKNOWN_FORM) {
        error =
            error.hint("`--as FORMAT`, such as `--as kubernetes` or `--as helm`, says how a file is read");
    }
    Err(error)
}

/// Each directory once, with its names.
fn by_directory(projects: &BTreeMap<String, PathBuf>) -> BTreeMap<&Path, BTreeSet<&str>> {
    let mut directories: BTreeMap<&Path, BTreeSet<&str>> = BTreeMap::new();
    for (name, directory) in projects {
        directories.entry(directory).or_default().insert(name);
    }
    directories
}

/// Builds and pushes the images, each once.
fn built(
    invocation: &Invocation,
    args: &ResolveArgs,
    projects: &BTreeMap<String, PathBuf>,
) -> Result<BTreeMap<String, MemberImage>, CommandError> {
    let directories = by_directory(projects);
    let mut asked: Vec<(CommandRequest, BTreeSet<&str>)> = Vec::new();
    for (directory, names) in directories {
        let request = descriptors::request(invocation, directory, &args.registries, args.locked)?;
        build::check_lock(&request)?;
        asked.push((request, names));
    }
    let mut images = BTreeMap::new();
    let mut locks: BTreeMap<&Path, Lock> = BTreeMap::new();
    let mut rest = asked.as_slice();
    while let Some((first, _)) = rest.first() {
        // A session has one way to reach registries.
        let settings = &first.request.settings;
        let same = |(other, _): &&(CommandRequest, BTreeSet<&str>)| {
            other.request.settings.registries == settings.registries
        };
        let (group, others) = rest.split_at(rest.iter().take_while(same).count().max(1));
        rest = others;
        let session = invocation.session(settings)?;
        let targets: Vec<Vec<Target>> = group
            .iter()
            .map(|(asked, _)| request::targets(invocation, asked, &session, &["registry".to_owned()]))
            .collect::<Result<_, _>>()?;
        let jobs: Vec<Job<'_>> = group
            .iter()
            .zip(&targets)
            .map(|((asked, _), targets)| Job { request: &asked.request, targets })
            .collect();
        let report = session.run(&jobs, OnFailure::Stop);
        let mut failed = None;
        for ((asked, names), result) in group.iter().zip(report.images) {
            let report = match result {
                Ok(report) => report,
                Err(error) => {
                    let names = listed(names, "", ", ");
                    let error = refusal::explained(invocation, &session, &asked.request.name, error)
                        .context(format!("cannot build `{names}`"));
                    // Images that stopped because of another one come after that.
                    match &failed {
                        None => failed = Some(error),
                        Some(first) if first.status == ExitStatus::Interrupted => failed = Some(error),
                        Some(_) if error.status == ExitStatus::Interrupted => {}
                        Some(_) => invocation.printer.late(&error),
                    }
                    continue;
                }
            };
            // Members of a workspace have one lock.
            if let (Some(path), Some(found)) = (&asked.lock_path, &report.locked)
                && !asked.request.settings.locked
            {
                let before = || asked.request.lock.clone().unwrap_or_default();
                locks.entry(path).or_insert_with(before).update(found.clone());
            }
            let shown = names.iter().copied().collect::<Vec<_>>().join(", ");
            for warning in &report.warnings {
                invocation.printer.warning(format!("{shown}: {warning}"));
            }
            for finding in &report.findings {
                let named = Finding { message: format!("{shown}: {}", finding.message), ..finding.clone() };
                findings(&invocation.printer, &[named], ToldNotes::Important);
            }
            let repository = asked.request.name.clone();
            let Some(digest) = report.digest else { continue };
            invocation.printer.note(format!("{repository}@{digest}"));
            let image = MemberImage { repository, tag: report.tags.first().cloned(), digest };
            images.extend(names.iter().map(|name| ((*name).to_owned(), image.clone())));
        }
        // Those that were pushed are told of and locked, also where another image failed.
        for (path, lock) in &locks {
            if let Err(error) = lock.write(path) {
                invocation.printer.late(&error.into());
            }
        }
        events::deliver(invocation, &session.client);
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(images)
}

/// The images as the registries have them.
fn found(
    invocation: &Invocation,
    args: &ResolveArgs,
    projects: &BTreeMap<String, PathBuf>,
    places: &BTreeMap<String, DescriptorLine>,
) -> Result<BTreeMap<String, MemberImage>, CommandError> {
    let mut images = BTreeMap::new();
    for (directory, names) in by_directory(projects) {
        let CommandRequest { request, .. } =
            descriptors::request(invocation, directory, &args.registries, args.locked)?;
        let place = names.iter().find_map(|name| places.get(*name));
        let at = place.map(|place| format!("{place}: ")).unwrap_or_default();
        let shown = listed(&names, "", ", ");
        let tags = known_tags(&request).map_err(|error| {
            CommandError::from(error)
                .context(format!("{at}cannot tell the tag of `{shown}` without a build"))
                .hint("leave out `--no-build`")
        })?;
        let Some(tag) = tags.first() else { continue };
        let reference = request.name.at_tag(tag.clone());
        let session = invocation.session(&request.settings)?;
        let Some(found) = session.client.resolve(&reference)? else {
            return Err(CommandError::new(
                ExitStatus::Registry,
                format!("{at}`{reference}` is not in its registry"),
            )
            .coded(ErrorCode::ImageNotFound)
            .hint("leave out `--no-build`, or push it with `pack build --push`"));
        };
        let image = MemberImage { repository: request.name, tag: Some(tag.clone()), digest: found.digest };
        images.extend(names.iter().map(|name| ((*name).to_owned(), image.clone())));
    }
    Ok(images)
}
