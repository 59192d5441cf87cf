//! The report of an image as a fold over its events.
//!
//! Invariant: the same events give the same report in whatever order they come, but for those before and after
//! [`BuildEvent::Restarted`]. So which thread was faster shows in no report.

use std::collections::{BTreeMap, BTreeSet};

use super::build_event::{AskedDestination, BuildEvent, DerivedImage, Has, PlanResult};
use super::layer_table::PlanPosition;
use super::outcome::Outcome;
use super::report::{Deliveries, DestinationReport, ImageReport, LayerReport, Report};
use crate::layer::LayerWork;
use crate::plan::{LayerFacts, LayerMemo};
use crate::project::lock::LockedBase;
use crate::transport::Delivery;
use crate::types::digest::Digest;

/// The sum of the events so far.
#[derive(Default)]
pub(super) struct ReportFold {
    outcome: Outcome,
    earlier: Option<Box<Report>>,
    plan: PlanResult,
    layers: BTreeMap<PlanPosition, FinishedPlace>,
    remade: BTreeMap<Digest, LayerWork>,
    derived: Option<DerivedImage>,
    asked: BTreeMap<usize, AskedDestination>,
    transfers: BTreeMap<usize, Transfers>,
    /// Destinations whose tags resolved to the image, though they seemed not to.
    found_current: BTreeSet<usize>,
    cache_entries_written: usize,
    locked: Option<Box<LockedBase>>,
}

struct FinishedPlace {
    facts: LayerFacts,
    work: Option<LayerWork>,
    milliseconds: u64,
}

/// The blobs that came to a destination.
#[derive(Default)]
struct Transfers {
    blobs: Deliveries,
    followed: BTreeSet<Digest>,
    uploaded: u64,
    reused: u64,
}

impl ReportFold {
    /// The report that `events` of one image come to.
    pub(super) fn of(events: impl IntoIterator<Item = BuildEvent>) -> Report {
        let mut fold = Self::default();
        events.into_iter().for_each(|event| fold.apply(event));
        fold.into_report()
    }

    fn apply(&mut self, event: BuildEvent) {
        match event {
            BuildEvent::OutcomeUnknown(why) => self.outcome = why,
            BuildEvent::OutcomeKnown(report) => self.earlier = Some(report),
            BuildEvent::Planned(plan) => self.plan = plan,
            BuildEvent::Restarted => {
                *self = Self { outcome: std::mem::take(&mut self.outcome), ..Self::default() };
            }
            BuildEvent::LayerFinished { place, facts, work, elapsed } => {
                let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                self.layers.insert(place, FinishedPlace { facts, work, milliseconds });
            }
            BuildEvent::LayerRemade { digest, work } => {
                let known = self.remade.entry(digest).or_insert(work);
                // Two destinations that need it at the same time may both have it made: the larger work counts.
                *known = (*known).max(work);
            }
            BuildEvent::Derived(image) => self.derived = Some(image),
            BuildEvent::DestinationAsked(destination) => {
                self.asked.insert(destination.target, destination);
            }
            BuildEvent::Delivered { target, digest, size, delivery, followed } => {
                self.transfers.entry(target).or_default().add(digest, size, delivery, followed);
            }
            BuildEvent::Tagged { target, delivery } => {
                if delivery == Delivery::Present {
                    self.found_current.insert(target);
                }
            }
            BuildEvent::CacheWritten(entries) => self.cache_entries_written += entries,
            BuildEvent::BaseLocked(locked) => self.locked = Some(locked),
        }
    }

    fn into_report(mut self) -> Report {
        let destinations = self.destinations();
        if let Some(earlier) = self.earlier {
            return Report { destinations, ..*earlier };
        }
        let derived = self.derived;
        let PlanResult { compression, mut images, mut notes, warnings, findings } = self.plan;
        for (number, image) in images.iter_mut().enumerate() {
            for (layer, report) in image.layers.iter_mut().enumerate() {
                finish_layer(report, self.layers.get(&(number, layer)), &self.remade);
            }
        }
        if let Some(derived) = &derived {
            images.iter_mut().zip(&derived.images).for_each(|(image, digests)| identify(image, *digests));
            notes.extend(derived.notes.iter().cloned());
        }
        let root_size = derived.as_ref().map(|image| image.size);
        let (name, tags, digest, media_type, attachments, attached) = match derived {
            Some(image) => (
                Some(image.name),
                image.tags,
                Some(image.digest),
                Some(image.media_type),
                image.attachments,
                image.attached,
            ),
            None => (None, Vec::new(), None, None, Vec::new(), Vec::new()),
        };
        Report {
            name,
            outcome: self.outcome,
            compression,
            tags,
            digest,
            root_size,
            media_type,
            attachments,
            attached,
            images,
            destinations,
            notes,
            warnings,
            findings,
            cache_entries_written: self.cache_entries_written,
            locked: self.locked.map(|locked| *locked),
        }
    }

