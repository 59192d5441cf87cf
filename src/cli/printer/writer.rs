//! The one way out: results to stdout, everything else to stderr.
//!
//! A script reads stdout, so nothing but results may appear there. Messages say in words what they are;
//! colour only repeats it. A reader that goes away early (`pack history IMAGE | head`) is no error; a full
//! disk behind stdout is, and [`Printer::finish`] reports it.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use indicatif::MultiProgress;
use serde::Serialize;

use super::super::environment::Environment;
use super::super::error::{CommandError, ExitStatus};
use super::super::format::{self, Screen, printable, printable_lines};
use super::color::{ColorChoice, Style, colored, paint};
use crate::types::secret::redact_message;

/// The user's options for the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrinterOptions {
    /// Nothing but results and errors.
    pub quiet: bool,
    /// How many `-v`.
    pub verbose: u8,
    /// When to colour.
    pub color: ColorChoice,
}

/// One of the two streams.
struct OutputStream {
    sink: Mutex<Box<dyn Write + Send>>,
    terminal: bool,
    color: bool,
    /// Columns, on a terminal.
    width: Option<usize>,
}

/// Writes results and messages; cheap to clone, safe from any thread.
#[derive(Clone)]
pub struct Printer(Arc<PrinterState>);

struct PrinterState {
    options: PrinterOptions,
    out: OutputStream,
    err: OutputStream,
    interactive: bool,
    /// Bars on stderr, once there are some: messages must go above them.
    bars: OnceLock<MultiProgress>,
    /// The first failure to write a result.
    failure: Mutex<Option<io::Error>>,
    /// The result that cannot be undone any more.
    published: Mutex<Option<String>>,
    /// Finishes errors with what the command line says, if that is known.
    finisher: OnceLock<ErrorFinisher>,
}

/// Changes an error before it is printed.
type ErrorFinisher = Box<dyn Fn(&CommandError) -> CommandError + Send + Sync>;

impl std::fmt::Debug for Printer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Printer({:?})", self.0.options)
    }
}

