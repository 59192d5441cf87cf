//! Which lane a span is drawn in, and lanes without overlaps: a page and a viewer of traces want the same.

use super::record::{Activity, TimeSpan};

/// A lane: its place among the others, and its label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimingLane {
    place: u8,
    /// As it is shown; a thread's name comes from elsewhere.
    pub(super) label: String,
}

impl TimingLane {
    /// The lane of a span. Bodies have one for each thread.
    pub(super) fn of(span: &TimeSpan) -> Self {
        let (place, label) = match span.activity {
            Activity::Look | Activity::Ask | Activity::Plan | Activity::Conclude | Activity::Verify => {
                (0, "build")
            }
            Activity::LookUp | Activity::Check | Activity::Read => (1, "looking up"),
            Activity::Pull => (2, "download"),
            Activity::Layer => (3, "layers"),
            Activity::Body => (4, span.thread.as_str()),
            Activity::Push => (5, "push"),
            Activity::Write => (6, "write"),
            Activity::Request => (7, "requests"),
        };
        Self { place, label: label.to_owned() }
    }
}

/// Each item into the first row that is free when it begins. The items come by their beginning.
pub(super) fn rows<T>(items: Vec<T>, times: impl Fn(&T) -> (u64, u64)) -> Vec<Vec<T>> {
    let mut rows: Vec<Vec<T>> = Vec::new();
    for item in items {
        let free = |row: &&mut Vec<T>| row.last().is_none_or(|last| times(last).1 <= times(&item).0);
        match rows.iter_mut().find(free) {
            Some(row) => row.push(item),
            None => rows.push(vec![item]),
        }
    }
    rows
}

/// The activity of a span, in words.
pub(super) fn label(span: &TimeSpan) -> String {
    let doing = match span.activity {
        Activity::Look => "look at",
        Activity::Ask => "ask",
        Activity::Plan => "make",
        Activity::LookUp => "look up",
        Activity::Check => "check",
        Activity::Read => "read",
        Activity::Pull => "pull",
        Activity::Layer => "build",
        Activity::Body => "body of",
        Activity::Push => "push",
        Activity::Write => "write",
        Activity::Request => return span.name.clone(),
        Activity::Conclude => "manifests and tags to",
        Activity::Verify => "verify",
    };
    format!("{doing} {}", span.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_no_overlaps_and_lose_nothing() {
        let items = vec![(0, 10), (0, 3), (2, 2), (3, 5), (4, 12), (10, 11), (11, 11)];
        let rows = rows(items.clone(), |item| *item);
        assert_eq!(rows, [vec![(0, 10), (10, 11), (11, 11)], vec![(0, 3), (3, 5)], vec![(2, 2), (4, 12)]]);
    }
}
