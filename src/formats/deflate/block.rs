//! Writes blocks (RFC 1951, section 3.2): stored, with the fixed codes, or with codes of their own, whichever is
//! shortest for the symbols at hand.
//!
//! Invariants: no block is final; adjacent stored blocks are joined, so that the overhead of stored data stays that of
//! one header per 65,535 bytes however the input was cut.

use super::bits::BitWriter;
use super::huffman::Code;
use super::parse::{Histogram, Sequence};
use super::symbols::{
    DIST, END, FIRST_LENGTH, LENGTH_BASE, LENGTH_EXTRA, LENGTH_SLOT, LITLEN, distance_extra,
};
use std::ops::Range;

/// Block types, with the final bit clear.
const STORED: u64 = 0b000;
const FIXED: u64 = 0b010;
const DYNAMIC: u64 = 0b100;

/// Longest literal/length codeword used. One less than allowed, so that four literals fit between two flushes.
const LITLEN_LIMIT: u8 = 14;
const DIST_LIMIT: u8 = 15;
const PRECODE_LIMIT: u8 = 7;

/// Most bytes of a stored block.
const MAX_STORED: usize = 65_535;

/// Bits that coding a block must save over storing it: enough to pay for the header and the padding of a stored block
/// that it may split in two. This is what bounds the expansion.
const STORED_BONUS: u64 = 48;

/// The order in which lengths of the code length code are sent.
const PRECODE_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Writes blocks.
pub(super) struct BlockWriter<'a> {
    bits: BitWriter<'a>,
    /// The bytes that the given ranges refer to.
    data: &'a [u8],
    /// Bytes that will be stored, held back until it is clear that no more join them.
    stored: Range<usize>,
}

/// The two codes of a block.
struct Codes {
    litlen: Code<288>,
    dist: Code<32>,
}

impl Codes {
    fn fixed() -> Self {
        let mut litlen = [8; 288];
        litlen[144..256].fill(9);
        litlen[256..280].fill(7);
        Self { litlen: Code::from_lengths(litlen), dist: Code::from_lengths([5; 32]) }
    }

    fn optimal(histogram: &Histogram) -> Self {
        Self {
            litlen: Code::build(&histogram.litlen, LITLEN_LIMIT),
            dist: Code::build(&histogram.dist, DIST_LIMIT),
        }
    }

    /// Bits of the symbols, without extra bits.
    fn cost(&self, histogram: &Histogram) -> u64 {
        fn cost(freqs: &[u32], lengths: &[u8]) -> u64 {
            freqs.iter().zip(lengths).map(|(&freq, &length)| u64::from(freq) * u64::from(length)).sum()
        }
        cost(&histogram.litlen, &self.litlen.lengths) + cost(&histogram.dist, &self.dist.lengths)
    }
}

/// Extra bits of all symbols.
fn extra_cost(histogram: &Histogram) -> u64 {
    let lengths = histogram.litlen[FIRST_LENGTH..LITLEN].iter().zip(LENGTH_EXTRA);
    let lengths: u64 = lengths.map(|(&freq, extra)| u64::from(freq) * u64::from(extra)).sum();
    let dists = histogram.dist.iter().enumerate();
    lengths + dists.map(|(slot, &freq)| u64::from(freq) * u64::from(distance_extra(slot))).sum::<u64>()
}

