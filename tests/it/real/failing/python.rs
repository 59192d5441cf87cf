//! Applications of Python.

use super::bases::Base;
use super::case::{Case, Found, Image, Place, app, config, tree};
use super::native::for_machine;
use super::session::show;
use crate::artifacts::ARM64;
use crate::python::environment;
use crate::support::Zip;

const ANSWER: &str = "hello world /app/.venv";

/// An environment on a base, with its files changed on the way.
fn venv(place: &Place, base: Base, change: impl Fn(&str) -> String) -> Image {
    let files = environment("").into_iter().map(|(name, text)| (change(&name), change(&text)));
    place.files("venv/", files).mode("venv/bin/hello", 0o755);
    Image::on(base, app("venv"))
}

fn good_venv(place: &Place) -> Image {
    venv(place, Base::Python, str::to_owned)
}

/// A directory that `pip install --target` filled, with a compiled module of this name.
fn module(place: &Place, name: &str, content: &[u8]) -> Image {
    let distribution = "Metadata-Version: 2.1\nName: word-c\nVersion: 1.0\n";
    place
        .write("app/__main__.py", "import word_c\nprint('hello from', word_c.__name__)\n")
        .write(&format!("app/{name}"), content)
        .write("app/word_c-1.0.dist-info/METADATA", distribution)
        .write("app/word_c-1.0.dist-info/RECORD", format!("{name},,\nword_c-1.0.dist-info/METADATA,,\n"));
    Image::on(Base::Python, app("app"))
}

const MODULE: &str = "word_c.cpython-311-x86_64-linux-gnu.so";

fn good_module(place: &Place) -> Image {
    module(place, MODULE, &place.input("failing/python/word_c.so"))
}

/// The directory with the module left where it was made.
fn editable(place: &Place) -> Image {
    let image = good_module(place);
    place
        .remove(&format!("app/{MODULE}"))
        .write("app/__editable__.word_c-1.0.pth", "/home/me/word/src\n")
        .write("app/word_c-1.0.dist-info/RECORD", "__editable__.word_c-1.0.pth,,\n");
    image
}

fn zipapp() -> Vec<u8> {
    Zip::default().stored("__main__.py", b"print('hello from an archive')\n").finish()
}

fn of_arm(place: &Place) -> Vec<u8> {
    for_machine(place.input("failing/python/word_c.so"), ARM64)
}

/// The directory of an application as it is.
fn by_hand(mut image: Image) -> Image {
    image.text = tree("app", "/app") + &config(&["python3", "/app"], "");
    image
}

fn cases() -> Vec<Case> {
    let module_fails = |name, rules, faulty, fails| Case {
        name,
        found: Found::Rules(rules),
        faulty,
        mended: good_module,
        fails,
        runs: "hello from word_c",
    };
    vec![
        Case {
            name: "python-missing",
            found: Found::Rules(&["entrypoint-missing"]),
            faulty: |place| venv(place, Base::Debian, str::to_owned),
            mended: good_venv,
            fails: "no such file or directory",
            runs: ANSWER,
        },
        Case {
            name: "script-of-the-build-machine",
            found: Found::Rules(&["entrypoint-no-shell"]),
            faulty: |place| {
                good_venv(place);
                Image::on(Base::Python, tree("venv", "/app/.venv") + &config(&["/app/.venv/bin/hello"], ""))
            },
            mended: good_venv,
            fails: "no such file or directory",
            runs: ANSWER,
        },
        Case {
            name: "interpreter-of-the-build-machine",
            found: Found::Rules(&["entrypoint-missing"]),
            faulty: |place| {
                good_venv(place);
                let entrypoint = config(&["/app/.venv/bin/python", "/app/.venv/bin/hello"], "");
                Image::on(Base::Python, tree("venv", "/app/.venv") + &entrypoint)
            },
            mended: good_venv,
            fails: "no such file or directory",
            runs: ANSWER,
        },
        Case {
            name: "module-for-another-processor",
            found: Found::Refused {
                says: "x86_64-linux-gnu.so` is for linux/arm64, and the base for linux/amd64",
                by_hand: |place| by_hand(module(place, MODULE, &of_arm(place))),
            },
            faulty: |place| module(place, MODULE, &of_arm(place)),
            mended: good_module,
            fails: "cannot open shared object file",
            runs: "hello from word_c",
        },
        Case {
            name: "installed-as-editable",
            found: Found::Refused {
                says: "is installed as editable",
                by_hand: |place| by_hand(editable(place)),
            },
            faulty: editable,
            mended: good_module,
            fails: "ModuleNotFoundError: No module named 'word_c'",
            runs: "hello from word_c",
        },
        Case {
            name: "archive-truncated",
            found: Found::Refused {
                says: "is a truncated zip archive",
                by_hand: |place| {
                    let archive = zipapp();
                    place.write("app/app.pyz", &archive[..archive.len() - 30]);
                    let entrypoint = config(&["python3", "/app/app.pyz"], "");
                    Image::on(Base::Python, tree("app", "/app") + &entrypoint)
                },
            },
            faulty: |place| {
                let archive = zipapp();
                place.write("app.pyz", &archive[..archive.len() - 30]);
                Image::on(Base::Python, app("app.pyz"))
            },
            mended: |place| {
                place.write("app.pyz", zipapp());
                Image::on(Base::Python, app("app.pyz"))
            },
            fails: "exit code Some(1)",
            runs: "hello from an archive",
        },
        module_fails(
            "module-of-musl",
            &["elf-libc"],
            |place| module(place, MODULE, &place.input("failing/python/musl.so")),
            "libc.musl-x86_64.so.1: cannot open shared object file",
        ),
        module_fails(
            "module-without-its-library",
            &["elf-library"],
            |place| module(place, MODULE, &place.input("failing/python/library.so")),
            "libdeep.so.1: cannot open shared object file",
        ),
        Case {
            name: "venv-of-another-python",
            found: Found::Rules(&["python-version"]),
            faulty: |place| venv(place, Base::Python, |text| text.replace("3.11", "3.12")),
            mended: good_venv,
            fails: "no such file or directory",
            runs: ANSWER,
        },
        module_fails(
            "module-for-another-python",
            &["python-abi"],
            |place| module(place, &MODULE.replace("311", "312"), &place.input("failing/python/word_c.so")),
            "executable file not found",
        ),
    ]
}

#[test]
fn applications_of_python_that_do_not_start_are_found() {
    show(&cases(), &[Base::Debian, Base::Python]);
}
