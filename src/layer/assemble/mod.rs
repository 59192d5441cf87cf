//! Building a layer: bodies are read, looked up or encoded on all cores, and come out in order.
//!
//! ```text
//!                    ┌► read → BLAKE3 → cached? else encode ─┐            ┌► SHA-256 of the tar (diffID)
//! bodies ─► window ──┼► …                                    ├─► in order ┤
//!                    └► read → BLAKE3 → cached? else encode ─┘            └► SHA-256 of the blob, store
//! ```
//!
//! A layer that begins like an earlier one goes on from where the two part: the encoded bodies before that are
//! copied, their files are not read, and both digests continue from the states that were kept there.
//!
//! At most a window of bodies is in flight, so memory is bounded by cores × body size however large the
//! layer is. The two digests are sequential by nature: that of the tar is computed where the bodies are put in
//! order, that of the blob where it is written, on a thread of its own.

mod buffers;
mod error;
mod order;
mod output;
mod pipeline;
mod result;
#[cfg(test)]
mod tests;
mod work;
mod workshop;

pub use self::buffers::Buffers;
pub use self::error::LayerError;
pub use self::pipeline::build;
pub use self::result::{Built, LayerWork};
pub use self::workshop::Workshop;
