//! The policy of an organisation, applied: which facts its rules need, and where they are found.
//!
//! - [`PolicySet`]: the rules that hold, with their keys.
//! - [`mod@evidence`]: the documents that are attached to an image, with the keys that signed them.
//! - [`judged_base`]: the facts about a base.
//!
//! The rules themselves are in `types::policy`. Invariants: nothing that is attached is believed before its manifest names
//! the image; a fact that cannot be had is a reason, never a pass; what strangers attached costs a bounded amount of memory.

mod attached;
mod base;
mod evidence;
mod metered;
mod provenance;
mod set;
mod signers;
#[cfg(test)]
mod tests;

pub use base::{age_of, judged_base};
pub use evidence::{EvidenceNeeds, evidence};
pub use provenance::{ComparedFact, ProvenanceReport, provenances};
pub use set::{PolicySet, judge};
pub use signers::signers;
