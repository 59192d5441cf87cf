//! Sizes, times and numbers.

use std::time::Duration;

/// Bytes as `999 B`, `12.3 kB`, `1.5 GB`: decimal units, one digit after the point.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut unit, mut index) = (1000_u128, 0);
    // Rounded first: 999,960 bytes are 1.0 MB, not 1000.0 kB.
    let mut tenths = tenths_of(bytes, unit);
    while tenths >= 10_000 {
        unit *= 1000;
        index += 1;
        tenths = tenths_of(bytes, unit);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[index])
}

const fn tenths_of(bytes: u64, unit: u128) -> u128 {
    (bytes as u128 * 10 + unit / 2) / unit
}

/// A duration as `40 ms`, `3.2 s`, `2 min 5 s`, `1 h 2 min`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 950 {
        return format!("{millis} ms");
    }
    let tenths = (millis + 50) / 100;
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    seconds(u64::try_from((millis + 500) / 1000).unwrap_or(u64::MAX))
}

/// Whole seconds as `30 s`, `2 min 5 s`, `1 h 2 min`.
#[must_use]
pub fn seconds(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A number with separators: `1,234,567`.
#[must_use]
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 layer`, `10,000 files`. `noun` is the singular of a regular noun.
#[must_use]
pub fn count(count: u64, noun: &str) -> String {
    let plural = match noun.strip_suffix('y') {
        _ if count == 1 => noun.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{} {plural}", number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_and_never_a_thousand_of_a_unit() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_345, "12.3 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (98_200_000, "98.2 MB"),
            (1_500_000_000, "1.5 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (given, text) in cases {
            assert_eq!(bytes(given), text);
        }
    }

    #[test]
    fn durations_and_counts() {
        let cases = [
            (0, "0 ms"),
            (949, "949 ms"),
            (950, "1.0 s"),
            (3_240, "3.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 0 s"),
            (125_000, "2 min 5 s"),
            (3_725_000, "1 h 2 min"),
        ];
        for (given, text) in cases {
            assert_eq!(duration(Duration::from_millis(given)), text);
        }
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(0, "layer"), "0 layers");
        assert_eq!(count(1_234_567, "file"), "1,234,567 files");
        assert_eq!(count(2, "body"), "2 bodies");
        assert_eq!(count(2, "key"), "2 keys");
    }
}
