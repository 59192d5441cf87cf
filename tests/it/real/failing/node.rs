//! Applications of Node.js.

use super::bases::Base;
use super::case::{Case, Found, Image, Place, app, config, tree};
use super::native::for_machine;
use super::session::show;
use crate::artifacts::ARM64;
use crate::node::{ANSWER, NPM, pnpm};

fn npm(place: &Place, base: Base) -> Image {
    place.files("app/", NPM);
    Image::on(base, app("app"))
}

/// The same packages, as pnpm installs them.
fn pnpm_app(place: &Place) -> Image {
    place.files("app/", pnpm());
    Image::on(Base::Node, app("app"))
}

/// The image without a file or directory.
fn without(image: Image, place: &Place, path: &str) -> Image {
    let path = place.path().join(path);
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.expect("can be removed");
    image
}

/// An application that says the text of an addon.
fn addon(place: &Place, addon: &[u8]) -> Image {
    place
        .write(
            "app/package.json",
            r#"{"name":"hello","version":"1.0.0","main":"server.js","dependencies":{"word":"1"}}"#,
        )
        .write("app/server.js", "console.log('hello from', require('word').text)\n")
        .write(
            "app/node_modules/word/package.json",
            r#"{"name":"word","version":"1.0.0","main":"build/Release/word.node"}"#,
        )
        .write("app/node_modules/word/build/Release/word.node", addon);
    Image::on(Base::Node, app("app"))
}

fn good_addon(place: &Place) -> Image {
    addon(place, &place.input("failing/node/napi.node"))
}

/// An application for these versions, with a flag of a regular expression that Node.js 20 was the first to know.
fn matching(place: &Place, engines: &str, flag: &str) -> Image {
    let package = format!(
        r#"{{"name":"hello","version":"1.0.0","main":"server.js","engines":{{"node":"{engines}"}}}}"#
    );
    let server = format!("console.log('matches:', /[a-c]/{flag}.test('b'))\n");
    place.write("app/package.json", package).write("app/server.js", server);
    Image::on(Base::Node, app("app") + "kind = \"node\"\n")
}

fn of_arm(place: &Place) -> Vec<u8> {
    for_machine(place.input("failing/node/napi.node"), ARM64)
}

/// The directory of an application as it is.
fn by_hand(mut image: Image) -> Image {
    image.text = tree("app", "/app") + &config(&["node", "/app/server.js"], "workdir = \"/app\"");
    image
}

fn cases() -> Vec<Case> {
    let addon_fails = |name, rules, faulty, fails| Case {
        name,
        found: Found::Rules(rules),
        faulty,
        mended: good_addon,
        fails,
        runs: "hello from an addon",
    };
    vec![
        Case {
            name: "node-missing",
            found: Found::Rules(&["entrypoint-missing"]),
            faulty: |place| npm(place, Base::Debian),
            mended: |place| npm(place, Base::Node),
            fails: "executable file not found in $PATH",
            runs: ANSWER,
        },
        addon_fails(
            "addon-of-musl",
            &["elf-libc"],
            |place| addon(place, &place.input("failing/node/musl.node")),
            "libc.musl-x86_64.so.1: cannot open shared object file",
        ),
        Case {
            name: "addon-for-another-processor",
            found: Found::Refused {
                says: "word.node` is for linux/arm64, and the base for linux/amd64",
                by_hand: |place| by_hand(addon(place, &of_arm(place))),
            },
            faulty: |place| addon(place, &of_arm(place)),
            mended: good_addon,
            fails: "cannot open shared object file",
            runs: "hello from an addon",
        },
        Case {
            name: "package-missing",
            found: Found::Refused {
                says: "`greet` of its `dependencies` is not in `node_modules`",
                by_hand: |place| by_hand(without(npm(place, Base::Node), place, "app/node_modules/greet")),
            },
            faulty: |place| without(npm(place, Base::Node), place, "app/node_modules/greet"),
            mended: |place| npm(place, Base::Node),
            fails: "Cannot find module 'greet'",
            runs: ANSWER,
        },
        Case {
            name: "package-of-package-missing",
            found: Found::Refused {
                says: "`node_modules/word` is missing",
                by_hand: |place| by_hand(without(npm(place, Base::Node), place, "app/node_modules/word")),
            },
            faulty: |place| without(npm(place, Base::Node), place, "app/node_modules/word"),
            mended: |place| npm(place, Base::Node),
            fails: "Cannot find module 'word'",
            runs: ANSWER,
        },
        Case {
            name: "link-of-pnpm-broken",
            found: Found::Refused {
                says: "node_modules/greet",
                by_hand: |place| by_hand(without(pnpm_app(place), place, "app/node_modules/.pnpm/greet@1")),
            },
            faulty: |place| without(pnpm_app(place), place, "app/node_modules/.pnpm/greet@1"),
            mended: pnpm_app,
            fails: "Cannot find module 'greet'",
            runs: ANSWER,
        },
        Case {
            name: "server-missing",
            found: Found::Refused {
                says: "server.js",
                by_hand: |place| by_hand(without(npm(place, Base::Node), place, "app/server.js")),
            },
            faulty: |place| without(npm(place, Base::Node), place, "app/server.js"),
            mended: |place| npm(place, Base::Node),
            fails: "Cannot find module '/app/server.js'",
            runs: ANSWER,
        },
        addon_fails(
            "addon-without-its-library",
            &["elf-library"],
            |place| addon(place, &place.input("failing/node/library.node")),
            "libdeep.so.1: cannot open shared object file",
        ),
        addon_fails(
            "addon-for-another-node",
            &["node-abi"],
            |place| addon(place, &place.input("failing/node/abi-127.node")),
            "Module did not self-register",
        ),
        Case {
            name: "node-too-old",
            found: Found::Rules(&["node-version"]),
            faulty: |place| matching(place, ">=20", "v"),
            mended: |place| matching(place, ">=18", "u"),
            fails: "Invalid regular expression flags",
            runs: "matches: true",
        },
    ]
}

#[test]
fn applications_of_node_that_do_not_start_are_found() {
    show(&cases(), &[Base::Debian, Base::Node]);
}
