//! JSON that others wrote, read as other tools read it or not at all.
//!
//! Most readers of images are written in Go, whose `encoding/json` takes a field of a struct from a key in any case:
//! `Layers` and even `layerſ` are `layers`, and the last of several wins. A document that says one thing to us and
//! another to them is an attack, so this reader refuses
//! - a key that occurs twice in one object, in whatever spelling of its characters;
//! - in an object that Go reads as a struct, two keys that Go takes for one, and a known name in another case;
//! - the same of two keys in a value of which no tool here knows what it is, since another tool may.
//!
//! Objects that Go reads as maps, such as labels, may have keys that differ in case only. Which object is which is
//! said by the code that decodes it: [`Object`] is a struct, `BTreeMap` a map. `null` is what an absent field is, as it
//! is for Go.
//!
//! A value that is only carried over is [`Raw`]: its strings and numbers are written as they were, `-0` and numbers of
//! thirty digits too. Nothing here interprets a key. Depth is bounded, memory is a small multiple of the text.

mod check;
mod decode;
mod error;
mod fold;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod object;
mod raw;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use check::{parse, parse_marked, parse_within, sequence};
pub use decode::{FromJson, decode, decode_within};
pub use error::JsonError;
pub use fold::fold;
pub use object::Object;
pub use raw::Raw;
#[cfg(test)]
use value::MAX_DEPTH;
pub use value::{JsonKind, JsonValue};
