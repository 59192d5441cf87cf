//! Block splitting: gathers parsed chunks into blocks and decides where one ends.
//!
//! A chunk joins the open block unless coding the two apart, each with a header of its own, is estimated to be
//! shorter. Not done here: looking back further than one chunk, or moving a boundary within one.

use super::block::BlockWriter;
use super::cost::estimate;
use super::parse::{Histogram, Tokens};

/// A block is ended when it has so many bytes.
const MAX_BLOCK: usize = 512 << 10;

/// The open block of a part of the input.
pub(super) struct Splitter<'w, 'a> {
    writer: &'w mut BlockWriter<'a>,
    start: usize,
    /// Where its chunks end so far.
    end: usize,
    histogram: Histogram,
    /// The estimate of `histogram`.
    cost: u64,
    /// How many of the parsed sequences belong to it.
    sequences: usize,
}

impl<'w, 'a> Splitter<'w, 'a> {
    pub(super) fn new(writer: &'w mut BlockWriter<'a>, start: usize) -> Self {
        Self { writer, start, end: start, histogram: Histogram::default(), cost: 0, sequences: 0 }
    }

    /// Takes the chunk that ends at `end`, whose symbols `tokens` counts and whose sequences are its last.
    pub(super) fn take(&mut self, tokens: &mut Tokens, end: usize) {
        let chunk = std::mem::take(&mut tokens.histogram);
        let chunk_cost = estimate(&chunk);
        let mut joined = self.histogram.clone();
        joined.add(&chunk);
        let joined_cost = estimate(&joined);
        let open = self.end > self.start;
        if open && (joined_cost > self.cost + chunk_cost || end - self.start > MAX_BLOCK) {
            self.write(tokens);
            (self.histogram, self.cost) = (chunk, chunk_cost);
        } else {
            (self.histogram, self.cost) = (joined, joined_cost);
        }
        self.sequences = tokens.sequences.len();
        self.end = end;
    }

    /// Writes the last block.
    pub(super) fn finish(mut self, tokens: &mut Tokens) {
        if self.end > self.start {
            self.write(tokens);
        }
    }

    /// Writes the open block and begins one at its end.
    fn write(&mut self, tokens: &mut Tokens) {
        let sequences = &tokens.sequences[..self.sequences];
        self.writer.write(self.start..self.end, sequences, &mut self.histogram);
        tokens.sequences.drain(..self.sequences);
        self.sequences = 0;
        self.start = self.end;
    }
}
