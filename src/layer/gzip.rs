//! The fixed bytes around the blocks of a gzip member (RFC 1952).

/// The header of a member: no flags, no time, no extra flags, operating system unknown.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The end of a member: an empty final block with fixed codes, then CRC-32 and length modulo 2^32.
pub(super) fn trailer(crc32: u32, length: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[0] = 0x03;
    bytes[2..6].copy_from_slice(&crc32.to_le_bytes());
    bytes[6..].copy_from_slice(&(length as u32).to_le_bytes());
    bytes
}
