//! Building: the one place that walks the whole flow.
//!
//! [`prepare`] makes the plan. [`build`] executes it: layers that are not known are built, the image is
//! derived, and every destination gets what it lacks, while later layers are still being built. Where all
//! layers are known and a destination is current already, one question to it is all that happens.

pub mod apps;
pub mod cache;
mod check;
mod declared;
mod deliver;
mod derive;
mod draft;
mod error;
mod finished;
mod inputs;
mod layers;
mod making;
pub mod memo;
mod options;
mod outcome;
pub mod own;
mod prepare;
mod prepared;
mod publish;
mod report;
mod request;
mod run;
mod selection;
mod session;
mod target;
pub mod untrusted;

pub use cache::CachePolicy;
pub use check::CheckError;
pub use error::BuildError;
pub use finished::{Attachment, Finished};
pub use outcome::{InputChange, Outcome};
pub use prepare::project_of;
pub use prepared::Prepared;
pub use report::{DestinationReport, ImageReport, LayerReport, Report};
pub use request::Request;
pub use run::{build, check_lock, lock, look_up, prepare, scanner};
pub use selection::SelectionError;
pub use session::Session;
pub use target::Target;
