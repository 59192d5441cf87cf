//! Building: the one place that walks the whole flow.
//!
//! [`prepare()`] makes the plan. [`build`] executes it: layers that are not known are built, the image is
//! derived, and every destination gets what it lacks, while later layers are still being built. Where all
//! layers are known and a destination is current already, one question to it is all that happens.

pub mod apps;
mod attest;
mod base_rules;
mod base_table;
mod build_event;
mod build_log;
mod build_memo;
pub mod cache;
mod changes;
pub(crate) mod check;
mod compression;
mod declared;
mod derive;
mod draft;
mod error;
mod finished;
mod graph;
mod image_build;
mod inputs;
mod layer_builder;
mod layer_table;
pub mod memo;
mod options;
mod outcome;
pub mod own;
mod owners;
mod permissions;
mod prepare;
mod prepared;
mod preview;
mod provenance;
mod publish;
mod push_rules;
mod question;
mod reads;
mod refusal;
mod report;
mod report_fold;
mod request;
mod run;
mod run_report;
mod scheduler;
mod selection;
mod sends;
mod session;
mod siblings;
mod stored_base;
mod target;
pub mod untrusted;
mod users;
mod watched;

pub use attest::{AttestPlace, AttestRequest, SignatureRequest};
pub use base_table::BaseTable;
pub use cache::CachePolicy;
pub use changes::{ChangeFeed, ChangeSet};
pub use error::BuildError;
pub use finished::ReferrerEntry;
pub use outcome::{InputChange, Outcome};
pub use prepared::PreparedBuild;
pub use preview::{check_lock, known_tags, lock, look_up, prepare, scanner};
pub use reads::{BuildReads, DescribingFiles, ReadBase, ReadPath, ReadRole};
pub use refusal::RefusedImage;
pub use report::{DestinationReport, ImageReport, LayerReport, Report};
pub use request::{ALL_FINDINGS, FIRST_FINDINGS, Request, project_of};
pub use run::{Job, OnFailure, build};
pub use run_report::Totals;
pub use session::Session;
pub use target::Target;
