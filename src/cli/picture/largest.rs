//! The largest of many, with little memory.

/// The items of the greatest size so far; of equal ones those that came first.
#[derive(Debug)]
pub(super) struct Largest<T> {
    limit: usize,
    items: Vec<(u64, T)>,
}

impl<T> Largest<T> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, items: Vec::new() }
    }

    /// Takes an item if it is among the largest; only then it is made.
    pub(super) fn offer(&mut self, size: u64, item: impl FnOnce() -> T) {
        let is_full = self.items.len() == self.limit;
        if size == 0 || is_full && self.items.last().is_some_and(|(least, _)| *least >= size) {
            return;
        }
        let place = self.items.partition_point(|(other, _)| *other >= size);
        self.items.insert(place, (size, item()));
        self.items.truncate(self.limit);
    }

    /// The items, the largest first.
    pub(super) fn into_items(self) -> Vec<(u64, T)> {
        self.items
    }
}

/// The path that a walk is at, from the names and depths of its rows.
#[derive(Debug, Default)]
pub(super) struct WalkedPath {
    bytes: Vec<u8>,
    /// Where the path of each depth ends.
    ends: Vec<usize>,
}

impl WalkedPath {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new() }
    }

    /// Goes on to a row; the root has depth 0.
    pub(super) fn enter(&mut self, depth: usize, name: &[u8]) {
        self.ends.truncate(depth);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        if depth > 0 {
            self.bytes.push(b'/');
            self.bytes.extend_from_slice(name);
        }
        self.ends.push(self.bytes.len());
    }

    /// The path from the root.
    pub(super) fn text(&self) -> String {
        if self.bytes.is_empty() { "/".to_owned() } else { String::from_utf8_lossy(&self.bytes).into_owned() }
    }
}
