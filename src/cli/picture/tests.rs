//! The data of the pages: what a script reads back is what the image has.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::largest::{Largest, WalkedPath};
use super::rows::{PageRow, PageRows};
use crate::runtime::budget::Budget;
use crate::types::shown::is_active;

const SCRIPT: &str = include_str!("../../../templates/picture.js");

fn written(rows: &[(usize, Option<&[u8]>)]) -> String {
    let budget = Budget::new("the test", 1 << 30, 0);
    let mut page = PageRows::new(&budget);
    for (depth, name) in rows {
        let row =
            PageRow { depth: *depth, name: *name, kind: b'f', group: 0, size: Some(1), mode: 0, note: None };
        page.push(row).expect("room");
    }
    let mut text = Vec::new();
    page.write("\"group\":\"layer\"", &mut text);
    String::from_utf8(text).expect("text")
}

/// The names as a script has them: code units of UTF-16, as JSON gives them.
fn names(json: &str) -> Vec<Vec<u16>> {
    let start = json.find("\"names\":\"").expect("names") + "\"names\":\"".len();
    let (mut units, mut rest) = (Vec::new(), json[start..].chars());
    loop {
        match rest.next().expect("an end") {
            '"' => break,
            '\\' => match rest.next().expect("an escape") {
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).expect("four digits"));
                }
                other => units.push(other as u16),
            },
            other => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
        }
    }
    units.split(|unit| *unit == u16::from(b'/')).map(<[u16]>::to_vec).collect()
}

/// The bytes of a name, as the page's script could give them back: each lone surrogate is a byte that was no text.
fn bytes(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in char::decode_utf16(units.iter().copied()) {
        match part {
            Ok(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => bytes.push((lone.unpaired_surrogate() - 0xdc00) as u8),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn every_name_comes_back(all in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..30), 1..20)) {
        let of: Vec<Vec<u8>> = all
            .iter()
            .map(|name| name.iter().map(|byte| if *byte == b'/' { b'_' } else { *byte }).collect())
            .collect();
        let rows: Vec<(usize, Option<&[u8]>)> = of.iter().map(|name| (1, Some(&**name))).collect();
        let json = written(&rows);
        prop_assert!(!json.contains(['<', '>', '&']) && !json.chars().any(|it| it != '\n' && is_active(it)), "{json}");
        let back: Vec<Vec<u8>> = names(&json).iter().map(|name| bytes(name)).collect();
        prop_assert_eq!(back, of);
    }
}

#[test]
fn names_that_are_markup_or_no_text_are_data() {
    let rows: [(usize, Option<&[u8]>); 6] = [
        (0, Some(b".")),
        (1, Some(b"<script><img src=x onerror=alert(1)>")),
        (1, Some(b"<!--\"\\'&amp;##[error]")),
        (1, Some(b"\xff\xfea\xc3")),
        (1, Some("\u{202e}gpj.exe\u{0}\u{2028}\n".as_bytes())),
        (1, None),
    ];
    insta::assert_snapshot!(written(&rows), @r##"
    {"group":"layer",
    "names":"./\u003cscript\u003e\u003cimg src=x onerror=alert(1)\u003e/\u003c!--\"\\'\u0026amp;\u0023\u0023[error]/\udcff\udcfea\udcc3/\u202egpj.exe\u0000\u2028\u000a/",
    "kinds":"ffffff",
    "depths":[0,1,1,1,1,1],
    "groups":[0,6],
    "modes":[0,6],
    "sizes":[1,1,1,1,1,1],
    "notes":[],
    "texts":[]}
    "##);
}

#[test]
fn a_secret_in_a_name_is_not_in_the_page() {
    let token = crate::types::secret::with_checksum("ghp_");
    let json = written(&[(0, Some(token.as_bytes()))]);
    assert!(json.contains("\"names\":\"ghp_…\"") && !json.contains(&token), "{json}");
}

#[test]
fn columns_are_short_and_notes_are_told_once() {
    let budget = Budget::new("the test", 1 << 30, 0);
    let mut page = PageRows::new(&budget);
    let row = |kind, group, size, note: Option<&str>| PageRow {
        depth: 1,
        name: Some(b"n"),
        kind,
        group,
        size,
        mode: 3,
        note: note.map(str::to_owned),
    };
    for row in [
        row(b'f', 0, Some(10), Some("z")),
        row(b'd', 0, None, None),
        row(b'F', 0, Some(0), Some("a")),
        row(b'f', 7, Some(5), Some("z")),
    ] {
        page.push(row).expect("room");
    }
    assert_eq!(page.count(), 4);
    let mut text = Vec::new();
    page.write("\"x\":1", &mut text);
    insta::assert_snapshot!(String::from_utf8(text).expect("text"), @r#"
    {"x":1,
    "names":"n/n/n/n",
    "kinds":"fdFf",
    "depths":[1,1,1,1],
    "groups":[0,3,7,1],
    "modes":[3,4],
    "sizes":[10,0,5],
    "notes":[0,0,2,1,1,0],
    "texts":["z","a"]}
    "#);
}

#[test]
fn a_page_that_grows_too_large_is_refused() {
    let budget = Budget::new("the page", 1000, 0);
    let mut page = PageRows::new(&budget);
    let row =
        PageRow { depth: 1, name: Some(b"name"), kind: b'f', group: 0, size: None, mode: 0, note: None };
    let refused = (0..100).find_map(|_| page.push(row.clone()).err()).expect("too much");
    assert!(refused.to_string().starts_with("the page takes more than 1000 bytes"), "{refused}");
}

/// The script writes out what the rest of the program writes out, and bytes that are no text.
#[test]
fn the_script_knows_the_active_characters() {
    let start = SCRIPT.find("const HIDDEN = /[").expect("the class") + "const HIDDEN = /[".len();
    let class = &SCRIPT[start..start + SCRIPT[start..].find("]/gu").expect("its end")];
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut is_range = false;
    for part in class.split("\\u{").skip(1) {
        let (digits, after) = part.split_once('}').expect("a number");
        let point = u32::from_str_radix(digits, 16).expect("a number");
        match ranges.last_mut() {
            Some(last) if is_range => last.1 = point,
            _ => ranges.push((point, point)),
        }
        is_range = after == "-";
    }
    let has = |point: u32| ranges.iter().any(|(first, last)| (*first..=*last).contains(&point));
    for point in 0..=0x10_ffff {
        let expected = char::from_u32(point).is_none_or(is_active);
        assert_eq!(has(point), expected, "{point:x}");
    }
}

#[test]
fn the_largest_are_kept_in_order_and_of_equal_ones_the_first() {
    let mut largest = Largest::new(3);
    for (size, name) in [(5, "a"), (0, "none"), (9, "b"), (5, "c"), (5, "d"), (7, "e")] {
        largest.offer(size, || name);
    }
    assert_eq!(largest.into_items(), [(9, "b"), (7, "e"), (5, "a")]);
}

#[test]
fn a_walked_path_follows_the_rows() {
    let mut path = WalkedPath::new();
    let mut texts = BTreeMap::new();
    for (number, (depth, name)) in
        [(0, "."), (1, "usr"), (2, "bin"), (3, "sh"), (2, "lib"), (1, "var")].into_iter().enumerate()
    {
        path.enter(depth, name.as_bytes());
        texts.insert(number, path.text());
    }
    let texts: Vec<String> = texts.into_values().collect();
    assert_eq!(texts, ["/", "/usr", "/usr/bin", "/usr/bin/sh", "/usr/lib", "/var"]);
}
