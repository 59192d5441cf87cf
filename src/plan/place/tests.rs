use super::*;
use crate::bases::{BaseNode, FileFacts, FileTree, Stack};
use crate::layer::{Entry, EntryKind, EntryPath, LayerSpec, Metadata};
use crate::types::error::BoxedError;

fn path(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).expect("path")
}

struct Tree(Vec<(&'static str, BaseNode)>, usize);

impl FileTree for Tree {
    fn lookup(&mut self, wanted: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
        self.1 += 1;
        Ok(self.0.iter().find(|(name, _)| path(name) == *wanted).map(|(_, node)| node.clone()))
    }
}

fn debian() -> Tree {
    let directory = |mode| BaseNode::Directory { mode, uid: 0, gid: 0 };
    Tree(
        vec![
            ("bin", BaseNode::Symlink(b"usr/bin".to_vec())),
            ("usr", directory(0o755)),
            ("usr/bin", directory(0o755)),
            ("tmp", directory(0o1777)),
            ("var", directory(0o755)),
            ("var/www", BaseNode::Symlink(b"/srv/../srv/www".to_vec())),
            ("srv", directory(0o711)),
            ("loop", BaseNode::Symlink(b"loop".to_vec())),
            ("etc", directory(0o755)),
            ("etc/passwd", BaseNode::File(FileFacts::default())),
        ],
        0,
    )
}

fn file(text: &str) -> Entry {
    Entry::bytes(path(text), Metadata::file(false), b"x")
}

fn never(_: &EntryPath) -> bool {
    false
}

fn placed(entries: Vec<Entry>, owned: &str) -> Vec<(String, u32)> {
    let root = path(owned);
    let mut all: Vec<(String, u32)> = place(entries, |path| path.starts_with(&root), never, &mut debian())
        .expect("placed")
        .iter()
        .map(|entry| (entry.path.to_string(), entry.metadata.mode))
        .collect();
    all.sort();
    all
}

#[test]
fn ancestors_have_the_bases_mode() {
    let entries = vec![Entry::directory(path("tmp/app")), file("tmp/app/x")];
    let expected = [("/tmp", 0o1777), ("/tmp/app", 0o755), ("/tmp/app/x", 0o644)];
    assert_eq!(placed(entries, "tmp/app"), expected.map(|(path, mode)| (path.to_owned(), mode)));
}

#[test]
fn links_of_the_base_are_followed() {
    let expected = [("/usr", 0o755), ("/usr/bin", 0o755), ("/usr/bin/x", 0o644)];
    assert_eq!(placed(vec![file("bin/x")], "none"), expected.map(|(path, mode)| (path.to_owned(), mode)));
    let expected = [
        ("/srv", 0o711),
        ("/srv/www", 0o755),
        ("/srv/www/a", 0o755),
        ("/srv/www/a/x", 0o644),
        ("/var", 0o755),
    ];
    assert_eq!(
        placed(vec![file("var/www/a/x")], "none"),
        expected.map(|(path, mode)| (path.to_owned(), mode))
    );
}

#[test]
fn a_tree_at_the_root_does_not_override_the_base() {
    let entries =
        vec![Entry::directory(path("tmp")), Entry::directory(path("bin")), file("bin/x"), file("tmp/y")];
    let found = placed(entries, "none");
    assert!(found.contains(&("/tmp".to_owned(), 0o1777)), "{found:?}");
    assert!(found.contains(&("/usr/bin/x".to_owned(), 0o644)), "{found:?}");
    assert!(!found.iter().any(|(path, _)| path == "/bin"), "{found:?}");
}

#[test]
fn what_is_in_the_way_is_named() {
    let below = place(vec![file("etc/passwd/x")], never, never, &mut debian()).expect_err("file");
    assert_eq!(below.to_string(), "/etc/passwd is a file in the base, and /etc/passwd/x must go below it");
    assert!(place(vec![file("loop/x")], never, never, &mut debian()).is_err());
}

#[test]
fn a_path_is_asked_for_once() {
    let mut tree = debian();
    let entries = (0..50).map(|i| file(&format!("tmp/f{i}"))).collect();
    place(entries, never, never, &mut tree).expect("placed");
    assert_eq!(tree.1, 1);
}

fn directory(text: &str, mode: u32) -> Entry {
    Entry { metadata: Metadata::with_mode(mode), ..Entry::directory(path(text)) }
}

fn owned(entries: Vec<Entry>, owned: &[&str]) -> Result<Vec<(String, u32)>, PlaceError> {
    let is_owned = |asked: &EntryPath| owned.iter().any(|own| asked.starts_with(&path(own)));
    let placed = place(entries, is_owned, |_| true, &mut debian())?;
    let mut all: Vec<(String, u32)> =
        placed.iter().map(|entry| (entry.path.to_string(), entry.metadata.mode)).collect();
    all.sort();
    Ok(all)
}

#[test]
fn what_a_layer_owns_goes_where_the_links_of_the_base_lead() {
    let entries = vec![directory("bin", 0o700), file("bin/x"), directory("bin/sub", 0o750)];
    let expected = [("/usr", 0o755), ("/usr/bin", 0o700), ("/usr/bin/sub", 0o750), ("/usr/bin/x", 0o644)];
    assert_eq!(
        owned(entries, &["bin"]).expect("placed"),
        expected.map(|(path, mode)| (path.to_owned(), mode))
    );
    // Of two names of one directory, only one is the layer's.
    for entries in
        [vec![directory("usr/bin", 0o700), file("bin/x")], vec![file("bin/x"), directory("usr/bin", 0o700)]]
    {
        let all = owned(entries, &["usr/bin"]).expect("placed");
        assert!(all.contains(&("/usr/bin".to_owned(), 0o700)), "{all:?}");
    }
}

#[test]
fn a_directory_in_the_place_of_a_file_is_refused() {
    let error = owned(vec![directory("etc/passwd", 0o755)], &["etc/passwd"]).expect_err("a file");
    assert_eq!(error.to_string(), "/etc/passwd is a file in the base, and must be a directory");
    assert_eq!(error.paths(), [&path("etc/passwd")]);
    owned(vec![directory("loop", 0o755)], &["loop"]).expect_err("a link that leads nowhere");
}

#[test]
fn a_file_or_link_in_the_place_of_a_directory_is_refused() {
    for text in ["usr", "usr/bin", "bin"] {
        let error = owned(vec![file(text)], &[]).expect_err(text);
        assert_eq!(error.paths(), [&path(text)], "{error}");
        assert!(matches!(error, PlaceError::ReplacesDirectory { with: "a file", .. }), "{error}");
    }
    let link = |text| Entry { kind: EntryKind::Symlink(b"x".to_vec()), ..file(text) };
    owned(vec![link("usr")], &[]).expect_err("a directory with all that is in it");
    // A link in the place of a link removes nothing, and neither does a file in the place of a link.
    for entry in
        [link("bin"), file("loop"), file("var/www"), file("etc/passwd"), file("usr/new"), link("var/new")]
    {
        owned(vec![entry], &[]).expect("placed");
    }
}

#[test]
fn two_entries_that_links_of_the_base_make_one_are_refused() {
    let both = || [path("bin/x"), path("usr/bin/x")];
    for entries in [vec![file("bin/x"), file("usr/bin/x")], vec![file("usr/bin/x"), file("bin/x")]] {
        let error = owned(entries, &[]).expect_err("twice");
        assert!(
            matches!(&error, PlaceError::Twice { written, .. } if both().iter().all(|path| written.contains(path))),
            "{error}"
        );
    }
    let entries = vec![file("bin/x"), directory("usr/bin/x", 0o755)];
    assert!(matches!(owned(entries, &["usr/bin/x"]), Err(PlaceError::Twice { .. })));
    let entries = vec![directory("bin", 0o700), directory("usr/bin", 0o755)];
    assert!(matches!(owned(entries, &["bin", "usr/bin"]), Err(PlaceError::Contested { .. })));
    let entries = vec![directory("bin", 0o700), directory("usr/bin", 0o700)];
    owned(entries, &["bin", "usr/bin"]).expect("they say the same");
}

#[test]
fn a_directory_of_two_owners_is_refused_unless_the_base_decides() {
    let both = |text| vec![directory(text, 0o700), directory(text, 0o755)];
    assert!(matches!(owned(both("opt"), &[]), Err(PlaceError::Contested { .. })));
    assert!(matches!(owned(both("srv"), &["srv"]), Err(PlaceError::Contested { .. })));
    assert_eq!(owned(both("srv"), &[]).expect("as the base has it"), [("/srv".to_owned(), 0o711)]);
}

#[test]
fn layers_of_ours_are_below_as_the_base_is() {
    let ours = vec![
        Entry { metadata: Metadata { uid: 7, ..Metadata::with_mode(0o750) }, ..directory("data", 0) },
        Entry { kind: EntryKind::Symlink(b"/data".to_vec()), ..file("link") },
        file("taken"),
    ];
    let layers = [LayerSpec::new("ours", ours).expect("a layer")];
    let on = |entries| {
        let mut base = debian();
        place(entries, never, never, &mut Stack { base: &mut base, layers: &layers })
    };
    let placed = on(vec![file("link/x"), file("tmp/y")]).expect("placed");
    let data = placed.iter().find(|entry| entry.path == path("data")).expect("the directory");
    assert_eq!((data.metadata.uid, data.metadata.mode), (7, 0o750));
    assert!(placed.iter().any(|entry| entry.path == path("data/x")));
    assert!(placed.iter().any(|entry| entry.path == path("tmp") && entry.metadata.mode == 0o1777));
    let error = on(vec![file("taken/x")]).expect_err("a file");
    assert_eq!(error.to_string(), "/taken is a file in the layer `ours`, and /taken/x must go below it");
}
