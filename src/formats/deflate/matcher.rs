//! Match finders: where do the bytes at a position occur among the 32 KiB before it?
//!
//! Two kinds share the tables: buckets that hold the latest few positions of a hash (fast), and chains that link all
//! positions of a hash (thorough). Entries are positions counted from the scratch's birth, not from the input's start:
//! whatever an earlier body left is then out of the window by construction, so nothing has to be cleared between
//! bodies, and nothing of them can be seen.

use super::symbols::{MAX_MATCH, WINDOW};
use super::window::Window;

/// Bytes that must follow a position for it to be looked up or inserted.
pub(super) const LOOKAHEAD: usize = 8;

/// Entries of the main table.
const HEADS: usize = 1 << 16;
/// Entries of the table of three-byte strings.
const SHORT_HEADS: usize = 1 << 12;
/// A three-byte match further back than this costs more bits than its literals.
const SHORT_REACH: u32 = 4096;

/// The longest input that one epoch of positions serves: a gibibyte, rounded to whole stored blocks so that cutting
/// there costs no extra header.
pub(super) const MAX_SEGMENT: usize = 65_535 << 14;

/// The tables of all finders.
pub(super) struct Tables {
    heads: Box<[u32; HEADS]>,
    short_heads: Box<[u32; SHORT_HEADS]>,
    /// Per position modulo the window: how far back the previous position with its hash is.
    links: Box<[u16; WINDOW]>,
    /// The number of the first position of the current input.
    base: u32,
    /// The number of the first position of the window.
    place: u32,
    /// The number of the first position never used.
    next: u32,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            heads: Box::new([0; HEADS]),
            short_heads: Box::new([0; SHORT_HEADS]),
            links: Box::new([0; WINDOW]),
            base: 0,
            place: 0,
            next: 1,
        }
    }
}

impl Tables {
    /// Bytes that the tables occupy.
    #[cfg(test)]
    pub(super) const SIZE: usize = 4 * HEADS + 4 * SHORT_HEADS + 2 * WINDOW;

    /// Starts on a new input of `len` bytes, at most `MAX_SEGMENT`.
    pub(super) fn begin(&mut self, len: usize) {
        debug_assert!(len <= MAX_SEGMENT);
        let len = len as u32;
        let gap = WINDOW as u32 + 1;
        self.base = match self.next.checked_add(gap).filter(|base| base.checked_add(len).is_some()) {
            Some(base) => base,
            None => self.restart(gap),
        };
        self.next = self.base + len;
    }

    /// Lets positions given to the finders count from `origin` of the input.
    pub(super) fn place(&mut self, origin: usize) {
        self.place = self.base + origin as u32;
    }

    /// Empties the tables when the position numbers run out, and gives the first number to use.
    fn restart(&mut self, gap: u32) -> u32 {
        self.heads.fill(0);
        self.short_heads.fill(0);
        gap
    }

    /// Pretends that nearly all position numbers were used.
    #[cfg(test)]
    pub(super) fn exhaust(&mut self, left: u32) {
        self.next = u32::MAX - left;
    }
}

/// A back reference; none when `len` is zero.
#[derive(Clone, Copy, Default)]
pub(super) struct Match {
    pub(super) len: usize,
    pub(super) distance: u32,
}

/// Finds matches and learns positions. Every position is inserted at most once, in ascending order.
pub(super) trait Finder {
    /// Inserts `pos` and finds a match at it that is longer than `than` and at most `max` (at most 258) long.
    /// `LOOKAHEAD` bytes must follow `pos`.
    fn find(&mut self, data: &Window, pos: usize, than: usize, max: usize) -> Match;

    /// Inserts `pos`, which `LOOKAHEAD` bytes must follow.
    fn insert(&mut self, data: &Window, pos: usize);
}

#[inline(always)]
fn hash32(value: u32, bits: u32) -> usize {
    (value.wrapping_mul(0x9E37_79B1) >> (32 - bits)) as usize
}

/// The latest position of every hash of three bytes, for matches too short for the main table.
struct Short<'a>(&'a mut [u32; SHORT_HEADS]);

impl Short<'_> {
    /// Replaces the position with the three bytes of `value` by `number`, and gives it.
    #[inline(always)]
    fn push(&mut self, value: u32, number: u32) -> u32 {
        // The shift drops the fourth byte.
        std::mem::replace(&mut self.0[hash32(value << 8, SHORT_HEADS.ilog2())], number)
    }

    /// The match of three bytes that `push` gave, if it is one and near enough to pay.
    #[inline(always)]
    fn check(data: &Window, pos: usize, value: u32, distance: u32) -> Match {
        let candidate = pos.wrapping_sub(distance as usize);
        if distance <= SHORT_REACH && (data.load32(candidate) ^ value) << 8 == 0 {
            Match { len: 3, distance }
        } else {
            Match::default()
        }
    }
}

/// The latest `WAYS` positions of every hash of four bytes; if `SHORT`, also the latest of every hash of three.
pub(super) struct HashBuckets<'a, const WAYS: usize, const SHORT: bool> {
    heads: &'a mut [u32; HEADS],
    short: Short<'a>,
    base: u32,
}

