//! Three pieces of work whose instructions `.ci/instructions` counts, so that one that takes more of them is seen
//! without a clock. They do the same in every run.

use std::hint::black_box;

use super::body::Bodies;
use super::{Compression, Content, ContentSource, Entry, EntryKind, EntryPath, LayerSpec, Metadata};
use crate::formats::deflate::{DeflateLevel, DeflateScratch, encode};

/// Words, drawn by a linear congruential generator.
fn text(length: usize) -> Vec<u8> {
    let words =
        ["import", " ", "{", "}\n", "public", "static", "void", "String", "(", ");", "return", "value", "0x"];
    let mut state = 20_u32;
    let mut text = Vec::with_capacity(length + 8);
    while text.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(words[(state >> 16) as usize % words.len()].as_bytes());
    }
    text.truncate(length);
    text
}

/// 2,000 small files in 100 directories.
fn entries() -> Vec<Entry> {
    let file = |number: usize| {
        let path = format!("opt/application/part-{:02}/resource-{number:04}.properties", number % 100);
        let bytes = format!("number = {number}\n").into_bytes();
        Entry {
            path: EntryPath::new(path.as_bytes()).expect("a path"),
            metadata: Metadata::file(false),
            kind: EntryKind::File(Content {
                size: bytes.len() as u64,
                source: ContentSource::Bytes(bytes.into()),
            }),
        }
    };
    (0..2000).map(file).collect()
}

/// The cost of the others before they begin.
#[test]
fn nothing() {
    assert_eq!((black_box(text(256 << 10)).len(), black_box(entries()).len()), (256 << 10, 2000));
}

#[test]
fn encode_a_body() {
    let (text, entries) = (text(256 << 10), entries());
    let mut encoded = Vec::new();
    encode(DeflateLevel::default(), black_box(&text), &mut DeflateScratch::default(), &mut encoded);
    assert!((1..text.len() / 2).contains(&encoded.len()) && entries.len() == 2000);
}

#[test]
fn cut_a_layer() {
    let (text, entries) = (text(256 << 10), entries());
    let layer = LayerSpec::new("counted", entries).expect("a layer");
    let bodies = Bodies::new(layer.entries()).map(|body| black_box(body.expect("a body")));
    assert!(bodies.count() > 5 && text.len() == 256 << 10);
}

#[test]
fn identify_a_layer() {
    let (text, entries) = (text(256 << 10), entries());
    let keys: Option<Vec<_>> = entries.iter().map(|entry| super::entry_key(entry, None)).collect();
    let key = super::layer_key(Compression::default(), &keys.expect("all are known"));
    assert!(black_box(key).0 != [0; 32] && text.len() == 256 << 10);
}
