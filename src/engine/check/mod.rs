//! Whether what is planned can run: what the container of the base speaks, what a program needs, who it runs as, and
//! what volumes hide.
//!
//! Each requirement of an artifact is **met**, **not met**, or **cannot be known here**, and the last is no pass. The
//! answer is a function of the artifact, the settings, the base, the lock, and what the registry tells of the base's
//! layers. The content of the store, and whether a layer of ours is known already, decide nothing.
//!
//! Checks only collect findings. The user's policy ([`crate::types::check_policy`]) is applied to all of them at once,
//! and one error lists those that are errors.

mod access;
mod arguments;
mod classes;
mod clobbered;
mod configured;
mod content;
mod counted;
mod error;
mod executable;
mod image;
mod interpreters;
mod kept;
mod libraries;
#[cfg(test)]
mod long_chains;
mod lookups;
mod modules;
mod planned;
mod replaced;
mod requirement;
mod script;
mod search;
mod servlet;
mod start;
mod stated;
mod versions;

pub(super) use clobbered::clobbered;
pub(super) use content::ContentChecks;
#[cfg(any(test, feature = "testing"))]
pub(crate) use content::fuzz;
pub(super) use error::CheckError;
pub(crate) use image::CandidateImage;
pub(crate) use lookups::PathLookups;
pub(super) use planned::{Checks, has_certificates};
pub(super) use replaced::{note_of_replaced, replaced};
pub(crate) use requirement::{check, check_all};
pub(super) use stated::stated;
