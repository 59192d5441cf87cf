//! Small headers and databases.

use super::header::tag;
use crate::formats::sqlite::fixture::database;

/// The value of a tag.
pub enum RpmValue<'a> {
    /// A text.
    Text(&'a str),
    /// Several.
    Texts(&'a [&'a str]),
    /// Numbers.
    Numbers(&'a [u32]),
}

/// A header with these tags.
#[must_use]
pub fn header(tags: &[(u32, RpmValue<'_>)]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (tag, value) in tags {
        let (form, count) = match value {
            RpmValue::Text(_) => (6, 1),
            RpmValue::Texts(texts) => (8, texts.len()),
            RpmValue::Numbers(numbers) => (4, numbers.len()),
        };
        let start = data.len();
        match value {
            RpmValue::Text(text) => data.extend([text.as_bytes(), &[0]].concat()),
            RpmValue::Texts(texts) => {
                texts.iter().for_each(|text| data.extend([text.as_bytes(), &[0]].concat()));
            }
            RpmValue::Numbers(numbers) => numbers.iter().for_each(|number| data.extend(number.to_be_bytes())),
        }
        for number in
            [*tag, form, u32::try_from(start).unwrap_or_default(), u32::try_from(count).unwrap_or_default()]
        {
            entries.extend(number.to_be_bytes());
        }
    }
    let number = |value: usize| u32::try_from(value).unwrap_or_default().to_be_bytes();
    [&number(tags.len())[..], &number(data.len()), &entries, &data].concat()
}

/// The headers of three packages, the second of which needs the others, and a key.
#[must_use]
pub fn headers() -> Vec<Vec<u8>> {
    use RpmValue::{Numbers, Text, Texts};
    let named = |name, version, release| {
        [(tag::NAME, Text(name)), (tag::VERSION, Text(version)), (tag::RELEASE, Text(release))]
    };
    let of = |name, version, release, more: Vec<(u32, RpmValue<'_>)>| {
        header(&named(name, version, release).into_iter().chain(more).collect::<Vec<_>>())
    };
    vec![
        of(
            "libx",
            "2.0~rc1",
            "3.el9",
            vec![
                (tag::EPOCH, Numbers(&[1])),
                (tag::ARCH, Text("x86_64")),
                (tag::LICENSE, Text("MIT")),
                (tag::VENDOR, Text("Tests")),
                (tag::SOURCE_RPM, Text("x-2.0~rc1-3.el9.src.rpm")),
                (tag::PROVIDE_NAME, Texts(&["libx", "libx.so.1()(64bit)"])),
            ],
        ),
        of(
            "App",
            "3.1+git",
            "1.el9",
            vec![
                (tag::ARCH, Text("noarch")),
                (
                    tag::REQUIRE_NAME,
                    Texts(&[
                        "/usr/bin/tool",
                        "libx.so.1()(64bit)",
                        "rpmlib(X)",
                        "(a if b)",
                        "missing",
                        "libx.so.1()(64bit)",
                    ]),
                ),
                (tag::DIR_INDEXES, Numbers(&[0, 0])),
                (tag::BASE_NAMES, Texts(&["METADATA", "RECORD"])),
                (tag::DIR_NAMES, Texts(&["/site/app-3.1.dist-info/"])),
            ],
        ),
        of(
            "tool",
            "1",
            "1",
            vec![
                (tag::DIR_INDEXES, Numbers(&[0, 1])),
                (tag::BASE_NAMES, Texts(&["bin", "tool"])),
                (tag::DIR_NAMES, Texts(&["/usr/", "/usr/bin/"])),
            ],
        ),
        of("gpg-pubkey", "fd431d51", "4ae0493b", Vec::new()),
    ]
}

/// A database of SQLite with these headers.
#[must_use]
pub fn sqlite(headers: &[Vec<u8>]) -> Vec<u8> {
    database("Packages", headers)
}

/// A database of rpm's own form with these headers.
#[must_use]
pub fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap_or_default().to_le_bytes();
    let mut bytes =
        [&b"RpmP"[..], &number(0), &number(1), &number(1), &number(headers.len() + 1), &[0; 12]].concat();
    let (mut blobs, mut block) = (Vec::new(), 256);
    for slot in 0..254 {
        let Some(header) = headers.get(slot) else {
            bytes.extend([&b"Slot"[..], &[0; 12]].concat());
            continue;
        };
        let padding = vec![0; (16 - (16 + header.len() + 12) % 16) % 16];
        let head = [&b"BlbS"[..], &number(slot + 1), &number(1), &number(header.len())].concat();
        let tail = [&number(0)[..], &number(header.len()), b"BlbE"].concat();
        let blob = [&head[..], header, &padding, &tail].concat();
        bytes.extend([&b"Slot"[..], &number(slot + 1), &number(block), &number(blob.len() / 16)].concat());
        block += blob.len() / 16;
        blobs.extend(blob);
    }
    [bytes, blobs].concat()
}
