//! SHA-256 (FIPS 180-4) with its state in our hands.
//!
//! The block function is AWS-LC's, which picks SHA-NI, AVX2 or ARMv8 assembly for the processor at run
//! time: about twice the speed of portable code where the processor has no SHA instructions. Padding and
//! buffering are here, so that the state can be taken out anywhere as a [`Midstate`] and
//! resumed later: a stream with a known beginning need not be hashed from its start again.
//!
//! Beside `zip::inflate`, this is the one module of the crate that may contain `unsafe`.

use serde::{Deserialize, Serialize};

use super::value::Digest;

const BLOCK: usize = 64;

const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The state of a hash somewhere in a stream: of the compression function after the last whole block, and the bytes
/// since then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Midstate {
    words: [u32; 8],
    length: u64,
    rest: Vec<u8>,
}

#[derive(Deserialize)]
struct Unchecked {
    words: [u32; 8],
    length: u64,
    rest: Vec<u8>,
}

impl TryFrom<Unchecked> for Midstate {
    type Error = &'static str;

    fn try_from(Unchecked { words, length, rest }: Unchecked) -> Result<Self, &'static str> {
        if rest.len() as u64 == length % BLOCK as u64 {
            Ok(Self { words, length, rest })
        } else {
            Err("no state after so many bytes has so many left over")
        }
    }
}

impl Midstate {
    /// How many bytes were hashed to reach this state.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }
}

/// A running SHA-256.
#[derive(Clone)]
pub struct Sha256 {
    words: [u32; 8],
    length: u64,
    block: [u8; BLOCK],
    filled: usize,
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl Sha256 {
    /// The hash of nothing so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: INITIAL, length: 0, block: [0; BLOCK], filled: 0 }
    }

    /// Continues from a saved state.
    #[must_use]
    pub fn resume(state: &Midstate) -> Self {
        let filled = state.rest.len();
        let mut block = [0; BLOCK];
        block[..filled].copy_from_slice(&state.rest);
        Self { words: state.words, length: state.length, block, filled }
    }

    /// The state now.
    #[must_use]
    pub fn midstate(&self) -> Midstate {
        Midstate { words: self.words, length: self.length, rest: self.block[..self.filled].to_vec() }
    }

    /// Hashes `bytes`.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.filled > 0 {
            let taken = bytes.len().min(BLOCK - self.filled);
            self.block[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled < BLOCK {
                return;
            }
            transform(&mut self.words, &self.block);
            self.filled = 0;
        }
        let whole = bytes.len() - bytes.len() % BLOCK;
        transform(&mut self.words, &bytes[..whole]);
        let rest = &bytes[whole..];
        self.block[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// The digest of everything hashed.
    #[must_use]
    pub fn finish(mut self) -> Digest {
        let mut tail = [0; 2 * BLOCK];
        tail[..self.filled].copy_from_slice(&self.block[..self.filled]);
        tail[self.filled] = 0x80;
        let end = if self.filled < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
        tail[end - 8..end].copy_from_slice(&(self.length * 8).to_be_bytes());
        transform(&mut self.words, &tail[..end]);
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(self.words) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        Digest::from_bytes(bytes)
    }
}

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// Runs the compression function over `blocks`, whose length is a multiple of 64.
#[allow(unsafe_code)]
fn transform(words: &mut [u32; 8], blocks: &[u8]) {
    let count = blocks.len() / BLOCK;
    if count == 0 {
        return;
    }
    // SAFETY: AWS-LC reads `count` blocks of 64 bytes from `blocks`, which holds at least that many, and
    // reads and writes the eight words of `words`; it keeps neither pointer.
    unsafe {
        aws_lc_sys::SHA256_TransformBlocks(words.as_mut_ptr(), blocks.as_ptr(), count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::Digest as _;

    use super::*;

    fn oracle(bytes: &[u8]) -> Digest {
        Digest::from_bytes(sha2::Sha256::digest(bytes).into())
    }

    #[test]
    fn every_length_around_the_padding_agrees_with_the_oracle() {
        let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();
        for length in 0..bytes.len() {
            assert_eq!(Digest::of(&bytes[..length]), oracle(&bytes[..length]), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_digest(bytes: Vec<u8>, cuts: Vec<prop::sample::Index>) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut hasher = Sha256::new();
            let mut from = 0;
            for cut in cuts {
                hasher.update(&bytes[from..cut]);
                from = cut;
            }
            hasher.update(&bytes[from..]);
            prop_assert_eq!(hasher.finish(), oracle(&bytes));
        }

        #[test]
        fn resuming_a_midstate_gives_the_same_digest(head in 0usize..300, tail: Vec<u8>) {
            let mut hasher = Sha256::new();
            hasher.update(&vec![7; head]);
            let state = hasher.midstate();
            prop_assert_eq!(state.length(), head as u64);
            let kept = postcard::to_stdvec(&state).expect("encodes");
            let state: Midstate = postcard::from_bytes(&kept).expect("decodes");
            let mut resumed = Sha256::resume(&state);
            resumed.update(&tail);
            hasher.update(&tail);
            prop_assert_eq!(resumed.finish(), hasher.finish());
        }
    }
    #[test]
    fn a_state_with_more_left_over_than_it_can_have_is_none() {
        for (length, rest) in [(64_u64, 1_usize), (63, 64), (130, 3)] {
            let bytes = postcard::to_stdvec(&([0_u32; 8], length, vec![0_u8; rest])).expect("encodes");
            assert!(postcard::from_bytes::<Midstate>(&bytes).is_err(), "{length} {rest}");
        }
        let bytes = postcard::to_stdvec(&([0_u32; 8], 130_u64, vec![0_u8; 2])).expect("encodes");
        assert!(postcard::from_bytes::<Midstate>(&bytes).is_ok());
    }
}
