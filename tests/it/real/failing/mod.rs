//! Images that do not start: each is refused before anything of it is written, does fail when it is started all the same, and
//! runs without the fault. `tests/run` shows a line for each.

mod bases;
mod case;
mod java;
mod native;
mod node;
mod python;
mod scripts;
mod session;
mod sound;
mod users;