    /// Those that had the image first, then the others, each in the order of their numbers.
    fn destinations(&mut self) -> Vec<DestinationReport> {
        let mut asked: Vec<AskedDestination> = std::mem::take(&mut self.asked).into_values().collect();
        asked.sort_by_key(|destination| destination.has);
        let report = |destination: AskedDestination| {
            let AskedDestination { target, name, is_local, is_remote, has } = destination;
            let current = has == Has::All || self.found_current.contains(&target);
            let transfers = self.transfers.remove(&target).filter(|_| !current).unwrap_or_default();
            let Transfers { blobs, followed, uploaded, reused } = transfers;
            DestinationReport { name, is_local, current, is_remote, blobs, followed, uploaded, reused }
        };
        asked.into_iter().map(report).collect()
    }
}

impl Transfers {
    fn add(&mut self, digest: Digest, size: u64, delivery: Delivery, followed: bool) {
        // A blob may come twice, such as a layer that turns out to be one of the base's: that it was sent counts.
        let known = self.blobs.entry(digest).or_insert(delivery);
        *known = (*known).max(delivery);
        if followed {
            self.followed.insert(digest);
        }
        let bytes = match delivery {
            Delivery::Uploaded => &mut self.uploaded,
            Delivery::Present | Delivery::Mounted => &mut self.reused,
        };
        *bytes += size;
    }
}

fn finish_layer(
    layer: &mut LayerReport,
    finished: Option<&FinishedPlace>,
    remade: &BTreeMap<Digest, LayerWork>,
) {
    if let Some(FinishedPlace { facts, work, milliseconds }) = finished {
        layer.facts = Some(*facts);
        if work.is_none() && layer.known_from.is_none() {
            layer.memo = LayerMemo::SameAsAnother;
        }
        (layer.work, layer.milliseconds) = (*work, *milliseconds);
    }
    layer.remade = layer.facts.and_then(|facts| remade.get(&facts.digest).copied());
}

