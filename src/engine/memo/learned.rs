//! The facts about files that a build found out, by path.
//!
//! Layers are built in the order of their paths, so most facts come in order and are kept in pieces one after the other: a
//! map that is filled in order leaves half of its nodes empty, of 300,000 files 20 MiB.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::layer::Stamp;
use crate::types::digest::ContentId;

/// The facts about a file: no content if it was too young to trust its stamp.
pub(super) type StampedContent = (Stamp, Option<ContentId>);

/// The facts in a piece: not one long list, whose growth would copy all of them.
const PIECE: usize = 1024;

/// Facts by path.
#[derive(Clone, Default)]
pub(super) struct LearnedContents {
    /// Those that came in the order of their paths.
    in_order: Vec<Vec<(LearnedPath, StampedContent)>>,
    /// The others.
    late: BTreeMap<LearnedPath, StampedContent>,
}

/// A path that the entry of a layer has too, in the order of its bytes.
#[derive(Clone)]
struct LearnedPath(Arc<Path>);

impl Borrow<[u8]> for LearnedPath {
    fn borrow(&self) -> &[u8] {
        self.0.as_os_str().as_bytes()
    }
}

impl Ord for LearnedPath {
    fn cmp(&self, other: &Self) -> Ordering {
        Borrow::<[u8]>::borrow(self).cmp(other.borrow())
    }
}

impl PartialOrd for LearnedPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for LearnedPath {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for LearnedPath {}

impl LearnedContents {
    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.late.is_empty()
    }

    /// Keeps the facts about a file instead of those before.
    pub(super) fn insert(&mut self, path: Arc<Path>, seen: StampedContent) {
        let path = LearnedPath(path);
        if self.in_order.last().and_then(|piece| piece.last()).is_none_or(|(last, _)| *last < path) {
            match self.in_order.last_mut().filter(|piece| piece.len() < PIECE) {
                Some(piece) => piece.push((path, seen)),
                None => self.in_order.push(vec![(path, seen)]),
            }
        } else if let Some((piece, place)) = self.place(path.borrow()) {
            self.in_order[piece][place].1 = seen;
        } else {
            self.late.insert(path, seen);
        }
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&StampedContent> {
        let in_order = self.place(path).map(|(piece, place)| &self.in_order[piece][place].1);
        in_order.or_else(|| self.late.get(path))
    }

    /// The piece and the place in it of a path that came in order.
    fn place(&self, path: &[u8]) -> Option<(usize, usize)> {
        let is_up_to = |piece: &Vec<(LearnedPath, StampedContent)>| {
            piece.first().is_some_and(|(first, _)| Borrow::<[u8]>::borrow(first) <= path)
        };
        let number = self.in_order.partition_point(is_up_to).checked_sub(1)?;
        let place =
            self.in_order[number].binary_search_by(|(known, _)| Borrow::<[u8]>::borrow(known).cmp(path));
        place.ok().map(|place| (number, place))
    }

    /// All facts, in the order of the paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &StampedContent)> {
        let mut in_order =
            self.in_order.iter().flatten().map(|(path, seen)| (path.borrow(), seen)).peekable();
        let mut late = self.late.iter().map(|(path, seen)| (path.borrow(), seen)).peekable();
        std::iter::from_fn(move || match (in_order.peek(), late.peek()) {
            (Some((one, _)), Some((other, _))) if one < other => in_order.next(),
            (Some(_), None) => in_order.next(),
            _ => late.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_many_pieces_are_found_and_come_in_order() {
        let seen = |size| (Stamp { size, ..Stamp::default() }, None);
        let path = |number: u64| -> Arc<Path> { Path::new(&format!("{number:06}")).into() };
        let mut learned = LearnedContents::default();
        let in_order = (0..3 * 1024_u64).filter(|number| number % 3 > 0);
        let late = (0..3 * 1024_u64).filter(|number| number % 3 == 0);
        in_order.chain(late).for_each(|number| learned.insert(path(number), seen(number)));
        // Facts of both kinds that are learned again.
        [0, 1, 2047].into_iter().for_each(|number| learned.insert(path(number), seen(number + 10_000)));
        let expected = |number| if [0, 1, 2047].contains(&number) { number + 10_000 } else { number };
        for number in 0..3 * 1024 {
            let found = learned.get(path(number).as_os_str().as_bytes());
            assert_eq!(found.map(|(stamp, _)| stamp.size), Some(expected(number)));
        }
        assert!(learned.get(b"none").is_none() && learned.get(b"").is_none());
        let sizes: Vec<u64> = learned.iter().map(|(_, (stamp, _))| stamp.size).collect();
        assert_eq!(sizes, (0..3 * 1024).map(expected).collect::<Vec<_>>());
    }
}
