//! The policy of an organisation: which bases may be used, and what an image must have before it is pushed or released.
//!
//! A policy is data, and so are the facts that it judges. It says all its reasons at once. A fact that cannot be known is
//! a reason, never a pass.

mod base;
mod facts;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod image;
mod licence;
mod package;
mod pattern;
mod reason;
mod rules;
mod signers;
mod table;

pub use base::BasePolicy;
pub use facts::{
    DocumentClaim, EvidenceKind, JudgedBase, JudgedDocument, JudgedImage, KeyName, Knowledge, PackageFact,
};
pub use image::ImagePolicy;
pub use licence::LicencePolicy;
pub use package::PackageName;
pub use pattern::{LicencePattern, NamePattern, PackagePattern, PatternError};
pub use reason::{BaseDoubt, PolicyReason, PolicyRefusal, TOO_MUCH_ADVICE};
pub use rules::Policy;
