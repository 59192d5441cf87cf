//! Asking on the terminal.
//!
//! The terminal is read key by key, so that a password is never shown. A signal ends the question within
//! [`PATIENCE`], and the terminal is then what it was before.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::error::{CommandError, ExitStatus};
use super::terminal::KeyMode;
use crate::registry::Secret;
use crate::runtime::interrupt::Interrupt;

/// How long to wait for a key before it is asked whether a signal has come: 50 ms.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Keys that end or change a line.
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 21;
const DELETE: u8 = 127;

/// One line from the terminal that is standard input; `None` where it is none.
///
/// # Errors
/// On Ctrl-C, Ctrl-D or a signal, and when the terminal cannot be read.
pub fn line(question: &str, hidden: bool, interrupt: &Interrupt) -> Result<Option<Secret>, CommandError> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let failed = |error: io::Error| {
        CommandError::from_error(ExitStatus::Input, &error).context("the terminal cannot be read")
    };
    let _restored_at_the_end = KeyMode::begin(io::stdin()).map_err(failed)?;
    let mut stderr = io::stderr();
    stderr.write_all(question.as_bytes()).map_err(failed)?;
    let mut line = InputLine::default();
    let end = loop {
        let Some(key) = next_key(interrupt).map_err(failed)? else { break AnswerEnd::GivenUp };
        let shown = match line.press(key) {
            KeyPress::Ended(end) => break end,
            KeyPress::Added(text) if !hidden => text,
            KeyPress::Removed(columns) if !hidden => "\u{8} \u{8}".repeat(columns),
            _ => continue,
        };
        stderr.write_all(shown.as_bytes()).and_then(|()| stderr.flush()).map_err(failed)?;
    };
    stderr.write_all(b"\n").map_err(failed)?;
    match end {
        AnswerEnd::Entered => Ok(Some(Secret::new(line.text()?))),
        AnswerEnd::GivenUp => Err(CommandError::new(ExitStatus::Interrupted, "interrupted")),
    }
}

/// The next key; `None` where there is none any more, or a signal has come. Nothing is read ahead: what follows the
/// line is for the next question.
fn next_key(interrupt: &Interrupt) -> io::Result<Option<u8>> {
    let stdin = io::stdin();
    while !interrupt.is_triggered() {
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&PATIENCE)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut key = [0];
        match rustix::io::read(&stdin, &mut key) {
            Ok(count) => return Ok((count > 0).then_some(key[0])),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// The typed line, byte for byte: characters can be longer.
#[derive(Default)]
struct InputLine(Vec<u8>);

#[derive(Debug, PartialEq, Eq)]
enum AnswerEnd {
    Entered,
    GivenUp,
}

#[derive(Debug, PartialEq, Eq)]
enum KeyPress {
    /// A character is complete.
    Added(String),
    /// So many characters are gone.
    Removed(usize),
    Nothing,
    Ended(AnswerEnd),
}

impl InputLine {
    fn press(&mut self, key: u8) -> KeyPress {
        match key {
            b'\r' | b'\n' => KeyPress::Ended(AnswerEnd::Entered),
            CTRL_C => KeyPress::Ended(AnswerEnd::GivenUp),
            CTRL_D if self.0.is_empty() => KeyPress::Ended(AnswerEnd::GivenUp),
            BACKSPACE | DELETE => {
                let text = String::from_utf8_lossy(&self.0).into_owned();
                let Some(last) = text.char_indices().last() else { return KeyPress::Nothing };
                self.0.truncate(last.0);
                KeyPress::Removed(1)
            }
            CTRL_U => {
                let count = String::from_utf8_lossy(&self.0).chars().count();
                self.0.clear();
                KeyPress::Removed(count)
            }
            control if control < 0x20 => KeyPress::Nothing,
            other => {
                let before = std::str::from_utf8(&self.0).map_or_else(|error| error.valid_up_to(), str::len);
                self.0.push(other);
                match std::str::from_utf8(&self.0) {
                    Ok(text) => KeyPress::Added(text.get(before..).unwrap_or_default().to_owned()),
                    Err(_) => KeyPress::Nothing,
                }
            }
        }
    }

    fn text(self) -> Result<String, CommandError> {
        String::from_utf8(self.0).map_err(|_| CommandError::usage("the typed text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> (String, Option<AnswerEnd>) {
        let mut line = InputLine::default();
        for &key in keys {
            if let KeyPress::Ended(end) = line.press(key) {
                return (line.text().expect("text"), Some(end));
            }
        }
        (line.text().expect("text"), None)
    }

    #[test]
    fn keys_make_a_line() {
        assert_eq!(typed(b"hunter2\r"), ("hunter2".into(), Some(AnswerEnd::Entered)));
        assert_eq!(typed(b"ab\x7fc\x08\x08d\n"), ("d".into(), Some(AnswerEnd::Entered)));
        assert_eq!(typed(b"\x7fwrong\x15right\n"), ("right".into(), Some(AnswerEnd::Entered)));
        assert_eq!(typed("pä\u{7f}ß\n".as_bytes()), ("pß".into(), Some(AnswerEnd::Entered)));
        assert_eq!(typed(b"ab\x03"), ("ab".into(), Some(AnswerEnd::GivenUp)));
        assert_eq!(typed(b"\x04"), (String::new(), Some(AnswerEnd::GivenUp)));
        assert_eq!(typed(b"a\x04\x1bb"), ("ab".into(), None));
    }

    #[test]
    fn a_character_is_shown_when_it_is_whole() {
        let mut line = InputLine::default();
        let pressed: Vec<KeyPress> = "aä".bytes().map(|key| line.press(key)).collect();
        assert_eq!(pressed, [KeyPress::Added("a".into()), KeyPress::Nothing, KeyPress::Added("ä".into())]);
        assert_eq!(line.press(CTRL_U), KeyPress::Removed(2));
    }
}
