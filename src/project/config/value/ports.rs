//! Ports that an application listens on.

use std::fmt;

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
    /// The lowest.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// Each port as image configurations write it: `8080/tcp`.
    pub fn exposed(self) -> impl Iterator<Item = String> {
        let protocol = self.protocol;
        (self.first..=self.last).map(move |port| format!("{port}/{protocol}"))
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, protocol } = self;
        write!(f, "{first}-{last}/{protocol}")
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// All ports of several settings, each once, as image configurations write them.
pub fn exposed_ports(ports: impl IntoIterator<Item = Ports>) -> Vec<String> {
    let mut ranges: Vec<Ports> = ports.into_iter().collect();
    ranges.sort_unstable_by_key(|range| (range.protocol, range.first));
    let mut exposed = Vec::new();
    let mut covered: Option<(Protocol, u16)> = None;
    for range in ranges {
        let last = covered.and_then(|(of, last)| (of == range.protocol).then_some(last));
        if last.is_some_and(|last| last >= range.last) {
            continue;
        }
        let first = last.map_or(range.first, |last| range.first.max(last + 1));
        exposed.extend(Ports { first, ..range }.exposed());
        covered = Some((range.protocol, range.last));
    }
    exposed
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
    fn a_port_of_several_ranges_is_exposed_once() {
        let ranges = ["80", "1-3", "2-5/udp", "2-9", "9-10", "4", "65535", "65530-65535"].map(ok::<Ports>);
        let mut expected: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
        ranges.iter().for_each(|range| expected.extend(range.exposed()));
        let found = exposed_ports(ranges);
        assert_eq!(found.len(), expected.len());
        assert_eq!(found.into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
        assert_eq!(exposed_ports((0..20_000).map(|_| ok::<Ports>("1-65535"))).len(), 65_535);
    }

    /// A key of a cache has the two ends of a range, and not a text for each port.
    #[test]
    fn a_range_is_written_by_its_ends() {
        let all = ["1-65535", "8080", "8080/udp"].map(|text| ok::<Ports>(text).to_string());
        assert_eq!(all, ["1-65535/tcp", "8080-8080/tcp", "8080-8080/udp"]);
    }

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
