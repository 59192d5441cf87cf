//! The commands, one thin file each: arguments in, calls of the library, text out.

mod build;
mod cache;
mod copy;
mod diff;
mod doctor;
mod images;
mod init;
mod login;
mod names;
mod place;
mod plan;
mod rebase;
mod request;
mod update;

use super::args::{Cli, Command};
use super::error::{CommandError, ExitStatus};
use super::session::Session;
use super::{completions, man};

/// Runs the command; how the process ends if nothing went wrong.
///
/// # Errors
/// Whatever stopped it.
pub fn run(session: &Session, cli: &Cli) -> Result<ExitStatus, CommandError> {
    let done = match &cli.command {
        Command::Diff(args) => return diff::run(session, args),
        Command::Build(args) => build::run(session, args),
        Command::Plan(args) => plan::run(session, args),
        Command::Update(args) => update::run(session, args),
        Command::Init(args) => init::run(session, args),
        Command::Inspect(args) => images::inspect(session, args),
        Command::History(args) => images::history(session, args),
        Command::Verify(args) => images::verify(session, args),
        Command::Images(args) => names::images(session, *args),
        Command::Rm(args) => names::remove(session, args),
        Command::Copy(args) => copy::run(session, args),
        Command::Tag(args) => copy::tag(session, args),
        Command::Rebase(args) => rebase::run(session, args),
        Command::Login(args) => login::run(session, args),
        Command::Logout(args) => login::out(session, args),
        Command::Doctor(args) => doctor::run(session, args),
        Command::Cache(args) => cache::run(session, &args.command),
        Command::Completions(args) => {
            session.printer.raw(&completions::script(args.shell));
            Ok(())
        }
        Command::Man(args) => man::run(session, args),
    };
    done.map(|()| ExitStatus::Done)
}
