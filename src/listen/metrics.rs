//! Counters of the service, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Notices that were taken.
    pub accepted: Counter,
    /// Notices that had been taken before, or that tell no news.
    pub duplicates: Counter,
    /// Things that no action wants, and that are no tagged images.
    pub ignored: Counter,
    /// Messages without the right secret.
    pub unauthorized: Counter,
    /// Messages that cannot be read.
    pub invalid: Counter,
    /// Messages that there was no room for.
    pub full: Counter,
    /// Notices that gave way to newer ones.
    pub superseded: Counter,
    /// Runs that succeeded.
    pub done: Counter,
    /// Runs that failed and are tried again.
    pub retried: Counter,
    /// Runs that failed for good.
    pub failed: Counter,
    /// Runs that a crash or the end of the service interrupted.
    pub interrupted: Counter,
}

/// Values at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Jobs that wait.
    pub waiting: usize,
    /// Runs under way.
    pub running: usize,
    /// Open connections.
    pub connections: usize,
    /// Bytes of the journal.
    pub journal: u64,
}

impl Metrics {
    /// The text.
    #[must_use]
    pub fn text(&self, gauges: Gauges) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(&str, u64)]| {
            let _ = writeln!(text, "# HELP pack_listen_{name} {help}\n# TYPE pack_listen_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "pack_listen_{name}{labels} {value}");
            }
        };
        let notices = [
            ("{result=\"accepted\"}", self.accepted.get()),
            ("{result=\"duplicate\"}", self.duplicates.get()),
            ("{result=\"ignored\"}", self.ignored.get()),
            ("{result=\"superseded\"}", self.superseded.get()),
        ];
        family("notices_total", "counter", "Tags of images in messages.", &notices);
        let refused = [
            ("{reason=\"unauthorized\"}", self.unauthorized.get()),
            ("{reason=\"invalid\"}", self.invalid.get()),
            ("{reason=\"full\"}", self.full.get()),
        ];
        family("refused_total", "counter", "Messages that were refused.", &refused);
        let runs = [
            ("{outcome=\"done\"}", self.done.get()),
            ("{outcome=\"retried\"}", self.retried.get()),
            ("{outcome=\"failed\"}", self.failed.get()),
            ("{outcome=\"interrupted\"}", self.interrupted.get()),
        ];
        family("runs_total", "counter", "Runs of actions.", &runs);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        family("waiting", "gauge", "Jobs that wait.", &[("", count(gauges.waiting))]);
        family("running", "gauge", "Runs under way.", &[("", count(gauges.running))]);
        family("connections", "gauge", "Open connections.", &[("", count(gauges.connections))]);
        family("journal_bytes", "gauge", "Size of the journal.", &[("", gauges.journal)]);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_in_the_format() {
        let metrics = Metrics::default();
        metrics.accepted.add(3);
        let text = metrics.text(Gauges { waiting: 2, ..Gauges::default() });
        assert!(text.contains("pack_listen_notices_total{result=\"accepted\"} 3\n"), "{text}");
        assert!(text.contains("# TYPE pack_listen_waiting gauge\npack_listen_waiting 2\n"), "{text}");
        assert!(text.ends_with('\n'));
    }
}
