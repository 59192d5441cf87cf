//! What an image is: compared with another, and derived again.

pub mod diff;
pub mod verify;
