//! DSSE: what a signature of an envelope covers ([protocol](https://github.com/secure-systems-lab/dsse)).

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The bytes that are signed: the payload with its type and both lengths, so that no other payload has the same ones.
#[must_use]
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
