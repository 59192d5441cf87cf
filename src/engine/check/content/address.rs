//! Addresses of the build's own network in settings: private addresses, host names that only one network knows, and databases on
//! this machine.

use super::sighting::{Sighting, What};
use crate::types::secret::redact;
use crate::types::secret::text::{LineCounter, run};
use crate::types::shown::cut;

/// The longest address that is told.
const MOST: usize = 100;

/// The beginnings of private addresses (RFC 1918).
const PRIVATE: [&[u8]; 3] = [b"10.", b"172.", b"192.168."];

/// Ports of databases and brokers.
const PORTS: [&[u8]; 12] = [
    b"5432", b"3306", b"1521", b"1433", b"27017", b"6379", b"5672", b"61616", b"9092", b"9200", b"11211",
    b"50000",
];

/// So many addresses of a file are told.
const FIRST: usize = 8;

/// The first addresses in a text of settings.
pub(super) fn find(text: &[u8], into: &mut Vec<Sighting>) {
    let mut found: Vec<(usize, &[u8])> = Vec::new();
    for start in PRIVATE {
        let addresses = memchr::memmem::find_iter(text, start).filter_map(|at| private(text, at));
        found.extend(addresses.take(FIRST));
    }
    let hosts = memchr::memmem::find_iter(text, b"://").filter_map(|at| named_host(text, at + 3));
    found.extend(hosts.take(FIRST));
    let mut defaults = VariableDefaults { text, at: 0, is_begun: false };
    let ports = memchr::memmem::find_iter(text, b"localhost:").filter(|at| !defaults.are_begun_before(*at));
    found.extend(ports.filter_map(|at| local_port(text, at)).take(FIRST));
    found.sort_by_key(|(at, _)| *at);
    let mut lines = LineCounter::new(text);
    for (at, address) in found.into_iter().take(FIRST) {
        let address = cut(&redact(&String::from_utf8_lossy(address)), MOST).into_owned();
        into.push(Sighting { line: lines.at(at), what: What::Address(address) });
    }
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

/// A private address that stands alone: no version, no part of a longer number, no network.
fn private(text: &[u8], at: usize) -> Option<(usize, &[u8])> {
    let before = at.checked_sub(1).map(|before| text[before]);
    if before.is_some_and(|before| is_host_byte(before) || b"_\\^".contains(&before)) {
        return None;
    }
    // One byte more than the longest shows that it is none.
    let address = run(&text[..text.len().min(at + "255.255.255.255".len() + 1)], at, is_host_byte);
    let parts: Vec<&[u8]> = address.split(|byte| *byte == b'.').collect();
    let number = |part: &&[u8]| std::str::from_utf8(part).ok()?.parse::<u8>().ok();
    let [first, second, third, fourth] = parts[..] else { return None };
    let (first, second, _, last) = (number(&first)?, number(&second)?, number(&third)?, number(&fourth)?);
    let is_private = first != 172 || (16..32).contains(&second);
    // A network ends in zero, or with the number of its bits.
    let is_network = last == 0
        || text[at + address.len()..].starts_with(b"/")
            && text.get(at + address.len() + 1).is_some_and(u8::is_ascii_digit);
    // A version stands between tags.
    let is_version =
        before == Some(b'>') && memchr::memmem::rfind(&text[at.saturating_sub(24)..at], b"ersion").is_some();
    (is_private && !is_network && !is_version).then_some((at, address))
}

/// A host name of one network in a URL. Names of Kubernetes' own are for where the image runs.
fn named_host(text: &[u8], at: usize) -> Option<(usize, &[u8])> {
    let authority = run(text, at, |byte| is_host_byte(byte) || b"@:_%".contains(&byte));
    let start = at + memchr::memrchr(b'@', authority).map_or(0, |user| user + 1);
    let host = run(text, start, is_host_byte);
    let ends = [&b".local"[..], b".internal", b".corp", b".lan", b".intranet"];
    let is_local = ends.iter().any(|end| host.ends_with(end)) && !host.ends_with(b".cluster.local");
    is_local.then_some((start, host))
}

/// Tells where a line is the default of a variable: `${DB_HOST:localhost:5432}`, or a placeholder of Spring. Asked for places
/// in their order, it looks at each byte once.
struct VariableDefaults<'t> {
    text: &'t [u8],
    /// How far it has looked.
    at: usize,
    /// Whether a variable begins in the line before that.
    is_begun: bool,
}

impl VariableDefaults<'_> {
    /// Whether a variable begins before `place` in its line.
    fn are_begun_before(&mut self, place: usize) -> bool {
        let new = &self.text[self.at..place];
        let line = memchr::memrchr(b'\n', new).map(|end| end + 1);
        let is_split = new.starts_with(b"{") && self.text[..self.at].ends_with(b"$");
        let begins = memchr::memmem::find(&new[line.unwrap_or(0)..], b"${").is_some();
        self.is_begun = begins || line.is_none() && (self.is_begun || is_split);
        #[cfg(test)]
        crate::types::secret::text::steps::add(new.len());
        self.at = place;
        self.is_begun
    }
}

/// A database on this machine.
fn local_port(text: &[u8], at: usize) -> Option<(usize, &[u8])> {
    let port = run(text, at + "localhost:".len(), |byte| byte.is_ascii_digit());
    let is_word = at.checked_sub(1).is_none_or(|before| !is_host_byte(text[before]));
    (is_word && PORTS.contains(&port)).then(|| (at, &text[at..at + "localhost:".len() + port.len()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut sightings = Vec::new();
        find(text.as_bytes(), &mut sightings);
        let address = |sighting: Sighting| match sighting.what {
            What::Address(address) => address,
            _ => unreachable!(),
        };
        sightings.into_iter().map(address).collect()
    }

    #[test]
    fn addresses_of_one_network_are_found() {
        for (text, address) in [
            ("db.host=10.2.3.4\n", "10.2.3.4"),
            ("url: http://192.168.1.7:8080/x", "192.168.1.7"),
            ("\"host\": \"172.20.0.5\"", "172.20.0.5"),
            ("url=jdbc:postgresql://localhost:5432/shop", "localhost:5432"),
            ("a=${A:localhost:3306}\nurl=localhost:5432", "localhost:5432"),
            ("url: https://me@git.shop.internal/x", "git.shop.internal"),
            ("<url>http://nexus.corp:8081/</url>", "nexus.corp"),
        ] {
            assert_eq!(found(text), [address], "{text}");
        }
    }

    #[test]
    fn other_numbers_and_names_are_none() {
        for text in [
            "allow=10.0.0.0/8, 192.168.0.0/16",
            "version=10.1.24",
            "<version>10.1.24.3</version>",
            "a=110.2.3.4",
            "172.64.1.1",
            "url: ${DB_URL:jdbc:postgresql://localhost:5432/shop}",
            "url: ${A:localhost:5432},localhost:3306\n",
            "http://localhost:8080",
            "class=org.shop.internal",
            "http://db.default.svc.cluster.local:80/",
            "regexp=10\\.1\\.2\\.3",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
