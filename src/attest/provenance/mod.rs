//! Provenance: how an image was built, as a SLSA v1 predicate of an in-toto statement
//! ([predicate](https://slsa.dev/spec/v1.1/provenance)).
//!
//! One build has one provenance: nothing in it comes from a clock, a run or a machine, but for the name of the builder. The
//! document says itself what it leaves out, and how much it claims. Facts come in, bytes go out.

mod claim;
mod document;
mod facts;
#[cfg(test)]
mod tests;

pub use claim::{ClaimedDirectory, ClaimedLayer, ProvenanceClaim};
#[cfg(test)]
use document::BUILD_TYPE;
pub use document::{PROVENANCE_PREDICATE, predicate};
pub use facts::{
    BuildFacts, BuiltImage, BuiltLayer, CommitFact, InputDigest, InputFact, ProvenanceBuilder, layers_digest,
};
