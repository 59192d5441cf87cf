//! The command line: arguments, environment, terminal, exit codes.
//!
//! The only module that reads the environment and the clock, and the only one that writes to the terminal.
//! It does no work of its own: a command turns arguments into calls of the library and its results into
//! text. stdout carries results alone; everything else goes to stderr.

pub mod args;
mod builder;
pub mod commands;
pub mod completions;
pub mod environment;
pub mod error;
pub mod file;
mod files_of_run;
pub mod format;
mod hint_flags;
pub mod invocation;
pub mod man;
mod manual_text;
mod other_words;
pub mod outputs;
pub mod password;
pub mod picture;
pub mod policy;
pub mod printer;
pub mod progress;
pub mod prompt;
pub mod schemas;
pub mod signals;
pub mod summary;
mod terminal;
pub mod timings;
mod topics;
mod usage;
pub mod view;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Instant;

use clap::Parser as _;

use args::{Cli, Command};
use environment::Environment;
use error::{CommandError, ExitStatus};
use files_of_run::FilesOfRun;
use hint_flags::HintFlags;
use invocation::Invocation;
use printer::Printer;
use timings::Recorder;

use crate::runtime::interrupt::Interrupt;
use crate::store::Scratch;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let started = Instant::now();
    let environment = Environment::read();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, environment.as_ref().ok()),
    };
    let environment = match environment {
        Ok(environment) => environment,
        Err(error) => {
            let printer = Printer::new(cli.printer_options(), &no_environment());
            let error = CommandError::from(error);
            printer.error(&error);
            return ExitCode::from(error.status.code());
        }
    };
    let printer = Printer::new(cli.printer_options(), &environment);
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    printer.finish_errors(move |error| HintFlags::of(&words).applied(error));
    let status = signals::catch_panics(&printer, || run(&cli, environment, &printer, started));
    ExitCode::from(status.code())
}

/// Ends with what is wrong with the command line, or with the help that was asked for.
fn refuse(error: &clap::Error, environment: Option<&Environment>) -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let nothing = no_environment();
    let printer = Printer::new(printer::PrinterOptions::default(), environment.unwrap_or(&nothing));
    if let Some(word) = usage::asked_topic(error, &words) {
        return topic(&printer, &word);
    }
    let Some(explained) = usage::explain(error, &words) else { error.exit() };
    printer.error(&explained);
    ExitCode::from(explained.status.code())
}

/// Prints the help on a topic or code, or says which word was meant.
fn topic(printer: &Printer, word: &str) -> ExitCode {
    let columns = printer.screen().map_or(topics::COLUMNS, |screen| screen.columns);
    let told = match topics::text(word, columns) {
        Some(text) => {
            printer.result(text);
            printer.finish()
        }
        None => Err(usage::unknown_word(word)),
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.status.code())
        }
    }
}

/// An environment that says nothing, for an error before it could be read.
fn no_environment() -> Environment {
    let variables: [(&str, &str); 0] = [];
    Environment::new(PathBuf::new(), std::time::UNIX_EPOCH, variables)
}

fn run(cli: &Cli, environment: Environment, printer: &Printer, started: Instant) -> ExitStatus {
    let interrupt = Interrupt::default();
    let flag = interrupt.clone();
    if let Err(error) = signals::install(printer, move || flag.trigger()) {
        printer.warning(format!("signals such as Ctrl-C cannot be handled cleanly: {error}"));
    }
    if cli.global.verbose > 0 {
        trace(printer, cli.global.verbose);
    }
    let recorder = match &cli.command {
        Command::Build(args) if args.timings.is_some() || args.watch => Some(Recorder::new(started)),
        _ => None,
    };
    let scratch = Scratch::new(environment.path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")));
    // A build of a watch is a line or two, and what is drawn of it would stay while it waits.
    let is_quiet = matches!(&cli.command, Command::Build(args) if args.watch);
    let (progress, guard) = progress::observe(printer, recorder.clone(), is_quiet);
    let invocation = Invocation {
        temporary: OnceLock::new(),
        environment,
        printer: printer.clone(),
        progress,
        recorder,
        interrupt,
        started,
        global: cli.global.clone(),
        registries: cli.command.registries().cloned().unwrap_or_default(),
        scratch: scratch.clone(),
        outbox: OnceLock::new(),
        files: FilesOfRun::default(),
    };
    // In every case, even if something in it is still in use.
    let _removed_at_the_end = RemoveScratch(scratch);
    let result = commands::run(&invocation, cli);
    drop(guard);
    match result.and_then(|status| printer.finish().map(|()| status)) {
        Ok(status) => status,
        Err(error) => {
            printer.error(&error);
            error.status
        }
    }
}

/// Removes the directory for this run when it ends, also by a panic.
struct RemoveScratch(Scratch);

impl Drop for RemoveScratch {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// Tells of every request: a line each for `-v`, its headers too for `-vv`. Nothing of it is a secret.
fn trace(printer: &Printer, verbose: u8) {
    let printer = printer.clone();
    let writer = move || TraceWriter(printer.clone());
    // Only the first call in a process can succeed, and there is only one.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(if verbose > 1 { "pack=debug" } else { "pack=info" })
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .with_writer(writer)
        .try_init();
}

/// Passes trace lines to the printer, which knows about bars.
struct TraceWriter(Printer);

impl std::io::Write for TraceWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.detail(String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
