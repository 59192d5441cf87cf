//! Identifiers that follow from a name (RFC 9562, version 5).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// The namespace of addresses (RFC 9562, section 6.6).
const URL: [u8; 16] =
    [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

/// The identifier of an address.
pub(super) fn of_url(url: &str) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[&URL[..], url.as_bytes()].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = crate::types::digest::hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_identifier_is_that_of_other_programs() {
        // `python3 -c 'import uuid; print(uuid.uuid5(uuid.NAMESPACE_URL, "https://example.com/"))'`
        assert_eq!(super::of_url("https://example.com/"), "dd2c1780-811a-5296-81c5-178a0ef488bc");
    }
}
