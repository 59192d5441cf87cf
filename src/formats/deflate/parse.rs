//! The parse: turns bytes into literals and matches, and counts the symbols that stand for them.
//!
//! Greedy takes the first match it sees; lazy takes it only when the next position (and, for the slowest levels, the
//! one after) has none that is worth more. Not done here: deciding where blocks end, or writing bits.

use super::matcher::{Finder, Match, longest};
use super::symbols::{FIRST_LENGTH, LENGTH_SLOT, MIN_MATCH, distance_slot};
use super::window::Window;
use std::ops::Range;

/// A run of literals and the match after it; no match when `distance` is zero.
#[derive(Clone, Copy)]
pub(super) struct Sequence {
    pub(super) literals: u32,
    pub(super) distance: u16,
    /// Less three.
    pub(super) length: u8,
    /// The distance symbol.
    pub(super) slot: u8,
}

/// How often each symbol occurs. The sizes are those of the fixed codes, two symbols of each being never used.
#[derive(Clone)]
pub(super) struct Histogram {
    pub(super) litlen: [u32; 288],
    pub(super) dist: [u32; 32],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { litlen: [0; 288], dist: [0; 32] }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.litlen.iter_mut().zip(&other.litlen) {
            *count += more;
        }
        for (count, more) in self.dist.iter_mut().zip(&other.dist) {
            *count += more;
        }
    }
}

/// The result of a parse.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) sequences: Vec<Sequence>,
    pub(super) histogram: Histogram,
}

impl Tokens {
    #[inline(always)]
    fn literal(&mut self, byte: u8) {
        self.histogram.litlen[usize::from(byte)] += 1;
    }

    /// Adds a match after `literals` that were counted already.
    #[inline(always)]
    fn reference(&mut self, literals: usize, found: Match) {
        let length = (found.len - MIN_MATCH) as u8;
        let slot = distance_slot(found.distance);
        self.histogram.litlen[FIRST_LENGTH + usize::from(LENGTH_SLOT[usize::from(length)])] += 1;
        self.histogram.dist[usize::from(slot & 31)] += 1;
        self.sequences.push(Sequence {
            literals: literals as u32,
            distance: found.distance as u16,
            length,
            slot,
        });
    }

    /// Ends a run of literals that no match ends.
    fn close(&mut self, literals: usize) {
        if literals > 0 {
            self.sequences.push(Sequence { literals: literals as u32, distance: 0, length: 0, slot: 0 });
        }
    }
}

/// Where a parse runs: from `start` to at least `stop`, never past `end`. Positions in the window.
#[derive(Clone, Copy)]
pub(super) struct ParseRange {
    pub(super) start: usize,
    pub(super) stop: usize,
    pub(super) end: usize,
    /// From here on too few bytes follow for a look-up.
    pub(super) last: usize,
}

/// Takes every match found. Gives the position reached.
pub(super) fn greedy<F: Finder>(
    finder: &mut F,
    enough: usize,
    data: &Window,
    span: ParseRange,
    tokens: &mut Tokens,
) -> usize {
    let mut pos = span.start;
    let mut run_start = pos;
    while pos < span.stop.min(span.last) {
        let found = finder.find(data, pos, MIN_MATCH - 1, longest(pos, span.end));
        if found.len < MIN_MATCH {
            pos = pass(data, run_start, pos, span, tokens);
            continue;
        }
        tokens.reference(pos - run_start, found);
        let next = pos + found.len;
        learn(finder, enough, data, pos + 1..next.min(span.last));
        pos = next;
        run_start = pos;
    }
    rest(data, run_start, pos, span, tokens)
}

/// Takes a match unless one of the next `LOOKS` positions has a better one. Gives the position reached.
pub(super) fn lazy<F: Finder, const LOOKS: usize>(
    finder: &mut F,
    enough: usize,
    data: &Window,
    span: ParseRange,
    tokens: &mut Tokens,
) -> usize {
    let mut pos = span.start;
    let mut run_start = pos;
    while pos < span.stop.min(span.last) {
        let mut found = finder.find(data, pos, MIN_MATCH - 1, longest(pos, span.end));
        if found.len < MIN_MATCH {
            pos = pass(data, run_start, pos, span, tokens);
            continue;
        }
        let mut inserted = pos + 1;
        'better: while found.len < enough {
            for look in 1..=LOOKS {
                let ahead = pos + look;
                if ahead >= span.last || ahead + found.len > span.end {
                    break 'better;
                }
                debug_assert!(ahead >= inserted);
                let other = finder.find(data, ahead, found.len - look, longest(ahead, span.end));
                inserted = ahead + 1;
                if worth(other, found, look) {
                    for skipped in pos..ahead {
                        tokens.literal(data.byte(skipped));
                    }
                    pos = ahead;
                    found = other;
                    continue 'better;
                }
            }
            break;
        }
        tokens.reference(pos - run_start, found);
        let next = pos + found.len;
        learn(finder, enough, data, inserted..next.min(span.last));
        pos = next;
        run_start = pos;
    }
    rest(data, run_start, pos, span, tokens)
}

/// Inserts the positions that a match covers: all of them or, of a long match, `enough` at either end, since what is
/// found through the middle is nearly always found through the start.
#[inline(always)]
fn learn<F: Finder>(finder: &mut F, enough: usize, data: &Window, covered: Range<usize>) {
    let Range { start, end } = covered;
    let skip = if covered.len() > 2 * enough { start + enough..end - enough } else { end..end };
    for pos in (start..skip.start).chain(skip.end..end) {
        finder.insert(data, pos);
    }
}

/// Takes literals at `pos`: one, or more the longer the run of them has become. Gives the position after.
///
/// After hundreds of bytes without a match the data is probably compressed data inside something else, such as an
/// archive, and looking at every position is a waste.
#[inline(always)]
fn pass(data: &Window, run_start: usize, pos: usize, span: ParseRange, tokens: &mut Tokens) -> usize {
    let step = 1 + ((pos - run_start) / PATIENCE).min(MAX_STEP - 1);
    let next = (pos + step).min(span.stop);
    for pos in pos..next {
        tokens.literal(data.byte(pos));
    }
    next
}

/// Literals in a row after which the search begins to leave out positions.
const PATIENCE: usize = 64;
/// The most literals taken at once.
const MAX_STEP: usize = 16;

/// Whether `other`, which costs `look` literals first, is better than `found`.
#[inline(always)]
fn worth(other: Match, found: Match, look: usize) -> bool {
    if other.distance == 0 {
        return false;
    }
    // A byte more is worth four bits; each doubling of the distance costs one.
    let bits = |m: Match| 4 * m.len as i32 - (31 - m.distance.leading_zeros()) as i32;
    bits(other) > bits(found) + if look == 1 { 2 } else { 6 }
}

/// Literals for what is too near the end of the data to be looked up.
fn rest(data: &Window, run_start: usize, pos: usize, span: ParseRange, tokens: &mut Tokens) -> usize {
    for pos in pos..span.stop {
        tokens.literal(data.byte(pos));
    }
    let end = pos.max(span.stop);
    tokens.close(end - run_start);
    end
}