fn identify(image: &mut ImageReport, (digest, config): (Digest, Digest)) {
    (image.digest, image.config) = (Some(digest), Some(config));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oci::MediaType;
    use crate::types::platform::Platform;
    use crate::types::reference::Repository;

    fn facts(content: &str) -> LayerFacts {
        let digest = Digest::of(content.as_bytes());
        LayerFacts { digest, size: content.len() as u64, diff_id: digest, toc: None, ztoc: None }
    }

    fn work(encoded: usize) -> LayerWork {
        LayerWork { bodies: 3, encoded, ..LayerWork::default() }
    }

    fn planned(name: &str, known: Option<LayerFacts>) -> LayerReport {
        LayerReport {
            name: name.to_owned(),
            files: 1,
            size: 2,
            facts: known,
            known_from: known.map(|_| crate::plan::KnownFrom::Store),
            memo: LayerMemo::New,
            file_memo: None,
            work: None,
            remade: None,
            milliseconds: 0,
            difference: None,
        }
    }

    fn plan() -> BuildEvent {
        let layers =
            vec![planned("known", Some(facts("known"))), planned("new", None), planned("same", None)];
        let (digest, config) = (None, None);
        let image =
            ImageReport { platform: Platform::linux_amd64(), digest, config, base: Vec::new(), layers };
        BuildEvent::Planned(PlanResult {
            compression: "gzip".to_owned(),
            images: vec![image],
            notes: vec!["of the plan".to_owned()],
            ..PlanResult::default()
        })
    }

    fn finished(layer: usize, content: &str, work: Option<LayerWork>) -> BuildEvent {
        let elapsed = Duration::from_millis(7);
        BuildEvent::LayerFinished { place: (0, layer), facts: facts(content), work, elapsed }
    }

    fn asked(target: usize, has: Has) -> BuildEvent {
        let (is_local, is_remote) = (false, true);
        BuildEvent::DestinationAsked(AskedDestination {
            target,
            name: format!("place {target}"),
            is_local,
            is_remote,
            has,
        })
    }

    fn delivered(target: usize, content: &str, delivery: Delivery, followed: bool) -> BuildEvent {
        let digest = Digest::of(content.as_bytes());
        BuildEvent::Delivered { target, digest, size: content.len() as u64, delivery, followed }
    }

    /// All of a build's events but those that begin it again.
    fn events() -> Vec<BuildEvent> {
        let name: Repository = "localhost/shop".parse().expect("a name");
        let derived = DerivedImage {
            name,
            tags: vec!["1".parse().expect("a tag")],
            digest: Digest::of(b"image"),
            media_type: MediaType::ImageManifest,
            size: 300,
            attachments: Vec::new(),
            attached: Vec::new(),
            images: vec![(Digest::of(b"manifest"), Digest::of(b"config"))],
            notes: vec!["of the image".to_owned()],
        };
        vec![
            BuildEvent::OutcomeUnknown(Outcome::New),
            plan(),
            finished(0, "known", None),
            finished(1, "new", Some(work(2))),
            finished(2, "new", None),
            // Two destinations needed it at the same time.
            BuildEvent::LayerRemade { digest: Digest::of(b"known"), work: work(1) },
            BuildEvent::LayerRemade { digest: Digest::of(b"known"), work: work(3) },
            asked(0, Has::NotTheImage),
            asked(1, Has::All),
            asked(2, Has::NotTheImage),
            asked(3, Has::NotAllAttachments),
            // A layer that is sent while it is made may turn out to be one of the base's.
            delivered(0, "new", Delivery::Uploaded, true),
            delivered(0, "new", Delivery::Present, false),
            delivered(0, "known", Delivery::Mounted, false),
            delivered(2, "new", Delivery::Present, false),
            delivered(3, "table", Delivery::Uploaded, false),
            BuildEvent::Derived(derived),
            BuildEvent::Tagged { target: 0, delivery: Delivery::Uploaded },
            BuildEvent::Tagged { target: 2, delivery: Delivery::Present },
            BuildEvent::CacheWritten(2),
            BuildEvent::CacheWritten(3),
        ]
    }

    fn json(events: Vec<BuildEvent>) -> String {
        serde_json::to_string_pretty(&ReportFold::of(events)).expect("JSON")
    }

    #[test]
    fn the_report_has_all_that_was_told() {
        let report = ReportFold::of(events());
        assert_eq!(report.outcome, Outcome::New);
        assert_eq!((report.compression.as_str(), report.digest), ("gzip", Some(Digest::of(b"image"))));
        assert_eq!(report.notes, ["of the plan", "of the image"]);
        assert_eq!(report.cache_entries_written, 5);
        let image = &report.images[0];
        assert_eq!(image.config, Some(Digest::of(b"config")));
        let [known, new, same] = &image.layers[..] else { panic!("three layers") };
        assert_eq!((known.work, known.remade), (None, Some(work(3))));
        assert_eq!((new.work, new.memo, new.milliseconds), (Some(work(2)), LayerMemo::New, 7));
        assert_eq!((same.work, same.memo, same.facts), (None, LayerMemo::SameAsAnother, Some(facts("new"))));
        let places: Vec<(&str, bool, usize, u64, u64)> = report
            .destinations
            .iter()
            .map(|to| (to.name.as_str(), to.current, to.blobs.len(), to.uploaded, to.reused))
            .collect();
        let expected = [
            ("place 1", true, 0, 0, 0),
            ("place 3", false, 1, 5, 0),
            ("place 0", false, 2, 3, 8),
            ("place 2", true, 0, 0, 0),
        ];
        assert_eq!(places, expected);
        let first = &report.destinations[2];
        assert_eq!(first.blobs.get(&Digest::of(b"new")), Some(&Delivery::Uploaded));
        assert_eq!(first.followed, BTreeSet::from([Digest::of(b"new")]));
    }

    #[test]
    fn any_order_of_the_events_gives_the_same_report() {
        let expected = json(events());
        let mut state = 5_u64;
        for _ in 0..500 {
            let mut shuffled = events();
            for last in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                shuffled.swap(last, (state >> 33) as usize % (last + 1));
            }
            assert_eq!(json(shuffled), expected);
        }
    }

    #[test]
    fn what_came_before_the_second_attempt_does_not_count() {
        let mut twice = vec![
            BuildEvent::OutcomeUnknown(Outcome::New),
            plan(),
            finished(1, "a lie of the cache", Some(work(1))),
            delivered(0, "a lie of the cache", Delivery::Uploaded, true),
            asked(0, Has::All),
            BuildEvent::Restarted,
        ];
        // Why the outcome was not known was told before the plan.
        twice.extend(events().into_iter().skip(1));
        assert_eq!(json(twice), json(events()));
    }

    #[test]
    fn an_outcome_that_is_known_is_the_report_of_an_earlier_build() {
        let earlier = ReportFold::of(events()).without_work();
        let known = vec![BuildEvent::OutcomeKnown(Box::new(earlier.clone())), asked(0, Has::All)];
        let report = ReportFold::of(known);
        assert_eq!((report.outcome, report.digest), (Outcome::Known, earlier.digest));
        assert_eq!(report.destinations.len(), 1);
        assert!(report.destinations[0].current);
    }
}
