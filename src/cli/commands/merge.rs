//! `pack merge`.

use std::path::PathBuf;

use super::super::args::MergeArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::file::OutputFile;
use super::super::format;
use super::super::invocation::Invocation;
use super::super::outputs::{ExpectedImage, OutputImage, OutputPaths, OutputSubject};
use super::super::view::merged::{missing_shards, total};
use super::workspace::{MOST_RESULTS, read_results};
use crate::project::lock::Lock;
use crate::project::results::{MergedRun, RunResults, merge};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Puts the results of shards together. The exit code is that of one run.
///
/// # Errors
/// When the files are not the results of one run, or a file cannot be written.
pub(super) fn run(invocation: &Invocation, args: &MergeArgs) -> Result<ExitStatus, CommandError> {
    let printer = &invocation.printer;
    let paths = OutputPaths::of(invocation, &args.written, OutputSubject::Members)?;
    let merged = merge(&read(invocation, &args.files)?)?;
    let open =
        |file: &Option<PathBuf>| file.as_ref().map(|file| OutputFile::open(invocation, file)).transpose();
    let results = open(&args.results)?;
    let images = if paths.all().is_empty() { Vec::new() } else { images(&merged.results)? };
    let expected: Vec<ExpectedImage> = images.iter().map(OutputImage::expected).collect();
    paths.check(&expected)?;
    let files = paths.open(invocation)?;
    write_lock(invocation, args, &merged)?;
    if let Some(file) = results {
        let mut bytes = Vec::new();
        // Memory takes it.
        let _ = format::write_json(&merged.results, &mut bytes);
        file.write(invocation, &bytes)?;
    }
    let unwritten = files.write(invocation, &images);
    for member in &merged.results.members {
        if let Some(code) = member.exit_code {
            let why = member.error.clone().unwrap_or_default();
            let message = format!("the member `{}` failed with exit code {code}", member.member);
            let known = member.code.as_ref().and_then(|name| name.parse::<ErrorCode>().ok());
            printer.error(&CommandError::new(ExitStatus::Input, why).coded(known).context(message));
        }
    }
    missing_shards(&merged).iter().for_each(|error| printer.error(error));
    printer.report(&total(&merged));
    if args.format.json {
        printer.json(&merged.results);
    } else {
        merged.results.references().for_each(|reference| printer.result(reference));
    }
    let mut unwritten = unwritten.into_iter();
    let Some(first) = unwritten.next() else { return Ok(ExitStatus::of_code(merged.results.exit_code)) };
    unwritten.for_each(|more| printer.late(&more));
    Err(first.hint("the images themselves are done where they are listed"))
}

/// The images that are done, as the files about them need these.
fn images(results: &RunResults) -> Result<Vec<OutputImage>, CommandError> {
    let done = results.members.iter().filter(|member| member.end.has_image());
    let read = done.map(|member| {
        OutputImage::recorded(member).ok_or_else(|| {
            let message = format!("the results of the member `{}` do not describe its image", member.member);
            CommandError::new(ExitStatus::Input, message)
                .coded(ErrorCode::ShardsDisagree)
                .hint("run its shard again, and give the file that `--results` writes as it is")
        })
    });
    read.collect()
}

/// Reads the files, which are bounded together.
fn read(invocation: &Invocation, files: &[PathBuf]) -> Result<Vec<(String, RunResults)>, CommandError> {
    let mut parts = Vec::new();
    let mut length = 0;
    for file in files {
        let text = read_results(&invocation.absolute(file))?;
        length += text.len() as u64;
        if length > MOST_RESULTS {
            let message = format!("the results have more than {} together", format::bytes(MOST_RESULTS));
            return Err(CommandError::new(ExitStatus::Input, message)
                .coded(ErrorCode::LimitReached)
                .hint("put some of them together first: `pack merge --results` makes one file of several"));
        }
        parts.push((shown_path(file), RunResults::parse(&shown_path(file), &text)?));
    }
    Ok(parts)
}

/// Writes what was learned into the lock, or says that it was not written.
fn write_lock(invocation: &Invocation, args: &MergeArgs, merged: &MergedRun) -> Result<(), CommandError> {
    let printer = &invocation.printer;
    if merged.learned == Lock::default() {
        return Ok(());
    }
    let Some(file) = &args.lock else {
        if !merged.is_locked {
            printer.note(
                "the shards found facts about their bases: `--lock build.lock` writes those that are new",
            );
        }
        return Ok(());
    };
    let path = invocation.absolute(file);
    let old = Lock::read(&path)?.unwrap_or_default();
    let mut lock = old.clone();
    merged.learned.bases().for_each(|base| lock.update(base.clone()));
    if lock != old && lock.write(&path)? {
        for change in old.changes(&lock) {
            printer.note(format!("build.lock: {change}"));
        }
    }
    Ok(())
}
