//! The modes of the terminal, changed while a question waits for its answer.
//!
//! [`KeyMode`] puts them back when it is dropped, which a panic does as well. [`restore`] is for an exit that drops
//! nothing: the second signal. After SIGKILL alone the terminal stays without echo, and `stty sane` mends it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal, and what it was like before [`KeyMode::begin`]; none while nothing is changed.
static BEFORE: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);

/// Each key arrives by itself: it is not shown, ends no line and sends no signal. Until dropped.
#[derive(Debug)]
pub(super) struct KeyMode(());

impl KeyMode {
    /// Changes the modes of `terminal`.
    ///
    /// # Errors
    /// When it does not take them.
    pub(super) fn begin(terminal: impl AsFd) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let modes = tcgetattr(&terminal)?;
        let mut changed = modes.clone();
        changed.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        // Under the lock, so that a signal restores what was changed, or comes before the change.
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        tcsetattr(&terminal, OptionalActions::Now, &changed)?;
        *before = Some((terminal, modes));
        Ok(Self(()))
    }
}

impl Drop for KeyMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the modes back that the terminal had, and says whether they were changed.
pub(super) fn restore() -> bool {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let is_changed = before.is_some();
    if let Some((terminal, modes)) = before {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(terminal, OptionalActions::Now, &modes);
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    // One test: the modes of a process are one value.
    #[test]
    fn the_modes_are_back_after_an_answer_a_panic_and_a_restore() {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo terminal");
        grantpt(&controller).expect("granted");
        unlockpt(&controller).expect("unlocked");
        let name = ptsname(&controller, Vec::new()).expect("a name");
        let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("open");
        let modes = || tcgetattr(&terminal).expect("modes").local_modes;
        let before = modes();
        assert!(before.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));

        let asked = KeyMode::begin(&terminal).expect("changed");
        assert!(!modes().intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
        drop(asked);
        assert_eq!(modes(), before);

        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _asked = KeyMode::begin(&terminal).expect("changed");
            panic!("while a question waits");
        }));
        assert!(panicked.is_err());
        assert_eq!(modes(), before);

        let kept = KeyMode::begin(&terminal).expect("changed");
        assert!(restore(), "as at the second signal");
        assert_eq!(modes(), before);
        drop(kept);
        assert!(!restore());
        assert_eq!(modes(), before);
    }
}
