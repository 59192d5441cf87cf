//! Looking into images: comparing two, and deriving one again.

pub mod diff;
mod unpack;
pub mod verify;
