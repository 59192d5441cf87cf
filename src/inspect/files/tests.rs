//! Layers on layers, and what is seen of them.

use proptest::prelude::*;

use super::entry::{EntryState, FileKind};
use super::tree::{ImageFiles, LayerTotals, PathTotals};
use crate::runtime::interrupt::Interrupt;

/// An entry of a layer: a path, which ends in a slash for a directory, and bytes of content. `name -> target` is a hard link,
/// and `name => target` a symbolic one.
type Entry<'a> = (&'a str, usize);

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, size) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(*size as u64);
        if path.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        // `name -> target` is a hard link.
        if let Some((name, target)) = path.split_once(" -> ") {
            header.set_entry_type(tar::EntryType::Link);
            builder.append_link(&mut header, name, target).expect("an entry");
            continue;
        }
        if let Some((name, target)) = path.split_once(" => ") {
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(&mut header, name, target).expect("an entry");
            continue;
        }
        builder.append_data(&mut header, path, &vec![0; *size][..]).expect("an entry");
    }
    builder.into_inner().expect("a tar")
}

fn files(layers: &[&[Entry<'_>]]) -> ImageFiles {
    let mut files = ImageFiles::new("the test".to_owned());
    for layer in layers {
        files.add_layer(&tar(layer)[..], &Interrupt::default()).expect("a layer");
    }
    files.settle();
    files
}

/// Each row in a line.
fn listing(files: &ImageFiles) -> String {
    let mut lines = String::new();
    let take = |row: super::FileRow<'_>| {
        let name = match row.name {
            b"" => "/".into(),
            _ if row.is_again => "  \"".into(),
            name => String::from_utf8_lossy(name),
        };
        let entry = row.entry.map(|entry| format!("{:?} in {}, {:?}", entry.kind, entry.layer, entry.state));
        let line = format!("{}{name} {}", "  ".repeat(row.depth), entry.unwrap_or_default());
        lines.push_str(line.trim_end());
        lines.push('\n');
        Ok::<(), ()>(())
    };
    files.each_row(take).expect("nothing fails");
    lines
}

/// `lib` leads to `usr/lib` in most images.
#[test]
fn hard_links_lead_through_linked_directories() {
    for target in ["lib/a", "far/a", "round/../lib/a", "usr/up/lib/a"] {
        let link = format!("b -> {target}");
        let files = files(&[
            &[
                ("usr/lib/a", 10),
                ("lib => usr/lib", 0),
                ("far => /lib", 0),
                ("usr/up => ..", 0),
                ("round => usr", 0),
            ],
            &[(&link, 0), ("usr/lib/.wh.a", 0)],
        ]);
        let totals = &files.layer_totals()[0];
        assert_eq!((totals.bytes, totals.covered_bytes), (10, 0), "{target}");
    }
    let nowhere = files(&[&[("a", 10), ("x => y", 0), ("y => x", 0), ("b -> x/a", 0)], &[(".wh.a", 0)]]);
    assert_eq!(nowhere.layer_totals()[0].covered_bytes, 10, "a link in a circle");
}

#[test]
fn a_later_layer_replaces_and_removes() {
    let files = files(&[
        &[
            ("etc/", 0),
            ("etc/passwd", 10),
            ("var/cache/a", 100),
            ("var/cache/b", 200),
            ("opt/x/y", 7),
            ("usr", 1),
        ],
        // A whiteout is about the layers below, wherever it stands.
        &[
            ("etc/", 0),
            ("etc/passwd", 11),
            ("var/cache/new", 5),
            ("var/cache/.wh..wh..opq", 0),
            ("opt/.wh.x", 0),
        ],
        &[("etc/passwd", 12), ("opt/x/", 0), ("opt/x/z", 3), ("usr/", 0), ("usr/bin", 4)],
    ]);
    insta::assert_snapshot!(listing(&files), @r#"
    /
      etc Directory in 2, Seen
        " Directory in 1, Replaced(2)
        passwd Regular in 3, Seen
          " Regular in 2, Replaced(3)
          " Regular in 1, Replaced(2)
      opt
        x Directory in 3, Seen
          " Whiteout in 2, Seen
          y Regular in 1, Removed(2)
          z Regular in 3, Seen
      usr Directory in 3, Seen
        " Regular in 1, Replaced(3)
        bin Regular in 3, Seen
      var
        cache
          " Opaque in 2, Seen
          a Regular in 1, Removed(2)
          b Regular in 1, Removed(2)
          new Regular in 2, Seen
    "#);
    let totals = files.path_totals().expect("little");
    assert_eq!((totals[0].files, totals[0].bytes), (4, 24));
    assert_eq!((totals[0].covered_bytes, totals[0].layers), (10 + 11 + 100 + 200 + 7 + 1, (2, 3)));
    let layers = files.layer_totals();
    let first = LayerTotals { files: 5, bytes: 318, covered_files: 5, covered_bytes: 318 };
    assert_eq!((layers.len(), layers[0]), (3, first));
    assert_eq!((layers[2].bytes, layers[2].covered_bytes), (19, 0));
}

#[test]
fn a_file_hides_a_directory_and_a_name_of_marks_is_no_mark() {
    let files = files(&[&[("a/b/c", 9), (".wh.", 2)], &[("a", 1), ("a", 3)]]);
    let of = |name: &[u8]| {
        let (_, path) = files.children(0).find(|(other, _)| *other == name).expect("a path");
        files.main_entry(path).expect("an entry").clone()
    };
    assert_eq!((of(b"a").kind, of(b"a").size, of(b"a").state), (FileKind::Regular, 3, EntryState::Seen));
    assert_eq!(of(b".wh.").kind, FileKind::Regular);
    assert_eq!(files.path_totals().expect("little")[0].covered_bytes, 10);
    assert!(listing(&files).contains("Replaced(2)"));
}

/// The path, its bytes, and those that are covered, of all paths of the top.
fn figures(files: &ImageFiles) -> String {
    let totals = files.path_totals().expect("little");
    let of = |(name, path): (&[u8], usize)| {
        let PathTotals { files, bytes, covered_bytes, .. } = totals[path];
        format!("{} {files} {bytes} {covered_bytes}", String::from_utf8_lossy(name))
    };
    files.children(0).map(of).collect::<Vec<_>>().join(", ")
}

#[test]
fn bytes_of_a_file_are_counted_at_its_first_name_that_is_seen() {
    let linked: &[Entry<'_>] = &[("h1", 4000), ("h2 -> h1", 0), ("h3 -> ./h2", 0)];
    let of = |layers: &[&[Entry<'_>]]| {
        let files = files(layers);
        let covered: Vec<_> = files
            .layer_totals()
            .iter()
            .map(|layer| (layer.files, layer.bytes, layer.covered_bytes))
            .collect();
        (figures(&files), covered)
    };
    assert_eq!(of(&[linked]), ("h1 1 4000 0, h2 0 0 0, h3 0 0 0".to_owned(), vec![(1, 4000, 0)]));
    let removed = of(&[linked, &[(".wh.h1", 0)]]);
    assert_eq!(removed, ("h1 0 0 0, h2 1 4000 0, h3 0 0 0".to_owned(), vec![(1, 4000, 0), (0, 0, 0)]));
    let replaced = of(&[linked, &[("h1", 5), (".wh.h2", 0)]]);
    assert_eq!(replaced, ("h1 1 5 0, h2 0 0 0, h3 1 4000 0".to_owned(), vec![(1, 4000, 0), (1, 5, 0)]));
    let gone = of(&[linked, &[(".wh..wh..opq", 0), ("h2", 7)]]);
    assert_eq!(gone, ("h1 0 0 4000, h2 1 7 0, h3 0 0 0".to_owned(), vec![(1, 4000, 4000), (1, 7, 0)]));
    // The layer itself has the name again.
    assert_eq!(of(&[&[("h1", 9), ("h2 -> h1", 0), ("h1", 2)]]).0, "h1 1 2 0, h2 1 9 0");
    // A link to its own path is the same file.
    assert_eq!(of(&[&[("h1", 9), ("h1 -> h1", 0)]]).0, "h1 1 9 0");
}

#[test]
fn a_link_may_lead_to_a_lower_layer_and_not_to_a_later_entry() {
    // The bytes are those of the lower layer, whichever name they are counted at.
    let below = files(&[&[("d/x", 50)], &[("y -> d/x", 0)], &[(".wh.d", 0)]]);
    assert_eq!(figures(&below), "d 0 0 0, y 1 50 0");
    let layers = below.layer_totals();
    assert_eq!((layers[0].files, layers[0].bytes, layers[0].covered_bytes), (1, 50, 0));
    assert_eq!((layers[1].files, layers[1].bytes), (0, 0));
    let later: &[Entry<'_>] = &[("h2 -> h1", 0), ("h1", 6)];
    assert_eq!(figures(&files(&[later, &[(".wh.h1", 0)]])), "h1 0 0 6, h2 0 0 0");
    // It is the file of the layer below, which is there when the link is unpacked.
    assert_eq!(figures(&files(&[&[("h1", 30)], later])), "h1 1 6 0, h2 1 30 0");
    // Neither is there a file at a removed path, nor in a directory or a symbolic link.
    assert_eq!(figures(&files(&[&[("h1", 30)], &[(".wh.h1", 0), ("h2 -> h1", 0)]])), "h1 0 0 30, h2 0 0 0");
    assert_eq!(
        figures(&files(&[&[("d/", 0), ("l -> d", 0), ("m -> none/x", 0), ("n -> /", 0)]])),
        "d 0 0 0, l 0 0 0, m 0 0 0, n 0 0 0"
    );
}

#[test]
fn a_mark_is_shown_below_what_its_layer_has() {
    let files = files(&[
        &[("d/x", 1000), ("z", 9), ("gone/a", 4), ("e/", 0), ("e/f", 2), ("r", 3)],
        &[("d/", 0), ("d/.wh..wh..opq", 0), ("d/z", 700), ("z", 7), (".wh.z", 0), ("z", 8)],
        &[(".wh.gone", 0), ("e/.wh..wh..opq", 0), (".wh.r", 0), (".wh.none", 0)],
    ]);
    insta::assert_snapshot!(listing(&files), @r#"
    /
      d Directory in 2, Seen
        " Opaque in 2, Seen
        x Regular in 1, Removed(2)
        z Regular in 2, Seen
      e Directory in 1, Seen
        " Opaque in 3, Seen
        f Regular in 1, Removed(3)
      gone
        " Whiteout in 3, Seen
        a Regular in 1, Removed(3)
      none Whiteout in 3, Seen
      r Regular in 1, Removed(3)
        " Whiteout in 3, Seen
      z Regular in 2, Seen
        " Regular in 2, Replaced(2)
        " Whiteout in 2, Seen
        " Regular in 1, Replaced(2)
    "#);
    assert_eq!(figures(&files), "d 1 700 1000, e 0 0 2, gone 0 0 4, none 0 0 0, r 0 0 3, z 1 8 16");
    let removed = |name: &[u8]| {
        let (_, path) = files.children(0).find(|(other, _)| *other == name).expect("a path");
        files.is_removed(path)
    };
    assert_eq!(
        ["d", "e", "gone", "none", "r", "z"].map(|name| removed(name.as_bytes())),
        [false, false, true, true, true, false]
    );
}

#[test]
fn a_file_takes_the_place_of_what_its_own_layer_has_in_a_directory() {
    assert_eq!(figures(&files(&[&[("a/b", 9), ("a", 1)]])), "a 1 1 9");
}

#[test]
fn paths_of_thousands_of_parts_are_walked() {
    // The name that the header has does not end in a slash.
    let deep = format!("aa/{}b", "a/".repeat(1999));
    let files = files(&[&[(&deep, 1)]]);
    assert_eq!(listing(&files).lines().count(), 2002);
    assert_eq!(files.path_totals().expect("little")[0].bytes, 1);
}

#[test]
fn layers_that_cover_all_again_and_again_run_out_of_steps() {
    let mut files = ImageFiles::new("the list".to_owned());
    let names: Vec<String> = (0..3000).map(|number| format!("d/{number}")).collect();
    let entries: Vec<Entry<'_>> = names.iter().map(|name| (&**name, 0)).collect();
    files.add_layer(&tar(&entries)[..], &Interrupt::default()).expect("a layer");
    let opaque = tar(&vec![(".wh..wh..opq", 0); 10_000]);
    let error = files.add_layer(&opaque[..], &Interrupt::default()).expect_err("too many steps");
    assert!(error.to_string().contains("steps"), "{error}");
}

proptest! {
    /// The sums of the layers, of the paths and of the rows are the same.
    #[test]
    fn all_bytes_are_counted_once(
        layers in prop::collection::vec(
            prop::collection::vec(("[abw]{1}(/[ab]{1}){0,2}/?", 0_usize..50), 0..12), 0..5,
        ),
    ) {
        let named = |path: &String, size: &usize| {
            // A name that begins with `w` is a whiteout; small files are hard links.
            let path = path.replace('w', ".wh.a");
            match *size {
                _ if path.ends_with('/') => (path, 0),
                small @ 0..15 if !path.contains(".wh.") => {
                    (format!("{path} -> {}", ["a", "b", "a/b", "b/a"][small % 4]), 0)
                }
                size => (path, size),
            }
        };
        let layers: Vec<Vec<(String, usize)>> =
            layers.iter().map(|layer| layer.iter().map(|(path, size)| named(path, size)).collect()).collect();
        let lent: Vec<Vec<Entry<'_>>> =
            layers.iter().map(|layer| layer.iter().map(|(path, size)| (&**path, *size)).collect()).collect();
        let files = files(&lent.iter().map(|layer| &layer[..]).collect::<Vec<_>>());
        let totals = files.path_totals().expect("little")[0];
        let of_layers = files.layer_totals();
        prop_assert_eq!(totals.bytes + totals.covered_bytes, of_layers.iter().map(|layer| layer.bytes).sum::<u64>());
        prop_assert_eq!(totals.covered_bytes, of_layers.iter().map(|layer| layer.covered_bytes).sum::<u64>());
        let mut rows = 0;
        files.each_row(|row| { rows += row.entry.map_or(0, |entry| entry.size); Ok::<(), ()>(()) }).expect("no error");
        prop_assert_eq!(rows, totals.bytes + totals.covered_bytes);
        // No path has two entries that are seen, and none below a removed directory is seen.
        let mut seen = std::collections::BTreeSet::new();
        files.each_row(|row| {
            let entry = row.entry.filter(|entry| entry.state == EntryState::Seen && !entry.kind.is_mark());
            if entry.is_some() { assert!(seen.insert(row.path), "twice") }
            Ok::<(), ()>(())
        }).expect("no error");
    }
}