impl<'a> BlockWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { bits: BitWriter::new(out), data: &[], stored: 0..0 }
    }

    /// From now on, ranges refer to `data`.
    pub(super) fn begin(&mut self, data: &'a [u8]) {
        self.flush_stored();
        self.data = data;
    }

    /// Stores `range`, which must follow what was written before.
    pub(super) fn store(&mut self, range: Range<usize>) {
        if self.stored.is_empty() {
            self.stored = range;
        } else {
            debug_assert_eq!(self.stored.end, range.start);
            self.stored.end = range.end;
        }
    }

    /// Writes the block of `range` that `sequences` describe, whose symbols `histogram` counts.
    pub(super) fn write(&mut self, range: Range<usize>, sequences: &[Sequence], histogram: &mut Histogram) {
        histogram.litlen[END] = 1;
        let extra = extra_cost(histogram);
        let fixed = Codes::fixed();
        let optimal = Codes::optimal(histogram);
        let header = BlockHeader::new(&optimal);
        let fixed_cost = 3 + extra + fixed.cost(histogram);
        let dynamic_cost = 3 + extra + header.cost() + optimal.cost(histogram);
        let coded_cost = fixed_cost.min(dynamic_cost);
        if coded_cost + STORED_BONUS >= 8 * range.len() as u64 {
            return self.store(range);
        }
        self.flush_stored();
        self.bits.reserve(coded_cost);
        let codes = if fixed_cost <= dynamic_cost {
            self.bits.put(FIXED, 3);
            &fixed
        } else {
            self.bits.put(DYNAMIC, 3);
            header.write(&mut self.bits);
            &optimal
        };
        let data = self.data;
        Emitter::new(codes).emit(&mut self.bits, &data[range], sequences);
    }

    /// Ends the run of blocks at a byte boundary, with an empty stored block.
    pub(super) fn finish(mut self) {
        self.flush_stored();
        self.stored_block(0..0);
        self.bits.finish();
    }

    fn flush_stored(&mut self) {
        let mut range = std::mem::take(&mut self.stored);
        while !range.is_empty() {
            let end = range.end.min(range.start + MAX_STORED);
            self.stored_block(range.start..end);
            range.start = end;
        }
    }

    /// One stored block of at most `MAX_STORED` bytes.
    fn stored_block(&mut self, range: Range<usize>) {
        let len = range.len() as u64;
        self.bits.reserve(64);
        self.bits.put(STORED, 3);
        self.bits.align();
        self.bits.put(len | (!len & 0xffff) << 16, 32);
        let data = self.data;
        self.bits.bytes(&data[range]);
    }
}

/// The header of a dynamic block: the code lengths, run-length coded, and the code for that.
struct BlockHeader {
    litlens: usize,
    dists: usize,
    /// Symbol, and value of its extra bits.
    runs: Vec<(u8, u8)>,
    precode: Code<19>,
    /// How many lengths of the precode are sent.
    sent: usize,
}

impl BlockHeader {
    fn new(codes: &Codes) -> Self {
        let litlens = used(&codes.litlen.lengths[..LITLEN]).max(257);
        let dists = used(&codes.dist.lengths[..DIST]).max(1);
        let mut all = [0; LITLEN + DIST];
        all[..litlens].copy_from_slice(&codes.litlen.lengths[..litlens]);
        all[litlens..litlens + dists].copy_from_slice(&codes.dist.lengths[..dists]);
        let runs = run_lengths(&all[..litlens + dists]);
        let mut freqs = [0; 19];
        for &(symbol, _) in &runs {
            freqs[usize::from(symbol)] += 1;
        }
        let precode = Code::build(&freqs, PRECODE_LIMIT);
        let sent =
            PRECODE_ORDER.iter().rposition(|&symbol| precode.lengths[symbol] > 0).map_or(4, |last| last + 1);
        Self { litlens, dists, runs, precode, sent: sent.max(4) }
    }

    fn cost(&self) -> u64 {
        let runs = self.runs.iter().map(|&(symbol, _)| {
            u64::from(self.precode.lengths[usize::from(symbol)]) + u64::from(run_extra(symbol))
        });
        14 + 3 * self.sent as u64 + runs.sum::<u64>()
    }

    fn write(&self, bits: &mut BitWriter<'_>) {
        bits.put(self.litlens as u64 - 257, 5);
        bits.put(self.dists as u64 - 1, 5);
        bits.put(self.sent as u64 - 4, 4);
        for &symbol in &PRECODE_ORDER[..self.sent] {
            bits.put(u64::from(self.precode.lengths[symbol]), 3);
        }
        for &(symbol, extra) in &self.runs {
            let index = usize::from(symbol);
            bits.put(u64::from(self.precode.words[index]), u32::from(self.precode.lengths[index]));
            bits.put(u64::from(extra), run_extra(symbol));
        }
    }
}

/// One more than the last used symbol.
fn used(lengths: &[u8]) -> usize {
    lengths.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1)
}

