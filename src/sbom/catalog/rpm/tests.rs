//! Databases of either form, whole and damaged.

use super::*;

fn read(bytes: &[u8]) -> Result<RpmDatabase, RpmDatabaseError> {
    let budget = Budget::new("the layer", 64 << 20, 1 << 20);
    let is_read = |path: &EntryPath| path.file_name() == b"METADATA";
    database(&FileBody::Memory(bytes.to_vec()), is_read, &budget)
}

#[test]
fn both_forms_tell_the_same_packages() {
    let headers = fixture::headers();
    let found = read(&fixture::sqlite(&headers)).expect("sqlite");
    assert_eq!(read(&fixture::ndb(&headers)).expect("ndb"), found);
    let names: Vec<String> = found.packages.iter().map(|it| format!("{} {}", it.name, it.version)).collect();
    assert_eq!(names, ["libx 1:2.0~rc1-3.el9", "App 3.1+git-1.el9", "tool 1-1"], "a key is no package");
    let [library, app, tool] = &found.packages[..] else { panic!("three") };
    assert_eq!((library.architecture.as_str(), &library.licences[..]), ("x86_64", &["MIT".to_owned()][..]));
    assert_eq!(library.source, "x-2.0~rc1-3.el9.src.rpm");
    assert_eq!(library.properties, [("rpm:vendor".to_owned(), "Tests".to_owned())]);
    assert_eq!(app.requires, ["/usr/bin/tool", "libx.so.1()(64bit)", "missing"]);
    assert_eq!(tool.provides, ["/usr/bin/tool"], "a file that another package needs");
    assert_eq!(found.owned.len(), 1);
    assert_eq!(found.owned[0].as_bytes(), b"site/app-3.1.dist-info/METADATA");
}

#[test]
fn a_part_of_a_database_is_never_taken_for_all_of_it() {
    for whole in [fixture::sqlite(&fixture::headers()), fixture::ndb(&fixture::headers())] {
        for end in (0..whole.len()).step_by(7) {
            read(&whole[..end]).expect_err("a part of it");
        }
    }
    let nameless = fixture::header(&[(tag::NAME, fixture::RpmValue::Text("a"))]);
    read(&fixture::sqlite(&[nameless])).expect_err("no version");
    read(&fixture::ndb(&[b"no header".to_vec()])).expect_err("no header");
}

#[test]
fn other_forms_are_named() {
    let mut berkeley = vec![0; 512];
    berkeley[12..16].copy_from_slice(&[0x61, 0x15, 0x06, 0]);
    assert!(matches!(read(&berkeley), Err(RpmDatabaseError::Berkeley)));
    assert!(matches!(read(b""), Err(RpmDatabaseError::Unknown)));
    assert!(matches!(read(&[7; 512]), Err(RpmDatabaseError::Unknown)));
}

#[test]
fn rows_that_take_too_much_are_refused() {
    let budget = Budget::new("the layer", 64 << 20, 20);
    let bytes = fixture::sqlite(&fixture::headers());
    database(&FileBody::Memory(bytes), |_| false, &budget).expect_err("more than 20 steps");
    let many: Vec<String> = (0..400).map(|number| format!("{number:01000}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let header = fixture::header(&[
        (tag::NAME, fixture::RpmValue::Text("a")),
        (tag::VERSION, fixture::RpmValue::Text("1")),
        (tag::RELEASE, fixture::RpmValue::Text("1")),
        (tag::REQUIRE_NAME, fixture::RpmValue::Texts(&many)),
    ]);
    let found = read(&fixture::ndb(&vec![header; 200])).expect_err("80 MB of names");
    assert!(matches!(found, RpmDatabaseError::TooMany), "{found}");
}
