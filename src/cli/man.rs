//! `pack man`: manual pages from the one definition of the arguments.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;

use super::args::{Cli, ManArgs};
use super::error::{CommandError, ExitStatus};
use super::file::OutputFile;
use super::invocation::Invocation;

/// A manual page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The file's name, such as `pack-build.1`.
    pub file_name: String,
    /// roff.
    pub text: Vec<u8>,
}

/// All pages, `pack.1` first.
///
/// # Errors
/// Never in practice: the pages are written to memory.
pub fn pages() -> io::Result<Vec<Page>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    // Resolves the full names and the global flags of the subcommands.
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    Ok(pages)
}

/// The page of the command `words`, such as `["cache", "prune"]`, or of `pack` itself for none.
///
/// # Errors
/// As for [`pages`].
pub fn page<'a>(words: impl IntoIterator<Item = &'a str>) -> io::Result<Option<Page>> {
    let words: Vec<&str> = std::iter::once("pack").chain(words).collect();
    let file_name = format!("{}.1", words.join("-"));
    Ok(pages()?.into_iter().find(|page| page.file_name == file_name))
}

/// `pack man`.
///
/// # Errors
/// When there is no such command, or a page cannot be written.
pub fn run(invocation: &Invocation, args: &ManArgs) -> Result<(), CommandError> {
    let failed = |error: io::Error| CommandError::from_error(ExitStatus::Input, &error);
    if let Some(dir) = &args.dir {
        let dir = invocation.absolute(dir);
        for page in pages().map_err(failed)? {
            OutputFile::open_below(invocation, &dir, Path::new(&page.file_name))?
                .write(invocation, &page.text)?;
        }
        return Ok(());
    }
    let words = args.command.iter().map(String::as_str);
    match page(words).map_err(failed)? {
        Some(page) => invocation.printer.raw(&page.text),
        None => {
            let error = CommandError::usage(format!("there is no command `{}`", args.command.join(" ")));
            return Err(error.hint("`pack --help` lists the commands"));
        }
    }
    Ok(())
}

fn collect(command: &clap::Command, pages: &mut Vec<Page>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    man.render(&mut text)?;
    pages.push(Page { file_name: format!("{name}.1"), text });
    command.get_subcommands().try_for_each(|subcommand| collect(subcommand, pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages().expect("pages");
        let names: Vec<&str> = pages.iter().map(|page| page.file_name.as_str()).collect();
        insta::assert_snapshot!(names.join(" "), @r"
        pack.1 pack-build.1 pack-plan.1 pack-check.1 pack-deps.1 pack-merge.1 pack-update.1 pack-init.1 pack-inspect.1 pack-history.1 pack-verify.1 pack-sbom.1 pack-images.1 pack-rm.1 pack-serve.1 pack-copy.1 pack-tag.1 pack-diff.1 pack-rebase.1 pack-promote.1 pack-releases.1 pack-rollback.1 pack-sign.1 pack-attach.1 pack-referrers.1 pack-key.1 pack-key-generate.1 pack-key-public.1 pack-events.1 pack-events-list.1 pack-events-flush.1 pack-resolve.1 pack-render.1 pack-listen.1 pack-login.1 pack-logout.1 pack-doctor.1 pack-cache.1 pack-cache-info.1 pack-cache-prune.1 pack-cache-verify.1 pack-completions.1 pack-man.1 pack-schema.1
        ");
        for page in &pages {
            let text = String::from_utf8(page.text.clone()).expect("text");
            assert!(text.contains(".SH NAME"), "{}", page.file_name);
        }
        assert!(page(["cache", "prune"]).expect("page").is_some());
        assert!(page(["nothing"]).expect("pages").is_none());
    }
}
