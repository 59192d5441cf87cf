//! The display of a run of several images: how many ended and how, and which are under way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::format::{cut, duration, length};
use crate::runtime::events::{ImageEnd, ImageId};

/// A run that is over sooner is not drawn.
const UNSEEN: Duration = Duration::from_millis(300);
/// Columns of the bar at most.
const BAR: usize = 30;

/// A run of several images.
#[derive(Debug)]
pub(super) struct RunDisplay {
    images: usize,
    done: usize,
    failed: usize,
    given_up: usize,
    /// Those of them that never began.
    never_begun: usize,
    started: Instant,
    under_way: BTreeMap<ImageId, (String, Instant)>,
}

impl RunDisplay {
    pub(super) const fn new(images: usize, started: Instant) -> Self {
        Self { images, done: 0, failed: 0, given_up: 0, never_begun: 0, started, under_way: BTreeMap::new() }
    }

    pub(super) fn begin(&mut self, image: Option<ImageId>, name: String, now: Instant) {
        if let Some(image) = image {
            self.under_way.insert(image, (name, now));
        }
    }

    /// Counts the end of an image; the line of a log about it, if it is worth one.
    pub(super) fn end(
        &mut self,
        image: Option<ImageId>,
        name: &str,
        end: ImageEnd,
        now: Instant,
    ) -> Option<String> {
        let began = image.and_then(|image| self.under_way.remove(&image)).map(|(_, began)| began);
        let word = match end {
            ImageEnd::Done => "done",
            ImageEnd::Unchanged => "unchanged",
            ImageEnd::Failed => "failed",
            ImageEnd::Stopped => "stopped",
            ImageEnd::NotStarted => "not started",
        };
        match end {
            ImageEnd::Done | ImageEnd::Unchanged => self.done += 1,
            ImageEnd::Failed => self.failed += 1,
            ImageEnd::Stopped => self.given_up += 1,
            ImageEnd::NotStarted => {
                self.given_up += 1;
                self.never_begun += 1;
            }
        }
        let took = now.duration_since(began?);
        let ended = self.done + self.failed + self.given_up - self.never_begun;
        Some(format!("[{ended}/{}] {word} {name} in {}", self.images, duration(took)))
    }

    /// The name of an image under way.
    pub(super) fn name(&self, image: Option<ImageId>) -> Option<&str> {
        self.under_way.get(&image?).map(|(name, _)| &**name)
    }

    /// The rows to show now: a bar with figures, and the names of the images that take longest, as many as fit.
    pub(super) fn rows(&self, now: Instant, verb: usize, columns: usize) -> Vec<String> {
        if now.duration_since(self.started) < UNSEEN {
            return Vec::new();
        }
        let mut rows = vec![cut(&self.bar(verb, columns), columns).into_owned()];
        if !self.under_way.is_empty() {
            rows.push(cut(&self.names(verb, columns), columns).into_owned());
        }
        rows
    }

    fn bar(&self, verb: usize, columns: usize) -> String {
        let mut figures = format!("{} of {} done", self.done, self.images);
        for (count, word) in [(self.failed, "failed"), (self.given_up, "given up")] {
            if count > 0 {
                figures.push_str(&format!(", {count} {word}"));
            }
        }
        let room = columns.saturating_sub(verb + length(&figures) + 4).min(BAR);
        let ended = self.done + self.failed + self.given_up;
        let full = (ended.min(self.images) * room).checked_div(self.images).unwrap_or(0);
        let bar = match room {
            0..5 => String::new(),
            _ => format!("[{}{}] ", "=".repeat(full), " ".repeat(room - full)),
        };
        format!("{:>verb$} {bar}{figures}", "images")
    }

    fn names(&self, verb: usize, columns: usize) -> String {
        let mut names: Vec<(Instant, &str)> =
            self.under_way.values().map(|(name, began)| (*began, &**name)).collect();
        names.sort();
        let mut row = format!("{:>verb$} ", "now");
        let more = |count: usize| format!(" and {count} more");
        for (number, (_, name)) in names.iter().enumerate() {
            let left = names.len() - number;
            let comma = if number == 0 { "" } else { ", " };
            let rest = if left > 1 { length(&more(left - 1)) } else { 0 };
            if number > 0 && length(&row) + length(comma) + length(name) + rest > columns {
                row.push_str(&more(left));
                break;
            }
            row.push_str(comma);
            row.push_str(name);
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_hundred_images_are_two_rows_of_eighty_columns() {
        let zero = Instant::now();
        let mut run = RunDisplay::new(400, zero);
        let at = |millis| zero + Duration::from_millis(millis);
        for number in 0..140 {
            run.begin(Some(ImageId(number)), format!("service-{number}"), at(number as u64));
        }
        for number in 0..123 {
            let end = if number == 7 { ImageEnd::Failed } else { ImageEnd::Done };
            let line = run.end(Some(ImageId(number)), "x", end, at(1_000)).expect("a line");
            assert!(line.starts_with(&format!("[{}/400] ", number + 1)), "{line}");
        }
        assert_eq!(run.end(Some(ImageId(399)), "x", ImageEnd::NotStarted, at(1_000)), None);
        // One that never began has not ended.
        let mut stopped = RunDisplay::new(12, zero);
        stopped.begin(Some(ImageId(0)), "api".to_owned(), at(0));
        for number in 1..12 {
            assert_eq!(stopped.end(Some(ImageId(number)), "x", ImageEnd::NotStarted, at(1)), None);
        }
        let line = stopped.end(Some(ImageId(0)), "api", ImageEnd::Done, at(1_000)).expect("a line");
        assert_eq!(line, "[1/12] done api in 1.0 s");
        assert_eq!(run.rows(at(100), 9, 80), Vec::<String>::new());
        insta::assert_snapshot!(run.rows(at(1_000), 9, 80).join("\n"), @r"
           images [=========                     ] 122 of 400 done, 1 failed, 1 given up
              now service-123, service-124, service-125, service-126 and 13 more
        ");
        for columns in 0..120 {
            assert!(run.rows(at(1_000), 9, columns).iter().all(|row| length(row) <= columns.max(1)));
        }
    }
}
