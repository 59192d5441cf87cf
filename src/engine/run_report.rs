//! The result of a run: a report for each image, and all of them together in figures.

use super::outcome::Outcome;
use super::report::Report;
use crate::types::error::BoxedError;

/// The result of a run.
#[derive(Debug)]
pub struct RunReport {
    /// The images, in the order in which they were asked for.
    pub images: Vec<Result<Report, BoxedError>>,
    /// Whether each of them was begun.
    pub begun: Vec<bool>,
}

/// Images of a run in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Images that are where they were wanted.
    pub finished: usize,
    /// Those of them whose outcome was known before anything was planned.
    pub known: usize,
    /// Images that are not.
    pub failed: usize,
    /// Layers of ours that were built.
    pub layers_built: usize,
    /// Layers of ours that were known, or were built for another image.
    pub layers_reused: usize,
    /// Bodies of layers that were encoded.
    pub bodies_encoded: usize,
    /// Bytes of blobs that were sent to registries.
    pub sent: u64,
    /// Bytes of blobs that were written to other outputs, but for the local store: a layer is built there.
    pub written: u64,
    /// Bytes of blobs that those had already, or took from another of their repositories.
    pub reused: u64,
}

impl RunReport {
    /// All images together.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { failed: self.images.len(), ..Totals::default() };
        for report in self.images.iter().flatten() {
            totals.failed -= 1;
            totals.add(report);
        }
        totals
    }
}

impl Totals {
    /// One image in figures.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut totals = Self::default();
        totals.add(report);
        totals
    }

    fn add(&mut self, report: &Report) {
        self.finished += 1;
        self.known += usize::from(report.outcome == Outcome::Known);
        for layer in report.images.iter().flat_map(|image| &image.layers) {
            match layer.work {
                Some(work) => {
                    self.layers_built += 1;
                    self.bodies_encoded += work.encoded;
                }
                None => self.layers_reused += 1,
            }
        }
        for destination in report.destinations.iter().filter(|destination| !destination.is_local) {
            let moved = if destination.is_remote { &mut self.sent } else { &mut self.written };
            *moved += destination.uploaded;
            self.reused += destination.reused;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::error::BuildError;
    use super::super::report::{Deliveries, DestinationReport};
    use super::*;

    fn destination(is_local: bool, is_remote: bool) -> DestinationReport {
        DestinationReport {
            name: String::new(),
            is_local,
            current: false,
            is_remote,
            blobs: Deliveries::new(),
            followed: BTreeSet::new(),
            uploaded: 10,
            reused: 1,
        }
    }

    fn report(outcome: Outcome, destinations: Vec<DestinationReport>) -> Report {
        Report {
            name: None,
            outcome,
            compression: String::new(),
            tags: Vec::new(),
            digest: None,
            root_size: None,
            media_type: None,
            attachments: Vec::new(),
            attached: Vec::new(),
            images: Vec::new(),
            destinations,
            notes: Vec::new(),
            warnings: Vec::new(),
            findings: Vec::new(),
            cache_entries_written: 0,
            locked: None,
        }
    }

    #[test]
    fn images_and_bytes_are_counted_by_where_they_are() {
        let (store, layout, registry) =
            (destination(true, false), destination(false, false), destination(false, true));
        let images = vec![
            Ok(report(Outcome::Known, Vec::new())),
            Ok(report(Outcome::New, vec![store, layout, registry.clone()])),
            Err(BuildError::Stopped.into()),
            Ok(report(Outcome::New, vec![registry])),
        ];
        let expected = Totals {
            finished: 3,
            known: 1,
            failed: 1,
            sent: 20,
            written: 10,
            reused: 3,
            ..Totals::default()
        };
        assert_eq!(RunReport { images, begun: vec![true; 4] }.totals(), expected);
    }
}
