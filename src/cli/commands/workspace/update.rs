//! `pack update` of several members: their bases in the one lock.

use super::super::super::args::{ImageArgs, UpdateArgs};
use super::super::super::error::{CommandError, ExitStatus};
use super::super::super::file;
use super::super::super::format::{count, printable};
use super::super::super::invocation::Invocation;
use super::chosen::ChosenMembers;
use crate::engine::{self, BaseTable, Session};
use crate::project::lock::Lock;
use crate::types::error_code::ErrorCode;

/// Moves the lock to what the bases of the members mean now, or checks it. A base that no chosen member has stays as it
/// was, unless all members were meant.
///
/// # Errors
/// When a base or a member cannot be read; the lock is then as it was.
pub(in super::super) fn run(invocation: &Invocation, args: &UpdateArgs) -> Result<(), CommandError> {
    let image = ImageArgs {
        path: args.path.clone(),
        file: args.file.clone(),
        untrusted: args.untrusted,
        ..ImageArgs::default()
    };
    if args.workspace.shards.is_given() {
        let message = "`--shard` is about builds, and `pack update` writes one lock for all";
        return Err(CommandError::usage(message).hint("run it once, without `--shard`"));
    }
    let chosen = ChosenMembers::choose(invocation, &image, &args.workspace, &[])?;
    if !args.check {
        file::check_replaceable(&chosen.lock_path)?;
    }
    let old = chosen.lock.unwrap_or_default();
    let is_whole = args.workspace.members.is_empty() && args.workspace.changed_since.is_none();
    let mut new = if is_whole { Lock::default() } else { old.clone() };
    let mut shared: Option<(Session, BaseTable)> = None;
    let mut checked = 0;
    let mut unmet = Vec::new();
    for member in chosen.members {
        let of_member = |error: CommandError| error.context(format!("the member `{}` failed", member.name));
        let mut request = member.asked.map_err(of_member)?.request;
        let (session, bases) = match &shared {
            Some(known) => known,
            None => shared.insert((invocation.session(&request.settings)?, BaseTable::default())),
        };
        if args.check {
            let paths =
                engine::check_lock(session, &request).map_err(CommandError::from).map_err(of_member)?;
            checked += paths;
            continue;
        }
        request.lock = None;
        request.settings.locked = false;
        // The user who asks for it gets all that checks may want to know.
        request.reads_base = true;
        request.plans_refused = true;
        let (found, refused) =
            engine::lock(session, &request, bases).map_err(CommandError::from).map_err(of_member)?;
        if let Some(found) = found {
            new.update(found);
        }
        unmet.extend(refused.map(CommandError::from).map(of_member));
    }
    if args.check {
        let paths = count(checked as u64, "path");
        match args.format.json {
            true => invocation.printer.json(&serde_json::json!({ "checked": checked })),
            false => {
                invocation.printer.result(format!("build.lock says what the bases' layers say, of {paths}"));
            }
        }
        return Ok(());
    }
    new.write(&chosen.lock_path)?;
    let changes: Vec<String> = old.changes(&new).iter().map(ToString::to_string).collect();
    if args.format.json && unmet.is_empty() {
        invocation.printer.json(&serde_json::json!({ "changes": changes }));
        return Ok(());
    }
    if changes.is_empty() {
        invocation.printer.message("build.lock is up to date");
    }
    for change in changes {
        invocation.printer.result(printable(&change));
    }
    // The facts are right whether the images can run or not, and the next plan knows them.
    let count = unmet.len();
    match unmet.into_iter().next() {
        None => Ok(()),
        Some(first) if count == 1 => Err(first.hint("`build.lock` is written and up to date")),
        Some(first) => {
            Err(CommandError::new(ExitStatus::Input, format!("{count} members cannot run on their bases"))
                .coded(ErrorCode::CheckFailed)
                .hint(first.chain.join(": "))
                .hint("`build.lock` is written and up to date"))
        }
    }
}
