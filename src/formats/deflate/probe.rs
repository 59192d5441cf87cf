//! Tells already compressed bytes from the rest without compressing them.
//!
//! The input is judged in fixed regions by their bytes alone. A region counts as incompressible when a sample of its
//! bytes is as even as random bytes are, and when no repetition shows up either: an even histogram alone would also
//! fit a file that occurs twice. Everything is exact integer arithmetic. Not done here: storing the region.

use super::symbols::WINDOW;
use std::ops::Range;

/// Bytes judged at once.
const REGION: usize = 1 << 14;
/// Shorter rests are not judged: the encoder finds out by itself soon enough.
const MIN_REGION: usize = 1 << 12;
/// One stripe out of each stride is counted.
const STRIDE: usize = 2048;
const STRIPE: usize = 256;

/// Every how many bytes a position enters the table of the repetition probe, and how many positions in a row are
/// looked up: equal, so that a repetition meets an entry at whatever offset it has.
const STEP: usize = 16;
/// Bytes between the starts of two such rows.
const ROW_STRIDE: usize = 256;
/// Rows with a hit that make a region compressible, out of `REGION / ROW_STRIDE` (64).
const MIN_HITS: usize = 8;
const TABLE: usize = 1 << 12;

/// A run of regions that are alike.
#[derive(Debug, PartialEq)]
pub(super) struct RegionRun {
    pub(super) range: Range<usize>,
    /// Not worth compressing.
    pub(super) dense: bool,
}

/// Positions of sampled strings, plus one. Valid for one input.
pub(super) struct SampleTable {
    table: Box<[u32; TABLE]>,
    /// Whether the table holds anything.
    dirty: bool,
}

impl Default for SampleTable {
    fn default() -> Self {
        Self { table: Box::new([0; TABLE]), dirty: false }
    }
}

impl SampleTable {
    /// Bytes that the table occupies.
    #[cfg(test)]
    pub(super) const SIZE: usize = 4 * TABLE;

    /// Cuts `data`, of which nothing was seen before, into runs of regions that are alike.
    pub(super) fn cut(&mut self, data: &[u8]) -> Vec<RegionRun> {
        self.forget();
        let mut parts: Vec<RegionRun> = Vec::new();
        let mut start = 0;
        while start < data.len() {
            let end = data.len().min(start + REGION);
            let dense = self.is_dense(data, start..end);
            match parts.last_mut() {
                Some(part) if part.dense == dense => part.range.end = end,
                _ => parts.push(RegionRun { range: start..end, dense }),
            }
            start = end;
        }
        parts
    }

    fn forget(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.table.fill(0);
        }
    }

    fn is_dense(&mut self, data: &[u8], region: Range<usize>) -> bool {
        region.len() >= MIN_REGION && is_even(&data[region.clone()]) && !self.repeats(data, region)
    }

    /// Whether enough sampled strings of the region occur before.
    fn repeats(&mut self, data: &[u8], region: Range<usize>) -> bool {
        self.dirty = true;
        let mut hits = 0;
        for row in region.step_by(ROW_STRIDE) {
            hits += usize::from(self.row_repeats(data, row));
            for pos in (row..row + ROW_STRIDE).step_by(STEP) {
                if let Some(word) = word(data, pos) {
                    self.table[slot(word)] = pos as u32 + 1;
                }
            }
        }
        hits >= MIN_HITS
    }

    fn row_repeats(&self, data: &[u8], row: usize) -> bool {
        (row..row + STEP).any(|pos| {
            let Some(here) = word(data, pos) else {
                return false;
            };
            let seen = self.table[slot(here)] as usize;
            seen > 0 && seen <= pos && pos - (seen - 1) <= WINDOW && word(data, seen - 1) == Some(here)
        })
    }
}

fn word(data: &[u8], pos: usize) -> Option<u64> {
    data.get(pos..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn slot(word: u64) -> usize {
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - TABLE.ilog2())) as usize
}

/// Whether the sampled bytes of a region are spread as evenly as random ones, give or take what a Huffman code could
/// not gain two percent from.
fn is_even(region: &[u8]) -> bool {
    let mut counts = [[0u16; 256]; 2];
    let mut sampled = 0u64;
    for stripe in region.chunks(STRIDE).filter_map(|stride| stride.get(..STRIPE)) {
        // Two tables, since the same counter twice in a row waits for itself.
        for pair in stripe.as_chunks::<2>().0 {
            counts[0][usize::from(pair[0])] += 1;
            counts[1][usize::from(pair[1])] += 1;
        }
        sampled += STRIPE as u64;
    }
    // The collision sum of n random bytes is n^2 / 256 + n; an excess of 1/8 of the first term corresponds to 0.09
    // bits of entropy missing per byte.
    let [even, odd] = &counts;
    let collisions: u64 = even.iter().zip(odd).map(|(&a, &b)| (u64::from(a) + u64::from(b)).pow(2)).sum();
    let square = sampled * sampled;
    256 * collisions <= square + square / 8 + 256 * sampled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::deflate::tests::random_bytes;

    fn cut(data: &[u8]) -> Vec<(Range<usize>, bool)> {
        SampleTable::default().cut(data).into_iter().map(|part| (part.range, part.dense)).collect()
    }

    #[test]
    fn random_bytes_are_dense() {
        assert_eq!(cut(&random_bytes(7, 204_800)), [(0..204_800, true)]);
    }

    #[test]
    fn a_random_block_that_recurs_is_not() {
        let data = random_bytes(7, 16_384).repeat(4);
        assert_eq!(cut(&data), [(0..16_384, true), (16_384..65_536, false)]);
    }

    #[test]
    fn six_bit_symbols_are_not() {
        let data: Vec<u8> = random_bytes(7, 100_000).iter().map(|byte| byte & 63).collect();
        assert_eq!(cut(&data), [(0..100_000, false)]);
    }

    #[test]
    fn an_earlier_input_leaves_no_trace() {
        let data = random_bytes(7, 50_000);
        let mut probe = SampleTable::default();
        assert_eq!(probe.cut(&data), probe.cut(&data));
    }
}
