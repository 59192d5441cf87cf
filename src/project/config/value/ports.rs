//! Ports that an application listens on.

use super::super::decode::{Decode, Decoder, FromText, Wrong};
use super::super::node::{TomlNode, TomlValue};
use super::numbers::decimal;

/// Ports of one protocol. Written `8080`, `"8080/udp"` or `"8000-8003"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
    protocol: Protocol,
}

/// A transport protocol that a port can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `sctp`
    Sctp,
}

impl Ports {
    /// Each port as image configurations write it: `8080/tcp`.
    pub fn exposed(self) -> impl Iterator<Item = String> {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        };
        (self.first..=self.last).map(move |port| format!("{port}/{protocol}"))
    }
}

impl FromText for Ports {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol {
            "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            "sctp" => Some(Protocol::Sctp),
            _ => None,
        };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        match (decimal(first), decimal(last), protocol) {
            (Some(first), Some(last), Some(protocol)) if 0 < first && first <= last => {
                Ok(Self { first, last, protocol })
            }
            _ => Err(Wrong::new(format!("`{text}` is not a port"))
                .hint("write `8080`, `\"8080/udp\"` or `\"8000-8003\"`; ports are 1 to 65535")),
        }
    }
}

impl Decode for Ports {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let TomlValue::Integer(port) = node.value else { return decoder.text(node) };
        match Self::from_text(&port.to_string()) {
            Ok(ports) => Some(ports),
            Err(wrong) => decoder.wrong(node.span, wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn ports_have_ranges_and_protocols() {
        let exposed = |text| ok::<Ports>(text).exposed().collect::<Vec<_>>();
        assert_eq!(exposed("8080"), ["8080/tcp"]);
        assert_eq!(exposed("53/udp"), ["53/udp"]);
        assert_eq!(exposed("8000-8002"), ["8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(exposed("65535").len(), 1);
        all_wrong::<Ports>(&["", "0", "65536", "2-1", "80/", "80/icmp", "a", "80:80", "+80", "1-"]);
    }
}