impl<'a, const WAYS: usize, const SHORT: bool> HashBuckets<'a, WAYS, SHORT> {
    const BITS: u32 = HEADS.ilog2() - WAYS.ilog2();

    pub(super) fn new(tables: &'a mut Tables) -> Self {
        Self { heads: &mut tables.heads, short: Short(&mut tables.short_heads), base: tables.place }
    }

    /// Puts `number` at the front of the bucket of `value`, and gives what was in it.
    #[inline(always)]
    fn push(&mut self, value: u32, number: u32) -> [u32; WAYS] {
        let first = hash32(value, Self::BITS) * WAYS;
        let mut old = [0; WAYS];
        let mut carry = number;
        for (way, old) in old.iter_mut().enumerate() {
            let slot = &mut self.heads[(first + way) & (HEADS - 1)];
            *old = *slot;
            *slot = carry;
            carry = *old;
        }
        old
    }
}

impl<const WAYS: usize, const SHORT: bool> Finder for HashBuckets<'_, WAYS, SHORT> {
    #[inline(always)]
    fn find(&mut self, data: &Window, pos: usize, than: usize, max: usize) -> Match {
        let value = data.load32(pos);
        let number = self.base.wrapping_add(pos as u32);
        let mut best = Match { len: than, distance: 0 };
        let old_short = if SHORT { self.short.push(value, number) } else { 0 };
        for old in self.push(value, number) {
            let distance = number.wrapping_sub(old);
            if distance > WINDOW as u32 {
                break;
            }
            let candidate = pos.wrapping_sub(distance as usize);
            if data.load32(candidate) == value {
                let len = data.agree(candidate, pos, max);
                if len > best.len {
                    best = Match { len, distance };
                }
            }
        }
        if best.distance > 0 {
            best
        } else if SHORT && than < 3 && max >= 3 {
            Short::check(data, pos, value, number.wrapping_sub(old_short))
        } else {
            Match::default()
        }
    }

    #[inline(always)]
    fn insert(&mut self, data: &Window, pos: usize) {
        let value = data.load32(pos);
        let number = self.base.wrapping_add(pos as u32);
        self.push(value, number);
        if SHORT {
            self.short.push(value, number);
        }
    }
}

/// All positions of every hash of four bytes, and the latest of every hash of three.
pub(super) struct Chains<'a> {
    heads: &'a mut [u32; HEADS],
    short: Short<'a>,
    links: &'a mut [u16; WINDOW],
    base: u32,
    /// How many links to follow.
    depth: u32,
    /// A match of this length ends the search.
    enough: usize,
}

impl<'a> Chains<'a> {
    const BITS: u32 = 15;

    pub(super) fn new(tables: &'a mut Tables, depth: u32, enough: usize) -> Self {
        Self {
            heads: &mut tables.heads,
            short: Short(&mut tables.short_heads),
            links: &mut tables.links,
            base: tables.place,
            depth,
            enough,
        }
    }

    /// Inserts `number` and gives the previous number with the same four bytes.
    #[inline(always)]
    fn push(&mut self, value: u32, number: u32) -> u32 {
        let old = std::mem::replace(&mut self.heads[hash32(value, Self::BITS)], number);
        // Anything beyond the window is as good as the end of the chain.
        self.links[number as usize % WINDOW] = number.wrapping_sub(old).min(u32::from(u16::MAX)) as u16;
        old
    }
}

impl Finder for Chains<'_> {
    #[inline(always)]
    fn find(&mut self, data: &Window, pos: usize, than: usize, max: usize) -> Match {
        let value = data.load32(pos);
        let number = self.base.wrapping_add(pos as u32);
        let old = self.push(value, number);
        let old_short = self.short.push(value, number);
        let enough = self.enough.min(max);
        let mut best = Match { len: than, distance: 0 };
        if than < 3 && max >= 3 {
            let short = Short::check(data, pos, value, number.wrapping_sub(old_short));
            if short.distance > 0 {
                best = short;
            }
        }
        // Beating a match in hand is unlikely, so less is spent on trying.
        let mut depth = if than < 3 { self.depth } else { self.depth / 2 };
        let mut distance = number.wrapping_sub(old);
        while distance <= WINDOW as u32 {
            let candidate = pos.wrapping_sub(distance as usize);
            // A longer match must agree in the four bytes up to the one that makes it longer.
            let probe = best.len.max(3) - 3;
            if data.load32(candidate + probe) == data.load32(pos + probe) && data.load32(candidate) == value {
                let len = data.agree(candidate, pos, max);
                if len > best.len {
                    best = Match { len, distance };
                    if len >= enough {
                        break;
                    }
                }
            }
            depth -= 1;
            if depth == 0 {
                break;
            }
            distance += u32::from(self.links[number.wrapping_sub(distance) as usize % WINDOW]);
        }
        if best.distance == 0 { Match::default() } else { best }
    }

    #[inline(always)]
    fn insert(&mut self, data: &Window, pos: usize) {
        self.push(data.load32(pos), self.base.wrapping_add(pos as u32));
    }
}

/// The longest match that may start at `pos` when the parse ends at `end`.
#[inline(always)]
pub(super) fn longest(pos: usize, end: usize) -> usize {
    (end - pos).min(MAX_MATCH)
}
