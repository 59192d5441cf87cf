//! `pack build --watch`: builds again whenever what a build reads changes.

use std::time::{Duration, Instant, SystemTime};

use super::super::args::BuildArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::format;
use super::super::invocation::Invocation;
use super::super::timings::Recorder;
use super::super::view::rebuilt::{StageTimes, WatchTeller};
use super::attest::Attestations;
use super::build::{self, DeliveredImage};
use super::kept_session::KeptSession;
use super::request::Described;
use crate::engine::{BuildReads, ChangeFeed, ChangeSet};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// How long a change is waited for after a build that failed: an archive may have been half written.
const HALF_WRITTEN: Duration = Duration::from_millis(300);

/// Builds until it is asked to end.
///
/// # Errors
/// When flags do not go together, there is nothing to build, files cannot be watched, or a build was stopped.
pub(super) fn run(invocation: &Invocation, args: &BuildArgs) -> Result<(), CommandError> {
    if args.workspace.is_given() {
        let message = "`--watch` builds one image, and `--workspace` and `-p` mean members of a workspace";
        return Err(CommandError::usage(message).hint(member_hint(invocation, args)));
    }
    build::check_flags(args)?;
    let described = Described::find(invocation, &args.image)?;
    if described.members(invocation, &args.image).is_some() {
        let message = "`--watch` builds one image, and a file with `[workspace]` describes no image itself";
        return Err(CommandError::new(ExitStatus::Input, message)
            .coded(ErrorCode::WorkspaceUnclear)
            .hint(member_hint(invocation, args)));
    }
    BuildWatch::new(invocation, args)?.run()
}

/// The hint that names a member of the workspace, if there is one.
fn member_hint(invocation: &Invocation, args: &BuildArgs) -> String {
    let described = Described::find(invocation, &args.image).ok();
    let members = described.and_then(|described| described.members(invocation, &args.image));
    let place = members.and_then(|places| places.into_iter().next());
    let place = place.map_or_else(|| "services/cart".to_owned(), |place| shown_path(&place).to_string());
    format!("give the directory of one member, as in `pack build {place} --watch`")
}

/// A watch over one image.
struct BuildWatch<'a> {
    invocation: &'a Invocation,
    args: &'a BuildArgs,
    described: Described,
    reads: BuildReads,
    feed: ChangeFeed,
    session: KeptSession,
    attestations: Attestations<'a>,
    teller: WatchTeller,
    /// Whether the last build failed in a way that a file under way explains, and was not told.
    is_second_try: bool,
}

impl<'a> BuildWatch<'a> {
    fn new(invocation: &'a Invocation, args: &'a BuildArgs) -> Result<Self, CommandError> {
        let described = Described::find(invocation, &args.image)?;
        let feed = ChangeFeed::new(described.lock_path())?;
        Ok(Self {
            invocation,
            args,
            reads: described.described_by(),
            described,
            feed,
            session: KeptSession::default(),
            attestations: Attestations::new(invocation, &args.attest),
            teller: WatchTeller::new(invocation.environment.cwd.clone(), args.format.json),
            is_second_try: false,
        })
    }

    fn run(mut self) -> Result<(), CommandError> {
        self.follow()?;
        let directories = format::count(self.feed.directories() as u64, "directory");
        self.invocation.printer.message(format!("watching {directories}; Ctrl-C ends it"));
        let mut changes = ChangeSet::default();
        loop {
            let (invocation, result) = self.build();
            self.feed.note_own();
            if let Err(error) = &result
                && matches!(error.status, ExitStatus::Usage | ExitStatus::Bug | ExitStatus::Interrupted)
            {
                return result.map(drop);
            }
            if let Some(more) = self.retried(&result)? {
                changes.extend(more);
                self.follow_if(&changes)?;
                continue;
            }
            self.tell(&invocation, &changes, result);
            // Ahead of the next change, and not of this image.
            if self.follow_again()? {
                changes = ChangeSet::default();
                if let Some(now) = self.feed.next(Some(Duration::ZERO), &self.invocation.interrupt)? {
                    changes = now;
                }
                continue;
            }
            match self.feed.next(None, &self.invocation.interrupt)? {
                Some(next) => changes = next,
                None => return Ok(()),
            }
            self.follow_if(&changes)?;
        }
    }

    /// Builds once; the invocation is that of this build.
    #[allow(
        clippy::disallowed_methods,
        reason = "each build of a watch begins at a time of its own, as that of a command does"
    )]
    fn build(&mut self) -> (Invocation, Result<DeliveredImage, CommandError>) {
        let invocation = self.invocation.renewed(Instant::now(), SystemTime::now());
        drop(invocation.recorder.as_ref().map(Recorder::drain));
        let result = self
            .check_described()
            .and_then(|()| build::build(&invocation, self.args, &mut self.attestations, &mut self.session));
        if result.is_err() {
            self.session.close();
        }
        (invocation, result)
    }

    /// A directory without its build file would be an artifact, and another image.
    fn check_described(&self) -> Result<(), CommandError> {
        let now = Described::find(self.invocation, &self.args.image)?;
        if self.described.is_as(&now) {
            return Ok(());
        }
        Err(CommandError::new(ExitStatus::Input, "another build file describes the image now, or none")
            .coded(ErrorCode::BuildFileMissing)
            .hint("start `pack build --watch` again, or bring the file back"))
    }

    /// Watches what the settings name now. While they are wrong, it is what they named before.
    fn follow(&mut self) -> Result<(), CommandError> {
        if let Ok(reads) = self.described.reads(self.invocation, &self.args.image) {
            self.reads = reads;
        }
        Ok(self.feed.follow(&self.reads, self.described.directory())?)
    }

    fn follow_if(&mut self, changes: &ChangeSet) -> Result<(), CommandError> {
        if changes.moves_watches { self.follow() } else { Ok(()) }
    }

    /// Watches other paths if the build has shown that it reads others; whether it did.
    fn follow_again(&mut self) -> Result<bool, CommandError> {
        let Ok(reads) = self.described.reads(self.invocation, &self.args.image) else { return Ok(false) };
        if reads.paths == self.reads.paths {
            return Ok(false);
        }
        self.reads = reads;
        self.feed.follow(&self.reads, self.described.directory())?;
        Ok(true)
    }

    /// The changes since a build that failed, if a file that was still being written explains the fault. Only once.
    fn retried(
        &mut self,
        result: &Result<DeliveredImage, CommandError>,
    ) -> Result<Option<ChangeSet>, CommandError> {
        let is_input = matches!(result, Err(error) if error.status == ExitStatus::Input);
        if !is_input || self.is_second_try {
            self.is_second_try = false;
            return Ok(None);
        }
        let more = self.feed.next(Some(HALF_WRITTEN), &self.invocation.interrupt)?;
        self.is_second_try = more.is_some();
        Ok(more)
    }

    fn tell(
        &mut self,
        invocation: &Invocation,
        changes: &ChangeSet,
        result: Result<DeliveredImage, CommandError>,
    ) {
        let spans = invocation.recorder.as_ref().map(Recorder::drain);
        let stages = StageTimes::of(&spans.unwrap_or_default());
        let printer = &invocation.printer;
        match result {
            Ok(DeliveredImage { report, summary, targets: _, written }) => {
                self.teller.tell_built(printer, changes, &report, &summary, &stages, self.args.explain);
                if let Err(error) = written {
                    printer.late(&error);
                }
                build::deliver_events(invocation, self.args, &self.session);
            }
            Err(error) => self.teller.tell_failed(printer, changes, &error, invocation.started.elapsed()),
        }
    }
}
