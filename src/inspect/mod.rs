//! What an image is: compared with another, and derived again.

pub mod diff;
mod unpack;
pub mod verify;
