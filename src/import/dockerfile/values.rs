//! Values that Docker takes in more forms than a build file has: durations, signals and users. A value that is none is left as it
//! is, so that the check of the new file tells it.

use crate::project::config::{Period, decode::FromText as _};

const SECOND: u128 = 1_000_000_000;

/// The units of Go with their nanoseconds. A longer name stands before its beginning.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3600 * SECOND),
];

/// A duration of Go as a build file has it; `None` for zero, which leaves the decision to Docker.
pub(super) fn duration(text: &str) -> Option<String> {
    let text = text.trim();
    if Period::from_text(text).is_ok() {
        return Some(text.to_owned());
    }
    match nanoseconds(text) {
        Some(0) => None,
        Some(all) => Some(written(all).unwrap_or_else(|| text.to_owned())),
        None => Some(text.to_owned()),
    }
}

/// The nanoseconds of a duration of Go: sums of numbers with units, such as `1h30m` or `1.5s`.
fn nanoseconds(text: &str) -> Option<u128> {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut all: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        all = all.checked_add(part(number, unit)?)?;
        rest = after;
    }
    let is_negative = text.starts_with('-') && all > 0;
    (!is_negative && !text.is_empty() && i64::try_from(all).is_ok()).then_some(all)
}

/// A number with a fraction as nanoseconds. Go cuts off the part below one.
fn part(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut all = whole.checked_mul(unit)?;
    let mut each = unit;
    for digit in fraction.bytes().take(15) {
        all += u128::from(digit - b'0') * each / 10;
        each /= 10;
    }
    Some(all)
}

/// Nanoseconds as hours, minutes, seconds and milliseconds, if nothing is left.
fn written(all: u128) -> Option<String> {
    let mut rest = all;
    let mut text = String::new();
    for (name, unit) in [("h", 3600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", 1_000_000)] {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            text.push_str(&format!("{count}{name}"));
        }
    }
    (rest == 0).then_some(text)
}

/// Other names of signals, and those of a build file.
const OTHER_NAMES: [(&str, &str); 3] = [("CLD", "CHLD"), ("IOT", "ABRT"), ("POLL", "IO")];

/// A signal as a build file has it: `int`, `INT` and `sigint` are `SIGINT`.
pub(super) fn signal(text: &str) -> String {
    let text = text.trim();
    if let Ok(number) = text.parse::<u32>() {
        return number.to_string();
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "+-".contains(letter);
    if name.is_empty() || !name.chars().all(is_name) {
        return text.to_owned();
    }
    let known = OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, known)| known);
    format!("SIG{known}")
}

/// A user as a build file has it. A part that is missing is that of the user, or root.
pub(super) fn user(text: &str) -> String {
    match text.split_once(':') {
        Some((user, "")) if !user.is_empty() => user.to_owned(),
        Some(("", group)) if !group.is_empty() => format!("0:{group}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go() {
        for (text, written) in [
            ("30s", Some("30s")),
            ("90s", Some("90s")),
            ("1.5h", Some("1h30m")),
            ("1h30m", Some("1h30m")),
            ("30m1h", Some("1h30m")),
            (".5s", Some("500ms")),
            ("1.s", Some("1s")),
            ("1500000us", Some("1s500ms")),
            ("2000µs", Some("2ms")),
            ("2000μs", Some("2ms")),
            ("3000000ns", Some("3ms")),
            ("+5s", Some("5s")),
            ("1s1s", Some("2s")),
            ("0", None),
            ("0s", None),
            ("-0s", None),
            ("0h0m0.0s", None),
            // None of a build file: left as it is.
            ("1ns", Some("1ns")),
            ("1500us", Some("1500us")),
            ("-1s", Some("-1s")),
            ("5", Some("5")),
            ("", Some("")),
            ("s", Some("s")),
            (".s", Some(".s")),
            ("1.2.3s", Some("1.2.3s")),
            ("1d", Some("1d")),
            ("9999999999h", Some("9999999999h")),
            (
                "99999999999999999999999999999999999999999h",
                Some("99999999999999999999999999999999999999999h"),
            ),
        ] {
            assert_eq!(duration(text).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn signals_and_users_of_docker() {
        for (text, written) in [
            ("SIGINT", "SIGINT"),
            ("INT", "SIGINT"),
            ("sigint", "SIGINT"),
            ("Quit", "SIGQUIT"),
            ("RTMIN+3", "SIGRTMIN+3"),
            ("sigrtmax-1", "SIGRTMAX-1"),
            ("cld", "SIGCHLD"),
            ("015", "15"),
            ("9", "9"),
            ("a b", "a b"),
            ("SIG", "SIG"),
        ] {
            assert_eq!(signal(text), written, "{text}");
        }
        for (text, written) in
            [("1000:", "1000"), (":5", "0:5"), ("a:b", "a:b"), (":", ":"), ("", ""), ("a::", "a::")]
        {
            assert_eq!(user(text), written, "{text}");
        }
    }
}
