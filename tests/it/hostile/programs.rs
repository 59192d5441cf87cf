//! Programs and modules that are damaged, stripped, or for other machines.

use crate::artifacts::{AMD64, elf};
use crate::node::{base_with, lay_out};
use crate::support::Project;

const S390X: u16 = 22;

/// A static program of 64 bits, little endian, with these words changed: place, width and value.
fn changed(changes: &[(usize, usize, u64)]) -> Vec<u8> {
    let mut bytes = elf(AMD64, &["libc.so.6"]);
    for (at, width, value) in changes {
        bytes[*at..at + width].copy_from_slice(&value.to_le_bytes()[..*width]);
    }
    bytes
}

/// The headers of a static program of the other byte order.
fn big_endian() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x02\x01".to_vec();
    bytes.resize(16, 0);
    for half in [2, S390X, 0, 1] {
        bytes.extend(half.to_be_bytes());
    }
    bytes.resize(64 + 56, 0);
    for (at, value) in [(31, 0x40), (39, 64), (53, 64), (55, 56), (57, 1), (67, 1), (71, 5)] {
        bytes[at] = value;
    }
    bytes
}

/// The headers of a static program of 32 bits.
fn narrow() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x01\x01\x01".to_vec();
    bytes.resize(16, 0);
    for half in [2u16, 3, 1, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.resize(52 + 32, 0);
    for (at, value) in [(24, 0x40), (28, 52), (40, 52), (42, 32), (44, 1), (52, 1), (76, 5)] {
        bytes[at] = value;
    }
    bytes
}

#[test]
fn a_program_that_is_damaged_is_refused_in_words() {
    /// The second program header, which is that of the interpreter, and the third, of the dynamic section.
    const INTERPRETER: usize = 64 + 56;
    const DYNAMIC: usize = 64 + 2 * 56;
    let whole = elf(AMD64, &["libc.so.6"]);
    let project =
        Project::with("[image]\nname = \"localhost/app\"\nbase = \"scratch\"\n[app]\npath = \"server\"\n");
    for (what, bytes, says) in [
        ("four bytes", whole[..4].to_vec(), "truncated"),
        ("half a header", whole[..40].to_vec(), "it ends within its header"),
        ("no program headers", whole[..64].to_vec(), "its program headers are beyond its end"),
        ("half of it", whole[..whole.len() / 2 + 100].to_vec(), "truncated"),
        ("a count of no program headers", changed(&[(56, 2, 0)]), "it has no program headers"),
        ("a class of no width", changed(&[(4, 1, 9)]), "neither 32 nor 64 bits"),
        ("65,535 program headers", changed(&[(56, 2, 0xffff)]), "its program headers are beyond its end"),
        (
            "program headers far behind",
            changed(&[(32, 8, 1 << 60)]),
            "its program headers are beyond its end",
        ),
        (
            "program headers at the last byte there is",
            changed(&[(32, 8, u64::MAX)]),
            "its program headers are beyond its end",
        ),
        (
            "65,535 section headers",
            changed(&[(40, 8, 64), (58, 2, 64), (60, 2, 0xffff)]),
            "its section headers are beyond its end",
        ),
        ("an interpreter outside", changed(&[(INTERPRETER + 8, 8, 1 << 40)]), "a segment is beyond its end"),
        ("an interpreter of 1 TB", changed(&[(INTERPRETER + 32, 8, 1 << 40)]), "a segment is beyond its end"),
        ("a dynamic section outside", changed(&[(DYNAMIC + 8, 8, u64::MAX)]), "a segment is beyond its end"),
        (
            "names of libraries outside",
            changed(&[(64 + 16, 8, 1 << 40)]),
            "its string table is outside the file",
        ),
        ("an object file", changed(&[(16, 2, 1)]), "it is an object or core file"),
        ("a core dump", changed(&[(16, 2, 4)]), "it is an object or core file"),
        ("another system", changed(&[(7, 1, 9)]), "its ABI is that of another system"),
        ("an unknown machine", changed(&[(18, 2, 0xbeef)]), "machine 48879 has no platform name"),
    ] {
        project.write("server", &bytes);
        let said = project.pack("build").fails(1).hints();
        assert!(said.stderr.contains("server") && said.stderr.contains(says), "{what}: {}", said.stderr);
    }
}

/// No loader reads section headers, so that a program may have none.
#[test]
fn programs_for_any_machine_are_taken_for_theirs() {
    let mut stripped = elf(AMD64, &[]);
    stripped[40..48].fill(0);
    for (bytes, platform) in [(stripped, "amd64"), (big_endian(), "s390x"), (narrow(), "386")] {
        let project = Project::with(
            "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\ntags = [\"1\"]\n[app]\npath = \"server\"\n",
        );
        project.write("server", &bytes);
        let plan = project.pack("plan --json").ok().json();
        assert_eq!(plan["images"][0]["platform"], format!("linux/{platform}"), "{plan}");
        project.pack("build").ok();
    }
}

#[test]
fn a_module_for_another_system_or_half_of_one_is_named() {
    let (_base, layout) = base_with("usr/bin/node", "");
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/shop\"\nbase = \"{layout}\"\ntags = [\"1\"]\n\n[app]\npath = \"app\"\n"
    ));
    lay_out(
        &project.path("app"),
        [
            ("package.json", r#"{"scripts":{"start":"node server.js"},"dependencies":{"a":"1"}}"#),
            ("server.js", ""),
            ("node_modules/a/package.json", "{}"),
        ],
    );
    let module = "app/node_modules/a/build/Release/a.node";
    for (bytes, says) in [
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01".to_vec(), "is for another system than Linux"),
        (b"MZ\x90\0".to_vec(), "is for another system than Linux"),
        (big_endian(), "is for linux/s390x, and the base for linux/amd64"),
        (elf(AMD64, &["libc.so.6"])[..100].to_vec(), "the file is truncated"),
        (changed(&[(4, 1, 9)]), "neither 32 nor 64 bits"),
    ] {
        project.write(module, &bytes);
        project.pack("build").fails(1).says(&["a.node", says]).hints();
    }
}
