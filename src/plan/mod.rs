//! stand-in
mod place;
pub use place::{BaseTree, PlaceError, place};
