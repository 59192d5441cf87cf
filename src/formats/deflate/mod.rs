//! The DEFLATE encoder of layer format 1 (RFC 1951).
//!
//! It compresses *bodies*: independent pieces of a layer that are later joined into one stream. Its bytes are part of
//! the format, so it is the project's own, and no dependency upgrade can move them; `docs/encoder.md` has the
//! measurements behind it.
//!
//! Invariants:
//! - The output is a function of the level and the input bytes alone: no CPU feature, thread, buffer size, float or
//!   earlier use of the scratch memory reaches it. Any change of output needs a new [`ENCODER_ID`].
//! - It is a run of non-final blocks that ends byte aligned with an empty stored block (`00 00 FF FF`) and refers to
//!   nothing before the input, so bodies may be joined in any order and ended with `03 00`.
//! - It is at most `max_encoded_len` bytes long.
//!
//! Not done here: containers (gzip, zlib), checksums, preset dictionaries, decoding.
//!
//! The way of the bytes: `probe` sets aside what is compressed already; `parse` turns the rest into literals and
//! matches that `matcher` finds; `split` and `cost` say where a block ends; `huffman` makes its codes; `block` and `bits`
//! write it.

mod bits;
mod block;
mod cost;
mod huffman;
mod matcher;
mod parse;
mod probe;
mod split;
mod symbols;
#[cfg(test)]
mod tests;
mod window;

use block::BlockWriter;
use matcher::{Chains, HashBuckets, LOOKAHEAD, MAX_SEGMENT, Tables};
use parse::{ParseRange, Tokens, greedy, lazy};
use probe::SampleTable;
use split::Splitter;
use std::ops::Range;
use window::Window;

/// Names the encoder and the version of its output, for cache keys and format descriptions.
pub const ENCODER_ID: &str = "pack-deflate-1";

/// How hard to search for matches: from 1 (fastest) to 9 (smallest output).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeflateLevel(u8);

impl DeflateLevel {
    /// The level `level`, if it is in 1..=9.
    pub fn new(level: u8) -> Option<Self> {
        (1..=9).contains(&level).then_some(Self(level))
    }

    /// The level as a number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for DeflateLevel {
    /// About the output size of `gzip -6` at more than three times its speed; see `docs/encoder.md`.
    fn default() -> Self {
        Self(5)
    }
}

/// Reusable working memory of [`encode`]: 480 KiB of tables, and eight bytes for every match of the largest block so
/// far (typically 200 KiB, at most 1.4 MiB). Earlier uses have no influence on the output.
#[derive(Default)]
pub struct DeflateScratch {
    tables: Tables,
    window: Window,
    probe: SampleTable,
    tokens: Tokens,
}

/// The most bytes that [`encode`] appends for `len` bytes of input.
#[cfg(any(test, feature = "testing"))]
pub const fn max_encoded_len(len: usize) -> usize {
    len + 5 * len.div_ceil(65_535) + 5
}

/// Encodes `input` as a run of non-final DEFLATE blocks ending byte aligned with an empty stored block (`00 00 FF
/// FF`), appended to `out`; never references bytes before `input`; BFINAL never set.
///
/// It cannot fail, and appends at most `max_encoded_len` bytes. Inputs of any size are fine; bodies of up to a few
/// MiB are what it is made for.
pub fn encode(level: DeflateLevel, input: &[u8], scratch: &mut DeflateScratch, out: &mut Vec<u8>) {
    let mut writer = BlockWriter::new(out);
    // Positions have 32 bits, so a huge input is encoded in pieces. Bodies are one piece.
    for segment in input.chunks(MAX_SEGMENT) {
        writer.begin(segment);
        encode_segment(level, segment, scratch, &mut writer);
    }
    writer.finish();
}

fn encode_segment<'a>(
    level: DeflateLevel,
    data: &'a [u8],
    scratch: &mut DeflateScratch,
    writer: &mut BlockWriter<'a>,
) {
    scratch.tables.begin(data.len());
    scratch.window.begin();
    for part in scratch.probe.cut(data) {
        if part.dense {
            writer.store(part.range);
        } else {
            encode_part(level, data, part.range, scratch, writer);
        }
    }
}

/// Bytes parsed before it is considered whether a new block should begin.
const CHUNK: usize = 8 << 10;

/// Encodes a run of compressible regions as blocks.
fn encode_part(
    level: DeflateLevel,
    data: &[u8],
    part: Range<usize>,
    scratch: &mut DeflateScratch,
    writer: &mut BlockWriter<'_>,
) {
    let DeflateScratch { tables, window, tokens, .. } = scratch;
    let mut splitter = Splitter::new(writer, part.start);
    let mut pos = part.start;
    while pos < part.end {
        let stop = part.end.min(pos + CHUNK);
        let origin = window.show(data, pos, stop);
        let span = ParseRange {
            start: pos - origin,
            stop: stop - origin,
            end: part.end - origin,
            last: data.len().saturating_sub(origin + LOOKAHEAD),
        };
        tables.place(origin);
        pos = origin + parse(level, window, span, tables, tokens);
        splitter.take(tokens, pos);
    }
    splitter.finish(tokens);
}

/// Parses with the search that the level stands for. Gives the position reached.
///
/// The numbers were found by measurement, each level being the smallest output at about its speed. `enough` is the
/// length of a match that is taken without looking further, and of the ends of a long match that are inserted.
fn parse(
    level: DeflateLevel,
    data: &Window,
    span: ParseRange,
    tables: &mut Tables,
    tokens: &mut Tokens,
) -> usize {
    match level.0 {
        1 => greedy(&mut HashBuckets::<1, false>::new(tables), 16, data, span, tokens),
        2 => greedy(&mut HashBuckets::<2, false>::new(tables), 16, data, span, tokens),
        3 => lazy::<_, 1>(&mut HashBuckets::<2, true>::new(tables), 16, data, span, tokens),
        4 => lazy::<_, 1>(&mut Chains::new(tables, 4, 16), 16, data, span, tokens),
        5 => lazy::<_, 1>(&mut Chains::new(tables, 8, 32), 32, data, span, tokens),
        6 => lazy::<_, 1>(&mut Chains::new(tables, 20, 64), 64, data, span, tokens),
        7 => lazy::<_, 1>(&mut Chains::new(tables, 60, 128), 128, data, span, tokens),
        8 => lazy::<_, 2>(&mut Chains::new(tables, 150, 258), 258, data, span, tokens),
        _ => lazy::<_, 2>(&mut Chains::new(tables, 400, 258), 258, data, span, tokens),
    }
}
