use super::*;
use crate::oci::Descriptor;
use crate::oci::MediaType;
use crate::types::reference::Reference;
use std::path::Path;

fn layout() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let layout = Layout::create(&dir.path().join("layout")).expect("created");
    (dir, layout)
}

fn image(text: &str) -> Descriptor {
    Descriptor::of(MediaType::ImageManifest, text.as_bytes())
}

#[test]
fn a_new_layout_is_what_the_specification_says() {
    let (_dir, layout) = layout();
    let read = |name: &str| std::fs::read_to_string(layout.root().join(name)).expect(name);
    assert_eq!(read("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    assert_eq!(
        read("index.json"),
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#
    );
    let mut names: Vec<_> = std::fs::read_dir(layout.root())
        .expect("readable")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names, ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn refuses_what_is_no_layout() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "x").expect("written");
    assert!(matches!(Layout::create(dir.path()), Err(LayoutError::NotEmpty(_))));
    assert!(matches!(Layout::open(dir.path()), Err(LayoutError::NotALayout { .. })));
    assert!(matches!(Layout::open(&file), Err(LayoutError::File(_))));
    assert!(
        matches!(Layout::open(&file.join("a/b")), Err(LayoutError::BelowFile { file: found, .. }) if found == file)
    );
    assert!(Layout::create(&file).is_err());
    assert!(matches!(Layout::open(&dir.path().join("none")), Err(LayoutError::NoDirectory(_))));
    for text in ["", "{}", r#"{"imageLayoutVersion":"2.0.0"}"#] {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("oci-layout"), text).expect("written");
        assert!(Layout::create(dir.path()).is_err(), "{text}");
    }
}

#[test]
fn what_a_killed_creator_left_is_finished() {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("oci-layout"), OCI_LAYOUT).expect("written");
    let layout = Layout::create(dir.path()).expect("opened");
    assert!(layout.list().expect("empty").is_empty());
    layout.set(&EntryName::tag("a"), &image("a")).expect("set");
    assert_eq!(layout.list().expect("listed").len(), 1);
}

#[test]
fn a_layout_that_was_barely_begun_is_finished() {
    type Begin = fn(&Path);
    let begun: [Begin; 4] = [
        |dir| std::fs::create_dir(dir.join("blobs")).expect("created"),
        |dir| std::fs::create_dir_all(dir.join("blobs/sha256")).expect("created"),
        |dir| std::fs::write(dir.join(".tmp-Ab3xYz"), "{").expect("written"),
        |dir| {
            std::fs::create_dir_all(dir.join("blobs/sha256")).expect("created");
            std::fs::write(dir.join(".tmp-Ab3xYz"), "").expect("written");
        },
    ];
    for begin in begun {
        let dir = tempfile::tempdir().expect("temporary directory");
        begin(dir.path());
        assert!(Layout::open(dir.path()).is_err());
        Layout::create(dir.path()).expect("finished");
        assert!(Layout::open(dir.path()).is_ok());
    }
    for other in ["blobs/sha256/file", "blobs/sha512", "other", "blobs/file"] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join(other);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        std::fs::write(path, "x").expect("written");
        assert!(matches!(Layout::create(dir.path()), Err(LayoutError::NotEmpty(_))), "{other}");
    }
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("blobs"), "x").expect("written");
    assert!(matches!(Layout::create(dir.path()), Err(LayoutError::NotEmpty(_))));
}

#[test]
fn many_make_one_layout_at_the_same_time() {
    for _ in 0..150 {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let layout = Layout::create(dir.path()).expect("made by somebody");
                    layout.blobs().put(b"blob").expect("stored");
                });
            }
        });
    }
}

#[test]
fn names_move_and_are_unique() {
    let (_dir, layout) = layout();
    layout.set_all(&[], &image("one")).expect("set");
    layout.set_all(&[], &image("one")).expect("set");
    assert_eq!(layout.list().expect("listed").len(), 1);
    layout.set(&EntryName::tag("a"), &image("one")).expect("set");
    layout.set(&EntryName::tag("b"), &image("one")).expect("set");
    layout.set(&EntryName::tag("a"), &image("two")).expect("set");
    let names: Vec<_> = layout.list().expect("listed").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [Some("a".to_owned()), Some("b".to_owned())]);
    let digest = |name: &str| layout.resolve(name).expect("readable").map(|entry| entry.digest);
    assert_eq!(digest("a"), Some(image("two").digest));
    assert_eq!(digest(&image("one").digest.to_string()), Some(image("one").digest));
    assert_eq!(digest("c"), None);
    assert!(layout.remove(|entry| name_of(entry) == Some("a")).expect("removed"));
    assert_eq!(digest("a"), None);
    assert!(!layout.remove(|entry| name_of(entry) == Some("a")).expect("nothing to remove"));
}

#[test]
fn the_whole_reference_is_a_name_for_both_annotations() {
    let (_dir, layout) = layout();
    let reference: Reference = "localhost:5000/shop/bookstore:1.0".parse().expect("valid");
    layout.set(&EntryName::full(&reference), &image("one")).expect("set");
    let entry = layout.resolve(&reference.to_string()).expect("readable").expect("there");
    assert_eq!(entry.annotations[REF_NAME], entry.annotations[CONTAINERD_NAME]);
}

#[test]
fn picking_without_a_name_needs_one_image() {
    let named = |text: &str, name: &str| {
        let mut entry = image(text);
        EntryName::tag(name).put_on(&mut entry);
        entry
    };
    assert_eq!(pick(&[], None), Err(PickError::Empty));
    let one = [named("one", "latest"), named("one", "1.0")];
    assert_eq!(pick(&one, None).expect("one image").digest, image("one").digest);
    let two = [named("one", "latest"), named("two", "1.0")];
    assert!(matches!(pick(&two, None), Err(PickError::Several(_))));
    let error = pick(&two, Some("latst")).expect_err("unknown");
    assert_eq!(error.to_string(), "there is no image `latst`; there is latest, 1.0");
    let existing = ["localhost/shop:1", "localhost:5000/shop:2", "r.example/other:1", "shop/app:1"];
    let existing = existing.map(str::to_owned).to_vec();
    for (wanted, expected) in [
        ("shop:3", "; there is localhost/shop:1"),
        ("localhost:5000/shop", "; there is localhost:5000/shop:2"),
        ("localhost:5000/shop@sha256:00", "; there is localhost:5000/shop:2"),
        ("new/app:1", ""),
    ] {
        let error = PickError::Unknown { wanted: wanted.to_owned(), existing: existing.clone() };
        assert_eq!(error.to_string(), format!("there is no image `{wanted}`{expected}"));
    }
    assert_eq!(error.hint().as_deref(), Some("did you mean `latest`?"));
}

#[test]
fn concurrent_writers_lose_no_name() {
    let (_dir, layout) = layout();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let layout = &layout;
            scope.spawn(move || {
                for number in 0..10 {
                    let name = format!("{thread}-{number}");
                    layout.set(&EntryName::tag(&name), &image(&name)).expect("set");
                }
            });
        }
    });
    assert_eq!(layout.list().expect("listed").len(), 80);
}

#[test]
fn a_damaged_index_is_an_error_and_stays() {
    let (_dir, layout) = layout();
    std::fs::write(layout.index_path(), "{").expect("written");
    assert!(matches!(layout.index(), Err(LayoutError::Index { .. })));
    layout.set(&EntryName::tag("a"), &image("a")).expect_err("damaged");
    assert_eq!(std::fs::read_to_string(layout.index_path()).expect("there"), "{");
}
