//! The first bytes of an ELF file: which machine it is for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A machine that ELF files are made for, as far as a loader tells libraries apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Machine {
    number: u16,
    is_64: bool,
    is_little: bool,
}

/// The first four bytes of an ELF file.
pub const ELF_MAGIC: &[u8] = b"\x7fELF";
/// The bytes of a file that are needed to tell.
pub const HEAD: usize = 20;

/// Number, width where it decides, byte order where it decides, and Go's name.
const NAMES: [(u16, Option<bool>, Option<bool>, &str); 15] = [
    (62, Some(true), None, "amd64"),
    (3, None, None, "386"),
    (183, Some(true), Some(true), "arm64"),
    (40, None, Some(true), "arm"),
    (21, None, Some(true), "ppc64le"),
    (21, None, Some(false), "ppc64"),
    (22, Some(true), None, "s390x"),
    (243, Some(true), None, "riscv64"),
    (258, Some(true), None, "loong64"),
    (8, Some(true), Some(true), "mips64le"),
    (8, Some(true), Some(false), "mips64"),
    (8, Some(false), Some(true), "mipsle"),
    (8, Some(false), Some(false), "mips"),
    (62, Some(false), None, "x32"),
    (183, Some(true), Some(false), "arm64be"),
];

impl Machine {
    /// The machine of a file that begins with these bytes; `None` where it is no ELF file.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        let head = head.get(..HEAD)?;
        if !head.starts_with(ELF_MAGIC) {
            return None;
        }
        let is_little = head[5] != 2;
        let number = [head[18], head[19]];
        let number = if is_little { u16::from_le_bytes(number) } else { u16::from_be_bytes(number) };
        Some(Self { number, is_64: head[4] == 2, is_little })
    }

    /// Go's name for it, as platforms have it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let is_it = |(number, is_64, is_little, _): &&(u16, Option<bool>, Option<bool>, &str)| {
            *number == self.number
                && is_64.is_none_or(|wide| wide == self.is_64)
                && is_little.is_none_or(|little| little == self.is_little)
        };
        NAMES.iter().find(is_it).map(|(.., name)| *name)
    }

    /// The number that ELF has for it.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.number
    }

    /// The machine with this text, as [`Display`](fmt::Display) writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((number, is_64, is_little, _)) = NAMES.iter().find(|(.., name)| *name == text) {
            let (is_64, is_little) =
                (is_64.unwrap_or(*number != 3 && *number != 40), is_little.unwrap_or(true));
            return Some(Self { number: *number, is_64, is_little });
        }
        let number = text.strip_prefix("machine-")?.parse().ok()?;
        let machine = Self { number, is_64: true, is_little: true };
        machine.name().is_none().then_some(machine)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "machine-{}", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(class: u8, data: u8, number: u16) -> Vec<u8> {
        let number = if data == 1 { number.to_le_bytes() } else { number.to_be_bytes() };
        [&[0x7f, b'E', b'L', b'F', class, data, 1], &[0; 11][..], &number[..]].concat()
    }

    #[test]
    fn machines_have_the_names_of_platforms() {
        for (class, data, number, name) in [
            (2, 1, 62, "amd64"),
            (1, 1, 3, "386"),
            (2, 1, 183, "arm64"),
            (1, 1, 40, "arm"),
            (2, 2, 22, "s390x"),
        ] {
            let machine = Machine::of(&head(class, data, number)).expect("an ELF file");
            assert_eq!((machine.name(), machine.to_string().as_str()), (Some(name), name));
            let parsed = Machine::parse(name).expect("a name");
            assert_eq!(parsed.name(), Some(name));
        }
        let odd = Machine::of(&head(2, 1, 999)).expect("an ELF file");
        assert_eq!((odd.to_string().as_str(), Machine::parse("machine-999")), ("machine-999", Some(odd)));
        assert_eq!(Machine::of(b"#!/bin/sh\n0123456789"), None);
        assert_eq!(Machine::of(b"\x7fELF"), None);
        assert_eq!((Machine::parse("machine-62"), Machine::parse("vax")), (None, None));
    }
}