/// Extra bits of a symbol of the code length code.
fn run_extra(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

/// Run-length codes code lengths (RFC 1951, section 3.2.7).
fn run_lengths(lengths: &[u8]) -> Vec<(u8, u8)> {
    let mut runs = Vec::with_capacity(lengths.len());
    for run in lengths.chunk_by(|a, b| a == b) {
        match run[0] {
            0 => zeros(run.len(), &mut runs),
            length => repeats(length, run.len(), &mut runs),
        }
    }
    runs
}

fn zeros(mut count: usize, runs: &mut Vec<(u8, u8)>) {
    while count >= 11 {
        let run = count.min(138);
        runs.push((18, (run - 11) as u8));
        count -= run;
    }
    if count >= 3 {
        runs.push((17, (count - 3) as u8));
    } else {
        runs.extend(std::iter::repeat_n((0, 0), count));
    }
}

fn repeats(length: u8, count: usize, runs: &mut Vec<(u8, u8)>) {
    runs.push((length, 0));
    let mut count = count - 1;
    while count >= 3 {
        // Seven as four and three, not as six and a literal one.
        let run = if count == 7 { 4 } else { count.min(6) };
        runs.push((16, (run - 3) as u8));
        count -= run;
    }
    runs.extend(std::iter::repeat_n((length, 0), count));
}

/// Bits and their number in one word.
#[derive(Clone, Copy, Default)]
struct PackedBits(u32);

impl PackedBits {
    fn new(bits: u32, count: u8) -> Self {
        Self(bits | u32::from(count) << 24)
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        u64::from(self.0 & 0xff_ffff)
    }

    #[inline(always)]
    fn count(self) -> u32 {
        self.0 >> 24
    }
}

/// A block's codes laid out for emission.
struct Emitter {
    literals: [PackedBits; 256],
    /// Per length less three: codeword and extra bits.
    lengths: [PackedBits; 256],
    dists: [PackedBits; 32],
    end: PackedBits,
}

impl Emitter {
    fn new(codes: &Codes) -> Self {
        let litlen = |symbol: usize| (u32::from(codes.litlen.words[symbol]), codes.litlen.lengths[symbol]);
        let literal = |symbol| PackedBits::new(litlen(symbol).0, litlen(symbol).1);
        let length = |length: usize| {
            let slot = usize::from(LENGTH_SLOT[length]);
            let (word, count) = litlen(FIRST_LENGTH + slot);
            let extra = (length - usize::from(LENGTH_BASE[slot])) as u32;
            PackedBits::new(word | extra << count, count + LENGTH_EXTRA[slot])
        };
        Self {
            literals: std::array::from_fn(literal),
            lengths: std::array::from_fn(length),
            dists: std::array::from_fn(|slot| {
                PackedBits::new(u32::from(codes.dist.words[slot]), codes.dist.lengths[slot])
            }),
            end: literal(END),
        }
    }

    /// Writes the symbols of a block; `data` is what they stand for.
    fn emit(&self, bits: &mut BitWriter<'_>, data: &[u8], sequences: &[Sequence]) {
        let mut rest = data;
        for sequence in sequences {
            let (literals, after) = rest.split_at(sequence.literals as usize);
            self.literals(bits, literals);
            rest = after;
            if sequence.distance > 0 {
                self.reference(bits, *sequence);
                rest = &rest[usize::from(sequence.length) + 3..];
            }
        }
        debug_assert!(rest.is_empty());
        bits.put(self.end.bits(), self.end.count());
    }

    #[inline(always)]
    fn literals(&self, bits: &mut BitWriter<'_>, literals: &[u8]) {
        let (fours, rest) = literals.as_chunks::<4>();
        for four in fours {
            for &byte in four {
                let code = self.literals[usize::from(byte)];
                bits.add(code.bits(), code.count());
            }
            bits.flush();
        }
        for &byte in rest {
            let code = self.literals[usize::from(byte)];
            bits.add(code.bits(), code.count());
        }
        bits.flush();
    }

    #[inline(always)]
    fn reference(&self, bits: &mut BitWriter<'_>, sequence: Sequence) {
        let length = self.lengths[usize::from(sequence.length)];
        bits.add(length.bits(), length.count());
        let slot = usize::from(sequence.slot & 31);
        let dist = self.dists[slot];
        bits.add(dist.bits(), dist.count());
        // Distance symbols start at multiples of their size, so the extra bits are the low bits of the distance.
        let extra = distance_extra(slot);
        bits.add(u64::from(sequence.distance - 1) & ((1 << extra) - 1), extra);
        bits.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_lengths_unfold_to_the_lengths() {
        for count in 1..300 {
            for length in [0, 5] {
                let mut lengths = vec![length; count];
                lengths.push(9);
                assert_eq!(unfold(&run_lengths(&lengths)), lengths, "{count} times {length}");
            }
        }
    }

    fn unfold(runs: &[(u8, u8)]) -> Vec<u8> {
        let mut lengths = Vec::new();
        for &(symbol, extra) in runs {
            let extra = usize::from(extra);
            match symbol {
                16 => lengths.extend(vec![lengths[lengths.len() - 1]; extra + 3]),
                17 => lengths.extend(vec![0; extra + 3]),
                18 => lengths.extend(vec![0; extra + 11]),
                length => lengths.push(length),
            }
        }
        lengths
    }
}
