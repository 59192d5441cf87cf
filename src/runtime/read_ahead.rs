//! Reading ahead: a thread reads a stream, and checks it, while another one works on what was read before.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::workers;

/// So many bytes are read at once.
const PIECE: usize = 256 << 10;
/// So many pieces wait to be worked on.
const WAITING: usize = 4;

/// Gives `work` the bytes of `inner`, which a thread of its own reads. Where the system gives no thread, `work` reads.
///
/// The reader that `work` gets fails as `inner` does, and ends where `inner` ends. When `work` returns earlier, at most a few
/// pieces more are read.
pub fn read_ahead<T>(inner: impl Read + Send, work: impl FnOnce(&mut dyn Read) -> T) -> T {
    let inner = &Mutex::new(inner);
    let lock = || inner.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let (sender, pieces) = sync_channel(WAITING);
        let (used, unused) = channel();
        match workers::spawn(scope, "read ahead", move || pump(&mut *lock(), &sender, &unused)) {
            Ok(_) => work(&mut ReadPieces { pieces, used, current: Vec::new(), position: 0, is_done: false }),
            Err(_) => work(&mut *lock()),
        }
    })
}

/// Sends all bytes in pieces, an empty one at the end; ends early when the receiver is gone.
fn pump(inner: &mut impl Read, pieces: &SyncSender<io::Result<Vec<u8>>>, unused: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = unused.try_recv().unwrap_or_default();
        piece.resize(PIECE, 0);
        let read = fill(inner, &mut piece);
        let is_last = !matches!(read, Ok(read) if read > 0);
        let sent = pieces.send(read.map(|read| {
            piece.truncate(read);
            piece
        }));
        if is_last || sent.is_err() {
            return;
        }
    }
}

/// Reads until the buffer is full or the stream ends.
fn fill(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match inner.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Reads what the other thread sends, and gives the buffers back.
struct ReadPieces {
    pieces: Receiver<io::Result<Vec<u8>>>,
    used: Sender<Vec<u8>>,
    current: Vec<u8>,
    position: usize,
    is_done: bool,
}

impl Read for ReadPieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.current.len() && !self.is_done && !buffer.is_empty() {
            // A thread that ended without a word has not read all.
            let next = self.pieces.recv().map_err(|_| io::ErrorKind::UnexpectedEof)??;
            self.is_done = next.is_empty();
            let used = std::mem::replace(&mut self.current, next);
            // The thread may have ended.
            let _ = self.used.send(used);
            self.position = 0;
        }
        let read = buffer.len().min(self.current.len() - self.position);
        buffer[..read].copy_from_slice(&self.current[self.position..self.position + read]);
        self.position += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let read = buffer.len().min(self.0);
            self.0 -= read;
            Ok(read)
        }
    }

    #[test]
    fn all_bytes_arrive_in_their_order() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 9 * PIECE + 3] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut found = Vec::new();
            let read = read_ahead(&bytes[..], |reader| {
                reader.read_to_end(&mut found)?;
                reader.read(&mut [0])
            });
            assert_eq!(read.expect("the end"), 0);
            assert_eq!(found, bytes);
        }
    }

    #[test]
    fn an_error_arrives_after_the_bytes_before_it() {
        let mut found = Vec::new();
        let read = read_ahead(Failing(3 * PIECE), |reader| reader.read_to_end(&mut found));
        assert_eq!(read.expect_err("an error").kind(), io::ErrorKind::InvalidData);
        assert_eq!(found.len(), 3 * PIECE);
    }

    #[test]
    fn work_may_end_before_the_stream() {
        assert_eq!(read_ahead(io::repeat(7), |reader| reader.read(&mut [0; 5])).expect("read"), 5);
    }
}
