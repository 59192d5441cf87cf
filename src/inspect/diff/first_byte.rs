//! The first byte in which two blobs, or one file of two layers, differ.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::Serialize;

use crate::formats::untar::{LAYER, ReadThrough, TarWalk, UntarError};
use crate::inspect::unpack::unpacked;
use crate::oci::media_type::{LayerCompression, MAGIC};
use crate::runtime::budget::{Budget, MeteredReader};
use crate::runtime::interrupt::Interrupt;

/// The first byte in which two contents differ; `None` where one of them has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ByteDifference {
    /// Counted from 0.
    pub offset: u64,
    /// In the one.
    pub a: Option<u8>,
    /// In the other.
    pub b: Option<u8>,
}

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;
/// Pieces of a file that may wait for the other one.
const WAITING: usize = 4;

/// The first byte in which two contents differ.
///
/// # Errors
/// When one cannot be read, or the user interrupted.
pub(super) fn first_byte(
    mut a: impl Read,
    mut b: impl Read,
    interrupt: &Interrupt,
) -> io::Result<Option<ByteDifference>> {
    let (mut one, mut other) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0;
    loop {
        interrupt.check().map_err(crate::types::error::carry)?;
        let (x, y) = (filled(&mut a, &mut one)?, filled(&mut b, &mut other)?);
        let same = x.iter().zip(y).take_while(|(x, y)| x == y).count();
        if same < x.len().max(y.len()) {
            let at = |bytes: &[u8]| bytes.get(same).copied();
            return Ok(Some(ByteDifference { offset: offset + same as u64, a: at(x), b: at(y) }));
        }
        if same == 0 {
            return Ok(None);
        }
        offset += same as u64;
    }
}

/// As much as fits into `buffer`; less only at the end.
fn filled<'b>(from: &mut impl Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(&buffer[..length])
}

/// The first byte in which the files at `position` of two layers differ.
///
/// # Errors
/// When a layer cannot be read, or the user interrupted.
pub(super) fn first_byte_of_file(
    a: impl Read + Send,
    b: impl Read + Send,
    position: usize,
    budget: &Budget,
    interrupt: &Interrupt,
) -> io::Result<Option<ByteDifference>> {
    thread::scope(|scope| {
        // The walk over a tar hands pieces out, so each has a thread of its own.
        let (send_a, a_pieces) = sync_channel(WAITING);
        let (send_b, b_pieces) = sync_channel(WAITING);
        scope.spawn(move || send_file(a, position, budget, &send_a));
        scope.spawn(move || send_file(b, position, budget, &send_b));
        first_byte(PieceReader::new(a_pieces), PieceReader::new(b_pieces), interrupt)
    })
}

type FilePiece = io::Result<Vec<u8>>;

/// Sends the content of the file at `position`; ends early when the receiver is gone.
fn send_file(layer: impl Read, position: usize, budget: &Budget, pieces: &SyncSender<FilePiece>) {
    if let Err(error) = walk_to_file(layer, position, budget, pieces) {
        // The receiver may be gone: then it knew enough.
        let _ = pieces.send(Err(error));
    }
}

fn walk_to_file(
    mut layer: impl Read,
    position: usize,
    budget: &Budget,
    pieces: &SyncSender<FilePiece>,
) -> io::Result<()> {
    let mut start = Vec::new();
    (&mut layer).take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = LayerCompression::of_bytes(&start);
    let packed = BufReader::with_capacity(128 << 10, Cursor::new(start).chain(layer));
    let mut tar = MeteredReader::new(unpacked(packed, compression)?, budget);
    let mut walk = TarWalk::new(ReadThrough(&mut tar), LAYER);
    for at in 0..=position {
        if walk.next().map_err(UntarError::into_io)?.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut is_wanted = at == position;
        walk.payload(|piece| {
            is_wanted = is_wanted && pieces.send(Ok(piece.to_vec())).is_ok();
        })
        .map_err(UntarError::into_io)?;
    }
    Ok(())
}

/// Reads what the other thread sends.
struct PieceReader {
    pieces: Receiver<FilePiece>,
    current: Cursor<Vec<u8>>,
}

impl PieceReader {
    fn new(pieces: Receiver<FilePiece>) -> Self {
        Self { pieces, current: Cursor::new(Vec::new()) }
    }
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.pieces.recv() {
                Ok(piece) => self.current = Cursor::new(piece?),
                Err(_) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *content).expect("appended");
        }
        builder.into_inner().expect("finished")
    }

    #[test]
    fn the_first_byte_of_two_contents_is_found_at_any_offset() {
        let plain = vec![7; 3 * PIECE];
        let never = Interrupt::default();
        let found = |a: &[u8], b: &[u8]| first_byte(a, b, &never).expect("read");
        assert_eq!(found(&plain, &plain), None);
        assert_eq!(found(b"", b""), None);
        for offset in [0, 1, PIECE - 1, PIECE, 3 * PIECE - 1] {
            let mut changed = plain.clone();
            changed[offset] = 9;
            let expected = ByteDifference { offset: offset as u64, a: Some(7), b: Some(9) };
            assert_eq!(found(&plain, &changed), Some(expected));
            let expected = ByteDifference { offset: offset as u64, a: Some(7), b: None };
            assert_eq!(found(&plain, &plain[..offset]), Some(expected));
        }
    }

    #[test]
    fn the_file_at_a_position_is_compared_and_no_other() {
        let large = vec![1; 1 << 20];
        let mut changed = large.clone();
        changed[700_000] = 2;
        let a = tar_of(&[("first", b"one"), ("large", &large), ("last", b"x")]);
        let b = tar_of(&[("first", b"two"), ("large", &changed), ("last", b"x")]);
        let b = zstd::encode_all(&b[..], 3).expect("compressed");
        let (budget, never) = (Budget::new("it", 0, 1 << 20), Interrupt::default());
        let found = |position| first_byte_of_file(&a[..], &b[..], position, &budget, &never);
        let byte = |offset, a, b| Some(ByteDifference { offset, a: Some(a), b: Some(b) });
        assert_eq!(found(0).expect("read"), byte(0, b'o', b't'));
        assert_eq!(found(1).expect("read"), byte(700_000, 1, 2));
        assert_eq!(found(2).expect("read"), None);
        found(3).expect_err("there are three");
    }
}