impl Printer {
    /// Writes to the process's stdout and stderr.
    #[must_use]
    pub fn new(options: PrinterOptions, environment: &Environment) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let width = |terminal: bool, size: rustix::io::Result<rustix::termios::Winsize>| {
            let asked = || size.ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0);
            let given = || environment.text("COLUMNS")?.parse().ok();
            terminal.then(|| asked().or_else(given).unwrap_or(80))
        };
        let out = OutputStream {
            terminal: out.is_terminal(),
            color: colored(options.color, out.is_terminal(), environment),
            width: width(out.is_terminal(), rustix::termios::tcgetwinsize(&out)),
            sink: Mutex::new(Box::new(out)),
        };
        let err = OutputStream {
            terminal: err.is_terminal(),
            color: colored(options.color, err.is_terminal(), environment),
            width: width(err.is_terminal(), rustix::termios::tcgetwinsize(&err)),
            sink: Mutex::new(Box::new(err)),
        };
        // A CI system may give its jobs a terminal, but what it keeps is a log.
        let interactive = err.terminal && environment.text("TERM") != Some("dumb") && !environment.is_ci();
        Self::with(options, out, err, interactive)
    }

    fn with(options: PrinterOptions, out: OutputStream, err: OutputStream, interactive: bool) -> Self {
        let inner = PrinterState {
            options,
            out,
            err,
            interactive,
            bars: OnceLock::new(),
            failure: Mutex::default(),
            published: Mutex::default(),
            finisher: OnceLock::new(),
        };
        Self(Arc::new(inner))
    }

    /// The user's options.
    #[must_use]
    pub fn options(&self) -> PrinterOptions {
        self.0.options
    }

    /// The screen of stdout if it is a terminal; for [`Table::render`](super::super::format::Table::render).
    #[must_use]
    pub fn screen(&self) -> Option<Screen> {
        self.0.out.width.map(|columns| Screen { columns, color: self.0.out.color })
    }

    /// The screen of stderr if it is a terminal.
    #[must_use]
    pub fn message_screen(&self) -> Option<Screen> {
        self.0.err.width.map(|columns| Screen { columns, color: self.0.err.color })
    }

    /// The columns of stderr now: a window can be resized while it is drawn to.
    pub(in crate::cli) fn columns(&self) -> usize {
        let now = rustix::termios::tcgetwinsize(io::stderr()).ok().map(|size| usize::from(size.ws_col));
        now.filter(|&columns| columns > 0).or(self.0.err.width).unwrap_or(80)
    }

    /// Whether a person watches stderr, so that bars make sense.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.0.interactive
    }

    /// Prints a line, or several, of the result to stdout.
    pub fn result(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        self.write_result(&[text.as_bytes(), end.as_bytes()]);
    }

    /// Prints the result to stdout byte for byte, with nothing added.
    pub fn raw(&self, bytes: &[u8]) {
        self.write_result(&[bytes]);
    }

    /// Prints the result to stdout as indented JSON, the same on a terminal and in a pipe.
    pub fn json(&self, value: &impl Serialize) {
        let written = self.above_bars(|| {
            let mut sink = self.0.out.sink.lock().unwrap_or_else(PoisonError::into_inner);
            format::write_json(value, &mut *sink)?;
            sink.flush()
        });
        if let Err(error) = written {
            self.fail(error);
        }
    }

    /// Prints the result to stdout as JSON in one line, for a reader that takes one document after the other.
    pub fn json_line(&self, value: &impl Serialize) {
        let mut laid_out = Vec::new();
        if let Err(error) = format::write_json(value, &mut laid_out) {
            return self.fail(error);
        }
        // No string of JSON has a line break in it.
        let laid_out = String::from_utf8_lossy(&laid_out);
        self.result(laid_out.lines().map(str::trim_start).collect::<String>());
    }

    fn write_result(&self, parts: &[&[u8]]) {
        let written = self.above_bars(|| {
            let mut sink = self.0.out.sink.lock().unwrap_or_else(PoisonError::into_inner);
            parts.iter().try_for_each(|part| sink.write_all(part))?;
            sink.flush()
        });
        if let Err(error) = written {
            self.fail(error);
        }
    }

    fn fail(&self, error: io::Error) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// Notes that `what`, an image by its digest, is where it was wanted: whatever fails from now on is a warning.
    pub fn published(&self, what: &str) {
        *self.0.published.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_owned());
    }

    /// Tells whether all results arrived; the last thing that a command does.
    ///
    /// # Errors
    /// When a result could not be written for another reason than that its reader is gone, and nothing was
    /// published before.
    pub fn finish(&self) -> Result<(), CommandError> {
        let failure = self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(error) = failure else { return Ok(()) };
        let error = CommandError::from_error(ExitStatus::Input, &error).or_unwritable();
        match self.0.published.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Err(error.context("the result cannot be written to standard output")),
            Some(what) => {
                self.late(&error.context(format!("`{what}` cannot be written to standard output")));
                Ok(())
            }
        }
    }

    /// Prints lines without a label to stderr, such as the summary; not with `--quiet`.
    pub fn message(&self, text: impl AsRef<str>) {
        self.say(&printable_lines(&redact_message(text.as_ref())));
    }

    /// Prints lines to stderr that were laid out here, from cells that are escaped; not with `--quiet`.
    pub fn report(&self, text: &str) {
        self.say(text);
    }

    /// Prints lines, which may have colours of ours in them.
    fn say(&self, text: &str) {
        if !self.0.options.quiet {
            self.write_message(&format!("{}\n", text.trim_end_matches('\n')));
        }
    }

    /// Prints something worth knowing to stderr; not with `--quiet`.
    pub fn note(&self, text: impl AsRef<str>) {
        self.say(&format!(
            "{} {}",
            self.paint(Style::Hint, "note:"),
            printable(&redact_message(text.as_ref()))
        ));
    }

    /// Prints a detail to stderr; only with `-v`.
    pub fn detail(&self, text: impl AsRef<str>) {
        if self.0.options.verbose > 0 {
            self.say(&printable(&redact_message(text.as_ref())));
        }
    }

    /// Prints something that the user should probably change to stderr; not with `--quiet`.
    pub fn warning(&self, text: impl AsRef<str>) {
        let label = self.paint(Style::Warning, "warning:");
        self.say(&format!("{label} {}", printable(&redact_message(text.as_ref()))));
    }

    /// Has all errors changed by `finish` before they are printed.
    pub fn finish_errors(&self, finish: impl Fn(&CommandError) -> CommandError + Send + Sync + 'static) {
        // There is one command line, and so one call.
        let _ = self.0.finisher.set(Box::new(finish));
    }

    fn finished(&self, error: &CommandError) -> CommandError {
        self.0.finisher.get().map_or_else(|| error.clone(), |finish| finish(error))
    }

    /// Prints an error with its causes and hints to stderr, always.
    pub fn error(&self, error: &CommandError) {
        let text = self
            .finished(error)
            .render(|label| self.paint(if label == "hint:" { Style::Hint } else { Style::Error }, label));
        self.write_message(&text);
    }

    /// Prints what went wrong after the work was done: no failure of the command any more, and said even with
    /// `--quiet`.
    pub fn late(&self, error: &CommandError) {
        let text = self.finished(error).render(|label| match label {
            label if label.starts_with("error") => self.paint(Style::Warning, "warning:"),
            "hint:" => self.paint(Style::Hint, label),
            label => self.paint(Style::Warning, label),
        });
        self.write_message(&text);
    }

    /// `text`, coloured if stderr is.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        paint(self.0.err.color, style, text)
    }

    /// `text`, coloured if stdout is.
    #[must_use]
    pub fn paint_result(&self, style: Style, text: &str) -> String {
        paint(self.0.out.color, style, text)
    }

    /// Prints `text` to stderr as it is, above the bars.
    pub(in crate::cli) fn write_message(&self, text: &str) {
        self.above_bars(|| {
            let mut sink = self.0.err.sink.lock().unwrap_or_else(PoisonError::into_inner);
            // There is nowhere left to complain to.
            let _ = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
        });
    }

    fn above_bars<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.0.bars.get() {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// The bars of this process, made when first asked for.
    pub(in crate::cli) fn bars(&self) -> &MultiProgress {
        self.0.bars.get_or_init(|| {
            let target = if self.0.interactive {
                indicatif::ProgressDrawTarget::stderr_with_hz(10)
            } else {
                indicatif::ProgressDrawTarget::hidden()
            };
            MultiProgress::with_draw_target(target)
        })
    }

    /// Takes all bars off the screen.
    pub(in crate::cli) fn clear_bars(&self) {
        if let Some(bars) = self.0.bars.get() {
            // A terminal that is gone needs no clearing.
            let _ = bars.clear();
        }
    }

    /// Leaves the terminal fit for a shell prompt, without waiting for any lock: for the moment before an
    /// exit in the middle of everything. Bars stay as they were drawn last, the prompt comes below.
    pub fn restore_terminal(&self) {
        if self.0.interactive && self.0.bars.get().is_some() {
            // Straight to the descriptor: the thread that holds the lock of stderr may be the one that hangs.
            let _ = rustix::io::write(io::stderr(), b"\x1b[0m\x1b[?25h\n");
        }
    }
}

