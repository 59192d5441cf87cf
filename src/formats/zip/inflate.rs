//! Inflating what is in memory as a whole, in one call: two to three times as fast as in pieces.
//!
//! Beside the block function of SHA-256, this is the one place for `unsafe`: libdeflate's safe interface does not
//! tell how much of the input was used, and an entry with bytes behind its stream must not pass.

#![allow(unsafe_code)]

use std::cell::OnceCell;
use std::ptr::NonNull;

use libdeflate_sys::{
    libdeflate_alloc_decompressor, libdeflate_decompressor, libdeflate_deflate_decompress_ex,
    libdeflate_free_decompressor, libdeflate_result_LIBDEFLATE_SUCCESS,
};

/// Inflates `input`, which must be one raw DEFLATE stream (RFC 1951) and nothing else, to exactly fill `output`.
/// `false`: it is not that, or cannot be told; `output` then holds anything.
pub(super) fn inflate(input: &[u8], output: &mut [u8]) -> bool {
    thread_local! {
        static DECOMPRESSOR: OnceCell<Option<Decompressor>> = const { OnceCell::new() };
    }
    DECOMPRESSOR
        .with(|own| own.get_or_init(Decompressor::new).as_ref().is_some_and(|own| own.run(input, output)))
}

/// Owned by the thread that made it, and without state between two calls.
struct Decompressor(NonNull<libdeflate_decompressor>);

impl Decompressor {
    fn new() -> Option<Self> {
        // SAFETY: it takes nothing, and returns a decompressor that is ours or null.
        NonNull::new(unsafe { libdeflate_alloc_decompressor() }).map(Self)
    }

    fn run(&self, input: &[u8], output: &mut [u8]) -> bool {
        let (mut used, mut made) = (0, 0);
        // SAFETY: the decompressor is alive and used by no other thread (the type is not `Send`); the pointers are
        // those of live slices with their true lengths, and of two integers on this stack.
        let result = unsafe {
            libdeflate_deflate_decompress_ex(
                self.0.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                output.as_mut_ptr().cast(),
                output.len(),
                &raw mut used,
                &raw mut made,
            )
        };
        result == libdeflate_result_LIBDEFLATE_SUCCESS && used == input.len() && made == output.len()
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: it came from `libdeflate_alloc_decompressor` and has no other owner.
        unsafe { libdeflate_free_decompressor(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, bytes).expect("in memory");
        encoder.finish().expect("in memory")
    }

    #[test]
    fn only_the_whole_stream_into_the_whole_output_passes() {
        for bytes in [&b""[..], b"a", &[7; 100_000], b"one two three one two three"] {
            let stream = deflated(bytes);
            let mut output = vec![0; bytes.len()];
            assert!(inflate(&stream, &mut output));
            assert_eq!(output, bytes);
            assert!(!inflate(&stream, &mut vec![0; bytes.len() + 1]), "too short");
            assert!(bytes.is_empty() || !inflate(&stream, &mut vec![0; bytes.len() - 1]), "too long");
            assert!(!inflate(&stream[..stream.len() - 1], &mut output), "cut off");
            assert!(!inflate(&[&stream[..], b"x"].concat(), &mut output), "something behind it");
        }
        assert!(!inflate(b"\xff\xff\xff", &mut [0; 10]));
    }
}
