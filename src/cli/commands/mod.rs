//! The commands, one thin file each: arguments in, calls of the library, text out.

mod attach;
mod attest;
mod build;
mod cache;
mod check;
mod copy;
mod delivery;
mod deps;
mod descriptors;
mod diff;
mod doctor;
mod events;
mod images;
mod init;
mod judgement;
mod kept_session;
mod key;
mod listen;
mod login;
mod machine;
mod member_names;
mod merge;
mod names;
mod output_path;
mod page;
mod place;
mod plan;
mod rebase;
mod rebuild;
mod refusal;
mod release;
mod render;
mod request;
mod resolve;
mod sbom;
mod schema;
mod serve;
mod sign;
mod unnamed;
mod update;
mod watch;
mod workspace;

use super::args::{Cli, Command};
use super::error::{CommandError, ExitStatus};
use super::invocation::Invocation;
use super::{completions, man};

/// Runs the command; how the process ends if nothing went wrong.
///
/// # Errors
/// Whatever stopped it.
pub fn run(invocation: &Invocation, cli: &Cli) -> Result<ExitStatus, CommandError> {
    let done = match &cli.command {
        Command::Diff(args) => return diff::run(invocation, args),
        Command::Check(args) if args.workspace.is_given() => return workspace::check(invocation, args),
        Command::Verify(args) if args.rebuild.is_some() => return rebuild::run(invocation, args),
        Command::Check(args) => return check::run(invocation, args),
        Command::Build(args) if args.watch => watch::run(invocation, args),
        Command::Build(args) if args.workspace.is_given() => return workspace::build(invocation, args),
        Command::Build(args) => build::run(invocation, args),
        Command::Deps(args) => deps::run(invocation, args),
        Command::Merge(args) => return merge::run(invocation, args),
        Command::Plan(args) if args.workspace.is_given() => return workspace::plan(invocation, args),
        Command::Plan(args) => plan::run(invocation, args),
        Command::Update(args) if args.workspace.is_given() => workspace::update(invocation, args),
        Command::Update(args) => update::run(invocation, args),
        Command::Init(args) => init::run(invocation, args),
        Command::Inspect(args) => images::inspect(invocation, args),
        Command::History(args) => images::history(invocation, args),
        Command::Verify(args) => images::verify(invocation, args),
        Command::Sbom(args) => sbom::run(invocation, args),
        Command::Images(args) => names::images(invocation, *args),
        Command::Rm(args) => names::remove(invocation, args),
        Command::Serve(args) => serve::run(invocation, args),
        Command::Copy(args) => copy::run(invocation, args),
        Command::Tag(args) => copy::tag(invocation, args),
        Command::Rebase(args) => rebase::run(invocation, args),
        Command::Sign(args) => sign::run(invocation, args),
        Command::Attach(args) => attach::run(invocation, args),
        Command::Referrers(args) => attach::list(invocation, args),
        Command::Key(args) => key::run(invocation, &args.command),
        Command::Promote(args) => release::run(invocation, args),
        Command::Releases(args) => release::list(invocation, args),
        Command::Rollback(args) => release::back(invocation, args),
        Command::Events(args) => events::run(invocation, &args.command),
        Command::Resolve(args) => resolve::run(invocation, args),
        Command::Render(args) => render::run(invocation, args),
        Command::Listen(args) => listen::run(invocation, args),
        Command::Login(args) => login::run(invocation, args),
        Command::Logout(args) => login::out(invocation, args),
        Command::Doctor(args) => doctor::run(invocation, args),
        Command::Cache(args) => cache::run(invocation, &args.command),
        Command::Completions(args) => {
            invocation.printer.raw(&completions::script(args.shell));
            Ok(())
        }
        Command::Man(args) => man::run(invocation, args),
        Command::Schema(args) => schema::run(invocation, args),
    };
    match done {
        Ok(()) => Ok(ExitStatus::Done),
        Err(error) => Err(refusal::as_data(invocation, &cli.command, error)),
    }
}
