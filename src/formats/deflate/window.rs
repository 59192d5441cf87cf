//! The part of the input that a parse looks at, copied to an array of fixed size.
//!
//! The copy costs next to nothing, and in exchange every load has a masked index into an array whose size the
//! compiler knows, so that it needs no bounds check: that is a third of the parser's speed. Invariant: whatever lies
//! beyond the input's end in the array (remains of other inputs) never decides anything.

use super::symbols::{MAX_MATCH, WINDOW};

/// Positions of the array; a power of two.
const SIZE: usize = 1 << 17;
/// Bytes that a load may read beyond the last position.
const PAD: usize = 8;

/// Bytes beyond the end of a chunk that parsing it may look at: the longest match of its last positions.
const AHEAD: usize = 2 * MAX_MATCH + PAD;

/// A copy of some of the input.
pub(super) struct Window {
    bytes: Box<[u8; SIZE + PAD]>,
    /// Where the input begins that the array holds.
    start: usize,
    end: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { bytes: Box::new([0; SIZE + PAD]), start: 0, end: 0 }
    }
}

impl Window {
    /// Bytes that the array occupies.
    #[cfg(test)]
    pub(super) const SIZE: usize = SIZE + PAD;

    /// Forgets the input before.
    pub(super) fn begin(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Makes sure that the window holds what parsing `from..to` may look at, 32 KiB back and a match ahead. Gives the
    /// position of the input that is the array's first.
    pub(super) fn show(&mut self, data: &[u8], from: usize, to: usize) -> usize {
        let back = from.saturating_sub(WINDOW);
        let ahead = data.len().min(to + AHEAD);
        debug_assert!(ahead - back <= SIZE);
        if back < self.start || ahead > self.end {
            self.start = back;
            self.end = data.len().min(back + SIZE);
            self.bytes[..self.end - back].copy_from_slice(&data[back..self.end]);
        }
        self.start
    }

    #[inline(always)]
    pub(super) fn byte(&self, pos: usize) -> u8 {
        self.bytes[pos % SIZE]
    }

    #[inline(always)]
    pub(super) fn load32(&self, pos: usize) -> u32 {
        let at = pos % SIZE;
        let bytes = &self.bytes;
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }

    #[inline(always)]
    fn load64(&self, pos: usize) -> u64 {
        let at = pos % SIZE;
        self.bytes[at..at + 8].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// How many bytes at `a` and `b` agree, at most `max`, the first four of them being known to.
    #[inline(always)]
    pub(super) fn agree(&self, a: usize, b: usize, max: usize) -> usize {
        let mut len = 4;
        while len < max {
            let differ = self.load64(a + len) ^ self.load64(b + len);
            if differ != 0 {
                len += (differ.trailing_zeros() >> 3) as usize;
                break;
            }
            len += 8;
        }
        // Bytes beyond `max` were read, but are not believed.
        len.min(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::deflate::tests::random_bytes;

    #[test]
    fn shows_what_a_chunk_needs() {
        let data = random_bytes(3, 400_000);
        let mut window = Window::default();
        for from in (0..data.len()).step_by(8192) {
            let to = data.len().min(from + 8192);
            let origin = window.show(&data, from, to);
            let needed = from.saturating_sub(WINDOW)..data.len().min(to + AHEAD);
            let shown = &window.bytes[needed.start - origin..needed.end - origin];
            assert!(shown == &data[needed]);
        }
    }

    #[test]
    fn agreement_is_counted_up_to_the_maximum() {
        let data = [b"0123456789abcdefgh", &b"0123456789abcdefgX"[..], &[0; 16]].concat();
        let mut window = Window::default();
        window.show(&data, 0, data.len());
        assert_eq!([4, 5, 12, 17, 18].map(|max| window.agree(0, 18, max)), [4, 5, 12, 17, 17]);
    }
}
