//! Signals and panics: how the program ends when it does not come to its end.
//!
//! The first SIGINT, SIGTERM, SIGHUP or SIGQUIT asks the work to stop, which removes temporary files and leaves nothing
//! half-written. The second exits at once: the user knows better. `nohup` has SIGHUP ignored, and that stays so.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::error::{BUG_HINT, ExitStatus};
use super::format::printable;
use super::printer::Printer;
use super::terminal;

/// How long the work may take to stop before the user reads that it does.
const SILENCE: Duration = Duration::from_millis(250);

/// Calls `on_signal` once, at the first signal, from a thread of its own; exits at the second.
///
/// # Errors
/// When the handlers or the thread cannot be set up.
pub fn install(printer: &Printer, on_signal: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGQUIT])?;
    if !is_ignored(SIGHUP) {
        signals.add_signal(SIGHUP)?;
    }
    let printer = printer.clone();
    let wait = move || {
        let mut received = signals.forever();
        if received.next().is_none() {
            return;
        }
        on_signal();
        // The message may wait for a lock that the hung work holds; the second signal must not.
        let message = printer.clone();
        let note = move || {
            std::thread::sleep(SILENCE);
            message.note("stopping; press Ctrl-C again to quit at once");
        };
        let _ = std::thread::Builder::new().spawn(note);
        if received.next().is_some() {
            printer.restore_terminal();
            if terminal::restore() {
                // The question has no answer and no line end; the shell's prompt comes below it.
                let _ = rustix::io::write(io::stderr(), b"\n");
            }
            std::process::exit(ExitStatus::Interrupted.code().into());
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(())
}

/// Whether the program was started with this signal ignored. Where the system does not say, it was not.
fn is_ignored(signal: i32) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, signal))
}

/// Whether the mask of ignored signals in a file such as `/proc/self/status` has this one; the first signal is its
/// lowest bit: proc_pid_status(5).
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u128::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Runs the program; a panic in it becomes an error message and [`ExitStatus::Bug`].
pub fn catch_panics(printer: &Printer, program: impl FnOnce() -> ExitStatus) -> ExitStatus {
    let no_threads = Arc::new(AtomicBool::new(false));
    install_panic_hook(printer, Arc::clone(&no_threads));
    // Nothing that the program touched is looked at after a panic.
    let status = panic::catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|_| {
        // Bars do not draw while a thread unwinds, not even to go away.
        printer.clear_bars();
        ExitStatus::Bug
    });
    match status {
        // A missing thread is no bug, wherever it showed.
        ExitStatus::Bug if no_threads.load(Ordering::Relaxed) => ExitStatus::Input,
        status => status,
    }
}

/// How libraries say, in a panic, that the system gives no thread.
const NO_THREADS: [&str; 2] = ["failed to spawn thread", "OS can't spawn"];

/// The hint if the system gives no thread.
const NO_THREADS_HINT: &str = "use fewer with `--jobs 1`, raise the limit of processes (`ulimit -u`, or that of the \
                               container), or let the sandbox allow `clone3`";

fn install_panic_hook(printer: &Printer, no_threads: Arc<AtomicBool>) {
    let printer = printer.clone();
    let told = AtomicBool::new(false);
    panic::set_hook(Box::new(move |info| {
        let said = message(info.payload());
        if NO_THREADS.iter().any(|words| said.contains(words)) {
            // A limit of the system and no bug: said once, however many threads meet it.
            if !no_threads.swap(true, Ordering::Relaxed) {
                let text = format!(
                    "error: the system gives no thread: {}\nhint: {NO_THREADS_HINT}\n",
                    printable(said)
                );
                tell(&printer, &text);
            }
            return;
        }
        let place = info.location().map(|location| format!(" ({location})")).unwrap_or_default();
        let mut text = format!("error: internal error: {}{place}\n", printable(said));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            text.push_str(&backtrace.to_string());
        }
        // One panic often brings down several threads; one request to report it is enough.
        if !told.swap(true, Ordering::Relaxed) {
            text.push_str("hint: ");
            text.push_str(BUG_HINT);
            text.push('\n');
        }
        tell(&printer, &text);
    }));
}

/// Prints `text` above the bars; from another thread, because the panicking one may hold the locks that
/// this takes. If so, prints it anyway.
fn tell(printer: &Printer, text: &str) {
    const PATIENCE: Duration = Duration::from_millis(500);
    let (told, wait) = mpsc::channel();
    let (other, copy) = (printer.clone(), text.to_owned());
    let print = move || {
        other.write_message(&copy);
        // The receiver is gone if it lost its patience.
        let _ = told.send(());
    };
    let thread = std::thread::Builder::new().spawn(print);
    if thread.is_err() || wait.recv_timeout(PATIENCE).is_err() {
        printer.restore_terminal();
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tpack\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0000\n";
        let ignored: Vec<i32> = (1..=64).filter(|signal| ignores(status, *signal)).collect();
        assert_eq!(ignored, [SIGHUP, 13]);
        assert!(!ignores("", SIGHUP) && !ignores("SigIgn:\tx\n", SIGHUP));
    }

    #[test]
    fn a_panic_says_what_it_says() {
        assert_eq!(message(&"text"), "text");
        assert_eq!(message(&"owned".to_owned()), "owned");
        assert_eq!(message(&7), "unknown");
    }
}
