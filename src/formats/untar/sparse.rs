//! Maps of the holes of GNU's sparse files: where content lies between them, and how much there is.
//!
//! The map is checked, since readers differ in what they make of a wrong one; the content is not put together.

use super::header::{Block, Dispute, TarHeader, number};
use super::records::natural;

/// Pieces of content in the header itself, each an offset and a length of 12 bytes.
const IN_HEADER: (usize, usize) = (386, 4);
/// Pieces in a block after it.
const IN_BLOCK: (usize, usize) = (0, 21);
const PIECE: usize = 24;
const EXTENDED: usize = 482;
const EXTENDED_AGAIN: usize = 504;
const REAL_SIZE: std::ops::Range<usize> = 483..495;

/// The pieces of content of a sparse file, in their order.
#[derive(Debug, Default)]
pub(super) struct Map {
    end: u64,
    stored: u64,
    finished: bool,
}

fn wrong() -> Dispute {
    Dispute::new("sparse map", "it is wrong")
}

impl Map {
    fn add(&mut self, offset: u64, length: u64) -> Result<(), Dispute> {
        if offset < self.end {
            return Err(wrong());
        }
        self.end = offset.checked_add(length).ok_or_else(wrong)?;
        self.stored += length;
        Ok(())
    }

    /// Takes the pieces of a header; whether more follow in the next block.
    pub(super) fn add_header(&mut self, header: &TarHeader<'_>, block: &Block) -> Result<bool, Dispute> {
        if !header.is_gnu() {
            return Err(Dispute::new("type", "a sparse file in a header that is not GNU's"));
        }
        self.add_pieces(block, IN_HEADER)?;
        self.goes_on(block[EXTENDED])
    }

    /// Takes those of a block; whether more follow.
    pub(super) fn add_block(&mut self, block: &Block) -> Result<bool, Dispute> {
        self.add_pieces(block, IN_BLOCK)?;
        self.goes_on(block[EXTENDED_AGAIN])
    }

    /// GNU's reader stops at the first blank piece, Go's in its block.
    fn goes_on(&self, flag: u8) -> Result<bool, Dispute> {
        if flag != 0 && self.finished { Err(wrong()) } else { Ok(flag != 0) }
    }

    fn add_pieces(&mut self, block: &Block, (start, count): (usize, usize)) -> Result<(), Dispute> {
        for piece in block[start..].chunks_exact(PIECE).take(count) {
            if piece.iter().all(|byte| *byte == 0) {
                self.finished = true;
                continue;
            }
            let natural = |field: &[u8]| number(field).ok().and_then(|number| u64::try_from(number).ok());
            let (offset, length) = piece.split_at(PIECE / 2);
            if self.finished || offset[0] == 0 || length[0] == 0 {
                return Err(wrong());
            }
            self.add(natural(offset).ok_or_else(wrong)?, natural(length).ok_or_else(wrong)?)?;
        }
        Ok(())
    }

    /// The size that the header gives the file.
    pub(super) fn real_size(block: &Block) -> Result<u64, Dispute> {
        let size = number(&block[REAL_SIZE]).map_err(|why| Dispute::new("realsize", why))?;
        u64::try_from(size).map_err(|_| Dispute::new("realsize", "it is negative"))
    }

    /// Checks the whole map against the sizes of the file and of its payload.
    pub(super) fn check(&self, real: u64, payload: u64) -> Result<(), Dispute> {
        if self.end <= real && self.stored == payload { Ok(()) } else { Err(wrong()) }
    }
}

/// A sparse file as records tell it.
pub(super) struct SparseDescription {
    /// Its true name; the other is a stand-in.
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: u64,
    /// Its map; without one it is at the beginning of the payload.
    pub(super) map: Option<Map>,
}

impl SparseDescription {
    /// A sparse file from its records, whose names lack `GNU.sparse.` here.
    pub(super) fn parse(records: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, Dispute> {
        let is_piece = |key: &[u8]| matches!(key, b"offset" | b"numbytes");
        let mut single = std::collections::BTreeMap::new();
        for (key, value) in records.iter().filter(|(key, _)| !is_piece(key)) {
            if single.insert(&key[..], &value[..]).is_some() {
                return Err(wrong());
            }
        }
        let pieces: Vec<&(Vec<u8>, Vec<u8>)> = records.iter().filter(|(key, _)| is_piece(key)).collect();
        let mut take = |key: &[u8]| single.remove(key);
        let version = (take(b"major"), take(b"minor"));
        let name = take(b"name").map(|name| super::records::text("path", name)).transpose()?;
        let (size, real) = (take(b"size"), take(b"realsize"));
        let blocks = take(b"numblocks").map(|blocks| natural("sparse map", blocks)).transpose()?;
        let listed = take(b"map");
        if !single.is_empty() {
            return Err(wrong());
        }
        let told = match (version, listed) {
            ((Some(b"1"), Some(b"0")), None) if pieces.is_empty() && size.is_none() => {
                let real_size = natural("realsize", real.ok_or_else(wrong)?)?;
                return if blocks.is_none() { Ok(Self { name, real_size, map: None }) } else { Err(wrong()) };
            }
            ((None, None) | (Some(b"0"), Some(b"1")), Some(listed)) if pieces.is_empty() => {
                listed.split(|byte| *byte == b',').map(|number| natural("sparse map", number)).collect()
            }
            ((None, None) | (Some(b"0"), Some(b"0")), None) if !pieces.is_empty() => {
                let in_turn =
                    pieces.iter().enumerate().all(|(at, (key, _))| (at % 2 == 0) == (key == b"offset"));
                if !in_turn {
                    return Err(wrong());
                }
                pieces.iter().map(|(_, value)| natural("sparse map", value)).collect()
            }
            _ => Err(wrong()),
        };
        let numbers: Vec<u64> = told?;
        let real_size = natural("realsize", size.filter(|_| real.is_none()).ok_or_else(wrong)?)?;
        let (pairs, []) = numbers.as_chunks::<2>() else { return Err(wrong()) };
        if blocks.is_some_and(|blocks| blocks != pairs.len() as u64) {
            return Err(wrong());
        }
        let mut map = Map::default();
        for [offset, length] in pairs {
            map.add(*offset, *length)?;
        }
        Ok(Self { name, real_size, map: Some(map) })
    }
}

/// A map at the beginning of a payload: lines of numbers, first how many pieces there are.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    left: Option<u64>,
    offset: Option<u64>,
    map: Map,
}

impl Lines {
    /// Takes the next block; the map when it is whole. The rest of its block must be empty.
    pub(super) fn add(&mut self, block: &Block) -> Result<Option<Map>, Dispute> {
        for byte in block {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let number = natural("sparse map", &std::mem::take(&mut self.line))?;
            match (self.left, self.offset.take()) {
                (None, _) => self.left = Some(number),
                (Some(_), None) => self.offset = Some(number),
                (Some(left), Some(offset)) => {
                    self.map.add(offset, number)?;
                    self.left = Some(left - 1);
                }
            }
            if self.left == Some(0) {
                return Ok(Some(std::mem::take(&mut self.map)));
            }
        }
        Ok(None)
    }
}
