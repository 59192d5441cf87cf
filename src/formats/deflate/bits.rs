//! The bit writer: packs codes least significant bit first (RFC 1951, section 3.1.1) onto a byte vector.
//!
//! A caller announces an upper bound of what it will write (`reserve`), so that the inner loop stores whole words
//! without growing the vector. Not done here: choosing codes, or knowing what a block is.

/// Bytes that a `flush` may touch beyond the ones it keeps.
const SLACK: usize = 8;

/// Appends bits to `out`; the tail of `out` beyond `len` is scratch space until `finish`.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Bytes of `out` that are final.
    len: usize,
    /// Bits not yet in `out`, lowest first; those above `count` are zero.
    bits: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let len = out.len();
        Self { out, len, bits: 0, count: 0 }
    }

    /// Makes room for `bits` further bits.
    pub(super) fn reserve(&mut self, bits: u64) {
        let need = self.len + (bits as usize).div_ceil(8) + 2 * SLACK;
        if self.out.len() < need {
            self.out.resize(need, 0);
        }
    }

    /// Adds `count` bits; the caller flushes before more than 56 have been added since the last flush.
    #[inline(always)]
    pub(super) fn add(&mut self, bits: u64, count: u32) {
        self.bits |= bits << (self.count & 63);
        self.count += count;
    }

    /// Moves whole bytes out, leaving fewer than eight bits.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        if let Some(slot) = self.out.get_mut(self.len..self.len + SLACK) {
            slot.copy_from_slice(&self.bits.to_le_bytes());
        }
        let bytes = self.count >> 3;
        self.len += bytes as usize;
        self.bits >>= (bytes * 8) & 63;
        self.count &= 7;
    }

    /// Adds and flushes: for headers, where speed does not matter.
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.add(bits, count);
        self.flush();
    }

    /// Zero bits up to the next byte boundary.
    pub(super) fn align(&mut self) {
        self.count = self.count.next_multiple_of(8);
        self.flush();
    }

    /// Copies whole bytes; the writer must be aligned.
    pub(super) fn bytes(&mut self, data: &[u8]) {
        debug_assert_eq!(self.count, 0);
        self.out.truncate(self.len);
        self.out.extend_from_slice(data);
        self.len = self.out.len();
    }

    /// Drops the scratch space; the writer must be aligned.
    pub(super) fn finish(self) {
        debug_assert_eq!(self.count, 0);
        self.out.truncate(self.len);
    }
}
