//! Integration tests of the program: what is built with it, from the outside.
//!
//! One binary, because linking is the cost of a test binary. Every test has a directory of its own, outside
//! any git repository, with its own store and an environment that nothing of the machine reaches. Every
//! image that is built is verified with `pack verify`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "these are tests, whose helpers lint cannot tell"
)]

mod apps;
mod architecture;
mod artifacts;
mod attested;
mod buckets;
mod check;
mod check_content;
mod checkout;
mod ci;
mod ci_files;
mod ci_pastes;
mod commands;
mod content;
mod descriptors;
mod doctor;
mod documents;
mod errors;
mod estargz;
mod events;
mod explain;
mod faults;
mod first_commands;
mod gates;
mod hints;
mod history;
mod hooks;
mod hostile;
mod images;
mod init;
mod inputs;
mod interrupts;
mod java;
mod listen;
mod moving_in;
mod node;
mod outputs;
mod pictures;
mod places;
mod policy;
mod prose;
mod provenance;
mod python;
mod real;
mod rebuild;
mod registry;
mod releases;
mod remarks;
mod reproducible;
mod sbom;
mod schemas;
mod secrets;
mod serve;
mod shards;
mod shop;
mod signing;
mod sites;
mod soci;
mod support;
mod systems;
mod tags;
mod terminal;
mod tutorial;
mod users;
mod verdicts;
mod watch;
mod workspace;
