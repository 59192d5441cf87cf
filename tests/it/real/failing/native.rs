//! Programs, their loaders and their libraries.

use super::bases::Base;
use super::case::{Case, Found, Image, Place, app, config, tree};
use super::session::show;
use crate::artifacts::ARM64;

const LIBRARIES: &str = "[[layer]]\nname = \"libraries\"\nfiles = [{ from = \"lib\", to = \"/usr/lib/\" }]\n";
const HELLO: &str = "hello from C";
const CHAIN: &str = "hello from deep";

/// An ELF file that says that it is for another machine.
pub(super) fn for_machine(mut file: Vec<u8>, machine: u16) -> Vec<u8> {
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file
}

/// An ELF file that needs symbols of version `to` where it needed those of `from`, a name of the same length.
fn with_symbols_of(mut file: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let hash = |name: &str| {
        let step = |hash: u32, byte: u8| {
            let hash = (hash << 4).wrapping_add(u32::from(byte));
            let high = hash & 0xf000_0000;
            (hash ^ (high >> 24)) & !high
        };
        name.bytes().fold(0, step).to_le_bytes()
    };
    assert_eq!(from.len(), to.len());
    for (from, to) in [(from.as_bytes(), to.as_bytes()), (&hash(from), &hash(to))] {
        let at = file.windows(from.len()).position(|window| window == from).expect("the version is needed");
        file[at..at + to.len()].copy_from_slice(to);
    }
    file
}

/// The program `hello` of C, as the artifact.
fn hello(place: &Place, base: Base) -> Image {
    place.program("hello", place.input("failing/native/hello"));
    Image::on(base, app("hello"))
}

/// A program with a chain of two libraries, and those of them that are in the image.
fn chain(place: &Place, libraries: &[&str]) -> Image {
    place.program("chain", place.input("failing/native/chain"));
    for library in libraries {
        place.write(&format!("lib/{library}"), place.input(&format!("failing/native/{library}")));
    }
    let layer = if libraries.is_empty() { "" } else { LIBRARIES };
    Image::on(Base::Debian, app("chain") + layer)
}

const BOTH: [&str; 2] = ["libshop.so.1", "libdeep.so.1"];

/// A program that looks for its libraries in `../lib`, and where they are.
fn relocatable(place: &Place, libraries: &str) -> Image {
    place.program("app/bin/chain", place.input("failing/native/chain-origin"));
    for library in BOTH {
        place.write(&format!("app/{libraries}/{library}"), place.input(&format!("failing/native/{library}")));
    }
    Image::on(Base::Debian, tree("app", "/app") + &config(&["/app/bin/chain"], ""))
}

/// A directory with the program `hello`, which is changed on the way.
fn changed(place: &Place, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Image {
    place.program("app/hello", change(place.input("failing/native/hello")));
    Image::on(Base::Debian, tree("app", "/app") + &config(&["/app/hello"], ""))
}

fn cases() -> Vec<Case> {
    let hello_on_debian = |place: &Place| hello(place, Base::Debian);
    vec![
        Case {
            name: "library-missing",
            found: Found::Rules(&["elf-library"]),
            faulty: |place| chain(place, &[]),
            mended: |place| chain(place, &BOTH),
            fails: "libshop.so.1: cannot open shared object file",
            runs: CHAIN,
        },
        Case {
            name: "library-of-library-missing",
            found: Found::Rules(&["elf-library"]),
            faulty: |place| chain(place, &BOTH[..1]),
            mended: |place| chain(place, &BOTH),
            fails: "libdeep.so.1: cannot open shared object file",
            runs: CHAIN,
        },
        Case {
            name: "library-is-a-pointer",
            found: Found::Rules(&["elf-library"]),
            faulty: |place| {
                let image = chain(place, &BOTH);
                place.write("lib/libdeep.so.1", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
                image
            },
            mended: |place| chain(place, &BOTH),
            fails: "file too short",
            runs: CHAIN,
        },
        Case {
            name: "library-for-another-processor",
            found: Found::Rules(&["elf-library"]),
            faulty: |place| {
                let image = chain(place, &BOTH);
                let library = for_machine(place.input("failing/native/libshop.so.1"), ARM64);
                place.write("lib/libshop.so.1", library);
                image
            },
            mended: |place| chain(place, &BOTH),
            fails: "libshop.so.1: cannot open shared object file",
            runs: CHAIN,
        },
        Case {
            name: "run-path-broken",
            found: Found::Rules(&["elf-library"]),
            faulty: |place| relocatable(place, "libs"),
            mended: |place| relocatable(place, "lib"),
            fails: "libshop.so.1: cannot open shared object file",
            runs: CHAIN,
        },
        Case {
            name: "symbols-too-new",
            found: Found::Rules(&["elf-symbol-version"]),
            faulty: |place| {
                let newer = with_symbols_of(place.input("failing/native/hello"), "GLIBC_2.34", "GLIBC_2.99");
                place.program("hello", newer);
                Image::on(Base::Debian, app("hello"))
            },
            mended: hello_on_debian,
            fails: "version `GLIBC_2.99' not found",
            runs: HELLO,
        },
        Case {
            name: "glibc-on-musl",
            found: Found::Rules(&["elf-libc"]),
            faulty: |place| hello(place, Base::Musl),
            mended: hello_on_debian,
            fails: "no such file or directory",
            runs: HELLO,
        },
        Case {
            name: "musl-on-glibc",
            found: Found::Rules(&["elf-libc"]),
            faulty: |place| {
                place.program("hello", place.input("failing/musl/hello"));
                Image::on(Base::Debian, app("hello"))
            },
            mended: |place| {
                place.program("hello", place.input("failing/musl/hello"));
                Image::on(Base::Musl, app("hello"))
            },
            fails: "no such file or directory",
            runs: HELLO,
        },
        Case {
            name: "loader-missing",
            found: Found::Rules(&["elf-interpreter"]),
            faulty: |place| hello(place, Base::Scratch),
            mended: |place| {
                place.program("hello", place.input("failing/native/hello-static"));
                Image::on(Base::Scratch, app("hello"))
            },
            fails: "no such file or directory",
            runs: HELLO,
        },
        Case {
            name: "another-processor",
            found: Found::Rules(&["elf-architecture"]),
            faulty: |place| changed(place, |file| for_machine(file, ARM64)),
            mended: |place| changed(place, |file| file),
            fails: "exec format error",
            runs: HELLO,
        },
        Case {
            name: "program-truncated",
            found: Found::Rules(&["entrypoint-missing"]),
            faulty: |place| changed(place, |file| file[..file.len() / 4].to_vec()),
            mended: |place| changed(place, |file| file),
            fails: "exit code",
            runs: HELLO,
        },
        Case {
            name: "program-empty",
            found: Found::Rules(&["entrypoint-not-executable"]),
            faulty: |place| changed(place, |_| Vec::new()),
            mended: |place| changed(place, |file| file),
            fails: "exec format error",
            runs: HELLO,
        },
    ]
}

#[test]
fn programs_that_do_not_start_are_found() {
    show(&cases(), &[Base::Debian, Base::Musl]);
}