/// A printer into memory, and what it wrote.
#[cfg(test)]
pub(in crate::cli) mod captured {
    use super::*;

    #[derive(Clone, Default)]
    pub(in crate::cli) struct Capture(Arc<Mutex<Vec<u8>>>);

    impl Capture {
        pub(in crate::cli) fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut self.0.lock().expect("lock"))).expect("text")
        }
    }

    impl Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lock").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(super) fn stream(sink: impl Write + Send + 'static) -> OutputStream {
        OutputStream { sink: Mutex::new(Box::new(sink)), terminal: false, color: false, width: None }
    }

    pub(in crate::cli) fn printer(options: PrinterOptions) -> (Printer, Capture, Capture) {
        let (out, err) = (Capture::default(), Capture::default());
        let printer = Printer::with(options, stream(out.clone()), stream(err.clone()), false);
        (printer, out, err)
    }
}

#[cfg(test)]
mod tests {
    use super::captured::{Capture, printer, stream};
    use super::*;

    #[test]
    fn results_and_messages_never_meet() {
        let (printer, out, err) = printer(PrinterOptions::default());
        printer.result("localhost/a@sha256:…");
        printer.note("the tree is dirty");
        printer.warning("no `build.lock`");
        printer.error(&CommandError::usage("`--x` is unknown").hint("try `--help`"));
        printer.detail("not asked for");
        printer.json(&[1]);
        assert_eq!(out.take(), "localhost/a@sha256:…\n[\n  1\n]\n");
        printer.json_line(&["a  b\n", "c"]);
        assert_eq!(out.take(), "[\"a  b\\n\",\"c\"]\n");
        insta::assert_snapshot!(err.take(), @r"
        note: the tree is dirty
        warning: no `build.lock`
        error: `--x` is unknown
        hint: try `--help`
        ");
    }

    #[test]
    fn quiet_leaves_results_and_errors() {
        let (printer, out, err) = printer(PrinterOptions { quiet: true, ..PrinterOptions::default() });
        printer.message("summary");
        printer.note("note");
        printer.warning("warning");
        printer.error(&CommandError::usage("error"));
        printer.result("result");
        assert_eq!((out.take().as_str(), err.take().as_str()), ("result\n", "error: error\n"));
    }

    #[test]
    fn colour_only_repeats_what_the_words_say() {
        let (mut out, mut err) = (stream(Capture::default()), Capture::default());
        out.color = false;
        let mut colored = stream(err.clone());
        colored.color = true;
        let printer = Printer::with(PrinterOptions::default(), out, colored, false);
        printer.error(&CommandError::usage("no"));
        assert_eq!(err.take(), "\u{1b}[1;31merror:\u{1b}[0m no\n");
        assert_eq!(printer.paint_result(Style::Dim, "x"), "x");
        err.flush().expect("memory");
    }

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is() {
        for (kind, fine) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)] {
            let printer = Printer::with(
                PrinterOptions::default(),
                stream(Failing(kind)),
                stream(Failing(io::ErrorKind::BrokenPipe)),
                false,
            );
            printer.result("x");
            printer.note("x");
            assert_eq!(printer.finish().is_ok(), fine, "{kind:?}");
        }
    }
}
