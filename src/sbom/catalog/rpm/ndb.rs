//! The headers in a database of rpm's own form (ndb, `Packages.db`): pages of slots, and the blobs that they name.

use super::error::RpmDatabaseError;
use crate::formats::sqlite::ReadAt;
use crate::runtime::budget::{Budget, STEP};

/// The first bytes.
pub(super) const NDB_MAGIC: &[u8; 4] = b"RpmP";
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_MAGIC: u32 = u32::from_le_bytes(*b"BlbS");
const END_MAGIC: u32 = u32::from_le_bytes(*b"BlbE");
/// Slots lie in pages of this size; the header takes the place of the first two.
const PAGE: usize = 4096;
const SLOT: usize = 16;
const HEADER_SLOTS: usize = 2;
/// Blobs begin at multiples of this, and have a head of as many bytes and a tail.
const BLOCK: usize = 16;
const TAIL: usize = 12;

/// Passes each header in the database of `size` bytes to `take`.
///
/// No two blobs share a byte, so the work is at most as large as the file.
pub(super) fn headers(
    size: u64,
    largest: u64,
    read: &ReadAt<'_>,
    budget: &Budget,
    take: &mut dyn FnMut(&[u8]) -> Result<(), RpmDatabaseError>,
) -> Result<(), RpmDatabaseError> {
    let mut start = [0; HEADER_SLOTS * SLOT];
    read(0, &mut start)?;
    let pages = u64::from(word(&start, 12));
    if !start.starts_with(NDB_MAGIC) || word(&start, 4) != 0 {
        return Err(RpmDatabaseError::Damaged("it has no header of version 0"));
    }
    if pages.saturating_mul(PAGE as u64) > size {
        return Err(RpmDatabaseError::Damaged("it has more pages of slots than bytes"));
    }
    let (mut page, mut left) = (vec![0; PAGE], size);
    for number in 0..pages {
        budget.step(PAGE / SLOT)?;
        read(number * PAGE as u64, &mut page)?;
        let skipped = if number == 0 { HEADER_SLOTS * SLOT } else { 0 };
        for slot in page[skipped..].chunks_exact(SLOT) {
            let (index, block, blocks) = (word(slot, 4), word(slot, 8), word(slot, 12));
            if word(slot, 0) != SLOT_MAGIC {
                return Err(RpmDatabaseError::Damaged("a slot has no mark"));
            }
            // It is free.
            if index == 0 || block == 0 {
                continue;
            }
            let length = u64::from(blocks) * BLOCK as u64;
            left = left.checked_sub(length).ok_or(RpmDatabaseError::Damaged("blobs lie in each other"))?;
            if length > largest {
                return Err(RpmDatabaseError::LargeHeader(length));
            }
            let length = usize::try_from(length).map_err(|_| RpmDatabaseError::LargeHeader(length))?;
            if u64::from(block) * BLOCK as u64 + length as u64 > size {
                return Err(RpmDatabaseError::Damaged("a blob lies outside of the file"));
            }
            budget.step(1 + length / (STEP as usize))?;
            budget.keep(length)?;
            let mut bytes = vec![0; length];
            let taken = read(u64::from(block) * BLOCK as u64, &mut bytes)
                .map_err(RpmDatabaseError::from)
                .and_then(|()| take(blob(&bytes, index)?));
            budget.release(length);
            taken?;
        }
    }
    Ok(())
}

/// The content of the blob of a package.
fn blob(bytes: &[u8], index: u32) -> Result<&[u8], RpmDatabaseError> {
    let damaged = RpmDatabaseError::Damaged("a blob is not the one of its slot");
    if bytes.len() < BLOCK + TAIL {
        return Err(damaged);
    }
    let tail = &bytes[bytes.len() - TAIL..];
    let length = word(bytes, 12);
    let is_it = word(bytes, 0) == BLOB_MAGIC
        && word(bytes, 4) == index
        && word(tail, 4) == length
        && word(tail, 8) == END_MAGIC;
    let content =
        usize::try_from(length).ok().and_then(|length| bytes[BLOCK..bytes.len() - TAIL].get(..length));
    content.filter(|_| is_it).ok_or(damaged)
}

/// The four bytes at `at` of bytes that are long enough, the smallest first.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
