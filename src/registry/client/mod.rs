//! The distribution protocol: resolve, pull, push, list and delete, with whatever login the registry asks for.

mod api;
mod blobs;
mod delete;
pub(in crate::registry) mod doctor;
mod download;
mod follow;
pub(in crate::registry) mod handle;
mod manifests;
mod pages;
pub(in crate::registry) mod ping;
mod pull;
pub(in crate::registry) mod push;
pub(in crate::registry) mod referrers;
pub(in crate::registry) mod settings;
mod tags;
mod upload;
pub(in crate::registry) mod webhook;
